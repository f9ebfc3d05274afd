//! What is done when nobody writes: memtables that are not small go to tables, level 0 goes down,
//! and where both are due, in one step; blocks of new tables come into memory. And what is done
//! while there is nothing to flush: blocks in memory get huge pages.

use super::background::PoisonOnPanic;
use super::core::{Core, State, Writer};
use super::view::View;
use crate::base::error::Result;
use crate::compaction::{Compaction, PickSettings, pick, pick_at_rest, pick_with_memtables};
use crate::memtable::Memtable;
use crate::version::Version;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Share of a memtable, as a divisor, below which it is not worth a flush at rest.
const REST_MEMTABLE: usize = 16;
/// Share of the active memtable, as a divisor, that is filled when the rest is over, and writers
/// will soon want to see those before it flushed.
const REST_OVER: usize = 2;
/// Huge pages that are made once settled: of a gibibyte, since nobody waits for more than seconds.
const SETTLED_HUGE_PAGES: usize = 512;
/// Huge pages that are made at a time while there is nothing to flush, ...
const HUGE_PAGES: usize = 8;
/// ... and how long after those before: others read beside it.
const HUGE_PAGES_AFTER: Duration = Duration::from_millis(250);

impl Core {
    /// Seals the memtable, unless it holds little.
    pub fn seal_at_rest(&self, writer: &mut Writer) -> Result<()> {
        if self.poison.get().is_none() && self.is_worth_a_flush(&writer.memtable) {
            // The new memtable and its log may be the last for long: the one claims nothing, the
            // other does not take the place of a full one.
            self.expects_writes.store(false, Ordering::Relaxed);
            self.remove_spare_logs();
            self.seal(writer)?;
        }
        Ok(())
    }

    /// As [`Core::seal_at_rest`], unless someone holds the lock: who does writes, so it is no rest;
    /// and may be waiting for this very flush. Returns whether it is one.
    pub fn try_seal_at_rest(&self) -> Result<bool> {
        let Some(mut writer) = self.writer.try_lock() else { return Ok(false) };
        self.seal_at_rest(&mut writer)?;
        Ok(true)
    }

    /// Whether `memtable` is flushed at rest.
    fn is_worth_a_flush(&self, memtable: &Memtable) -> bool {
        memtable.filled_bytes() >= self.settings.memtable_bytes() / REST_MEMTABLE
    }

    /// The most urgent compaction of tables.
    pub fn pick(&self, view: &View, state: &State, is_at_rest: bool) -> Option<Compaction> {
        let (version, settings) = (&view.version, self.pick_settings(state));
        let visible = self.visible.load(Ordering::Acquire);
        let oldest = state.snapshots.keys().next().copied().unwrap_or(visible);
        let picked = pick(version, &settings, &state.busy, oldest);
        // A table that is about to be flushed would make it all anew.
        let is_flushed = view.sealed.is_empty() && !self.is_worth_a_flush(&view.active);
        let at_rest = || pick_at_rest(version, &settings, &state.busy);
        picked.or_else(|| (is_at_rest && is_flushed).then(at_rest).flatten())
    }

    /// What the choice of compactions goes by, now.
    pub fn pick_settings(&self, state: &State) -> PickSettings {
        let settings = self.settings.pick_settings();
        let most = state.whole_bytes_max.unwrap_or(u64::MAX);
        PickSettings { whole_bytes: settings.whole_bytes.min(most), ..settings }
    }

    /// Notes how a compaction of `bytes` ended. A disk that has no room for it may have some for
    /// less, so half as much is the most then, and an eighth more with each that succeeds.
    pub fn note_compaction(&self, state: &mut State, bytes: u64, has_failed: bool) {
        let all = self.settings.pick_settings().whole_bytes;
        let more = |most: u64| Some(most + most / 8 + 1).filter(|&most| most < all);
        state.whole_bytes_max = match has_failed {
            true => Some(all.min(bytes / 2)),
            false => state.whole_bytes_max.and_then(more),
        };
    }

    /// At rest, or while someone waits for that: begins the compaction that takes all sealed
    /// memtables with it, if one is due. Returns it, and what it was picked from.
    pub fn begin_with_sealed(
        &self,
        state: &mut State,
        is_at_rest: bool,
    ) -> Option<(Compaction, Arc<Version>)> {
        if !is_at_rest && state.settling == 0 {
            return None;
        }
        let (compaction, version) = self.pick_with_sealed(state)?;
        self.begin(state, &compaction);
        Some((compaction, version))
    }

    /// The compaction that takes all sealed memtables with it, and what it was picked from.
    fn pick_with_sealed(&self, state: &State) -> Option<(Compaction, Arc<Version>)> {
        if state.manual > 0 || state.is_ingesting {
            return None;
        }
        let view = self.view.load();
        if self.is_worth_a_flush(&view.active) {
            return None;
        }
        let memtables = view.sealed.iter().map(|sealed| sealed.memtable.clone()).collect();
        let settings = self.pick_settings(state);
        let picked = pick_with_memtables(&view.version, &settings, &state.busy, memtables)?;
        Some((picked, view.version.clone()))
    }

    /// Does `compaction`, which [`Core::begin_with_sealed`] began. False if it came to nothing:
    /// writes need no more than a flush, and what fails with tables is no failure of theirs.
    pub fn merge_sealed(&self, compaction: Compaction, version: Arc<Version>) -> Result<bool> {
        // What is ready for writes to come would take the room of the new tables' blocks.
        self.spare.clear();
        self.charge_memtables();
        match self.compact(compaction, version) {
            Ok(()) => Ok(true),
            Err(error) if self.is_stopping.load(Ordering::Acquire) => Err(error),
            Err(error) => {
                tracing::debug!(%error, "memtables are flushed, not merged");
                Ok(false)
            }
        }
    }

    /// Says, whenever asked, whether to give `compaction` up. One that has memtables goes on only
    /// for as long as no writer waits for them, nor soon will.
    pub fn gives_up(&self, compaction: &Compaction) -> Box<dyn Fn() -> bool + Sync + '_> {
        let is_stopping = || self.is_stopping.load(Ordering::Relaxed);
        if compaction.memtables.is_empty() {
            return Box::new(is_stopping);
        }
        let count = compaction.memtables.len();
        let most = self.settings.memtable_bytes() / REST_OVER;
        Box::new(move || {
            let view = self.view.load();
            let is_over = view.sealed.len() > count || view.active.filled_bytes() >= most;
            is_over || is_stopping()
        })
    }

    /// Brings blocks of new tables into memory that were not kept as they were written, for as long
    /// as there is room, and nobody writes. Not of tables that are about to be merged.
    pub fn warm_up(&self) {
        let (view, written) = (self.view.load_full(), self.visible.load(Ordering::Relaxed));
        let state = self.state();
        if state.running_compactions > 0 || self.pick(&view, &state, true).is_some() {
            return;
        }
        drop(state);
        let version = view.version.clone();
        drop(view);
        let goes_on = || {
            // Who waits for a flush waits for this thread.
            let view = self.view.load();
            view.sealed.is_empty()
                && Arc::ptr_eq(&view.version, &version)
                && self.visible.load(Ordering::Relaxed) == written
                && self.loads.load(Ordering::Relaxed) == 0
                && !self.is_stopping.load(Ordering::Relaxed)
        };
        let _ = version.tables().all(|(_, table)| table.warm_up(&goes_on));
    }

    /// Makes some huge pages of blocks in memory, if it is time. Only threads of the background do:
    /// a writer that does their work has no time for it.
    pub fn make_huge_pages(&self) {
        let now = self.vfs().now().as_millis() as u64;
        if self.settings.background_threads > 0
            && now >= self.huge_pages_due.load(Ordering::Relaxed)
        {
            self.cache.make_huge(HUGE_PAGES);
            let due = now + HUGE_PAGES_AFTER.as_millis() as u64;
            self.huge_pages_due.store(due, Ordering::Relaxed);
        }
    }

    /// Waits until there is nothing for the background to do, as at rest.
    pub fn settle(&self) -> Result<()> {
        self.check_process()?;
        // Before there is a sealed memtable, so that its flush knows.
        self.state().settling += 1;
        let result = self.settle_down();
        self.state().settling -= 1;
        self.give_back();
        self.warm_up();
        self.cache.make_huge(SETTLED_HUGE_PAGES);
        result
    }

    fn settle_down(&self) -> Result<()> {
        let mut writer = self.take(&self.writer);
        let _panics = PoisonOnPanic(self);
        self.seal_at_rest(&mut writer)?;
        drop(writer);
        let is_done = |core: &Core, state: &State| {
            let view = core.view.load();
            let is_quiet = !state.is_flushing && state.running_compactions == 0;
            is_quiet && view.sealed.is_empty() && core.pick(&view, state, true).is_none()
        };
        self.wait_until(is_done, |state| {
            state.flush_failure.take().or_else(|| state.compaction_failure.take())
        })
    }
}
