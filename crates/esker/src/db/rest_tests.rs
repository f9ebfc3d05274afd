//! What is written when a database comes to rest, and what is not.

use super::fault_tests::{crash, get, open, settings, tables_of_level_0};
use super::faulty::Faulty;
use super::*;
use crate::version::TableHandle;
use crate::vfs::{MemVfs, Vfs};
use crate::{Compression, ErrorKind};
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// Puts `keys` with a value of 50 bytes that begins with `tag`.
fn fill(db: &Db, keys: impl IntoIterator<Item = u32>, tag: &str) {
    for key in keys {
        db.put(format!("{key:03}").as_bytes(), format!("{tag:50}").as_bytes()).unwrap();
    }
}

/// Seals the memtable, which nobody flushes yet.
fn seal(db: &Db) {
    let core = db.core();
    core.seal(&mut core.take(&core.writer)).unwrap();
}

/// A database with a table, and over it three memtables that are to be flushed, one still active.
fn full_of_memtables(vfs: &Faulty) -> Db {
    let db = open(vfs);
    fill(&db, 0..20, "old");
    db.flush().unwrap();
    fill(&db, 0..10, "sealed first");
    seal(&db);
    fill(&db, 5..15, "sealed then");
    db.delete(b"005").unwrap();
    seal(&db);
    fill(&db, 10..20, "active");
    db.delete(b"000").unwrap();
    db
}

fn check(db: &Db) {
    let found: Vec<_> = db.iter().map(|entry| entry.unwrap().1).collect();
    let tags = [("sealed first", 4), ("sealed then", 4), ("active", 10)];
    let expected = tags.iter().flat_map(|(tag, count)| vec![format!("{tag:50}"); *count]);
    let expected: Vec<_> = expected.map(String::into_bytes).collect();
    assert_eq!(found, expected);
}

#[test]
fn at_rest_memtables_and_level_0_are_written_in_one_step() {
    let vfs = Faulty::default();
    let db = full_of_memtables(&vfs);
    let before = db.stats();
    db.settle().unwrap();
    let after = db.stats();
    assert_eq!(after.flushes - before.flushes, 3);
    assert_eq!(after.flushed_bytes, before.flushed_bytes, "no table of level 0");
    assert_eq!(after.compactions - before.compactions, 1);
    assert_eq!((tables_of_level_0(&db), vfs.names(".log").len()), (0, 1));
    let entries = db.segments().iter().map(|segment| segment.entries).sum::<u64>();
    assert_eq!(entries, 18, "what is hidden or deleted has gone");
    check(&db);
    check(&open(&crash(&vfs)));
}

#[test]
fn a_snapshot_keeps_its_versions_when_memtables_are_merged() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    fill(&db, 0..6, "old");
    db.flush().unwrap();
    let mut snapshots = Vec::new();
    for tag in ["one", "two", "three"] {
        fill(&db, 0..6, tag);
        snapshots.push((tag, db.snapshot()));
    }
    fill(&db, 0..6, "last");
    db.settle().unwrap();
    assert_eq!(db.stats().flushes, 2);
    assert_eq!(tables_of_level_0(&db), 0);
    for (tag, snapshot) in snapshots {
        let found = snapshot.get(b"003").unwrap().map(|value| value.into_vec());
        assert_eq!(found, Some(format!("{tag:50}").into_bytes()));
    }
    assert_eq!(get(&db, "003"), Some(format!("{:50}", "last")));
}

#[test]
fn tables_that_can_go_down_as_they_are_are_not_written_again() {
    let db = open(&Faulty::default());
    fill(&db, 0..20, "first");
    db.flush().unwrap();
    fill(&db, 20..40, "second");
    db.settle().unwrap();
    let stats = db.stats();
    assert_eq!((stats.flushes, stats.compactions, stats.moves), (2, 0, 1));
    assert_eq!(tables_of_level_0(&db), 0);
}

#[test]
fn memtables_do_not_wait_for_much() {
    let settings = settings(&Faulty::default(), 0);
    let settings = Settings { level_0_tables: 100, compression: Compression::None, ..settings };
    let db = Db::open("db", settings).unwrap();
    fill(&db, 0..800, "large");
    db.flush().unwrap();
    assert!(tables_of_level_0(&db) > 10);
    let before = db.stats();
    fill(&db, 0..20, "small");
    db.settle().unwrap();
    let after = db.stats();
    assert_eq!(after.flushes - before.flushes, 1);
    assert!(after.flushed_bytes > before.flushed_bytes, "a table of level 0");
    assert_eq!(tables_of_level_0(&db), 0);
}

#[test]
fn memtables_are_flushed_if_they_cannot_be_merged() {
    let vfs = Faulty::default();
    let db = full_of_memtables(&vfs);
    let table = vfs.names(".sstable");
    vfs.fail(move |op, path| (op == "open" && path.ends_with(&table[0])).then_some(0));
    assert!(db.settle().is_err(), "level 0 cannot be read");
    assert!(db.core().view.load().sealed.is_empty(), "but memtables can be written");
    db.put(b"999", b"1").unwrap();
    vfs.heal();
    db.delete(b"999").unwrap();
    check(&open(&crash(&vfs)));
    db.settle().unwrap();
    check(&db);
}

/// Merges memtables at rest while `meanwhile` happens, for which the merge is given up.
fn merge_in_vain(meanwhile: impl Fn(&Db) + Send + Sync + 'static) -> (Faulty, Db) {
    let vfs = Faulty::default();
    let db = full_of_memtables(&vfs);
    let other = db.clone();
    let mut is_first = true;
    vfs.fail(move |op, path| {
        if op == "create" && path.contains("sstable") && std::mem::take(&mut is_first) {
            meanwhile(&other);
        }
        None
    });
    let before = db.stats();
    assert!(db.core().flush_one(true).unwrap());
    vfs.heal();
    let after = db.stats();
    assert_eq!((after.flushes - before.flushes, after.compactions), (1, before.compactions));
    assert_eq!(vfs.names(".tmp").len(), 0);
    (vfs, db)
}

#[test]
fn a_merge_gives_way_to_who_writes_again() {
    let (vfs, db) = merge_in_vain(|other| fill(other, 100..120, "busy"));
    (100..120).for_each(|key| db.delete(format!("{key}").as_bytes()).unwrap());
    check(&db);
    db.settle().unwrap();
    check(&open(&crash(&vfs)));
}

/// Writers could soon go on only when it has ended.
#[test]
fn a_merge_gives_way_to_a_memtable_that_is_sealed_meanwhile() {
    let (vfs, db) = merge_in_vain(|other| {
        other.delete(b"999").unwrap();
        seal(other);
    });
    check(&db);
    check(&open(&crash(&vfs)));
    db.settle().unwrap();
    check(&db);
    check(&open(&crash(&vfs)));
}

/// A database in which more than one table may be in memory.
fn open_with_memory(vfs: &MemVfs, memory_budget_bytes: usize) -> Db {
    let vfs = Arc::new(vfs.clone());
    let settings = settings(&Faulty::default(), 0);
    Db::open("db", Settings { vfs, memory_budget_bytes, ..settings }).unwrap()
}

/// Such a database, into which entries were loaded past the memtable.
fn bulk_loaded(vfs: &MemVfs, memory_budget_bytes: usize) -> Db {
    let db = open_with_memory(vfs, memory_budget_bytes);
    let load = |load: &mut BulkLoad<'_>| {
        (0..500).try_for_each(|i| load.put(format!("{i:03}").as_bytes(), &[b'v'; 1000]))
    };
    assert_eq!(db.bulk_load(load).unwrap(), 500);
    db
}

fn first_table(db: &Db) -> Arc<TableHandle> {
    db.core().view.load().version.tables().next().unwrap().1.clone()
}

/// Reads everything, and tells how many blocks were not in memory.
fn scan(db: &Db) -> u64 {
    assert_eq!(db.range::<&[u8]>(..).filter(Result::is_ok).count(), 500);
    db.stats().cache_misses
}

#[test]
fn blocks_of_a_bulk_load_come_into_memory_at_rest() {
    let db = bulk_loaded(&MemVfs::default(), 64 << 20);
    assert_eq!(db.stats().cache_bytes, 0);
    db.settle().unwrap();
    assert_eq!(scan(&db), 0, "blocks had to be read");
    // What is open anew has not been written.
    let vfs = MemVfs::default();
    drop(bulk_loaded(&vfs, 64 << 20));
    let db = open_with_memory(&vfs, 64 << 20);
    db.settle().unwrap();
    assert_eq!(db.stats().cache_bytes, 0);
}

#[test]
fn blocks_come_only_while_there_is_room_and_nothing_else_to_do() {
    // 12 MiB stay free of what nobody has asked for.
    let db = bulk_loaded(&MemVfs::default(), 12 << 20);
    db.settle().unwrap();
    assert_eq!(db.stats().cache_bytes, 0);

    let db = bulk_loaded(&MemVfs::default(), 64 << 20);
    let table = first_table(&db);
    let asked = Cell::new(0);
    let goes_on = || asked.replace(asked.get() + 1) < 3;
    assert!(!table.warm_up(&goes_on));
    assert_eq!(asked.get(), 4, "two blocks of the table, and no more");
    assert!(table.warm_up(&|| true));
    let open = table.open_table().unwrap();
    assert!(open.warm_up(&|| panic!("they are all there")).unwrap());
    db.settle().unwrap();
    assert_eq!(scan(&db), 0);
}

#[test]
fn a_block_that_cannot_be_brought_in_is_an_error_of_its_reader() {
    let vfs = MemVfs::default();
    let db = bulk_loaded(&vfs, 64 << 20);
    let path = first_table(&db).path();
    let mut byte = [0];
    vfs.open(&path).unwrap().read_exact_at(&mut byte, 50).unwrap();
    vfs.open_write(&path).unwrap().write_all_at(&[byte[0] ^ 1], 50).unwrap();
    db.settle().unwrap();
    assert_eq!(db.get(b"000").unwrap_err().kind(), ErrorKind::Corruption);
    assert!(db.get(b"499").unwrap().is_some());
}

#[test]
fn no_blocks_come_while_a_flush_is_due_or_a_load_is_under_way() {
    let db = bulk_loaded(&MemVfs::default(), 64 << 20);
    let core = db.core();
    core.loads.fetch_add(1, Ordering::Relaxed);
    core.warm_up();
    core.loads.fetch_sub(1, Ordering::Relaxed);
    fill(&db, 500..501, "sealed");
    seal(&db);
    core.warm_up();
    assert_eq!(db.stats().cache_bytes, 0);
    db.flush().unwrap();
    core.warm_up();
    assert!(db.stats().cache_bytes > 0);
}

#[test]
fn at_rest_blocks_have_the_memtables_part_of_the_budget() {
    let settings = settings(&Faulty::default(), 0);
    let (vfs, memory_budget_bytes) = (Arc::new(MemVfs::default()), 64 << 20);
    let settings = Settings { vfs, memory_budget_bytes, memtable_size_bytes: None, ..settings };
    let db = Db::open("db", settings).unwrap();
    let full = db.core().settings.memtable_bytes() as u64;
    let pinned = || db.stats().pinned_bytes;
    let at_rest = pinned();
    assert!(at_rest < full / 2, "{at_rest} bytes, where nobody writes");
    fill(&db, 500..501, "new");
    assert!(pinned() >= full, "{} bytes, where there will be more writes", pinned());
    db.settle().unwrap();
    assert!(pinned() < at_rest + full / 2, "{} bytes at rest", pinned());
    // Each of these fills a memtable, which the next seals.
    for round in 0..3_u8 {
        let mut batch = WriteBatch::new();
        (0..100_u8).for_each(|key| batch.put(&[key], &vec![round; full as usize / 90]).unwrap());
        db.write(&batch, Durability::None).unwrap();
        assert!(pinned() >= full, "{} bytes, round {round}", pinned());
        db.settle().unwrap();
        assert!(pinned() < at_rest + full / 2, "{} bytes at rest, round {round}", pinned());
    }
}

/// What a flush of some entries adds to the blocks in memory.
fn kept_by_a_flush(db: &Db) -> u64 {
    let before = db.stats().cache_bytes;
    fill(db, 0..100, "new");
    db.flush().unwrap();
    db.stats().cache_bytes.saturating_sub(before)
}

#[test]
fn blocks_are_kept_as_they_are_written_while_someone_reads() {
    let directory = tempfile::tempdir().unwrap();
    // No merge comes between.
    let settings = Settings { level_0_tables: 100, ..Settings::default() };
    let db = Db::open(directory.path(), settings).unwrap();
    assert_eq!(kept_by_a_flush(&db), 0, "nobody has read");
    let reads: [fn(&Db); 3] = [
        |db| assert!(db.get(b"000").unwrap().is_some()),
        |db| assert!(db.iter().next().is_some()),
        |db| assert!(db.snapshot().has(b"000").unwrap()),
    ];
    for read in reads {
        read(&db);
        assert!(kept_by_a_flush(&db) > 0, "someone has read");
        assert!(kept_by_a_flush(&db) > 0, "not long ago");
        let kept: Vec<_> = (0..5).map(|_| kept_by_a_flush(&db)).collect();
        assert_eq!(kept[4], 0, "nobody has read for long: {kept:?}");
    }
    db.settle().unwrap();
    let before = db.stats().cache_misses;
    assert_eq!(db.iter().count(), 100);
    assert_eq!(db.stats().cache_misses, before, "blocks had to be read");
}

/// On a file system without a memory of its own they would have to be read from the disk, and
/// without threads of the background there is no rest.
#[test]
fn blocks_are_always_kept_where_no_rest_would_bring_them() {
    assert!(kept_by_a_flush(&open_with_memory(&MemVfs::default(), 64 << 20)) > 0);
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { background_threads: 0, ..Settings::default() };
    assert!(kept_by_a_flush(&Db::open(directory.path(), settings).unwrap()) > 0);
}
