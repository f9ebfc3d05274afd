//! Runs of many seeds, and the message that a failing one leaves.
//!
//! `ESKER_SIM_SEED` plays one seed; `ESKER_SIM_RUNS` and `ESKER_SIM_SECONDS` play more than a test
//! does by itself; `ESKER_SIM_START` begins elsewhere than at seed 0. `ESKER_SIM_COVERAGE=1` prints
//! which faults have struck where.

use super::run::{Broken, Report, run};
use super::script::Script;
use super::shrink::shrink;
use super::store::Opener;
use super::{generate, sweep};
use std::time::{Duration, Instant};

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What to print about `script`, which failed: the same made short, how it failed, and how to
/// play it again.
pub fn explain(opener: &dyn Opener, script: Script, broken: Broken, again: &str) -> String {
    let (short, broken) = shrink(opener, script, broken);
    format!("{broken}\n\nshortest history found:\n{short}\nplay it again: {again}")
}

/// What to print about a finding of a sweep.
pub fn explain_finding(opener: &dyn Opener, finding: &sweep::Finding) -> String {
    let again = "put the history into a file in crates/esker-sim/cases";
    let (script, broken) = finding.clone();
    explain(opener, script, broken, again)
}

/// Prints the table of call sites and faults if the environment asks for it.
pub fn show_coverage(report: &Report) {
    if number("ESKER_SIM_COVERAGE").is_some() {
        println!("{}", report.coverage);
    }
}

/// Plays the script of each of `runs` seeds, or as many as the environment asks for.
///
/// # Errors
/// What to print about the first that fails; `test` is the name of the test that plays them.
pub fn play(opener: &dyn Opener, test: &str, runs: u64) -> Result<Report, String> {
    let mut first = number("ESKER_SIM_START").unwrap_or(0);
    let mut runs = number("ESKER_SIM_RUNS").unwrap_or(runs);
    let seconds = number("ESKER_SIM_SECONDS");
    if let Some(seed) = number("ESKER_SIM_SEED") {
        (first, runs) = (seed, 1);
    } else if seconds.is_some() {
        runs = u64::MAX - first;
    }
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut total = Report::default();
    for seed in first..first + runs {
        if until.is_some_and(|until| Instant::now() >= until) {
            println!("{} seeds from {first} on", seed - first);
            break;
        }
        let script = generate::script(seed);
        match run(opener, &script, false) {
            Ok(report) => total += report,
            Err(broken) => {
                let again =
                    format!("ESKER_SIM_SEED={seed} cargo test -p esker-sim {test} -- --nocapture");
                let message = explain(opener, script, broken, &again);
                let crashes = total.kills + total.cuts;
                let place = format!("seed {seed}, after {crashes} crashes, breaks a promise");
                return Err(format!("{place}\n{message}"));
            }
        }
    }
    println!("{total:?}");
    show_coverage(&total);
    Ok(total)
}
