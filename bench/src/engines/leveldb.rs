//! LevelDB, through the C functions of the system's library, bound here.
//!
//! - Block size 4 KiB, tables of 2 MiB, one background thread: its defaults, the last of which it
//!   has no setting for. Filters: 10 bits. The log is written at each put.
//! - `lz4` means Snappy, the only codec it has.
//! - Bulk load: batches of 1,000 in order, as it takes no tables from outside.
//!
//! # Invariants
//! - **V1** All handles of [`Level`] are open as long as it lives; readers borrow it.
//! - **V2** What an iterator or a get gives is read before it moves or is freed.

use super::{Codec, Engine, Kind, Reader, Result, Setup, Start, Visit};
use crate::data::{KEY_BYTES, Key, Sum};
use crate::process::wait_until_idle;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

pub const KIND: Kind = Kind {
    name: "leveldb",
    note: "the system's library: 1.23 on Debian 12; one background thread; Snappy in place of LZ4",
    compresses: true,
    open: |setup| Ok(Box::new(Level::open(setup)?)),
};

/// Any object of the library.
type Handle = *mut c_void;

unsafe extern "C" {
    fn leveldb_open(options: Handle, name: *const c_char, error: *mut *mut c_char) -> Handle;
    fn leveldb_close(db: Handle);
    fn leveldb_free(memory: *mut c_void);
    fn leveldb_options_create() -> Handle;
    fn leveldb_options_set_create_if_missing(options: Handle, on: u8);
    fn leveldb_options_set_write_buffer_size(options: Handle, bytes: usize);
    fn leveldb_options_set_cache(options: Handle, cache: Handle);
    fn leveldb_options_set_compression(options: Handle, codec: c_int);
    fn leveldb_options_set_filter_policy(options: Handle, filter: Handle);
    fn leveldb_filterpolicy_create_bloom(bits: c_int) -> Handle;
    fn leveldb_cache_create_lru(bytes: usize) -> Handle;
    fn leveldb_writeoptions_create() -> Handle;
    fn leveldb_writeoptions_set_sync(options: Handle, on: u8);
    fn leveldb_readoptions_create() -> Handle;
    fn leveldb_readoptions_destroy(options: Handle);
    fn leveldb_readoptions_set_snapshot(options: Handle, snapshot: Handle);
    fn leveldb_create_snapshot(db: Handle) -> Handle;
    fn leveldb_release_snapshot(db: Handle, snapshot: Handle);
    fn leveldb_put(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        error: *mut *mut c_char,
    );
    fn leveldb_delete(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        error: *mut *mut c_char,
    );
    fn leveldb_writebatch_create() -> Handle;
    fn leveldb_writebatch_destroy(batch: Handle);
    fn leveldb_writebatch_put(
        batch: Handle,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    );
    fn leveldb_write(db: Handle, options: Handle, batch: Handle, error: *mut *mut c_char);
    fn leveldb_get(
        db: Handle,
        options: Handle,
        key: *const u8,
        key_len: usize,
        value_len: *mut usize,
        error: *mut *mut c_char,
    ) -> *mut u8;
    fn leveldb_create_iterator(db: Handle, options: Handle) -> Handle;
    fn leveldb_iter_destroy(iterator: Handle);
    fn leveldb_iter_valid(iterator: Handle) -> u8;
    fn leveldb_iter_seek_to_first(iterator: Handle);
    fn leveldb_iter_seek_to_last(iterator: Handle);
    fn leveldb_iter_seek(iterator: Handle, key: *const u8, key_len: usize);
    fn leveldb_iter_next(iterator: Handle);
    fn leveldb_iter_prev(iterator: Handle);
    fn leveldb_iter_key(iterator: Handle, len: *mut usize) -> *const u8;
    fn leveldb_iter_value(iterator: Handle, len: *mut usize) -> *const u8;
    fn leveldb_iter_get_error(iterator: Handle, error: *mut *mut c_char);
    fn leveldb_compact_range(
        db: Handle,
        start: *const u8,
        start_len: usize,
        end: *const u8,
        end_len: usize,
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
    unsafe { leveldb_free(error.cast()) };
    Err(format!("leveldb: {text}").into())
}

struct Level {
    db: Handle,
    write: Handle,
    read: Handle,
}

// SAFETY: LevelDB's database and options may be used from many threads at a time.
unsafe impl Sync for Level {}

impl Level {
    fn open(setup: &Setup) -> Result<Level> {
        let path = CString::new(setup.directory.join("db").to_string_lossy().as_bytes())?;
        let codec = match setup.codec {
            Codec::None => 0,
            Codec::Lz4 => 1,
        };
        // SAFETY: each function gets the kind of object it asks for, and nothing of this is freed
        // before the process ends.
        unsafe {
            let options = leveldb_options_create();
            leveldb_options_set_create_if_missing(options, 1);
            leveldb_options_set_write_buffer_size(options, setup.write_buffer_bytes);
            leveldb_options_set_cache(options, leveldb_cache_create_lru(setup.cache_bytes));
            leveldb_options_set_compression(options, codec);
            leveldb_options_set_filter_policy(options, leveldb_filterpolicy_create_bloom(10));
            let write = leveldb_writeoptions_create();
            leveldb_writeoptions_set_sync(write, setup.is_durable.into());
            let read = leveldb_readoptions_create();
            let db = checked(|error| leveldb_open(options, path.as_ptr(), error))?;
            Ok(Level { db, write, read })
        }
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        // SAFETY: no reader is left: they borrow the engine.
        unsafe { leveldb_close(self.db) };
    }
}

impl Engine for Level {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let (k, v) = (key.as_ptr(), value.as_ptr());
        // SAFETY: by V1; key and value are copied.
        checked(|error| unsafe {
            leveldb_put(self.db, self.write, k, key.len(), v, value.len(), error);
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        // SAFETY: by V1; the key is copied.
        checked(|error| unsafe {
            leveldb_delete(self.db, self.write, key.as_ptr(), key.len(), error);
        })
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        // SAFETY: by V1; the batch copies what it is given, and is freed once.
        unsafe {
            let batch = leveldb_writebatch_create();
            for (key, value) in entries {
                let (k, v) = (key.as_ptr(), value.as_ptr());
                leveldb_writebatch_put(batch, k, KEY_BYTES, v, value.len());
            }
            let done = checked(|error| leveldb_write(self.db, self.write, batch, error));
            leveldb_writebatch_destroy(batch);
            done
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(LevelReader { level: self, read: self.read }))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        loop {
            let batch: Vec<_> = entries.take(1000).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.put_batch(&batch)?;
        }
    }

    fn settle(&self) -> Result<()> {
        wait_until_idle();
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        // SAFETY: by V1; no bounds mean everything.
        unsafe { leveldb_compact_range(self.db, null(), 0, null(), 0) };
        Ok(())
    }
}

struct LevelReader<'e> {
    level: &'e Level,
    read: Handle,
}

impl Reader for LevelReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let mut len = 0;
        let (db, read) = (self.level.db, self.read);
        // SAFETY: by V1; by V2 the value is read before it is freed, once.
        unsafe {
            let value =
                checked(|error| leveldb_get(db, read, key.as_ptr(), key.len(), &mut len, error))?;
            if value.is_null() {
                return Ok(false);
            }
            sum.add(std::slice::from_raw_parts(value, len));
            leveldb_free(value.cast());
        }
        Ok(true)
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        // SAFETY: by V1; snapshot and options are released below, after their last use.
        let (snapshot, read) = unsafe {
            let snapshot = leveldb_create_snapshot(self.level.db);
            let read = leveldb_readoptions_create();
            leveldb_readoptions_set_snapshot(read, snapshot);
            (snapshot, read)
        };
        let mut reader = LevelReader { level: self.level, read };
        let found =
            keys.iter().try_fold(0, |found, key| Ok(found + u64::from(reader.get(key, sum)?)));
        // SAFETY: made above, and not used again.
        unsafe {
            leveldb_readoptions_destroy(read);
            leveldb_release_snapshot(self.level.db, snapshot);
        }
        found
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let step = if matches!(start, Start::Last) { leveldb_iter_prev } else { leveldb_iter_next };
        // SAFETY: by V1; the iterator lives until the end of this block; by V2 key and value are
        // read before it moves.
        unsafe {
            let iterator = leveldb_create_iterator(self.level.db, self.read);
            match start {
                Start::First => leveldb_iter_seek_to_first(iterator),
                Start::Last => leveldb_iter_seek_to_last(iterator),
                Start::At(key) => leveldb_iter_seek(iterator, key.as_ptr(), key.len()),
            }
            while leveldb_iter_valid(iterator) != 0 {
                let (mut key_len, mut value_len) = (0, 0);
                let key = leveldb_iter_key(iterator, &mut key_len);
                let value = leveldb_iter_value(iterator, &mut value_len);
                let key = std::slice::from_raw_parts(key, key_len);
                if !visit.entry(key, std::slice::from_raw_parts(value, value_len)) {
                    break;
                }
                step(iterator);
            }
            let done = checked(|error| leveldb_iter_get_error(iterator, error));
            leveldb_iter_destroy(iterator);
            done
        }
    }
}
