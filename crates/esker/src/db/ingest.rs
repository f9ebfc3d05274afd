//! Tables that come from elsewhere and are taken in one step.

use super::Db;
use super::background::PoisonOnPanic;
use super::beside::side_by_side;
use super::core::{Core, Writer};
use crate::base::error::{Error, Result};
use crate::cache::KeptBlocks;
use crate::manifest::Edit;
use crate::table::{ReadSettings, Table};
use crate::version::{LEVELS, TableHandle, TableMeta};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
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
        let metas = tables.iter().map(|(number, table)| meta_of(*number, table));
        self.install_ingested(metas.zip(kept).collect())
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
    pub fn install_ingested(&self, tables: Vec<(TableMeta, KeptBlocks)>) -> Result<()> {
        let (metas, kept): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
        let handles = self.install_in_one_step(metas)?;
        for (handle, kept) in handles.iter().zip(kept) {
            handle.warm(kept);
        }
        Ok(())
    }

    fn install_in_one_step(&self, metas: Vec<TableMeta>) -> Result<Vec<Arc<TableHandle>>> {
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
        let installed = self.place_ingested(&mut writer, metas, is_quiet);
        let mut state = self.state();
        state.is_ingesting = false;
        self.wake(&self.done);
        self.ask(&mut state);
        installed
    }

    /// Gives each table its level: the deepest that it may have, if no compaction may be about to
    /// write there.
    fn place_ingested(
        &self,
        writer: &mut Writer,
        metas: Vec<TableMeta>,
        is_quiet: bool,
    ) -> Result<Vec<Arc<TableHandle>>> {
        let sequence = writer.sequence + 1;
        let mut manifest = self.take(&self.manifest);
        let version = self.view.load().version.clone();
        let mut added = Vec::new();
        for meta in metas {
            let meta = ingested_at(sequence, meta);
            let level = if is_quiet { level_for(&version, &meta) } else { 0 };
            added.push((level, Arc::new(TableHandle::new(meta, self.pool.clone()))));
        }
        let handles = added.iter().map(|(_, handle)| handle.clone()).collect();
        let edit = Edit { last_sequence: Some(sequence), ..Edit::default() };
        // Who has pinned a view without the tables must not see later writes in it.
        let memtable = self.new_memtable();
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

/// What the manifest will know of `table`, which has file `number`.
fn meta_of(number: u64, table: &Table) -> TableMeta {
    let properties = table.properties();
    TableMeta {
        number,
        file_bytes: table.file_bytes(),
        entries: properties.entries,
        tombstones: properties.tombstones,
        smallest: properties.smallest_key.clone().into(),
        largest: properties.largest_key.clone().into(),
        digest: table.digest(),
        ..TableMeta::default()
    }
}

/// `meta` of a table all of whose entries count as written at `sequence`.
fn ingested_at(sequence: u64, meta: TableMeta) -> TableMeta {
    TableMeta {
        smallest_sequence: sequence,
        largest_sequence: sequence,
        ingested_at: Some(sequence),
        ..meta
    }
}

impl Db {
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
}
