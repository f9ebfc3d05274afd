//! Random scripts.

use super::run::KEYS;
use super::script::{Change, Script, Step};
use super::store::Level;
use crate::engine::INLINE_VARIANTS;
use crate::random::Random;
use crate::{Calls, Crash, DataFate, Failure, NamesFate, OpKind, PowerCut};

/// What scripts of one kind have in common; drawn anew for each, so that some are all of one
/// kind.
struct Profile {
    keys: u32,
    batch_max: u64,
    value_max: u64,
    levels: Vec<Level>,
    /// Crashes in a thousand steps.
    crashes: u64,
    /// Failing calls in a thousand steps.
    faults: u64,
    /// Calls that a crash may wait for.
    wait_max: u64,
}

impl Profile {
    fn draw(random: &mut Random) -> Profile {
        let levels: [&[Level]; 5] = [
            Level::ALL,
            &[Level::Power],
            &[Level::Process, Level::Power],
            &[Level::None, Level::Power],
            &[Level::None, Level::Process],
        ];
        Profile {
            keys: random.pick(&[3, 12, KEYS]),
            batch_max: random.pick(&[1, 4, 12]),
            value_max: random.pick(&[8, 60, 400, 3000]),
            levels: random.pick(&levels).to_vec(),
            crashes: random.pick(&[20, 60, 150]),
            faults: random.pick(&[0, 0, 0, 40]),
            wait_max: random.pick(&[4, 20, 100]),
        }
    }
}

/// The script that belongs to `seed`.
pub fn script(seed: u64) -> Script {
    let mut random = Random::new(seed);
    let profile = Profile::draw(&mut random);
    let length = random.pick(&[20, 60, 150]);
    let mut tag = 0;
    let steps = (0..length).map(|_| step(&profile, &mut tag, &mut random)).collect();
    Script { seed: random.bits(), variant: variant(&mut random), steps }
}

/// A number of settings: a third of them with threads.
fn variant(random: &mut Random) -> u64 {
    random.below(INLINE_VARIANTS) + if random.chance(1, 3) { INLINE_VARIANTS } else { 0 }
}

fn step(profile: &Profile, tag: &mut u32, random: &mut Random) -> Step {
    let dice = random.below(1000);
    if dice < profile.crashes {
        return crash_step(profile, random);
    }
    if dice < profile.crashes + profile.faults {
        return fault_step(random);
    }
    match random.below(100) {
        0..=3 => Step::Flush,
        4..=5 => Step::Compact,
        6 => rare(profile, tag, random),
        7 => Step::Place,
        8..=11 => Step::Snapshot,
        12..=14 => Step::Release,
        15..=19 => Step::Check,
        20 => Step::Rest,
        21..=23 => Step::Reopen,
        _ => Step::Write(random.pick(&profile.levels), changes(profile, tag, random)),
    }
}

/// What happens to a database now and then.
fn rare(profile: &Profile, tag: &mut u32, random: &mut Random) -> Step {
    match random.below(8) {
        0..=3 => {
            let mut changes = changes(profile, tag, random);
            changes.sort_by_key(|change| change.key);
            changes.dedup_by_key(|change| change.key);
            Step::Ingest(changes)
        }
        4 => Step::Copy,
        5 => Step::Reader,
        6 => Step::Aside,
        _ => Step::Settings(variant(random)),
    }
}

/// Changes of a batch: values carry numbers that no other write has.
fn changes(profile: &Profile, tag: &mut u32, random: &mut Random) -> Vec<Change> {
    let count = 1 + random.below(profile.batch_max);
    let mut one = || {
        let key = random.below(u64::from(profile.keys)) as u32;
        *tag += 1;
        let length = random.below(profile.value_max + 1) as u32;
        let value = (!random.chance(1, 4)).then_some((*tag, length));
        Change { key, value }
    };
    (0..count).map(|_| one()).collect()
}

/// A crash of any kind.
pub fn crash(random: &mut Random) -> Crash {
    if random.chance(1, 3) {
        return Crash::Kill;
    }
    let (mut data, mut names) = (DataFate::Mixed, NamesFate::Mixed);
    if random.chance(1, 2) {
        data = random.pick(DataFate::ALL);
        names = random.pick(NamesFate::ALL);
    }
    Crash::Power(PowerCut { data, names, seed: random.bits() >> 32 })
}

fn crash_step(profile: &Profile, random: &mut Random) -> Step {
    let crash = crash(random);
    let n = 1 + random.below(profile.wait_max);
    match random.below(6) {
        0 => Step::Crash(crash),
        1..=2 => Step::CrashRecovery(n, crash),
        _ => Step::CrashIn(n, crash),
    }
}

fn fault_step(random: &mut Random) -> Step {
    match random.below(8) {
        0 => Step::Full(random.below(4000)),
        1..=3 => Step::Heal,
        _ => {
            let kind = random.chance(2, 3).then(|| random.pick(OpKind::ALL));
            let n = 1 + random.below(30);
            let calls = random.pick(&[Calls::Nth(n), Calls::From(n), Calls::OneIn(n)]);
            Step::Fail(kind, calls, random.pick(Failure::ERRORS))
        }
    }
}
