//! Whole directories of other programs, with the contents that those programs list.

use crate::fixtures::{fixtures, hex};
use crate::is_readable;
use esker::ErrorKind;
use esker::vfs::{MemVfs, Vfs};
use esker_foreign::{Comparator, Database, DatabaseSettings, Engine};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Count and hash of what `database` lists.
pub(crate) fn listing(database: &Database) -> esker::Result<(usize, String)> {
    let (mut hash, mut count) = (Sha256::new(), 0);
    for entry in database.visible() {
        let (key, value) = entry?;
        hash.update(format!("{} {}\n", hex(&key), hex(&value)));
        count += 1;
    }
    Ok((count, hex(&hash.finalize())))
}

/// What the folder's `expected.json` says under `name`.
fn expected(set: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(set.join("expected.json")).unwrap();
    let (_, rest) = text.split_once(&format!("\"{name}\": ")).unwrap();
    rest.split([',', '\n']).next().unwrap().trim_matches('"').to_string()
}

pub(crate) fn settings(set: &Path) -> DatabaseSettings {
    let mut settings = DatabaseSettings::default();
    let name = set.to_string_lossy();
    if name.ends_with("reverse-comparator") {
        settings.comparator = Some(Comparator::Reverse);
    }
    if name.ends_with("chromium-indexeddb") {
        settings.comparator = Some(Comparator::Raw);
    }
    settings
}

/// Every set that has a listing and whose codecs this build has.
pub(crate) fn sets() -> Vec<PathBuf> {
    let Some(folder) = fixtures() else { return Vec::new() };
    let mut sets: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    sets.retain(|set| {
        set.join("db").is_dir() && is_readable(set) && !set.ends_with("ldb-oracle-wal")
    });
    sets.sort();
    sets
}

/// Names, bytes and times of the files of a directory.
pub(crate) fn state(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .map(|path| {
            let modified = path.metadata().unwrap().modified().unwrap();
            (path.clone(), (std::fs::read(&path).unwrap(), modified))
        })
        .collect()
}

#[test]
fn every_directory_lists_what_its_engine_lists() {
    let sets = sets();
    for set in &sets {
        let name = set.file_name().unwrap().to_string_lossy().into_owned();
        let db = set.join("db");
        let before = state(&db);
        let database = Database::open_with(&db, &settings(set)).unwrap();
        let rocksdb = name.starts_with("rocksdb");
        let engine = if rocksdb { Engine::RocksDb } else { Engine::LevelDb };
        assert_eq!(database.engine(), engine, "{name}");
        assert_eq!(esker_foreign::detect_directory(&db).unwrap(), Some(engine), "{name}");
        let (count, hash) = listing(&database).unwrap();
        assert_eq!(count.to_string(), expected(set, "count"), "{name}");
        assert_eq!(hash, expected(set, "sha256"), "{name}");
        assert!(state(&db) == before, "{name}: reading changes nothing");
        let quiet =
            !name.ends_with("torn") && !name.ends_with("indexeddb") && !name.contains("rev");
        assert_eq!(database.notices().is_empty(), quiet, "{name}: {:?}", database.notices());
    }
    assert!(sets.is_empty() || sets.len() > 15, "{} sets", sets.len());
}

#[test]
fn a_directory_in_memory_is_read_as_one_on_disk() {
    let sets = sets();
    for set in &sets {
        let (vfs, path) = (MemVfs::default(), Path::new("dropped"));
        vfs.create_directory(path).unwrap();
        for (file, (bytes, _)) in state(&set.join("db")) {
            let mut copy = vfs.create(&path.join(file.file_name().unwrap())).unwrap();
            copy.write_all(&bytes).unwrap();
        }
        assert!(esker_foreign::detect_directory_in(&vfs, path).unwrap().is_some());
        let database = Database::open_in(Arc::new(vfs), path, &settings(set)).unwrap();
        assert_eq!(listing(&database).unwrap().1, expected(set, "sha256"), "{}", set.display());
    }
    let nothing = Database::open_in(Arc::new(MemVfs::default()), "none", &Default::default());
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Io);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("CURRENT");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let error = Database::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn an_order_that_is_not_known_is_named() {
    let Some(folder) = fixtures() else { return };
    for (set, name) in [
        ("chromium-indexeddb", "idb_cmp1"),
        ("ldb-plyvel-reverse-comparator", "fixture.ReverseBytewise"),
    ] {
        let db = folder.join(set).join("db");
        let error = Database::open(&db).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut settings = DatabaseSettings::default();
    settings.comparator = Some(Comparator::Bytewise);
    let reversed = folder.join("ldb-plyvel-reverse-comparator/db");
    let error = Database::open_with(reversed, &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    settings.comparator = Some(Comparator::Reverse);
    let other = folder.join("ldb-plyvel-odd-keys/db");
    let error = Database::open_with(other, &settings).unwrap_err();
    assert!(error.to_string().contains("leveldb.BytewiseComparator"), "{error}");
}
