//! The database at one moment.

use super::range::{DbCursor, DbRange, Pinned};
use super::{Handle, value_of};
use crate::base::error::Result;
use crate::base::hash::key_hash;
use crate::table::Value;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The database as it was when the snapshot was taken. Dropped to release; keeps the database open.
///
/// What it sees stays on disk for as long: drop it when it is not needed.
///
/// # Examples
/// ```
/// use esker::{Db, Settings};
/// let directory = tempfile::tempdir().unwrap();
/// let db = Db::open(directory.path(), Settings::default())?;
/// db.put(b"k", b"old")?;
/// let snapshot = db.snapshot();
/// db.put(b"k", b"new")?;
/// assert_eq!(snapshot.get(b"k")?.as_deref(), Some(&b"old"[..]));
/// # Ok::<(), esker::Error>(())
/// ```
pub struct Snapshot {
    handle: Arc<Handle>,
    sequence: u64,
}

impl Snapshot {
    pub(super) fn new(handle: Arc<Handle>) -> Snapshot {
        let mut state = handle.core.state();
        let sequence = handle.core.visible.load(Ordering::Acquire);
        *state.snapshots.entry(sequence).or_default() += 1;
        drop(state);
        Snapshot { handle, sequence }
    }

    /// The sequence number of the last write that it sees.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// As [`Db::get`](super::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'static>>> {
        let view = self.handle.core.view.load();
        Ok(value_of(view.get(key, key_hash(key), self.sequence)?))
    }

    /// As [`Db::has`](super::Db::has).
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// As [`Db::range`](super::Db::range).
    pub fn range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> DbRange {
        DbRange::new(self.pinned(), bounds)
    }

    /// As [`Db::iter`](super::Db::iter).
    pub fn iter(&self) -> DbRange {
        self.range::<&[u8]>(..)
    }

    /// As [`Db::prefix`](super::Db::prefix).
    pub fn prefix(&self, prefix: &[u8]) -> DbRange {
        DbRange::with_prefix(self.pinned(), prefix)
    }

    /// As [`Db::cursor`](super::Db::cursor).
    pub fn cursor(&self) -> DbCursor {
        DbCursor::new(self.pinned())
    }

    fn pinned(&self) -> Pinned {
        let view = self.handle.core.view.load_full();
        Pinned { view, sequence: self.sequence, keeps: Some(self.handle.clone()) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let core = &self.handle.core;
        let mut state = core.state();
        if let Some(count) = state.snapshots.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.snapshots.remove(&self.sequence);
            }
        }
        core.ask(&mut state);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
