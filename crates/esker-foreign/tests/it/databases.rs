//! The shipped databases: what their engines list, and every way to read them.

use crate::directories::listing;
use esker::ErrorKind;
use esker_foreign::{Database, DatabaseSettings, ForeignKind};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

fn family(name: &str) -> DatabaseSettings {
    let mut settings = DatabaseSettings::default();
    settings.column_family = Some(name.into());
    settings
}

/// Directory, column family, count and hash, as RocksDB or LevelDB lists it.
const LISTINGS: &[(&str, &str, usize, &str)] = &[
    ("leveldb-log", "default", 8, "2205eb29c61eab27"),
    ("rocksdb-families", "default", 291, "ea6ea993e0cd8b8f"),
    ("rocksdb-families", "alpha", 191, "e115062f52ce6c1b"),
    ("rocksdb-families", "beta", 300, "fcf04d4d851304ec"),
    ("rocksdb-ingested", "default", 250, "747e70682f49f79f"),
    ("rocksdb-ranges", "default", 614, "471ff0efa884342c"),
];

fn opened() -> impl Iterator<Item = (Database, usize, &'static str)> {
    LISTINGS.iter().map(|(name, wanted, count, hash)| {
        (Database::open_with(shipped(name), &family(wanted)).unwrap(), *count, *hash)
    })
}

#[test]
fn they_list_what_their_engines_list() {
    for (database, count, hash) in opened() {
        let (found, sum) = listing(&database).unwrap();
        assert_eq!((found, &sum[..16]), (count, hash), "{database:?}");
        assert!(database.notices().is_empty(), "{:?}", database.notices());
        let report = database.verify(&mut |_, _| {}).unwrap();
        assert_eq!(report.tables, database.tables().len() as u64);
    }
}

#[test]
fn every_way_to_read_agrees() {
    for (database, ..) in opened() {
        let mut all = Vec::new();
        let mut cursor = database.cursor();
        while let Some(e) = cursor.next().unwrap() {
            all.push((e.key.to_vec(), e.sequence, e.kind, e.value.to_vec()));
        }
        for expected in all.iter().rev() {
            let entry = cursor.prev().unwrap().unwrap();
            assert_eq!((entry.key, entry.sequence), (&expected.0[..], expected.1));
        }
        assert_eq!(cursor.prev().unwrap(), None);

        let ranges = database.range_tombstones().unwrap();
        let mut model: BTreeMap<_, Option<Vec<u8>>> = BTreeMap::new();
        for (key, sequence, kind, value) in &all {
            let is_deleted =
                ranges.iter().any(|r| r.start <= *key && *key < r.end && r.sequence > *sequence);
            let live = *kind == ForeignKind::Put && !is_deleted;
            model.entry(key.clone()).or_insert_with(|| live.then(|| value.clone()));
        }
        for (key, value) in &model {
            assert_eq!(database.get(key).unwrap(), *value);
            database.explain(key).unwrap();
        }
        assert_eq!(database.get(b"no such key").unwrap(), None);
        model.retain(|_, value| value.is_some());
        let model: Vec<_> = model.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
        assert!(database.visible().map(Result::unwrap).eq(model.iter().cloned()));
        let backward = database.visible().rev().map(Result::unwrap);
        assert!(backward.eq(model.iter().rev().cloned()));
        check_parts(&database, &model);
    }
}

/// Ranges, prefixes and both ends at once.
fn check_parts(database: &Database, model: &[(Vec<u8>, Vec<u8>)]) {
    let (low, high) = (model.len() / 4, model.len() / 2);
    let bounds = || {
        let key = |at: usize| model[at].0.clone();
        [
            (Bound::Included(key(low)), Bound::Excluded(key(high)), low..high),
            (Bound::Excluded(key(low)), Bound::Included(key(high)), low + 1..high + 1),
        ]
    };
    for (start, end, part) in bounds() {
        let range = database.range(start, end).map(Result::unwrap);
        assert!(range.eq(model[part].iter().cloned()));
    }
    for (start, end, part) in bounds() {
        let range = database.range(start, end).rev().map(Result::unwrap);
        assert!(range.eq(model[part].iter().rev().cloned()));
    }
    let prefix = &model[low].0[..model[low].0.len() - 1];
    let expected = model.iter().filter(|(key, _)| key.starts_with(prefix)).cloned();
    assert!(database.prefix(prefix).map(Result::unwrap).eq(expected));

    for step in 1..5 {
        let (mut range, mut front, mut back) = (database.visible(), Vec::new(), Vec::new());
        while let Some(entry) = range.next() {
            front.push(entry.unwrap());
            for entry in range.by_ref().rev().take(step) {
                back.push(entry.unwrap());
            }
        }
        front.extend(back.into_iter().rev());
        assert!(front == model, "every entry comes once");
    }

    let mut cursor = database.cursor();
    for (key, _) in model.iter().step_by(7) {
        assert_eq!(cursor.seek(key).unwrap().unwrap().key, key);
        let before = cursor.prev().unwrap().map(|entry| entry.key.to_vec());
        let found = database.cursor().seek_before(key).unwrap().map(|e| e.key.to_vec());
        assert_eq!(before, found);
        if before.is_some() {
            assert_eq!(cursor.next().unwrap().unwrap().key, key);
        }
    }
}

#[test]
fn column_families_are_told_apart() {
    let database = Database::open(shipped("rocksdb-families")).unwrap();
    assert_eq!(database.column_families(), ["default", "alpha", "beta"]);
    let error = Database::open_with(shipped("rocksdb-families"), &family("gone")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("default, alpha, beta"), "{error}");
}

#[test]
fn blob_files_are_named() {
    let error = Database::open(shipped("rocksdb-blobs")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("blob files"), "{error}");
}

/// A copy of a shipped database that can be broken.
pub(crate) fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(shipped(name)).unwrap().map(|e| e.unwrap().path()) {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_database_of_ours_is_not_taken_for_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours");
    let mut settings = esker::Settings::default();
    settings.create_if_missing = true;
    let ours = esker::Db::open(&path, settings).unwrap();
    ours.put(b"a", b"1").unwrap();
    drop(ours);
    assert_eq!(esker_foreign::detect_directory(&path).unwrap(), None);
    Database::open(&path).unwrap_err();
    std::fs::remove_file(path.join("CURRENT")).unwrap();
    Database::open(&path).unwrap_err();
}

#[test]
fn missing_and_changed_tables_are_found() {
    let folder = copy("rocksdb-ranges");
    let table = folder.path().join("000048.sst");
    let bytes = std::fs::read(&table).unwrap();
    std::fs::write(&table, &bytes[..bytes.len() - 1]).unwrap();
    let error = listing(&Database::open(folder.path()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("table length"), "{error}");
    std::fs::remove_file(&table).unwrap();
    let error = Database::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert!(error.to_string().contains("000048.sst"), "{error}");
    std::fs::create_dir(&table).unwrap();
    Database::open(folder.path()).expect_err("a folder is no table");
}

#[test]
fn every_flip_of_every_file_is_found_or_harmless() {
    for name in ["rocksdb-ingested", "rocksdb-families"] {
        let folder = copy(name);
        let sound = listing(&Database::open(folder.path()).unwrap()).unwrap();
        for path in std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()) {
            let bytes = std::fs::read(&path).unwrap();
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << (at % 8);
                std::fs::write(&path, &broken).unwrap();
                let Ok(database) = Database::open(folder.path()) else { continue };
                let Ok(found) = listing(&database) else { continue };
                let told = !database.notices().is_empty();
                assert!(found == sound || told, "{}: byte {at}", path.display());
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
}

#[test]
fn raw_order_reads_everything_and_refuses_range_deletions() {
    let mut settings = DatabaseSettings::default();
    settings.comparator = Some(esker_foreign::Comparator::Raw);
    let database = Database::open_with(shipped("rocksdb-ingested"), &settings).unwrap();
    assert_eq!(listing(&database).unwrap().0, 250);
    assert_eq!(database.notices().len(), 1);
    let database = Database::open_with(shipped("rocksdb-ranges"), &settings).unwrap();
    assert_eq!(listing(&database).unwrap_err().kind(), ErrorKind::Unsupported);
    settings.memory_bytes_max = 1000;
    let error = Database::open_with(shipped("rocksdb-ingested"), &settings).unwrap_err();
    assert!(error.to_string().contains("1000 bytes"), "{error}");
}
