//! What the writers of LevelDB's files make, read back by the readers.

use crate::versions;
use esker::ErrorKind;
use esker_foreign::{
    Database, Engine, ForeignTable, LevelDbCompression, LevelDbSettings, LevelDbTable,
    LevelDbWriter,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Entries with every length of keys, shared prefixes, empty and large values.
pub(crate) fn odd_entries() -> Entries {
    let mut entries = Entries::new();
    entries.insert(Vec::new(), b"under the empty key".to_vec());
    entries.insert(vec![0], Vec::new());
    entries.insert(vec![0xff; 300], vec![0; 70_000]);
    for i in 0..3000u32 {
        let key = format!("user/{:05}/{}", i * 7 % 3000, "x".repeat(i as usize % 40));
        entries.insert(key.into_bytes(), format!("value {i} ").repeat(i as usize % 9).into_bytes());
    }
    let noise = |i: u32| (1..900u32).map(|j| (i.wrapping_mul(j * j) >> 7) as u8).collect();
    for i in 0..50u32 {
        entries.insert(vec![0x80, i as u8], noise(i * 77 + 1));
    }
    entries
}

pub(crate) fn settings(compression: LevelDbCompression, filter_bits: u32) -> LevelDbSettings {
    let mut settings = LevelDbSettings::default();
    settings.compression = compression;
    settings.filter_bits_per_key = filter_bits;
    settings.table_size_bytes = 32 << 10;
    settings
}

pub(crate) const KINDS: [(LevelDbCompression, u32); 4] = [
    (LevelDbCompression::Snappy, 10),
    (LevelDbCompression::Snappy, 0),
    (LevelDbCompression::None, 10),
    (LevelDbCompression::None, 0),
];

#[test]
fn databases_come_back_as_they_were() {
    let entries = odd_entries();
    for (compression, bits) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(compression, bits);
        let mut writer = LevelDbWriter::create(folder.path(), settings).unwrap();
        for (key, value) in &entries {
            writer.put(key, value).unwrap();
        }
        let summary = writer.finish().unwrap();
        assert_eq!(summary.entries as usize, entries.len());
        assert!(summary.tables > 2, "{summary:?}");

        let database = Database::open(folder.path()).unwrap();
        assert_eq!((database.engine(), database.notices()), (Engine::LevelDb, &[][..]));
        assert_eq!(database.comparator_name(), Some("leveldb.BytewiseComparator"));
        let report = database.verify(&mut |_, _| {}).unwrap();
        assert_eq!((report.tables, report.entries), (summary.tables, summary.entries));
        let listed: Entries = database.visible().map(|e| e.unwrap()).collect();
        assert!(listed == entries);
        for (key, value) in &entries {
            assert_eq!(database.get(key).unwrap().as_ref(), Some(value));
        }
        for table in database.tables() {
            let table = ForeignTable::open(&table.path).unwrap();
            let has_filter = table.blocks().unwrap().iter().any(|block| block.kind == "filter");
            assert_eq!(has_filter, bits > 0);
        }
    }
}

#[test]
fn an_empty_database_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let writer = LevelDbWriter::create(folder.path(), LevelDbSettings::default()).unwrap();
    assert_eq!(writer.finish().unwrap().tables, 0);
    let database = Database::open(folder.path()).unwrap();
    assert_eq!(database.visible().count(), 0);
    assert!(database.notices().is_empty(), "{:?}", database.notices());
}

#[test]
fn a_manifest_may_span_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = LevelDbSettings::default();
    settings.table_size_bytes = 4 << 10;
    settings.compression = LevelDbCompression::None;
    let mut writer = LevelDbWriter::create(folder.path(), settings).unwrap();
    // Two bounds of 10 kB for each table.
    let key = |i: u32| [vec![b'k'; 10_000], i.to_be_bytes().to_vec()].concat();
    for i in 0..40 {
        writer.put(&key(i), b"v").unwrap();
    }
    writer.finish().unwrap();
    let database = Database::open(folder.path()).unwrap();
    assert!(database.manifest().unwrap().bytes > 3 * (32 << 10));
    assert!(database.visible().map(|e| e.unwrap().0).eq((0..40).map(key)));
}

#[test]
fn what_is_out_of_order_or_range_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = LevelDbSettings::default();
    settings.table_size_bytes = 4 << 10;
    let mut writer = LevelDbWriter::create(folder.path(), settings.clone()).unwrap();
    writer.put(b"b", &[7; 9000]).unwrap();
    for key in [b"b", b"a"] {
        assert_eq!(writer.put(key, b"").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    drop(writer);
    let error = LevelDbWriter::create(folder.path(), settings.clone()).err().unwrap();
    assert!(error.to_string().contains("it holds 000004.ldb"), "{error}");

    let mut table = LevelDbTable::new(Vec::new(), settings.clone()).unwrap();
    table.put(b"", 1, b"").unwrap();
    assert_eq!(table.put(b"", 1, b"").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(table.put(b"a", 1 << 56, b"").unwrap_err().kind(), ErrorKind::InvalidInput);
    settings.block_size_bytes = 1;
    assert_eq!(settings.validate().unwrap_err().kind(), ErrorKind::InvalidInput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_table_comes_back(
        entries in prop::collection::btree_map(
            prop::collection::vec(0u8..4, 0..12),
            (0u64..1 << 56, prop::collection::vec(any::<u8>(), 0..200)),
            0..120,
        ),
        block_size in 64usize..600,
        snappy in any::<bool>(),
    ) {
        let mut settings = LevelDbSettings::default();
        settings.block_size_bytes = block_size;
        if !snappy {
            settings.compression = LevelDbCompression::None;
        }
        let mut table = LevelDbTable::new(Vec::new(), settings).unwrap();
        for (key, (sequence, value)) in &entries {
            table.put(key, *sequence, value).unwrap();
        }
        let (bytes, summary) = table.finish().unwrap();
        prop_assert_eq!(summary.bytes, bytes.len() as u64);
        let table = ForeignTable::from_bytes(bytes).unwrap();
        prop_assert_eq!(table.verify(&mut |_, _| {}).unwrap().entries, summary.entries);
        let found = versions(&table).unwrap();
        let found = found.into_iter().map(|(key, sequence, _, value)| (key, (sequence, value)));
        prop_assert!(found.eq(entries));
    }
}
