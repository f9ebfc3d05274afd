//! Which versions stay, and what is picked.

use super::retention::{Fate, Retention};
use super::*;
use crate::base::key::ValueKind::{Put, Tombstone};
use crate::version::{Change, TableHandle, TableMeta, TablePool, Version};
use proptest::prelude::*;
use std::sync::Arc;

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

mod dividing {
    use crate::cache::BlockCache;
    use crate::compaction::{Compaction, Part, parts};
    use crate::version::{TableHandle, TableMeta, TablePool};
    use crate::vfs::{MemVfs, Vfs};
    use crate::{TableFile, WriteSettings};
    use std::sync::Arc;

    /// A table for each range of numbers, which are its keys.
    fn compaction(ranges: &[(u32, u32)]) -> Compaction {
        let vfs: Arc<dyn Vfs> = Arc::new(MemVfs::default());
        let cache = Arc::new(BlockCache::new(1 << 20));
        let pool = Arc::new(TablePool::new(vfs.clone(), cache, "db".into(), 1));
        let table = |(number, &(first, end)): (usize, &(u32, u32))| {
            let number = number as u64;
            let settings = WriteSettings { block_size_bytes: 256, ..WriteSettings::default() };
            let mut file = TableFile::create_in(vfs.clone(), pool.path(number), settings).unwrap();
            (first..end).for_each(|n| file.put(&n.to_be_bytes(), &n.to_be_bytes()).unwrap());
            let (file_bytes, digest) = file.finish().map(|s| (s.file_bytes, s.digest)).unwrap();
            let smallest = first.to_be_bytes().into();
            let meta = TableMeta { number, smallest, file_bytes, digest, ..TableMeta::default() };
            Arc::new(TableHandle::new(meta, pool.clone()))
        };
        let upper = ranges.iter().enumerate().map(table).collect();
        Compaction { output_level: 6, upper, ..Compaction::default() }
    }

    /// The keys that part the parts.
    fn cuts(ranges: &[(u32, u32)], most: usize) -> Vec<u32> {
        let parts = parts(&compaction(ranges), most, 1000);
        for (before, after) in parts.iter().zip(parts.iter().skip(1)) {
            assert!(before.end.is_some() && before.end == after.start);
        }
        assert!(parts[0].start.is_none() && parts.last().is_some_and(|part| part.end.is_none()));
        // A key may be cut short.
        let number = |part: &Part| {
            let mut bytes = part.end.clone()?.into_vec();
            bytes.resize(4, 0);
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        parts.iter().filter_map(number).collect()
    }

    #[test]
    fn parts_meet_and_are_of_about_the_same_size() {
        let near = |found: &[u32], wanted: &[u32]| {
            let is_near = |(a, b): (&u32, &u32)| a.abs_diff(*b) < 500;
            let are_near = found.iter().zip(wanted).all(is_near);
            assert!(found.len() == wanted.len() && are_near, "{found:?}, not {wanted:?}");
        };
        near(&cuts(&[(0, 4000)], 1), &[]);
        near(&cuts(&[(0, 4000)], 2), &[2000]);
        near(&cuts(&[(0, 4000), (0, 4000), (0, 4000)], 4), &[1000, 2000, 3000]);
        near(&cuts(&[(4000, 8000), (0, 4000)], 2), &[4000]);
        near(&cuts(&[(0, 1000), (0, 7000)], 2), &[3000]);
        near(&cuts(&[(0, 10)], 9), &[]);
    }
}

/// A table that is nowhere, with keys from a to z.
fn table(number: u64, file_bytes: u64) -> Arc<TableHandle> {
    let cache = Arc::new(crate::cache::BlockCache::new(1 << 20));
    let vfs = Arc::new(crate::vfs::MemVfs::default());
    let pool = Arc::new(TablePool::new(vfs, cache, "db".into(), 10));
    let (smallest, largest) = (b"a"[..].into(), b"z"[..].into());
    let meta = TableMeta { number, file_bytes, smallest, largest, ..Default::default() };
    Arc::new(TableHandle::new(meta, pool))
}

/// The version with tables of as many bytes at these levels, each from a to z.
fn version(tables: &[(usize, u64)]) -> Version {
    let numbered = (1..).zip(tables);
    let added = numbered.map(|(number, &(level, bytes))| (level, table(number, bytes))).collect();
    let change = Change { added, removed: Vec::new() };
    Version::default().apply(&change, std::path::Path::new("db")).unwrap()
}

#[test]
fn level_0_goes_past_levels_where_that_is_the_shorter_way() {
    let settings = PickSettings { level_0_tables: 2, base_bytes: 40, whole_bytes: 1000 };
    let picked_by = |settings: &PickSettings, deeper: &[(usize, u64)], busy: &[u64]| {
        let tables: Vec<_> = [(0, 25), (0, 25)].iter().chain(deeper).copied().collect();
        let busy = busy.iter().copied().collect();
        let picked = pick(&version(&tables), settings, &busy, 0)?;
        let numbers = picked.inputs().map(|(level, table)| (level, table.meta().number));
        Some((picked.output_level, numbers.map(|(_, number)| number).collect::<Vec<_>>()))
    };
    let picked = |deeper: &[(usize, u64)]| picked_by(&settings, deeper, &[]).unwrap();
    assert_eq!(picked(&[]), (6, vec![2, 1]));
    // Four times what comes is little, more than that is not.
    assert_eq!(picked(&[(6, 200)]), (6, vec![2, 1, 3]));
    assert_eq!(picked(&[(6, 201)]), (5, vec![2, 1]));
    // What lies between goes along.
    assert_eq!(picked(&[(5, 10), (6, 200)]), (6, vec![2, 1, 3, 4]));
    assert_eq!(picked(&[(4, 3), (5, 10), (6, 200)]), (6, vec![2, 1, 3, 4, 5]));
    assert_eq!(picked(&[(5, 10), (6, 201)]), (5, vec![2, 1, 3]));
    // Not more than that in one piece, and after a failure in small ones.
    let small = |whole_bytes| PickSettings { whole_bytes, ..settings.clone() };
    assert_eq!(picked_by(&small(199), &[(6, 200)], &[]), Some((5, vec![2, 1])));
    assert_eq!(picked_by(&small(0), &[(5, 10), (6, 200)], &[]), Some((5, vec![2, 1, 3])));
    // At rest ten times is little.
    let at_rest = |bytes| {
        let version = version(&[(0, 50), (6, bytes)]);
        let picked = pick_at_rest(&version, &settings, &Default::default());
        picked.map(|picked| picked.output_level)
    };
    assert_eq!([500, 501].map(at_rest), [Some(6), Some(5)]);
    // Not past a table that another merge has.
    assert_eq!(picked_by(&settings, &[(5, 10), (6, 200)], &[3]), None);
}

#[test]
fn a_range_goes_down_by_the_levels_that_it_meets() {
    // A database that has become small: what is left of its upper levels is still there.
    let version = version(&[(5, 10), (4, 10), (0, 10)]);
    let settings = PickSettings { level_0_tables: 4, base_bytes: 1 << 20, whole_bytes: 1 << 24 };
    let output = |level| {
        let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        let picked = pick_range(&version, &settings, level, everything, &Default::default());
        picked.map(|compaction| compaction.output_level)
    };
    assert_eq!([0, 4, 5].map(output), [Some(4), Some(5), Some(6)]);
}
