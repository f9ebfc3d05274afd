//! Values under a mask, as Bitcoin Core writes them: in logs, in tables, by its key or by ours.

use crate::logs::{append, batch, database, manifest, put};
use esker_foreign::{
    Comparator, Database, DatabaseSettings, ForeignTable, LevelDbSettings, LevelDbWriter,
    Obfuscation, OpenSettings,
};
use std::path::Path;

const MASK: [u8; 8] = [0xb1, 0x2d, 0xce, 0, 0x8f, 0x87, 0x25, 0x36];
/// The key of the mask: its own length, then the name that begins with a zero.
const KEY: &[u8] = b"\x0e\0obfuscate_key";

fn masked(value: &[u8]) -> Vec<u8> {
    value.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn stored() -> Vec<u8> {
    [&[8][..], &MASK].concat()
}

/// Coins, more of them than a block holds; values of every length.
fn coins() -> Vec<(Vec<u8>, Vec<u8>)> {
    let coin = |i: u32| {
        let value: Vec<u8> = (0..i % 67).map(|at| (i + at) as u8).collect();
        (format!("C{i:06}").into_bytes(), value)
    };
    (0..3000).map(coin).collect()
}

fn in_tables() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = LevelDbWriter::create(folder.path(), LevelDbSettings::default()).unwrap();
    writer.put(KEY, &stored()).unwrap();
    coins().iter().for_each(|(key, value)| writer.put(key, &masked(value)).unwrap());
    writer.finish().unwrap();
    folder
}

fn in_log() -> tempfile::TempDir {
    let mut log = Vec::new();
    append(&mut log, &batch(1, &[put(KEY, &stored())]), None);
    let coins: Vec<_> = coins().iter().map(|(key, value)| put(key, &masked(value))).collect();
    append(&mut log, &batch(2, &coins), None);
    database(&manifest(&[]), &[(3, &log)])
}

fn open(path: &Path, obfuscation: &str) -> Database {
    let mut settings = DatabaseSettings::default();
    settings.obfuscation = obfuscation.parse().unwrap();
    Database::open_with(path, &settings).unwrap()
}

#[test]
fn the_mask_that_a_database_holds_is_taken_off() {
    for folder in [in_tables(), in_log()] {
        let database = Database::open(folder.path()).unwrap();
        assert!(database.notices()[0].contains("XORed"), "{:?}", database.notices());
        let mut expected = coins();
        expected.insert(0, (KEY.to_vec(), stored()));
        let listed: Vec<_> = database.visible().map(Result::unwrap).collect();
        assert!(listed == expected, "the mask itself stands as it is");
        assert!(database.visible().rev().map(Result::unwrap).eq(expected.iter().rev().cloned()));
        for (key, value) in &expected {
            assert_eq!(database.get(key).unwrap().as_ref(), Some(value));
        }
        let (mut cursor, mut versions) = (database.cursor(), Vec::new());
        while let Some(entry) = cursor.next().unwrap() {
            versions.push((entry.key.to_vec(), entry.value.to_vec()));
        }
        assert!(versions == expected);
        database.verify(&mut |_, _| {}).unwrap();
    }
}

#[test]
fn a_mask_can_be_given_or_refused() {
    for folder in [in_tables(), in_log()] {
        let plain = open(folder.path(), "none");
        assert!(plain.notices().is_empty());
        let (key, value) = &coins()[66];
        assert_eq!(plain.get(key).unwrap(), Some(masked(value)));
        let digits: String = MASK.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(open(folder.path(), &digits).get(key).unwrap().as_ref(), Some(value));
        let mut settings = DatabaseSettings::default();
        settings.comparator = Some(Comparator::Raw);
        let raw = Database::open_with(folder.path(), &settings).unwrap();
        assert_eq!(raw.get(key).unwrap().as_ref(), Some(value), "in raw order too");
    }
    for no_mask in ["", "8", "zz", "hex:00", "auto"] {
        no_mask.parse::<Obfuscation>().unwrap_err();
    }
}

#[test]
fn a_table_alone_takes_a_mask_that_is_given() {
    let folder = in_tables();
    let table = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let table =
        table.into_iter().find(|path| path.extension().is_some_and(|e| e == "ldb")).unwrap();
    let (key, value) = &coins()[66];
    assert_eq!(ForeignTable::open(&table).unwrap().get(key).unwrap(), Some(masked(value)));
    let mut settings = OpenSettings::default();
    settings.obfuscation = Obfuscation::Mask(MASK.to_vec());
    let table = ForeignTable::open_with(&table, &settings).unwrap();
    assert_eq!(table.get(key).unwrap().as_ref(), Some(value));
}

/// What is not just as Bitcoin Core writes it is somebody else's value.
#[test]
fn a_key_of_that_name_alone_is_no_mask() {
    for value in [&b""[..], &[8], &[7, 1, 2, 3, 4, 5, 6, 7], &[8, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut log = Vec::new();
        append(&mut log, &batch(1, &[put(KEY, value), put(b"z", b"plain")]), None);
        let folder = database(&manifest(&[]), &[(3, &log)]);
        let database = Database::open(folder.path()).unwrap();
        assert!(database.notices().is_empty());
        assert_eq!(database.get(b"z").unwrap().unwrap(), b"plain");
    }
}
