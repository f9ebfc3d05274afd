//! Blocks against a sorted list, through every width that a column can have.

use super::view::Found;
use super::*;
use crate::base::hash::key_hash;
use crate::base::key::{Entry, SEQUENCE_MAX, ValueKind};
use proptest::prelude::*;

type Owned = (Vec<u8>, u64, ValueKind, Vec<u8>);

/// Sorts as entries are sorted and drops exact repetitions.
fn sorted(mut entries: Vec<Owned>) -> Vec<Owned> {
    entries.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    entries.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    entries
}

fn build(entries: &[Owned], tags: bool) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for (key, sequence, kind, value) in entries {
        let entry = Entry { key, value, sequence: *sequence, kind: *kind };
        builder.push(entry, tags.then(|| key_hash(key)));
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    block
}

fn check(entries: &[Owned], tags: bool, probes: &[Vec<u8>]) {
    let block = build(entries, tags);
    let layout = Layout::parse(&block).unwrap();
    let view = BlockView::new(&block, &layout);
    assert_eq!(view.count(), entries.len());
    let mut buffer = vec![0xee; 30];
    view.write_prefix(&mut buffer);
    for (i, (key, sequence, kind, value)) in entries.iter().enumerate() {
        let len = view.write_key(i, &mut buffer).unwrap();
        assert_eq!(buffer[..len], key[..]);
        let put = view.write_put(i, &mut buffer);
        let wanted = (*kind == ValueKind::Put).then_some((&key[..], &value[..]));
        assert_eq!(put.map(|(key, value, _)| (key, value)), wanted);
        let far = view.write_far_put(i, &mut buffer);
        let near = view.write_near_put(view.heads().unwrap(), i, &mut buffer);
        assert_eq!(far.is_some(), wanted.is_some());
        assert!(near.is_none() || near == far);
        let written = far.map(|(len, range)| (&buffer[..len], &block[range]));
        assert_eq!(written, wanted);
        assert_eq!(view.key(i).as_ref(), Some(key));
        assert_eq!(view.meta(i), Some((*sequence, *kind)));
        assert_eq!(view.value(i), Some(&value[..]));
        if i > 0 {
            assert_eq!(view.same_key(i - 1, i), Some(entries[i - 1].0 == *key));
        }
    }
    let keys = entries.iter().map(|e| &e.0);
    for probe in keys.chain(probes) {
        let bound = entries.partition_point(|e| e.0 < *probe);
        assert_eq!(view.lower_bound(probe), Some(bound), "{probe:?}");
        for i in [0, bound / 2, bound.min(entries.len() - 1), entries.len() - 1] {
            assert_eq!(view.compare_key(i, probe), Some(entries[i].0.cmp(probe)), "{i}, {probe:?}");
        }
        let is_there = entries.get(bound).is_some_and(|e| e.0 == *probe);
        let last = if is_there { Some(bound) } else { bound.checked_sub(1) };
        assert_eq!(view.last_at_most(probe, |_| 0..entries.len()), Some(last), "{probe:?}");
        for most in [SEQUENCE_MAX, 300, 0] {
            let expected = entries.iter().position(|e| e.0 == *probe && e.1 <= most);
            let expected = expected.map(|i| {
                let value = view.value_range(i).unwrap();
                Found { sequence: entries[i].1, kind: entries[i].2, value }
            });
            let found = view.find(probe, key_hash(probe), |s| s <= most);
            assert_eq!(found, Some(expected), "{probe:?} at {most}");
        }
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[ab\0]{0,12}".prop_map(String::into_bytes),
        "user/[01]{9}".prop_map(String::into_bytes),
    ]
}

fn entry() -> impl Strategy<Value = Owned> {
    let sequence = prop_oneof![Just(0), 0..4u64, 0..100_000u64, 0..=SEQUENCE_MAX];
    let value = prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 3),
        prop::collection::vec(any::<u8>(), 0..40),
        (65_530usize..65_600).prop_map(|n| vec![7; n]),
    ];
    (key(), sequence, any::<bool>(), value).prop_map(|(key, sequence, deleted, value)| {
        if deleted {
            (key, sequence, ValueKind::Tombstone, Vec::new())
        } else {
            (key, sequence, ValueKind::Put, value)
        }
    })
}

proptest! {
    #[test]
    fn any_entries_come_back(
        entries in prop::collection::vec(entry(), 1..80),
        probes in prop::collection::vec(key(), 20),
        tags in any::<bool>(),
    ) {
        check(&sorted(entries), tags, &probes);
    }

    #[test]
    fn entries_of_one_shape_come_back(
        keys in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 16), 1..300),
        value_len in 0usize..50,
    ) {
        let entries: Vec<Owned> =
            keys.into_iter().map(|k| (k, 0, ValueKind::Put, vec![1; value_len])).collect();
        check(&entries, true, &[vec![0; 16], vec![255; 16], vec![]]);
    }

    /// Whatever the bytes, reading gives an answer or `None`; it neither panics nor hangs.
    #[test]
    fn broken_blocks_are_harmless(
        entries in prop::collection::vec(entry(), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut block = build(&sorted(entries), true);
        for (at, byte) in flips {
            let at = at.index(block.len().min(400));
            block[at] = byte;
        }
        let Ok(layout) = Layout::parse(&block) else { return Ok(()) };
        let view = BlockView::new(&block, &layout);
        let mut buffer = Vec::new();
        view.write_prefix(&mut buffer);
        for i in 0..view.count().min(100) {
            let _ = view.write_put(i, &mut buffer);
            let _ = view.heads().map(|heads| view.write_near_put(heads, i, &mut buffer));
            let _ = view.compare_key(i, b"user/1");
            let (_, _, _) = (view.key(i), view.meta(i), view.value(i));
            let _ = view.compare(i, i / 2);
        }
        let _ = view.lower_bound(b"user/1");
        let _ = view.find(b"user/1", key_hash(b"user/1"), |_| true);
    }
}

#[test]
fn one_entry_with_nothing_in_it() {
    check(&[(vec![], 0, ValueKind::Put, vec![])], true, &[vec![0]]);
}

#[test]
fn a_key_of_the_greatest_length() {
    let key = vec![0xff; crate::base::key::KEY_BYTES_MAX];
    check(&[(key, SEQUENCE_MAX, ValueKind::Tombstone, vec![])], true, &[vec![0xff; 9]]);
}

#[test]
fn sequences_that_fit_no_narrow_column() {
    let versions = [SEQUENCE_MAX, 1 << 40, 1 << 20, 1 << 10, 9, 0];
    let entries: Vec<Owned> =
        versions.iter().map(|&s| (b"k".to_vec(), s, ValueKind::Put, vec![s as u8])).collect();
    check(&entries, true, &[]);
    check(&entries[3..], false, &[]);
}

#[test]
fn a_tail_after_a_short_head_is_refused() {
    let keys = [&b"a key of some length"[..], b"one more of such", b"short"];
    let [first, second, short] = keys.map(|key| (key.to_vec(), 0, ValueKind::Put, vec![]));
    let mut block = build(&[first.clone(), second], false);
    block[9] = 3;
    assert!(Layout::parse(&block).is_err_and(|(what, _)| what == "block tails"));
    let mut block = build(&[first, short.clone()], false);
    let layout = Layout::parse(&block).unwrap();
    block[layout.head_lens] = 3;
    let view = BlockView::new(&block, &layout);
    assert_eq!((view.key(0), view.key(1)), (None, Some(short.0)));
}

#[test]
fn lengths_past_the_end_are_refused() {
    let block = build(&[(b"a".to_vec(), 0, ValueKind::Put, b"b".to_vec())], true);
    assert!(Layout::parse(&block[..block.len() - 1]).is_err());
    assert!(Layout::parse(&block[..10]).is_err());
    for at in [0, 4, 32] {
        let mut huge = block.clone();
        huge[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Layout::parse(&huge).is_err(), "field at {at}");
    }
}
