//! Levels find what a linear search finds; changes that do not fit are refused.

use super::*;
use crate::cache::BlockCache;
use crate::vfs::MemVfs;
use std::ops::Bound;

fn pool() -> Arc<TablePool> {
    let cache = Arc::new(BlockCache::new(1 << 20));
    Arc::new(TablePool::new(Arc::new(MemVfs::default()), cache, "db".into(), 10))
}

fn table(number: u64, smallest: &str, largest: &str) -> Arc<TableHandle> {
    let meta = TableMeta {
        number,
        smallest: smallest.as_bytes().into(),
        largest: largest.as_bytes().into(),
        largest_sequence: number,
        ..TableMeta::default()
    };
    Arc::new(TableHandle::new(meta, pool()))
}

fn version(tables: &[(usize, u64, &str, &str)]) -> Result<Version> {
    let added = tables.iter().map(|&(level, n, s, l)| (level, table(n, s, l))).collect();
    let change = Change { added, removed: Vec::new() };
    Version::default().apply(&change, Path::new("db"))
}

fn numbers(tables: &[Arc<TableHandle>]) -> Vec<u64> {
    tables.iter().map(|table| table.meta().number).collect()
}

#[test]
fn levels_are_searched() {
    let tables = [(1, 1, "b", "d"), (1, 2, "f", "f"), (1, 3, "long key 1", "long key 3")];
    let version = version(&tables).unwrap();
    let find = |key: &str| version.level(1).find(key.as_bytes()).map(|t| t.meta().number);
    assert_eq!(["a", "b", "c", "d", "e"].map(find), [None, Some(1), Some(1), Some(1), None]);
    assert_eq!(["f", "long key 0", "long key 2"].map(find), [Some(2), None, Some(3)]);
    assert_eq!(["long key 3", "long key 4"].map(find), [Some(3), None]);
    let meets =
        |start: Bound<&[u8]>, end: Bound<&[u8]>| numbers(&version.level(1).overlapping(start, end));
    assert_eq!(meets(Bound::Unbounded, Bound::Unbounded), [1, 2, 3]);
    assert_eq!(meets(Bound::Included(b"d"), Bound::Excluded(b"f")), [1]);
    assert_eq!(meets(Bound::Excluded(b"d"), Bound::Included(b"f")), [2]);
}

#[test]
fn level_0_stands_newest_first() {
    let version = version(&[(0, 1, "a", "z"), (0, 3, "a", "z"), (0, 2, "a", "z")]).unwrap();
    assert_eq!(numbers(version.level(0).tables()), [3, 2, 1]);
}

#[test]
fn changes_that_do_not_fit_are_refused() {
    assert!(version(&[(1, 1, "a", "c"), (1, 2, "c", "d")]).is_err(), "overlap");
    assert!(version(&[(7, 1, "a", "c")]).is_err(), "no such level");
    let change = Change { added: Vec::new(), removed: vec![(0, 9)] };
    assert!(Version::default().apply(&change, Path::new("db")).is_err(), "no such table");
}
