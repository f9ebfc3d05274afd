//! What to compact next: a pure function of the version.
//!
//! Levels have targets that follow from the last: each is a tenth of the one below, and the first
//! that has tables at all, the base level, is the one whose target is within the base size. So a
//! small database has level 0 and the last level alone, and space amplification stays near a ninth
//! (RocksDB's `level_compaction_dynamic_level_bytes`, its wiki page "Leveled Compaction").
//!
//! The base size is a few times `s`, what level 0 holds when it goes down. For each byte of it that
//! goes straight into a level of `n` bytes, `n / s + 1` are written; by way of a level of `t` bytes
//! `t / s + 1`, and then `n / t + 1`, which is least for `t = sqrt(n * s)`. So a level between pays
//! only where `n` is more than 5.8 times `s`, and each costs every seek a block.

use crate::memtable::Memtable;
use crate::version::{LEVELS, Level, TableHandle, TableMeta, Version};
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

/// How much larger a level is than the one above.
const FANOUT: u64 = 10;

/// Memtables whose bytes are merged soon enough for a merge that a writer would end.
const SOON_DONE: u64 = 8;

/// What the picker goes by.
#[derive(Clone, Debug)]
pub struct PickSettings {
    /// Tables of level 0 at which they are compacted.
    pub level_0_tables: usize,
    /// Bytes of a memtable.
    pub memtable_bytes: u64,
}

impl PickSettings {
    /// Most bytes of the base level: four times what level 0 would hold if its tables were as large
    /// as memtables. They are about half as large.
    fn base_bytes(&self) -> u64 {
        4 * self.level_0_tables.max(1) as u64 * self.memtable_bytes
    }
}

/// Tables to merge, or to move as they are.
#[derive(Clone, Debug)]
pub struct Compaction {
    /// The level that they come from.
    pub level: usize,
    /// The level that they go to.
    pub output_level: usize,
    /// Sealed memtables that go down with them, newest first.
    pub memtables: Vec<Arc<Memtable>>,
    /// Tables of `level`.
    pub upper: Vec<Arc<TableHandle>>,
    /// Tables of `output_level` that they overlap.
    pub lower: Vec<Arc<TableHandle>>,
    /// Whether the tables can go down without being rewritten.
    pub is_move: bool,
}

impl Compaction {
    /// All tables of the inputs with their levels.
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &Arc<TableHandle>)> {
        let upper = self.upper.iter().map(|table| (self.level, table));
        upper.chain(self.lower.iter().map(|table| (self.output_level, table)))
    }

    /// Bytes of these tables.
    pub fn input_bytes(&self) -> u64 {
        self.inputs().map(|(_, table)| table.meta().file_bytes).sum()
    }

    /// Whether what it drags along is at most [`FANOUT`] times what goes down, in bytes or in
    /// entries: tombstones take few bytes, but a scan steps over each, and what it hides keeps its
    /// space.
    fn drags_little(&self) -> bool {
        let sum = |tables: &[Arc<TableHandle>], of: fn(&TableMeta) -> u64| -> u64 {
            tables.iter().map(|table| of(table.meta())).sum()
        };
        let in_memory = |of: fn(&Memtable) -> usize| -> u64 {
            self.memtables.iter().map(|memtable| of(memtable) as u64).sum()
        };
        let is_little =
            |of, in_memory| sum(&self.lower, of) <= FANOUT * (sum(&self.upper, of) + in_memory);
        is_little(|meta| meta.file_bytes, in_memory(Memtable::data_bytes))
            || is_little(|meta| meta.entries, in_memory(Memtable::entries))
    }
}

/// The level that level 0 goes to, and each level's target in bytes.
fn targets(version: &Version, settings: &PickSettings) -> (usize, [u64; LEVELS]) {
    let bottom = version.levels().iter().skip(1).map(Level::file_bytes).max().unwrap_or(0);
    let mut targets = [0; LEVELS];
    let (mut level, mut target) = (LEVELS - 1, bottom);
    targets[level] = target.max(settings.base_bytes());
    while target > settings.base_bytes() && level > 1 {
        level -= 1;
        target /= FANOUT;
        targets[level] = target.max(settings.base_bytes() / FANOUT);
    }
    (level, targets)
}

/// The level that level 0 goes to.
fn base_level(version: &Version, settings: &PickSettings) -> usize {
    targets(version, settings).0
}

/// How urgent each level is: from 1 on it should be compacted.
pub fn scores(version: &Version, settings: &PickSettings) -> [f64; LEVELS] {
    let (base, targets) = targets(version, settings);
    let mut scores = [0.0; LEVELS];
    let count = version.level(0).tables().len() as f64 / settings.level_0_tables.max(1) as f64;
    let bytes = version.level(0).file_bytes() as f64 / settings.base_bytes().max(1) as f64;
    scores[0] = if count >= 1.0 { count.max(bytes) } else { count };
    for level in 1..LEVELS - 1 {
        let bytes = version.level(level).file_bytes();
        // What lies above the base level has no business there.
        scores[level] = match level < base {
            true if bytes > 0 => 1.0 + bytes as f64 / settings.base_bytes().max(1) as f64,
            true => 0.0,
            false => bytes as f64 / targets[level].max(1) as f64,
        };
    }
    scores
}

/// The most urgent compaction that touches none of the `busy` tables. Nobody looks at the database
/// as it was before the sequence number `oldest`.
pub fn pick(
    version: &Version,
    settings: &PickSettings,
    busy: &HashSet<u64>,
    oldest: u64,
) -> Option<Compaction> {
    let scores = scores(version, settings);
    let mut levels: Vec<usize> = (0..LEVELS - 1).filter(|&level| scores[level] >= 1.0).collect();
    levels.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (base, _) = targets(version, settings);
    let found = levels.into_iter().find_map(|level| match level {
        0 => pick_level_0(version, base, busy),
        _ => pick_level(version, level, base, busy),
    });
    found.or_else(|| pick_tombstones(version, busy, oldest))
}

/// What to compact when nobody writes: level 0, however few its tables, so that reads have one
/// layer less and what was deleted comes back. Not as long as it would drag along more than
/// [`FANOUT`] times its bytes and its entries.
pub fn pick_at_rest(
    version: &Version,
    settings: &PickSettings,
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    let picked = pick_level_0(version, base_level(version, settings), busy)?;
    picked.drags_little().then_some(picked)
}

/// What to merge `memtables`, newest first, with at rest, so that their entries are written once,
/// not into level 0 and then by [`pick_at_rest`] again. Not if tables could go down as they are,
/// once the memtables have become some; nor if there is so much in the tables that a writer may
/// come before the end, for whom the merge would be given up.
pub fn pick_with_memtables(
    version: &Version,
    settings: &PickSettings,
    busy: &HashSet<u64>,
    memtables: Vec<Arc<Memtable>>,
) -> Option<Compaction> {
    let upper = version.level(0).tables().to_vec();
    let base = base_level(version, settings);
    let picked = build_with(version, (0, base), memtables, upper, busy)?;
    let is_soon_done = picked.input_bytes() <= SOON_DONE * settings.memtable_bytes;
    (is_soon_done && picked.drags_little() && !picked.is_move).then_some(picked)
}

fn is_free(tables: &[Arc<TableHandle>], busy: &HashSet<u64>) -> bool {
    tables.iter().all(|table| !busy.contains(&table.meta().number))
}

/// All of level 0, into the base level.
fn pick_level_0(version: &Version, base: usize, busy: &HashSet<u64>) -> Option<Compaction> {
    build(version, 0, base, version.level(0).tables().to_vec(), busy)
}

/// The table of `level` that drags the fewest bytes along for its size; tombstones count for it.
fn pick_level(
    version: &Version,
    level: usize,
    base: usize,
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    let output_level = (level + 1).max(base);
    let cost = |table: &Arc<TableHandle>| {
        let meta = table.meta();
        let (start, end) = (Bound::Included(&*meta.smallest), Bound::Included(&*meta.largest));
        let below = version.level(output_level).overlapping(start, end);
        let bytes: u64 = below.iter().map(|table| table.meta().file_bytes).sum();
        let live = 1.0 - meta.tombstones as f64 / meta.entries.max(1) as f64;
        bytes as f64 / meta.file_bytes.max(1) as f64 * live
    };
    let free = version.level(level).tables().iter();
    let free = free.filter(|table| !busy.contains(&table.meta().number));
    let mut by_cost: Vec<_> = free.map(|table| (cost(table), table)).collect();
    by_cost.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tables = by_cost.into_iter().map(|(_, table)| table.clone());
    tables.take(8).find_map(|table| build(version, level, output_level, vec![table], busy))
}

/// A table that is mostly tombstones, wherever it is: they hide what could be given back. Not one
/// whose tombstones a snapshot may still need.
fn pick_tombstones(version: &Version, busy: &HashSet<u64>, oldest: u64) -> Option<Compaction> {
    let is_dense = |table: &Arc<TableHandle>| {
        let meta = table.meta();
        let is_needed = meta.largest_sequence > oldest || busy.contains(&meta.number);
        meta.tombstones * 2 > meta.entries && !is_needed
    };
    (1..LEVELS).find_map(|level| {
        let table = version.level(level).tables().iter().find(|table| is_dense(table))?;
        let output_level = (level + 1).min(LEVELS - 1);
        build(version, level, output_level, vec![table.clone()], busy)
    })
}

/// What of `level` overlaps the range from `start` to `end`, to the next level that takes it.
pub fn pick_range(
    version: &Version,
    settings: &PickSettings,
    level: usize,
    (start, end): (Bound<&[u8]>, Bound<&[u8]>),
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    let mut upper = version.level(level).overlapping(start, end);
    if upper.is_empty() {
        return None;
    }
    if level == 0 {
        // An older table that overlaps must not stay above.
        upper = version.level(0).tables().to_vec();
    }
    let base = base_level(version, settings);
    let target = if level == 0 { base } else { (level + 1).max(base).min(LEVELS - 1) };
    // Not past older tables, which a level above the base may still have.
    let smallest = upper.iter().map(|table| &*table.meta().smallest).min()?;
    let largest = upper.iter().map(|table| &*table.meta().largest).max()?;
    let (start, end) = (Bound::Included(smallest), Bound::Included(largest));
    let is_met = |&level: &usize| !version.level(level).overlapping(start, end).is_empty();
    let output_level = (level + 1..target).find(is_met).unwrap_or(target);
    build(version, level, output_level, upper, busy)
}

fn build(
    version: &Version,
    level: usize,
    output_level: usize,
    upper: Vec<Arc<TableHandle>>,
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    build_with(version, (level, output_level), Vec::new(), upper, busy)
}

fn build_with(
    version: &Version,
    (level, output_level): (usize, usize),
    memtables: Vec<Arc<Memtable>>,
    upper: Vec<Arc<TableHandle>>,
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    let in_memory = memtables.iter().filter_map(|memtable| memtable.bounds());
    let in_tables = upper.iter().map(|table| (&*table.meta().smallest, &*table.meta().largest));
    let mut ranges: Vec<(&[u8], &[u8])> = in_memory.chain(in_tables).collect();
    ranges.sort();
    let (smallest, largest) = (ranges.first()?.0, ranges.iter().map(|range| range.1).max()?);
    let (start, end) = (Bound::Included(smallest), Bound::Included(largest));
    let mut lower = Vec::new();
    if output_level != level {
        lower = version.level(output_level).overlapping(start, end);
        // What lies between is older than what goes down past it.
        let between = level + 1..output_level;
        let mut between = between.map(|level| version.level(level).overlapping(start, end));
        if !between.all(|tables| tables.is_empty()) {
            return None;
        }
    }
    if !is_free(&upper, busy) || !is_free(&lower, busy) {
        return None;
    }
    let are_disjoint = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
    let is_move = lower.is_empty() && level != output_level && are_disjoint;
    Some(Compaction { level, output_level, memtables, upper, lower, is_move })
}
