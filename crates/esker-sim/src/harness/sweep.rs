//! Every call of a short history, once: crashed in every way, failed in every way.

use super::run::{Broken, Report, run};
use super::script::{Script, Step};
use super::store::Opener;
use crate::{Calls, Crash, Failure, PowerCut};

/// A script that failed, and how.
pub type Finding = (Script, Broken);

/// The calls that `script` makes.
fn calls(opener: &dyn Opener, script: &Script) -> Result<u64, Finding> {
    match run(opener, script, false) {
        Ok(report) => Ok(report.calls),
        Err(broken) => Err((script.clone(), broken)),
    }
}

fn with(script: &Script, first: &[Step]) -> Script {
    let steps = first.iter().chain(&script.steps).cloned().collect();
    Script { steps, ..*script }
}

fn run_all(
    opener: &dyn Opener,
    scripts: impl Iterator<Item = Script>,
) -> Result<Report, Box<Finding>> {
    let mut total = Report::default();
    for script in scripts {
        match run(opener, &script, false) {
            Ok(report) => total += report,
            Err(broken) => return Err(Box::new((script, broken))),
        }
    }
    Ok(total)
}

/// Every crash: a kill, and each pair of fates of data and names.
fn crashes(seed: u64) -> impl Iterator<Item = Crash> {
    std::iter::once(Crash::Kill).chain(PowerCut::every(seed).map(Crash::Power))
}

/// Plays `script` once for each of its calls and each kind of crash, crashing there.
///
/// # Errors
/// The first script that breaks a promise.
pub fn crash_everywhere(opener: &dyn Opener, script: &Script) -> Result<Report, Box<Finding>> {
    let calls = calls(opener, script).map_err(Box::new)?;
    let each = (1..=calls).flat_map(|n| crashes(n).map(move |crash| (n, crash)));
    run_all(opener, each.map(|(n, crash)| with(script, &[Step::CrashIn(n, crash)])))
}

/// Plays `script`, then crashes as `first` says, then once for each call of the recovery crashes
/// there too, in each way.
///
/// # Errors
/// The first script that breaks a promise.
pub fn crash_recovery_everywhere(
    opener: &dyn Opener,
    script: &Script,
    first: Crash,
) -> Result<Report, Box<Finding>> {
    let mut total = Report::default();
    for n in 1.. {
        let mut met = 0;
        for crash in crashes(n) {
            let mut script = with(script, &[Step::CrashRecovery(n, crash)]);
            script.steps.push(Step::Crash(first));
            let report = run_all(opener, std::iter::once(script))?;
            met += report.in_recovery;
            total += report;
        }
        if met == 0 {
            break;
        }
    }
    Ok(total)
}

/// Plays `script` once for each of its calls, letting that call fail in each way: alone, and with
/// all after it until the end.
///
/// # Errors
/// The first script that breaks a promise.
pub fn fail_everywhere(opener: &dyn Opener, script: &Script) -> Result<Report, Box<Finding>> {
    let calls = calls(opener, script).map_err(Box::new)?;
    let failures = Failure::ERRORS.iter();
    let ways = failures.flat_map(|f| [Calls::Nth, Calls::From].map(|way| (*f, way)));
    let ways: Vec<_> = ways.collect();
    let each = (1..=calls).flat_map(|n| ways.iter().map(move |(f, way)| (*f, way(n))));
    // The power goes after it, so that what was believed is put to the test.
    let end = |n| Step::Crash(Crash::Power(PowerCut::any(n)));
    run_all(
        opener,
        each.map(|(failure, calls)| {
            let mut script = with(script, &[Step::Fail(None, calls, failure)]);
            let (Calls::Nth(n) | Calls::From(n) | Calls::OneIn(n)) = calls;
            script.steps.push(end(n));
            script
        }),
    )
}

/// Plays `script` with every amount of free space that matters, in steps of `step` bytes up to
/// `most`; then there is room again.
///
/// # Errors
/// The first script that breaks a promise.
pub fn fill_everywhere(
    opener: &dyn Opener,
    script: &Script,
    step: usize,
    most: u64,
) -> Result<Report, Box<Finding>> {
    let each = (0..=most).step_by(step.max(1)).map(|bytes| {
        let mut full = with(script, &[Step::Full(bytes)]);
        full.steps.push(Step::Heal);
        full.steps.push(Step::Reopen);
        full.steps.extend(script.steps.iter().cloned());
        full.steps.push(Step::Crash(Crash::Power(PowerCut::any(bytes))));
        full
    });
    run_all(opener, each)
}
