//! The memtable under loom: every schedule of a writer beside readers, and every value that their
//! loads may see. Nodes are small here, so that few keys split them.

use super::*;
use crate::base::hash::key_hash;
use crate::base::sync::fences;
use loom::model::Builder;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn insert(memtable: &Memtable, key: &str, sequence: u64) {
    let entry = Entry { sequence, ..Entry::put(key.as_bytes(), key.as_bytes()) };
    memtable.insert(entry, key_hash(key.as_bytes()));
}

/// The keys that a run over the tree gives, leaf by leaf, upwards.
fn keys(memtable: &Memtable) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut run = memtable.run(Target::Start);
    loop {
        keys.extend(run.keys().flatten().map(|key| key.key().to_vec()));
        let Some(fence) = run.fence else { return keys };
        run = memtable.run(Target::AtLeast(fence.key()));
    }
}

/// What a reader does beside a writer that adds `new` to `old`.
fn beside_a_writer(old: &'static [&'static str], new: &'static str, read: fn(&Memtable, &[&str])) {
    check(move || {
        let memtable = Arc::new(Memtable::new(0));
        (1..).zip(old).for_each(|(sequence, key)| insert(&memtable, key, sequence));
        let reader = memtable.clone();
        let reader = loom::thread::spawn(move || read(&reader, old));
        insert(&memtable, new, 100);
        reader.join().unwrap();
        assert_eq!(keys(&memtable).len(), old.len() + 1);
    });
}

/// All old keys are seen, each once, in order.
fn scan(memtable: &Memtable, old: &[&str]) {
    let found = keys(memtable);
    assert!(found.is_sorted_by(|a, b| a < b), "out of order: {found:?}");
    let has = |key: &&str| found.iter().any(|found| found == key.as_bytes());
    assert!(old.iter().all(has), "of {old:?} only {found:?}");
}

/// The last of the old keys is where it is looked for.
fn seek(memtable: &Memtable, old: &[&str]) {
    let Some(last) = old.last() else { return };
    let run = memtable.run(Target::AtLeast(last.as_bytes()));
    let found = run.keys().next().flatten().map(|key| key.key());
    assert_eq!(found, Some(last.as_bytes()), "the key that was looked for");
}

#[test]
fn a_leaf_that_takes_a_key_shows_all_others() {
    beside_a_writer(&["b", "d"], "c", scan);
}

#[test]
fn a_leaf_that_takes_a_key_is_searched() {
    beside_a_writer(&["b", "d"], "c", seek);
}

#[test]
fn a_leaf_that_splits_below_a_new_root_shows_all_others() {
    beside_a_writer(&["b", "d", "f", "h"], "c", scan);
}

#[test]
fn a_leaf_that_splits_below_its_root_shows_all_others() {
    beside_a_writer(&["b", "d", "f", "h", "j"], "c", scan);
}

#[test]
fn a_look_up_finds_a_whole_version() {
    check(|| {
        let memtable = Arc::new(Memtable::new(0));
        insert(&memtable, "k", 1);
        let reader = memtable.clone();
        let reader = loom::thread::spawn(move || {
            let hash = key_hash(b"k");
            let (_, first, value) = reader.get(b"k", hash, u64::MAX >> 8).unwrap();
            assert_eq!(value, b"k");
            let (_, second, _) = reader.get(b"k", hash, u64::MAX >> 8).unwrap();
            assert!(first <= second, "a newer version, then an older one");
            assert_eq!(reader.get(b"k", hash, 1).unwrap().1, 1);
        });
        insert(&memtable, "k", 2);
        reader.join().unwrap();
    });
}

#[test]
#[should_panic = "the key that was looked for"]
fn a_change_that_begins_without_a_fence_is_found() {
    fences::leave_out(Ordering::Release);
    beside_a_writer(&["b", "d"], "c", seek);
}

#[test]
#[should_panic = "the key that was looked for"]
fn a_look_at_the_version_without_a_fence_is_found() {
    fences::leave_out(Ordering::Acquire);
    beside_a_writer(&["b", "d"], "c", seek);
}
