//! The database under shuttle: its own code, on files in memory, with schedules drawn at random.
//! Waits with a time limit have none here, so a wake-up that is lost is a deadlock, which is found.

use super::*;
use crate::Error;
use crate::base::sync::{check, lose_wake_ups};
use crate::vfs::{AppendFile, FileLock, MemVfs, ReadAt, Vfs, WriteAt};
use shuttle::rand::Rng;
use shuttle::thread::{spawn, yield_now};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SCHEDULES: usize = 3000;
const WRITERS: usize = 3;
const WRITES: u64 = 4;

/// Files in memory, with a change of threads at each call. What logs hold on disk is kept apart.
#[derive(Clone, Default)]
struct StepVfs {
    files: MemVfs,
    synced: Arc<Mutex<HashMap<PathBuf, OnDisk>>>,
    /// Syncs of logs until one fails; from then on they do nothing and say that all is well.
    syncs_left: Arc<AtomicU64>,
    /// The planted mistake: the one that fails says that all is well, too.
    hides_failure: Arc<AtomicBool>,
}

/// What of a log is on disk, under whatever name it has.
type OnDisk = Arc<Mutex<Vec<u8>>>;

struct LogFile {
    vfs: StepVfs,
    file: Arc<dyn WriteAt>,
    content: Arc<dyn ReadAt>,
    on_disk: OnDisk,
}

fn content(file: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

impl StepVfs {
    /// The files as a power cut leaves them now.
    fn after_a_cut(&self) -> MemVfs {
        let after = MemVfs::default();
        after.create_directory(Path::new("db")).unwrap();
        for path in self.files.paths().iter().filter(|path| !path.ends_with("LOCK")) {
            let is_log = path.extension().is_some_and(|end| end == "log");
            let bytes = match is_log {
                true => {
                    let on_disk = self
                        .synced
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get(path)
                        .cloned();
                    on_disk
                        .unwrap_or_default()
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone()
                }
                false => content(&*self.files.open(path).unwrap()),
            };
            after.open_write(path).unwrap().write_all_at(&bytes, 0).unwrap();
        }
        after
    }
}

impl WriteAt for LogFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        yield_now();
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let bytes = content(&*self.content);
        yield_now();
        match self.vfs.syncs_left.load(Ordering::Relaxed) {
            0 => return Ok(()),
            1 if !self.vfs.hides_failure.load(Ordering::Relaxed) => {
                self.vfs.syncs_left.store(0, Ordering::Relaxed);
                return Err(io::ErrorKind::Other.into());
            }
            left => self.vfs.syncs_left.store(left - 1, Ordering::Relaxed),
        }
        *self.on_disk.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(())
    }
}

impl Vfs for StepVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        yield_now();
        self.files.open(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        yield_now();
        self.files.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        yield_now();
        self.files.rename(from, to)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = synced.remove(from) {
            synced.insert(to.into(), bytes);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        yield_now();
        self.files.remove(path)?;
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        yield_now();
        self.files.sync_directory(path)
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.files.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        self.files.remove_directory(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.files.list(path)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.files.link(from, to)
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        yield_now();
        self.files.open_write(path)
    }

    fn open_log(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        yield_now();
        let (file, content) = (self.files.open_write(path)?, self.files.open(path)?);
        let on_disk = self
            .synced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(path.into())
            .or_default()
            .clone();
        Ok(Arc::new(LogFile { vfs: self.clone(), file, content, on_disk }))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.files.lock(path)
    }

    fn now(&self) -> Duration {
        self.files.now()
    }

    fn sleep(&self, _: Duration) {
        yield_now();
    }
}

fn settings(vfs: Arc<dyn Vfs>, background_threads: usize) -> Settings {
    Settings {
        vfs,
        background_threads,
        memory_budget_bytes: 1 << 20,
        memtable_size_bytes: Some(4 << 10),
        table_size_bytes: 4 << 10,
        level_0_tables: 1,
        ..Settings::default()
    }
}

fn key(writer: usize, number: u64) -> Vec<u8> {
    format!("{writer} {number}").into_bytes()
}

/// Writes until all is written or a write fails; says in `promised` how many must survive.
fn write(db: &Db, writer: usize, promised: &AtomicU64) {
    for number in 0..WRITES {
        let is_durable = shuttle::rand::thread_rng().gen_bool(0.6);
        let durability = if is_durable { Durability::Power } else { Durability::Process };
        let mut batch = WriteBatch::new();
        batch.put(&key(writer, number), &[b'v'; 1200]).unwrap();
        match db.write(&batch, durability) {
            Err(error) => {
                let kinds = [crate::ErrorKind::Io, crate::ErrorKind::Poisoned];
                return assert!(kinds.contains(&error.kind()), "{error}");
            }
            Ok(()) if is_durable => promised.store(number + 1, Ordering::Relaxed),
            Ok(()) => {}
        }
    }
}

/// Writers share a sync, with flushes behind them; one sync fails; the power goes at any time.
/// Whatever was promised is there, and of each writer the first writes without a hole.
fn commit_queue(hides_failure: bool) {
    let vfs = StepVfs::default();
    vfs.syncs_left.store(u64::MAX, Ordering::Relaxed);
    let db = Db::open("db", settings(Arc::new(vfs.clone()), 1)).unwrap();
    vfs.hides_failure.store(hides_failure, Ordering::Relaxed);
    vfs.syncs_left.store(shuttle::rand::thread_rng().gen_range(1..8), Ordering::Relaxed);
    let promised: Arc<Vec<AtomicU64>> = Arc::new((0..WRITERS).map(|_| AtomicU64::new(0)).collect());
    let start = |writer| {
        let (db, promised) = (db.clone(), promised.clone());
        spawn(move || write(&db, writer, &promised[writer]))
    };
    let writers: Vec<_> = (0..WRITERS).map(start).collect();
    for _ in 0..shuttle::rand::thread_rng().gen_range(0..200) {
        yield_now();
    }
    cut(&vfs, &promised);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    cut(&vfs, &promised);
}

fn cut(vfs: &StepVfs, promised: &[AtomicU64]) {
    let least: Vec<_> = promised.iter().map(|n| n.load(Ordering::Relaxed)).collect();
    let db = Db::open("db", settings(Arc::new(vfs.after_a_cut()), 0)).unwrap();
    for (writer, least) in least.into_iter().enumerate() {
        let has = |number: &u64| db.has(&key(writer, *number)).unwrap();
        let first = (0..WRITES).take_while(has).count() as u64;
        assert!(first >= least, "writer {writer}: {first} of {least}");
        assert_eq!((0..WRITES).filter(has).count() as u64, first, "a hole");
    }
}

#[test]
fn a_follower_is_told_what_its_leader_met() {
    check(SCHEDULES, || commit_queue(false));
}

#[test]
#[should_panic = "writer"]
fn a_sync_that_hides_its_failure_is_found() {
    check(SCHEDULES, || commit_queue(true));
}

#[test]
#[should_panic = "deadlock"]
fn a_lost_wake_up_is_found() {
    check(SCHEDULES, || {
        lose_wake_ups();
        commit_queue(false);
    });
}

/// Looks a key up as of now.
type Get = fn(&Db, &[u8]) -> Option<u64>;

fn get(db: &Db, key: &[u8]) -> Option<u64> {
    number(db.get(key).unwrap().as_deref()?)
}

/// The wrong order: the number of the moment, and then the view.
fn get_with_an_older_number(db: &Db, key: &[u8]) -> Option<u64> {
    let sequence = db.core().visible.load(Ordering::Acquire);
    (0..40).for_each(|_| yield_now());
    let view = db.core().view.load_full();
    let found = view.get(key, key_hash(key), sequence).unwrap();
    number(value_of(found)?.as_ref())
}

fn number(value: &[u8]) -> Option<u64> {
    value.get(..8)?.try_into().ok().map(u64::from_le_bytes)
}

/// A reader beside a writer, flushes and compactions: a key that is always there is always found,
/// its value never older than before, a batch is seen whole, and no table goes too early.
fn view_swap(get: Get) {
    let db = Db::open("db", settings(Arc::new(StepVfs::default()), 1)).unwrap();
    let write = |db: &Db, n: u64| {
        let mut batch = WriteBatch::new();
        let value = [&n.to_le_bytes()[..], &[b'v'; 1500]].concat();
        batch.put(b"a", &value).unwrap();
        batch.put(b"b", &value).unwrap();
        db.write(&batch, Durability::Process)
    };
    write(&db, 0).unwrap();
    let reader = db.clone();
    let reader = spawn(move || {
        let mut last = 0;
        for turn in 0..12 {
            let found = get(&reader, b"a").expect("a key that is there");
            assert!(found >= last, "{found} after {last}");
            last = found;
            if turn % 4 == 0 {
                let snapshot = reader.snapshot();
                let both: Vec<_> = snapshot.iter().map(|e| number(&e.unwrap().1)).collect();
                assert!(both.len() == 2 && both[0] == both[1], "{both:?}");
                assert_eq!(snapshot.get(b"a").unwrap().as_deref().and_then(number), both[0]);
            }
        }
    });
    (1..8).for_each(|n| write(&db, n).unwrap());
    db.flush().unwrap();
    reader.join().unwrap();
    db.settle().unwrap();
    assert_eq!(get(&db, b"b"), Some(7));
}

#[test]
fn a_view_holds_what_its_reader_needs() {
    check(SCHEDULES, || view_swap(get));
}

#[test]
#[should_panic = "a key that is there"]
fn a_view_taken_after_its_number_is_found() {
    check(SCHEDULES, || view_swap(get_with_an_older_number));
}

/// What the database takes of its budget comes back when it is closed.
#[test]
fn the_budget_is_given_back() {
    check(SCHEDULES, || {
        let db = Db::open("db", settings(Arc::new(StepVfs::default()), 1)).unwrap();
        let cache = db.core().cache.clone();
        let before = cache.resident_bytes();
        let writer = db.clone();
        let writer = spawn(move || write(&writer, 0, &AtomicU64::new(0)));
        let read: Result<Vec<_>, Error> = db.iter().collect();
        read.unwrap();
        writer.join().unwrap();
        db.compact_range::<&[u8]>(..).unwrap();
        db.settle().unwrap();
        let tables: usize = db.core().view.load().version.tables().count();
        assert!(tables > 0 && db.has(&key(0, 0)).unwrap());
        assert!(cache.resident_bytes().0 > before.0, "an open table");
        drop(db);
        assert_eq!(cache.resident_bytes().0, before.0);
    });
}
