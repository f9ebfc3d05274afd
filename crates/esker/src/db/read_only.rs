//! Reading beside a process that writes.

use super::inspect::{DbStats, DbVerifyReport, LayerStep, Segment, SpaceReport};
use super::open::{Contents, Recovery, insert_batch, replay_logs, version_of};
use super::range::{DbCursor, DbRange, Pinned};
use super::settings::Settings;
use super::value_of;
use super::view::View;
use crate::base::current::{Current, Kind, Numbered, new_numbers};
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::cache::BlockCache;
use crate::memtable::Memtable;
use crate::table::Value;
use crate::version::TablePool;
use std::fmt;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Times that opening is tried while the writer changes the files under it.
const TRIES: usize = 10;

/// A database opened for reading alone: takes no lock, changes nothing, and may stand beside a
/// process that writes. Sees the state of when it was opened or last refreshed.
///
/// # Examples
/// ```
/// use esker::{Db, Settings};
/// let directory = tempfile::tempdir().unwrap();
/// let db = Db::open(directory.path(), Settings::default())?;
/// db.put(b"k", b"1")?;
/// let reader = Db::open_read_only(directory.path(), Settings::default())?;
/// db.put(b"k", b"2")?;
/// assert_eq!(reader.get(b"k")?.as_deref(), Some(&b"1"[..]));
/// reader.refresh()?;
/// assert_eq!(reader.get(b"k")?.as_deref(), Some(&b"2"[..]));
/// # Ok::<(), esker::Error>(())
/// ```
pub struct ReadOnlyDb {
    path: PathBuf,
    settings: Settings,
    pool: Arc<TablePool>,
    seen: Current<Seen>,
}

#[repr(align(64))]
struct Seen {
    /// Number of the place of all that is seen by one [`ReadOnlyDb`].
    number: u64,
    view: Arc<View>,
    sequence: u64,
    recovery: Recovery,
}

impl Numbered for Seen {
    const KIND: Kind = Kind::Seen;

    fn number(&self) -> u64 {
        self.number
    }
}

impl ReadOnlyDb {
    pub(super) fn open(path: &Path, settings: Settings) -> Result<ReadOnlyDb> {
        settings.validate()?;
        let cache = Arc::new(BlockCache::new(settings.memory_budget_bytes));
        let (vfs, open_max) = (settings.vfs.clone(), settings.open_tables_max);
        let pool = Arc::new(TablePool::new(vfs, cache, path.to_path_buf(), open_max));
        let seen = Arc::new(look(path, &settings, &pool)?);
        Ok(ReadOnlyDb { path: path.into(), settings, pool, seen: Current::new(seen) })
    }

    /// Goes on to what the writer has acknowledged by now.
    ///
    /// # Errors
    /// As opening; what was seen stays.
    pub fn refresh(&self) -> Result<()> {
        let seen = look(&self.path, &self.settings, &self.pool)?;
        self.seen.store(Arc::new(Seen { number: self.seen.load().number, ..seen }));
        Ok(())
    }

    /// What was found in the logs.
    pub fn recovery(&self) -> Recovery {
        self.seen.load().recovery.clone()
    }

    /// As [`Db::get`](super::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'static>>> {
        let seen = self.seen.load();
        Ok(value_of(seen.view.get(key, key_hash(key), seen.sequence)?))
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

    /// As [`Db::segments`](super::Db::segments); the memtable is what was in the logs.
    pub fn segments(&self) -> Vec<Segment> {
        self.seen.load().view.segments()
    }

    /// As [`Db::explain`](super::Db::explain).
    pub fn explain(&self, key: &[u8]) -> Result<Vec<LayerStep>> {
        let seen = self.seen.load();
        seen.view.explain(key, seen.sequence)
    }

    /// As [`Db::stats`](super::Db::stats), but what counts work since the opening is zero: only the
    /// writer knows it.
    pub fn stats(&self) -> DbStats {
        let seen = self.seen.load();
        DbStats {
            levels: seen.view.levels(&self.settings),
            memtable_bytes: seen.view.memtable_bytes(),
            sequence: seen.sequence,
            open_tables: self.pool.open_tables(),
            ..DbStats::default()
        }
    }

    /// As [`Db::space`](super::Db::space), without the snapshots that the writer holds.
    ///
    /// # Errors
    /// As a scan.
    pub fn space(&self) -> Result<SpaceReport> {
        self.pinned().space(&*self.settings.vfs, &self.path)
    }

    /// As [`Db::verify`](super::Db::verify); manifest and logs were checked on opening. `progress`
    /// is told the bytes done and the bytes in all, from time to time.
    ///
    /// # Errors
    /// `Corruption` of the first table that is not sound; `Io`.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<DbVerifyReport> {
        self.seen.load().view.verify(progress)
    }

    fn pinned(&self) -> Pinned {
        let seen = self.seen.load();
        Pinned { view: seen.view.clone(), sequence: seen.sequence, keeps: None }
    }
}

/// Reads manifest and logs; again if the writer has removed a file of the state that was read.
fn look(path: &Path, settings: &Settings, pool: &Arc<TablePool>) -> Result<Seen> {
    let mut tries = 1;
    loop {
        match look_once(path, settings, pool) {
            Err(_) if tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

fn look_once(path: &Path, settings: &Settings, pool: &Arc<TablePool>) -> Result<Seen> {
    let vfs = &*settings.vfs;
    let contents = Contents::read(vfs, path)?;
    let Some((_, state)) = &contents.manifest else {
        let detail = format_args!("{}", path.display());
        return Err(Error::invalid_input("no database there", detail));
    };
    let memtable = Arc::new(Memtable::new(settings.memtable_bytes()));
    let replayed = replay_logs(vfs, path, &contents, state, |batch| {
        insert_batch(&memtable, batch);
        Ok(())
    })?;
    // A log that was let go meanwhile may have been written over as it was read.
    let now = Contents::read(vfs, path)?.manifest.map(|(_, now)| now.log_number);
    if now != Some(state.log_number) {
        let expected = format_args!("log {} still in use", state.log_number);
        let found = format_args!("it was let go while it was read");
        return Err(Error::corruption(path, 0, "logs beside a writer", expected, found));
    }
    let version = Arc::new(version_of(state, pool, path)?);
    for (_, table) in version.tables().take(settings.open_tables_max) {
        // An open file stays readable when the writer removes its name.
        table.table()?;
    }
    let view = View::new(memtable, 0, version);
    let (number, sequence) = (new_numbers(1), replayed.last_sequence);
    Ok(Seen { number, view: Arc::new(view), sequence, recovery: replayed.recovery })
}

impl fmt::Debug for ReadOnlyDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnlyDb").field("path", &self.path).finish_non_exhaustive()
    }
}
