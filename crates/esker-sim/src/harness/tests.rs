//! The harness lets a right store pass and catches every wrong one.

use super::generate;
use super::run::run;
use super::script::{Script, Step};
use super::seeds::{explain_finding, play};
use super::shrink::shrink;
use super::store::Opener;
use super::sweep;
use super::toy::{Mistake, ToyOpener};
use crate::{Crash, PowerCut};

const SHORT: &str = "machine 1 settings 0
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

fn short() -> Script {
    Script::parse(SHORT).unwrap()
}

#[test]
fn scripts_are_read_as_they_are_printed() {
    for seed in 0..300 {
        let script = generate::script(seed);
        assert_eq!(Script::parse(&script.to_string()), Ok(script));
    }
    assert!(Script::parse("machine 1 settings 0\nwrite often 1-").is_err());
    assert!(Script::parse("").is_err());
}

#[test]
fn a_right_store_passes() {
    let opener = ToyOpener(Mistake::None);
    let total = play(&opener, "a_right_store_passes", 1500).unwrap_or_else(|e| panic!("{e}"));
    assert!(total.kills > 500 && total.cuts > 500 && total.in_recovery > 100, "{total:?}");
    assert!(total.lost > 100 && total.failed > 500, "{total:?}");
}

#[test]
fn a_right_store_passes_at_every_call() {
    let opener = ToyOpener(Mistake::None);
    let show = |found: Box<sweep::Finding>| explain_finding(&opener, &found);
    sweep::crash_everywhere(&opener, &short()).map_err(show).unwrap();
    sweep::fail_everywhere(&opener, &short()).map_err(show).unwrap();
    sweep::fill_everywhere(&opener, &short(), 7, 4000).map_err(show).unwrap();
    for first in [Crash::Kill, Crash::Power(PowerCut::any(5))] {
        let report = sweep::crash_recovery_everywhere(&opener, &short(), first);
        assert!(report.map_err(show).unwrap().in_recovery > 100);
    }
}

#[test]
fn every_mistake_is_caught_by_random_histories() {
    for mistake in Mistake::ALL {
        let opener = ToyOpener(*mistake);
        let caught = (0..3000).find(|seed| run(&opener, &generate::script(*seed), false).is_err());
        println!("{mistake:?}: caught by seed {caught:?}");
        assert!(caught.is_some(), "{mistake:?}");
    }
}

#[test]
fn mistakes_of_durability_are_caught_by_the_sweep() {
    let durability = [
        Mistake::LogNotSynced,
        Mistake::TableNotSynced,
        Mistake::CurrentNotSynced,
        Mistake::NamesNotSynced,
        Mistake::OldRemovedTooEarly,
        Mistake::DirectoryNotSynced,
        Mistake::NoChecksum,
        Mistake::BatchInParts,
        Mistake::ProcessInMemory,
    ];
    for mistake in durability {
        assert!(
            sweep::crash_everywhere(&ToyOpener(mistake), &short()).is_err(),
            "{mistake:?} passes"
        );
    }
    let failing = [Mistake::SyncTriedAgain, Mistake::WriteErrorPassedOver];
    for mistake in failing {
        // What a failed sync leaves on the disk is drawn, and the toy syncs seldom.
        let mut machines = (1..20).map(|seed| Script { seed, ..short() });
        let is_caught =
            |script: Script| sweep::fail_everywhere(&ToyOpener(mistake), &script).is_err();
        assert!(machines.any(is_caught), "{mistake:?} passes");
    }
}

#[test]
fn a_failing_history_becomes_short() {
    let opener: &dyn Opener = &ToyOpener(Mistake::LogNotSynced);
    let failing = (0..).find_map(|seed| {
        let script = generate::script(seed);
        let broken = run(opener, &script, false).err()?;
        (script.steps.len() > 50).then_some((script, broken))
    });
    let (script, broken) = failing.unwrap();
    let (short, broken) = shrink(opener, script, broken);
    println!("{short}{broken}");
    assert!(short.steps.len() <= 4, "{short}");
    assert!(short.steps.iter().any(|step| matches!(step, Step::Write(..))));
    assert!(!broken.trace.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let opener = ToyOpener(Mistake::None);
    for seed in 0..100 {
        let play = || run(&opener, &generate::script(seed), false).map_err(|e| e.to_string());
        assert_eq!(play(), play());
    }
}
