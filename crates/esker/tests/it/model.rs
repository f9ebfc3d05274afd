//! Random operations against a versioned `BTreeMap`: through every layer, with snapshots, iterators
//! both ways that live on while the database changes, flushes, compactions and reopenings.
//!
//! `ESKER_MODEL_SEED` repeats a run, `ESKER_MODEL_OPERATIONS` makes it longer or shorter.

use esker::vfs::MemVfs;
use esker::{Compression, Db, DbCursor, Durability, Settings, Snapshot, WriteBatch};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Few keys and many versions, in several shapes; now and then an odd one.
    fn key(&mut self) -> Vec<u8> {
        let n = self.below(400);
        match self.below(20) {
            0 => Vec::new(),
            1 => vec![b'l'; 300 + n as usize],
            2..6 => n.to_be_bytes().to_vec(),
            _ => format!("key{n:04}").into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.below(50) {
            0 => 3000,
            1..5 => 0,
            _ => self.below(60),
        };
        let n = self.next().to_le_bytes();
        (0..len as usize).map(|i| n[i % 8]).collect()
    }
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn settings(vfs: &MemVfs, random: &mut Random) -> Settings {
    let mut settings = Settings::default();
    settings.vfs = Arc::new(vfs.clone());
    settings.background_threads = random.below(3) as usize;
    settings.memory_budget_bytes = 1 << 20;
    settings.memtable_size_bytes = Some(4 << 10 << random.below(5));
    settings.table_size_bytes = 4 << 10 << random.below(4);
    settings.block_size_bytes = 256 << random.below(5);
    settings.level_0_tables = 1 + random.below(6) as usize;
    settings.filter_bits_per_key = random.below(2) as u32 * 10;
    settings.compression = [Compression::None, Compression::Lz4][random.below(2) as usize];
    settings.open_tables_max = [3, 512][random.below(2) as usize];
    settings
}

/// A snapshot with what it must show, and a cursor on it somewhere.
struct Held {
    snapshot: Snapshot,
    cursor: DbCursor,
    model: Model,
    at: Option<Vec<u8>>,
}

struct Run {
    vfs: MemVfs,
    db: Option<Db>,
    model: Model,
    held: Vec<Held>,
    random: Random,
}

impl Run {
    fn db(&self) -> &Db {
        self.db.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.held.clear();
        let old = self.db.take();
        if let (Some(old), 0) = (old, self.random.below(2)) {
            old.close().unwrap();
        }
        let settings = settings(&self.vfs, &mut self.random);
        self.db = Some(Db::open("db", settings).unwrap());
        assert_eq!(self.db().recovery().torn_at, None);
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..450 => {
                let (key, value) = (self.random.key(), self.random.value());
                self.db().put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
            450..600 => {
                let key = self.random.key();
                self.db().delete(&key).unwrap();
                self.model.remove(&key);
            }
            600..650 => self.batch(),
            650..900 => {
                let key = self.random.key();
                let found = self.db().get(&key).unwrap();
                assert_eq!(found.as_deref(), self.model.get(&key).map(|v| &v[..]));
            }
            900..960 => self.move_a_held_cursor(),
            960..980 => self.scan(),
            980..990 => self.hold_or_release(),
            990..994 => self.db().flush().unwrap(),
            994 => self.db().settle().unwrap(),
            995..998 => self.compact(),
            _ if self.random.below(10) == 0 => self.reopen(),
            _ => self.check_all(),
        }
    }

    fn batch(&mut self) {
        let mut batch = WriteBatch::new();
        for _ in 0..self.random.below(10) {
            let key = self.random.key();
            if self.random.below(3) == 0 {
                batch.delete(&key).unwrap();
                self.model.remove(&key);
            } else {
                let value = self.random.value();
                batch.put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
        }
        let levels = [Durability::None, Durability::Process, Durability::Power];
        let durability = levels[self.random.below(3) as usize];
        self.db().write(&batch, durability).unwrap();
    }

    fn scan(&mut self) {
        let (mut a, mut b) = (self.random.key(), self.random.key());
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        let bound = |random: &mut Random, key| match random.below(3) {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let (start, end) = (bound(&mut self.random, a.clone()), bound(&mut self.random, b.clone()));
        if a == b {
            return;
        }
        let bounds = (start.as_ref().map(|k| &k[..]), end.as_ref().map(|k| &k[..]));
        let mut expected = self.model.range::<[u8], _>(bounds);
        let mut found = self.db().range::<&[u8]>(bounds);
        for _ in 0..self.random.below(100) {
            let (found, expected) = match self.random.below(2) {
                0 => (found.next(), expected.next()),
                _ => (found.next_back(), expected.next_back()),
            };
            let found = found.map(|entry| entry.unwrap());
            assert_eq!(found.as_ref().map(|e| (&e.0, &e.1)), expected);
            if expected.is_none() {
                break;
            }
        }
    }

    fn hold_or_release(&mut self) {
        if self.held.len() < 4 {
            let snapshot = self.db().snapshot();
            let cursor = snapshot.cursor();
            self.held.push(Held { snapshot, cursor, model: self.model.clone(), at: None });
            return;
        }
        let which = self.random.below(self.held.len() as u64) as usize;
        let held = self.held.swap_remove(which);
        let all: Vec<_> = held.snapshot.iter().map(|entry| entry.unwrap()).collect();
        assert_eq!(all, held.model.into_iter().collect::<Vec<_>>());
    }

    fn move_a_held_cursor(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let which = self.random.below(self.held.len() as u64) as usize;
        let (kind, key) = (self.random.below(7), self.random.key());
        let Held { snapshot, cursor, model, at } = &mut self.held[which];
        let unbounded = Bound::<&[u8]>::Unbounded;
        let from = |bound| model.range::<[u8], _>((bound, unbounded)).next();
        let to = |bound| model.range::<[u8], _>((unbounded, bound)).next_back();
        let (found, expected) = match (kind, at.as_deref()) {
            (0, _) => (cursor.first(), model.iter().next()),
            (1, _) => (cursor.last(), model.iter().next_back()),
            (2, _) => (cursor.seek(&key), from(Bound::Included(&key))),
            (3, _) => (cursor.seek_before(&key), to(Bound::Excluded(&key))),
            (4, Some(here)) => (cursor.next(), from(Bound::Excluded(here))),
            (5, Some(here)) => (cursor.prev(), to(Bound::Excluded(here))),
            _ => {
                let found = snapshot.get(&key).unwrap();
                assert_eq!(found.as_deref(), model.get(&key).map(|v| &v[..]));
                return;
            }
        };
        let expected = expected.map(|(key, value)| (&key[..], &value[..]));
        assert_eq!(found.unwrap(), expected);
        *at = expected.map(|e| e.0.to_vec());
    }

    fn compact(&mut self) {
        let (a, b) = (self.random.key(), self.random.key());
        match self.random.below(3) {
            0 => self.db().compact_range::<&[u8]>(..).unwrap(),
            _ if a <= b => self.db().compact_range::<&[u8]>(&a[..]..=&b[..]).unwrap(),
            _ => self.db().compact_range::<&[u8]>(&b[..]..=&a[..]).unwrap(),
        }
    }

    fn check_all(&self) {
        let all: Vec<_> = self.db().iter().map(|entry| entry.unwrap()).collect();
        let expected: Vec<_> = self.model.clone().into_iter().collect();
        assert_eq!(all, expected);
        let mut reverse: Vec<_> = self.db().iter().rev().map(|entry| entry.unwrap()).collect();
        reverse.reverse();
        assert_eq!(reverse, expected);
        let mut cursor = self.db().cursor();
        let mut expected = expected.iter();
        let mut found = cursor.first().unwrap();
        while let Some((key, value)) = found {
            assert_eq!(expected.next().map(|e| (&e.0[..], &e.1[..])), Some((key, value)));
            found = cursor.next().unwrap();
        }
        self.db().verify().unwrap();
    }
}

fn run(seed: u64, operations: u64) {
    println!("ESKER_MODEL_SEED={seed} ESKER_MODEL_OPERATIONS={operations}");
    let (vfs, random) = (MemVfs::default(), Random(seed));
    let mut run = Run { vfs, db: None, model: Model::new(), held: Vec::new(), random };
    run.reopen();
    for _ in 0..operations {
        run.step();
    }
    run.check_all();
}

#[test]
fn random_operations_match_a_versioned_map() {
    let operations = env("ESKER_MODEL_OPERATIONS").unwrap_or(1_000_000);
    match env("ESKER_MODEL_SEED") {
        Some(seed) => run(seed, operations),
        None => {
            for seed in 0..20 {
                run(seed, operations / 20);
            }
        }
    }
}

/// Threads with keys of their own, each against its own model, on one database.
#[test]
fn eight_threads_match_their_models() {
    let vfs = MemVfs::default();
    let mut random = Random(env("ESKER_MODEL_SEED").unwrap_or(1));
    let mut settings = settings(&vfs, &mut random);
    settings.background_threads = 2;
    let db = Db::open("db", settings).unwrap();
    let models: Vec<Model> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u64)
            .map(|thread| {
                let db = db.clone();
                scope.spawn(move || work(&db, thread, 20_000))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    db.settle().unwrap();
    let expected: Model = models.into_iter().flatten().collect();
    let all: Model = db.iter().map(|entry| entry.unwrap()).collect();
    assert_eq!(all, expected);
    db.verify().unwrap();
}

fn work(db: &Db, thread: u64, operations: u64) -> Model {
    let mut random = Random(thread);
    let mut model = Model::new();
    for i in 0..operations {
        let key = [&thread.to_be_bytes()[..], &random.key()].concat();
        match random.below(10) {
            0..5 => {
                let value = random.value();
                db.put(&key, &value).unwrap();
                model.insert(key, value);
            }
            5 => {
                db.delete(&key).unwrap();
                model.remove(&key);
            }
            6 => {
                let mut batch = WriteBatch::new();
                batch.put(&key, b"batch").unwrap();
                let durability = if i % 16 == 0 { Durability::Power } else { Durability::None };
                db.write(&batch, durability).unwrap();
                model.insert(key, b"batch".to_vec());
            }
            7..9 => {
                let found = db.get(&key).unwrap();
                assert_eq!(found.as_deref(), model.get(&key).map(|v| &v[..]));
            }
            _ if random.below(100) == 0 => {
                let found: Model =
                    db.prefix(&thread.to_be_bytes()).map(|entry| entry.unwrap()).collect();
                assert_eq!(found, model);
            }
            _ if random.below(500) == 0 => db.compact_range::<&[u8]>(..).unwrap(),
            _ => {}
        }
    }
    model
}
