//! Damage where loss is accepted: the rest is read, and each loss is told with its place.

use crate::databases::copy;
use crate::directories::listing;
use crate::logs::{append, batch, database, manifest, put};
use esker_foreign::{
    Database, DatabaseSettings, ForeignTable, LevelDbSettings, LevelDbWriter, OpenSettings,
};
use std::path::Path;

fn lossy() -> DatabaseSettings {
    let mut settings = DatabaseSettings::default();
    settings.accept_loss = true;
    settings
}

fn keys(database: &Database) -> Vec<String> {
    database.visible().map(|e| String::from_utf8(e.unwrap().0).unwrap()).collect()
}

/// A log of ten batches of two operations each, over several blocks, and where each begins.
fn ten_batches() -> (Vec<u8>, Vec<usize>) {
    let (mut log, mut starts) = (Vec::new(), Vec::new());
    for i in 0..10u64 {
        starts.push(log.len());
        let key = |part: &str| format!("k{i}{part}").into_bytes();
        let operations = [put(&key("a"), &[b'v'; 9000]), put(&key("b"), b"w")];
        append(&mut log, &batch(1 + 2 * i, &operations), None);
    }
    starts.push(log.len());
    (log, starts)
}

#[test]
fn a_damaged_record_is_left_out_and_told_by_its_operations() {
    let (log, starts) = ten_batches();
    let all: Vec<String> = (0..10).flat_map(|i| [format!("k{i}a"), format!("k{i}b")]).collect();
    for record in 0..9usize {
        // Its checksum, its length, its type, its middle, its end.
        let (start, end) = (starts[record], starts[record + 1]);
        for at in [start, start + 4, start + 5, start + 6, (start + end) / 2, end - 1] {
            let mut damaged = log.clone();
            damaged[at] ^= 4;
            let folder = database(&manifest(&[]), &[(3, &damaged)]);
            let error = Database::open(folder.path()).unwrap_err();
            let opened = Database::open_with(folder.path(), &lossy()).unwrap();
            let losses = opened.losses();
            assert!(!losses.is_empty(), "record {record}, byte {at}");
            assert_eq!(losses[0].offset, start as u64, "record {record}, byte {at}: {losses:?}");
            let expected = format!("operations {} to {}, 2 in all", 2 * record + 1, 2 * record + 2);
            let first = "operations before 3";
            let told: Vec<String> = losses.iter().map(ToString::to_string).collect();
            let expected = if record == 0 { first } else { &expected };
            assert!(told.iter().any(|loss| loss.contains(expected)), "byte {at}: {told:?}");
            assert!(told[0].contains(&error.to_string()), "{error}; {told:?}");
            let rest = all.iter().filter(|key| !key.starts_with(&format!("k{record}")));
            assert!(keys(&opened).iter().eq(rest), "record {record}, byte {at}");
        }
    }
}

#[test]
fn many_losses_are_told_one_by_one_and_the_last_without_an_end() {
    let (mut log, starts) = ten_batches();
    for record in [2, 5] {
        log[starts[record] + 30] ^= 1;
    }
    let folder = database(&manifest(&[]), &[(3, &log)]);
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    let told: Vec<String> = opened.losses().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|loss| loss.contains("operations 5 to 6, 2 in all")), "{told:?}");
    assert!(told.iter().any(|loss| loss.contains("operations 11 to 12, 2 in all")), "{told:?}");
    assert_eq!(keys(&opened).len(), 16);

    log[starts[9] + 30] ^= 1;
    std::fs::write(folder.path().join("000003.log"), &log).unwrap();
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    let told: Vec<String> = opened.losses().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|loss| loss.contains("all operations from 19 on")), "{told:?}");
    assert_eq!(keys(&opened).len(), 14);
}

#[test]
fn an_earlier_log_that_is_cut_is_a_loss() {
    let (log, starts) = ten_batches();
    let mut next = Vec::new();
    append(&mut next, &batch(21, &[put(b"next", b"1")]), None);
    let cut = &log[..starts[9] + 100];
    let folder = database(&manifest(&[]), &[(3, cut), (4, &next)]);
    Database::open(folder.path()).unwrap_err();
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    assert_eq!(opened.losses()[0].offset, starts[9] as u64);
    assert_eq!(keys(&opened).len(), 19);
}

/// A LevelDB directory with one table of 2,000 entries.
fn with_table() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = LevelDbWriter::create(folder.path(), LevelDbSettings::default()).unwrap();
    for i in 0..2000 {
        writer.put(format!("key{i:05}").as_bytes(), format!("value {i}").as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    folder
}

fn only_table(folder: &Path) -> std::path::PathBuf {
    let mut names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    names.find(|path| path.extension().is_some_and(|e| e == "ldb")).unwrap()
}

#[test]
fn a_damaged_block_is_left_out_and_told_by_its_keys() {
    let folder = with_table();
    let table = only_table(folder.path());
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let strict = Database::open(folder.path()).unwrap();
    assert!(strict.visible().any(|entry| entry.is_err()), "without being asked, it is an error");

    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    assert!(opened.losses().is_empty(), "nothing was read yet");
    let forward = keys(&opened);
    assert!(forward.len() > 1500 && forward.len() < 2000, "{}", forward.len());
    let losses = opened.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    // What is missing lies between the keys that the loss names.
    let missing: Vec<String> =
        (0..2000).map(|i| format!("key{i:05}")).filter(|key| !forward.contains(key)).collect();
    let what = &losses[0].what;
    let named: Vec<&str> = what.split('"').skip(1).step_by(2).collect();
    let (Some(first), Some(last)) = (missing.first(), missing.last()) else { panic!("{what}") };
    assert!(named[0] < first.as_str() && last.as_str() <= named[1], "{what}: {first} {last}");
    let mut backward: Vec<String> =
        opened.visible().rev().map(|e| String::from_utf8(e.unwrap().0).unwrap()).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(opened.losses().len(), 1, "each is told once");
    opened.verify(&mut |_, _| {}).unwrap_err();

    let mut settings = OpenSettings::default();
    settings.accept_loss = true;
    let alone = ForeignTable::open_with(&table, &settings).unwrap();
    assert_eq!(alone.visible().map(Result::unwrap).count(), forward.len());
    assert_eq!(alone.losses().len(), 1);
}

#[test]
fn a_table_that_is_gone_or_cut_is_left_out_whole() {
    for is_gone in [true, false] {
        let folder = copy("rocksdb-ranges");
        let table = folder.path().join("000047.sst");
        match is_gone {
            true => std::fs::remove_file(&table).unwrap(),
            false => std::fs::write(&table, b"cut").unwrap(),
        }
        let opened = Database::open_with(folder.path(), &lossy()).unwrap();
        let (count, _) = listing(&opened).unwrap();
        assert!(count > 100, "{count}");
        let losses = opened.losses();
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert!(losses[0].to_string().contains("47"), "{losses:?}");
    }
}

#[test]
fn a_damaged_manifest_is_as_none() {
    let folder = with_table();
    let whole = listing(&Database::open(folder.path()).unwrap()).unwrap();
    let manifest = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let manifest = manifest.into_iter().find(|p| p.to_string_lossy().contains("MANIFEST")).unwrap();
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    Database::open(folder.path()).unwrap_err();
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    assert_eq!(listing(&opened).unwrap(), whole);
    assert!(opened.losses()[0].what.contains("by number"), "{:?}", opened.losses());

    std::fs::write(folder.path().join("CURRENT"), "nothing").unwrap();
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    assert_eq!(listing(&opened).unwrap(), whole);
    std::fs::remove_file(folder.path().join("CURRENT")).unwrap();
    Database::open(folder.path()).unwrap_err();
    let opened = Database::open_with(folder.path(), &lossy()).unwrap();
    assert_eq!(listing(&opened).unwrap(), whole);
}

#[test]
fn what_is_not_damage_is_refused_all_the_same() {
    let error = Database::open_with(crate::databases::shipped("rocksdb-blobs"), &lossy());
    assert!(error.unwrap_err().to_string().contains("blob"));
    let mut settings = lossy();
    settings.column_family = Some("gone".into());
    Database::open_with(crate::databases::shipped("rocksdb-families"), &settings).unwrap_err();
}
