//! What a store must hold: the history that was issued, and how much of it each crash spares.
//!
//! # Invariants
//! - **O1** After a crash the store holds the state after some prefix of the history, in whole
//!   batches, and at least up to the last write whose acknowledgement outlives that crash.
//! - **O2** What a crash took stays gone: the history goes on from the prefix found.
//! - **O3** A write that failed is in the store or not, but only until the next one outlives the
//!   process: a store that goes on has decided. Until then it may be found in its place, if what
//!   came later is lost.

use super::store::{Batch, Level};
use std::collections::BTreeMap;

/// All keys with their values.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// Failed writes whose fate may be open at the same time.
pub const OPEN_MAX: usize = 5;

/// What a store was opened after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end of its process, or its closing.
    Kill,
    /// The same, when a failed sync had lost what was written but not durable.
    LostPages,
    /// A cut of the power.
    Cut,
}

/// The history since the last state that no crash can take.
#[derive(Clone, Debug, Default)]
pub struct Model {
    base: State,
    batches: Vec<Batch>,
    live: State,
    /// Batches that a kill spares; a cut of the power spares the base.
    kill_spares: usize,
    /// Writes that failed, and may be there all the same.
    open: Vec<Batch>,
    /// Those behind which others came that live in memory alone; with the batches before them.
    passed: Vec<(usize, Vec<Batch>)>,
}

fn apply(state: &mut State, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        }
    }
}

impl Model {
    /// What the store shows now.
    pub fn live(&self) -> &State {
        &self.live
    }

    /// Whether there are failed writes whose fate is open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// `batch` was written, and acknowledged at `level`.
    pub fn acknowledge(&mut self, batch: Batch, level: Level) {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.passed.push((self.batches.len(), open));
        }
        apply(&mut self.live, &batch);
        self.batches.push(batch);
        match level {
            Level::None => {}
            Level::Process => {
                self.kill_spares = self.batches.len();
                self.passed.clear();
            }
            Level::Power => self.harden(),
        }
    }

    /// A flush was acknowledged: nothing so far can be lost.
    pub fn harden(&mut self) {
        self.batches.drain(..).for_each(|batch| apply(&mut self.base, &batch));
        self.passed.clear();
        self.kill_spares = 0;
    }

    /// Writing `batch` failed.
    pub fn fail(&mut self, batch: Batch) {
        self.open.push(batch);
    }

    /// The running store shows `found`: decides which of the failed writes are in it.
    pub fn settle(&mut self, found: &State) -> Result<(), String> {
        for chosen in choices(&self.open) {
            let mut state = self.live.clone();
            chosen.iter().for_each(|batch| apply(&mut state, batch));
            if state == *found {
                self.live = state;
                // The ones that do not show may still be in a log.
                self.open.retain(|batch| !chosen.contains(batch));
                self.batches.extend(chosen);
                return Ok(());
            }
        }
        Err(difference(&self.live, found))
    }

    /// One that reads beside the store shows `found`: a prefix of the history, at least up to what
    /// the system has. Says nothing while the fate of failed writes is open.
    pub fn check_beside(&self, found: &State) -> Result<(), String> {
        if !self.open.is_empty() || !self.passed.is_empty() {
            return Ok(());
        }
        let mut state = self.base.clone();
        let (first, rest) = self.batches.split_at(self.kill_spares);
        first.iter().for_each(|batch| apply(&mut state, batch));
        for batch in rest {
            if state == *found {
                return Ok(());
            }
            apply(&mut state, batch);
        }
        if state == *found { Ok(()) } else { Err(difference(&state, found)) }
    }

    /// The store was opened after `end`, and holds `found`. Says how many batches were lost.
    pub fn recover(&mut self, found: &State, end: End) -> Result<usize, String> {
        let spared = if end == End::Kill { self.kill_spares } else { 0 };
        let mut state = self.base.clone();
        let mut kept = None;
        for count in 0..=self.batches.len() {
            if count >= spared && state == *found {
                kept = Some(count);
            }
            if let Some(batch) = self.batches.get(count) {
                apply(&mut state, batch);
            }
        }
        let lost = self.batches.len() - kept.unwrap_or(self.batches.len());
        match kept {
            Some(kept) => self.batches.truncate(kept),
            None if self.recover_passed(found, spared) => {}
            None => self.settle(found).map_err(|difference| self.explain(spared, &difference))?,
        }
        self.open.clear();
        self.passed.clear();
        self.live = found.clone();
        // What was read was with the system, or, after a cut, on the disk.
        self.kill_spares = self.batches.len();
        if end == End::Cut {
            self.harden();
        }
        Ok(lost)
    }

    fn explain(&self, spared: usize, difference: &str) -> String {
        let (all, open) = (self.batches.len(), self.open.len());
        format!(
            "no prefix of the history, of {spared} to {all} batches, {open} of them open; \
             against all of it: {difference}"
        )
    }

    /// Whether `found` ends with failed writes behind which all is lost.
    fn recover_passed(&mut self, found: &State, spared: usize) -> bool {
        for (count, failed) in &self.passed {
            for chosen in choices(failed).filter(|_| *count >= spared) {
                let mut state = self.base.clone();
                let before = self.batches[..*count].iter();
                before.chain(&chosen).for_each(|batch| apply(&mut state, batch));
                if state == *found {
                    self.batches.truncate(*count);
                    self.batches.extend(chosen);
                    return true;
                }
            }
        }
        false
    }
}

/// Every way in which failed writes may have happened: none first.
fn choices(failed: &[Batch]) -> impl Iterator<Item = Vec<Batch>> + use<> {
    let failed = failed.to_vec();
    (0..1_u32 << failed.len().min(OPEN_MAX)).map(move |set| {
        let is_in = |(number, _): &(usize, &Batch)| set >> number & 1 == 1;
        failed.iter().enumerate().filter(is_in).map(|(_, batch)| batch.clone()).collect()
    })
}

/// The first differences, in words.
pub fn difference(expected: &State, found: &State) -> String {
    let show = |value: Option<&Vec<u8>>| match value {
        Some(value) => String::from_utf8_lossy(&value[..value.len().min(12)]).into_owned(),
        None => "nothing".into(),
    };
    let mut keys: Vec<&Vec<u8>> = expected.keys().chain(found.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| expected.get(*key) != found.get(*key));
    let lines = keys.iter().take(6).map(|key| {
        let (expected, found) = (show(expected.get(*key)), show(found.get(*key)));
        format!("{}: expected {expected}, found {found}", String::from_utf8_lossy(key))
    });
    let lines: Vec<String> = lines.collect();
    format!("{} keys differ: {}", keys.len(), lines.join("; "))
}
