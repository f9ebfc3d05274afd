//! The database: memtables and tables as one ordered, durable map.
//!
//! - `settings`: what can be chosen.
//! - `core`: what all handles share, and the order of its locks.
//! - `open`: recovery; `write`: the way of a write; `sync`: how writes become durable; `view`: what
//!   a read looks at.
//! - `range`, `snapshot`: reads in order, and at one moment.
//! - `background`, `beside`: flush and compaction; and the only places that start threads.
//! - `stall`, `spare`: when writers wait, and what is kept so that they need not.
//! - `ingest`, `bulk`: tables from outside, and entries past the log.
//! - `detect`, `inspect`, `admin`: what a directory is, what can be seen of a database, and done to
//!   it as a whole.

mod admin;
mod background;
mod beside;
mod bulk;
mod core;
mod detect;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faulty;
mod ingest;
mod inspect;
#[cfg(all(test, esker_shuttle))]
mod models;
mod open;
mod range;
#[cfg(test)]
mod range_tests;
mod read_only;
mod repair;
mod rest;
#[cfg(test)]
mod rest_tests;
mod settings;
mod snapshot;
mod spare;
mod stall;
mod sync;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use admin::destroy;
pub use bulk::BulkLoad;
pub use detect::is_database;
pub use inspect::{
    DbStats, DbVerifyReport, LayerStep, LevelStats, Segment, SegmentKind, SpaceReport,
};
pub use open::Recovery;
pub use range::{DbCursor, DbRange};
pub use read_only::ReadOnlyDb;
pub use repair::{RepairReport, repair};
pub use settings::{Durability, Settings};
pub use snapshot::Snapshot;

use crate::base::error::Result;
use crate::base::hash::key_hash;
use crate::base::key::{Entry, ValueKind};
use crate::batch::WriteBatch;
use crate::table::Value;
use core::Core;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An open database: an ordered map from keys to values, both bytes.
///
/// Clones are cheap and share the database, from any thread. It is closed when the last clone,
/// snapshot and iterator is dropped; what was acknowledged is safe without that.
///
/// # Examples
/// ```
/// use esker::{Db, Settings};
/// let directory = tempfile::tempdir().unwrap();
/// let db = Db::open(directory.path(), Settings::default())?;
/// db.put(b"apple", b"red")?;
/// db.put(b"lime", b"green")?;
/// db.delete(b"apple")?;
/// assert_eq!(db.get(b"lime")?.as_deref(), Some(&b"green"[..]));
/// assert_eq!(db.get(b"apple")?.as_deref(), None);
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Clone)]
pub struct Db {
    handle: Arc<Handle>,
}

/// Closes the database when dropped, in the process that opened it.
struct Handle {
    core: Arc<Core>,
    threads: background::Threads,
    recovery: Recovery,
}

impl Db {
    /// Opens the database in the directory `path`, and makes it if there is none.
    ///
    /// Takes the writes that are in the log alone into tables, and removes what unfinished work
    /// left; see [`Db::recovery`].
    ///
    /// # Errors
    /// `InvalidInput` if a setting is out of its range, or the directory holds something else;
    /// `Locked` if the database is open elsewhere; `Corruption` if files that it needs are missing
    /// or damaged; `Unsupported` if another version wrote it; `Io`. Nothing is changed then.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Db> {
        let span = tracing::info_span!("open", path = %path.as_ref().display());
        let _entered = span.enter();
        let (core, recovery) = open::open(path.as_ref(), &settings)?;
        let core = Arc::new(core);
        let threads = background::start(&core)?;
        Ok(Db { handle: Arc::new(Handle { core, threads, recovery }) })
    }

    /// Opens the database in `path` for reading beside a process that writes; see [`ReadOnlyDb`].
    ///
    /// # Errors
    /// As [`Db::open`], but for `Locked`.
    pub fn open_read_only(path: impl AsRef<Path>, settings: Settings) -> Result<ReadOnlyDb> {
        ReadOnlyDb::open(path.as_ref(), settings)
    }

    fn core(&self) -> &Core {
        &self.handle.core
    }

    /// What opening found in the logs.
    pub fn recovery(&self) -> &Recovery {
        &self.handle.recovery
    }

    /// Directory of the database.
    pub fn path(&self) -> &Path {
        &self.core().path
    }

    /// Sets `key` to `value`, with durability [`Durability::Process`].
    ///
    /// # Errors
    /// `InvalidInput` if key or value is too long; `Io` if the log cannot be written: the write did
    /// not happen; `Poisoned` after a failed sync.
    #[inline]
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.core().write_one(Entry::put(key, value), Durability::Process)
    }

    /// Deletes `key`, whether it is there or not. Otherwise as [`Db::put`].
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        self.core().write_one(Entry::tombstone(key), Durability::Process)
    }

    /// Does all writes of `batch`, or none, and returns when they are as durable as asked.
    ///
    /// Readers may see the writes an instant before they are on disk.
    ///
    /// # Errors
    /// As [`Db::put`]. After a failed sync the writes may or may not be found when the database is
    /// opened again: all of them, or none.
    ///
    /// # Examples
    /// ```
    /// use esker::{Db, Durability, Settings, WriteBatch};
    /// let directory = tempfile::tempdir().unwrap();
    /// let db = Db::open(directory.path(), Settings::default())?;
    /// let mut batch = WriteBatch::new();
    /// batch.put(b"from", b"90")?;
    /// batch.put(b"to", b"110")?;
    /// db.write(&batch, Durability::Power)?;
    /// assert!(db.has(b"from")? && db.has(b"to")?);
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn write(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.core().write_batch(batch, durability)
    }

    /// Makes every write so far durable: it survives a power cut once this returns.
    ///
    /// # Errors
    /// `Io` if a sync fails, `Poisoned` if one has failed.
    pub fn sync(&self) -> Result<()> {
        let last = self.core().visible.load(Ordering::Acquire);
        self.core().sync_up_to(last)
    }

    /// The value of `key`, or `None`.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a table on the way cannot be read.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'static>>> {
        let core = self.core();
        let view = core.view.load();
        let sequence = core.visible.load(Ordering::Acquire);
        Ok(value_of(view.get(key, key_hash(key), sequence)?))
    }

    /// Whether `key` has a value. Errors as [`Db::get`].
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The values of `keys`, in their order, all of one moment. Errors as [`Db::get`].
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value<'static>>>> {
        let core = self.core();
        let view = core.view.load_full();
        let sequence = core.visible.load(Ordering::Acquire);
        let get = |key: &K| {
            let key = key.as_ref();
            view.get(key, key_hash(key), sequence).map(value_of)
        };
        keys.iter().map(get).collect()
    }

    /// The keys within `bounds` with their values, in order, as of now; reversible.
    ///
    /// # Examples
    /// ```
    /// use esker::{Db, Settings};
    /// let directory = tempfile::tempdir().unwrap();
    /// let db = Db::open(directory.path(), Settings::default())?;
    /// for key in ["a", "b", "c", "d"] {
    ///     db.put(key.as_bytes(), b"")?;
    /// }
    /// let keys: Result<Vec<_>, _> = db.range("b".."d").rev().map(|e| e.map(|e| e.0)).collect();
    /// assert_eq!(keys?, [b"c", b"b"]);
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> DbRange {
        DbRange::new(self.pinned(), bounds)
    }

    /// All keys with their values, in order, as of now; reversible.
    pub fn iter(&self) -> DbRange {
        self.range::<&[u8]>(..)
    }

    /// The keys that begin with `prefix`, with their values, in order; reversible.
    pub fn prefix(&self, prefix: &[u8]) -> DbRange {
        DbRange::with_prefix(self.pinned(), prefix)
    }

    /// A cursor over all keys as of now: it lends keys and values without a copy.
    pub fn cursor(&self) -> DbCursor {
        DbCursor::new(self.pinned())
    }

    fn pinned(&self) -> range::Pinned {
        let view = self.core().view.load_full();
        let sequence = self.core().visible.load(Ordering::Acquire);
        range::Pinned { view, sequence, keeps: Some(self.handle.clone()) }
    }

    /// The database as of now, for as long as the snapshot lives.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.handle.clone())
    }

    /// Moves what is in memory to tables, and waits for it. Then the log is empty.
    ///
    /// # Errors
    /// `Io` if it cannot be written: nothing is lost, and the log still has it.
    pub fn flush(&self) -> Result<()> {
        self.core().flush()
    }

    /// Merges all tables that hold keys within `bounds` down to the last level, and waits for it.
    ///
    /// # Errors
    /// `Corruption` or `Io`; the tables stay as they were.
    pub fn compact_range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> Result<()> {
        let bytes = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        let (start, end) = (bytes(bounds.start_bound()), bytes(bounds.end_bound()));
        self.core()
            .compact_range(start.as_ref().map(|key| &key[..]), end.as_ref().map(|key| &key[..]))
    }

    /// Lets the background do all that it would do if nobody wrote for a while, and waits for it:
    /// larger memtables are flushed, and level 0 is merged into the levels below, so that reads
    /// have few layers to ask and what was deleted comes back. Blocks of tables that were written
    /// since the database was opened come into memory while there is room, and on Linux up to a
    /// gibibyte of blocks in memory then moves to huge pages, which takes up to seconds.
    ///
    /// # Errors
    /// `Io` if a job fails meanwhile.
    pub fn settle(&self) -> Result<()> {
        self.core().settle()
    }
}

/// The value that was found, if it is one.
#[inline]
fn value_of(found: Option<view::Found>) -> Option<Value<'static>> {
    match found {
        Some((ValueKind::Put, _, value)) => Some(value),
        _ => None,
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("path", &self.core().path).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let core = &self.core;
        if !core.is_own_process() {
            // The threads, the log and the files are the parent's.
            std::mem::forget((std::mem::take(&mut self.threads), core.clone()));
            return;
        }
        self.threads.stop(core);
        if let Err(error) = core.close_log() {
            tracing::warn!(%error, "the log could not be made durable on close");
        }
        *core.lock.lock() = None;
    }
}
