//! The tables of a database: opened when they are needed, so many at a time; and levels as runs.

use crate::comparator::Comparator;
use crate::cursor::ForeignCursor;
use crate::edit::FileMeta;
use crate::entry::{ForeignEntry, ForeignKind};
use crate::losses::Losses;
use crate::obfuscation::Mask;
use crate::open::{ForeignTable, Reading};
use crate::run::Run;
use esker::vfs::{ReadAt, Vfs};
use esker::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most tables whose indexes are held at a time.
const OPEN_MAX: usize = 128;
/// Most tables whose files are held open.
pub(crate) const HELD_MAX: usize = 512;

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
    pub(crate) vfs: Arc<dyn Vfs>,
    /// Runs of tables, the newest first: each table of level 0 alone, then the levels.
    pub(crate) runs: Vec<Vec<Slot>>,
    pub(crate) order: Comparator,
    mask: Option<Mask>,
    pub(crate) losses: Losses,
    open: Mutex<Open>,
}

/// A stretch of keys over which the same tables lie, and those of them that have range deletions.
#[derive(Debug, Default)]
pub(crate) struct Cover {
    is_set: bool,
    /// The stretch lies behind this key, and before the other.
    behind: Option<Vec<u8>>,
    before: Option<Vec<u8>>,
    /// Numbers of runs, and of tables in them.
    slots: Vec<(usize, usize)>,
}

impl Cover {
    fn has(&self, key: &[u8], order: Comparator) -> bool {
        self.is_set
            && self.before.as_ref().is_none_or(|end| order.is_before(key, end))
            && self.behind.as_ref().is_none_or(|start| order.is_before(start, key))
    }

    /// Lets the stretch lie behind `behind` and before `before` as well.
    fn narrow(&mut self, behind: Option<&Vec<u8>>, before: Option<&Vec<u8>>, order: Comparator) {
        if let Some(key) = behind
            && self.behind.as_ref().is_none_or(|held| order.is_before(held, key))
        {
            self.behind = Some(key.clone());
        }
        if let Some(key) = before
            && self.before.as_ref().is_none_or(|held| order.is_before(key, held))
        {
            self.before = Some(key.clone());
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    tick: u64,
    tables: HashMap<u64, (u64, ForeignTable)>,
}

impl Tables {
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        runs: Vec<Vec<Slot>>,
        order: Comparator,
        losses: Losses,
    ) -> Tables {
        Tables { vfs, runs, order, mask: None, losses, open: Mutex::default() }
    }

    /// Takes `mask` off all values from now on.
    pub(crate) fn unmask(&mut self, mask: Mask) {
        self.mask = Some(mask);
        self.open = Mutex::default();
    }

    fn reading(&self) -> Reading {
        let (mask, losses) = (self.mask.clone(), self.losses.clone());
        Reading { comparator: Some(self.order), sequence: None, mask, losses }
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
        let table = open_table(&*self.vfs, slot, self.reading())?;
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

    /// Whether a range deletion in a table hides `key` as of `sequence`. `cover` is of the key
    /// before, or new.
    pub(crate) fn is_range_deleted(
        &self,
        cover: &mut Cover,
        key: &[u8],
        sequence: u64,
    ) -> Result<bool> {
        if !cover.has(key, self.order) {
            *cover = self.cover(key)?;
        }
        for &(run, number) in &cover.slots {
            let Some(slot) = self.runs.get(run).and_then(|run| run.get(number)) else { continue };
            if slot.covers(key, self.order) && self.open(slot)?.is_range_deleted(key, sequence)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which tables have range deletions that can hide `key` and its neighbours.
    fn cover(&self, key: &[u8]) -> Result<Cover> {
        let mut cover = Cover { is_set: true, ..Cover::default() };
        for (number, run) in self.runs.iter().enumerate() {
            let from = run.partition_point(|slot| slot.ends_before(key, self.order));
            let rest = run.get(from..).unwrap_or_default();
            let count = rest.partition_point(|slot| !slot.starts_after(key, self.order));
            let before = from.checked_sub(1).and_then(|at| run.get(at)?.meta.as_ref());
            let after = rest.get(count).and_then(|slot| slot.meta.as_ref());
            cover.narrow(
                before.map(|meta| &meta.largest.key),
                after.map(|meta| &meta.smallest.key),
                self.order,
            );
            for (at, slot) in rest.iter().enumerate().take(count) {
                if self.open(slot)?.range_tombstones().next().is_some() {
                    cover.slots.push((number, from + at));
                }
            }
        }
        Ok(cover)
    }
}

/// Opens the table in `slot`; its own settings alone say its largest sequence number. Where loss
/// is accepted, a table that cannot be read is one without entries.
pub(crate) fn open_table(vfs: &dyn Vfs, slot: &Slot, mut reading: Reading) -> Result<ForeignTable> {
    let (losses, order) = (reading.losses.clone(), reading.comparator);
    reading.sequence = slot.meta.as_ref().and_then(|meta| meta.largest_sequence);
    read_table(vfs, slot, reading).or_else(|error| {
        let what = slot.meta.as_ref().map_or_else(
            || "the whole table".into(),
            |meta| {
                let (first, last) = (&meta.smallest.key, &meta.largest.key);
                let (first, last) = (first.escape_ascii(), last.escape_ascii());
                format!("the whole table, of the keys from \"{first}\" to \"{last}\"")
            },
        );
        losses.accept(&slot.path, 0, error, what)?;
        Ok(ForeignTable::empty(slot.path.clone(), order.unwrap_or_default()))
    })
}

fn read_table(vfs: &dyn Vfs, slot: &Slot, reading: Reading) -> Result<ForeignTable> {
    let source = match &slot.file {
        Some(file) => file.clone(),
        None => vfs.open(&slot.path).map_err(|error| told_if_gone(error, &slot.path))?,
    };
    if let Some(meta) = &slot.meta {
        let len = source.len().map_err(|e| Error::io("examine", &slot.path, e))?;
        if len != meta.bytes {
            return Err(Error::corruption(&slot.path, len, "table length", meta.bytes, len));
        }
    }
    ForeignTable::read(source, slot.path.clone(), reading)
}

/// `error`, or for a file that was there when the database was opened and is not now: that, and
/// what to do.
fn told_if_gone(error: Error, path: &Path) -> Error {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if !error.io_error().is_some_and(is_gone) {
        return error;
    }
    let detail = format!(
        "another process removed this table while the database was read; of more than {HELD_MAX} \
         tables the files are not held open: read it again, or when that process has let go"
    );
    Error::io("open", path, io::Error::new(io::ErrorKind::NotFound, detail))
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
        while self.cursor.as_ref().is_some_and(|cursor| !cursor.stands()) {
            self.enter(Some(self.number + 1), |cursor| cursor.to_first())?;
        }
        Ok(())
    }

    fn settle_back(&mut self) -> Result<()> {
        while self.cursor.as_ref().is_some_and(|cursor| !cursor.stands()) {
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

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        self.cursor.as_ref()?.key_here()
    }

    #[inline]
    fn is_on(&self) -> bool {
        self.cursor.as_ref().is_some_and(ForeignCursor::stands)
    }
}
