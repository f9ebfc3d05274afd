//! The tables of a database: opened when they are needed, so many at a time; and levels as runs.

use crate::comparator::Comparator;
use crate::cursor::ForeignCursor;
use crate::edit::FileMeta;
use crate::entry::{ForeignEntry, ForeignKind};
use crate::open::{ForeignTable, OpenSettings};
use crate::run::Run;
use esker::vfs::{ReadAt, Vfs};
use esker::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Most tables whose indexes are held at a time.
const OPEN_MAX: usize = 128;

/// One table of a database, open or not.
pub(crate) struct Slot {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// What the manifest says of it; nothing without a manifest.
    pub(crate) meta: Option<FileMeta>,
    pub(crate) level: usize,
    /// The file, held open so that the table stays when a living process removes it.
    pub(crate) file: Option<Arc<dyn ReadAt>>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("path", &self.path).field("level", &self.level).finish()
    }
}

impl Slot {
    /// Whether every key of the table lies before `key`.
    fn ends_before(&self, key: &[u8], order: Comparator) -> bool {
        self.meta.as_ref().is_some_and(|meta| order.is_before(&meta.largest.key, key))
    }

    /// Whether every key of the table lies after `key`.
    fn starts_after(&self, key: &[u8], order: Comparator) -> bool {
        self.meta.as_ref().is_some_and(|meta| order.is_before(key, &meta.smallest.key))
    }

    /// Whether `key` lies in the part of the keys that the manifest gives the table. Range
    /// deletions count only there: what they say of other keys is said by other tables too, and
    /// may be out of date here.
    pub(crate) fn covers(&self, key: &[u8], order: Comparator) -> bool {
        let is_end = self
            .meta
            .as_ref()
            .is_some_and(|meta| meta.largest.is_excluded && meta.largest.key == key);
        !is_end && !self.ends_before(key, order) && !self.starts_after(key, order)
    }
}

/// All tables of a column family, and those that are open.
pub(crate) struct Tables {
    vfs: Arc<dyn Vfs>,
    /// Runs of tables, the newest first: each table of level 0 alone, then the levels.
    pub(crate) runs: Vec<Vec<Slot>>,
    pub(crate) order: Comparator,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    tick: u64,
    tables: HashMap<u64, (u64, ForeignTable)>,
}

impl Tables {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, runs: Vec<Vec<Slot>>, order: Comparator) -> Tables {
        Tables { vfs, runs, order, open: Mutex::default() }
    }

    /// Every table, in order of runs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.runs.iter().flatten()
    }

    /// The table in `slot`, opened.
    ///
    /// # Errors
    /// As [`ForeignTable::open`]; `Corruption` if the file is not as long as the manifest says.
    pub(crate) fn open(&self, slot: &Slot) -> Result<ForeignTable> {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.tick += 1;
            let tick = open.tick;
            if let Some((used, table)) = open.tables.get_mut(&slot.number) {
                *used = tick;
                return Ok(table.clone());
            }
        }
        let table = open_table(&*self.vfs, slot, Some(self.order))?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.tables.len() >= OPEN_MAX {
            let oldest = open.tables.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(number) = oldest.map(|(number, _)| *number) {
                open.tables.remove(&number);
            }
        }
        let tick = open.tick;
        open.tables.insert(slot.number, (tick, table.clone()));
        Ok(table)
    }

    /// The newest entry of `key` in all tables: sequence number, kind, value.
    pub(crate) fn newest(&self, key: &[u8]) -> Result<Option<(u64, ForeignKind, Vec<u8>)>> {
        let mut newest: Option<(u64, ForeignKind, Vec<u8>)> = None;
        for slot in self.covering(key) {
            if let Some(found) = self.open(slot)?.newest(key)?
                && newest.as_ref().is_none_or(|held| held.0 < found.0)
            {
                newest = Some(found);
            }
        }
        Ok(newest)
    }

    /// The tables that can hold something of `key`, the newest first.
    pub(crate) fn covering(&self, key: &[u8]) -> impl Iterator<Item = &Slot> {
        self.runs.iter().flat_map(move |run| {
            let from = run.partition_point(|slot| slot.ends_before(key, self.order));
            let rest = run.get(from..).unwrap_or_default().iter();
            rest.take_while(move |slot| !slot.starts_after(key, self.order))
        })
    }

    /// Whether a range deletion in a table hides `key` as of `sequence`.
    pub(crate) fn is_range_deleted(&self, key: &[u8], sequence: u64) -> Result<bool> {
        for slot in self.covering(key).filter(|slot| slot.covers(key, self.order)) {
            if slot
                .meta
                .as_ref()
                .and_then(|meta| meta.largest_sequence)
                .is_none_or(|l| l > sequence)
                && self.open(slot)?.is_range_deleted(key, sequence)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Opens the table in `slot` with `comparator`, or with the one that the table shows.
pub(crate) fn open_table(
    vfs: &dyn Vfs,
    slot: &Slot,
    comparator: Option<Comparator>,
) -> Result<ForeignTable> {
    let source = match &slot.file {
        Some(file) => file.clone(),
        None => vfs.open(&slot.path)?,
    };
    let settings = OpenSettings {
        comparator,
        sequence: slot.meta.as_ref().and_then(|meta| meta.largest_sequence),
    };
    if let Some(meta) = &slot.meta {
        let len = source.len().map_err(|e| Error::io("examine", &slot.path, e))?;
        if len != meta.bytes {
            return Err(Error::corruption(&slot.path, len, "table length", meta.bytes, len));
        }
    }
    ForeignTable::from_reader(source, &slot.path, &settings)
}

/// A position in a run of tables whose keys do not overlap.
pub(crate) struct LevelRun {
    tables: Arc<Tables>,
    /// Number of the run.
    run: usize,
    /// Number of the table in the run.
    number: usize,
    cursor: Option<ForeignCursor>,
}

impl LevelRun {
    pub(crate) fn new(tables: Arc<Tables>, run: usize) -> LevelRun {
        LevelRun { tables, run, number: 0, cursor: None }
    }

    fn slots(&self) -> &[Slot] {
        self.tables.runs.get(self.run).map_or(&[], |run| &run[..])
    }

    /// Opens table `number` of the run and moves in it; nowhere if there is no such table.
    fn enter(
        &mut self,
        number: Option<usize>,
        to: impl FnOnce(&mut ForeignCursor) -> Result<()>,
    ) -> Result<()> {
        let slot = number.and_then(|number| self.slots().get(number));
        let Some(table) = slot.map(|slot| self.tables.open(slot)).transpose()? else {
            self.cursor = None;
            return Ok(());
        };
        self.number = number.unwrap_or(0);
        to(self.cursor.insert(table.cursor()))
    }

    /// Goes on to the next table that has an entry, if this one ended.
    fn settle_forth(&mut self) -> Result<()> {
        while self.cursor.as_ref().is_some_and(|cursor| cursor.current().is_none()) {
            self.enter(Some(self.number + 1), |cursor| cursor.to_first())?;
        }
        Ok(())
    }

    fn settle_back(&mut self) -> Result<()> {
        while self.cursor.as_ref().is_some_and(|cursor| cursor.current().is_none()) {
            self.enter(self.number.checked_sub(1), |cursor| cursor.to_last())?;
        }
        Ok(())
    }
}

impl Run for LevelRun {
    fn to_first(&mut self) -> Result<()> {
        self.enter(Some(0), |cursor| cursor.to_first())?;
        self.settle_forth()
    }

    fn to_last(&mut self) -> Result<()> {
        self.enter(self.slots().len().checked_sub(1), |cursor| cursor.to_last())?;
        self.settle_back()
    }

    fn to(&mut self, key: &[u8]) -> Result<()> {
        let order = self.tables.order;
        let number = self.slots().partition_point(|slot| slot.ends_before(key, order));
        self.enter(Some(number), |cursor| cursor.to(key))?;
        self.settle_forth()
    }

    fn to_before(&mut self, key: &[u8]) -> Result<()> {
        let order = self.tables.order;
        let is_first_before = |slot: &Slot| {
            slot.meta.as_ref().is_none_or(|meta| order.is_before(&meta.smallest.key, key))
        };
        let number = self.slots().partition_point(is_first_before).checked_sub(1);
        self.enter(number, |cursor| cursor.to_before(key))?;
        self.settle_back()
    }

    fn forth(&mut self) -> Result<()> {
        if let Some(cursor) = &mut self.cursor {
            cursor.forth()?;
        }
        self.settle_forth()
    }

    fn back(&mut self) -> Result<()> {
        if let Some(cursor) = &mut self.cursor {
            Run::back(cursor)?;
        }
        self.settle_back()
    }

    fn entry(&self) -> Option<ForeignEntry<'_>> {
        self.cursor.as_ref()?.current()
    }
}
