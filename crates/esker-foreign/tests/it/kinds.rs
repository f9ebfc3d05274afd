//! Tables of rarer kinds, and hostile indexes.

use crate::shipped;
use esker::ErrorKind;
use esker_foreign::{Comparator, Engine, ForeignTable, OpenSettings};
use std::ops::Bound;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    shipped().into_iter().find(|path| path.ends_with(name)).expect(name)
}

#[test]
fn an_ingested_table_has_its_sequence_number_from_the_properties() {
    let path = path("rocksdb-ingested-fv5.sst");
    let table = ForeignTable::open(&path).unwrap();
    assert_eq!(table.verify(&mut |_, _| {}).unwrap().entries, 500);
    assert_eq!(table.get(b"k001").unwrap().as_deref(), Some(&b"v001"[..]));
    let sequence = table.cursor().first().unwrap().unwrap().sequence;
    assert!(sequence > 0, "{sequence}");
    table.blocks().unwrap();

    // Nothing but that number may differ from what the checksum was made of.
    let properties = table.blocks().unwrap().into_iter().find(|b| b.kind == "properties").unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[properties.offset as usize + 5] ^= 1;
    ForeignTable::from_bytes(bytes).expect_err("another byte of the properties");
}

#[test]
fn rocksdb_format_version_0_is_told_from_leveldb() {
    let table = ForeignTable::open(path("rocksdb-lz4-fv0.sst")).unwrap();
    assert_eq!((table.engine(), table.format_version()), (Engine::RocksDb, 0));
    assert!(table.properties().iter().any(|(name, _)| name == "rocksdb.comparator"));
    assert_eq!(table.verify(&mut |_, _| {}).unwrap().entries, 184);
}

#[test]
fn keys_against_the_order_are_refused_from_both_ends() {
    let mut settings = OpenSettings::default();
    settings.comparator = Some(Comparator::Bytewise);
    let table = ForeignTable::open_with(path("leveldb-reverse.ldb"), &settings).unwrap();
    let (forward, backward) = (table.visible(), table.visible().rev());
    let all: [Vec<_>; 2] = [forward.collect(), backward.collect()];
    for entries in all {
        let [Ok(_), Err(error)] = &entries[..] else { panic!("{} entries", entries.len()) };
        assert!(error.to_string().contains("order of entries"), "{error}");
    }
}

#[test]
fn a_leveldb_table_in_reverse_is_found_out() {
    let path = path("leveldb-reverse.ldb");
    let table = ForeignTable::open(&path).unwrap();
    assert_eq!(table.comparator(), Comparator::Reverse);
    table.verify(&mut |_, _| {}).unwrap();
    let all: Vec<_> = table.visible().map(|entry| entry.unwrap()).collect();
    for (key, value) in &all {
        assert_eq!(table.get(key).unwrap().as_ref(), Some(value));
    }
    let bounds = || (Bound::Excluded(all[9].0.clone()), Bound::Included(all[99].0.clone()));
    for reverse in [false, true] {
        let range = table.range(bounds().0, bounds().1);
        let part: Vec<_> = match reverse {
            false => range.map(|entry| entry.unwrap()).collect(),
            true => {
                let mut part: Vec<_> = range.rev().map(|entry| entry.unwrap()).collect();
                part.reverse();
                part
            }
        };
        assert_eq!(part.len(), 90);
        assert!(part == all[10..100]);
    }

    let mut settings = OpenSettings::default();
    settings.comparator = Some(Comparator::Bytewise);
    let table = ForeignTable::open_with(path, &settings).unwrap();
    table.verify(&mut |_, _| {}).expect_err("the order that was asked for is not the table's");
}

#[test]
fn range_deletions_are_not_passed_over_in_raw_order() {
    let mut settings = OpenSettings::default();
    settings.comparator = Some(Comparator::Raw);
    let table = ForeignTable::open_with(path("rocksdb-rangedel.sst"), &settings).unwrap();
    let mut cursor = table.cursor();
    while let Some(entry) = cursor.next().unwrap() {
        let key = entry.key.to_vec();
        assert_eq!(table.get(&key).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

/// A RocksDB table of format version 2, block by block.
#[derive(Default)]
struct Builder(Vec<u8>);

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

impl Builder {
    /// Adds a block of entries (shared length, rest of the key, value) and gives its handle.
    fn block(&mut self, entries: &[(usize, &[u8], &[u8])]) -> Vec<u8> {
        let start = self.0.len();
        for (shared, rest, value) in entries {
            for number in [*shared, rest.len(), value.len()] {
                self.0.extend(varint(number));
            }
            self.0.extend_from_slice(rest);
            self.0.extend_from_slice(value);
        }
        self.0.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        let handle = [varint(start), varint(self.0.len() - start)].concat();
        self.0.push(0);
        let crc = crc_fast::crc32_iscsi(&self.0[start..]);
        self.0.extend_from_slice(&crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
        handle
    }

    /// Ends the table with a two-level index whose top is the block at `top`.
    fn finish(mut self, top: &[u8], extra: &[(usize, &[u8], &[u8])]) -> Vec<u8> {
        let two_level = 2u32.to_le_bytes();
        let kind: &[u8] = b"rocksdb.block.based.table.index.type";
        let properties = self.block(&[(0, kind, &two_level)]);
        let mut names = vec![(0, &b"rocksdb.properties"[..], &properties[..])];
        names.extend_from_slice(extra);
        let metaindex = self.block(&names);
        let mut footer = [&[1][..], &metaindex, top].concat();
        footer.resize(41, 0);
        footer.extend_from_slice(&2u32.to_le_bytes());
        footer.extend_from_slice(&0x88e2_41b7_85f4_cff7u64.to_le_bytes());
        self.0.extend_from_slice(&footer);
        self.0
    }
}

const KEY: &[u8] = b"k\x01\0\0\0\0\0\0\0";

#[test]
fn an_index_that_goes_back_is_refused_at_once() {
    let mut table = Builder::default();
    let data = table.block(&[(0, KEY, b"v")]);
    let page = table.block(&[(0, KEY, &data)]);
    let sound = table.block(&[(0, KEY, &page)]);
    let bytes = Builder(table.0.clone()).finish(&sound, &[]);
    assert_eq!(ForeignTable::from_bytes(bytes).unwrap().get(b"k").unwrap(), Some(b"v".to_vec()));

    let mut looped = Builder(table.0.clone());
    let top = looped.block(&[(0, KEY, &page), (KEY.len(), b"", &page)]);
    let error = ForeignTable::from_bytes(looped.finish(&top, &[])).unwrap_err();
    assert!(error.to_string().contains("order of blocks"), "{error}");

    let mut looped = Builder(table.0.clone());
    let page = looped.block(&[(0, KEY, &data), (KEY.len(), b"", &data)]);
    let top = looped.block(&[(0, KEY, &page)]);
    let error = ForeignTable::from_bytes(looped.finish(&top, &[])).unwrap_err();
    assert!(error.to_string().contains("order of blocks"), "{error}");

    let many = [(0, &b"s1"[..], &data[..]), (0, &b"s2"[..], &data[..])];
    let error = ForeignTable::from_bytes(Builder(table.0).finish(&sound, &many)).unwrap_err();
    assert!(error.to_string().contains("order of blocks"), "{error}");
}

#[test]
fn index_keys_are_bounded_over_all_pages() {
    let mut table = Builder::default();
    let long = [&[b'k'; 10_000][..], &KEY[1..]].concat();
    let mut pages = Vec::new();
    for _ in 0..100 {
        let blocks: Vec<Vec<u8>> = (0..200).map(|_| table.block(&[])).collect();
        let mut entries = vec![(0, &long[..], &blocks[0][..])];
        entries.extend(blocks[1..].iter().map(|block| (long.len(), &b""[..], &block[..])));
        pages.push(table.block(&entries));
    }
    let mut entries = vec![(0, KEY, &pages[0][..])];
    entries.extend(pages[1..].iter().map(|page| (KEY.len(), &b""[..], &page[..])));
    let top = table.block(&entries);
    let bytes = table.finish(&top, &[]);
    assert!(bytes.len() < 2 << 20, "{} bytes for 200 MB of keys", bytes.len());
    let error = ForeignTable::from_bytes(bytes).unwrap_err();
    assert!(error.to_string().contains("length of all index keys"), "{error}");
}
