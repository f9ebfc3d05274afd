//! The way of a write: room, log, memtable, and the disk if asked.

use super::background::PoisonOnPanic;
use super::core::{Core, Writer};
use super::settings::Durability;
use super::stall::{Backlog, nanos_per_byte};
use super::sync::UnsyncedLog;
use super::view::Sealed;
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::base::key::Entry;
use crate::batch::{WriteBatch, decode, encode};
use crate::log::LogWriter;
use crate::memtable::Memtable;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Sealed memtables that may wait for their flush before writers do.
const SEALED_MAX: usize = 2;
/// Time that a writer owes before it waits: shorter sleeps are not worth their overhead.
const DEBT_NANOS: u64 = 1_000_000;

/// Entries of a batch whose places in the memtable are fetched together.
const TOGETHER: usize = 16;

/// Inserts the entries of `operations`, numbered from `first` on.
fn insert_all(memtable: &Memtable, operations: &[u8], first: u64) {
    let mut left = operations;
    let mut sequence = first;
    let mut some = [None; TOGETHER];
    loop {
        for place in &mut some {
            *place = decode(&mut left, sequence).map(|entry| (entry, key_hash(entry.key)));
            let Some((_, hash)) = *place else { break };
            memtable.prefetch(hash);
            sequence += 1;
        }
        some.iter().map_while(|place| *place).for_each(|(_, hash)| memtable.prefetch_key(hash));
        for place in some {
            let Some((entry, hash)) = place else { return };
            memtable.insert(entry, hash);
        }
    }
}

impl Core {
    /// Writes one entry; its sequence number is given here.
    #[inline]
    pub fn write_one(&self, entry: Entry<'_>, durability: Durability) -> Result<()> {
        entry.check()?;
        let hash = key_hash(entry.key);
        let bytes = entry.key.len() + entry.value.len();
        self.commit(
            1,
            bytes,
            durability,
            Some(hash),
            |out| encode(entry, out),
            |memtable, first| {
                memtable.insert(Entry { sequence: first, ..entry }, hash);
            },
        )
    }

    /// Writes a batch: all of it or nothing.
    pub fn write_batch(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let operations = batch.operations();
        let copy = |out: &mut Vec<u8>| out.extend_from_slice(operations);
        let (count, bytes) = (batch.len() as u32, operations.len());
        self.commit(count, bytes, durability, None, copy, |memtable, first| {
            insert_all(memtable, operations, first);
        })
    }

    /// Writes `count` entries of `bytes` bytes: `encode` puts them in the log, `insert` in the
    /// memtable. A single one gives its key's `hash`, so that the memtable can be fetched while the
    /// log is written.
    fn commit(
        &self,
        count: u32,
        bytes: usize,
        durability: Durability,
        hash: Option<u64>,
        encode: impl FnOnce(&mut Vec<u8>),
        insert: impl FnOnce(&Memtable, u64),
    ) -> Result<()> {
        self.check_process()?;
        let mut writer = self.take(&self.writer);
        let _panics = PoisonOnPanic(self);
        self.check_poison()?;
        self.make_room(&mut writer)?;
        if let Some(hash) = hash {
            writer.memtable.prefetch(hash);
        }
        let first = writer.sequence + 1;
        let offset = writer.log.offset();
        let durable = self.durable.load(Ordering::Relaxed);
        writer.log.append(first, durable, count, encode)?;
        if let Some(hash) = hash {
            writer.memtable.prefetch_key(hash);
        }
        if durability != Durability::None
            && let Err(error) = writer.log.write()
        {
            writer.log.take_back(offset);
            return Err(error);
        }
        insert(&writer.memtable, first);
        writer.sequence += u64::from(count);
        let last = writer.sequence;
        self.visible.store(last, Ordering::Release);
        self.counters.add(|c| &c.written_bytes, bytes as u64);
        self.counters.add(|c| &c.log_bytes, writer.log.offset() - offset);
        let has_grown = self.want_memory(&mut writer);
        drop(writer);
        if has_grown {
            self.cache.make_room();
        }
        if durability == Durability::Power {
            self.sync_up_to(last)?;
        }
        self.hold_back(bytes);
        Ok(())
    }

    /// Lets a writer of `bytes` wait in proportion to what waits for the background.
    #[inline]
    fn hold_back(&self, bytes: usize) {
        let nanos_per_kib = self.delay.load(Ordering::Relaxed);
        if nanos_per_kib == 0 {
            return;
        }
        let owed = (bytes as u64 * nanos_per_kib) >> 10;
        if self.debt.fetch_add(owed, Ordering::Relaxed) + owed >= DEBT_NANOS {
            let owed = self.debt.swap(0, Ordering::Relaxed);
            self.counters.add(|c| &c.stalled_nanos, owed);
            self.vfs().sleep(Duration::from_nanos(owed));
        }
        self.renew_delay();
    }

    /// Computes anew how long writers wait. Called when what waits has changed, and by writers that
    /// wait.
    pub fn renew_delay(&self) {
        if self.settings.background_threads == 0 {
            return;
        }
        let view = self.view.load();
        let level_0 = view.version.level(0).tables().len() as f64;
        let is_last = view.sealed.len() >= SEALED_MAX;
        let filled = view.active.filled_bytes() as f64 / self.settings.memtable_bytes() as f64;
        let backlog = Backlog {
            level_0: level_0 / self.settings.level_0_tables as f64,
            memtable: if is_last { filled } else { 0.0 },
        };
        let mut nanos = nanos_per_byte(backlog) * 1024.0;
        if is_last {
            // Not zero, so that writers look again as the memtable fills.
            nanos = nanos.max(1.0);
        }
        self.delay.store(nanos as u64, Ordering::Relaxed);
    }

    /// Sees to it that the memtable can take a write: seals a full one, and waits if too many are
    /// waiting for their flush.
    fn make_room(&self, writer: &mut Writer) -> Result<()> {
        if writer.memtable.filled_bytes() < self.settings.memtable_bytes() {
            return Ok(());
        }
        self.wait_for_flush()?;
        self.seal(writer)?;
        if self.settings.background_threads == 0 {
            // The background is this thread; a failure there is no failure of the write.
            let _ = self.run_pending();
        }
        Ok(())
    }

    /// Lets the background make as much memory ready as the memtable has taken so far, whenever it
    /// has taken more; true then, since blocks have to make room.
    #[inline]
    fn want_memory(&self, writer: &mut Writer) -> bool {
        let bytes = writer.memtable.resident_bytes();
        if bytes == writer.memtable_bytes {
            return false;
        }
        writer.memtable_bytes = bytes;
        self.expects_writes.store(true, Ordering::Relaxed);
        self.count_memtables();
        if self.settings.background_threads > 0 && self.spare.want(bytes) {
            self.ask(&mut self.state());
        }
        true
    }

    fn wait_for_flush(&self) -> Result<()> {
        let start = self.vfs().now();
        while self.view.load().sealed.len() >= SEALED_MAX {
            if self.settings.background_threads == 0 {
                if self.flush_one(false)? {
                    continue;
                }
                // Another thread is at it.
                let mut state = self.state();
                if state.is_flushing {
                    self.wait(&self.done, &mut state, None);
                    self.check_poison()?;
                }
                continue;
            }
            let mut state = self.state();
            if let Some(cause) = &state.flush_failure {
                return Err(Error::blocked(&self.path, cause));
            }
            self.check_poison()?;
            if self.view.load().sealed.len() >= SEALED_MAX {
                self.ask(&mut state);
                self.wait(&self.done, &mut state, None);
            }
        }
        self.count_stall(start);
        Ok(())
    }

    fn count_stall(&self, start: Duration) {
        let stalled = self.vfs().now().saturating_sub(start).as_nanos() as u64;
        self.counters.add(|c| &c.stalled_nanos, stalled);
    }

    /// Begins log `number`, in a file that is to be used again if there is one.
    fn begin_log(&self, number: u64, previous: u64) -> Result<LogWriter> {
        let path = self.log_path(number);
        let spare = self.state().spare_logs.pop();
        if let Some(spare) = spare
            && let Err(error) = self.vfs().rename(&self.log_path(spare), &path)
        {
            self.state().spare_logs.push(spare);
            return Err(error);
        }
        let log = LogWriter::create(self.vfs(), path.clone(), number, previous);
        if log.is_err() {
            // Left behind, recovery passes over it: it holds no record.
            let _ = self.vfs().remove(&path);
        }
        log
    }

    /// Seals the memtable and begins a new one with a new log.
    pub fn seal(&self, writer: &mut Writer) -> Result<()> {
        writer.log.write()?;
        let number = self.new_number();
        let log = self.begin_log(number, writer.sequence)?;
        let sealed_log = std::mem::replace(&mut writer.log, log);
        self.unsynced.lock().push(UnsyncedLog::of(&sealed_log));
        writer.are_names_durable = false;
        writer.memtable_bytes = 0;
        let memtable = self.new_memtable();
        let sealed = Sealed {
            memtable: std::mem::replace(&mut writer.memtable, memtable.clone()),
            log_number: sealed_log.number(),
        };
        let mut state = self.state();
        self.change_view(&mut state, |view| {
            view.active = memtable;
            view.active_log = number;
            view.sealed.insert(0, sealed);
        });
        self.ask(&mut state);
        drop(state);
        self.charge_memtables();
        self.renew_delay();
        Ok(())
    }
}
