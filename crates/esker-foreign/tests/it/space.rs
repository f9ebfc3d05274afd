//! What the bytes of a database are.

use crate::databases::{copy, shipped};
use crate::directories::state;
use crate::logs::{append, batch, database, manifest, put};
use esker_foreign::{Database, DatabaseSettings};

#[test]
fn space_is_what_was_written() {
    let delete = |key: &[u8]| [&[0, key.len() as u8][..], key].concat();
    let mut log = Vec::new();
    let first = [put(b"a", b"12345"), put(b"b", b"12"), put(b"c", b"")];
    append(&mut log, &batch(1, &first), None);
    append(&mut log, &batch(4, &[put(b"a", b"9"), delete(b"b")]), None);
    let folder = database(&manifest(&[]), &[(3, &log), (9, b"")]);
    for (name, bytes) in [("000002.log", 7), ("000008.ldb", 11), ("MANIFEST-000000", 13)] {
        std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
    }
    // The manifest begins with log 0: make that 3 by a record more.
    let mut later = manifest(&[]);
    append(&mut later, &[2, 3], None);
    std::fs::write(folder.path().join("MANIFEST-000001"), &later).unwrap();
    let space = Database::open(folder.path()).unwrap().space().unwrap();
    assert_eq!((space.live_keys, space.live_bytes), (2, 2 + 1), "a to 9, and c");
    assert_eq!(space.shadowed_bytes, 6 + 3, "a to 12345, and b");
    assert_eq!((space.tombstones, space.tombstone_bytes), (1, 1));
    assert_eq!((space.log_bytes, space.manifest_bytes), (log.len() as u64, later.len() as u64));
    assert_eq!((space.orphans.len(), space.orphaned_bytes), (3, 7 + 11 + 13));
    assert_eq!((space.runs, space.table_bytes), (1, 0));
}

#[test]
fn space_of_shipped_databases_adds_up() {
    for (name, family) in [
        ("leveldb-log", "default"),
        ("rocksdb-ranges", "default"),
        ("rocksdb-families", "alpha"),
        ("rocksdb-families", "default"),
    ] {
        let before = state(&shipped(name));
        let mut settings = DatabaseSettings::default();
        settings.column_family = Some(family.into());
        let database = Database::open_with(shipped(name), &settings).unwrap();
        let space = database.space().unwrap();
        let live: Vec<_> = database.visible().map(Result::unwrap).collect();
        assert_eq!(space.live_keys, live.len() as u64, "{name}");
        let bytes: usize = live.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert_eq!(space.live_bytes, bytes as u64);
        let tables: u64 = database.tables().iter().map(|table| table.bytes).sum();
        assert_eq!(space.table_bytes, tables);
        let of_tables = |(path, (bytes, _)): (&std::path::PathBuf, &(Vec<u8>, _))| {
            path.extension().is_some_and(|e| e == "sst").then_some(bytes.len() as u64)
        };
        let on_disk: u64 = before.iter().filter_map(of_tables).sum();
        assert_eq!(space.table_bytes + space.other_family_bytes, on_disk);
        assert!(space.orphans.is_empty(), "{:?}", space.orphans);
        assert!(state(&shipped(name)) == before);
    }
    let folder = copy("rocksdb-families");
    std::fs::write(folder.path().join("000099.sst"), b"left over").unwrap();
    let space = Database::open(folder.path()).unwrap().space().unwrap();
    assert_eq!((space.orphans.len(), space.orphaned_bytes), (1, 9));
}
