//! The comparisons that every database of this kind must stand, each by its name.

use super::*;
use crate::vfs::{MemVfs, Vfs};
use crate::{ErrorKind, WriteBatch};

fn settings(vfs: &MemVfs) -> Settings {
    Settings {
        vfs: Arc::new(vfs.clone()),
        background_threads: 0,
        memory_budget_bytes: 1 << 20,
        memtable_size_bytes: Some(4 << 10),
        table_size_bytes: 4 << 10,
        block_size_bytes: 256,
        ..Settings::default()
    }
}

fn open(vfs: &MemVfs) -> Db {
    Db::open("db", settings(vfs)).unwrap()
}

fn fresh() -> Db {
    open(&MemVfs::default())
}

fn get(db: &Db, key: &str) -> Option<String> {
    let value = db.get(key.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value.into_vec()).unwrap())
}

fn put(db: &Db, key: &str, value: &str) {
    db.put(key.as_bytes(), value.as_bytes()).unwrap();
}

fn keys(range: DbRange) -> Vec<String> {
    range.map(|entry| String::from_utf8(entry.unwrap().0).unwrap()).collect()
}

fn tables(db: &Db) -> Vec<Segment> {
    let is_table = |segment: &Segment| matches!(segment.kind, SegmentKind::Table(_));
    db.segments().into_iter().filter(is_table).collect()
}

#[test]
fn reads_fall_through_layers() {
    let db = fresh();
    put(&db, "a", "1");
    db.flush().unwrap();
    put(&db, "b", "2");
    db.flush().unwrap();
    put(&db, "c", "3");
    assert_eq!(
        ["a", "b", "c", "d"].map(|key| get(&db, key).unwrap_or_default()),
        ["1", "2", "3", ""]
    );
    assert_eq!(keys(db.iter()), ["a", "b", "c"]);
}

#[test]
fn the_memtable_beats_older_segments() {
    let db = fresh();
    put(&db, "k", "old");
    db.flush().unwrap();
    put(&db, "k", "new");
    assert_eq!(get(&db, "k").as_deref(), Some("new"));
}

#[test]
fn newer_segments_beat_older() {
    let db = fresh();
    for value in ["1", "2", "3"] {
        put(&db, "k", value);
        db.flush().unwrap();
        assert_eq!(get(&db, "k").as_deref(), Some(value));
    }
}

#[test]
fn tombstones_flush_and_hide() {
    let db = fresh();
    put(&db, "k", "1");
    db.flush().unwrap();
    db.delete(b"k").unwrap();
    assert_eq!(get(&db, "k"), None);
    db.flush().unwrap();
    assert_eq!(get(&db, "k"), None);
    assert_eq!(tables(&db).iter().map(|table| table.tombstones).sum::<u64>(), 1);
    db.compact_range::<&[u8]>(..).unwrap();
    assert_eq!(get(&db, "k"), None);
    assert!(tables(&db).is_empty(), "nothing is left: {:?}", tables(&db));
}

#[test]
fn flush_leaves_a_sorted_segment_and_an_empty_memtable() {
    let db = fresh();
    for key in ["c", "a", "b"] {
        put(&db, key, "1");
    }
    db.flush().unwrap();
    let segments = db.segments();
    let memtable = segments.last().unwrap();
    assert_eq!((memtable.kind, memtable.entries), (SegmentKind::Memtable, 0));
    let table = &segments[0];
    assert_eq!((&table.smallest[..], &table.largest[..], table.entries), (&b"a"[..], &b"c"[..], 3));
    put(&db, "d", "1");
    assert_eq!(tables(&db), std::slice::from_ref(table), "a flushed segment does not change");
}

#[test]
fn every_segment_shows_its_entries_and_a_look_up_its_way() {
    let db = fresh();
    put(&db, "a", "1");
    put(&db, "c", "1");
    db.flush().unwrap();
    db.delete(b"a").unwrap();
    db.flush().unwrap();
    put(&db, "b", "2");
    let entries = |segment: &Segment| {
        let mut entries = Vec::new();
        let mut visit = |entry: Entry<'_>| {
            let value = (entry.kind == ValueKind::Put).then(|| entry.value.to_vec());
            entries.push((entry.key.to_vec(), value));
            Ok(())
        };
        assert!(db.visit_segment(segment, &mut visit).unwrap());
        entries
    };
    let value = |value: &[u8]| Some(value.to_vec());
    let segments = db.segments();
    let all: Vec<_> = segments.iter().map(entries).collect();
    let old = vec![(b"a".to_vec(), value(b"1")), (b"c".to_vec(), value(b"1"))];
    assert_eq!(all, [old, vec![(b"a".to_vec(), None)], vec![(b"b".to_vec(), value(b"2"))]]);

    let steps = db.explain(b"a").unwrap();
    let paths: Vec<_> = steps.iter().map(|step| step.path.clone()).collect();
    assert_eq!(paths, [None, segments[1].path.clone()], "a tombstone ends the search");
    let parts: Vec<_> = steps[1].parts.iter().map(|step| step.part).collect();
    assert_eq!(parts, ["filter", "index", "data block"]);

    db.compact_range::<&[u8]>(..).unwrap();
    assert!(!db.visit_segment(&segments[0], &mut |_| Ok(())).unwrap(), "it was compacted away");
}

#[test]
fn batches_and_snapshots_hold() {
    let db = fresh();
    let mut batch = WriteBatch::new();
    for key in ["a", "b", "a"] {
        batch.put(key.as_bytes(), key.as_bytes()).unwrap();
    }
    batch.delete(b"b").unwrap();
    db.write(&batch, Durability::Power).unwrap();
    let snapshot = db.snapshot();
    for round in 0..50 {
        put(&db, "a", &format!("{round}"));
        db.flush().unwrap();
    }
    db.compact_range::<&[u8]>(..).unwrap();
    assert_eq!(snapshot.get(b"a").unwrap().as_deref(), Some(&b"a"[..]));
    assert_eq!(keys(snapshot.iter()), ["a"]);
    assert_eq!(get(&db, "a").as_deref(), Some("49"));
    assert_eq!(tables(&db).iter().map(|t| t.entries).sum::<u64>(), 2);
    drop(snapshot);
    put(&db, "a", "50");
    db.compact_range::<&[u8]>(..).unwrap();
    assert_eq!(tables(&db).iter().map(|t| t.entries).sum::<u64>(), 1);
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let vfs = MemVfs::default();
    for round in 0..20 {
        let db = open(&vfs);
        assert_eq!(db.iter().count(), round * 50);
        for i in 0..50 {
            put(&db, &format!("{round:03}-{i:03}"), &"v".repeat(i));
        }
        if round % 3 == 0 {
            db.close().unwrap();
        }
    }
    let db = open(&vfs);
    assert!(db.recovery().writes > 0 && db.recovery().torn_at.is_none());
    assert_eq!(db.stats().sequence, 1000);
    db.verify().unwrap();
}

#[test]
fn a_second_writer_is_kept_out_and_told_by_whom() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    let error = Db::open("db", settings(&vfs)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(db);
    open(&vfs);
}

#[test]
fn directories_that_are_not_ours_are_left_alone() {
    let vfs = MemVfs::default();
    vfs.create_directory(Path::new("db")).unwrap();
    vfs.create(Path::new("db/letter.txt")).unwrap();
    let error = Db::open("db", settings(&vfs)).unwrap_err().to_string();
    assert!(error.contains("letter.txt") && error.contains("empty"), "{error}");
    assert_eq!(vfs.paths(), [Path::new("db/letter.txt")]);
    let mut other = settings(&vfs);
    other.create_if_missing = false;
    assert_eq!(Db::open("nowhere", other).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn wrong_settings_are_refused_together_by_name() {
    let mut wrong = settings(&MemVfs::default());
    wrong.block_size_bytes = 1;
    wrong.level_0_tables = 0;
    let error = Db::open("db", wrong).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("block_size_bytes") && text.contains("level_0_tables"), "{text}");
}

#[test]
fn missing_files_are_told() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    for round in 0..3 {
        put(&db, "k", &format!("{round}"));
        db.flush().unwrap();
    }
    put(&db, "in the log", "");
    drop(db);
    let logs = vfs.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    let needed_log = logs.max().unwrap();
    for path in vfs.paths() {
        let name = path.to_str().unwrap().to_owned();
        let is_spare = name.ends_with(".log") && path != needed_log;
        if name.ends_with("LOCK") || is_spare {
            continue;
        }
        vfs.rename(&path, Path::new("away")).unwrap();
        let error = Db::open("db", settings(&vfs)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Io), "{name}: {error}");
        vfs.rename(Path::new("away"), &path).unwrap();
    }
    assert_eq!(get(&open(&vfs), "k").as_deref(), Some("2"));
}

#[test]
fn empty_keys_and_values_are_legal_and_long_ones_refused() {
    let db = fresh();
    db.put(b"", b"").unwrap();
    assert_eq!(db.get(b"").unwrap().as_deref(), Some(&b""[..]));
    let error = db.put(&vec![0; (64 << 10) + 1], b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    db.put(&vec![1; 64 << 10], b"longest").unwrap();
    db.flush().unwrap();
    assert_eq!(db.get(&vec![1; 64 << 10]).unwrap().as_deref(), Some(&b"longest"[..]));
    assert_eq!(db.stats().sequence, 2);
}

#[test]
fn checkpoints_are_databases() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    for i in 0..200 {
        put(&db, &format!("{i:03}"), "before");
    }
    db.checkpoint("copy").unwrap();
    for i in 0..200 {
        put(&db, &format!("{i:03}"), "after");
    }
    db.compact_range::<&[u8]>(..).unwrap();
    let copy = Db::open("copy", settings(&vfs)).unwrap();
    assert_eq!(copy.iter().count(), 200);
    assert_eq!(get(&copy, "100").as_deref(), Some("before"));
    put(&copy, "100", "own");
    assert_eq!(get(&db, "100").as_deref(), Some("after"));
    assert!(db.checkpoint("copy").is_err(), "in use");
}

#[test]
fn ingested_tables_win_over_what_was_there() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    let write = |name: &str, keys: &[&str]| {
        let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
        let mut file =
            crate::TableFile::create_in(shared, name, crate::WriteSettings::default()).unwrap();
        for key in keys {
            file.put(key.as_bytes(), b"ingested").unwrap();
        }
        file.finish().unwrap();
    };
    for key in ["a", "b", "c"] {
        put(&db, key, "put");
    }
    let snapshot = db.snapshot();
    write("one", &["b", "bb"]);
    write("two", &["c"]);
    write("three", &["bb", "x"]);
    let error = db.ingest(&["one", "three"]).unwrap_err();
    assert!(error.to_string().contains("overlap"), "{error}");
    db.ingest(&["one", "two"]).unwrap();
    let all = |db: &Db| ["a", "b", "bb", "c"].map(|key| get(db, key).unwrap_or_default());
    assert_eq!(all(&db), ["put", "ingested", "ingested", "ingested"]);
    assert_eq!(keys(snapshot.iter()), ["a", "b", "c"]);
    assert_eq!(snapshot.get(b"b").unwrap().as_deref(), Some(&b"put"[..]));
    put(&db, "b", "again");
    drop(snapshot);
    db.compact_range::<&[u8]>(..).unwrap();
    assert_eq!(all(&db), ["put", "again", "ingested", "ingested"]);
    drop(db);
    assert_eq!(all(&open(&vfs)), ["put", "again", "ingested", "ingested"]);
}

#[test]
fn what_is_loaded_in_bulk_wins_over_what_was_there_or_leaves_nothing() {
    load_in_bulk(0);
}

#[test]
fn tables_of_a_bulk_load_are_written_side_by_side() {
    load_in_bulk(3);
}

fn load_in_bulk(background_threads: usize) {
    let vfs = MemVfs::default();
    let db = Db::open("db", Settings { background_threads, ..settings(&vfs) }).unwrap();
    put(&db, "0005", "put");
    let snapshot = db.snapshot();
    let fill = |keys: std::ops::Range<u32>| {
        move |load: &mut BulkLoad<'_>| {
            let mut keys = keys;
            keys.try_for_each(|n| load.put(format!("{n:04}").as_bytes(), &[7; 100]))
        }
    };
    assert_eq!(db.bulk_load(fill(0..500)).unwrap(), 500);
    assert!(db.stats().levels.iter().map(|level| level.tables).sum::<usize>() > 2);
    assert_eq!(keys(snapshot.iter()), ["0005"]);
    assert_eq!(db.iter().count(), 500);
    assert_eq!(get(&db, "0005").unwrap().len(), 100);
    put(&db, "0005", "again");
    assert_eq!(get(&db, "0005").as_deref(), Some("again"));

    // Whatever goes wrong, and wherever: nothing of it is there.
    db.settle().unwrap();
    let names = vfs.list("db".as_ref()).unwrap();
    for count in [1, 40, 499] {
        let unordered = db.bulk_load(|load| {
            fill(1000..1000 + count)(load)?;
            load.put(b"0000", b"")
        });
        assert!(unordered.unwrap_err().to_string().contains("out of order"));
        let given_up: Result<u64, Box<dyn std::error::Error>> = db.bulk_load(|load| {
            fill(1000..1000 + count)(load)?;
            Err("given up".into())
        });
        assert_eq!(given_up.unwrap_err().to_string(), "given up");
        let left = vfs.list("db".as_ref()).unwrap();
        assert!(left.iter().all(|name| names.contains(name)), "{left:?}");
    }
    assert_eq!(db.bulk_load(|_| Ok::<_, crate::Error>(())).unwrap(), 0);
    drop((db, snapshot));
    let db = open(&vfs);
    assert_eq!(db.iter().count(), 500);
    assert_eq!(get(&db, "0005").as_deref(), Some("again"));
}

#[test]
fn logs_of_an_older_version_are_neither_empty_nor_torn() {
    use crate::record::{FileHeader, LOG_MAGIC};
    let vfs = MemVfs::default();
    let db = open(&vfs);
    put(&db, "in the log", "1");
    drop(db);
    let mut paths = vfs.paths().into_iter();
    let log = paths.find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let header = FileHeader { number: 1, previous: 0 }.encode_as(1, LOG_MAGIC);
    vfs.open_log(&log).unwrap().write_all_at(&header, 0).unwrap();
    let error = Db::open("db", settings(&vfs)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let report = repair("db", None, &settings(&vfs)).unwrap();
    assert!(report.logs.is_empty(), "{report:?}");
    assert!(report.damaged.iter().any(|one| one.0 == log && one.1.contains("export it")));
    // Without these it looks like a database that was about to be made.
    for path in vfs.paths().iter().filter(|path| **path != log && !path.ends_with("LOCK")) {
        vfs.remove(path).unwrap();
    }
    let error = Db::open("db", settings(&vfs)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
}

#[test]
fn destroyed_databases_are_gone_and_repair_saves_what_it_can() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    for i in 0..100 {
        put(&db, &format!("{i:03}"), "1");
    }
    db.flush().unwrap();
    put(&db, "in the log", "1");
    db.delete(b"050").unwrap();
    drop(db);
    vfs.remove(Path::new("db/CURRENT")).unwrap();
    let preview = repair("db", None, &settings(&vfs)).unwrap();
    assert!(preview.damaged.is_empty() && preview.logs.iter().map(|log| log.1).sum::<u64>() >= 2);
    repair("db", Some(Path::new("saved")), &settings(&vfs)).unwrap();
    let saved = Db::open("saved", settings(&vfs)).unwrap();
    assert_eq!(saved.iter().count(), 100);
    drop(saved);
    destroy("saved", &settings(&vfs)).unwrap();
    assert!(vfs.paths().iter().all(|path| !path.starts_with("saved")));
}

#[test]
fn a_reader_follows_a_writer() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    let reader = Db::open_read_only("db", settings(&vfs)).unwrap();
    for i in 0..500 {
        put(&db, &format!("{:03}", i % 100), &format!("{i}"));
        if i % 37 == 0 {
            reader.refresh().unwrap();
            let seen = reader.get(format!("{:03}", i % 100).as_bytes()).unwrap();
            assert_eq!(seen.as_deref(), Some(format!("{i}").as_bytes()));
            assert_eq!(keys(reader.iter()), keys(db.iter()));
        }
    }
}

#[test]
fn deleted_space_comes_back_at_rest() {
    for background_threads in [0, 1] {
        let vfs = MemVfs::default();
        let db = Db::open("db", Settings { background_threads, ..settings(&vfs) }).unwrap();
        (0..200).for_each(|i| put(&db, &format!("{i:03}"), &"v".repeat(50)));
        (0..200).for_each(|i| db.delete(format!("{i:03}").as_bytes()).unwrap());
        match background_threads {
            0 => db.settle().unwrap(),
            // Nobody asks for it; the test hangs if it does not come.
            _ => {
                while !tables(&db).is_empty() {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            }
        }
        let left = db.segments().iter().map(|segment| segment.entries).sum::<u64>();
        assert!(left < 10, "{left} entries, which are not worth a flush");
    }
}

#[test]
fn once_settled_only_what_is_needed_is_on_disk() {
    for background_threads in [0, 2] {
        let vfs = MemVfs::default();
        let db = Db::open("db", Settings { background_threads, ..settings(&vfs) }).unwrap();
        for round in 0..20 {
            for i in 0..100 {
                put(&db, &format!("{i:04}"), &"v".repeat(round + 20));
            }
            db.flush().unwrap();
        }
        put(&db, "last", &"v".repeat(2000));
        db.settle().unwrap();
        let names = vfs.list(Path::new("db")).unwrap();
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        assert_eq!(count(".sstable"), tables(&db).len(), "{names:?}");
        assert_eq!(count(".log"), 1, "{names:?}");
    }
}

#[test]
fn few_bytes_of_tombstones_bring_many_bytes_back_at_rest() {
    let vfs = MemVfs::default();
    let compression = crate::Compression::None;
    let memtable_size_bytes = Some(64 << 10);
    let settings = Settings { compression, memtable_size_bytes, ..settings(&vfs) };
    let db = Db::open("db", settings).unwrap();
    let keys = || (0..200).map(|i| format!("{i:03}"));
    keys().for_each(|key| put(&db, &key, &"v".repeat(1000)));
    db.settle().unwrap();
    keys().filter(|key| !key.ends_with("7")).for_each(|key| db.delete(key.as_bytes()).unwrap());
    db.settle().unwrap();
    let bytes: u64 = db.stats().levels.iter().map(|level| level.bytes).sum();
    assert!(bytes < 50_000, "{bytes} bytes are left, of which 20,000 are not deleted");
}

#[test]
fn what_was_just_written_need_not_be_read() {
    let vfs = MemVfs::default();
    let settings = Settings { memory_budget_bytes: 64 << 20, ..settings(&vfs) };
    let db = Db::open("db", settings).unwrap();
    (0..500).for_each(|i| put(&db, &format!("{i:03}"), &"v".repeat(50)));
    db.flush().unwrap();
    db.settle().unwrap();
    assert!(tables(&db).len() > 1);
    (0..500).for_each(|i| assert!(get(&db, &format!("{i:03}")).is_some()));
    assert_eq!(db.range::<&[u8]>(..).count(), 500);
    assert_eq!(db.stats().cache_misses, 0);
}

#[test]
fn deleted_space_comes_back_by_compaction() {
    let db = fresh();
    for round in 0..20 {
        for i in 0..200 {
            put(&db, &format!("{i:03}"), &"v".repeat(round + 20));
        }
    }
    for i in 0..200 {
        db.delete(format!("{i:03}").as_bytes()).unwrap();
    }
    db.flush().unwrap();
    db.compact_range::<&[u8]>(..).unwrap();
    assert!(tables(&db).is_empty());
}

#[test]
fn what_is_no_database_is_not_destroyed() {
    let vfs = MemVfs::default();
    let settings = settings(&vfs);
    vfs.create_directory(Path::new("level")).unwrap();
    for (name, bytes) in [("CURRENT", "MANIFEST-000002\n"), ("000003.log", "other")] {
        let mut file = vfs.create(&Path::new("level").join(name)).unwrap();
        std::io::Write::write_all(&mut file, bytes.as_bytes()).unwrap();
    }
    assert!(!is_database("level", &settings).unwrap());
    assert_eq!(destroy("level", &settings).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(vfs.list(Path::new("level")).unwrap(), ["000003.log", "CURRENT"]);
    drop(open(&vfs));
    assert!(is_database("db", &settings).unwrap());
    vfs.remove(Path::new("db/CURRENT")).unwrap();
    assert!(is_database("db", &settings).unwrap(), "half of one is one");
    assert_eq!(is_database("none", &settings).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_reader_sees_the_same_numbers() {
    let vfs = MemVfs::default();
    let db = open(&vfs);
    (0..500).for_each(|n| put(&db, &format!("{:03}", n % 300), "0123456789"));
    db.delete(b"007").unwrap();
    db.settle().unwrap();
    let reader = Db::open_read_only("db", settings(&vfs)).unwrap();
    let (ours, theirs) = (db.stats(), reader.stats());
    assert_eq!(ours.levels, theirs.levels);
    assert_eq!((ours.sequence, ours.memtable_bytes), (theirs.sequence, theirs.memtable_bytes));
    assert_eq!(db.space().unwrap(), reader.space().unwrap());
    let mut told = (0, 0);
    let report = reader.verify(&mut |done, all| told = (done, all)).unwrap();
    assert_eq!(report, db.verify().unwrap());
    assert_eq!(told, (report.bytes, report.bytes));
}
