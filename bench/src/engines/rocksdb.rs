//! RocksDB, through the C functions of the system's library, bound here.
//!
//! - Block size 4 KiB, leveled compaction, two background jobs: its defaults. Filters: 10 bits, full. The
//!   log is written at each put (its default).
//! - Gets are pinned, so that the value is not copied; multiget is `MultiGet`, which copies them.
//! - Bulk load: tables of 64 MiB by its table writer, moved in by ingestion.
//!
//! # Invariants
//! - **R1** All handles of [`Rocks`] are open as long as it lives; readers borrow it.
//! - **R2** What an iterator or a pinned value lends is read before it moves or is released.

use super::{
    BACKGROUND_THREADS, BULK_TABLE_BYTES, Codec, Engine, Kind, Reader, Result, Setup, Start, Visit,
};
use crate::data::{KEY_BYTES, Key, Sum};
use crate::process::wait_until_idle;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};

pub const KIND: Kind = Kind {
    name: "rocksdb",
    note: "the system's library: 7.8 on Debian 12",
    compresses: true,
    open: |setup| Ok(Box::new(Rocks::open(setup)?)),
};

/// Any object of the library.
type Handle = *mut c_void;

unsafe extern "C" {
    fn rocksdb_open(options: Handle, name: *const c_char, error: *mut *mut c_char) -> Handle;
    fn rocksdb_close(db: Handle);
    fn rocksdb_free(memory: *mut c_void);
    fn rocksdb_options_create() -> Handle;
    fn rocksdb_options_set_create_if_missing(options: Handle, on: c_uchar);
    fn rocksdb_options_set_write_buffer_size(options: Handle, bytes: usize);
    fn rocksdb_options_set_max_background_jobs(options: Handle, jobs: c_int);
    fn rocksdb_options_set_compression(options: Handle, codec: c_int);
    fn rocksdb_options_set_block_based_table_factory(options: Handle, table: Handle);
    fn rocksdb_block_based_options_create() -> Handle;
    fn rocksdb_block_based_options_set_filter_policy(table: Handle, filter: Handle);
    fn rocksdb_block_based_options_set_block_cache(table: Handle, cache: Handle);
    fn rocksdb_filterpolicy_create_bloom_full(bits: f64) -> Handle;
    fn rocksdb_cache_create_lru(bytes: usize) -> Handle;
    fn rocksdb_writeoptions_create() -> Handle;
    fn rocksdb_writeoptions_set_sync(options: Handle, on: c_uchar);
    fn rocksdb_readoptions_create() -> Handle;
    fn rocksdb_put(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        error: *mut *mut c_char,
    );
    fn rocksdb_delete(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        error: *mut *mut c_char,
    );
    fn rocksdb_writebatch_create() -> Handle;
    fn rocksdb_writebatch_destroy(batch: Handle);
    fn rocksdb_writebatch_put(
        batch: Handle,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    );
    fn rocksdb_write(db: Handle, options: Handle, batch: Handle, error: *mut *mut c_char);
    fn rocksdb_get_pinned(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        error: *mut *mut c_char,
    ) -> Handle;
    fn rocksdb_pinnableslice_value(pinned: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_pinnableslice_destroy(pinned: Handle);
    fn rocksdb_multi_get(
        db: Handle,
        options: Handle,
        count: usize,
        keys: *const *const u8,
        key_lens: *const usize,
        values: *mut *mut u8,
        value_lens: *mut usize,
        errors: *mut *mut c_char,
    );
    fn rocksdb_create_iterator(db: Handle, options: Handle) -> Handle;
    fn rocksdb_iter_destroy(iterator: Handle);
    fn rocksdb_iter_valid(iterator: Handle) -> c_uchar;
    fn rocksdb_iter_seek_to_first(iterator: Handle);
    fn rocksdb_iter_seek_to_last(iterator: Handle);
    fn rocksdb_iter_seek(iterator: Handle, key: *const u8, key_len: usize);
    fn rocksdb_iter_next(iterator: Handle);
    fn rocksdb_iter_prev(iterator: Handle);
    fn rocksdb_iter_key(iterator: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_iter_value(iterator: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_iter_get_error(iterator: Handle, error: *mut *mut c_char);
    fn rocksdb_compact_range(
        db: Handle,
        start: *const u8,
        start_len: usize,
        end: *const u8,
        end_len: usize,
    );
    fn rocksdb_property_int(db: Handle, name: *const c_char, value: *mut u64) -> c_int;
    fn rocksdb_envoptions_create() -> Handle;
    fn rocksdb_sstfilewriter_create(environment: Handle, options: Handle) -> Handle;
    fn rocksdb_sstfilewriter_open(writer: Handle, path: *const c_char, error: *mut *mut c_char);
    fn rocksdb_sstfilewriter_put(
        writer: Handle,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        error: *mut *mut c_char,
    );
    fn rocksdb_sstfilewriter_finish(writer: Handle, error: *mut *mut c_char);
    fn rocksdb_sstfilewriter_destroy(writer: Handle);
    fn rocksdb_ingestexternalfileoptions_create() -> Handle;
    fn rocksdb_ingestexternalfileoptions_set_move_files(options: Handle, on: c_uchar);
    fn rocksdb_ingest_external_file(
        db: Handle,
        paths: *const *const c_char,
        count: usize,
        options: Handle,
        error: *mut *mut c_char,
    );
}

/// Calls a function whose last argument is a place for an error.
fn checked<T>(call: impl FnOnce(*mut *mut c_char) -> T) -> Result<T> {
    let mut error = null_mut();
    let done = call(&mut error);
    if error.is_null() {
        return Ok(done);
    }
    // SAFETY: the library made a string that ends in zero, and it is ours to free.
    let text = unsafe { CStr::from_ptr(error).to_string_lossy().into_owned() };
    // SAFETY: as above; it is not used again.
    unsafe { rocksdb_free(error.cast()) };
    Err(format!("rocksdb: {text}").into())
}

struct Rocks {
    db: Handle,
    options: Handle,
    write: Handle,
    read: Handle,
    directory: PathBuf,
}

// SAFETY: RocksDB's database and options may be used from many threads at a time.
unsafe impl Sync for Rocks {}

impl Rocks {
    fn open(setup: &Setup) -> Result<Rocks> {
        let path = CString::new(setup.directory.join("db").to_string_lossy().as_bytes())?;
        let codec = match setup.codec {
            Codec::None => 0,
            Codec::Lz4 => 4,
        };
        // SAFETY: each function gets the kind of object it asks for; the table options share what
        // they are given, and nothing of this is freed before the process ends.
        unsafe {
            let options = rocksdb_options_create();
            rocksdb_options_set_create_if_missing(options, 1);
            rocksdb_options_set_write_buffer_size(options, setup.write_buffer_bytes);
            rocksdb_options_set_max_background_jobs(options, BACKGROUND_THREADS as c_int);
            rocksdb_options_set_compression(options, codec);
            let table = rocksdb_block_based_options_create();
            let filter = rocksdb_filterpolicy_create_bloom_full(10.0);
            rocksdb_block_based_options_set_filter_policy(table, filter);
            let cache = rocksdb_cache_create_lru(setup.cache_bytes);
            rocksdb_block_based_options_set_block_cache(table, cache);
            rocksdb_options_set_block_based_table_factory(options, table);
            let write = rocksdb_writeoptions_create();
            rocksdb_writeoptions_set_sync(write, setup.is_durable.into());
            let read = rocksdb_readoptions_create();
            let db = checked(|error| rocksdb_open(options, path.as_ptr(), error))?;
            Ok(Rocks { db, options, write, read, directory: setup.directory.clone() })
        }
    }

    fn property(&self, name: &CStr) -> u64 {
        let mut value = 0;
        // SAFETY: by R1 the database is open; the value has a place.
        unsafe { rocksdb_property_int(self.db, name.as_ptr(), &mut value) };
        value
    }

    /// Writes one table.
    fn write_table(
        &self,
        path: &CStr,
        entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>,
    ) -> Result<()> {
        // SAFETY: by R1 the options are there; the writer lives until the end of this block, and
        // copies what it is given.
        unsafe {
            let writer = rocksdb_sstfilewriter_create(rocksdb_envoptions_create(), self.options);
            checked(|error| rocksdb_sstfilewriter_open(writer, path.as_ptr(), error))?;
            let mut bytes = 0;
            while bytes < BULK_TABLE_BYTES {
                let Some((key, value)) = entries.next() else { break };
                let (k, v) = (key.as_ptr(), value.as_ptr());
                checked(|error| {
                    rocksdb_sstfilewriter_put(writer, k, KEY_BYTES, v, value.len(), error);
                })?;
                bytes += (KEY_BYTES + value.len()) as u64;
            }
            checked(|error| rocksdb_sstfilewriter_finish(writer, error))?;
            rocksdb_sstfilewriter_destroy(writer);
        }
        Ok(())
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // SAFETY: no reader is left: they borrow the engine.
        unsafe { rocksdb_close(self.db) };
    }
}

impl Engine for Rocks {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let (k, v) = (key.as_ptr(), value.as_ptr());
        // SAFETY: by R1; key and value are copied.
        checked(|error| unsafe {
            rocksdb_put(self.db, self.write, k, key.len(), v, value.len(), error);
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        // SAFETY: by R1; the key is copied.
        checked(|error| unsafe {
            rocksdb_delete(self.db, self.write, key.as_ptr(), key.len(), error);
        })
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        // SAFETY: by R1; the batch copies what it is given, and is freed once.
        unsafe {
            let batch = rocksdb_writebatch_create();
            for (key, value) in entries {
                let (k, v) = (key.as_ptr(), value.as_ptr());
                rocksdb_writebatch_put(batch, k, KEY_BYTES, v, value.len());
            }
            let done = checked(|error| rocksdb_write(self.db, self.write, batch, error));
            rocksdb_writebatch_destroy(batch);
            done
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(RocksReader(self)))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        let mut paths = Vec::new();
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            let path = self.directory.join(format!("bulk-{}.sst", paths.len()));
            let path = CString::new(path.to_string_lossy().as_bytes())?;
            self.write_table(&path, &mut entries)?;
            paths.push(path);
        }
        let pointers: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
        // SAFETY: by R1; the paths live until the call returns.
        unsafe {
            let options = rocksdb_ingestexternalfileoptions_create();
            rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
            checked(|error| {
                let count = pointers.len();
                rocksdb_ingest_external_file(self.db, pointers.as_ptr(), count, options, error);
            })
        }
    }

    fn settle(&self) -> Result<()> {
        let names = [
            c"rocksdb.mem-table-flush-pending",
            c"rocksdb.num-running-flushes",
            c"rocksdb.compaction-pending",
            c"rocksdb.num-running-compactions",
        ];
        while names.iter().any(|name| self.property(name) > 0) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        wait_until_idle();
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        // SAFETY: by R1; no bounds mean everything.
        unsafe { rocksdb_compact_range(self.db, null(), 0, null(), 0) };
        Ok(())
    }
}

struct RocksReader<'e>(&'e Rocks);

impl Reader for RocksReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let (db, read) = (self.0.db, self.0.read);
        // SAFETY: by R1; by R2 the value is read before it is released, once.
        unsafe {
            let pinned =
                checked(|error| rocksdb_get_pinned(db, read, key.as_ptr(), key.len(), error))?;
            if pinned.is_null() {
                return Ok(false);
            }
            let mut len = 0;
            let value = rocksdb_pinnableslice_value(pinned, &mut len);
            sum.add(std::slice::from_raw_parts(value, len));
            rocksdb_pinnableslice_destroy(pinned);
        }
        Ok(true)
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        let count = keys.len();
        let pointers: Vec<_> = keys.iter().map(|key| key.as_ptr()).collect();
        let lens = vec![KEY_BYTES; count];
        let (mut values, mut value_lens) = (vec![null_mut(); count], vec![0; count]);
        let mut errors = vec![null_mut(); count];
        // SAFETY: by R1; every list has `count` places. What comes back is ours to free.
        unsafe {
            rocksdb_multi_get(
                self.0.db,
                self.0.read,
                count,
                pointers.as_ptr(),
                lens.as_ptr(),
                values.as_mut_ptr(),
                value_lens.as_mut_ptr(),
                errors.as_mut_ptr(),
            );
        }
        let mut found = 0;
        for ((value, len), error) in values.into_iter().zip(value_lens).zip(errors) {
            checked(|place| {
                // SAFETY: `place` is a place for an error.
                unsafe { *place = error };
            })?;
            if !value.is_null() {
                found += 1;
                // SAFETY: `len` bytes are at `value`, until they are freed here.
                unsafe {
                    sum.add(std::slice::from_raw_parts(value, len));
                    rocksdb_free(value.cast());
                }
            }
        }
        Ok(found)
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let step = if matches!(start, Start::Last) { rocksdb_iter_prev } else { rocksdb_iter_next };
        // SAFETY: by R1; the iterator lives until the end of this block; by R2 key and value are
        // read before it moves.
        unsafe {
            let iterator = rocksdb_create_iterator(self.0.db, self.0.read);
            match start {
                Start::First => rocksdb_iter_seek_to_first(iterator),
                Start::Last => rocksdb_iter_seek_to_last(iterator),
                Start::At(key) => rocksdb_iter_seek(iterator, key.as_ptr(), key.len()),
            }
            while rocksdb_iter_valid(iterator) != 0 {
                let (mut key_len, mut value_len) = (0, 0);
                let key = rocksdb_iter_key(iterator, &mut key_len);
                let value = rocksdb_iter_value(iterator, &mut value_len);
                let key = std::slice::from_raw_parts(key, key_len);
                if !visit.entry(key, std::slice::from_raw_parts(value, value_len)) {
                    break;
                }
                step(iterator);
            }
            let done = checked(|error| rocksdb_iter_get_error(iterator, error));
            rocksdb_iter_destroy(iterator);
            done
        }
    }
}
