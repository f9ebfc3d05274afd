//! What is read through a map, what is not, and what becomes of a map that is lost.

use super::super::read::Fill;
use super::super::{ReadSettings, TableWriter, WriteSettings};
use super::*;
use crate::ErrorKind;
use crate::frame::Compression;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that has no slice to lend.
struct Positioned(Vec<u8>);

impl ReadAt for Positioned {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

/// A map that can be lost.
struct Map(Vec<u8>, AtomicBool);

impl ReadAt for Map {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn is_lost(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

fn key(number: usize) -> [u8; 4] {
    (number as u32).to_be_bytes()
}

fn value(number: usize, bytes: usize) -> Vec<u8> {
    vec![number as u8; bytes]
}

/// A table of `count` values of `bytes` bytes, its map, and the cache that counts that.
fn mapped(count: usize, bytes: usize, budget: usize) -> (Table, Arc<Map>, Arc<BlockCache>) {
    mapped_of(&vec![bytes; count], budget)
}

/// The same, of values of those bytes.
fn mapped_of(bytes: &[usize], budget: usize) -> (Table, Arc<Map>, Arc<BlockCache>) {
    let compression = Compression::None;
    let settings = WriteSettings { compression, ..WriteSettings::default() };
    let mut writer = TableWriter::new(Vec::new(), settings).unwrap();
    for (number, &bytes) in bytes.iter().enumerate() {
        writer.put(&key(number), &value(number, bytes)).unwrap();
    }
    let file = writer.finish().unwrap().0;
    let map = Arc::new(Map(file.clone(), AtomicBool::new(false)));
    let cache = Arc::new(BlockCache::new(budget));
    let source = Arc::new(Positioned(file));
    let mut table = Table::from_reader(source, "table", &ReadSettings::default()).unwrap();
    assert!(table.suits_map());
    table.cache_in(&cache, true, Some(map.clone()));
    (table, map, cache)
}

fn read(table: &Table, number: usize, fill: Fill) -> BlockBytes {
    let inner = &*table.0;
    let handle = inner.index.handle(inner, number, &mut None).unwrap().unwrap();
    inner.read_data(number, &handle, fill).unwrap()
}

#[test]
fn the_home_of_blocks_goes_by_their_entries_and_their_length() {
    let home = |entries, data_blocks, kib: u64, stored_kib: u64| {
        let (data_raw_bytes, data_stored_bytes) = (kib << 10, stored_kib << 10);
        let bytes = Properties { data_raw_bytes, data_stored_bytes, ..Properties::default() };
        Properties { entries, data_blocks, ..bytes }.home()
    };
    assert_eq!(home(100, 100, 100 * 32, 100 * 32), Home::Map);
    assert_eq!(home(100, 100, 100 * 31, 100 * 31), Home::AtRest);
    assert_eq!(home(100, 50, 200, 200), Home::AtRest);
    assert_eq!(home(101, 50, 200, 200), Home::Kept);
    // One of a mebibyte, and 39 small ones beside it.
    assert_eq!(home(40, 2, 1028, 1028), Home::Map);
    // Small entries in large blocks, and a table that is compressed.
    assert_eq!(home(1000, 10, 10 * 64, 10 * 64), Home::Kept);
    assert_eq!(home(100, 100, 100 * 32, 100 * 20), Home::Kept);
    assert_eq!(home(0, 0, 0, 0), Home::Kept);
}

#[test]
fn what_is_written_again_is_not_read_through_the_map() {
    let (table, ..) = mapped(4, 40_000, 8 << 20);
    for number in 0..4 {
        assert!(read(&table, number, Fill::Keep).is_mapped());
        for fill in [Fill::Take, Fill::Pass] {
            assert!(!read(&table, number, fill).is_mapped(), "{fill:?}");
        }
    }
    let mut merged = table.clone().into_cursor(Fill::Take);
    for number in 0..4 {
        let entry = merged.next().unwrap().unwrap();
        assert_eq!((entry.key, entry.value), (&key(number)[..], &value(number, 40_000)[..]));
    }
}

#[test]
fn the_windows_of_a_block_come_in_together() {
    let (count, bytes) = (40, 3 * WINDOW_BYTES);
    let (table, _, cache) = mapped(count, bytes, 8 << 20);
    (0..count).for_each(|number| drop(read(&table, number, Fill::Keep)));
    for number in 0..count {
        // Of eight reads in a full cache one is kept.
        let is_mapped = (0..8).any(|_| read(&table, number, Fill::Keep).is_mapped());
        assert!(is_mapped, "block {number} is read without the map each time");
    }
    let (others, windows) = cache.resident_bytes();
    assert!(others + windows <= 8 << 20, "{others} and {windows} bytes");
}

#[test]
fn windows_end_with_the_file() {
    let (table, map, cache) = mapped(20, 40_000, 64 << 20);
    (0..20).for_each(|number| assert!(read(&table, number, Fill::Keep).is_mapped()));
    let (len, (_, counted)) = (map.0.len(), cache.resident_bytes());
    assert!(len.next_multiple_of(WINDOW_BYTES) > len + 1000);
    assert!(
        (len..len + 1000).contains(&counted),
        "{counted} bytes of {len}, and what tells of them"
    );
}

/// Windows that are in use.
fn windows(table: &Table) -> usize {
    let mapped = table.0.mapped.as_ref().unwrap();
    windows_of(&(0..mapped.file.as_slice().unwrap().len()))
        .filter(|&number| mapped.windows.get(number).is_some())
        .count()
}

#[test]
fn a_new_table_is_mapped_as_far_as_there_is_room() {
    let ahead = |budget: usize| {
        let (table, _, cache) = mapped(100, 100_000, budget);
        table.map_ahead();
        let (others, blocks) = cache.resident_bytes();
        (windows(&table), budget - others - blocks)
    };
    assert_eq!(ahead(64 << 20).0, 10_000_000usize.div_ceil(WINDOW_BYTES));
    // 24 MiB stay free of what nobody has asked for.
    let (some, left) = ahead(28 << 20);
    assert!((10..=16).contains(&some), "{some} windows");
    assert!(left >= 24 << 20, "{left} bytes left");
}

#[test]
fn a_table_whose_map_is_lost_is_read_at_positions() {
    let (table, map, _) = mapped(4, 40_000, 8 << 20);
    let mut cursor = table.cursor();
    cursor.first().unwrap().unwrap();
    assert!(read(&table, 0, Fill::Keep).is_mapped());
    map.1.store(true, Ordering::Relaxed);
    assert_eq!(cursor.current().unwrap_err().kind(), ErrorKind::Corruption, "it was borrowed");
    assert!(!read(&table, 0, Fill::Keep).is_mapped());
    for number in 0..4 {
        let found = table.get(&key(number)).unwrap();
        assert_eq!(found.as_deref(), Some(&value(number, 40_000)[..]));
    }
    assert_eq!(cursor.seek(&key(1)).unwrap().unwrap().value, value(1, 40_000));
}

#[test]
fn what_is_lost_while_it_is_lent_is_told() {
    let (table, map, _) = mapped_of(&[2500, 2500, 2500, 500_000], 8 << 20);
    let mut cursor = table.into_cursor(Fill::Keep);
    assert!(cursor.first().unwrap().is_some());
    let run = usize::MAX..cursor.block_end(true);
    assert!(run.end >= 3, "{run:?}");
    let mut number = 0;
    let mut step = |lent: &[u8], value_lent: &[u8]| {
        number += 1;
        assert_eq!((lent, value_lent), (&key(number)[..], &value(number, 2500)[..]));
        false
    };
    assert!(!cursor.go_near_while(&run, true, &mut step).unwrap());
    let mut lose = |lent: &[u8], _: &[u8]| {
        assert_eq!(lent, key(2));
        map.1.store(true, Ordering::Relaxed);
        false
    };
    let error = cursor.go_near_while(&run, true, &mut lose).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}
