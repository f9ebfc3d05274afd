//! What failing disks, full disks and unlucky moments must not do, each by its name.

use super::faulty::Faulty;
use super::*;
use crate::vfs::Vfs;
use parking_lot::Mutex;
use std::time::Duration;

pub(super) fn settings(vfs: &Faulty, threads: usize) -> Settings {
    Settings {
        vfs: Arc::new(vfs.clone()),
        background_threads: threads,
        memory_budget_bytes: 1 << 20,
        memtable_size_bytes: Some(4 << 10),
        table_size_bytes: 4 << 10,
        block_size_bytes: 256,
        ..Settings::default()
    }
}

pub(super) fn open(vfs: &Faulty) -> Db {
    Db::open("db", settings(vfs, 0)).unwrap()
}

pub(super) fn get(db: &Db, key: &str) -> Option<String> {
    let value = db.get(key.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value.into_vec()).unwrap())
}

/// The files as a crash leaves them: `db` is not closed, and its copy is opened.
pub(super) fn crash(vfs: &Faulty) -> Faulty {
    let after = Faulty::default();
    after.files.create_directory(Path::new("db")).unwrap();
    for path in vfs.files.paths().into_iter().filter(|path| path.starts_with("db")) {
        let bytes = crate::manifest::read_whole(&vfs.files, &path).unwrap();
        after.files.open_write(&path).unwrap().write_all_at(&bytes, 0).unwrap();
    }
    after
}

#[test]
fn logs_that_are_flushed_are_let_go() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    for i in 0..100 {
        db.put(format!("{i}").as_bytes(), b"1").unwrap();
        db.flush().unwrap();
    }
    let held = db.core().unsynced.lock().len();
    assert!(held <= 3, "{held} files of logs are held open");
}

#[test]
fn logs_are_used_again_and_at_rest_give_their_space_back() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    for i in 0..10 {
        db.put(format!("{i}").as_bytes(), b"1").unwrap();
        db.flush().unwrap();
        assert_eq!(vfs.names(".log").len(), 2, "one in use, one to be used again");
    }
    db.settle().unwrap();
    assert_eq!(vfs.names(".log").len(), 1);
}

#[test]
fn a_log_that_could_not_be_begun_loses_nothing() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    for bytes in [0, 40, usize::MAX] {
        vfs.fail(move |op, name| (op == "write" && name.ends_with(".log")).then_some(bytes));
        assert!(db.flush().is_err(), "no new log");
    }
    assert_eq!(vfs.names(".log").len(), 1, "{:?}", vfs.names(".log"));
    vfs.fail(|op, name| {
        let is_log = name.ends_with(".log");
        ((op == "remove" || op == "write") && is_log).then_some(0)
    });
    assert!(db.flush().is_err(), "no new log, and what is left of it stays");
    vfs.fail(|op, _| (op == "create").then_some(0));
    assert!(db.flush().is_err(), "a new log, but no table");
    db.put(b"b", b"2").unwrap();
    let after = open(&crash(&vfs));
    assert_eq!((get(&after, "a"), get(&after, "b")), (Some("1".into()), Some("2".into())));
}

#[test]
fn a_write_that_failed_does_not_take_the_place_of_the_next() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    vfs.fail(|op, name| (op == "write" && name.ends_with(".log")).then_some(usize::MAX));
    assert!(db.put(b"failed", b"1").is_err());
    vfs.fail(|op, _| (op == "create").then_some(0));
    assert!(db.flush().is_err(), "a new log, but no table");
    db.put(b"b", b"2").unwrap();
    let after = open(&crash(&vfs));
    let all = ["a", "failed", "b"].map(|key| get(&after, key).unwrap_or_default());
    assert_eq!(all, ["1", "", "2"]);
}

#[test]
fn a_flush_waits_for_the_one_under_way() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    db.core().state().is_flushing = true;
    let other = db.clone();
    let waiting = std::thread::spawn(move || {
        other.flush().unwrap();
        other.core().view.load().sealed.len()
    });
    std::thread::sleep(Duration::from_millis(50));
    db.core().state().is_flushing = false;
    db.core().done.notify_all();
    assert_eq!(waiting.join().unwrap(), 0, "memtables that wait after a flush");
}

#[test]
fn a_cursor_that_fails_as_it_turns_stands_nowhere() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    for parity in [0, 1] {
        for i in (parity..100).step_by(2) {
            db.put(format!("{i:03}").as_bytes(), &[7; 50]).unwrap();
        }
        db.flush().unwrap();
    }
    drop(db);
    let mut errors = 0;
    for i in 1..99 {
        let db = open(&vfs);
        let mut cursor = db.cursor();
        cursor.seek(format!("{i:03}").as_bytes()).unwrap();
        vfs.fail(|op, _| (op == "read").then_some(0));
        let failed = cursor.prev().is_err();
        vfs.heal();
        if failed {
            errors += 1;
            assert!(cursor.current().is_none() && cursor.next().unwrap().is_none(), "at {i}");
        }
    }
    assert!(errors > 5, "{errors} errors");
}

#[test]
fn small_entries_do_not_outgrow_the_memtable() {
    let db = open(&Faulty::default());
    let mut most = 0;
    for _ in 0..50_000 {
        db.put(b"", b"").unwrap();
        most = most.max(db.core().view.load().active.resident_bytes());
    }
    assert!(most < 100_000, "{most} bytes for a memtable of 4 KiB");
}

#[test]
fn a_reader_notices_that_a_log_was_used_again() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    let (writer, mut is_first) = (db.clone(), true);
    vfs.fail(move |op, name| {
        if op == "read" && name.ends_with(".log") && std::mem::take(&mut is_first) {
            // Between the reader's look at the manifest and its look at the log.
            for _ in 0..3 {
                writer.put(b"b", b"2").unwrap();
                writer.flush().unwrap();
            }
        }
        None
    });
    let reader = Db::open_read_only("db", settings(&vfs, 0)).unwrap();
    vfs.heal();
    assert_eq!(reader.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn tables_that_no_manifest_took_do_not_pile_up() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    for op_to_fail in ["sync", "write", "sync_directory"] {
        vfs.fail(move |op, name| {
            let is_hit = name.contains("MANIFEST") || op == "sync_directory";
            (op == op_to_fail && is_hit).then_some(0)
        });
        for _ in 0..5 {
            assert!(db.flush().is_err());
        }
    }
    let left = vfs.names(".sstable").len();
    assert!(left <= 1, "{left} tables of failed flushes");
    vfs.heal();
    db.flush().unwrap();
    assert_eq!(vfs.names(".sstable").len(), 1);
    let manifests: Vec<_> = vfs.files.list(Path::new("db")).unwrap();
    let manifests = manifests.iter().filter(|name| name.starts_with("MANIFEST")).count();
    assert_eq!(manifests, 1);
    assert_eq!(get(&open(&crash(&vfs)), "a").as_deref(), Some("1"));
}

#[test]
fn a_failing_compaction_neither_spins_nor_stops_flushes() {
    let vfs = Faulty::default();
    let db = Db::open("db", settings(&vfs, 3)).unwrap();
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = tries.clone();
    vfs.fail(move |op, name| {
        let is_hit = op == "open" && name.ends_with(".sstable");
        is_hit.then(|| counter.fetch_add(1, Ordering::Relaxed)).map(|_| 0)
    });
    for i in 0..20 {
        // Tables that have nothing in common could be moved without being opened.
        db.put(b"each", b"1").unwrap();
        db.put(format!("{i}").as_bytes(), b"1").unwrap();
        db.flush().unwrap();
    }
    while tries.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(1000));
    let tries = tries.load(Ordering::Relaxed);
    assert!((1..50).contains(&tries), "{tries} tries");
    assert!(db.settle().is_err(), "the failure is told to who waits for compactions");
    vfs.heal();
}

fn write_table(vfs: &Faulty, name: &str, keys: &[&str]) {
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let settings = crate::WriteSettings::default();
    let mut file = crate::TableFile::create_in(shared, name, settings).unwrap();
    for key in keys {
        file.put(key.as_bytes(), b"ingested").unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn ingested_tables_are_on_disk_before_the_manifest_says_so() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    write_table(&vfs, "one", &["a"]);
    let synced = Arc::new(Mutex::new(Vec::new()));
    let seen = synced.clone();
    vfs.fail(move |op, name| {
        if op == "sync" {
            seen.lock().push(name.to_owned());
        }
        None
    });
    db.ingest(&["one"]).unwrap();
    let synced = synced.lock();
    let at = |what: &str| synced.iter().position(|name| name.contains(what));
    assert!(at(".sstable").is_some() && at(".sstable") < at("MANIFEST"), "{synced:?}");
}

#[test]
fn tables_that_could_not_be_ingested_leave_nothing() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    write_table(&vfs, "one", &["a"]);
    write_table(&vfs, "two", &["b"]);
    let mut links = 0;
    vfs.fail(move |op, _| {
        links += usize::from(op == "link");
        (op == "link" && links == 2).then_some(0)
    });
    assert!(db.ingest(&["one", "two"]).is_err());
    vfs.fail(|op, name| (op == "sync_directory" && name == "db").then_some(0));
    assert!(db.ingest(&["one", "two"]).is_err());
    vfs.heal();
    assert!(vfs.names(".sstable").is_empty(), "{:?}", vfs.names(".sstable"));
    db.ingest(&["one", "two"]).unwrap();
    assert_eq!(db.iter().count(), 2);
}

#[test]
fn a_write_after_a_failed_ingestion_is_kept() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    write_table(&vfs, "one", &["a"]);
    // The edit is in the file all the same.
    vfs.fail(|op, name| (op == "sync" && name.contains("MANIFEST")).then_some(0));
    assert!(db.ingest(&["one"]).is_err());
    vfs.heal();
    db.put(b"b", b"1").unwrap();
    assert_eq!(get(&open(&crash(&vfs)), "b").as_deref(), Some("1"));
}

#[test]
fn a_pinned_view_sees_no_write_after_an_ingested_table_it_does_not_see() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    write_table(&vfs, "one", &["a"]);
    let view = db.core().view.load_full();
    db.ingest(&["one"]).unwrap();
    db.put(b"b", b"later").unwrap();
    let sequence = db.core().visible.load(Ordering::Acquire);
    let mut range = DbRange::new::<&[u8]>(range::Pinned { view, sequence, keeps: None }, ..);
    let first = range.next().map(|entry| entry.unwrap().0);
    assert_ne!(first.as_deref(), Some(&b"b"[..]), "it was written after a, which is not seen");
}

#[test]
fn repair_brings_nothing_back_that_was_replaced_or_deleted() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"k", b"old").unwrap();
    db.put(b"gone", b"1").unwrap();
    db.put(b"a", b"put").unwrap();
    db.flush().unwrap();
    let table = Path::new("db").join(&vfs.names(".sstable")[0]);
    let old = crate::manifest::read_whole(&vfs.files, &table).unwrap();
    db.put(b"k", b"new").unwrap();
    db.delete(b"gone").unwrap();
    db.compact_range::<&[u8]>(..).unwrap();
    write_table(&vfs, "one", &["a"]);
    db.ingest(&["one"]).unwrap();
    drop(db);
    // As a crash leaves it between the edit and the end of what it replaced.
    vfs.files.open_write(&table).unwrap().write_all_at(&old, 0).unwrap();
    for name in vfs.names(".log").into_iter().chain(["CURRENT".into()]) {
        vfs.files.remove(&Path::new("db").join(name)).unwrap();
    }
    repair("db", Some(Path::new("saved")), &settings(&vfs, 0)).unwrap();
    let saved = Db::open("saved", settings(&vfs, 0)).unwrap();
    let all = ["a", "gone", "k"].map(|key| get(&saved, key).unwrap_or_default());
    assert_eq!(all, ["ingested", "", "new"]);
}

#[test]
fn a_job_that_panics_stops_writes_and_nothing_hangs() {
    for (threads, at) in [(0, ".sstable"), (1, ".sstable"), (1, "MANIFEST"), (2, "MANIFEST")] {
        let vfs = Faulty::default();
        let db = Db::open("db", settings(&vfs, threads)).unwrap();
        db.put(b"a", b"1").unwrap();
        vfs.fail(move |op, name| {
            let is_hit = (op == "create" || op == "write") && name.contains(at);
            assert!(!is_hit, "planned");
            None
        });
        assert_eq!(db.flush().unwrap_err().kind(), crate::ErrorKind::Poisoned);
        assert_eq!(db.put(b"b", b"2").unwrap_err().kind(), crate::ErrorKind::Poisoned);
        assert!(db.settle().is_err() && db.flush().is_err());
        assert_eq!(get(&db, "a").as_deref(), Some("1"));
        drop(db);
        vfs.heal();
        let after = open(&vfs);
        assert_eq!((get(&after, "a").as_deref(), get(&after, "b")), (Some("1"), None));
    }
}

#[test]
fn a_checkpoint_that_fails_leaves_nothing() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    db.put(b"a", b"1").unwrap();
    for (op_to_fail, at) in [("link", "copy"), ("open_write", "copy"), ("rename", "copy")] {
        vfs.fail(move |op, name| (op == op_to_fail && name.contains(at)).then_some(0));
        assert!(db.checkpoint("copy").is_err(), "{op_to_fail}");
        let left: Vec<_> = vfs.files.paths();
        assert!(!left.iter().any(|path| path.starts_with("copy")), "{op_to_fail}: {left:?}");
    }
    vfs.heal();
    db.checkpoint("copy").unwrap();
    let copy = Db::open("copy", settings(&vfs, 0)).unwrap();
    assert_eq!(get(&copy, "a").as_deref(), Some("1"));
}

#[test]
fn at_rest_nothing_is_merged_that_a_flush_is_about_to_join() {
    let db = open(&Faulty::default());
    let fill = || (0..20).for_each(|i| db.put(format!("{i:03}").as_bytes(), &[1; 50]).unwrap());
    fill();
    db.flush().unwrap();
    fill();
    assert!(!db.core().compact_one(true).unwrap(), "the memtable is to be flushed first");
    db.flush().unwrap();
    assert!(db.core().compact_one(true).unwrap());
    assert_eq!(tables_of_level_0(&db), 0);
}

#[test]
fn a_flush_at_rest_does_not_wait_for_a_writer_that_waits_for_a_flush() {
    let db = open(&Faulty::default());
    let core = db.handle.core.clone();
    let writer = core.take(&core.writer);
    let (done, is_done) = std::sync::mpsc::channel();
    let flush = db.clone();
    std::thread::spawn(move || done.send(flush.core().flush_one(true).is_ok()));
    assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(true));
    drop(writer);
}

#[test]
fn what_is_flushed_during_a_merge_goes_from_memory() {
    let vfs = Faulty::default();
    let db = open(&vfs);
    for _ in 0..2 {
        db.put(b"a", b"1").unwrap();
        db.flush().unwrap();
    }
    let (left, is_left) = std::sync::mpsc::channel();
    let other = db.clone();
    vfs.fail(move |op, _| {
        if op == "create" {
            let active = Arc::downgrade(&other.core().view.load().active);
            other.put(b"b", b"2").unwrap();
            other.flush().unwrap();
            left.send(active.strong_count()).unwrap();
        }
        None
    });
    db.compact_range::<&[u8]>(..).unwrap();
    vfs.heal();
    assert_eq!(is_left.recv(), Ok(0), "holders of the memtable");
}

#[test]
fn where_the_disk_has_no_room_for_a_large_merge_small_ones_are_made() {
    let vfs = Faulty::default();
    let settings = Settings { compression: crate::Compression::None, ..settings(&vfs, 0) };
    let db = Db::open("db", Settings { level_0_tables: 2, ..settings }).unwrap();
    let put = |keys: std::ops::Range<u32>| {
        keys.for_each(|n| db.put(format!("{n:04}").as_bytes(), &[n as u8; 100]).unwrap());
        db.flush().unwrap();
    };
    put(0..180);
    db.compact_range::<&[u8]>(..).unwrap();
    let before = vfs.names(".sstable").len();
    assert!(before > 4, "{before} tables");
    // Room for the four tables of level 0, and for two more.
    let (files, most) = (vfs.clone(), before + 6);
    vfs.fail(move |op, path| {
        let is_table = op == "create" && path.contains("sstable");
        (is_table && files.names(".sstable").len() >= most).then_some(0)
    });
    db.core().state().manual += 1;
    (0..2).for_each(|half| put(half * 90..half * 90 + 27));
    db.core().state().manual -= 1;
    let core = db.core();
    let levels = |level: usize| core.view.load().version.level(level).tables().len();
    assert_eq!((levels(0), levels(5)), (4, 0));
    assert!(core.compact_one(false).is_err(), "all at once");
    while core.compact_one(false).unwrap() {}
    assert_eq!((levels(0), levels(5)), (0, 2));
    // With room again, and after a while, large ones are made once more.
    vfs.heal();
    while core.state().whole_bytes_max.is_some() {
        core.note_compaction(&mut core.state(), 1, false);
    }
    (0..2).for_each(|half| put(half * 90..half * 90 + 27));
    assert_eq!((levels(0), levels(5)), (0, 0));
}

#[test]
fn what_is_merged_during_a_flush_goes_from_disk() {
    let vfs = Faulty::default();
    let db = Db::open("db", Settings { level_0_tables: 2, ..settings(&vfs, 0) }).unwrap();
    // Held back, so that both tables are there when the flush begins.
    db.core().state().manual += 1;
    for _ in 0..2 {
        db.put(b"a", b"1").unwrap();
        db.flush().unwrap();
    }
    db.core().state().manual -= 1;
    db.put(b"b", b"2").unwrap();
    let (left, is_left) = std::sync::mpsc::channel();
    let (other, files) = (db.clone(), vfs.clone());
    vfs.fail(move |op, path| {
        if op == "create" && path.contains("sstable") {
            let has_merged = other.core().compact_one(false).unwrap();
            left.send((has_merged, files.names(".sstable").len())).unwrap();
        }
        None
    });
    db.flush().unwrap();
    vfs.heal();
    assert_eq!(is_left.recv(), Ok((true, 1)), "a merge, and its table");
}

#[test]
fn a_memtable_that_a_reader_holds_is_counted() {
    let db = open(&Faulty::default());
    db.put(b"a", &[1; 100_000]).unwrap();
    let cursor = db.cursor();
    db.settle().unwrap();
    let held = db.stats().pinned_bytes;
    drop(cursor);
    db.settle().unwrap();
    let left = db.stats().pinned_bytes;
    assert!(left + 100_000 <= held, "{left} of {held} bytes");
}

pub(super) fn tables_of_level_0(db: &Db) -> usize {
    db.core().view.load().version.level(0).tables().len()
}
