//! Random histories, and every call of short ones.

use esker_sim::engine::EngineOpener;
use esker_sim::harness::closing::{close_holes, holes};
use esker_sim::harness::generate;
use esker_sim::harness::run::{Report, run};
use esker_sim::harness::script::Script;
use esker_sim::harness::seeds::{explain_finding, play, show_coverage};
use esker_sim::harness::sweep;
use esker_sim::{Crash, PowerCut};

#[test]
fn random_histories() {
    let played = play(&EngineOpener, "random_histories", 1000);
    if let Err(message) = played {
        panic!("{message}");
    }
}

#[test]
fn esker_does_the_same_for_the_same_seed() {
    for seed in 0..40 {
        let script = generate::script(seed);
        let play = || run(&EngineOpener, &script, false).map_err(|broken| broken.to_string());
        assert_eq!(play(), play(), "seed {seed}");
    }
}

/// A short history that meets every kind of file.
fn short() -> Script {
    let text = "machine 1 settings 3
        write power 1=1x20 2=2x700
        write none 1=3x5
        write process 2- 3=4x40
        snapshot
        flush
        write power 1-
        write process 4=5x9 5=6x9
        release
        compact
        write power 2=7x9
        write power 5=8x9
        check";
    Script::parse(text).unwrap()
}

/// A history that comes to rest with a memtable above a table, both above what lies deeper.
fn resting() -> Script {
    let text = "machine 1 settings 6
        write power 1=1x900 2=2x900 3=3x900
        rest
        write process 1=4x500 2-
        flush
        write process 3=5x400 4=6x400
        snapshot
        write process 3=7x300 1-
        rest
        release
        write power 2=8x9
        check";
    Script::parse(text).unwrap()
}

/// Prints what a sweep did; what it found fails the test.
fn hold(done: Result<Report, Box<sweep::Finding>>) {
    match done {
        Ok(report) => println!("{report:?}"),
        Err(found) => panic!("{}", explain_finding(&EngineOpener, &found)),
    }
}

#[test]
fn a_crash_at_every_call() {
    hold(sweep::crash_everywhere(&EngineOpener, &short()));
}

#[test]
fn a_crash_at_every_call_of_a_rest() {
    hold(sweep::crash_everywhere(&EngineOpener, &resting()));
}

#[test]
fn a_failure_of_every_call_of_a_rest() {
    hold(sweep::fail_everywhere(&EngineOpener, &resting()));
}

#[test]
fn a_failure_of_every_call() {
    hold(sweep::fail_everywhere(&EngineOpener, &short()));
}

#[test]
fn a_disk_full_at_every_byte() {
    hold(sweep::fill_everywhere(&EngineOpener, &short(), 8, 6000));
}

#[test]
fn a_crash_at_every_call_of_a_recovery() {
    for first in [Crash::Kill, Crash::Power(PowerCut::any(5))] {
        hold(sweep::crash_recovery_everywhere(&EngineOpener, &short(), first));
    }
}

/// Seeds whose histories show the call sites: with and without failures.
const SITE_SEEDS: u64 = 150;

#[test]
fn every_fault_at_every_call_site() {
    let scripts = (0..SITE_SEEDS).map(generate::script);
    match close_holes(&EngineOpener, scripts) {
        Ok(report) => {
            println!("{report:?}");
            show_coverage(&report);
            let holes = holes(&report);
            let holes: Vec<String> = holes.iter().map(|(s, f)| format!("{s} {f:?}")).collect();
            assert!(holes.is_empty(), "{} empty cells:\n{}", holes.len(), holes.join("\n"));
        }
        Err(found) => panic!("{}", explain_finding(&EngineOpener, &found)),
    }
}
