//! What can be seen of a database: plain data, no handles.

use super::Db;
use super::core::Core;
use super::open::{FileKind, file_kind};
use super::range::{DbCursor, Pinned};
use super::settings::Settings;
use super::view::{View, get_in};
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::base::key::{Entry, ValueKind};
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::compaction::scores;
use crate::memtable::Memtable;
use crate::table::Step;
use crate::version::{LEVELS, TableHandle};
use crate::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where a segment of the database lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentKind {
    /// The memtable that takes writes.
    Memtable,
    /// A memtable that waits for its flush.
    SealedMemtable,
    /// A table of this level.
    Table(usize),
}

/// One sorted part of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Where it lies.
    pub kind: SegmentKind,
    /// File of a table.
    pub path: Option<PathBuf>,
    /// Bytes of the file; of a memtable, of its keys and values.
    pub bytes: u64,
    /// Entries: versions of keys.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// The smallest key; empty if there is none.
    pub smallest: Vec<u8>,
    /// The largest key; empty if there is none.
    pub largest: Vec<u8>,
    /// The largest sequence number.
    pub largest_sequence: u64,
}

/// One level in numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelStats {
    /// Number of tables.
    pub tables: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Entries in them.
    pub entries: u64,
    /// Tombstones among the entries.
    pub tombstones: u64,
    /// How urgent its compaction is: from 1 on it is due.
    pub score: f64,
}

/// The database in numbers, since it was opened where that makes a difference.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DbStats {
    /// The levels, from 0 on.
    pub levels: Vec<LevelStats>,
    /// Bytes of keys and values in the memtables.
    pub memtable_bytes: u64,
    /// Memtables that wait for their flush.
    pub sealed_memtables: usize,
    /// The last sequence number.
    pub sequence: u64,
    /// Writes up to this number are on disk.
    pub durable_sequence: u64,
    /// Snapshots that are held.
    pub snapshots: usize,
    /// Bytes of keys and values written.
    pub written_bytes: u64,
    /// Bytes of records written to logs.
    pub log_bytes: u64,
    /// Memtables that went to tables, of level 0 or, at rest, in a compaction.
    pub flushes: u64,
    /// Bytes of tables of level 0 made of memtables.
    pub flushed_bytes: u64,
    /// Compactions that rewrote tables.
    pub compactions: u64,
    /// Compactions that moved tables as they were.
    pub moves: u64,
    /// Bytes of tables read by compactions.
    pub compacted_in_bytes: u64,
    /// Bytes of tables written by compactions, with what came from memtables.
    pub compacted_out_bytes: u64,
    /// Syncs of logs.
    pub syncs: u64,
    /// Time that writers were held back.
    pub stalled: Duration,
    /// Blocks that were found in memory, counted when first used again; and blocks that were read.
    pub cache_hits: u64,
    /// Blocks that were read from files.
    pub cache_misses: u64,
    /// Bytes of blocks in memory.
    pub cache_bytes: u64,
    /// Bytes of memtables, indexes and filters in memory.
    pub pinned_bytes: u64,
    /// Tables that are open.
    pub open_tables: usize,
    /// Why the last background job failed, if it did.
    pub failure: Option<String>,
}

/// What the bytes of a database are.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpaceReport {
    /// Bytes of keys and values that a reader sees now.
    pub live_bytes: u64,
    /// Bytes of versions that newer ones hide, whether a snapshot still needs them or not.
    pub shadowed_bytes: u64,
    /// Bytes of tombstones in tables.
    pub tombstone_bytes: u64,
    /// Bytes of table files.
    pub table_bytes: u64,
    /// Bytes of logs.
    pub log_bytes: u64,
    /// Bytes of the manifest and other files of the database.
    pub other_bytes: u64,
    /// Bytes of files that no part of the database knows.
    pub orphaned_bytes: u64,
    /// Sequence numbers that snapshots hold.
    pub snapshots: Vec<u64>,
    /// Bytes of tables for each live byte.
    pub space_amplification: f64,
}

/// One layer that a look-up asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerStep {
    /// The layer: a memtable, or a level and a table's file name.
    pub layer: String,
    /// What it said.
    pub verdict: String,
    /// Whether this ended the search.
    pub is_last: bool,
    /// The table that was asked, as [`Segment::path`] has it; none for a memtable.
    pub path: Option<PathBuf>,
    /// What was done within the table, in order; nothing for a memtable.
    pub parts: Vec<Step>,
}

/// What [`Db::verify`] checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DbVerifyReport {
    /// Tables checked.
    pub tables: u64,
    /// Bytes checked.
    pub bytes: u64,
    /// Entries checked.
    pub entries: u64,
}

impl View {
    /// The parts of the database, newest last.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let tables = self.version.tables().collect::<Vec<_>>();
        segments.extend(tables.into_iter().rev().map(|(level, table)| of_table(level, table)));
        for (i, memtable) in self.memtables().collect::<Vec<_>>().into_iter().enumerate().rev() {
            let (smallest, largest) = memtable.bounds().unwrap_or_default();
            segments.push(Segment {
                kind: if i == 0 { SegmentKind::Memtable } else { SegmentKind::SealedMemtable },
                path: None,
                bytes: memtable.data_bytes() as u64,
                entries: memtable.entries() as u64,
                tombstones: memtable.tombstones() as u64,
                smallest: smallest.to_vec(),
                largest: largest.to_vec(),
                largest_sequence: memtable.largest_sequence(),
            });
        }
        segments
    }

    /// How a look-up for `key` at `sequence` goes, layer by layer.
    pub(super) fn explain(&self, key: &[u8], sequence: u64) -> Result<Vec<LayerStep>> {
        let hash = key_hash(key);
        let mut steps = Vec::new();
        for (i, memtable) in self.memtables().enumerate() {
            let layer = if i == 0 { "memtable".into() } else { format!("sealed memtable {i}") };
            let found = memtable.get(key, hash, sequence);
            let found = found.map(|(kind, at, value)| (kind, at, value.len()));
            steps.push(step(layer, "does not have the key", found));
        }
        for (level, table) in self.version.tables() {
            if steps.last().is_some_and(|step| step.is_last) {
                break;
            }
            let meta = table.meta();
            if key < &*meta.smallest || key > &*meta.largest {
                continue;
            }
            let layer = format!("level {level}, {:06}.sstable", meta.number);
            let found = get_in(table, key, hash, sequence)?;
            let opened = table.table()?;
            let explanation = opened.explain(key)?;
            let parts = explanation.steps.iter().map(|s| format!("{}: {}", s.part, s.verdict));
            let parts = parts.collect::<Vec<_>>().join("; ");
            let found = found.map(|(kind, at, value)| (kind, at, value.len()));
            let (path, told) = (Some(table.path()), explanation.steps);
            steps.push(LayerStep { path, parts: told, ..step(layer, &parts, found) });
        }
        Ok(steps)
    }
}

fn step(layer: String, otherwise: &str, found: Option<(ValueKind, u64, usize)>) -> LayerStep {
    let verdict = match found {
        Some((ValueKind::Put, sequence, len)) => {
            format!("a value of {len} bytes, sequence {sequence}")
        }
        Some((ValueKind::Tombstone, sequence, _)) => {
            format!("a tombstone, sequence {sequence}: the key is deleted")
        }
        None => otherwise.into(),
    };
    LayerStep { layer, verdict, is_last: found.is_some(), path: None, parts: Vec::new() }
}

fn of_table(level: usize, table: &TableHandle) -> Segment {
    let meta = table.meta();
    Segment {
        kind: SegmentKind::Table(level),
        path: Some(table.path()),
        bytes: meta.file_bytes,
        entries: meta.entries,
        tombstones: meta.tombstones,
        smallest: meta.smallest.to_vec(),
        largest: meta.largest.to_vec(),
        largest_sequence: meta.ingested_at.unwrap_or(meta.largest_sequence),
    }
}

impl Core {
    fn stats(&self) -> DbStats {
        let view = self.view.load_full();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let (pinned, cached) = self.cache.resident_bytes();
        let (cache_hits, cache_misses) = self.cache.hits_and_misses();
        let state = self.state();
        DbStats {
            levels: view.levels(&self.settings),
            memtable_bytes: view.memtable_bytes(),
            sealed_memtables: view.sealed.len(),
            sequence: count(&self.visible),
            durable_sequence: count(&self.durable),
            snapshots: state.snapshots.values().sum(),
            written_bytes: count(&counters.written_bytes),
            log_bytes: count(&counters.log_bytes),
            flushes: count(&counters.flushes),
            flushed_bytes: count(&counters.flushed_bytes),
            compactions: count(&counters.compactions),
            moves: count(&counters.moves),
            compacted_in_bytes: count(&counters.compacted_in_bytes),
            compacted_out_bytes: count(&counters.compacted_out_bytes),
            syncs: count(&counters.syncs),
            stalled: Duration::from_nanos(count(&counters.stalled_nanos)),
            cache_hits,
            cache_misses,
            cache_bytes: cached as u64,
            pinned_bytes: pinned as u64,
            open_tables: self.pool.open_tables(),
            failure: state.flush_failure.clone().or(state.compaction_failure.clone()),
        }
    }
}

impl Db {
    /// The parts of the database, newest last: tables by level from the last on, then memtables.
    pub fn segments(&self) -> Vec<Segment> {
        self.core().view.load_full().segments()
    }

    /// Calls `visit` with every entry of `segment`, one of [`Db::segments`], as it is now: by key,
    /// then newest first, tombstones too. False if the segment is no longer there; a memtable is
    /// the one that is in its place.
    ///
    /// # Errors
    /// The first of `visit`; `Corruption` or `Io` if a table cannot be read.
    pub fn visit_segment(
        &self,
        segment: &Segment,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<()>,
    ) -> Result<bool> {
        let view = self.core().view.load_full();
        let Some(path) = &segment.path else {
            let is_active = segment.kind == SegmentKind::Memtable;
            let same = |m: &&Arc<Memtable>| m.largest_sequence() == segment.largest_sequence;
            let found = view.memtables().find(|memtable| is_active || same(memtable));
            return found.map_or(Ok(false), |memtable| memtable.for_each(visit).map(|()| true));
        };
        let Some((_, handle)) = view.version.tables().find(|(_, table)| table.path() == *path)
        else {
            return Ok(false);
        };
        let mut cursor = handle.table()?.cursor();
        let mut entry = cursor.first()?;
        while let Some(found) = entry {
            visit(found)?;
            entry = cursor.next()?;
        }
        Ok(true)
    }

    /// The database in numbers.
    pub fn stats(&self) -> DbStats {
        self.core().stats()
    }

    /// Which layers a look-up for `key` asks, and what each says.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn explain(&self, key: &[u8]) -> Result<Vec<LayerStep>> {
        let view = self.core().view.load_full();
        view.explain(key, self.core().visible.load(Ordering::Acquire))
    }

    /// What the bytes of the database are; reads every table.
    ///
    /// # Errors
    /// As a scan.
    pub fn space(&self) -> Result<SpaceReport> {
        let core = self.core();
        let mut report = self.pinned().space(core.vfs(), &core.path)?;
        report.snapshots = core.state().snapshots.keys().copied().collect();
        Ok(report)
    }

    /// Reads every table whole: every checksum, the order, the filters against the keys.
    ///
    /// # Errors
    /// `Corruption` of the first table that is not sound; `Io`.
    pub fn verify(&self) -> Result<DbVerifyReport> {
        self.core().view.load_full().verify(&mut |_, _| {})
    }
}

impl Pinned {
    /// What the bytes of the database in `directory` are, as this sees it.
    pub(super) fn space(&self, vfs: &dyn Vfs, directory: &Path) -> Result<SpaceReport> {
        let view = &self.view;
        let mut report = SpaceReport::default();
        let mut live = DbCursor::new(self.clone());
        let mut entry = live.first()?;
        while let Some((key, value)) = entry {
            report.live_bytes += (key.len() + value.len()) as u64;
            entry = live.next()?;
        }
        let mut stored = view.memtable_bytes();
        for (_, handle) in view.version.tables() {
            let table = handle.table()?;
            let properties = table.properties();
            stored += properties.raw_key_bytes + properties.raw_value_bytes;
            report.tombstone_bytes += properties.tombstone_bytes;
            report.table_bytes += handle.meta().file_bytes;
        }
        let others = report.live_bytes + report.tombstone_bytes;
        report.shadowed_bytes = stored.saturating_sub(others);
        view.count_files(vfs, directory, &mut report)?;
        report.space_amplification = report.table_bytes as f64 / report.live_bytes.max(1) as f64;
        Ok(report)
    }
}

impl View {
    /// Bytes of keys and values in memtables.
    pub(super) fn memtable_bytes(&self) -> u64 {
        self.memtables().map(|memtable| memtable.data_bytes() as u64).sum()
    }

    /// The levels in numbers, with their scores under `settings`.
    pub(super) fn levels(&self, settings: &Settings) -> Vec<LevelStats> {
        let scores = scores(&self.version, &settings.pick_settings());
        let level = |number: usize| {
            let level = self.version.level(number);
            let metas = || level.tables().iter().map(|table| table.meta());
            LevelStats {
                tables: level.tables().len(),
                bytes: level.file_bytes(),
                entries: metas().map(|meta| meta.entries).sum(),
                tombstones: metas().map(|meta| meta.tombstones).sum(),
                score: scores[number],
            }
        };
        (0..LEVELS).map(level).collect()
    }

    fn count_files(&self, vfs: &dyn Vfs, directory: &Path, report: &mut SpaceReport) -> Result<()> {
        let is_known = |number| self.version.tables().any(|(_, t)| t.meta().number == number);
        for name in vfs.list(directory)? {
            let path = directory.join(&name);
            // A file may go while we count.
            let Ok(file) = vfs.open(&path) else { continue };
            let bytes = file.len().map_err(|e| Error::io("examine", &path, e))?;
            match file_kind(&name) {
                Some(FileKind::Table(number)) if is_known(number) => {}
                Some(FileKind::Log(_)) => report.log_bytes += bytes,
                Some(FileKind::Manifest(_) | FileKind::Current | FileKind::Lock) => {
                    report.other_bytes += bytes;
                }
                _ => report.orphaned_bytes += bytes,
            }
        }
        Ok(())
    }

    /// Reads every table whole; `progress` is told the bytes done and the bytes in all.
    pub(super) fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<DbVerifyReport> {
        let all = self.version.tables().map(|(_, table)| table.meta().file_bytes).sum();
        let mut report = DbVerifyReport::default();
        for (_, handle) in self.version.tables() {
            let table = handle.table()?;
            table.verify(&mut |done, _| progress(report.bytes + done, all))?;
            report.tables += 1;
            report.bytes += table.file_bytes();
            report.entries += table.properties().entries;
        }
        Ok(report)
    }
}
