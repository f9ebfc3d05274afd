//! What a read looks at: memtables and tables of one moment, pinned together.

use crate::base::current::{Kind, Numbered, new_numbers};
use crate::base::error::Result;
use crate::base::key::ValueKind;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::cursor::{LevelCursor, MergeCursor, Placed, Source, VisibleTable};
use crate::manifest::Edit;
use crate::memtable::Memtable;
use crate::table::{Fill, Value};
use crate::version::{TableHandle, Version};
use std::sync::Arc;

/// A memtable that takes no more writes.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub memtable: Arc<Memtable>,
    /// Number of the log that holds its writes.
    pub log_number: u64,
}

/// Whether anyone reads: noted where each read looks anyway, and written once for each view.
#[derive(Debug)]
pub struct Readers {
    /// By this view.
    now: AtomicBool,
    /// Views since the last by which someone did.
    quiet: u8,
}

/// Views in a row by which nobody reads that are needed to say that nobody does: a flush makes two
/// within less than a millisecond, and who reads once in one is a reader.
const QUIET_VIEWS: u8 = 8;

impl Readers {
    #[inline]
    fn note(&self) {
        if !self.now.load(Ordering::Relaxed) {
            self.now.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anyone has read by this view or one of the last before it.
    pub fn are_there(&self) -> bool {
        self.quiet < QUIET_VIEWS || self.now.load(Ordering::Relaxed)
    }

    /// Those of the next view.
    fn next(&self) -> Readers {
        let is_read = self.now.load(Ordering::Relaxed);
        let quiet = if is_read { 0 } else { self.quiet.saturating_add(1) };
        Readers { now: AtomicBool::new(false), quiet }
    }
}

/// Memtables and tables of one moment.
#[derive(Debug)]
#[repr(align(64))]
pub struct View {
    /// Number of the place of this view and those that follow.
    number: u64,
    pub active: Arc<Memtable>,
    /// Number of the log that holds its writes.
    pub active_log: u64,
    /// Sealed memtables, newest first.
    pub sealed: Vec<Sealed>,
    pub version: Arc<Version>,
    pub readers: Readers,
}

/// What a look-up finds: kind, sequence number, value.
pub type Found = (ValueKind, u64, Value<'static>);

impl View {
    /// A view without sealed memtables.
    pub fn new(active: Arc<Memtable>, active_log: u64, version: Arc<Version>) -> View {
        let readers = Readers { now: AtomicBool::new(false), quiet: QUIET_VIEWS };
        let number = new_numbers(1);
        View { number, active, active_log, sealed: Vec::new(), version, readers }
    }

    /// A copy, to be changed, for the moment after this one.
    pub fn next(&self) -> View {
        View {
            number: self.number,
            active: self.active.clone(),
            active_log: self.active_log,
            sealed: self.sealed.clone(),
            version: self.version.clone(),
            readers: self.readers.next(),
        }
    }

    /// What the manifest must know once the `count` oldest sealed memtables are in tables, and the
    /// logs that then are no longer needed.
    pub fn edit_after_flush(&self, count: usize) -> (Edit, Vec<u64>) {
        let (left, flushed) = self.sealed.split_at(self.sealed.len() - count);
        let logs = flushed.iter().map(|sealed| sealed.log_number).collect();
        let last_sequence = flushed.iter().map(|sealed| sealed.memtable.largest_sequence()).max();
        let first_needed = left.last().map_or(self.active_log, |sealed| sealed.log_number);
        let log_number = last_sequence.map(|_| first_needed);
        (Edit { log_number, last_sequence, ..Edit::default() }, logs)
    }

    /// The newest entry for `key`, whose hash is `hash`, that `sequence` sees.
    pub fn get(&self, key: &[u8], hash: u64, sequence: u64) -> Result<Option<Found>> {
        self.readers.note();
        self.prefetch(hash);
        for memtable in self.memtables() {
            if let Some((kind, sequence, value)) = memtable.get(key, hash, sequence) {
                return Ok(Some((kind, sequence, Value::from_vec(value.to_vec()))));
            }
        }
        for table in self.version.level(0).tables() {
            if *table.meta().smallest <= *key
                && *key <= *table.meta().largest
                && may_contain(table, key, hash)?
                && let Some(found) = get_in(table, key, hash, sequence)?
            {
                return Ok(Some(found));
            }
        }
        for &number in self.version.sorted_levels() {
            if let Some(table) = self.version.level(number).find(key)
                && let Some(found) = get_in(table, key, hash, sequence)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Starts bringing what a look-up of `hash` reads first in each layer that it may have to ask
    /// in vain, so that it waits for memory once and not for each.
    #[inline]
    fn prefetch(&self, hash: u64) {
        self.memtables().for_each(|memtable| memtable.prefetch(hash));
        for table in self.version.level(0).tables() {
            if let Some(table) = table.open_table() {
                table.prefetch_filter(hash);
            }
        }
    }

    /// The memtables, newest first.
    pub fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(self.sealed.iter().map(|sealed| &sealed.memtable))
    }

    /// A cursor over what `sequence` sees of all layers.
    pub fn cursor(&self, sequence: u64, fill: Fill) -> Result<MergeCursor> {
        self.readers.note();
        let is_seen =
            |table: &&Arc<TableHandle>| table.meta().ingested_at.is_none_or(|at| at <= sequence);
        let (tables, levels) = (self.version.level(0).tables(), self.version.sorted_levels());
        let has_active = self.active.entries() > 0;
        // Sources are large: they are put where they stay.
        let most = usize::from(has_active) + self.sealed.len() + tables.len() + levels.len();
        let mut sources: Vec<Placed> = Vec::with_capacity(most);
        for memtable in self.memtables().skip(usize::from(!has_active)) {
            sources.push(Source::Memtable(memtable.cursor(sequence)).into());
        }
        for table in tables.iter().filter(is_seen) {
            sources.push(Source::Table(VisibleTable::new(table, sequence, fill)?).into());
        }
        sources.extend(levels.iter().map(|&number| {
            let cursor = LevelCursor::new(self.version.clone(), number, sequence, fill);
            Placed::from(Source::Level(cursor))
        }));
        Ok(MergeCursor::new(sources))
    }
}

impl Numbered for View {
    const KIND: Kind = Kind::View;

    #[inline]
    fn number(&self) -> u64 {
        self.number
    }
}

/// Whether the filter of a table lets it have `key`; of one that is not open, that is not known.
#[inline]
fn may_contain(handle: &TableHandle, key: &[u8], hash: u64) -> Result<bool> {
    handle.open_table().map_or(Ok(true), |table| table.may_contain(key, hash))
}

/// Looks `key` up in one table.
#[inline]
pub fn get_in(handle: &TableHandle, key: &[u8], hash: u64, sequence: u64) -> Result<Option<Found>> {
    let within = match handle.meta().ingested_at {
        Some(at) if at > sequence => return Ok(None),
        Some(_) => u64::MAX,
        None => sequence,
    };
    let found = match handle.open_table() {
        Some(table) => own(table.get_hashed(key, hash, within)?),
        None => own(handle.table()?.get_hashed(key, hash, within)?),
    };
    Ok(found.map(|(kind, at, value)| (kind, handle.meta().ingested_at.unwrap_or(at), value)))
}

#[inline]
fn own(found: Option<(ValueKind, u64, Value<'_>)>) -> Option<Found> {
    found.map(|(kind, sequence, value)| (kind, sequence, value.into_static()))
}
