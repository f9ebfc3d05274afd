//! Makes a table from entries in any order: sorts in memory, spills sorted runs, merges them.

mod batch;
mod merge;
mod parts;
#[cfg(test)]
mod tests;

use crate::base::error::{Error, Result};
use crate::base::key::{Entry, ValueKind};
use crate::frame::Compression;
use crate::table::{ReadSettings, Table, TableSummary, TableWriter, WriteSettings};
use crate::vfs::{AppendFile, OsVfs, Vfs, create_temporary};
use batch::Batch;
use merge::Merge;
use parts::Parts;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a [`TableSorter`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SorterSettings {
    /// Bytes of memory for entries that wait to be sorted. Reached, they are written as a sorted
    /// run beside the table; a larger budget makes fewer runs.
    ///
    /// Default 64 MiB. Range 64 KiB to 1 TiB. One entry larger than the budget is taken all the
    /// same.
    pub memory_budget_bytes: usize,
    /// Directory for the runs. Default: the one of the table. It must be there, with room for
    /// all entries uncompressed.
    pub spill_directory: Option<PathBuf>,
    /// Whether a key that comes twice is an error. Default false: the last one wins.
    pub strict: bool,
    /// How the table is written.
    pub table: WriteSettings,
}

impl Default for SorterSettings {
    fn default() -> SorterSettings {
        SorterSettings {
            memory_budget_bytes: 64 << 20,
            spill_directory: None,
            strict: false,
            table: WriteSettings::default(),
        }
    }
}

/// What was sorted and written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SortSummary {
    /// Entries taken.
    pub records: u64,
    /// Entries that a later one with the same key replaced.
    pub duplicates: u64,
    /// Sorted runs that were spilled to disk.
    pub spilled_runs: u64,
    /// The table.
    pub table: TableSummary,
}

/// Makes a table from entries in any order. Of entries with the same key the last one wins.
///
/// # Examples
/// ```
/// use esker::{SorterSettings, Table, TableSorter};
/// let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("t.sstable");
/// let mut sorter = TableSorter::new(&path, SorterSettings::default())?;
/// for (key, value) in [("b", "1"), ("a", "2"), ("b", "3")] {
///     sorter.put(key.as_bytes(), value.as_bytes())?;
/// }
/// let summary = sorter.finish(&mut |_, _| {})?;
/// assert_eq!((summary.records, summary.duplicates), (3, 1));
/// assert_eq!(Table::open(&path)?.get(b"b")?.as_deref(), Some(&b"3"[..]));
/// # Ok::<(), esker::Error>(())
/// ```
pub struct TableSorter {
    settings: SorterSettings,
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    batch: Batch,
    /// Runs by generation: [`FAN_IN`] of one become one of the next. Later generations are older.
    generations: Vec<Vec<Run>>,
    records: u64,
    duplicates: u64,
    spilled_runs: u64,
}

/// Runs that are merged at a time: bounds open files and memory.
const FAN_IN: usize = 64;
/// Block size of runs: they are only read in order.
const RUN_BLOCK_BYTES: usize = 32 << 10;
const RUN_BUFFER_BYTES: usize = 256 << 10;

/// A sorted run on disk; removed when dropped.
struct Run {
    table: Table,
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
}

impl Drop for Run {
    fn drop(&mut self) {
        // A run that stays is garbage, not a fault.
        let _ = self.vfs.remove(&self.path);
    }
}

impl TableSorter {
    /// Starts the table that will be at `path`. Nothing is written before it must be.
    ///
    /// # Errors
    /// `InvalidInput` if a setting is out of its range.
    pub fn new(path: impl AsRef<Path>, settings: SorterSettings) -> Result<TableSorter> {
        TableSorter::new_in(Arc::new(OsVfs), path, settings)
    }

    /// As [`TableSorter::new`], in the file system `vfs`.
    pub fn new_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        settings: SorterSettings,
    ) -> Result<TableSorter> {
        settings.table.validate()?;
        let budget = settings.memory_budget_bytes;
        if !(64 << 10..=1 << 40).contains(&(budget as u64)) {
            let detail = format_args!("{budget}, not in {} to {}", 64 << 10, 1u64 << 40);
            return Err(Error::invalid_input("memory_budget_bytes", detail));
        }
        Ok(TableSorter {
            settings,
            vfs,
            path: path.as_ref().to_path_buf(),
            batch: Batch::new(budget),
            generations: Vec::new(),
            records: 0,
            duplicates: 0,
            spilled_runs: 0,
        })
    }

    /// Takes `key` with `value`.
    ///
    /// # Errors
    /// `InvalidInput` if key or value is out of bounds, or in strict mode if a key that came
    /// before is noticed again; `Io` if a run cannot be written.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.add(Entry::put(key, value))
    }

    /// Takes a tombstone for `key`. Errors as [`TableSorter::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.add(Entry::tombstone(key))
    }

    fn add(&mut self, entry: Entry<'_>) -> Result<()> {
        entry.check()?;
        let room = self.settings.memory_budget_bytes;
        if !self.batch.is_empty() && self.batch.bytes_with(entry) > room {
            self.spill()?;
        }
        self.batch.push(entry.key, entry.value, entry.kind == ValueKind::Tombstone);
        self.records += 1;
        Ok(())
    }

    /// Writes the batch as a run, and merges runs if there are enough.
    fn spill(&mut self) -> Result<()> {
        self.duplicates += self.batch.sort(self.settings.strict)?;
        let batch = &self.batch;
        let run = self
            .write_run(|writer| (0..batch.count()).try_for_each(|i| writer.add(batch.entry(i))))?;
        self.batch.clear();
        self.spilled_runs += 1;
        self.keep(run, 0)
    }

    fn keep(&mut self, run: Run, generation: usize) -> Result<()> {
        if self.generations.len() == generation {
            self.generations.push(Vec::new());
        }
        self.generations[generation].push(run);
        if self.generations[generation].len() < FAN_IN {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.generations[generation]);
        let mut merge =
            Merge::new(runs.iter().map(|run| run.table.cursor()), self.settings.strict)?;
        let merged = self.write_run(|writer| {
            while let Some(entry) = merge.next()? {
                writer.add(entry)?;
            }
            Ok(())
        })?;
        self.duplicates += merge.duplicates();
        drop(runs);
        self.keep(merged, generation + 1)
    }

    /// Writes a run of what `fill` adds.
    fn write_run(
        &self,
        fill: impl FnOnce(&mut TableWriter<BufWriter<Box<dyn AppendFile>>>) -> Result<()>,
    ) -> Result<Run> {
        let vfs = self.vfs.clone();
        let mut path = self.path.clone();
        if let (Some(directory), Some(name)) = (&self.settings.spill_directory, path.file_name()) {
            path = directory.join(name);
        }
        let (path, file) = create_temporary(&*vfs, &path)?;
        let settings = WriteSettings {
            block_size_bytes: RUN_BLOCK_BYTES,
            compression: Compression::None,
            filter_bits_per_key: 0,
            ..WriteSettings::default()
        };
        let written = (|| {
            let out = BufWriter::with_capacity(RUN_BUFFER_BYTES, file);
            let mut writer = TableWriter::new(out, settings)?;
            fill(&mut writer)?;
            drop(writer.finish()?);
            Table::from_reader(vfs.open(&path)?, &path, &ReadSettings::default())
        })();
        match written {
            Ok(table) => Ok(Run { table, path, vfs }),
            Err(error) => {
                let _ = vfs.remove(&path);
                Err(error)
            }
        }
    }

    /// Sorts what is left, merges all runs, and completes the table. `progress` is told the
    /// entries written and the entries in all, from time to time.
    ///
    /// # Errors
    /// As [`TableSorter::put`] and [`TableFile::finish`](crate::TableFile::finish).
    pub fn finish(self, progress: &mut dyn FnMut(u64, u64)) -> Result<SortSummary> {
        let mut parts = Parts::new(&self, None);
        let mut summary = self.merge_into(&mut parts, progress)?;
        summary.table = parts.finish()?.pop().map(|(_, table)| table).unwrap_or_default();
        Ok(summary)
    }

    /// As [`TableSorter::finish`], but begins the next table where one has `part_bytes`: they
    /// follow each other without a key in common. Returns them in order; their names are that of
    /// the table with a number from 1 on before its extension. In the summary, `table` is empty.
    ///
    /// # Errors
    /// As [`TableSorter::finish`]; then no table is there.
    ///
    /// # Examples
    /// ```
    /// use esker::{SorterSettings, Table, TableSorter};
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("t.sstable");
    /// let mut sorter = TableSorter::new(&path, SorterSettings::default())?;
    /// for n in 0..10_000u32 {
    ///     sorter.put(&n.to_be_bytes(), &n.reverse_bits().to_be_bytes())?;
    /// }
    /// let (_, parts) = sorter.finish_parts(40_000, &mut |_, _| {})?;
    /// assert!(parts.len() > 1 && parts[0].0.ends_with("t.1.sstable"));
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn finish_parts(
        self,
        part_bytes: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(SortSummary, Vec<(PathBuf, TableSummary)>)> {
        let mut parts = Parts::new(&self, Some(part_bytes));
        let summary = self.merge_into(&mut parts, progress)?;
        Ok((summary, parts.finish()?))
    }

    fn merge_into(
        mut self,
        parts: &mut Parts,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<SortSummary> {
        parts.begin()?;
        let records = self.records;
        let mut done = 0;
        let mut tell = |more| {
            done += more;
            if done % 4096 == 0 || more == 0 {
                progress(done, records);
            }
        };
        if self.generations.is_empty() {
            self.duplicates += self.batch.sort(self.settings.strict)?;
            for i in 0..self.batch.count() {
                parts.add(self.batch.entry(i))?;
                tell(1);
            }
        } else {
            if !self.batch.is_empty() {
                self.spill()?;
            }
            self.batch = Batch::default();
            let oldest_first = self.generations.iter().rev().flatten();
            let cursors = oldest_first.map(|run| run.table.cursor());
            let mut merge = Merge::new(cursors, self.settings.strict)?;
            while let Some(entry) = merge.next()? {
                parts.add(entry)?;
                tell(1);
            }
            self.duplicates += merge.duplicates();
        }
        parts.end()?;
        tell(0);
        Ok(SortSummary {
            records,
            duplicates: self.duplicates,
            spilled_runs: self.spilled_runs,
            table: TableSummary::default(),
        })
    }
}

/// A key that came twice, refused.
fn duplicate(key: &[u8]) -> Error {
    Error::invalid_input("duplicate key", format_args!("\"{}\"", key.escape_ascii()))
}
