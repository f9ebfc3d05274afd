//! Threads that write the tables of a bulk load.

use super::add_all;
use super::feed::{Bounds, Feed, Taker};
use crate::base::error::{Error, Result};
use crate::batch::WriteBatch;
use crate::compaction::{JobOutput, Outputs};
use crate::db::beside::Beside;
use crate::db::core::Core;
use std::sync::Arc;

/// Bytes of entries that a writer gets at a time, of large tables.
const PIECE_BYTES: usize = 1 << 20;
/// Share of a table that the first one gets, as a divisor; each gets twice as much as the one
/// before. So there is soon something to write for all.
const FIRST_SHARE: usize = 8;

/// Threads that write tables. Dropped, they leave nothing.
pub struct Writers<'a> {
    core: &'a Arc<Core>,
    feed: Arc<Feed>,
    threads: Beside<JobOutput>,
    threads_max: usize,
    /// Bytes of entries that the table under way has, and that it gets.
    table_has: usize,
    table_gets: usize,
}

impl<'a> Writers<'a> {
    /// How much there is at a time where `threads` write tables of `table_bytes`. Tables are
    /// gathered one after another: while one is, each other writer needs something to do, which
    /// is half a table if they end at regular intervals.
    pub fn bounds(threads: usize, table_bytes: usize) -> Bounds {
        let piece_bytes = PIECE_BYTES.min(table_bytes / FIRST_SHARE);
        Bounds { piece_bytes, bytes: threads.saturating_mul(table_bytes / 2) }
    }

    /// No threads yet, `threads_max` in the end.
    pub fn new(core: &'a Arc<Core>, threads_max: usize, bounds: Bounds) -> Writers<'a> {
        let table_gets = core.settings.table_size_bytes as usize / FIRST_SHARE;
        let (feed, threads) = (Feed::new(bounds), Beside::new());
        Writers { core, feed, threads, threads_max, table_has: 0, table_gets }
    }

    /// Has `entries` written, sooner or later. Returns memory for more, once there is room.
    ///
    /// # Errors
    /// Those of the writers.
    pub fn pass_on(&mut self, entries: WriteBatch) -> Result<WriteBatch> {
        self.push(entries);
        match self.feed.room() {
            Some(spare) => Ok(spare),
            None => self.finish().map(|_| WriteBatch::new()),
        }
    }

    fn push(&mut self, entries: WriteBatch) {
        if self.table_has == 0 && self.threads.len() < self.threads_max {
            let (core, taker) = (self.core.clone(), Taker::new(self.feed.clone()));
            self.threads.start(move || write_tables(&core, taker));
        }
        self.table_has += entries.operations().len();
        let is_whole = self.table_has >= self.table_gets;
        self.feed.push(entries, is_whole);
        if is_whole {
            let table_bytes = self.core.settings.table_size_bytes as usize;
            self.table_gets = (2 * self.table_gets).min(table_bytes);
            self.table_has = 0;
        }
    }

    /// Waits for all tables, of these last `entries` too.
    ///
    /// # Errors
    /// Those of the writers; no table stays.
    pub fn finish_with(&mut self, entries: WriteBatch) -> Result<JobOutput> {
        if !entries.is_empty() {
            self.push(entries);
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<JobOutput> {
        self.feed.close();
        let mut made = JobOutput::default();
        let mut failed = Ok(());
        for output in self.threads.finish() {
            match output {
                Ok(output) => made.take(output),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        if self.feed.is_over() {
            failed = failed.and(Err(Error::invalid_input("bulk load", "given up")));
        }
        failed.inspect_err(|_| self.remove(&made))?;
        Ok(made)
    }

    /// Removes the files of tables that are in no version.
    fn remove(&self, made: &JobOutput) {
        for (table, _) in &made.tables {
            // Left behind, it is an orphan, which the next open collects.
            let _ = self.core.vfs().remove(&self.core.pool.path(table.number));
        }
    }
}

impl Drop for Writers<'_> {
    fn drop(&mut self) {
        self.feed.give_up();
        // It removes what there is, and says so with an error.
        let _ = self.finish();
    }
}

/// Writes tables while there are some to write.
fn write_tables(core: &Core, mut taker: Taker) -> Result<JobOutput> {
    let context = core.load_context();
    let mut outputs = Outputs::new(&context);
    while let Some(table) = taker.next_table() {
        while let Some(entries) = taker.next_piece(table) {
            add_all(&mut outputs, &entries)?;
            taker.give_back(entries);
        }
        if taker.is_over() {
            return Ok(JobOutput::default());
        }
        outputs.end_table()?;
    }
    outputs.finish()
}
