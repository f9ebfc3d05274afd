//! Tables against a model: every way to read, every way to break.

use super::*;
use crate::base::key::{Entry, SEQUENCE_MAX, ValueKind};
use crate::cache::Home;
use crate::frame::{Compression, FrameKind};
use crate::vfs::{MemVfs, ReadAt, Vfs};
use crate::{Error, ErrorKind, Result};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

type Owned = (Vec<u8>, u64, ValueKind, Vec<u8>);

fn settings(compression: Compression, block_size_bytes: usize) -> WriteSettings {
    WriteSettings { block_size_bytes, compression, ..WriteSettings::default() }
}

fn build(entries: &[Owned], settings: WriteSettings) -> Vec<u8> {
    let mut writer = TableWriter::new(Vec::new(), settings).unwrap();
    for (key, sequence, kind, value) in entries {
        writer.add(Entry { key, value, sequence: *sequence, kind: *kind }).unwrap();
    }
    writer.finish().unwrap().0
}

/// A file that has no slice to lend, so that it is read at positions.
struct Positioned(Vec<u8>);

impl ReadAt for Positioned {
    fn len(&self) -> std::io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

/// The table by every kind of reader: in place, at positions, and with too little memory for an
/// index or a filter.
fn tables(bytes: &[u8]) -> Vec<Table> {
    let positioned = Arc::new(Positioned(bytes.to_vec()));
    let tight = ReadSettings { resident_bytes_max: 0, ..ReadSettings::default() };
    vec![
        Table::from_bytes(bytes.to_vec()).unwrap(),
        Table::from_reader(positioned.clone(), "p", &ReadSettings::default()).unwrap(),
        Table::from_reader(positioned, "tight", &tight).unwrap(),
        Table::from_reader(Arc::new(bytes.to_vec()), "tight map", &tight).unwrap(),
    ]
}

/// Sorts as entries are sorted and drops exact repetitions.
fn sorted(mut entries: Vec<Owned>) -> Vec<Owned> {
    entries.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    entries.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    entries
}

/// What a reader who sees everything up to `sequence` sees.
fn visible(entries: &[Owned], sequence: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut newest = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.1 <= sequence) {
        newest.entry(entry.0.clone()).or_insert(entry);
    }
    let live = newest.into_iter().filter(|(_, e)| e.2 == ValueKind::Put);
    live.map(|(key, entry)| (key, entry.3.clone())).collect()
}

fn owned(entry: Entry<'_>) -> Owned {
    (entry.key.to_vec(), entry.sequence, entry.kind, entry.value.to_vec())
}

fn check(table: &Table, entries: &[Owned], probes: &[Vec<u8>]) {
    let report = table.verify(&mut |_, _| {}).unwrap();
    assert_eq!(report.entries, entries.len() as u64);
    assert_eq!(table.properties().entries, entries.len() as u64);

    let mut cursor = table.cursor();
    for entry in entries {
        assert_eq!(cursor.next().unwrap().map(owned).as_ref(), Some(entry));
    }
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), None);
    for entry in entries.iter().rev() {
        assert_eq!(cursor.prev().unwrap().map(owned).as_ref(), Some(entry));
    }
    assert_eq!(cursor.prev().unwrap(), None);

    let model = visible(entries, SEQUENCE_MAX);
    for probe in entries.iter().map(|e| &e.0).chain(probes) {
        assert_eq!(table.get(probe).unwrap().map(Value::into_vec).as_ref(), model.get(probe));
        assert_eq!(table.has(probe).unwrap(), model.contains_key(probe));
        assert_eq!(
            table.explain(probe).unwrap().entry.is_some(),
            entries.iter().any(|e| e.0 == *probe)
        );
        for sequence in [SEQUENCE_MAX, 3, 0] {
            let expected = entries.iter().find(|e| e.0 == *probe && e.1 <= sequence);
            let found = table.get_entry(probe, sequence).unwrap();
            let found = found.map(|(kind, s, value)| (probe.clone(), s, kind, value.into_vec()));
            assert_eq!(found.as_ref(), expected);
        }
        let at = entries.partition_point(|e| e.0 < *probe);
        assert_eq!(cursor.seek(probe).unwrap().map(owned).as_ref(), entries.get(at));
        let before = at.checked_sub(1).map(|i| &entries[i]);
        assert_eq!(cursor.seek_before(probe).unwrap().map(owned).as_ref(), before);
    }
}

fn check_ranges(table: &Table, entries: &[Owned], probes: &[Vec<u8>]) {
    let model = visible(entries, SEQUENCE_MAX);
    let all: Result<Vec<_>> = table.iter().collect();
    assert!(all.unwrap().iter().map(|(k, v)| (k, v)).eq(model.iter()));
    for pair in probes.windows(2) {
        let (low, high) =
            if pair[0] <= pair[1] { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
        let expected: Vec<_> =
            model.range(low.clone()..high.clone()).map(|e| e.0.clone()).collect();
        let keys = |range: TableRange| range.map(|e| e.unwrap().0).collect::<Vec<_>>();
        assert_eq!(keys(table.range(&low[..]..&high[..])), expected);
        let reversed: Vec<_> =
            table.range(&low[..]..&high[..]).rev().map(|e| e.unwrap().0).collect();
        assert!(reversed.iter().rev().eq(&expected));
        let inclusive: Vec<_> =
            model.range(low.clone()..=high.clone()).map(|e| e.0.clone()).collect();
        assert_eq!(keys(table.range(&low[..]..=&high[..])), inclusive);
        let reversed: Vec<_> =
            table.range(&low[..]..=&high[..]).rev().map(|e| e.unwrap().0).collect();
        assert!(reversed.iter().rev().eq(&inclusive));
        let after = (std::ops::Bound::Excluded(&low[..]), std::ops::Bound::<&[u8]>::Unbounded);
        let expected = model.keys().filter(|key| *key > low);
        assert!(table.range::<&[u8]>(after).map(|e| e.unwrap().0).eq(expected.cloned()));
        let prefixed = model.keys().filter(|key| key.starts_with(low)).cloned();
        assert!(table.prefix(low).map(|e| e.unwrap().0).eq(prefixed));
    }
    // Both ends in turn meet once.
    let mut both = table.iter();
    let mut found = Vec::new();
    let mut from_back = Vec::new();
    while let Some(entry) = both.next() {
        found.push(entry.unwrap().0);
        from_back.extend(both.next_back().map(|e| e.unwrap().0));
    }
    found.extend(from_back.into_iter().rev());
    assert!(found.iter().eq(model.keys()));
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[ab\0]{0,6}".prop_map(String::into_bytes),
        "user/[01]{9}".prop_map(String::into_bytes),
    ]
}

fn entry() -> impl Strategy<Value = Owned> {
    let sequence = prop_oneof![Just(0), 0..6u64, 0..=SEQUENCE_MAX];
    let value = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (0usize..2_000).prop_map(|n| vec![7; n]),
    ];
    (key(), sequence, any::<bool>(), value).prop_map(|(key, sequence, deleted, value)| {
        let kind = if deleted { ValueKind::Tombstone } else { ValueKind::Put };
        (key, sequence, kind, if deleted { Vec::new() } else { value })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn tables_read_as_the_model_does(
        entries in prop::collection::vec(entry(), 0..300),
        probes in prop::collection::vec(key(), 12),
        lz4 in any::<bool>(),
        filter_bits_per_key in prop_oneof![Just(0), Just(10)],
    ) {
        let entries = sorted(entries);
        let compression = if lz4 { Compression::Lz4 } else { Compression::None };
        let settings = WriteSettings { filter_bits_per_key, ..settings(compression, 512) };
        for table in tables(&build(&entries, settings)) {
            check(&table, &entries, &probes);
            check_ranges(&table, &entries, &probes);
        }
    }
}

/// Enough keys for several index blocks.
fn numbers(count: u64) -> Vec<Owned> {
    (0..count)
        .map(|n| (format!("{n:08}").into_bytes(), 0, ValueKind::Put, vec![n as u8; 40]))
        .collect()
}

#[test]
fn many_index_blocks() {
    let entries = numbers(12_000);
    let bytes = build(&entries, settings(Compression::Lz4, 256));
    for table in tables(&bytes) {
        assert!(table.properties().data_blocks > 1_200);
        let blocks = table.blocks().unwrap();
        assert!(blocks.iter().filter(|b| b.kind == FrameKind::Index).count() > 3);
        assert_eq!(
            blocks
                .iter()
                .map(|b| u64::from(b.entries) * u64::from(b.kind == FrameKind::Data))
                .sum::<u64>(),
            12_000
        );
        for (key, .., value) in entries.iter().step_by(37) {
            assert_eq!(table.get(key).unwrap().as_deref(), Some(&value[..]));
        }
        let mut cursor = table.cursor();
        let mut count = 0;
        while cursor.prev().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 12_000);
        assert_eq!(table.get(b"99999999").unwrap().as_deref(), None);
        assert_eq!(table.get(b"").unwrap().as_deref(), None);
        table.verify(&mut |_, _| {}).unwrap();
    }
    assert!(!tables(&bytes)[2].is_index_resident());
}

#[test]
fn entries_of_all_sizes() {
    let long_key = vec![b'k'; crate::KEY_BYTES_MAX];
    let entries: Vec<Owned> = vec![
        (vec![], 0, ValueKind::Put, b"of the empty key".to_vec()),
        (vec![0], 0, ValueKind::Put, vec![]),
        (b"big".to_vec(), 0, ValueKind::Put, vec![9; 5 << 20]),
        (
            b"bigger".to_vec(),
            0,
            ValueKind::Put,
            (0..1u32 << 20).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect(),
        ),
        (long_key.clone(), 0, ValueKind::Put, b"of a long key".to_vec()),
        (vec![255; 100], 0, ValueKind::Tombstone, vec![]),
    ];
    for compression in [Compression::None, Compression::Lz4] {
        for table in tables(&build(&entries, settings(compression, 4096))) {
            check(&table, &entries, &[b"a".to_vec(), vec![b'k'; 50]]);
        }
    }
}

/// Uncompressed, an entry of half a block has a block of its own; compressed, only one of a whole.
#[test]
fn large_entries_stand_alone() {
    let entries_of_blocks = |compression| {
        let mut writer = TableWriter::new(Vec::new(), settings(compression, 1000)).unwrap();
        for (key, bytes) in [100, 600, 100, 100, 600, 600, 1100, 100].into_iter().enumerate() {
            let value: Vec<u8> = (0..bytes).map(|at| (at * at + key) as u8).collect();
            writer.put(&[key as u8], &value).unwrap();
        }
        let table = Table::from_bytes(writer.finish().unwrap().0).unwrap();
        let blocks = table.blocks().unwrap().into_iter();
        let data = blocks.filter(|block| block.kind == FrameKind::Data);
        data.map(|block| block.entries).collect::<Vec<_>>()
    };
    assert_eq!(entries_of_blocks(Compression::None), [1, 1, 2, 1, 1, 1, 1]);
    assert_eq!(entries_of_blocks(Compression::Lz4), [5, 1, 1, 1]);
}

#[test]
fn what_is_out_of_bounds_or_order_is_refused_and_the_writer_goes_on() {
    let mut writer = TableWriter::new(Vec::new(), WriteSettings::default()).unwrap();
    writer.put(b"b", b"").unwrap();
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    let error = refused(writer.put(b"a", b"").unwrap_err());
    assert_eq!(error, "key out of order: \"a\" after \"b\"");
    let error = refused(writer.put(b"b", b"").unwrap_err());
    assert_eq!(error, "version out of order: key \"b\", sequence number 0 after 0");
    let error = refused(writer.put(&[b'c'; 65_537], b"").unwrap_err());
    assert_eq!(error, "key too long: 65537 bytes, at most 65536");
    let entry = Entry { key: b"c", value: b"", sequence: SEQUENCE_MAX + 1, kind: ValueKind::Put };
    refused(writer.add(entry).unwrap_err());
    let entry = Entry { key: b"c", value: b"v", sequence: 0, kind: ValueKind::Tombstone };
    refused(writer.add(entry).unwrap_err());
    writer.put(b"c", b"").unwrap();
    let table = Table::from_bytes(writer.finish().unwrap().0).unwrap();
    assert_eq!(table.iter().count(), 2);

    let settings = settings(Compression::None, 1);
    let error = refused(TableWriter::new(Vec::new(), settings).unwrap_err());
    assert_eq!(error, "block_size_bytes: 1, not in 256 to 16777216");
}

/// Reads everything there is in whatever `bytes` are.
fn read_all(bytes: Vec<u8>) -> Result<Vec<Owned>> {
    let table =
        Table::from_reader(Arc::new(Positioned(bytes)), "broken", &ReadSettings::default())?;
    table.verify(&mut |_, _| {})?;
    let mut all = Vec::new();
    let mut cursor = table.cursor();
    while let Some(entry) = cursor.next()? {
        all.push(owned(entry));
    }
    Ok(all)
}

#[test]
fn every_flipped_bit_and_every_cut_is_reported() {
    let mut entries = numbers(60);
    entries.push((b"z".to_vec(), 9, ValueKind::Tombstone, vec![]));
    for compression in [Compression::None, Compression::Lz4] {
        let bytes = build(&entries, settings(compression, 512));
        assert_eq!(read_all(bytes.clone()).unwrap(), entries);
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            let error = read_all(broken).expect_err(&format!("flip in byte {at}"));
            assert!(error.path().is_some(), "{error}");
            let error = read_all(bytes[..at].to_vec()).expect_err(&format!("cut at {at}"));
            assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        read_all(longer).expect_err("a byte more");
    }
}

#[test]
fn a_flip_is_reported_by_the_look_up_that_meets_it() {
    let entries = numbers(100);
    let bytes = build(&entries, settings(Compression::None, 512));
    let second = Table::from_bytes(bytes.clone()).unwrap().blocks().unwrap()[1].clone();
    let mut broken = bytes;
    broken[second.offset as usize + 100] ^= 1;
    for table in tables(&broken) {
        assert!(table.get(&entries[0].0).unwrap().is_some(), "the first block is sound");
        let error = table.get(&second.fence).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert_eq!(error.offset(), Some(second.offset));
        let mut iterator = table.iter();
        assert_eq!(iterator.by_ref().filter(|e| e.is_err()).count(), 1, "one error, then the end");
    }
}

#[test]
fn swapped_blocks_are_noticed() {
    let bytes = build(&numbers(100), settings(Compression::None, 512));
    let blocks = Table::from_bytes(bytes.clone()).unwrap().blocks().unwrap();
    let of =
        |i: usize| blocks[i].offset as usize..(blocks[i].offset + blocks[i].stored_bytes) as usize;
    assert_eq!(of(0).len(), of(1).len());
    let mut swapped = bytes.clone();
    swapped[of(0)].copy_from_slice(&bytes[of(1)]);
    swapped[of(1)].copy_from_slice(&bytes[of(0)]);
    read_all(swapped).unwrap_err();
}

#[test]
fn other_files_and_newer_versions_are_told_apart() {
    let error = Table::from_bytes(b"PK\x03\x04 some archive".to_vec()).unwrap_err().to_string();
    assert_eq!(
        error,
        "memory: corrupt table magic at byte 0: expected \"eskertbl\", found \"PK\\x03\\x04 som\""
    );
    assert_eq!(Table::from_bytes(vec![]).unwrap_err().kind(), ErrorKind::Corruption);
    let mut newer = build(&numbers(1), WriteSettings::default());
    newer[8] = 2;
    let checksum = crate::base::checksum::checksum_at(&newer[..12], 0);
    newer[12..16].copy_from_slice(&checksum.to_le_bytes());
    let error = Table::from_bytes(newer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn equal_input_gives_equal_bytes() {
    let entries = numbers(5_000);
    let build = || build(&entries, WriteSettings::default());
    assert_eq!(build(), build());
}

#[test]
fn a_table_file_appears_only_when_complete() {
    let vfs = MemVfs::default();
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let mut file = TableFile::create_in(shared.clone(), "t", WriteSettings::default()).unwrap();
    file.put(b"a", b"1").unwrap();
    assert!(vfs.open(Path::new("t")).is_err());
    drop(file);
    assert!(vfs.paths().is_empty(), "a dropped one leaves nothing");
    let mut file = TableFile::create_in(shared, "t", WriteSettings::default()).unwrap();
    file.put(b"a", b"1").unwrap();
    file.finish().unwrap();
    assert_eq!(vfs.paths(), [Path::new("t")]);
}

#[cfg(unix)]
#[test]
fn a_mapped_file_cut_short_gives_errors_and_life_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let bytes = build(&numbers(20_000), settings(Compression::None, 4096));
    std::fs::write(&path, &bytes).unwrap();
    let mapped = ReadSettings { mapped: true, ..ReadSettings::default() };
    let table = Table::open_with(&path, &mapped).unwrap();
    assert!(table.get(b"00019999").unwrap().is_some());
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10_000).unwrap();
    let mut failed = 0;
    for n in 0..20_000 {
        match table.get(format!("{n:08}").as_bytes()) {
            Ok(Some(value)) => assert_eq!(&*value, &[n as u8; 40]),
            Ok(None) => panic!("key {n} denied"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corruption);
                failed += 1;
            }
        }
    }
    assert!(failed > 19_000, "{failed}");
    assert!(table.cursor().first().is_err(), "the loss is for good");
}

#[test]
fn readers_share_a_table() {
    fn is_shareable<T: Send + Sync + 'static>() {}
    is_shareable::<Table>();
    is_shareable::<TableCursor>();
    is_shareable::<TableRange>();
    let entries = numbers(3_000);
    let table = Table::from_bytes(build(&entries, settings(Compression::None, 512))).unwrap();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (table, entries) = (&table, &entries);
            scope.spawn(move || {
                for (key, .., value) in entries.iter().skip(part).step_by(4) {
                    assert_eq!(table.get(key).unwrap().as_deref(), Some(&value[..]));
                }
                assert_eq!(table.iter().count(), entries.len());
            });
        }
    });
}

#[test]
fn when_blocks_come_into_memory_goes_by_their_entries() {
    let home = |entries, kib: u64, stored_kib: u64| {
        let (data_raw_bytes, data_stored_bytes) = (kib << 10, stored_kib << 10);
        let bytes = Properties { data_raw_bytes, data_stored_bytes, ..Properties::default() };
        Properties { entries, ..bytes }.home()
    };
    assert_eq!(home(100, 100 * 32, 100 * 32), Home::AtRest);
    assert_eq!(home(100, 200, 200), Home::AtRest);
    assert_eq!(home(101, 200, 200), Home::Kept);
    assert_eq!(home(100, 100 * 32, 100 * 20), Home::Kept, "compressed");
    assert_eq!(home(0, 0, 0), Home::Kept);
}
