//! The memtable against a versioned map; readers beside a writer.

use super::*;
use crate::base::hash::key_hash;
use crate::base::key::SEQUENCE_MAX;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, Vec<(u64, Option<Vec<u8>>)>>;

fn fill(writes: &[(Vec<u8>, Option<Vec<u8>>)]) -> (Arc<Memtable>, Model) {
    let memtable = Arc::new(Memtable::new(1 << 12));
    let mut model = Model::new();
    for (i, (key, value)) in writes.iter().enumerate() {
        let sequence = i as u64 + 1;
        let kind = if value.is_some() { ValueKind::Put } else { ValueKind::Tombstone };
        let bytes = value.as_deref().unwrap_or_default();
        memtable.insert(Entry { key, value: bytes, sequence, kind }, key_hash(key));
        model.entry(key.clone()).or_default().insert(0, (sequence, value.clone()));
    }
    (memtable, model)
}

fn seen(model: &Model, sequence: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let visible = |versions: &Vec<(u64, Option<Vec<u8>>)>| {
        versions.iter().find(|v| v.0 <= sequence).map(|v| v.1.clone())
    };
    model.iter().filter_map(|(k, v)| Some((k.clone(), visible(v)?))).collect()
}

fn here(cursor: &MemtableCursor) -> (Vec<u8>, Option<Vec<u8>>) {
    let value = (cursor.kind() == ValueKind::Put).then(|| cursor.value().to_vec());
    (cursor.key().to_vec(), value)
}

fn check(memtable: &Arc<Memtable>, model: &Model, sequence: u64, probes: &[Vec<u8>]) {
    let expected = seen(model, sequence);
    let mut cursor = memtable.cursor(sequence);
    let mut up = Vec::new();
    let mut on = cursor.first();
    while on {
        up.push(here(&cursor));
        on = cursor.next();
    }
    assert_eq!(up, expected);
    let mut down = Vec::new();
    let mut on = cursor.last();
    while on {
        down.push(here(&cursor));
        on = cursor.prev();
    }
    down.reverse();
    assert_eq!(down, expected);
    for probe in probes.iter().chain(model.keys()) {
        let found = memtable.get(probe, key_hash(probe), sequence);
        let found = found.map(|(kind, _, v)| (kind == ValueKind::Put).then(|| v.to_vec()));
        let wanted = expected.iter().find(|e| e.0 == *probe).map(|e| e.1.clone());
        assert_eq!(found, wanted);
        let bound = expected.partition_point(|e| e.0 < *probe);
        let on = cursor.seek(probe);
        assert_eq!(on.then(|| here(&cursor)).as_ref(), expected.get(bound));
        if on && cursor.prev() {
            assert_eq!(Some(here(&cursor)), bound.checked_sub(1).map(|b| expected[b].clone()));
            assert!(cursor.next());
            assert_eq!(here(&cursor), expected[bound]);
        }
        let on = cursor.seek_before(probe);
        let before = bound.checked_sub(1).map(|b| expected[b].clone());
        assert_eq!(on.then(|| here(&cursor)), before);
        if on {
            assert_eq!(cursor.next().then(|| here(&cursor)).as_ref(), expected.get(bound));
        }
    }
}

fn all_versions(memtable: &Memtable) -> Vec<(Vec<u8>, u64)> {
    let mut all = Vec::new();
    memtable
        .for_each(|entry| {
            all.push((entry.key.to_vec(), entry.sequence));
            Ok(())
        })
        .unwrap();
    all
}

fn all_by_cursor(memtable: &Arc<Memtable>) -> Vec<(Vec<u8>, u64)> {
    let mut all = Vec::new();
    let mut cursor = memtable.cursor(SEQUENCE_MAX);
    let mut on = cursor.first();
    while on {
        all.push((cursor.key().to_vec(), cursor.sequence()));
        on = cursor.older() || cursor.next();
    }
    all
}

fn check_all(writes: &[(Vec<u8>, Option<Vec<u8>>)], probes: &[Vec<u8>]) {
    let (memtable, model) = fill(writes);
    for sequence in [0, 1, writes.len() as u64 / 2, writes.len() as u64] {
        check(&memtable, &model, sequence, probes);
    }
    let versions = model.iter().flat_map(|(k, v)| v.iter().map(move |v| (k.clone(), v.0)));
    let versions: Vec<_> = versions.collect();
    assert_eq!(all_versions(&memtable), versions);
    assert_eq!(all_by_cursor(&memtable), versions);
    let ends = model.keys().next().map(|k| &k[..]).zip(model.keys().last().map(|k| &k[..]));
    assert_eq!(memtable.bounds(), ends);
}

proptest! {
    #[test]
    fn behaves_like_a_versioned_map(
        writes in prop::collection::vec(("[ab\0]{0,12}", prop::option::of("[a-c]{0,9}")), 0..400),
        probes in prop::collection::vec("[ab\0]{0,13}", 20),
    ) {
        let writes: Vec<_> =
            writes.into_iter().map(|(k, v)| (k.into_bytes(), v.map(String::into_bytes))).collect();
        let probes: Vec<_> = probes.into_iter().map(String::into_bytes).collect();
        check_all(&writes, &probes);
    }
}

#[test]
fn holds_keys_of_every_shape() {
    let number = |n: u64| key_hash(&n.to_le_bytes());
    let shapes: [fn(u64) -> Vec<u8>; 5] = [
        |n| format!("{n:06}").into_bytes(),
        |n| format!("{:06}", 9_999 - n).into_bytes(),
        |n| format!("user{:012}", key_hash(&n.to_le_bytes()) % 1_000_000_000).into_bytes(),
        |n| [&[b'x'; 60][..], &key_hash(&n.to_le_bytes()).to_be_bytes()].concat(),
        |n| vec![b'y'; (n % 150) as usize],
    ];
    for shape in shapes {
        let writes: Vec<_> = (0..3_000)
            .map(|n| (shape(n), (n % 7 != 0).then(|| number(n).to_le_bytes().to_vec())))
            .collect();
        check_all(&writes, &[]);
    }
}

#[test]
fn readers_see_whole_prefixes_beside_a_writer() {
    let memtable = Arc::new(Memtable::new(1 << 20));
    let published = AtomicU64::new(0);
    let key = |n: u64| format!("k{:016x}", key_hash(&n.to_le_bytes())).into_bytes();
    let total = 20_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=total {
                let key = key(n);
                let entry = Entry { sequence: n, ..Entry::put(&key, &key) };
                memtable.insert(entry, key_hash(&key));
                published.store(n, Ordering::Release);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let sequence = published.load(Ordering::Acquire);
                    for n in [1, sequence / 2, sequence] {
                        let key = key(n);
                        let found = memtable.get(&key, key_hash(&key), sequence);
                        assert_eq!(found.is_some(), n > 0 && n <= sequence);
                    }
                    let mut cursor = memtable.cursor(sequence);
                    let (mut count, mut last) = (0, Vec::new());
                    let mut on = cursor.first();
                    while on {
                        assert!(cursor.key() > &last[..] && cursor.key() == cursor.value());
                        last = cursor.key().to_vec();
                        count += 1;
                        on = cursor.next();
                    }
                    assert_eq!(count, sequence, "no key twice in the test data");
                    let mut on = cursor.last();
                    while on {
                        count -= 1;
                        on = cursor.prev();
                    }
                    assert_eq!(count, 0);
                    if sequence == total {
                        break;
                    }
                }
            });
        }
    });
}

/// Puts keys with the letter `kind` until about `bytes` bytes are taken; returns how many.
fn fill_with(memtable: &Memtable, kind: char, bytes: usize) -> u64 {
    let mut count = 0;
    while memtable.resident_bytes() < bytes {
        count += 1;
        let key = format!("{kind}{count:06}");
        let entry = Entry { sequence: count, ..Entry::put(key.as_bytes(), &[7; 1000]) };
        memtable.insert(entry, key_hash(key.as_bytes()));
    }
    count
}

#[test]
fn memory_that_is_left_is_used_again_and_shows_nothing_of_before() {
    let spare = Arc::new(SpareMemory::new(6 << 20));
    let memtable = Memtable::in_spare(1 << 20, spare.clone());
    let count = fill_with(&memtable, 'a', 9 << 20);
    assert_eq!(spare.bytes(), 0);
    drop(memtable);
    assert_eq!(spare.bytes(), 6 << 20, "no more than there is room for");

    let memtable = Arc::new(Memtable::in_spare(1 << 20, spare.clone()));
    assert_eq!(fill_with(&memtable, 'b', 9 << 20), count);
    assert_eq!(spare.bytes(), 0);
    for i in 1..=count {
        let (old, new) = (format!("a{i:06}"), format!("b{i:06}"));
        assert!(memtable.get(old.as_bytes(), key_hash(old.as_bytes()), count).is_none());
        assert!(memtable.get(new.as_bytes(), key_hash(new.as_bytes()), count).is_some());
    }
    let mut seen = 0;
    memtable
        .for_each(|entry| {
            seen += 1;
            assert_eq!(entry.key, format!("b{seen:06}").as_bytes());
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, count);
}

#[test]
fn memory_is_made_ahead_as_far_as_it_is_wanted() {
    let spare = SpareMemory::new(6 << 20);
    assert!(!spare.is_short());
    assert!(!spare.want(1 << 20), "less than a chunk");
    let mut made = 0;
    while spare.want(100 << 20) {
        spare.make();
        made += 1;
    }
    assert_eq!((made, spare.bytes()), (3, 6 << 20));
    spare.clear();
    assert_eq!(spare.bytes(), 0);
    assert!(!spare.is_short(), "until someone wants it again");
}
