//! The threads of an open database; and the jobs that they, or without threads the writers, do.

use super::beside::side_by_side;
use super::core::{Core, State};
use super::view::{Sealed, View};
use crate::base::error::{Error, Result};
use crate::base::sync::thread::{self, JoinHandle};
use crate::cache::KeptBlocks;
use crate::compaction::{
    Boundaries, Compaction, JobContext, Part, RunPart, parts, pick_range, run, write_memtable,
};
use crate::manifest::{Edit, Manifest};
use crate::version::{Change, LEVELS, TableHandle, TableMeta, Version};
use crate::vfs::step_back;
use std::collections::HashSet;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the background waits after a failure before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How long nobody must have written for the database to be at rest.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Processors of the machine; none where there are no threads.
pub fn processors() -> usize {
    let unknown = if cfg!(target_family = "wasm") { 0 } else { 1 };
    thread::available_parallelism().map_or(unknown, |n| n.get())
}

/// Stops all writes if what it lives through panics: then the log, or a job, is left in the middle.
/// Reads go on, and the next opening finds what every write was told.
pub struct PoisonOnPanic<'a>(pub &'a Core);

impl Drop for PoisonOnPanic<'_> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison(&Error::invalid_input("a thread panicked while it wrote", "reopen"));
        }
    }
}

/// The threads of one open database.
#[derive(Default)]
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Ends the threads of `core`, and waits for them.
    pub fn stop(&mut self, core: &Core) {
        core.is_stopping.store(true, Ordering::Release);
        {
            // Under its lock none is between its look at the mark and its wait.
            core.ask(&mut core.state());
        }
        let this = thread::current().id();
        for thread in self.0.drain(..).filter(|thread| thread.thread().id() != this) {
            #[cfg(not(all(test, esker_shuttle)))]
            if let Some(turns) = core.vfs().turns() {
                turns.join(thread.thread().id());
            }
            // A thread that panicked has nothing more to give.
            let _ = thread.join();
        }
    }
}

/// Starts the threads of `core`: all, or none.
pub fn start(core: &Arc<Core>) -> Result<Threads> {
    let mut threads = Threads(Vec::new());
    let count = core.settings.background_threads;
    let numbers = if count == 0 { 0..0 } else { 0..count + 1 };
    for number in numbers {
        if let Err(error) = threads.add(core, number) {
            threads.stop(core);
            return Err(error);
        }
    }
    Ok(threads)
}

impl Threads {
    fn add(&mut self, core: &Arc<Core>, number: usize) -> Result<()> {
        let (core, vfs, path) = (core.clone(), core.settings.vfs.clone(), core.path.clone());
        let name =
            if number == 0 { "esker-flush".into() } else { format!("esker-compact-{number}") };
        let work = move || {
            step_back();
            match number {
                0 => core.work_until_stopped(Core::flush_one, |s| &mut s.flush_failure),
                _ => core.work_until_stopped(Core::compact_one, |s| &mut s.compaction_failure),
            }
        };
        let thread = match vfs.turns() {
            #[cfg(not(all(test, esker_shuttle)))]
            Some(turns) => turns.spawn(name, Box::new(work)),
            _ => thread::Builder::new().name(name).spawn(work),
        };
        self.0.push(thread.map_err(|e| Error::io("start a thread for", path, e))?);
        Ok(())
    }
}

impl Core {
    /// Does one job after another, and waits when there is none. `failure` is where to say why one
    /// failed.
    fn work_until_stopped(
        &self,
        job: fn(&Core, bool) -> Result<bool>,
        failure: fn(&mut State) -> &mut Option<String>,
    ) {
        let is_stopping = || self.is_stopping.load(Ordering::Acquire);
        let mut is_at_rest = false;
        while !is_stopping() {
            let asked = self.state().asked;
            let did = job(self, std::mem::take(&mut is_at_rest));
            let mut state = self.state();
            match did {
                Ok(true) => *failure(&mut state) = None,
                // Who asked since the job looked was not heard.
                Ok(false) if asked != state.asked => {}
                Ok(false) if !is_stopping() => {
                    let written = self.visible.load(Ordering::Relaxed);
                    let woken = !self.wait(&self.work, &mut state, Some(REST_AFTER));
                    is_at_rest = !woken && written == self.visible.load(Ordering::Relaxed);
                }
                Err(error) if !is_stopping() => {
                    tracing::warn!(%error, "background job failed");
                    *failure(&mut state) = Some(error.to_string());
                    self.wake(&self.done);
                    // Other work is no reason to try again before.
                    let until = Instant::now() + RETRY_AFTER;
                    let left = || Some(until.saturating_duration_since(Instant::now()));
                    while !is_stopping() && !self.wait(&self.work, &mut state, left()) {}
                }
                _ => {}
            }
        }
    }

    /// Without threads: does all that is to do.
    pub fn run_pending(&self) -> Result<()> {
        while self.flush_one(false)? || self.compact_one(false)? {}
        Ok(())
    }

    /// Does `job` of so many `parts` with its buffers counted: those of a table under way, whose
    /// filter needs eight bytes a key, and of the blocks and files that are read and written.
    fn with_buffers<T>(&self, parts: usize, job: impl FnOnce() -> T) -> T {
        let bytes = parts * (self.settings.table_size_bytes as usize / 8 + (1 << 20));
        self.cache.charge(bytes);
        let result = job();
        self.cache.discharge(bytes);
        result
    }

    /// Does `job`; if it panics, there are no more jobs and no more writes, since nobody knows how
    /// far it came.
    fn guarded(&self, job: impl FnOnce() -> Result<()>) -> Result<()> {
        catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
            let error = Error::poisoned(&self.path, "a job of the background panicked");
            self.is_stopping.store(true, Ordering::Release);
            self.poison(&error);
            Err(error)
        })
    }

    /// Flushes the oldest sealed memtable; at rest also the active one, and all together with level
    /// 0 where that would go down next. False if there is none.
    pub fn flush_one(&self, is_at_rest: bool) -> Result<bool> {
        let _panics = PoisonOnPanic(self);
        let is_at_rest = is_at_rest && self.try_seal_at_rest()?;
        let mut state = self.state();
        if self.view.load().sealed.is_empty() {
            drop(state);
            return Ok(self.prepare(is_at_rest));
        }
        if std::mem::replace(&mut state.is_flushing, true) {
            return Ok(false);
        }
        let merge = self.begin_with_sealed(&mut state, is_at_rest);
        let boundaries = self.boundaries(&state);
        drop(state);
        let is_merged = self.merge_or_flush(merge, &boundaries);
        let mut state = self.state();
        if matches!(is_merged, Ok(true)) {
            state.compaction_failure = None;
        }
        state.is_flushing = false;
        self.wake(&self.done);
        self.ask(&mut state);
        is_merged.map(|_| true)
    }

    /// Does `merge`, if there is one; without it, or if it came to nothing, flushes the oldest
    /// sealed memtable. Returns whether it was the merge.
    fn merge_or_flush(
        &self,
        merge: Option<(Compaction, Arc<Version>)>,
        boundaries: &Boundaries,
    ) -> Result<bool> {
        if let Some((compaction, version)) = merge
            && self.merge_sealed(compaction, version)?
        {
            return Ok(true);
        }
        self.guarded(|| self.flush_oldest(boundaries)).map(|()| false)
    }

    fn flush_oldest(&self, boundaries: &Boundaries) -> Result<()> {
        self.mend_manifest()?;
        // Not the view: its tables would stay until the memtable is written.
        let sealed = self.view.load().sealed.last().cloned();
        let Some(Sealed { memtable, .. }) = sealed else { return Ok(()) };
        let span = tracing::debug_span!("flush", bytes = memtable.data_bytes());
        let _entered = span.enter();
        let context = self.job_context();
        let output = self.with_buffers(1, || write_memtable(&context, &memtable, boundaries))?;
        self.counters.add(|c| &c.flushed_bytes, output.bytes_out);
        let added = output.tables.into_iter().map(|table| (0, self.handle(table))).collect();
        self.install_flushed(1, added, Vec::new())
    }

    /// Replaces a manifest that could not be written, before any work counts on it.
    fn mend_manifest(&self) -> Result<()> {
        let mut manifest = self.take(&self.manifest);
        if !manifest.is_broken() {
            return Ok(());
        }
        self.install(&mut manifest, Edit::default(), Vec::new(), Vec::new(), |_| {})
    }

    /// Installs what was made of the `count` oldest sealed memtables and the `removed` tables.
    fn install_flushed(
        &self,
        count: usize,
        added: Vec<(usize, Arc<TableHandle>)>,
        removed: Vec<(usize, Arc<TableHandle>)>,
    ) -> Result<()> {
        let mut manifest = self.take(&self.manifest);
        let (edit, logs) = self.view.load().edit_after_flush(count);
        self.install(&mut manifest, edit, added, removed, |view| {
            view.sealed.truncate(view.sealed.len() - count);
        })?;
        drop(manifest);
        self.counters.add(|c| &c.flushes, count as u64);
        logs.into_iter().for_each(|log| self.retire_log(log));
        Ok(())
    }

    fn handle(&self, (meta, kept): (TableMeta, KeptBlocks)) -> Arc<TableHandle> {
        let handle = TableHandle::new(meta, self.pool.clone());
        handle.warm(kept);
        Arc::new(handle)
    }

    /// Makes a change of tables durable and then visible, with what else `change_view` does.
    pub fn install(
        &self,
        manifest: &mut Manifest,
        mut edit: Edit,
        added: Vec<(usize, Arc<TableHandle>)>,
        removed: Vec<(usize, Arc<TableHandle>)>,
        change_view: impl FnOnce(&mut View),
    ) -> Result<()> {
        let number = |table: &Arc<TableHandle>| table.meta().number;
        let change = Change {
            removed: removed.iter().map(|(level, table)| (*level, number(table))).collect(),
            added,
        };
        // A table that goes and comes is moved: its file stays, whatever happens.
        let (fresh, gone) = (without(&change.added, &removed), without(&removed, &change.added));
        let after = self.view.load().version.apply(&change, &self.path);
        let after = Arc::new(after.inspect_err(|_| fresh.iter().for_each(|t| t.set_obsolete()))?);
        edit.next_number = Some(self.next_number.load(Ordering::Relaxed));
        let added = change.added.iter();
        edit.added = added.map(|(level, table)| (*level as u8, table.meta().clone())).collect();
        edit.removed = change.removed.iter().map(|&(level, n)| (level as u8, n)).collect();
        let appended = manifest.append(self.vfs(), &edit, || self.new_number());
        let mut state = self.state();
        if let Err(error) = appended {
            state.doubtful.extend(fresh);
            return Err(error);
        }
        let doubtful = std::mem::take(&mut state.doubtful);
        self.change_view(&mut state, |view| {
            view.version = after;
            change_view(view);
        });
        drop(state);
        self.renew_delay();
        doubtful.iter().for_each(|table| table.set_obsolete());
        gone.iter().for_each(|table| table.set_obsolete());
        Ok(())
    }

    /// Does the most urgent compaction; false if there is none.
    pub fn compact_one(&self, is_at_rest: bool) -> Result<bool> {
        let mut state = self.state();
        if state.manual > 0 || state.is_ingesting {
            return Ok(false);
        }
        let view = self.view.load_full();
        let is_at_rest = is_at_rest || state.settling > 0;
        let Some(compaction) = self.pick(&view, &state, is_at_rest) else {
            return Ok(false);
        };
        self.begin(&mut state, &compaction);
        drop(state);
        let version = view.version.clone();
        drop(view);
        self.compact(compaction, version).map(|()| true)
    }

    /// Marks the inputs of `compaction` as taken.
    pub fn begin(&self, state: &mut State, compaction: &Compaction) {
        state.busy.extend(compaction.inputs().map(|(_, table)| table.meta().number));
        state.running_compactions += 1;
    }

    /// Does `compaction`, which was picked from `version` and begun. It may take long: who calls it
    /// should hold no memtables, whose memory would stay. Nor does it, but for those that it takes
    /// with it.
    pub fn compact(&self, compaction: Compaction, version: Arc<Version>) -> Result<()> {
        let span = tracing::debug_span!(
            "compact",
            from = compaction.level,
            to = compaction.output_level,
            bytes = compaction.input_bytes()
        );
        let _entered = span.enter();
        let inputs: Vec<u64> = compaction.inputs().map(|(_, table)| table.meta().number).collect();
        let (bytes, may_be_given_up) = (compaction.input_bytes(), !compaction.memtables.is_empty());
        let result = self.guarded(|| {
            let done = self.try_compact(&compaction, &version);
            // Who waits for the end finds the space of what was merged free.
            drop((compaction, version));
            done
        });
        let mut state = self.state();
        for number in inputs {
            state.busy.remove(&number);
        }
        state.running_compactions -= 1;
        if !may_be_given_up && !self.is_stopping.load(Ordering::Relaxed) {
            self.note_compaction(&mut state, bytes, result.is_err());
        }
        self.wake(&self.done);
        self.ask(&mut state);
        result
    }

    /// Does `compaction`.
    fn try_compact(&self, compaction: &Compaction, version: &Version) -> Result<()> {
        self.mend_manifest()?;
        let output: Vec<_> = if compaction.is_move {
            self.counters.add(|c| &c.moves, 1);
            compaction.upper.clone()
        } else {
            let state = self.state();
            let boundaries = self.boundaries(&state);
            let mut idle =
                self.settings.background_threads.saturating_sub(state.running_compactions);
            if self.vfs().turns().is_some() {
                // Those threads do not know of turns.
                idle = 0;
            }
            drop(state);
            let gives_up = self.gives_up(compaction);
            let context = JobContext { gives_up, ..self.job_context() };
            let parts = parts(compaction, idle + 1, self.settings.table_size_bytes);
            let do_all =
                |parts: &[Part], part: &RunPart<'_>| side_by_side(parts, parts.len(), part);
            let merge = || run(&context, compaction, version, &boundaries, &parts, do_all);
            let output = self.with_buffers(parts.len(), merge)?;
            self.counters.add(|c| &c.compactions, 1);
            self.counters.add(|c| &c.compacted_in_bytes, compaction.input_bytes());
            self.counters.add(|c| &c.compacted_out_bytes, output.bytes_out);
            output.tables.into_iter().map(|table| self.handle(table)).collect()
        };
        let added = output.into_iter().map(|table| (compaction.output_level, table)).collect();
        let removed = compaction.inputs().map(|(level, table)| (level, table.clone())).collect();
        self.install_flushed(compaction.memtables.len(), added, removed)
    }

    /// Seals what is in the memtable and waits until all that was written so far is in tables.
    pub fn flush(&self) -> Result<()> {
        self.check_process()?;
        let mut writer = self.take(&self.writer);
        let _panics = PoisonOnPanic(self);
        self.check_poison()?;
        if writer.memtable.entries() > 0 {
            self.seal(&mut writer)?;
        }
        let first_to_stay = writer.log.number();
        drop(writer);
        self.wait_for_flushes(first_to_stay)?;
        if self.settings.background_threads == 0 {
            // A failure there is no failure of the flush.
            let _ = self.run_pending();
        }
        Ok(())
    }

    /// Waits until no memtable is left whose log has a number below `first_to_stay`.
    pub fn wait_for_flushes(&self, first_to_stay: u64) -> Result<()> {
        let is_done = |core: &Core, _: &State| {
            let view = core.view.load();
            view.sealed.last().is_none_or(|sealed| sealed.log_number >= first_to_stay)
        };
        self.wait_until(is_done, |state| state.flush_failure.take())
    }

    /// Waits until `is_done`, doing the work here if there are no threads; gives up for a failure
    /// that `failed` finds.
    pub fn wait_until(
        &self,
        is_done: impl Fn(&Core, &State) -> bool,
        failed: fn(&mut State) -> Option<String>,
    ) -> Result<()> {
        let mut state = self.state();
        while !is_done(self, &state) {
            self.check_poison()?;
            if self.settings.background_threads == 0 {
                drop(state);
                let has_worked = self.flush_one(false)? || self.compact_one(false)?;
                state = self.state();
                if has_worked || is_done(self, &state) {
                    continue;
                }
            } else if let Some(cause) = failed(&mut state) {
                return Err(Error::blocked(&self.path, cause));
            }
            self.ask(&mut state);
            self.wait(&self.done, &mut state, Some(Duration::from_millis(100)));
        }
        Ok(())
    }

    /// Merges everything within the bounds down to the last level.
    pub fn compact_range(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<()> {
        self.flush()?;
        self.state().manual += 1;
        let result = (0..LEVELS).try_for_each(|level| self.compact_level(level, start, end));
        let mut state = self.state();
        state.manual -= 1;
        self.ask(&mut state);
        result
    }

    fn compact_level(&self, level: usize, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<()> {
        let mut state = self.state();
        while state.running_compactions > 0 || state.is_ingesting {
            self.wait(&self.done, &mut state, None);
            self.check_poison()?;
        }
        let view = self.view.load_full();
        let is_deepest = (level + 1..LEVELS).all(|l| view.version.level(l).tables().is_empty());
        let is_last = level == LEVELS - 1 || (is_deepest && level > 0);
        let settings = self.pick_settings(&state);
        let picked = match is_last {
            // The last level is rewritten only for what compaction can drop there.
            true => pick_droppable(&view.version, level, start, end),
            false => pick_range(&view.version, &settings, level, (start, end), &state.busy),
        };
        let Some(compaction) = picked else { return Ok(()) };
        self.begin(&mut state, &compaction);
        drop(state);
        let version = view.version.clone();
        drop(view);
        self.compact(compaction, version)
    }
}

/// The tables of `some` that are not among the `others`.
fn without(
    some: &[(usize, Arc<TableHandle>)],
    others: &[(usize, Arc<TableHandle>)],
) -> Vec<Arc<TableHandle>> {
    let others: HashSet<u64> = others.iter().map(|(_, table)| table.meta().number).collect();
    let tables = some.iter().map(|(_, table)| table);
    tables.filter(|table| !others.contains(&table.meta().number)).cloned().collect()
}

/// The tables of the last level within the bounds, to be rewritten, if any has something to drop.
fn pick_droppable(
    version: &Version,
    level: usize,
    start: Bound<&[u8]>,
    end: Bound<&[u8]>,
) -> Option<Compaction> {
    let upper = version.level(level).overlapping(start, end);
    let has_more =
        |table: &Arc<TableHandle>| table.meta().largest_sequence > 0 || table.meta().tombstones > 0;
    let is_worth_it = upper.iter().any(has_more);
    is_worth_it.then(|| Compaction { level, output_level: level, upper, ..Compaction::default() })
}
