//! What is done to a database as a whole: copies, tables from outside, its end.

use super::Db;
use super::background::{PoisonOnPanic, side_by_side};
use super::core::{Core, Writer};
use super::detect::is_database;
use super::open::{FileKind, create_directory, file_kind};
use super::settings::Settings;
use crate::base::error::{Error, Result};
use crate::cache::KeptBlocks;
use crate::log::LogWriter;
use crate::manifest::{Edit, Manifest, ManifestState};
use crate::memtable::Memtable;
use crate::table::{ReadSettings, Table};
use crate::version::{LEVELS, TableHandle, TableMeta};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Removes the database in `path`: the files that are its own, and the directory if nothing else is
/// in it.
///
/// # Errors
/// `InvalidInput` if it is no database of esker, see [`is_database`](crate::is_database); `Locked`
/// if it is open; `Io`.
pub fn destroy(path: impl AsRef<Path>, settings: &Settings) -> Result<()> {
    let (path, vfs) = (path.as_ref(), &*settings.vfs);
    if !is_database(path, settings)? {
        return Err(Error::invalid_input("no database of esker to destroy", path.display()));
    }
    let names = vfs.list(path)?;
    let lock = vfs.lock(&path.join("LOCK"))?;
    // First what makes it a database: a crash in the middle leaves files that are nobody's.
    let (first, rest): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| file_kind(name) == Some(FileKind::Current));
    for name in first.into_iter().chain(rest) {
        if file_kind(name).is_some_and(|kind| kind != FileKind::Lock) {
            vfs.remove(&path.join(name))?;
        }
    }
    vfs.remove(&path.join("LOCK"))?;
    drop(lock);
    if vfs.list(path)?.is_empty() { vfs.remove_directory(path) } else { Ok(()) }
}

impl Core {
    /// Makes the log durable and marks it so.
    pub fn close_log(&self) -> Result<()> {
        self.check_poison()?;
        self.take(&self.writer).log.write()?;
        let last = self.visible.load(Ordering::Acquire);
        self.sync_up_to(last)?;
        if self.take(&self.writer).log.is_empty() {
            return Ok(());
        }
        // Also if the last write was synced: nothing else says so.
        let mut writer = self.take(&self.writer);
        let next = writer.sequence + 1;
        writer.log.append(next, last, 0, |_| {})?;
        writer.log.write()?;
        let (file, path) = writer.log.file();
        file.sync().map_err(|e| Error::io("sync", path, e))
    }

    fn checkpoint(&self, target: &Path) -> Result<()> {
        let vfs = self.vfs();
        let is_new = vfs.list(target).is_err();
        create_directory(vfs, target)?;
        if let Some(name) = vfs.list(target)?.first() {
            let detail = format_args!("{}: it holds {name}", target.display());
            return Err(Error::invalid_input("checkpoint into a directory in use", detail));
        }
        self.copy_into(target).inspect_err(|_| {
            // What cannot be removed now is no database: `CURRENT` comes last.
            for name in vfs.list(target).unwrap_or_default() {
                let _ = vfs.remove(&target.join(name));
            }
            if is_new {
                let _ = vfs.remove_directory(target);
            }
        })
    }

    /// Makes the files of a copy in `target`, which is empty.
    fn copy_into(&self, target: &Path) -> Result<()> {
        let vfs = self.vfs();
        self.flush()?;
        // The view is pinned, so none of its tables goes while it is linked.
        let view = self.view.load_full();
        let mut state = ManifestState::default();
        let mut last = 0;
        for (level, table) in view.version.tables() {
            let meta = table.meta().clone();
            let name = format!("{:06}.sstable", meta.number);
            vfs.link(&table.path(), &target.join(name))?;
            last = last.max(meta.ingested_at.unwrap_or(meta.largest_sequence));
            state.next_number = state.next_number.max(meta.number + 1);
            state.tables.insert(meta.number, (level as u8, meta));
        }
        let sequence = self.take(&self.manifest).state().last_sequence;
        state.last_sequence = last.max(sequence);
        let log_number = state.next_number.max(1);
        let path = super::core::log_path(target, log_number);
        LogWriter::create(vfs, path, log_number, state.last_sequence)?;
        state.log_number = log_number;
        state.next_number = log_number + 2;
        Manifest::create(vfs, target, log_number + 1, state)?;
        Ok(())
    }

    fn ingest(&self, paths: &[PathBuf]) -> Result<()> {
        let check = |path: &PathBuf| self.check_outside(path);
        let checked = side_by_side(paths, self.settings.background_threads + 1, &check);
        let mut checked = checked.into_iter().collect::<Result<Vec<_>>>()?;
        checked.retain(|(table, _)| table.properties().entries > 0);
        let smallest = |table: &Table| table.properties().smallest_key.clone();
        checked.sort_by_cached_key(|(table, _)| smallest(table));
        let (tables, kept): (Vec<Table>, Vec<KeptBlocks>) = checked.into_iter().unzip();
        for pair in tables.windows(2) {
            if pair[0].properties().largest_key >= pair[1].properties().smallest_key {
                let detail =
                    format_args!("{} and {}", pair[0].name().display(), pair[1].name().display());
                return Err(Error::invalid_input("tables to ingest overlap", detail));
            }
        }
        if tables.is_empty() {
            return Ok(());
        }
        let tables = tables.iter().map(|table| (self.new_number(), table)).collect::<Vec<_>>();
        self.link_all(&tables).inspect_err(|_| {
            for (number, _) in &tables {
                // Left behind, it is an orphan, which the next open collects.
                let _ = self.vfs().remove(&self.pool.path(*number));
            }
        })?;
        let handles = self.install_ingested(&tables)?;
        handles.iter().zip(kept).for_each(|(handle, kept)| handle.warm(kept));
        Ok(())
    }

    /// Opens the table at `path`, which is to be ingested, and reads all of it.
    fn check_outside(&self, path: &Path) -> Result<(Table, KeptBlocks)> {
        let source = self.vfs().open(path)?;
        let table = Table::from_reader(source, path, &ReadSettings::default())?;
        let mut kept = self.pool.keeper();
        table.verify_keeping(&mut |_, _| {}, &mut kept)?;
        check_ingestible(&table)?;
        Ok((table, kept))
    }

    /// Gives tables their names in the directory; content and names are on disk then. Flushes too,
    /// so that little can fail once they are linked.
    fn link_all(&self, tables: &[(u64, &Table)]) -> Result<()> {
        self.flush()?;
        for (number, table) in tables {
            let path = self.pool.path(*number);
            self.vfs().link(table.name(), &path)?;
            self.vfs().sync_file(&path)?;
        }
        self.vfs().sync_directory(&self.path)
    }

    /// Puts tables that are in the directory into the version, as the newest of all writes.
    fn install_ingested(&self, linked: &[(u64, &Table)]) -> Result<Vec<Arc<TableHandle>>> {
        let mut writer = self.take(&self.writer);
        let _panics = PoisonOnPanic(self);
        self.check_poison()?;
        // Nothing may lie above what is ingested: the memtable goes down first.
        if writer.memtable.entries() > 0 {
            self.seal(&mut writer)?;
        }
        self.wait_for_flushes(u64::MAX)?;
        let mut state = self.state();
        let is_quiet = state.running_compactions == 0 && !state.is_ingesting;
        state.is_ingesting = true;
        drop(state);
        let installed = self.place_ingested(&mut writer, linked, is_quiet);
        self.state().is_ingesting = false;
        self.wake(&self.done);
        self.wake(&self.work);
        installed
    }

    /// Gives each table its level: the deepest that it may have, if no compaction may be about to
    /// write there.
    fn place_ingested(
        &self,
        writer: &mut Writer,
        linked: &[(u64, &Table)],
        is_quiet: bool,
    ) -> Result<Vec<Arc<TableHandle>>> {
        let sequence = writer.sequence + 1;
        let mut manifest = self.take(&self.manifest);
        let version = self.view.load().version.clone();
        let mut added = Vec::new();
        for (number, table) in linked {
            let meta = ingested_meta(*number, table, sequence);
            let level = if is_quiet { level_for(&version, &meta) } else { 0 };
            added.push((level, Arc::new(TableHandle::new(meta, self.pool.clone()))));
        }
        let handles = added.iter().map(|(_, handle)| handle.clone()).collect();
        let edit = Edit { last_sequence: Some(sequence), ..Edit::default() };
        // Who has pinned a view without the tables must not see later writes in it.
        let memtable = Arc::new(Memtable::new(self.settings.memtable_bytes()));
        let installed = self.install(&mut manifest, edit, added, Vec::new(), |view| {
            view.active = memtable.clone();
            writer.memtable = memtable;
        });
        if installed.is_ok() {
            // One more edit behind it, which says nothing new: the last one of a manifest may be
            // torn, one that others follow is damaged. With every other edit a file has gone, which
            // tells of it. If this fails, the tables are there all the same.
            let next_number = Some(self.next_number.load(Ordering::Relaxed));
            let mark = Edit { next_number, ..Edit::default() };
            let _ = manifest.append(self.vfs(), &mark, || self.new_number());
        }
        // Given for good: after an error the edit may be on disk all the same.
        writer.sequence = sequence;
        self.visible.store(sequence, Ordering::Release);
        installed.map(|()| handles)
    }
}

/// The deepest level at which a table can lie without passing anything that it must hide.
fn level_for(version: &crate::version::Version, meta: &TableMeta) -> usize {
    let (start, end) = (Bound::Included(&*meta.smallest), Bound::Included(&*meta.largest));
    let meets = |level: usize| !version.level(level).overlapping(start, end).is_empty();
    match (0..LEVELS).find(|&level| meets(level)) {
        Some(level) => level.saturating_sub(1),
        None => LEVELS - 1,
    }
}

/// Checks that all entries can count as written at one moment.
fn check_ingestible(table: &Table) -> Result<()> {
    let properties = table.properties();
    if properties.entries == properties.keys {
        return Ok(());
    }
    let detail = format_args!("{}: it has several versions of a key", table.name().display());
    Err(Error::invalid_input("table to ingest", detail))
}

fn ingested_meta(number: u64, table: &Table, sequence: u64) -> TableMeta {
    let properties = table.properties();
    TableMeta {
        number,
        file_bytes: table.file_bytes(),
        entries: properties.entries,
        tombstones: properties.tombstones,
        smallest: properties.smallest_key.clone().into(),
        largest: properties.largest_key.clone().into(),
        smallest_sequence: sequence,
        largest_sequence: sequence,
        digest: table.digest(),
        ingested_at: Some(sequence),
    }
}

impl Db {
    /// Makes a copy of the database as of now in the directory `path`, which must be empty or not
    /// be there. Tables are shared by hard links, so it takes little time and space.
    ///
    /// # Errors
    /// `InvalidInput` if the directory is in use; `Io`, also if it is on another file system.
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<()> {
        self.core().checkpoint(path.as_ref())
    }

    /// Takes sorted tables into the database, all in one step, as newer than everything in it.
    ///
    /// The files get a second name in the database's directory (a hard link) and must be on the
    /// same file system; the old names can be removed afterwards. Each is verified first.
    ///
    /// # Errors
    /// `InvalidInput` if the tables overlap each other or hold several versions of a key;
    /// `Corruption` if one is not sound; `Io`. Nothing was taken then.
    pub fn ingest<P: AsRef<Path>>(&self, paths: &[P]) -> Result<()> {
        let paths: Vec<_> = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
        self.core().ingest(&paths)
    }

    /// Closes the database as dropping it does, but flushes first, so that the next open has no log
    /// to read.
    ///
    /// # Errors
    /// As [`Db::flush`].
    pub fn close(self) -> Result<()> {
        self.flush()
    }
}
