//! Plays a script on a store and holds what the store shows against the model.

use super::model::{End, Model, OPEN_MAX, State, difference};
use super::script::{Change, Script, Step, batch, key_bytes};
use super::store::{Batch, Level, Opener, Place, Reader, Store, View};
use crate::machine::message;
use crate::random::Random;
use crate::{Coverage, Crash, Failure, SimVfs};
use esker::{Error, ErrorKind, Result as EskerResult};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Keys that a script may use.
pub const KEYS: u32 = 48;

/// Calls shown of a history that failed.
const TRACE_SHOWN: usize = 80;

/// What happened while a script was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Kills.
    pub kills: u64,
    /// Cuts of the power.
    pub cuts: u64,
    /// Of both, those that met a recovery.
    pub in_recovery: u64,
    /// Batches that crashes took, as they might.
    pub lost: u64,
    /// Calls made to the machine.
    pub calls: u64,
    /// Which faults struck where.
    pub coverage: Coverage,
    /// Hash of the disk in the end.
    pub fingerprint: u64,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Report) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.in_recovery += other.in_recovery;
        self.lost += other.lost;
        self.calls += other.calls;
        self.coverage += other.coverage;
        self.fingerprint ^= other.fingerprint;
    }
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The number of the step, from 0.
    pub step: usize,
    /// What was seen.
    pub message: String,
    /// The last calls, if they were traced.
    pub trace: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.trace.len().saturating_sub(TRACE_SHOWN);
        self.trace.iter().skip(skipped).try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "step {}: {}", self.step, self.message)
    }
}

pub(super) type Checked<T = ()> = Result<T, String>;

pub(super) struct Runner<'a> {
    opener: &'a dyn Opener,
    variant: u64,
    pub vfs: SimVfs,
    pub store: Option<Box<dyn Store>>,
    pub model: Model,
    snapshots: VecDeque<(Box<dyn View>, State)>,
    pub places: VecDeque<Held>,
    /// One that reads beside the store, and what it saw.
    pub reader: Option<(Box<dyn Reader>, State)>,
    pub random: Random,
    /// Crashes that wait for recoveries.
    recoveries: VecDeque<(u64, Crash)>,
    /// Whether errors are to be expected.
    faulty: bool,
    /// Whether this process has met errors.
    had_faults: bool,
    /// The store's number of the last write: now, and at what a kill and a cut spare.
    sequences: [Option<u64>; 3],
    pub report: Report,
}

/// A place among the keys of a moment, where it stands, and what there was then.
pub(super) struct Held {
    pub place: Box<dyn Place>,
    pub at: Option<Vec<u8>>,
    pub state: State,
}

/// Plays `script` on a new machine.
///
/// # Errors
/// If the store broke a promise; with the last calls if `traced`.
pub fn run(opener: &dyn Opener, script: &Script, traced: bool) -> Result<Report, Broken> {
    let vfs = SimVfs::new(script.seed);
    if traced {
        vfs.trace();
    }
    let mut runner = Runner {
        opener,
        variant: script.variant,
        vfs,
        store: None,
        model: Model::default(),
        snapshots: VecDeque::new(),
        places: VecDeque::new(),
        reader: None,
        random: Random::new(script.seed),
        recoveries: VecDeque::new(),
        faulty: false,
        had_faults: false,
        sequences: [None; 3],
        report: Report::default(),
    };
    let last = [Step::Heal, Step::Check, Step::Reopen, Step::Check, Step::Reopen];
    for (step, what) in script.steps.iter().chain(&last).enumerate() {
        if traced {
            runner.vfs.note(format!("step {step}: {what}"));
        }
        let done = catch_unwind(AssertUnwindSafe(|| {
            runner.step(what)?;
            runner.move_places()?;
            runner.check_wake_ups()
        }));
        let done = done.unwrap_or_else(|panic| Err(format!("a panic: {}", message(&*panic))));
        if let Err(message) = done {
            return Err(Broken { step, message, trace: runner.vfs.take_trace() });
        }
    }
    runner.report.coverage = runner.vfs.take_coverage();
    runner.report.calls = runner.vfs.calls();
    runner.report.fingerprint = runner.vfs.fingerprint();
    Ok(runner.report)
}

/// All keys with their values.
pub(super) fn scan(view: &dyn View, reverse: bool) -> EskerResult<State> {
    Ok(view.scan(reverse)?.into_iter().collect())
}

impl Runner<'_> {
    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::CrashIn(n, crash) => self.vfs.crash_at(*n, *crash),
            Step::CrashRecovery(n, crash) => self.recoveries.push_back((*n, *crash)),
            Step::Fail(..) => {
                self.begin_faults();
                step.rule().into_iter().for_each(|rule| self.vfs.fail(rule));
            }
            Step::Full(bytes) => {
                self.begin_faults();
                self.vfs.set_capacity(Some(self.vfs.used() + bytes));
            }
            Step::Heal => self.heal(),
            Step::Crash(crash) => return self.recover(Some(*crash)),
            Step::Reopen => return self.reopen(),
            Step::Write(level, changes) => {
                self.ensure_open()?;
                return self.write(*level, changes);
            }
            Step::Flush => {
                self.ensure_open()?;
                if self.attempt(|store| store.flush(), None)?.is_some() {
                    self.model.harden();
                    self.note_sequence(Level::Power)?;
                }
            }
            Step::Compact => {
                self.ensure_open()?;
                self.attempt(|store| store.compact(), None)?;
            }
            Step::Rest => return self.rest(),
            Step::Aside => {
                self.ensure_open()?;
                self.attempt(|store| store.compact_aside(), None)?;
            }
            Step::Ingest(changes) => {
                self.ensure_open()?;
                return self.ingest(changes);
            }
            Step::Copy => {
                self.ensure_open()?;
                return self.copy();
            }
            Step::Place => {
                self.ensure_open()?;
                self.take_place()?;
            }
            Step::Reader => {
                self.ensure_open()?;
                return self.read_beside();
            }
            Step::Settings(variant) => self.variant = *variant,
            Step::Strike(strike) => self.vfs.strike(*strike),
            Step::Snapshot => {
                self.ensure_open()?;
                if self.settled()?
                    && let Some(view) = self.attempt(|store| store.snapshot(), None)?
                {
                    self.snapshots.push_back((view, self.model.live().clone()));
                }
            }
            Step::Release => return self.release(),
            Step::Check => {
                self.ensure_open()?;
                return self.check();
            }
        }
        Ok(())
    }

    fn begin_faults(&mut self) {
        self.faulty = true;
        self.had_faults = true;
    }

    fn release(&mut self) -> Checked {
        let Some((view, state)) = self.snapshots.pop_front() else { return Ok(()) };
        self.compare(&*view, &state, "a snapshot")
    }

    /// Without faults every wait ends with a signal.
    fn check_wake_ups(&mut self) -> Checked {
        let overdue = self.vfs.overdue();
        match overdue == 0 || self.expects_errors() || self.had_faults || self.vfs.down().is_some()
        {
            true => Ok(()),
            false => Err(format!("{overdue} wake-ups were lost")),
        }
    }

    fn heal(&mut self) {
        // A crash that waits for its call goes too: it is part of what was injected.
        self.vfs.heal();
        self.vfs.set_capacity(None);
    }

    pub(super) fn ensure_open(&mut self) -> Checked {
        if self.store.is_none() { self.reopen() } else { Ok(()) }
    }

    /// Runs `act` on the store, which writes `batch` if there is one. `None` if it failed as it
    /// may; after a crash the store was then opened again.
    pub(super) fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut dyn Store) -> EskerResult<T>,
        batch: Option<&Batch>,
    ) -> Checked<Option<T>> {
        let Some(store) = &mut self.store else { return Ok(None) };
        let done = act(&mut **store);
        let is_down = self.vfs.down().is_some();
        let error = match done {
            Ok(value) if !is_down => return Ok(Some(value)),
            done => done.err(),
        };
        let was_refused = error.as_ref().is_some_and(|e| e.kind() == ErrorKind::Poisoned);
        self.report.failed += u64::from(batch.is_some());
        if is_down || !was_refused {
            batch.into_iter().for_each(|batch| self.model.fail(batch.clone()));
        }
        if is_down {
            self.recover(None)?;
        } else if let Some(error) = error {
            self.vfs.note(format!("       failed: {error}"));
            self.excuse(error)?;
        }
        Ok(None)
    }

    /// Whether the fate of failed writes is not so open that another write would be too many.
    pub(super) fn can_write(&mut self) -> Checked<bool> {
        Ok(self.settled()? && self.model.open() < OPEN_MAX)
    }

    fn write(&mut self, level: Level, changes: &[Change]) -> Checked {
        if !self.can_write()? {
            return Ok(());
        }
        let batch = batch(changes);
        if self.attempt(|store| store.write(&batch, level), Some(&batch))?.is_none() {
            return self.settled().map(drop);
        }
        self.report.acknowledged += 1;
        self.model.acknowledge(batch, level);
        self.note_sequence(level)
    }

    /// Finds out which failed writes show. False if that cannot be read now.
    pub(super) fn settled(&mut self) -> Checked<bool> {
        if self.model.open() == 0 {
            return Ok(true);
        }
        match self.attempt(|store| scan(store, false), None)? {
            Some(found) => self.model.settle(&found).map(|()| true),
            None => Ok(false),
        }
    }

    /// Remembers the store's number of the last write, after one at `level`.
    pub(super) fn note_sequence(&mut self, level: Level) -> Checked {
        let Some(store) = &self.store else { return Ok(()) };
        let now = store.sequence();
        if now < self.sequences[0] {
            return Err(format!("the sequence went from {:?} to {now:?}", self.sequences[0]));
        }
        let outlives = match level {
            Level::None => 1,
            Level::Process => 2,
            Level::Power => 3,
        };
        self.sequences[..outlives].fill(now);
        Ok(())
    }

    fn check(&mut self) -> Checked {
        if !self.settled()? {
            return Ok(());
        }
        let Some(store) = self.store.take() else { return Ok(()) };
        let live = self.model.live().clone();
        let mut done = self.compare(&*store, &live, "the store");
        if done.is_ok()
            && let Err(error) = store.verify()
        {
            done = self.excuse(error);
        }
        let snapshots = std::mem::take(&mut self.snapshots);
        for (view, state) in &snapshots {
            done = done.and_then(|()| self.compare(&**view, state, "a snapshot"));
        }
        let reader = self.reader.take();
        if let Some((reader, state)) = &reader {
            done = done.and_then(|()| self.compare(&**reader, state, "one that reads beside"));
        }
        self.store = Some(store);
        self.snapshots = snapshots;
        self.reader = reader;
        done?;
        if self.vfs.down().is_some() { self.recover(None) } else { Ok(()) }
    }

    /// Whether calls may fail, or have failed since the store was opened.
    fn expects_errors(&mut self) -> bool {
        self.faulty |= self.vfs.take_struck();
        self.had_faults |= self.faulty;
        self.faulty
    }

    /// An error is fine where one is to be expected.
    pub(super) fn excuse(&mut self, error: Error) -> Checked {
        match self.expects_errors() || self.vfs.down().is_some() {
            true => Ok(()),
            false => Err(format!("failed for no reason: {error}")),
        }
    }

    /// Reads all of `view` in every way; it must show `state`.
    fn compare(&mut self, view: &dyn View, state: &State, what: &str) -> Checked {
        for reverse in [false, true] {
            match view.scan(reverse) {
                Ok(mut pairs) => {
                    if reverse {
                        pairs.reverse();
                    }
                    let is_sorted = pairs.windows(2).all(|two| two[0].0 < two[1].0);
                    let found: State = pairs.into_iter().collect();
                    if found != *state || !is_sorted {
                        let difference = difference(state, &found);
                        return Err(format!("{what}, reverse {reverse}: {difference}"));
                    }
                }
                Err(error) => self.excuse(error)?,
            }
        }
        for key in 0..KEYS {
            let key = key_bytes(key);
            match view.get(&key) {
                Ok(found) if found.as_ref() == state.get(&key) => {}
                Ok(found) => {
                    let one = |value: Option<&Vec<u8>>| {
                        value.map(|value| (key.clone(), value.clone())).into_iter().collect()
                    };
                    let difference = difference(&one(state.get(&key)), &one(found.as_ref()));
                    return Err(format!("{what}, get: {difference}"));
                }
                Err(error) => self.excuse(error)?,
            }
        }
        Ok(())
    }

    /// Closes the store and all that looks at it.
    fn let_go(&mut self) {
        self.snapshots.clear();
        self.places.clear();
        self.reader = None;
        self.store = None;
    }

    /// Closes the store, if it is open, and opens it in the same process.
    pub(super) fn reopen(&mut self) -> Checked {
        self.let_go();
        if self.vfs.down().is_some() {
            return self.recover(None);
        }
        // A bit that flips in the tail of a log is the same to a store as a write that a cut
        // tore; flips at rest have tests of their own.
        self.vfs.heal_of(Failure::FlippedBit);
        let mut opened = self.opener.open(&self.vfs, self.variant);
        while self.vfs.down().is_none() && opened.is_err() && self.expects_errors() {
            self.heal();
            self.faulty = false;
            opened = self.opener.open(&self.vfs, self.variant);
        }
        if self.vfs.down().is_some() {
            drop(opened);
            return self.recover(None);
        }
        let store = opened.map_err(|error| format!("cannot be opened: {error}"))?;
        match self.receive(store, End::Kill)? {
            true => Ok(()),
            false if self.vfs.down().is_some() => self.recover(None),
            // Reads failed as they may: try again on a sound machine.
            false => {
                self.heal();
                self.faulty = false;
                self.reopen()
            }
        }
    }

    /// Ends the process, by `crash` or by the crash that struck already, and goes on with the
    /// next one.
    fn recover(&mut self, crash: Option<Crash>) -> Checked {
        let mut crash = crash.or(self.vfs.down()).unwrap_or(Crash::Kill);
        let mut end = End::Kill;
        loop {
            match crash {
                Crash::Kill => self.report.kills += 1,
                Crash::Power(_) => self.report.cuts += 1,
            }
            if crash != Crash::Kill {
                end = End::Cut;
            }
            self.vfs.set_capacity(None);
            self.vfs = self.vfs.crash(crash);
            self.had_faults = false;
            self.let_go();
            self.vfs.take_struck();
            self.faulty = false;
            if let Some((n, crash)) = self.recoveries.pop_front() {
                self.vfs.crash_at(n, crash);
            }
            let mut opened = self.opener.open(&self.vfs, self.variant);
            while self.vfs.down().is_none() && opened.is_err() && self.expects_errors() {
                self.faulty = false;
                opened = self.opener.open(&self.vfs, self.variant);
            }
            if self.vfs.down().is_none() {
                let store =
                    opened.map_err(|error| format!("cannot be opened after {crash}: {error}"))?;
                if self.receive(store, end)? {
                    return Ok(());
                }
            }
            self.report.in_recovery += 1;
            crash = self.vfs.down().unwrap_or(Crash::Kill);
        }
    }

    /// Holds a newly opened store against the model. False if it could not be read.
    fn receive(&mut self, store: Box<dyn Store>, end: End) -> Checked<bool> {
        let found = match scan(&*store, false) {
            Ok(found) => found,
            Err(error) => {
                drop(store);
                return self.excuse(error).map(|()| false);
            }
        };
        if self.vfs.down().is_some() {
            return Ok(false);
        }
        let lost_pages = self.vfs.take_lost_pages();
        let end = if lost_pages && end == End::Kill { End::LostPages } else { end };
        self.report.lost += self.model.recover(&found, end)? as u64;
        let spared = self.sequences[if end == End::Kill { 1 } else { 2 }];
        let now = store.sequence();
        if now < spared {
            return Err(format!("the sequence was {spared:?} and is {now:?}"));
        }
        self.sequences = [now, now, if end == End::Cut { now } else { self.sequences[2] }];
        let files = store.check_files();
        if !self.expects_errors() && self.vfs.down().is_none() {
            files?;
        }
        self.store = Some(store);
        self.check().map(|()| true)
    }
}
