//! Makes a failing script short.

use super::run::{Broken, run};
use super::script::{Script, Step};
use super::store::Opener;

/// Runs that shrinking may take.
const RUNS_MAX: usize = 3000;

struct Shrinker<'a> {
    opener: &'a dyn Opener,
    best: Script,
    broken: Broken,
    runs: usize,
}

/// A shorter script that fails too, and how. Gives `script` back if it does not fail.
pub fn shrink(opener: &dyn Opener, script: Script, broken: Broken) -> (Script, Broken) {
    let mut shrinker = Shrinker { opener, best: script, broken, runs: 0 };
    let end = shrinker.broken.step + 1;
    shrinker.try_steps(|steps| steps.truncate(end));
    loop {
        let before = shrinker.best.clone();
        shrinker.remove_steps();
        shrinker.simplify_steps();
        if shrinker.best == before || shrinker.runs >= RUNS_MAX {
            break;
        }
    }
    if let Err(broken) = run(opener, &shrinker.best, true) {
        shrinker.broken = broken;
    }
    (shrinker.best, shrinker.broken)
}

impl Shrinker<'_> {
    /// Keeps the script that `change` makes, if it still fails.
    fn try_steps(&mut self, change: impl FnOnce(&mut Vec<Step>)) -> bool {
        let mut script = self.best.clone();
        change(&mut script.steps);
        if script == self.best || self.runs >= RUNS_MAX {
            return false;
        }
        self.runs += 1;
        match run(self.opener, &script, false) {
            Ok(_) => false,
            Err(broken) => {
                self.best = script;
                self.broken = broken;
                true
            }
        }
    }

    /// Takes out runs of steps, long ones first.
    fn remove_steps(&mut self) {
        let mut length = self.best.steps.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.best.steps.len() {
                let end = (at + length).min(self.best.steps.len());
                if !self.try_steps(|steps| drop(steps.drain(at..end))) {
                    at += length;
                }
            }
            length /= 2;
        }
    }

    /// Makes single steps smaller.
    fn simplify_steps(&mut self) {
        for at in 0..self.best.steps.len() {
            match self.best.steps[at].clone() {
                Step::Write(level, changes) => {
                    for number in (0..changes.len()).rev() {
                        self.try_steps(|steps| {
                            if let Step::Write(_, changes) = &mut steps[at]
                                && changes.len() > 1
                            {
                                changes.remove(number);
                            }
                        });
                    }
                    let short = changes.iter().map(|change| {
                        let mut short = *change;
                        short.value = short.value.map(|(tag, _)| (tag, 0));
                        short
                    });
                    let short = Step::Write(level, short.collect());
                    self.try_steps(|steps| {
                        if let (Step::Write(_, now), Step::Write(_, short)) =
                            (&mut steps[at], short)
                            && now.len() == short.len()
                        {
                            *now = short;
                        }
                    });
                }
                Step::CrashIn(n, crash) => {
                    // A crash between two steps says more than one at a call.
                    let _ = self.try_steps(|steps| steps[at] = Step::Crash(crash))
                        || self.try_steps(|steps| steps[at] = Step::CrashIn(n / 2, crash));
                }
                _ => {}
            }
        }
    }
}
