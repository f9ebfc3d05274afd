//! A database of another engine: its directory as one ordered view.

use crate::comparator::Comparator;
use crate::entry::{ForeignEntry, ForeignKind};
use crate::footer::Engine;
use crate::losses::Loss;
use crate::memory::{Memory, MemoryRun};
use crate::merge::{Merge, Part};
use crate::obfuscation::{self, Obfuscation};
use crate::opening;
use crate::ranges::RangeTombstone;
use crate::run::Run;
use crate::space::Needed;
use crate::tables::{Cover, LevelRun, Tables};
use crate::visible::{KeyValue, Store, Visible};
use esker::vfs::{OsVfs, Vfs};
use esker::{Error, Result};
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a foreign database is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseSettings {
    /// The order of the keys. Default: what the manifest names. [`Comparator::Raw`] reads any
    /// database, byte by byte, with all its entries in memory.
    pub comparator: Option<Comparator>,
    /// The column family. Default: the one named `default`, which every database has.
    pub column_family: Option<String>,
    /// Most bytes of entries that are held in memory: those of logs and, in raw order, of tables.
    /// A database with more is refused. Default 2 GiB.
    pub memory_bytes_max: usize,
    /// Whether values are masked. Default: as the database itself says.
    pub obfuscation: Obfuscation,
    /// Whether what is damaged is left out, and told by [`Database::losses`]: records of logs,
    /// blocks, tables, a manifest. What it held is missing then, and older values and deleted keys
    /// may show in its place. Default: no, damage is an error.
    pub accept_loss: bool,
}

impl Default for DatabaseSettings {
    fn default() -> DatabaseSettings {
        DatabaseSettings {
            comparator: None,
            column_family: None,
            memory_bytes_max: 2 << 30,
            obfuscation: Obfuscation::default(),
            accept_loss: false,
        }
    }
}

/// A database of LevelDB or RocksDB, open for reading as of one moment: its directory is neither
/// written nor locked. Clones share everything.
///
/// # Examples
/// ```no_run
/// let database = esker_foreign::Database::open("profile/IndexedDB.leveldb")?;
/// for notice in database.notices() {
///     eprintln!("{notice}");
/// }
/// for entry in database.prefix(b"user/").rev() {
///     let (key, value) = entry?;
///     println!("{} {}", key.escape_ascii(), value.escape_ascii());
/// }
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Clone)]
pub struct Database(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) engine: Engine,
    pub(crate) comparator: Comparator,
    pub(crate) comparator_name: Option<String>,
    pub(crate) family: String,
    pub(crate) families: Vec<String>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) logs: Vec<LogInfo>,
    pub(crate) manifest: Option<ManifestInfo>,
    pub(crate) notices: Vec<String>,
    pub(crate) needed: Needed,
}

/// A log that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogInfo {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Batches in it.
    pub batches: u64,
    /// Operations in them, those on other column families too.
    pub entries: u64,
    /// Whether the file can have been another log before.
    pub is_reused: bool,
}

/// A table of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableInfo {
    /// The file.
    pub path: PathBuf,
    /// Its level; 0 for all without a manifest.
    pub level: usize,
    /// Its bytes, as the manifest says; 0 without one.
    pub bytes: u64,
    /// Its smallest key, as the manifest says; empty without one.
    pub smallest: Vec<u8>,
    /// Its largest key, as the manifest says; empty without one.
    pub largest: Vec<u8>,
}

/// The manifest that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestInfo {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Changes that it records.
    pub edits: u64,
    /// The last sequence number that it names; logs go on from there.
    pub last_sequence: u64,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Database")
            .field("path", &inner.path)
            .field("engine", &inner.engine)
            .field("column_family", &inner.family)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database in the directory at `path`.
    ///
    /// # Errors
    /// `Io` if there is none or it cannot be read, `Corruption` if manifest or logs are damaged
    /// (tables are checked as they are read), `Unsupported` for what is not read: an unknown
    /// comparator, blob files, two-phase commits.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Database::open_with(path, &DatabaseSettings::default())
    }

    /// Opens the database at `path` with `settings`. Errors as [`Database::open`], and
    /// `InvalidInput` for a column family that is not there or an order that cannot be.
    pub fn open_with(path: impl AsRef<Path>, settings: &DatabaseSettings) -> Result<Database> {
        Database::open_in(Arc::new(OsVfs), path, settings)
    }

    /// Opens the database at `path` of `vfs`, which may be in memory. Errors as
    /// [`Database::open_with`].
    pub fn open_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        settings: &DatabaseSettings,
    ) -> Result<Database> {
        let inner = opening::open(&vfs, path.as_ref(), settings)?;
        let mut database = Database(Arc::new(inner));
        obfuscation::unmask(&mut database, &settings.obfuscation);
        Ok(database)
    }

    /// The engine that made the database.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The order of the keys.
    pub fn comparator(&self) -> Comparator {
        self.0.comparator
    }

    /// The name that the database gives to the order of its keys.
    pub fn comparator_name(&self) -> Option<&str> {
        self.0.comparator_name.as_deref()
    }

    /// The column family that is read.
    pub fn column_family(&self) -> &str {
        &self.0.family
    }

    /// The names of all column families.
    pub fn column_families(&self) -> &[String] {
        &self.0.families
    }

    /// What readers should know: records left out, orders not kept, a manifest that is missing.
    pub fn notices(&self) -> &[String] {
        &self.0.notices
    }

    /// What was damaged and left out until now, where the settings accept it: blocks of tables are
    /// found to be damaged when they are read.
    pub fn losses(&self) -> Vec<Loss> {
        self.0.tables.losses.list()
    }

    /// The manifest, where there is one.
    pub fn manifest(&self) -> Option<&ManifestInfo> {
        self.0.manifest.as_ref()
    }

    /// The logs that hold what is not in tables.
    pub fn logs(&self) -> &[LogInfo] {
        &self.0.logs
    }

    /// The tables, level by level, in the order of their keys.
    pub fn tables(&self) -> Vec<TableInfo> {
        let info = |slot: &crate::tables::Slot| {
            let meta = slot.meta.as_ref();
            TableInfo {
                path: slot.path.clone(),
                level: slot.level,
                bytes: meta.map_or(0, |meta| meta.bytes),
                smallest: meta.map_or_else(Vec::new, |meta| meta.smallest.key.clone()),
                largest: meta.map_or_else(Vec::new, |meta| meta.largest.key.clone()),
            }
        };
        self.0.tables.all().map(info).collect()
    }

    /// The newest value of `key`, or `None` if the database has no such key or has it deleted.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Unsupported` if the newest entry is a
    /// merge, a blob or an entity.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let inner = &*self.0;
        let held = inner.memory.newest(key).map(|e| (e.sequence, e.kind, e.value.to_vec()));
        let mut newest = held;
        // Without a manifest, tables may be newer than logs.
        if !self.is_raw() && (newest.is_none() || inner.manifest.is_none()) {
            let in_tables = inner.tables.newest(key)?;
            if in_tables.as_ref().map(|e| e.0) > newest.as_ref().map(|e| e.0) {
                newest = in_tables;
            }
        }
        let Some((sequence, kind, value)) = newest else { return Ok(None) };
        if self.is_range_deleted(&mut Cover::default(), key, sequence)? {
            return Ok(None);
        }
        match kind {
            ForeignKind::Put => Ok(Some(value)),
            ForeignKind::Tombstone | ForeignKind::SingleTombstone => Ok(None),
            kind => Err(self.not_plain(key, kind)),
        }
    }

    /// All live keys, in order.
    pub fn visible(&self) -> DatabaseRange {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// The live keys between `start` and `end`; in raw order the bounds are bytewise.
    pub fn range(&self, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> DatabaseRange {
        DatabaseRange(Visible::new(self.clone(), start, end))
    }

    /// The live keys that begin with `prefix`.
    pub fn prefix(&self, prefix: &[u8]) -> DatabaseRange {
        DatabaseRange(Visible::with_prefix(self.clone(), prefix))
    }

    /// A cursor over every version and every tombstone.
    pub fn cursor(&self) -> DatabaseCursor {
        DatabaseCursor { merge: self.run(), state: State::New, last: None }
    }

    /// The range deletions of logs and tables.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a table cannot be opened.
    pub fn range_tombstones(&self) -> Result<Vec<RangeTombstone>> {
        let inner = &*self.0;
        let mut all = inner.memory.ranges.clone();
        if inner.engine == Engine::RocksDb && !self.is_raw() {
            for slot in inner.tables.all() {
                all.extend_from_slice(&inner.tables.open(slot)?.0.range_tombstones);
            }
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.0.comparator == Comparator::Raw
    }
}

impl Store for Database {
    type Run = Merge;
    type Cover = Cover;

    /// Raw order is sorted byte by byte.
    fn order(&self) -> Comparator {
        self.0.memory.order
    }

    fn run(&self) -> Merge {
        let inner = &*self.0;
        let mut runs = vec![Part::Memory(MemoryRun::new(inner.memory.clone()))];
        if !self.is_raw() {
            let count = inner.tables.runs.len();
            let level = |run| Part::Level(LevelRun::new(inner.tables.clone(), run));
            runs.extend((0..count).map(level));
        }
        Merge::new(runs, self.order())
    }

    fn is_range_deleted(&self, cover: &mut Cover, key: &[u8], sequence: u64) -> Result<bool> {
        let inner = &*self.0;
        if self.is_raw() && !inner.memory.ranges.is_empty() {
            let detail = "raw order does not know what they delete; versions can be listed";
            return Err(Error::unsupported(&inner.path, 0, "range deletions", detail));
        }
        let in_logs = inner.memory.fragments.newest(key, self.order());
        if in_logs.is_some_and(|newest| newest > sequence) {
            return Ok(true);
        }
        let can_be = inner.engine == Engine::RocksDb && !self.is_raw();
        Ok(can_be && inner.tables.is_range_deleted(cover, key, sequence)?)
    }

    fn not_plain(&self, key: &[u8], kind: ForeignKind) -> Error {
        let detail = format_args!("key \"{}\" is a {}", key.escape_ascii(), kind.name());
        Error::unsupported(&self.0.path, 0, "kind of entry", detail)
    }

    fn out_of_order(&self, key: &[u8]) -> Error {
        let (expected, found) = ("keys in order", format_args!("\"{}\"", key.escape_ascii()));
        Error::corruption(&self.0.path, 0, "order of entries", expected, found)
    }
}

/// The newest value of each live key of a database, from both ends: no tombstones, no older
/// versions, nothing that a range deletion hides. After an error it yields nothing more.
pub struct DatabaseRange(Visible<Database>);

impl DatabaseRange {
    /// Lends each key with its value to `take`, from the end if `is_backward`, until that gives
    /// `false`. Faster than the iterator, whose entries are their own.
    ///
    /// # Errors
    /// As the iterator's, and those of `take`.
    pub fn visit<E: From<Error>>(
        &mut self,
        is_backward: bool,
        take: impl FnMut(&[u8], &[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.0.visit(is_backward, take)
    }
}

impl Iterator for DatabaseRange {
    type Item = Result<KeyValue>;

    fn next(&mut self) -> Option<Result<KeyValue>> {
        self.0.advance(false)
    }
}

impl DoubleEndedIterator for DatabaseRange {
    fn next_back(&mut self) -> Option<Result<KeyValue>> {
        self.0.advance(true)
    }
}

impl FusedIterator for DatabaseRange {}

/// A position in a database: shows every version and every tombstone, and lends keys and values.
/// Range deletions are not among its entries.
///
/// A new cursor stands beside both ends: [`next`](DatabaseCursor::next) is the first entry,
/// [`prev`](DatabaseCursor::prev) the last. After `None`, and after an error, further moves the
/// same way give `None`.
pub struct DatabaseCursor {
    merge: Merge,
    state: State,
    /// The entry before this one: logs and tables may hold the same one twice.
    last: Option<(Vec<u8>, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    On,
    End,
    Start,
    Failed,
}

impl DatabaseCursor {
    /// Moves to the first entry.
    ///
    /// # Errors
    /// `Corruption`, `Unsupported` or `Io` if a block cannot be read; so for every move.
    pub fn first(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.merge.to_first();
        self.arrive(moved, State::End)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.merge.to_last();
        self.arrive(moved, State::Start)
    }

    /// Moves to the first entry whose key is at or after `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.merge.to(key);
        self.arrive(moved, State::End)
    }

    /// Moves to the last entry whose key is before `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.merge.to_before(key);
        self.arrive(moved, State::Start)
    }

    /// Moves to the next entry.
    #[expect(clippy::should_implement_trait, reason = "it lends what an iterator must own")]
    pub fn next(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        match self.state {
            State::On => {
                let moved = self.past_same(false);
                self.arrive(moved, State::End)
            }
            State::New | State::Start => self.first(),
            State::End | State::Failed => Ok(None),
        }
    }

    /// Moves to the entry before.
    pub fn prev(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        match self.state {
            State::On => {
                let moved = self.past_same(true);
                self.arrive(moved, State::Start)
            }
            State::New | State::End => self.last(),
            State::Start | State::Failed => Ok(None),
        }
    }

    /// Moves past the entry under way, and past those that are the same.
    fn past_same(&mut self, is_backward: bool) -> Result<()> {
        let Some(here) = self.merge.entry() else { return Ok(()) };
        let (key, sequence) = self.last.get_or_insert_default();
        key.clear();
        key.extend_from_slice(here.key);
        *sequence = here.sequence;
        loop {
            if is_backward {
                self.merge.back()?
            } else {
                self.merge.forth()?
            }
            let is_same = |entry: &ForeignEntry<'_>| {
                self.last.as_ref().is_some_and(|l| l.0 == entry.key && l.1 == entry.sequence)
            };
            if !self.merge.entry().as_ref().is_some_and(is_same) {
                return Ok(());
            }
        }
    }

    /// Ends a move: the entry arrived at, the end that was reached, or the failure for good.
    fn arrive(&mut self, moved: Result<()>, end: State) -> Result<Option<ForeignEntry<'_>>> {
        if let Err(error) = moved {
            self.state = State::Failed;
            return Err(error);
        }
        self.state = if self.merge.entry().is_some() { State::On } else { end };
        Ok(self.current())
    }

    /// The entry that the cursor stands on.
    pub fn current(&self) -> Option<ForeignEntry<'_>> {
        if self.state == State::On { self.merge.entry() } else { None }
    }
}
