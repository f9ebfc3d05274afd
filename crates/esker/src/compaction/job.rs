//! The work: a memtable into a table, tables and memtables into tables.

use super::merge::VersionMerge;
use super::picker::Compaction;
use super::retention::{Boundaries, Fate, Retention};
use crate::base::error::{Error, Result};
use crate::base::key::Entry;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::cache::KeptBlocks;
use crate::memtable::Memtable;
use crate::table::{TableFile, TableSummary, WriteSettings};
use crate::version::{TableHandle, TableMeta, TablePool, Version};
use crate::vfs::Vfs;
use std::sync::Arc;

/// What a job needs of the database.
pub struct JobContext<'a> {
    /// Where files are.
    pub vfs: &'a Arc<dyn Vfs>,
    /// Where tables are.
    pub pool: &'a Arc<TablePool>,
    /// How tables are written.
    pub settings: &'a WriteSettings,
    /// Size in bytes at which a table is closed and the next begun.
    pub table_bytes: u64,
    /// The next number for a file.
    pub next_number: &'a AtomicU64,
    /// Whether blocks of a table that begins now are kept in memory as they are written, for their
    /// first readers, but those that have another [`Home`](crate::cache::Home). Else they are left
    /// on disk until the database is at rest.
    pub keeps_blocks: Box<dyn Fn() -> bool + Sync + 'a>,
    /// Whether to give up a merge that is under way: the database is closing, say.
    pub gives_up: Box<dyn Fn() -> bool + Sync + 'a>,
}

/// What a job made.
#[derive(Debug, Default)]
pub struct JobOutput {
    /// The new tables, with blocks of theirs that are in memory.
    pub tables: Vec<(TableMeta, KeptBlocks)>,
    /// Entries read.
    pub entries_in: u64,
    /// Entries written.
    pub entries_out: u64,
    /// Bytes of files written.
    pub bytes_out: u64,
}

impl JobOutput {
    /// Adds what another made.
    pub fn take(&mut self, other: JobOutput) {
        self.tables.extend(other.tables);
        self.entries_in += other.entries_in;
        self.entries_out += other.entries_out;
        self.bytes_out += other.bytes_out;
    }
}

/// Writes tables one after another, each closed at a size.
pub struct Outputs<'a> {
    context: &'a JobContext<'a>,
    current: Option<(u64, TableFile)>,
    written: JobOutput,
}

impl<'a> Outputs<'a> {
    /// No table yet.
    pub fn new(context: &'a JobContext<'a>) -> Outputs<'a> {
        Outputs { context, current: None, written: JobOutput::default() }
    }

    /// Appends `entry` to the table under way.
    ///
    /// # Errors
    /// As [`TableFile::add`] and [`TableFile::create`].
    pub fn add(&mut self, entry: Entry<'_>) -> Result<()> {
        let file = match &mut self.current {
            Some((_, file)) => file,
            None => {
                let number = self.context.next_number.fetch_add(1, Ordering::Relaxed);
                let path = self.context.pool.path(number);
                let settings = self.context.settings.clone();
                let mut file = TableFile::create_in(self.context.vfs.clone(), path, settings)?;
                let keeper = self.context.pool.keeper();
                let is_kept = (self.context.keeps_blocks)();
                file.keep(if is_kept { keeper } else { keeper.leaving_all() });
                &mut self.current.insert((number, file)).1
            }
        };
        file.add(entry)?;
        self.written.entries_out += 1;
        Ok(())
    }

    /// Closes the current table if it is large enough. Only between two keys.
    ///
    /// # Errors
    /// `Io`.
    pub fn cut(&mut self) -> Result<()> {
        let is_full = |file: &TableFile| file.written_bytes() >= self.context.table_bytes;
        match &self.current {
            Some((_, file)) if is_full(file) => self.end_table(),
            _ => Ok(()),
        }
    }

    /// Closes the current table, if there is one. Only between two keys.
    ///
    /// # Errors
    /// `Io`.
    pub fn end_table(&mut self) -> Result<()> {
        let Some((number, file)) = self.current.take() else { return Ok(()) };
        let (summary, kept) = file.finish_keeping().inspect_err(|_| {
            // It may have got its name before the failure.
            let _ = self.context.vfs.remove(&self.context.pool.path(number));
        })?;
        self.written.bytes_out += summary.file_bytes;
        self.written.tables.push((meta_of(number, summary), kept));
        Ok(())
    }

    /// Closes the last table: all are on disk.
    ///
    /// # Errors
    /// `Io`; the tables are removed.
    pub fn finish(mut self) -> Result<JobOutput> {
        self.end_table()?;
        Ok(std::mem::take(&mut self.written))
    }
}

impl Drop for Outputs<'_> {
    /// Removes the tables of a job that failed.
    fn drop(&mut self) {
        self.current = None;
        for (table, _) in &self.written.tables {
            // Left behind, it is an orphan, which the next open collects.
            let _ = self.context.vfs.remove(&self.context.pool.path(table.number));
        }
    }
}

fn meta_of(number: u64, summary: TableSummary) -> TableMeta {
    let properties = summary.properties;
    TableMeta {
        number,
        file_bytes: summary.file_bytes,
        entries: properties.entries,
        tombstones: properties.tombstones,
        smallest: properties.smallest_key.into(),
        largest: properties.largest_key.into(),
        smallest_sequence: properties.smallest_sequence,
        largest_sequence: properties.largest_sequence,
        digest: summary.digest,
        ingested_at: None,
    }
}

/// Writes what `boundaries` leave of `memtable` into one table.
///
/// # Errors
/// `Io`; what was written is removed, or left as an orphan.
pub fn write_memtable(
    context: &JobContext<'_>,
    memtable: &Memtable,
    boundaries: &Boundaries,
) -> Result<JobOutput> {
    let mut outputs = Outputs::new(context);
    let mut retention = Retention::new(boundaries);
    let mut last_key: Option<Vec<u8>> = None;
    memtable.for_each(|entry| {
        let is_new_key = last_key.as_deref() != Some(entry.key);
        if is_new_key {
            let last_key = last_key.get_or_insert_default();
            last_key.clear();
            last_key.extend_from_slice(entry.key);
        }
        outputs.written.entries_in += 1;
        match retention.decide(is_new_key, entry.sequence, entry.kind, || false) {
            Fate::Drop => Ok(()),
            _ => outputs.add(entry),
        }
    })?;
    outputs.finish()
}

/// A share of a compaction: the keys from `start` on, up to but not including `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The first key; from the beginning if there is none.
    pub start: Option<Box<[u8]>>,
    /// The first key past the part; to the end if there is none.
    pub end: Option<Box<[u8]>>,
}

/// Does one part of a compaction.
pub type RunPart<'a> = dyn Fn(&Part) -> Result<JobOutput> + Sync + 'a;

/// Keys that stand for the inputs, for each part of a compaction.
const SAMPLES: u64 = 16;

/// Divides `compaction` into at most `most` parts of about the same size, none much smaller than a
/// table of `table_bytes`.
pub fn parts(compaction: &Compaction, most: usize, table_bytes: u64) -> Vec<Part> {
    let wanted = (compaction.input_bytes() / table_bytes.max(1)).clamp(1, most.max(1) as u64);
    if wanted == 1 {
        return vec![Part::default()];
    }
    let keys = sample(compaction, compaction.input_bytes() / wanted / SAMPLES);
    let mut parts = vec![Part::default()];
    for n in 1..wanted as usize {
        let Some(key) = keys.get(n * keys.len() / wanted as usize) else { break };
        let last = parts.len() - 1;
        if parts[last].start.as_ref() < Some(key) && *key != keys[0] {
            parts[last].end = Some(key.clone());
            parts.push(Part { start: Some(key.clone()), end: None });
        }
    }
    parts
}

/// Keys that divide the inputs into pieces of about `bytes` bytes, in order.
fn sample(compaction: &Compaction, bytes: u64) -> Vec<Box<[u8]>> {
    let mut keys = Vec::new();
    for (_, handle) in compaction.inputs() {
        keys.push(handle.meta().smallest.clone());
        // A table that cannot be opened is an error of the merge.
        let Ok(table) = handle.table() else { break };
        let count = (handle.meta().file_bytes / bytes.max(1)) as usize;
        keys.extend(table.fences(count).into_iter().map(Vec::into_boxed_slice));
    }
    keys.sort();
    keys.dedup();
    keys
}

/// Merges the inputs of `compaction`, which was picked from `version`. `do_all` does the parts of
/// it, side by side if it likes.
///
/// # Errors
/// `Corruption` or `Io` of an input or output; inputs are untouched, outputs removed. An input that
/// ends early is an error: its entries are counted.
pub fn run(
    context: &JobContext<'_>,
    compaction: &Compaction,
    version: &Version,
    boundaries: &Boundaries,
    parts: &[Part],
    do_all: impl FnOnce(&[Part], &RunPart<'_>) -> Vec<Result<JobOutput>>,
) -> Result<JobOutput> {
    let done = do_all(parts, &|part| run_part(context, compaction, version, boundaries, part));
    let mut all = Outputs::new(context);
    let mut failure = None;
    for part in done {
        match part {
            Ok(part) => all.written.take(part),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let in_tables: u64 = compaction.inputs().map(|(_, table)| table.meta().entries).sum();
    let in_memory = compaction.memtables.iter().map(|memtable| memtable.entries() as u64);
    let expected = in_tables + in_memory.sum::<u64>();
    let found = all.written.entries_in;
    if found != expected {
        let path = compaction.inputs().next().map(|(_, table)| table.path()).unwrap_or_default();
        return Err(Error::corruption(path, 0, "entries of the inputs", expected, found));
    }
    all.finish()
}

fn run_part(
    context: &JobContext<'_>,
    compaction: &Compaction,
    version: &Version,
    boundaries: &Boundaries,
    part: &Part,
) -> Result<JobOutput> {
    let (memtables, rows) = (&compaction.memtables, rows_of(compaction));
    let mut merge = VersionMerge::new(memtables, rows, part.start.as_deref())?;
    let mut outputs = Outputs::new(context);
    let mut retention = Retention::new(boundaries);
    let mut bottom = Bottom::new(version, compaction.output_level);
    let mut last_key = Vec::new();
    let mut is_first = true;
    while let Some(mut entry) = merge.next()? {
        let is_new_key = is_first || entry.key != last_key;
        if is_new_key {
            if part.end.as_deref().is_some_and(|end| entry.key >= end) {
                break;
            }
            outputs.cut()?;
            last_key.clear();
            last_key.extend_from_slice(entry.key);
            is_first = false;
            if (context.gives_up)() {
                return Err(Error::invalid_input("compaction", "there is something more urgent"));
            }
        }
        outputs.written.entries_in += 1;
        let is_bottom = || bottom.is_bottom(entry.key);
        match retention.decide(is_new_key, entry.sequence, entry.kind, is_bottom) {
            Fate::Drop => continue,
            Fate::Keep => {}
            Fate::KeepAsOldest => entry.sequence = 0,
        }
        outputs.add(entry)?;
    }
    outputs.finish()
}

/// The tables of the inputs as rows with ascending ranges: each table of level 0 is a row.
fn rows_of(compaction: &Compaction) -> Vec<Vec<Arc<TableHandle>>> {
    let mut rows = match compaction.level {
        0 => compaction.upper.iter().map(|table| vec![table.clone()]).collect(),
        _ => vec![compaction.upper.clone()],
    };
    rows.extend(compaction.between.iter().map(|(_, tables)| tables.clone()));
    rows.push(compaction.lower.clone());
    rows
}

/// Tells whether anything of a key lies deeper than the output, for ascending keys.
struct Bottom<'a> {
    version: &'a Version,
    output_level: usize,
    is_last: bool,
}

impl<'a> Bottom<'a> {
    fn new(version: &'a Version, output_level: usize) -> Bottom<'a> {
        let deeper = version.levels().iter().skip(output_level + 1);
        let is_last = deeper.map(|level| level.tables().len()).sum::<usize>() == 0;
        Bottom { version, output_level, is_last }
    }

    #[inline]
    fn is_bottom(&mut self, key: &[u8]) -> bool {
        self.is_last
            || self.version.levels()[self.output_level + 1..]
                .iter()
                .all(|level| level.find(key).is_none())
    }
}
