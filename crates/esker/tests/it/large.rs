//! Large values, which come into memory at rest and as they are read.

use esker::{Compression, Db, ErrorKind, Settings};
use std::path::{Path, PathBuf};

const VALUE_BYTES: usize = 40_000;

fn settings() -> Settings {
    with_budget(8 << 20)
}

fn with_budget(memory_budget_bytes: usize) -> Settings {
    let mut settings = Settings::default();
    settings.compression = Compression::None;
    settings.memory_budget_bytes = memory_budget_bytes;
    settings
}

fn key(number: usize) -> [u8; 8] {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// The value of key `number`, different in each round; some are small.
fn value(number: usize, round: usize) -> Vec<u8> {
    value_of(VALUE_BYTES, number, round)
}

/// The same, of about `most` bytes where it is not small.
fn value_of(most: usize, number: usize, round: usize) -> Vec<u8> {
    let bytes = if number % 10 == 9 { 100 } else { most + number };
    let mut value = format!("{number} {round} ").into_bytes();
    value.extend((value.len()..bytes).map(|at| (at * 31 + number) as u8));
    value
}

/// A database in `directory` with `count` values, all in tables.
fn filled(directory: &Path, count: usize) -> Db {
    let db = Db::open(directory, settings()).unwrap();
    (0..count).for_each(|number| db.put(&key(number), &value(number, 0)).unwrap());
    db.flush().unwrap();
    db.settle().unwrap();
    db
}

/// Such a database of 50 values, with no block in memory.
#[cfg(target_os = "linux")]
fn opened_again(directory: &Path) -> Db {
    drop(filled(directory, 50));
    Db::open(directory, settings()).unwrap()
}

#[cfg(target_os = "linux")]
fn tables(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "sstable")).collect()
}

#[test]
fn they_come_back_in_every_round() {
    // Blocks share a segment of memory or have one of their own.
    for (bytes, budget) in [(VALUE_BYTES, 8 << 20), (20_000, 1 << 20), (3000, 8 << 20)] {
        come_back_in_every_round(bytes, budget);
    }
}

fn come_back_in_every_round(bytes: usize, budget: usize) {
    let directory = tempfile::tempdir().unwrap();
    let count = 1000;
    let mut rounds = vec![Some(0); count];
    let value = |number, round| value_of(bytes, number, round);
    let db = Db::open(directory.path(), with_budget(budget)).unwrap();
    (0..count).for_each(|number| db.put(&key(number), &value(number, 0)).unwrap());
    db.settle().unwrap();
    for round in 1..4 {
        for number in (round..count).step_by(round + 1) {
            rounds[number] = (number % 7 > 0).then_some(round);
            match rounds[number] {
                Some(round) => db.put(&key(number), &value(number, round)).unwrap(),
                None => db.delete(&key(number)).unwrap(),
            }
        }
        if round == 2 {
            db.compact_range::<&[u8]>(..).unwrap();
        }
        let expected = |number: usize| rounds[number].map(|round| value(number, round));
        let mut order: Vec<usize> = (0..count).filter(|&n| rounds[n].is_some()).collect();
        order.sort_by_key(|&number| key(number));
        let mut cursor = db.cursor();
        let mut entry = cursor.first().unwrap();
        for &number in &order {
            let (found, value) = entry.unwrap();
            assert!(found == key(number) && Some(value) == expected(number).as_deref());
            entry = cursor.next().unwrap();
        }
        assert_eq!(entry, None);
        for number in 0..count {
            let found = db.get(&key(number)).unwrap();
            assert!(found.as_deref() == expected(number).as_deref(), "{number} in round {round}");
        }
    }
    db.settle().unwrap();
    let stats = db.stats();
    assert!(stats.cache_bytes + stats.pinned_bytes <= budget as u64, "{stats:?}");
}

/// Their blocks come into memory at rest, whoever wrote their table.
#[test]
fn they_come_into_memory_at_rest() {
    for bytes in [4000, VALUE_BYTES] {
        come_into_memory_at_rest(bytes);
    }
}

fn come_into_memory_at_rest(bytes: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_budget(128 << 20);
    // So that it rests only when it is told to.
    settings.background_threads = 0;
    let db = Db::open(directory.path().join("db"), settings).unwrap();
    let read_all = || (0..300).for_each(|n| assert!(db.get(&key(n)).unwrap().is_some(), "{n}"));
    (0..100).for_each(|n| db.put(&key(n), &value_of(bytes, n, 0)).unwrap());
    db.flush().unwrap();
    assert_eq!(db.stats().cache_bytes, 0, "blocks were kept as they were written");
    (100..200).for_each(|n| db.put(&key(n), &value_of(bytes, n, 0)).unwrap());
    db.compact_range::<&[u8]>(..).unwrap();
    let path = directory.path().join("table");
    let mut outside: Vec<usize> = (200..300).collect();
    outside.sort_by_key(|&n| key(n));
    let file = std::fs::File::create(&path).unwrap();
    let mut settings = esker::WriteSettings::default();
    settings.compression = Compression::None;
    let mut writer = esker::TableWriter::new(file, settings).unwrap();
    outside.iter().for_each(|&n| writer.put(&key(n), &value_of(bytes, n, 0)).unwrap());
    writer.finish().unwrap();
    db.ingest(&[path]).unwrap();
    db.settle().unwrap();
    let before = db.stats();
    assert!(before.cache_bytes >= 250 * bytes as u64, "{before:?}");
    read_all();
    assert_eq!(db.stats().cache_misses, before.cache_misses, "blocks had to be read");
}

/// A value is checked when it is read from its file.
#[cfg(target_os = "linux")]
#[test]
fn damage_under_an_open_database_is_found() {
    use std::os::unix::fs::FileExt;
    let directory = tempfile::tempdir().unwrap();
    let db = opened_again(directory.path());
    for path in tables(directory.path()) {
        // A table that is obsolete may go at any time.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let wanted = value(7, 0);
        if let Some(at) = bytes.windows(wanted.len()).position(|window| window == wanted) {
            let Ok(file) = std::fs::File::options().write(true).open(&path) else { continue };
            file.write_all_at(&[!wanted[500]], at as u64 + 500).unwrap();
        }
    }
    assert_eq!(db.get(&key(7)).err().unwrap().kind(), ErrorKind::Corruption);
    assert_eq!(db.cursor().seek(&key(7)).err().unwrap().kind(), ErrorKind::Corruption);
    assert!(db.get(&key(8)).unwrap().as_deref() == Some(&value(8, 0)[..]));
}

/// A table that another process cuts short is an error.
#[cfg(target_os = "linux")]
#[test]
fn a_table_that_is_cut_short_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let db = opened_again(directory.path());
    assert!(db.get(&key(8)).unwrap().is_some(), "its tables are open");
    for path in tables(directory.path()) {
        if let Ok(file) = std::fs::File::options().write(true).open(&path) {
            file.set_len(100).unwrap();
        }
    }
    assert_eq!(db.get(&key(7)).err().unwrap().kind(), ErrorKind::Corruption);
    assert_eq!(db.cursor().first().err().unwrap().kind(), ErrorKind::Corruption);
}

/// What is read is within the budget, whether it fits or not.
#[test]
fn what_is_read_is_part_of_the_budget() {
    let directory = tempfile::tempdir().unwrap();
    let count = 2000;
    let db = filled(directory.path(), count);
    for round in 0..3 {
        let mut cursor = db.cursor();
        let mut entry = cursor.first().unwrap();
        while entry.is_some() {
            entry = cursor.next().unwrap();
        }
        for number in (0..count).map(|n| n * 7 % count) {
            assert_eq!(db.get(&key(number)).unwrap().unwrap().len(), value(number, 0).len());
            if number % 100 == round {
                let stats = db.stats();
                assert!(stats.cache_bytes + stats.pinned_bytes <= 8 << 20, "{stats:?}");
            }
        }
    }
    assert!(db.stats().cache_bytes >= 2 << 20, "{:?}", db.stats());
}
