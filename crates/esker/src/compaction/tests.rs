//! Which versions stay, and what is picked.

use super::retention::{Fate, Retention};
use super::*;
use crate::base::key::ValueKind::{Put, Tombstone};
use proptest::prelude::*;

/// What a reader at `sequence` sees of versions that stand newest first.
fn seen(versions: &[(u64, bool)], sequence: u64) -> Option<(u64, bool)> {
    versions.iter().copied().find(|v| v.0 <= sequence)
}

proptest! {
    #[test]
    fn every_reader_sees_what_it_saw(
        numbers in prop::collection::btree_map(1u64..40, any::<bool>(), 0..12),
        snapshots in prop::collection::btree_set(0u64..40, 0..6),
        is_bottom in any::<bool>(),
    ) {
        let versions: Vec<(u64, bool)> = numbers.into_iter().rev().collect();
        let boundaries = Boundaries::new(snapshots.iter().copied(), 40);
        let mut retention = Retention::new(&boundaries);
        let mut kept = Vec::new();
        for (i, &(sequence, is_put)) in versions.iter().enumerate() {
            let kind = if is_put { Put } else { Tombstone };
            match retention.decide(i == 0, sequence, kind, || is_bottom) {
                Fate::Keep => kept.push((sequence, is_put)),
                Fate::KeepAsOldest => kept.push((0, is_put)),
                Fate::Drop => {}
            }
        }
        for &reader in snapshots.iter().chain(&[40]) {
            let value = |v: Option<(u64, bool)>| v.filter(|v| v.1 || !is_bottom).map(|v| v.1);
            assert_eq!(value(seen(&kept, reader)), value(seen(&versions, reader)), "{reader}");
        }
        assert!(kept.len() <= snapshots.len() + 1);
    }
}
