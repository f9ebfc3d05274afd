//! LevelDB's own verdict on cut, flipped and extended logs, row by row; and manifests that are
//! named badly.

use crate::directories::listing;
use crate::fixtures::fixtures;
use esker::ErrorKind;
use esker_foreign::{Database, DatabaseSettings};
use std::path::{Path, PathBuf};

/// A copy of the set's database, whose log can be changed.
struct Copy {
    folder: tempfile::TempDir,
    set: PathBuf,
    log: Vec<u8>,
}

impl Copy {
    fn new() -> Option<Copy> {
        let set = fixtures()?.join("ldb-oracle-wal");
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(set.join("db")).unwrap().map(|e| e.unwrap()) {
            let bytes = std::fs::read(file.path()).unwrap();
            std::fs::write(folder.path().join(file.file_name()), bytes).unwrap();
        }
        let log = std::fs::read(set.join("db/000003.log")).unwrap();
        Some(Copy { folder, set, log })
    }

    /// Opens the database with this log: what it lists, as the oracle writes it, and whether
    /// there was a notice.
    fn verdict(&self, log: &[u8]) -> esker::Result<(String, bool)> {
        std::fs::write(self.folder.path().join("000003.log"), log).unwrap();
        let database = Database::open(self.folder.path())?;
        let (count, hash) = listing(&database)?;
        Ok((format!("OK {count} {}", &hash[..16]), !database.notices().is_empty()))
    }

    /// Where loss is accepted, what a flip costs is told: at least one record is left, and each
    /// that is missing is named by its operations.
    fn check_losses(&self) {
        let mut settings = DatabaseSettings::default();
        settings.accept_loss = true;
        let database = Database::open_with(self.folder.path(), &settings).unwrap();
        let losses = database.losses();
        assert!(!losses.is_empty());
        assert!(losses.iter().all(|loss| loss.what.contains("operation")), "{losses:?}");
        assert!(listing(&database).unwrap().0 >= 5, "{losses:?}");
    }

    fn rows(&self, file: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.set.join(file)).unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.map(|line| line.split('\t').map(String::from).collect()).collect()
    }
}

#[test]
fn a_cut_log_lists_what_leveldb_lists() {
    let Some(copy) = Copy::new() else { return };
    let rows = copy.rows("truncations.tsv");
    let mut whole = 0;
    for row in &rows {
        let len: usize = row[0].parse().unwrap();
        let (found, has_notice) = copy.verdict(&copy.log[..len]).unwrap();
        assert_eq!(found, row[1], "{len} bytes");
        whole += usize::from(!has_notice);
    }
    assert_eq!(rows.len(), 324);
    assert_eq!(whole, 12, "only the empty log and one that ends with one of 11 records are whole");
}

#[test]
fn no_flip_loses_anything_silently() {
    let Some(copy) = Copy::new() else { return };
    let rows = copy.rows("flips.tsv");
    let (mut refused, mut reported) = (0, 0);
    for row in &rows {
        let at: usize = row[0].parse().unwrap();
        let bit = u8::from_str_radix(row[1].trim_start_matches("0x"), 16).unwrap();
        let mut log = copy.log.clone();
        log[at] ^= bit;
        match copy.verdict(&log) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
                assert!(error.path().unwrap().ends_with("000003.log"), "{error}");
                assert!(error.offset().unwrap() <= at as u64, "{error}");
                copy.check_losses();
                refused += 1;
            }
            Ok((found, has_notice)) => {
                assert!(has_notice, "byte {at} xor {bit:#x} is lost silently");
                assert_eq!(found, row[2], "byte {at} xor {bit:#x}");
                reported += 1;
            }
        }
    }
    // Only the length of the last record can look like the end of a log that was cut.
    assert_eq!((refused, reported), (642, 4));
}

#[test]
fn tails_of_garbage_are_reported() {
    let Some(copy) = Copy::new() else { return };
    let log = &copy.log;
    let first = 7 + usize::from(log[4]);
    let all = "OK 8 2205eb29c61eab27".to_string();
    for (tail, is_reported) in [
        (vec![0; 7], false),
        (vec![0; 4096], false),
        (vec![0; 32768], false),
        (vec![0; 3], false),
        (vec![0xff; 100], true),
        (log[..first].to_vec(), false),
    ] {
        let found = copy.verdict(&[&log[..], &tail].concat()).unwrap();
        assert_eq!(found, (all.clone(), is_reported), "{} bytes {tail:.4?}", tail.len());
    }
    let broken = [&log[..], &[0; 50], &log[..first]].concat();
    let error = copy.verdict(&broken).unwrap_err();
    assert!(error.to_string().contains("zeros to the end"), "{error}");
}

#[test]
fn current_must_name_a_manifest() {
    let Some(copy) = Copy::new() else { return };
    let current = copy.folder.path().join("CURRENT");
    let cases: &[&[u8]] = &[
        b"",
        b"\n",
        b"MANIFEST-000002",
        b"MANIFEST-\n",
        b"MANIFEST-000002\n\n",
        b"MANIFEST-000002\r\n",
        b"MANIFEST-99999999999999999999\n",
        b"MANIFEST-00000x\n",
        b"../MANIFEST-000002\n",
        b"LOCK\n",
        b"\xff\xfe\n",
        &[b'M'; 100_000],
    ];
    for case in cases {
        std::fs::write(&current, case).unwrap();
        let error = Database::open(copy.folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        assert!(error.to_string().contains("name of the manifest"), "{error}");
    }
    std::fs::write(&current, b"MANIFEST-000009\n").unwrap();
    let error = Database::open(copy.folder.path()).unwrap_err();
    assert!(error.path().unwrap().ends_with("MANIFEST-000009"), "{error}");
    std::fs::remove_file(&current).unwrap();
    let error = Database::open(copy.folder.path()).unwrap_err();
    assert!(error.to_string().contains("MANIFEST-000002 is there"), "{error}");
    std::fs::create_dir(&current).unwrap();
    Database::open(copy.folder.path()).unwrap_err();
}

#[test]
fn flips_of_a_manifest_are_found() {
    let Some(copy) = Copy::new() else { return };
    let path = copy.folder.path().join("MANIFEST-000002");
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            std::fs::write(&path, broken).unwrap();
            // A length that leads past the end looks like a cut; what is left is no manifest, or
            // the loss is told.
            if let Ok(database) = Database::open(copy.folder.path()) {
                assert!(!database.notices().is_empty(), "byte {at}, bit {bit}");
            }
        }
    }
    for len in 0..bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        if let Ok(database) = Database::open(copy.folder.path()) {
            assert!(!database.notices().is_empty(), "cut to {len}");
        }
    }
}

#[test]
fn without_a_manifest_tables_and_logs_are_read_by_number() {
    let Some(folder) = fixtures() else { return };
    for (set, count) in [("ldb-plyvel-multi-version", "1200"), ("ldb-plyvel-wal-torn", "183")] {
        let copy = tempfile::tempdir().unwrap();
        let keep = |path: &Path| path.extension().is_some_and(|e| e == "ldb" || e == "log");
        for file in std::fs::read_dir(folder.join(set).join("db")).unwrap() {
            let path = file.unwrap().path();
            if keep(&path) {
                std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let database = Database::open(copy.path()).unwrap();
        assert!(database.notices()[0].contains("no manifest"), "{:?}", database.notices());
        assert_eq!(listing(&database).unwrap().0.to_string(), count, "{set}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = Database::open(empty.path()).unwrap_err();
    assert!(error.to_string().contains("no CURRENT"), "{error}");
    std::fs::write(empty.path().join("000001.log"), b"a text, no log\n").unwrap();
    let error = Database::open(empty.path()).unwrap_err();
    assert!(error.to_string().contains("no CURRENT"), "{error}");
}
