//! LMDB, through the C binding that heed is made of, called without heed's wrapping.
//!
//! - Write level: `NOSYNC | WRITEMAP`. A killed process loses nothing, as with the others; a power
//!   cut may destroy the whole file, where the others lose the end of the log. For synced writes it
//!   runs as it comes: each commit is synced.
//! - Cache: the operating system's, through the map, without a limit. Its memory is mapped files.
//! - Each put is a transaction; each read renews a transaction, as one must to see new writes.
//! - It neither compresses nor compacts. Bulk load is `APPEND` in transactions of 100,000.
//!
//! # Invariants
//! - **L1** `env` and `dbi` are open as long as the engine lives; readers borrow it.
//! - **L2** A value that LMDB gives is read before its transaction is reset or ended.

use super::{Engine, Kind, NotOffered, Reader, Result, Setup, Start, Visit};
use crate::data::{Key, Sum};
use lmdb_master_sys as sys;
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

pub const KIND: Kind = Kind {
    name: "lmdb",
    note: "0.9.70; NOSYNC|WRITEMAP: a power cut can destroy the file; cache is the system's, \
           without limit",
    compresses: false,
    open: |setup| Ok(Box::new(Lmdb::open(setup)?)),
};

struct Lmdb {
    env: *mut sys::MDB_env,
    dbi: sys::MDB_dbi,
}

// SAFETY: an environment may be used from many threads; every transaction here stays with the
// thread that began it, or is of a reader, which `NOTLS` frees from its thread.
unsafe impl Sync for Lmdb {}

fn check(code: i32) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: `mdb_strerror` gives a string that lives for ever for every code.
    let text = unsafe { CStr::from_ptr(sys::mdb_strerror(code)) };
    Err(format!("lmdb: {}", text.to_string_lossy()).into())
}

fn lend(bytes: &[u8]) -> sys::MDB_val {
    sys::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr().cast_mut().cast() }
}

const NOTHING: sys::MDB_val = sys::MDB_val { mv_size: 0, mv_data: null_mut() };

/// The bytes of a value.
///
/// # Safety
/// LMDB gave `value` in a transaction that outlives `'t`.
#[inline]
unsafe fn bytes<'t>(value: &sys::MDB_val) -> &'t [u8] {
    // SAFETY: by the promise above the bytes are mapped and unchanged for `'t`.
    unsafe { std::slice::from_raw_parts(value.mv_data.cast(), value.mv_size) }
}

impl Lmdb {
    fn open(setup: &Setup) -> Result<Lmdb> {
        let path = CString::new(setup.directory.to_string_lossy().as_bytes())?;
        let flags =
            sys::MDB_NOTLS | if setup.is_durable { 0 } else { sys::MDB_NOSYNC | sys::MDB_WRITEMAP };
        // Sparse, so it costs nothing to be large.
        let map_bytes = (setup.data_bytes as usize * 6 + (4 << 30)).next_multiple_of(4096);
        let mut lmdb = Lmdb { env: null_mut(), dbi: 0 };
        // SAFETY: the calls come in the order that LMDB asks for, with places that outlive them.
        unsafe {
            check(sys::mdb_env_create(&mut lmdb.env))?;
            check(sys::mdb_env_set_mapsize(lmdb.env, map_bytes as _))?;
            check(sys::mdb_env_open(lmdb.env, path.as_ptr(), flags, 0o644))?;
        }
        let mut dbi = 0;
        lmdb.write(|txn| {
            // SAFETY: `txn` is open; `dbi` is a place for the handle.
            check(unsafe { sys::mdb_dbi_open(txn, null(), sys::MDB_CREATE, &mut dbi) })
        })?;
        lmdb.dbi = dbi;
        Ok(lmdb)
    }

    fn write(&self, work: impl FnOnce(*mut sys::MDB_txn) -> Result<()>) -> Result<()> {
        let mut txn = null_mut();
        // SAFETY: by L1 the environment is open; the transaction ends here, on this thread.
        unsafe {
            check(sys::mdb_txn_begin(self.env, null_mut(), 0, &mut txn))?;
            if let Err(error) = work(txn) {
                sys::mdb_txn_abort(txn);
                return Err(error);
            }
            check(sys::mdb_txn_commit(txn))
        }
    }

    fn put_in(&self, txn: *mut sys::MDB_txn, key: &[u8], value: &[u8], flags: u32) -> Result<()> {
        let (mut key, mut value) = (lend(key), lend(value));
        // SAFETY: `txn` is open; LMDB copies key and value and does not write to them.
        check(unsafe { sys::mdb_put(txn, self.dbi, &mut key, &mut value, flags) })
    }
}

impl Drop for Lmdb {
    fn drop(&mut self) {
        // SAFETY: no transaction is open: readers borrow the engine, writers end in `write`.
        unsafe { sys::mdb_env_close(self.env) };
    }
}

impl Engine for Lmdb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|txn| self.put_in(txn, key, value, 0))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|txn| {
            let mut key = lend(key);
            // SAFETY: `txn` is open; the key is only read.
            match unsafe { sys::mdb_del(txn, self.dbi, &mut key, null_mut()) } {
                sys::MDB_NOTFOUND => Ok(()),
                code => check(code),
            }
        })
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        self.write(|txn| entries.iter().try_for_each(|(k, v)| self.put_in(txn, k, v, 0)))
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let mut reader = LmdbReader { txn: null_mut(), cursor: null_mut(), lmdb: self };
        // SAFETY: by L1 the environment is open. The transaction stays, reset between reads.
        unsafe {
            check(sys::mdb_txn_begin(self.env, null_mut(), sys::MDB_RDONLY, &mut reader.txn))?;
            check(sys::mdb_cursor_open(reader.txn, self.dbi, &mut reader.cursor))?;
            sys::mdb_txn_reset(reader.txn);
        }
        Ok(Box::new(reader))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            self.write(|txn| {
                let mut some = entries.by_ref().take(100_000);
                some.try_for_each(|(k, v)| self.put_in(txn, &k, v, sys::MDB_APPEND))
            })?;
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        Err(NotOffered.into())
    }
}

struct LmdbReader<'e> {
    txn: *mut sys::MDB_txn,
    cursor: *mut sys::MDB_cursor,
    lmdb: &'e Lmdb,
}

impl LmdbReader<'_> {
    /// Does `work` in a transaction that sees all writes so far.
    fn renewed<T>(&mut self, work: impl FnOnce(&LmdbReader<'_>) -> Result<T>) -> Result<T> {
        // SAFETY: the transaction is reset between calls; by L2 nothing outlives the reset.
        check(unsafe { sys::mdb_txn_renew(self.txn) })?;
        let done = work(self);
        // SAFETY: as above.
        unsafe { sys::mdb_txn_reset(self.txn) };
        done
    }

    fn get_in(&self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let (mut key, mut value) = (lend(key), NOTHING);
        // SAFETY: the transaction is renewed; by L2 the value is read before its reset.
        unsafe {
            match sys::mdb_get(self.txn, self.lmdb.dbi, &mut key, &mut value) {
                sys::MDB_NOTFOUND => return Ok(false),
                code => check(code)?,
            }
            sum.add(bytes(&value));
        }
        Ok(true)
    }
}

impl Drop for LmdbReader<'_> {
    fn drop(&mut self) {
        // SAFETY: cursor and transaction are this reader's own, and not used again.
        unsafe {
            sys::mdb_cursor_close(self.cursor);
            sys::mdb_txn_abort(self.txn);
        }
    }
}

impl Reader for LmdbReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        self.renewed(|reader| reader.get_in(key, sum))
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        self.renewed(|reader| {
            keys.iter().try_fold(0, |found, key| Ok(found + u64::from(reader.get_in(key, sum)?)))
        })
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        self.renewed(|reader| {
            let (mut key, mut value) = (NOTHING, NOTHING);
            let (first, step) = match start {
                Start::First => (sys::MDB_FIRST, sys::MDB_NEXT),
                Start::Last => (sys::MDB_LAST, sys::MDB_PREV),
                Start::At(from) => {
                    key = lend(from);
                    (sys::MDB_SET_RANGE, sys::MDB_NEXT)
                }
            };
            // SAFETY: the transaction is renewed, the cursor is made anew for it; by L2 key and
            // value are read before the reset.
            unsafe {
                check(sys::mdb_cursor_renew(reader.txn, reader.cursor))?;
                let mut code = sys::mdb_cursor_get(reader.cursor, &mut key, &mut value, first);
                while code == 0 && visit.entry(bytes(&key), bytes(&value)) {
                    code = sys::mdb_cursor_get(reader.cursor, &mut key, &mut value, step);
                }
                if code == sys::MDB_NOTFOUND { Ok(()) } else { check(code) }
            }
        })
    }
}
