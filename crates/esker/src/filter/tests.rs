//! No false negatives, few false positives, and bits that never change.

use super::*;
use crate::base::hash::key_hash;

fn hashes(range: std::ops::Range<u32>) -> Vec<u64> {
    range.map(|n| key_hash(&n.to_be_bytes())).collect()
}

#[test]
fn every_key_is_found_and_few_others() {
    let all = hashes(0..100_000);
    for (bits_per_key, most) in [(10, 0.016), (14, 0.006)] {
        let filter = build(&all, bits_per_key);
        assert!(all.iter().all(|&h| may_contain(&filter, h)));
        let others = hashes(1_000_000..1_100_000);
        let wrong = others.iter().filter(|&&h| may_contain(&filter, h)).count();
        assert!((wrong as f64) < most * 100_000.0, "{wrong} of 100,000 at {bits_per_key} bits");
    }
}

#[test]
fn no_keys_and_no_bytes() {
    let filter = build(&[], 10);
    assert!(is_well_formed(&filter));
    assert!(!may_contain(&filter, key_hash(b"")));
    assert!(may_contain(&[], 7));
    assert!(!is_well_formed(&[0; 31]));
}

#[test]
fn the_bits_are_fixed() {
    let filter = build(&hashes(0..3), 10);
    let hex: String = filter.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(filter.len(), BUCKET_BYTES);
    assert_eq!(hex, "2080080000002021008040101000880000000700402080004000200102200200");
}
