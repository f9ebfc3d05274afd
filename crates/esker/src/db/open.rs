//! Opening: what the directory is, what the manifest says, what the logs add.

use super::core::{Core, Counters, State, Writer, log_path};
use super::settings::Settings;
use super::view::View;
use crate::base::current::Current;
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::base::sync::atomic::{AtomicBool, AtomicU64};
use crate::base::sync::{Condvar, Mutex};
use crate::batch::decode;
use crate::cache::BlockCache;
use crate::compaction::{Boundaries, JobContext, write_memtable};
use crate::log::{LogBatch, LogEnd, LogWriter, replay};
use crate::manifest::{
    CURRENT, Manifest, ManifestState, manifest_name, read_current, read_manifest, read_whole,
};
use crate::memtable::{Memtable, SpareMemory};
use crate::record::{FileHeader, LOG_MAGIC};
use crate::table::WriteSettings;
use crate::version::{Change, TableHandle, TablePool, Version};
use crate::vfs::{Vfs, forks, watch_forks};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The file whose lock keeps a second writer out.
const LOCK: &str = "LOCK";

/// What opening found in the logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Writes that were taken from logs.
    pub writes: u64,
    /// Bytes of logs that were read.
    pub log_bytes: u64,
    /// Sound batches that were left out, because one before them was torn. None of them was
    /// promised to be on disk.
    pub dropped_batches: u64,
    /// The log that ends in a torn record, and where, if one does.
    pub torn_at: Option<(PathBuf, u64)>,
    /// Files of unfinished work that were removed.
    pub orphans: u64,
}

/// The kinds of files of a database, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Table(u64),
    Log(u64),
    Manifest(u64),
    Current,
    Lock,
    Temporary,
}

/// What kind of file has this `name`; `None` if it is not ours.
pub fn file_kind(name: &str) -> Option<FileKind> {
    let number =
        |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    if name == CURRENT {
        return Some(FileKind::Current);
    }
    if name == LOCK {
        return Some(FileKind::Lock);
    }
    if is_temporary(name) {
        return Some(FileKind::Temporary);
    }
    if let Some(text) = name.strip_prefix("MANIFEST-") {
        return number(text).map(FileKind::Manifest);
    }
    match name.split_once('.')? {
        (text, "sstable") => number(text).map(FileKind::Table),
        (text, "log") => number(text).map(FileKind::Log),
        _ => None,
    }
}

/// Whether `name` is one that unfinished work leaves: a table on the way, the next `CURRENT`, what
/// a bulk load sorts. Other files that end in `.tmp` are somebody's.
fn is_temporary(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".tmp") else { return name == "CURRENT.next" };
    let is_table = stem.split_once(".sstable").is_some_and(|(number, rest)| {
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        is_number(number) && is_number(rest.trim_start_matches('.'))
    });
    is_table || stem == "load" || stem.starts_with("load.")
}

/// What the files of a directory say together.
pub struct Contents {
    pub names: Vec<String>,
    /// `None` if there is no database yet.
    pub manifest: Option<(u64, ManifestState)>,
}

impl Contents {
    /// Looks into `directory`, which must exist.
    ///
    /// # Errors
    /// `InvalidInput` if it holds something else than a database; `Corruption` if what the database
    /// needs is missing or damaged.
    pub fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Contents> {
        let names = vfs.list(directory)?;
        let Some(number) = read_current(vfs, directory)? else {
            check_is_empty(vfs, directory, &names)?;
            return Ok(Contents { names, manifest: None });
        };
        let state = read_manifest(vfs, directory, number)?;
        let has = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| names.iter().any(|there| there == name))
        };
        let numbers = state.tables.keys().copied();
        let tables = numbers.map(|n| directory.join(format!("{n:06}.sstable")));
        for path in tables.chain([log_path(directory, state.log_number)]) {
            if !has(&path) {
                let expected = format_args!("the file, since {} needs it", manifest_name(number));
                return Err(Error::corruption(path, 0, "database", expected, "no such file"));
            }
        }
        Ok(Contents { names, manifest: Some((number, state)) })
    }

    /// The numbers of the logs from `first` on, in order.
    pub fn logs(&self, first: u64) -> Vec<u64> {
        let kinds = self.names.iter().filter_map(|name| file_kind(name));
        let mut logs: Vec<u64> = kinds
            .filter_map(|kind| match kind {
                FileKind::Log(number) if number >= first => Some(number),
                _ => None,
            })
            .collect();
        logs.sort_unstable();
        logs
    }

    /// A number above that of every file.
    fn next_number(&self) -> u64 {
        let kinds = self.names.iter().filter_map(|name| file_kind(name));
        let numbers = kinds.filter_map(|kind| match kind {
            FileKind::Table(n) | FileKind::Log(n) | FileKind::Manifest(n) => {
                Some(n.saturating_add(1))
            }
            _ => None,
        });
        let known = self.manifest.as_ref().map_or(1, |(_, state)| state.next_number);
        numbers.max().unwrap_or(1).max(known)
    }
}

/// Checks that `names` are those of a directory in which a database may begin.
fn check_is_empty(vfs: &dyn Vfs, directory: &Path, names: &[String]) -> Result<()> {
    for name in names {
        match file_kind(name) {
            Some(FileKind::Lock | FileKind::Temporary) => {}
            Some(FileKind::Manifest(_)) if !names.iter().any(|n| is_table(n)) => {}
            // A log is begun before `CURRENT` is written, but nothing is put in it.
            Some(FileKind::Log(number))
                if {
                    let path = directory.join(name);
                    is_empty_log(&read_whole(vfs, &path)?, number, &path)
                } => {}
            Some(_) => {
                let path = directory.join(CURRENT);
                let expected = "the file; without it, try repair";
                let found = format_args!("no such file, but {name}");
                return Err(Error::corruption(path, 0, "database", expected, found));
            }
            None => {
                let detail = format_args!(
                    "{}: it holds {name}; give an empty or new directory",
                    directory.display()
                );
                return Err(Error::invalid_input("not a directory of esker", detail));
            }
        }
    }
    Ok(())
}

/// Whether the log `number` at `path`, with the content `bytes`, holds no write. Its first bytes
/// may be anything: a crash may have met it while it was begun.
fn is_empty_log(bytes: &[u8], number: u64, path: &Path) -> bool {
    let mut is_empty = true;
    let end = replay(bytes, number, path, |_, _| {
        is_empty = false;
        Ok(())
    });
    is_empty && end.is_ok_and(|end| end.records_after == 0)
}

fn is_table(name: &str) -> bool {
    matches!(file_kind(name), Some(FileKind::Table(_)))
}

/// What the logs add to the tables.
pub struct Replay {
    pub recovery: Recovery,
    /// The last sequence number of all.
    pub last_sequence: u64,
}

/// Reads the logs from the one on that `state` needs, and gives every write to `insert`.
///
/// # Errors
/// `Corruption` if something is missing that was promised to be on disk; the first of `insert`.
pub fn replay_logs(
    vfs: &dyn Vfs,
    directory: &Path,
    contents: &Contents,
    state: &ManifestState,
    mut insert: impl FnMut(LogBatch<'_>) -> Result<()>,
) -> Result<Replay> {
    let mut recovery = Recovery::default();
    let mut last = state.last_sequence;
    let mut durable = 0;
    let mut stop: Option<(PathBuf, u64)> = None;
    for number in contents.logs(state.log_number) {
        let path = log_path(directory, number);
        let bytes = read_whole(vfs, &path)?;
        let header = FileHeader::decode(&bytes, LOG_MAGIC, &path);
        let header = header.ok().filter(|header| header.number == number);
        // One that was never begun holds nothing: what the next one says of it tells if it did.
        let is_begun = header.is_some();
        let is_next = header.is_some_and(|header| header.previous <= last);
        let is_taken = is_next && stop.is_none();
        let mut left_out = 0;
        let end: LogEnd = replay(&bytes, number, &path, |offset, batch| {
            if !is_taken {
                left_out += 1;
                return Ok(());
            }
            check_batch(&batch, &path, offset)?;
            if batch.count > 0 && batch.first > last {
                insert(batch)?;
                recovery.writes += u64::from(batch.count);
                last = batch.last();
            }
            Ok(())
        })?;
        durable = durable.max(end.durable);
        recovery.log_bytes += end.offset;
        recovery.dropped_batches += end.records_after + left_out;
        let has_hole = !is_taken && left_out + end.records_after > 0;
        if stop.is_none() && (has_hole || end.records_after > 0 || is_begun && !is_next) {
            let offset = if is_next { end.offset } else { 0 };
            stop = Some((path, offset));
        } else if stop.is_none() && (end.is_torn || !is_begun) {
            recovery.torn_at = Some((path, end.offset));
        }
    }
    if let Some((path, offset)) = stop {
        if durable > last {
            let expected = format_args!("writes up to number {durable}, which were on disk");
            let found = format_args!("a damaged record after number {last}");
            return Err(Error::corruption(path, offset, "log", expected, found));
        }
        recovery.torn_at = Some((path, offset));
    } else if durable > last {
        let expected = format_args!("writes up to number {durable}, which were on disk");
        let path = log_path(directory, state.log_number);
        return Err(Error::corruption(path, 0, "log", expected, format_args!("up to {last}")));
    }
    Ok(Replay { recovery, last_sequence: last })
}

/// Checks that a batch holds as many whole writes as it says.
fn check_batch(batch: &LogBatch<'_>, path: &Path, offset: u64) -> Result<()> {
    let mut left = batch.writes;
    let mut count = 0;
    while !left.is_empty() && count < batch.count {
        let Some(entry) = decode(&mut left, batch.first) else { break };
        entry.check()?;
        count += 1;
    }
    if count == batch.count && left.is_empty() {
        return Ok(());
    }
    let found = format_args!("{count}, and {} bytes", left.len());
    Err(Error::corruption(path, offset, "writes of a batch", batch.count, found))
}

/// Puts the writes of `batch` into `memtable`.
pub fn insert_batch(memtable: &Memtable, batch: LogBatch<'_>) {
    let mut left = batch.writes;
    let mut sequence = batch.first;
    while let Some(entry) = decode(&mut left, sequence) {
        memtable.insert(entry, key_hash(entry.key));
        sequence += 1;
    }
}

/// What opening makes, before the database is there.
struct Opening {
    settings: Settings,
    path: PathBuf,
    table_settings: WriteSettings,
    cache: Arc<BlockCache>,
    pool: Arc<TablePool>,
    next_number: AtomicU64,
}

impl Opening {
    fn new(path: &Path, settings: &Settings, next_number: u64) -> Opening {
        let cache = Arc::new(BlockCache::new(settings.memory_budget_bytes));
        let pool = TablePool::new(
            settings.vfs.clone(),
            cache.clone(),
            path.to_path_buf(),
            settings.open_tables_max,
        );
        let table_settings = WriteSettings {
            block_size_bytes: settings.block_size_bytes,
            compression: settings.compression,
            filter_bits_per_key: settings.filter_bits_per_key,
            ..WriteSettings::default()
        };
        Opening {
            settings: settings.clone(),
            path: path.to_path_buf(),
            table_settings,
            cache,
            pool: Arc::new(pool),
            next_number: AtomicU64::new(next_number),
        }
    }

    fn new_number(&self) -> u64 {
        self.next_number.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// Writes a recovered memtable to tables, which go to `state`.
    fn flush(&self, memtable: &Memtable, state: &mut ManifestState) -> Result<()> {
        let context = JobContext {
            vfs: &self.settings.vfs,
            pool: &self.pool,
            settings: &self.table_settings,
            table_bytes: self.settings.table_size_bytes,
            next_number: &self.next_number,
            keeps_blocks: Box::new(|| false),
            gives_up: Box::new(|| false),
        };
        let boundaries = Boundaries::new([], memtable.largest_sequence());
        let output = write_memtable(&context, memtable, &boundaries)?;
        state.tables.extend(output.tables.into_iter().map(|(table, _)| (table.number, (0, table))));
        Ok(())
    }

    /// Takes what the logs have into tables of `state`.
    fn recover(&self, contents: &Contents, state: &mut ManifestState) -> Result<Recovery> {
        let bytes = self.settings.memtable_bytes();
        // Most databases are closed with little in their log, or nothing.
        let mut memtable = None;
        let mut made = state.clone();
        let vfs = &*self.settings.vfs;
        let replayed = replay_logs(vfs, &self.path, contents, state, |batch| {
            let filling = memtable.get_or_insert_with(|| Memtable::new(bytes));
            insert_batch(filling, batch);
            if filling.filled_bytes() >= bytes {
                self.flush(filling, &mut made)?;
                memtable = None;
            }
            Ok(())
        })?;
        if let Some(memtable) = &memtable {
            self.flush(memtable, &mut made)?;
        }
        made.last_sequence = replayed.last_sequence;
        *state = made;
        Ok(replayed.recovery)
    }

    /// Makes `state` durable: as an edit of the manifest that was `found`, or in a new one.
    fn put_in_force(
        &self,
        found: Option<(u64, ManifestState)>,
        mut state: ManifestState,
    ) -> Result<Manifest> {
        let vfs = &*self.settings.vfs;
        state.next_number = self.next_number.load(std::sync::atomic::Ordering::Relaxed);
        if let Some((number, before)) = found {
            let edit = state.since(&before);
            // The names of the tables and the log, and which manifest is in force.
            vfs.sync_directory(&self.path)?;
            if let Some(mut manifest) = Manifest::resume(vfs, &self.path, number, before)? {
                manifest.append(vfs, &edit, || self.new_number())?;
                return Ok(manifest);
            }
        }
        let number = self.new_number();
        state.next_number = number + 1;
        Manifest::create(vfs, &self.path, number, state)
    }
}

/// Builds the version that `state` describes.
pub fn version_of(state: &ManifestState, pool: &Arc<TablePool>, path: &Path) -> Result<Version> {
    let handle = |meta| Arc::new(TableHandle::new(meta, pool.clone()));
    let tables = state.tables.values();
    let added = tables.map(|(level, meta)| (*level as usize, handle(meta.clone()))).collect();
    Version::default().apply(&Change { added, removed: Vec::new() }, path)
}

/// Creates the directory at `path` and those above it, and makes their names durable.
pub fn create_directory(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let missing = path.ancestors().take_while(|above| vfs.list(above).is_err()).count();
    vfs.create_directory(path)?;
    for (number, above) in path.ancestors().skip(1).enumerate() {
        let synced = vfs.sync_directory(above);
        // Also those that were there, as far as they are ours to sync: who made them may have been
        // killed before it could do this.
        if number < missing {
            synced?;
        }
    }
    Ok(())
}

/// Opens the database in `path` for writing.
pub fn open(path: &Path, settings: &Settings) -> Result<(Core, Recovery)> {
    settings.validate()?;
    watch_forks();
    let vfs = &*settings.vfs;
    let has_current = |names: Vec<String>| names.iter().any(|name| name == CURRENT);
    if settings.create_if_missing && !vfs.list(path).is_ok_and(has_current) {
        create_directory(vfs, path)?;
    }
    // Look before the lock file is made: what is not ours is left as it is.
    Contents::read(vfs, path)?;
    let lock = vfs.lock(&path.join(LOCK))?;
    let contents = Contents::read(vfs, path)?;
    if contents.manifest.is_none() && !settings.create_if_missing {
        let detail = format_args!("{}: no database, and create_if_missing is off", path.display());
        return Err(Error::invalid_input("open", detail));
    }
    let opening = Opening::new(path, settings, contents.next_number());
    let mut state = contents.manifest.as_ref().map(|(_, state)| state.clone()).unwrap_or_default();
    let mut recovery = match contents.manifest {
        Some(_) => opening.recover(&contents, &mut state)?,
        None => Recovery::default(),
    };
    // Content, then name, then the edit that counts on both; then the old files may go.
    let log_number = opening.new_number();
    let last = state.last_sequence;
    let log = LogWriter::create(vfs, log_path(path, log_number), log_number, last)?;
    state.log_number = log_number;
    let manifest = opening.put_in_force(contents.manifest, state)?;
    recovery.orphans = remove_orphans(vfs, path, &manifest)?;
    let version = Arc::new(version_of(manifest.state(), &opening.pool, path)?);
    let spare = Arc::new(SpareMemory::new(2 * settings.memtable_bytes()));
    let memtable = Arc::new(Memtable::in_spare(settings.memtable_bytes(), spare.clone()));
    let view = View::new(memtable.clone(), log_number, version);
    let writer =
        Writer { log, memtable, memtable_bytes: 0, sequence: last, are_names_durable: true };
    let core = Core {
        path: opening.path,
        settings: opening.settings,
        table_settings: opening.table_settings,
        cache: opening.cache,
        pool: opening.pool,
        view: Current::new(Arc::new(view)),
        visible: AtomicU64::new(last),
        durable: AtomicU64::new(last),
        next_number: opening.next_number,
        unsynced: Mutex::default(),
        writer: Mutex::new(writer),
        spare,
        memtables_charged: Mutex::default(),
        expects_writes: AtomicBool::new(false),
        manifest: Mutex::new(manifest),
        state: Mutex::new(State::default()),
        work: Condvar::new(),
        done: Condvar::new(),
        is_stopping: AtomicBool::new(false),
        huge_pages_due: AtomicU64::new(0),
        loads: AtomicU64::new(0),
        delay: AtomicU64::new(0),
        debt: AtomicU64::new(0),
        poison: OnceLock::new(),
        forks: forks(),
        counters: Counters::default(),
        lock: Mutex::new(Some(lock)),
    };
    core.charge_memtables();
    Ok((core, recovery))
}

/// Removes the files that `manifest` does not know; returns how many.
fn remove_orphans(vfs: &dyn Vfs, path: &Path, manifest: &Manifest) -> Result<u64> {
    let state = manifest.state();
    let mut removed = 0;
    for name in vfs.list(path)? {
        let is_orphan = match file_kind(&name) {
            Some(FileKind::Table(number)) => !state.tables.contains_key(&number),
            Some(FileKind::Log(number)) => number < state.log_number,
            Some(FileKind::Manifest(number)) => number != manifest.number(),
            Some(FileKind::Temporary) => true,
            Some(FileKind::Current | FileKind::Lock) | None => false,
        };
        if is_orphan {
            vfs.remove(&path.join(&name))?;
            removed += 1;
        }
    }
    Ok(removed)
}
