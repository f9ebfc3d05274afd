//! What to compact next: a pure function of the version.
//!
//! Levels have targets that follow from the last: each is a tenth of the one below, and the first
//! that has one, the base level, is that whose target is within the base size. So a small database
//! has level 0 and the last level alone, and space amplification stays near a ninth (RocksDB's
//! `level_compaction_dynamic_level_bytes`, its wiki page "Leveled Compaction").
//!
//! Level 0 goes past the base level, and takes the levels between along, where the next is not much
//! larger. For each byte of `s` that go straight into a level of `n`, `n / s + 1` are written; by
//! way of a level of `t` bytes `t / s + 1`, and then `n / t + 1`. With a tenth of `n` for `t` that
//! is more, up to an `n` of 12 times `s`, if all keys are as likely. But keys that come again and
//! again stay in a level between, at 2 or so for each byte, and merges that are large need time and
//! room. Four times `s` loses little either way, and each level between costs every seek a block.

use crate::memtable::Memtable;
use crate::version::{LEVELS, Level, TableHandle, TableMeta, Version};
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

/// How much larger a level is than the one above.
const FANOUT: u64 = 10;

/// How much larger than what comes a level may be that is merged with it as a whole, while others
/// write; at rest [`FANOUT`], as for all that is merged then.
const WHOLE: u64 = 4;

/// What the picker goes by.
#[derive(Clone, Debug)]
pub struct PickSettings {
    /// Tables of level 0 at which they are compacted.
    pub level_0_tables: usize,
    /// Most bytes of the base level.
    pub base_bytes: u64,
    /// Most bytes of a level below it that level 0 is merged with as a whole.
    pub whole_bytes: u64,
}

/// Tables to merge, or to move as they are.
#[derive(Clone, Debug, Default)]
pub struct Compaction {
    /// The level that they come from.
    pub level: usize,
    /// The level that they go to.
    pub output_level: usize,
    /// Sealed memtables that go down with them, newest first.
    pub memtables: Vec<Arc<Memtable>>,
    /// Tables of `level`.
    pub upper: Vec<Arc<TableHandle>>,
    /// Tables of the levels between that they overlap, and that go down with them.
    pub between: Vec<(usize, Vec<Arc<TableHandle>>)>,
    /// Tables of `output_level` that all these overlap.
    pub lower: Vec<Arc<TableHandle>>,
    /// Whether the tables can go down without being rewritten.
    pub is_move: bool,
}

impl Compaction {
    /// All tables of the inputs with their levels.
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &Arc<TableHandle>)> {
        let upper = self.upper.iter().map(|table| (self.level, table));
        let between = self.between.iter();
        let between =
            between.flat_map(|(level, tables)| tables.iter().map(|table| (*level, table)));
        upper.chain(between).chain(self.lower.iter().map(|table| (self.output_level, table)))
    }

    /// Bytes of these tables.
    pub fn input_bytes(&self) -> u64 {
        self.inputs().map(|(_, table)| table.meta().file_bytes).sum()
    }

    /// Whether what it drags along is at most [`FANOUT`] times what goes down, in bytes or in
    /// entries: tombstones take few bytes, but a scan steps over each, and what it hides keeps its
    /// space.
    fn drags_little(&self) -> bool {
        let is_little = |of: fn(&TableMeta) -> u64, of_memtable: fn(&Memtable) -> usize| {
            let in_tables = |goes_down: bool| -> u64 {
                let is_asked = |level| (level < self.output_level) == goes_down;
                let tables = self.inputs().filter(|&(level, _)| is_asked(level));
                tables.map(|(_, table)| of(table.meta())).sum()
            };
            let in_memory: usize =
                self.memtables.iter().map(|memtable| of_memtable(memtable)).sum();
            in_tables(false) <= FANOUT * (in_tables(true) + in_memory as u64)
        };
        is_little(|meta| meta.file_bytes, Memtable::data_bytes)
            || is_little(|meta| meta.entries, Memtable::entries)
    }
}

/// The base level, and each level's target in bytes.
fn targets(version: &Version, settings: &PickSettings) -> (usize, [u64; LEVELS]) {
    let bottom = version.levels().iter().skip(1).map(Level::file_bytes).max().unwrap_or(0);
    let mut targets = [0; LEVELS];
    let (mut level, mut target) = (LEVELS - 1, bottom);
    targets[level] = target.max(settings.base_bytes);
    while target > settings.base_bytes && level > 1 {
        level -= 1;
        target /= FANOUT;
        targets[level] = target.max(settings.base_bytes / FANOUT);
    }
    (level, targets)
}

/// The level that level 0 goes to, with as many bytes of memtables: the base level, or the last
/// below it up to which each has at most so many `times` the bytes that come.
fn way_down(version: &Version, settings: &PickSettings, in_memory: u64, times: u64) -> usize {
    let (base, _) = targets(version, settings);
    let comes = version.level(0).file_bytes() + in_memory;
    let most = (times * comes).min(settings.whole_bytes);
    let is_merged = |&level: &usize| version.level(level).file_bytes() <= most;
    (base..LEVELS).take_while(is_merged).last().unwrap_or(base)
}

/// How urgent each level is: from 1 on it should be compacted.
pub fn scores(version: &Version, settings: &PickSettings) -> [f64; LEVELS] {
    let (base, targets) = targets(version, settings);
    let mut scores = [0.0; LEVELS];
    let count = version.level(0).tables().len() as f64 / settings.level_0_tables.max(1) as f64;
    let bytes = version.level(0).file_bytes() as f64 / settings.base_bytes.max(1) as f64;
    scores[0] = if count >= 1.0 { count.max(bytes) } else { count };
    for level in 1..LEVELS - 1 {
        let bytes = version.level(level).file_bytes();
        // What lies above the base level has no business there.
        scores[level] = match level < base {
            true if bytes > 0 => 1.0 + bytes as f64 / settings.base_bytes.max(1) as f64,
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
        0 => pick_level_0(version, settings, WHOLE, busy),
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
    let picked = pick_level_0(version, settings, FANOUT, busy)?;
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
    let in_memory = memtables.iter().map(|memtable| memtable.data_bytes() as u64).sum();
    let output_level = way_down(version, settings, in_memory, FANOUT);
    let picked = build_with(version, (0, output_level), memtables, upper, busy)?;
    let is_soon_done = picked.input_bytes() <= 2 * settings.base_bytes;
    (is_soon_done && picked.drags_little() && !picked.is_move).then_some(picked)
}

/// All of level 0, with levels of at most so many `times` its bytes as a whole.
fn pick_level_0(
    version: &Version,
    settings: &PickSettings,
    times: u64,
    busy: &HashSet<u64>,
) -> Option<Compaction> {
    let output_level = way_down(version, settings, 0, times);
    build(version, 0, output_level, version.level(0).tables().to_vec(), busy)
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
    let (base, _) = targets(version, settings);
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
    let are_disjoint = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
    let mut smallest = ranges.first()?.0.to_vec();
    let mut largest = ranges.iter().map(|range| range.1).max()?.to_vec();
    let (mut between, mut lower) = (Vec::new(), Vec::new());
    for number in level + 1..=output_level {
        let (start, end) = (Bound::Included(&*smallest), Bound::Included(&*largest));
        let tables = version.level(number).overlapping(start, end);
        if number == output_level {
            lower = tables;
        } else if let (Some(first), Some(last)) = (tables.first(), tables.last()) {
            // What goes past a level is newer than all that it meets there.
            smallest = smallest.min(first.meta().smallest.to_vec());
            largest = largest.max(last.meta().largest.to_vec());
            between.push((number, tables));
        }
    }
    let picked =
        Compaction { level, output_level, memtables, upper, between, lower, is_move: false };
    if picked.inputs().any(|(_, table)| busy.contains(&table.meta().number)) {
        return None;
    }
    let is_alone = picked.lower.is_empty() && picked.between.is_empty();
    let is_move = is_alone && level != output_level && are_disjoint;
    Some(Compaction { is_move, ..picked })
}
