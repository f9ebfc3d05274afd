//! The shipped tables: every way to read agrees with a plain walk.

use crate::{is_readable, shipped, versions};
use esker_foreign::{Comparator, Engine, ForeignKind, ForeignTable, detect};
use std::collections::BTreeMap;
use std::ops::Bound;

#[test]
fn all_ways_to_read_agree() {
    for path in shipped().into_iter().filter(|path| is_readable(path)) {
        let table = ForeignTable::open(&path).unwrap();
        let report = table.verify(&mut |_, _| {}).unwrap();
        let all = versions(&table).unwrap();
        assert_eq!(report.entries, all.len() as u64, "{}", path.display());

        let mut cursor = table.cursor();
        for expected in all.iter().rev() {
            let entry = cursor.prev().unwrap().unwrap();
            assert_eq!((entry.key, entry.sequence), (&expected.0[..], expected.1));
        }
        assert_eq!(cursor.prev().unwrap(), None);

        let mut model: BTreeMap<_, Option<&[u8]>> = BTreeMap::new();
        for (key, _, kind, value) in &all {
            let live = (*kind == ForeignKind::Put).then_some(&value[..]);
            model.entry(key.clone()).or_insert(live);
        }
        model.retain(|key, _| {
            !table.range_tombstones().any(|(start, end, _)| &key[..] >= start && &key[..] < end)
        });
        for (key, value) in &model {
            assert_eq!(table.get(key).unwrap().as_deref(), *value);
        }
        model.retain(|_, value| value.is_some());
        let mut visible: Vec<_> = table.visible().map(|e| e.unwrap()).collect();
        if table.comparator() == Comparator::Reverse {
            visible.reverse();
        }
        assert!(
            visible.iter().map(|(k, v)| (k, &v[..])).eq(model.iter().map(|(k, v)| (k, v.unwrap())))
        );
        let mut reversed: Vec<_> = table.visible().rev().map(|e| e.unwrap()).collect();
        if table.comparator() != Comparator::Reverse {
            reversed.reverse();
        }
        assert_eq!(visible, reversed);
        if table.comparator() == Comparator::Bytewise {
            check_ranges(&table, &visible);
        }
    }
}

fn check_ranges(table: &ForeignTable, visible: &[(Vec<u8>, Vec<u8>)]) {
    let n = visible.len();
    if n < 10 {
        return;
    }
    let (low, high) = (n / 4, n / 2);
    let start = Bound::Included(visible[low].0.clone());
    let end = Bound::Excluded(visible[high].0.clone());
    for reverse in [false, true] {
        let range = table.range(start.clone(), end.clone()).map(|e| e.unwrap());
        let mut found: Vec<_> = if reverse { range.rev().collect() } else { range.collect() };
        if reverse {
            found.reverse();
        }
        assert_eq!(found, visible[low..high]);
    }
    let mut cursor = table.cursor();
    assert_eq!(cursor.seek(&visible[low].0).unwrap().unwrap().key, visible[low].0);
    assert!(cursor.seek_before(&visible[low].0).unwrap().unwrap().key < &visible[low].0[..]);
    assert_eq!(cursor.seek(&[0xff; 40]).unwrap(), None);
}

#[test]
fn engines_are_told_apart_and_say_what_they_are() {
    for path in shipped() {
        let bytes = std::fs::read(&path).unwrap();
        let is_leveldb = path.extension().is_some_and(|e| e == "ldb");
        let expected = if is_leveldb { Engine::LevelDb } else { Engine::RocksDb };
        // RocksDB's first format version ends as LevelDB's tables do.
        let ends_alike = is_leveldb || path.to_string_lossy().contains("fv0");
        let detected = if ends_alike { Engine::LevelDb } else { Engine::RocksDb };
        assert_eq!(detect(&bytes), Some(detected));
        if !is_readable(&path) {
            continue;
        }
        let table = ForeignTable::open(&path).unwrap();
        assert_eq!(table.engine(), expected);
        assert_eq!(table.properties().is_empty(), is_leveldb);
        let blocks = table.blocks().unwrap();
        let has_data = blocks.iter().any(|block| block.kind == "data");
        assert_eq!(has_data, table.cursor().next().unwrap().is_some());
        let stored: u64 = blocks.iter().map(|block| block.stored_bytes).sum();
        assert!(
            stored < table.file_bytes() && stored + 100 > table.file_bytes(),
            "blocks fill the file"
        );
    }
}

#[cfg(not(all(feature = "zstd", feature = "bzip2")))]
#[test]
fn a_codec_that_is_left_out_is_named() {
    for path in shipped().into_iter().filter(|path| !is_readable(path)) {
        let table = ForeignTable::open(&path).and_then(|table| versions(&table));
        let error = table.unwrap_err();
        assert_eq!(error.kind(), esker::ErrorKind::Unsupported);
        assert!(error.to_string().contains("which this build leaves out"), "{error}");
    }
}
