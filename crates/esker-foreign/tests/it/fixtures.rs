//! Directories made by other programs, with the contents that those programs list.
//!
//! They are looked for beside the checkout, or where `ESKER_FIXTURES` says; where they are
//! missing, the tests say so and pass.

use crate::{Version, is_readable, tables_in, versions};
use esker_foreign::{Comparator, ForeignKind, ForeignTable, OpenSettings};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(crate) fn fixtures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = std::env::var_os("ESKER_FIXTURES").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no fixtures at {}; ESKER_FIXTURES names them", folder.display());
    None
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn open(path: &Path) -> ForeignTable {
    let mut settings = OpenSettings::default();
    if path.to_string_lossy().contains("reverse-comparator") {
        settings.comparator = Some(Comparator::Reverse);
    }
    ForeignTable::open_with(path, &settings).unwrap()
}

#[test]
fn every_table_is_sound_and_its_ways_agree() {
    let Some(folder) = fixtures() else { return };
    let mut count = 0;
    for set in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path().join("db")) {
        if !set.is_dir() || !is_readable(&set) {
            continue;
        }
        for path in tables_in(&set) {
            // The engine was stopped while it wrote this one; its manifest does not name it.
            if path.ends_with("ldb-plyvel-tombstones/db/000028.ldb") {
                ForeignTable::open(&path).expect_err("a table without a footer");
                continue;
            }
            let table = open(&path);
            let report = table.verify(&mut |_, _| {}).unwrap();
            assert_eq!(report.entries as usize, versions(&table).unwrap().len());
            for entry in table.visible() {
                let (key, value) = entry.unwrap();
                assert_eq!(table.get(&key).unwrap(), Some(value), "{}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} tables");
}

/// The live entries of all tables of a directory, as the engine would list them.
/// `deleted` is deleted by the log, which is not read here.
fn listing(folder: &Path, deleted: &[u8]) -> (usize, String) {
    let tables: Vec<ForeignTable> = tables_in(folder).iter().map(|path| open(path)).collect();
    let mut newest: BTreeMap<Vec<u8>, Version> = BTreeMap::new();
    for version in tables.iter().flat_map(|table| versions(table).unwrap()) {
        let held = newest.entry(version.0.clone()).or_insert_with(|| version.clone());
        if held.1 < version.1 {
            *held = version;
        }
    }
    newest.remove(deleted);
    newest.retain(|key, (_, sequence, kind, _)| {
        let mut ranges = tables.iter().flat_map(ForeignTable::range_tombstones);
        let deleted =
            ranges.any(|(start, end, s)| s > *sequence && &key[..] >= start && &key[..] < end);
        *kind == ForeignKind::Put && !deleted
    });
    let mut hash = Sha256::new();
    for (key, (_, _, _, value)) in &newest {
        hash.update(format!("{} {}\n", hex(key), hex(value)));
    }
    (newest.len(), hex(&hash.finalize()))
}

/// Sets whose logs have nothing, or one known delete: the tables have everything else.
#[test]
fn whole_directories_list_what_their_engines_list() {
    let Some(folder) = fixtures() else { return };
    for (set, count, hash, deleted) in [
        ("ldb-plyvel-multi-version", 1200, "397a298adc3f66b5", ""),
        ("rocksdb-lz4-partitioned-ribbon-fv5", 2512, "523aa59250f6ca2e", ""),
        ("rocksdb-rangedel", 2899, "244c728323abc340", "key000007"),
    ] {
        let (found, sum) = listing(&folder.join(set).join("db"), deleted.as_bytes());
        assert_eq!((found, &sum[..16]), (count, hash), "{set}");
    }
}
