//! The sorter against a map, with and without spilling, and what it leaves behind.

use super::*;
use crate::vfs::MemVfs;
use std::collections::BTreeMap;

/// Repeatable numbers that look random.
fn number(n: u64) -> u64 {
    crate::base::hash::key_hash(&n.to_le_bytes())
}

fn sort(
    count: u64,
    distinct: u64,
    budget: usize,
) -> (MemVfs, SortSummary, BTreeMap<Vec<u8>, Vec<u8>>) {
    let vfs = MemVfs::default();
    let settings = SorterSettings { memory_budget_bytes: budget, ..SorterSettings::default() };
    let mut sorter = TableSorter::new_in(Arc::new(vfs.clone()), "t", settings).unwrap();
    let mut model = BTreeMap::new();
    for n in 0..count {
        let key = format!("key{:07}", number(n) % distinct).into_bytes();
        let value = n.to_string().into_bytes();
        sorter.put(&key, &value).unwrap();
        model.insert(key, value);
    }
    let summary = sorter.finish(&mut |_, _| {}).unwrap();
    (vfs, summary, model)
}

fn check(vfs: &MemVfs, summary: &SortSummary, model: BTreeMap<Vec<u8>, Vec<u8>>, count: u64) {
    assert_eq!(summary.records, count);
    assert_eq!(summary.duplicates, count - model.len() as u64);
    assert_eq!(vfs.paths(), [PathBuf::from("t")], "no run and no temporary file stays");
    let source = vfs.open(Path::new("t")).unwrap();
    let table = Table::from_reader(source, "t", &ReadSettings::default()).unwrap();
    table.verify(&mut |_, _| {}).unwrap();
    let found: Result<Vec<_>> = table.iter().collect();
    assert!(found.unwrap().into_iter().eq(model), "contents differ");
}

#[test]
fn in_memory() {
    let (vfs, summary, model) = sort(10_000, 4_000, 64 << 20);
    assert_eq!(summary.spilled_runs, 0);
    check(&vfs, &summary, model, 10_000);
}

#[test]
fn with_more_runs_than_are_merged_at_a_time() {
    let (vfs, summary, model) = sort(200_000, 30_000, 64 << 10);
    assert!(summary.spilled_runs > 2 * FAN_IN as u64, "{summary:?}");
    check(&vfs, &summary, model, 200_000);
}

#[test]
fn with_some_runs() {
    let (vfs, summary, model) = sort(200_000, 90_000, 3 << 20);
    assert!(summary.spilled_runs > 2, "{summary:?}");
    check(&vfs, &summary, model, 200_000);
}

#[test]
fn nothing_at_all() {
    let (vfs, summary, model) = sort(0, 1, 1 << 20);
    check(&vfs, &summary, model, 0);
}

#[test]
fn strict_mode_refuses_a_repeated_key_within_and_across_runs() {
    for budget in [64 << 10, 64 << 20] {
        let vfs = MemVfs::default();
        let settings = SorterSettings {
            memory_budget_bytes: budget,
            strict: true,
            ..SorterSettings::default()
        };
        let mut sorter = TableSorter::new_in(Arc::new(vfs.clone()), "t", settings).unwrap();
        for key in [b"a", b"b", b"a"] {
            sorter.put(key, b"").unwrap();
        }
        let error = sorter.finish(&mut |_, _| {}).unwrap_err().to_string();
        assert_eq!(error, "duplicate key: \"a\"");
        assert!(vfs.paths().is_empty(), "nothing stays");
    }
}

#[test]
fn a_tombstone_wins_over_an_older_value() {
    let vfs = MemVfs::default();
    let mut sorter =
        TableSorter::new_in(Arc::new(vfs.clone()), "t", SorterSettings::default()).unwrap();
    sorter.put(b"a", b"1").unwrap();
    sorter.delete(b"a").unwrap();
    sorter.put(b"b", &[7; 3 << 20]).unwrap();
    sorter.finish(&mut |_, _| {}).unwrap();
    let source = vfs.open(Path::new("t")).unwrap();
    let table = Table::from_reader(source, "t", &ReadSettings::default()).unwrap();
    assert!(!table.has(b"a").unwrap());
    assert_eq!(table.get(b"b").unwrap().unwrap().len(), 3 << 20);
}

#[test]
fn parts_follow_each_other_and_a_failure_leaves_none() {
    let vfs = MemVfs::default();
    let sorter = |budget| {
        let settings = SorterSettings { memory_budget_bytes: budget, ..SorterSettings::default() };
        let mut sorter = TableSorter::new_in(Arc::new(vfs.clone()), "t.tmp", settings).unwrap();
        for n in 0..20_000 {
            sorter.put(&number(n).to_be_bytes(), &n.to_be_bytes()).unwrap();
        }
        sorter
    };
    for budget in [64 << 10, 64 << 20] {
        let (summary, parts) = sorter(budget).finish_parts(50_000, &mut |_, _| {}).unwrap();
        assert_eq!((summary.records, summary.duplicates), (20_000, 0));
        assert!(parts.len() > 3, "{}", parts.len());
        assert_eq!(vfs.paths().len(), parts.len(), "no run stays");
        let entries: u64 = parts.iter().map(|(_, table)| table.properties.entries).sum();
        assert_eq!(entries, 20_000);
        for (i, (path, table)) in parts.iter().enumerate() {
            assert_eq!(*path, PathBuf::from(format!("t.{}.tmp", i + 1)));
            assert!(i + 1 == parts.len() || (50_000..70_000).contains(&table.file_bytes));
            vfs.remove(path).unwrap();
        }
        let keys = |i: usize| &parts[i].1.properties;
        assert!((1..parts.len()).all(|i| keys(i - 1).largest_key < keys(i).smallest_key));
    }
    let mut parts = Parts::new(&sorter(64 << 20), Some(1));
    for key in [b"a", b"b", b"c"] {
        parts.add(Entry::put(key, b"")).unwrap();
    }
    drop(parts);
    assert!(vfs.paths().is_empty(), "what is not finished goes");
}

#[test]
fn a_small_budget_still_makes_runs_of_many_entries() {
    for budget in [64 << 10, 1 << 20, 3 << 19] {
        let (vfs, summary, model) = sort(20_000, 20_000, budget);
        let runs = summary.spilled_runs;
        assert!(runs < 2 + 20_000 * 64 / (budget as u64 / 4), "{runs} runs of {budget} bytes");
        check(&vfs, &summary, model, 20_000);
    }
}
