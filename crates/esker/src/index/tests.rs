//! The index against a plain sorted list.

use super::*;
use crate::base::key::Entry;
use crate::block::BlockBuilder;
use proptest::prelude::*;

fn index(fences: &[Vec<u8>]) -> FenceIndex {
    let mut builder = BlockBuilder::default();
    for (i, fence) in fences.iter().enumerate() {
        let handle = Handle { offset: i as u64, ..Handle::default() };
        builder.push(Entry::put(fence, &handle.encode()), None);
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    FenceIndex::new(&block).unwrap()
}

fn check(fences: &[Vec<u8>], key: &[u8]) {
    let expected = fences.iter().rposition(|fence| &fence[..] <= key);
    assert_eq!(index(fences).find(key), expected, "{key:?} in {fences:?}");
}

#[test]
fn a_fence_is_short_and_between() {
    assert_eq!(fence(b"apple", b"banana"), b"b");
    assert_eq!(fence(b"user1000", b"user1010"), b"user101");
    assert_eq!(fence(b"a", b"ab"), b"ab");
    assert_eq!(fence(b"", b"\0"), b"\0");
}

#[test]
fn no_fence_finds_nothing() {
    assert_eq!(FenceIndex::default().find(b"a"), None);
    assert_eq!(FenceIndex::default().handle(0), None);
}

#[test]
fn fences_out_of_order_are_refused() {
    let mut builder = BlockBuilder::default();
    for key in [b"b", b"a"] {
        builder.push(Entry::put(key, &Handle::default().encode()), None);
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    assert_eq!(FenceIndex::new(&block).unwrap_err(), ("index order", 1));
}

/// Fences close together, and keys so far above them that the number of a slot has more than 32
/// bits.
#[test]
fn finds_keys_far_above_all_fences() {
    let key = |number: u64| [b"k", &number.to_be_bytes()[..]].concat();
    let counters = (1..256).map(|number| key(number << 8));
    let fences: Vec<_> = std::iter::once(b"k".to_vec()).chain(counters).collect();
    for far in (16..64).map(|bit| key(1 << bit)).chain([b"kz".to_vec()]) {
        check(&fences, &far);
    }
}

proptest! {
    #[test]
    fn finds_what_a_linear_search_finds(
        fences in prop::collection::btree_set("[ab\0\u{7f}]{0,12}", 1..60),
        keys in prop::collection::vec("[ab\0\u{7f}]{0,13}", 20),
    ) {
        let fences: Vec<Vec<u8>> = fences.into_iter().map(String::into_bytes).collect();
        for key in keys {
            check(&fences, key.as_bytes());
        }
        for key in &fences {
            check(&fences, key);
        }
    }

    #[test]
    fn finds_numbers(
        numbers in prop::collection::btree_set(any::<u64>(), 1..300),
        keys in prop::collection::vec(any::<u64>(), 50),
    ) {
        let fences: Vec<_> = numbers.iter().map(|n| n.to_be_bytes().to_vec()).collect();
        for key in keys.iter().chain(&numbers) {
            check(&fences, &key.to_be_bytes());
        }
    }
}
