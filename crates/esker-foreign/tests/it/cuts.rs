//! The keys that cut a database into parts.

use crate::databases::shipped;
use crate::fixtures::fixtures;
use crate::written::{odd_entries, settings};
use esker_foreign::{
    Comparator, Database, DatabaseSettings, LevelDbCompression, LevelDbSettings, LevelDbWriter,
};
use std::ops::Bound;

/// Parts of about `part_bytes` give everything once, in order; how many they are, and the bytes of
/// the values in the largest.
fn parts(database: &Database, part_bytes: u64) -> (usize, usize) {
    let all: Vec<_> = database.visible().map(Result::unwrap).collect();
    let mut ends: Vec<_> = database.cuts(part_bytes).into_iter().map(Bound::Excluded).collect();
    ends.push(Bound::Unbounded);
    let (mut start, mut found, mut largest) = (Bound::Unbounded, Vec::new(), 0);
    for end in &ends {
        let part: Vec<_> = database.range(start, end.clone()).map(Result::unwrap).collect();
        largest = largest.max(part.iter().map(|(_, value)| value.len()).sum());
        found.extend(part);
        start = match end.clone() {
            Bound::Excluded(key) => Bound::Included(key),
            end => end,
        };
    }
    assert!(found == all, "parts of {part_bytes} bytes");
    (ends.len(), largest)
}

fn written(folder: &std::path::Path, settings: LevelDbSettings) -> Database {
    let mut writer = LevelDbWriter::create(folder, settings).unwrap();
    odd_entries().iter().for_each(|(key, value)| writer.put(key, value).unwrap());
    writer.finish().unwrap();
    Database::open(folder).unwrap()
}

#[test]
fn parts_make_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let database = written(folder.path(), settings(LevelDbCompression::None, 0));
    let count = database.tables().len();
    assert_eq!(parts(&database, u64::MAX).0, 1);
    assert!((3..=count).contains(&parts(&database, 64 << 10).0), "several tables make a part");
    assert!(parts(&database, 8 << 10).0 > count, "and parts of a table");
    assert!(parts(&database, 1).0 > 2 * count);
    for name in ["leveldb-log", "rocksdb-ranges", "rocksdb-ingested", "rocksdb-families"] {
        let database = Database::open(shipped(name)).unwrap();
        assert!(parts(&database, 1).0 > usize::from(!database.tables().is_empty()), "{name}");
    }
}

#[test]
fn one_large_table_is_cut_evenly() {
    let folder = tempfile::tempdir().unwrap();
    let mut large = settings(LevelDbCompression::None, 0);
    large.table_size_bytes = 1 << 30;
    let database = written(folder.path(), large);
    assert_eq!(database.tables().len(), 1);
    let (count, largest) = parts(&database, 16 << 10);
    assert!(count > 10 && largest < (16 << 10) + 70_000, "{count} parts, at most {largest} bytes");
}

#[test]
fn parts_of_falling_keys_make_the_whole() {
    let Some(folder) = fixtures() else { return };
    let mut settings = DatabaseSettings::default();
    settings.comparator = Some(Comparator::Reverse);
    let path = folder.join("ldb-plyvel-reverse-comparator/db");
    let database = Database::open_with(path, &settings).unwrap();
    assert!(!database.tables().is_empty());
    assert!(parts(&database, 1).0 > database.tables().len());
}

#[test]
fn raw_order_has_no_cuts() {
    let mut settings = DatabaseSettings::default();
    settings.comparator = Some(Comparator::Raw);
    let database = Database::open_with(shipped("rocksdb-ingested"), &settings).unwrap();
    assert_eq!(database.cuts(1), Vec::<Vec<u8>>::new());
}
