//! A panic at every call, caught by the caller: under locks, in jobs, in the writer and beside it.

use crate::{Content, DIRECTORY, content, key, put};
use esker::{Db, ErrorKind, Result};
use esker_sim::engine::{INLINE_VARIANTS, settings};
use esker_sim::{Calls, Failure, Rule, SimVfs};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes that each history tries.
const WRITES: u32 = 60;

/// Writes, flushes and compacts until something panics or is refused; says what was acknowledged.
fn work(db: &Db) -> Content {
    let mut acknowledged = Content::new();
    for number in 0..WRITES {
        let value = vec![number as u8; 200];
        let caught = |act: &dyn Fn() -> Result<()>| match catch_unwind(AssertUnwindSafe(act)) {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
                false
            }
            Err(_) => false,
        };
        if caught(&|| put(db, &key(number), &value)) {
            acknowledged.insert(key(number), value);
        }
        if number % 20 == 9 {
            caught(&|| db.flush());
        }
        if number % 30 == 19 {
            caught(&|| db.compact_range::<&[u8]>(..));
        }
    }
    acknowledged
}

/// Plays with a panic at call `n` after the opening. False if there are not so many calls.
fn play(n: u64, variant: u64) -> bool {
    let vfs = SimVfs::new(n);
    if variant >= INLINE_VARIANTS {
        vfs.take_turns();
    }
    let db = Db::open(DIRECTORY, settings(&vfs, variant)).unwrap();
    let before = vfs.calls();
    vfs.fail(Rule::new(Calls::Nth(n), Failure::Panic));
    let acknowledged = work(&db);
    let was_met = vfs.calls() - before >= n;
    // What is acknowledged can be read, now and after the next opening.
    if let Ok(Ok(shown)) = catch_unwind(AssertUnwindSafe(|| content(&db))) {
        let is_shown = |(key, value): (&Vec<u8>, &Vec<u8>)| shown.get(key) == Some(value);
        assert!(acknowledged.iter().all(is_shown), "call {n}: an acknowledged write is not shown");
    }
    // It may be the closing that panics.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    vfs.heal();
    let db = Db::open(DIRECTORY, settings(&vfs, variant)).unwrap();
    let found = content(&db).unwrap();
    let is_there = |(key, value): (&Vec<u8>, &Vec<u8>)| found.get(key) == Some(value);
    assert!(acknowledged.iter().all(is_there), "call {n}: an acknowledged write is lost");
    // The one that panicked is there or not.
    assert!(found.len() <= acknowledged.len() + 1, "call {n}: something was refused and is there");
    put(&db, b"goes on", b"").unwrap();
    db.verify().unwrap();
    was_met
}

#[test]
fn a_panic_at_every_call_leaves_a_sound_database() {
    for variant in [3, 3 + INLINE_VARIANTS] {
        let calls = (1..).take_while(|n| play(*n, variant)).count();
        println!("settings {variant}: {calls} calls");
        assert!(calls > 100);
    }
}
