//! Entries in order, past log and memtable: tables are written from them, and taken in one step.
//!
//! The caller's thread gathers the entries of a table; other threads write tables, as many at a
//! time as there are for compaction. Where there are none, or no memory for it, the caller writes.

use super::Db;
use super::background::Beside;
use super::core::Core;
use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::batch::{WriteBatch, decode};
use crate::compaction::{JobOutput, Outputs};
use crate::version::TableMeta;
use std::fmt;
use std::sync::Arc;

/// Bytes of entries that are gathered where the caller writes the table.
const INLINE_BYTES: usize = 64 << 10;
/// Share of a table that is gathered first, as a divisor; each share is twice the one before. So
/// other threads have something to write soon.
const FIRST_SHARE: usize = 8;

/// Takes the entries of one [`Db::bulk_load`], in order of their keys.
pub struct BulkLoad<'a> {
    core: &'a Arc<Core>,
    gathered: WriteBatch,
    /// Bytes of entries that are gathered before they are written, now and at the most.
    gathered_bytes: usize,
    gathered_bytes_max: usize,
    last_key: Vec<u8>,
    is_first: bool,
    writers: Writers<'a>,
    /// Memory of entries that were written, for those to come.
    spare: Arc<Mutex<Vec<WriteBatch>>>,
}

enum Writers<'a> {
    /// The caller's thread.
    This(Box<Outputs<'a>>),
    /// Threads of their own, each with one table.
    Others(Beside<JobOutput>),
}

impl BulkLoad<'_> {
    /// Appends `key` with `value`.
    ///
    /// # Errors
    /// `InvalidInput` if `key` is not above the key before, or if key or value is too long:
    /// nothing was appended, and more can be. `Io`.
    #[inline]
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_order(key)?;
        self.gathered.put(key, value)?;
        self.gather(key)
    }

    /// Appends a tombstone: `key` is deleted. Errors as [`BulkLoad::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.check_order(key)?;
        self.gathered.delete(key)?;
        self.gather(key)
    }

    #[inline]
    fn check_order(&self, key: &[u8]) -> Result<()> {
        if self.is_first || key > &self.last_key[..] {
            return Ok(());
        }
        let (key, last) = (key.escape_ascii(), self.last_key.escape_ascii());
        let detail = format_args!("\"{key}\" after \"{last}\"");
        Err(Error::invalid_input("key out of order", detail))
    }

    #[inline]
    fn gather(&mut self, key: &[u8]) -> Result<()> {
        self.is_first = false;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.gathered.operations().len() < self.gathered_bytes { Ok(()) } else { self.pass_on() }
    }

    /// Has the entries written that were gathered.
    #[cold]
    fn pass_on(&mut self) -> Result<()> {
        match &mut self.writers {
            Writers::This(outputs) => {
                outputs.cut()?;
                add_all(outputs, &self.gathered)?;
                self.gathered.clear();
            }
            Writers::Others(others) => {
                let mut entries = std::mem::take(&mut self.gathered);
                self.gathered_bytes = (2 * self.gathered_bytes).min(self.gathered_bytes_max);
                let (core, spare) = (self.core.clone(), self.spare.clone());
                others.start(move || {
                    let context = core.job_context();
                    let mut outputs = Outputs::leaving_blocks(&context);
                    add_all(&mut outputs, &entries)?;
                    entries.clear();
                    spare.lock().push(entries);
                    outputs.finish()
                });
                // After the wait for the oldest job, which has given back what it had.
                self.gathered = self.spare.lock().pop().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// All tables, if `is_filled` and nothing failed; otherwise none stays.
    fn finish(mut self, is_filled: bool) -> Result<JobOutput> {
        let passed_on = if is_filled { self.pass_on() } else { Ok(()) };
        match self.writers {
            Writers::This(outputs) if is_filled => passed_on.and_then(|()| outputs.finish()),
            Writers::This(_) => Ok(JobOutput::default()),
            Writers::Others(others) => {
                let mut made = JobOutput::default();
                let mut failed = Ok(());
                for output in others.finish() {
                    match output {
                        Ok(output) => made.take(output),
                        Err(error) => failed = failed.and(Err(error)),
                    }
                }
                if is_filled && failed.is_ok() {
                    return Ok(made);
                }
                for (table, _) in &made.tables {
                    self.core.remove_unused(table);
                }
                failed.map(|()| JobOutput::default())
            }
        }
    }
}

impl fmt::Debug for BulkLoad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkLoad").finish_non_exhaustive()
    }
}

/// Adds all of `entries` to one table.
fn add_all(outputs: &mut Outputs<'_>, entries: &WriteBatch) -> Result<()> {
    let mut rest = entries.operations();
    while let Some(entry) = decode(&mut rest, 0) {
        outputs.add(entry)?;
    }
    Ok(())
}

impl Core {
    /// Removes the file of a table that is in no version.
    fn remove_unused(&self, table: &TableMeta) {
        // Left behind, it is an orphan, which the next open collects.
        let _ = self.vfs().remove(&self.pool.path(table.number));
    }

    /// How many tables are written at a time, each with its entries in memory.
    fn bulk_writers(&self) -> usize {
        let writers = self.settings.background_threads;
        let bytes = (writers + 1) * self.settings.table_size_bytes as usize;
        let is_inline =
            self.vfs().turns().is_some() || bytes > self.settings.memory_budget_bytes / 4;
        if is_inline { 0 } else { writers }
    }
}

impl Db {
    /// Takes entries that `fill` gives in order of their keys, all in one step, as newer than
    /// everything in the database: the fastest way in. They go into tables as they come, past log
    /// and memtable, and are on disk when this returns. Returns how many there were.
    ///
    /// Snapshots and readers from before do not see them.
    ///
    /// # Errors
    /// Those of `fill`; `Io`. Nothing was taken then.
    ///
    /// # Examples
    /// ```
    /// use esker::{Db, Settings};
    /// let directory = tempfile::tempdir().unwrap();
    /// let db = Db::open(directory.path(), Settings::default())?;
    /// let count = db.bulk_load(|load| {
    ///     for number in 0..1000u32 {
    ///         load.put(&number.to_be_bytes(), b"squared")?;
    ///     }
    ///     Ok::<_, esker::Error>(())
    /// })?;
    /// assert_eq!(count, 1000);
    /// assert!(db.has(&999u32.to_be_bytes())?);
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn bulk_load<E: From<Error>>(
        &self,
        fill: impl FnOnce(&mut BulkLoad<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<u64, E> {
        let core = &self.handle.core;
        core.check_process()?;
        core.check_poison()?;
        let context = core.job_context();
        let most = core.bulk_writers();
        let table_bytes = core.settings.table_size_bytes as usize;
        let gathered_bytes_max =
            if most == 0 { INLINE_BYTES.min(table_bytes) } else { table_bytes };
        let buffers = (most + 1) * gathered_bytes_max;
        let mut load = BulkLoad {
            core,
            gathered: WriteBatch::new(),
            gathered_bytes: if most == 0 { gathered_bytes_max } else { table_bytes / FIRST_SHARE },
            gathered_bytes_max,
            last_key: Vec::new(),
            is_first: true,
            writers: match most {
                0 => Writers::This(Box::new(Outputs::leaving_blocks(&context))),
                _ => Writers::Others(Beside::new(most)),
            },
            spare: Arc::default(),
        };
        core.cache.charge(buffers);
        let filled = fill(&mut load);
        let output = load.finish(filled.is_ok());
        core.cache.discharge(buffers);
        filled?;
        let output = output?;
        if !output.tables.is_empty() {
            core.install_ingested(output.tables)?;
        }
        Ok(output.entries_out)
    }
}
