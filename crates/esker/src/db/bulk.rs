//! Entries in order, past log and memtable: tables are written from them, and taken in one step.
//!
//! The caller's thread gathers the entries; other threads write tables of them, as many at a time
//! as there are for compaction. Where there are none, or no memory for it, the caller writes.
//!
//! - `feed`: entries on their way to the writers; `writers`: the threads.

mod feed;
#[cfg(test)]
mod tests;
mod writers;

use super::Db;
use super::core::Core;
use crate::base::error::{Error, Result};
use crate::batch::{WriteBatch, decode};
use crate::compaction::{JobOutput, Outputs};
use feed::Bounds;
use std::fmt;
use std::sync::atomic::Ordering;
use writers::Writers;

/// Bytes of entries that are gathered where the caller writes the table.
const INLINE_BYTES: usize = 64 << 10;

/// Takes the entries of one [`Db::bulk_load`], in order of their keys.
pub struct BulkLoad<'a> {
    gathered: WriteBatch,
    /// Bytes of entries that are gathered before they are written.
    gathered_bytes: usize,
    last_key: Vec<u8>,
    is_first: bool,
    /// Entries were lost on their way to a table.
    has_failed: bool,
    writer: Writer<'a>,
}

enum Writer<'a> {
    /// The caller's thread.
    This(Box<Outputs<'a>>),
    /// Threads of their own.
    Others(Writers<'a>),
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
        self.check_failed()?;
        self.try_pass_on().inspect_err(|_| self.has_failed = true)
    }

    /// What is lost is not made up for by what comes after.
    fn check_failed(&self) -> Result<()> {
        match self.has_failed {
            true => Err(Error::invalid_input("bulk load", "given up, since it failed before")),
            false => Ok(()),
        }
    }

    fn try_pass_on(&mut self) -> Result<()> {
        match &mut self.writer {
            Writer::This(outputs) => {
                outputs.cut()?;
                add_all(outputs, &self.gathered)?;
                self.gathered.clear();
            }
            Writer::Others(writers) => {
                self.gathered = writers.pass_on(std::mem::take(&mut self.gathered))?;
            }
        }
        Ok(())
    }

    /// All tables, with what was gathered last.
    fn finish(self) -> Result<JobOutput> {
        self.check_failed()?;
        match self.writer {
            Writer::This(mut outputs) => {
                outputs.cut()?;
                add_all(&mut outputs, &self.gathered)?;
                outputs.finish()
            }
            Writer::Others(mut writers) => writers.finish_with(self.gathered),
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

/// A load under way, and the memory that it has.
struct Loading<'a> {
    core: &'a Core,
    buffers: usize,
}

impl Loading<'_> {
    fn begin(core: &Core, buffers: usize) -> Loading<'_> {
        core.loads.fetch_add(1, Ordering::Relaxed);
        core.cache.charge(buffers);
        Loading { core, buffers }
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.core.cache.discharge(self.buffers);
        self.core.loads.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Core {
    /// What the threads have at a time that write tables; `None` if there are none, or no memory
    /// for it.
    fn bulk_bounds(&self) -> Option<Bounds> {
        let threads = self.settings.background_threads;
        let bounds = Writers::bounds(threads, self.settings.table_size_bytes as usize);
        let is_inline = threads == 0
            || self.vfs().turns().is_some()
            || bounds.bytes > self.settings.memory_budget_bytes / 4;
        (!is_inline).then_some(bounds)
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
        let context = core.load_context();
        let inline_bytes = INLINE_BYTES.min(core.settings.table_size_bytes as usize);
        let (gathered_bytes, buffers, writer) = match core.bulk_bounds() {
            None => (inline_bytes, inline_bytes, Writer::This(Box::new(Outputs::new(&context)))),
            Some(bounds) => {
                let writer =
                    Writer::Others(Writers::new(core, core.settings.background_threads, bounds));
                (bounds.piece_bytes, bounds.bytes, writer)
            }
        };
        // Ends after the writers, whatever ends them.
        let loading = Loading::begin(core, buffers);
        let (gathered, last_key) = (WriteBatch::new(), Vec::new());
        let (is_first, has_failed) = (true, false);
        let mut load =
            BulkLoad { gathered, gathered_bytes, last_key, is_first, has_failed, writer };
        let output = fill(&mut load).and_then(|()| Ok(load.finish()?))?;
        drop(loading);
        if !output.tables.is_empty() {
            core.install_ingested(output.tables)?;
        }
        Ok(output.entries_out)
    }
}
