//! Workloads on this machine, by the names that LevelDB's `db_bench` gave them.

use crate::args::Bench;
use crate::failure::{Failure, Result};
use crate::output::stdout;
use crate::progress::Progress;
use esker::{Db, Durability, Settings, Value, WriteBatch};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of a key: a decimal number.
const KEY_BYTES: usize = 16;
/// Writes of one batch in `fillbatch`.
const BATCH: u64 = 100;
/// Synced writes in `fillsync`: each takes long.
const SYNCED: u64 = 2000;

/// Every workload, in the order in which they are run if none is named.
const ALL: &[&str] = &[
    "fillrandom",
    "readrandom",
    "readmissing",
    "seekrandom",
    "readseq",
    "readreverse",
    "overwrite",
    "compact",
    "readrandom",
    "readmissing",
    "seekrandom",
    "readseq",
    "readreverse",
    "deleterandom",
];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One database under test.
struct Run<'a> {
    arguments: &'a Bench,
    settings: Settings,
    directory: std::path::PathBuf,
    db: Db,
    random: Random,
    values: Vec<u8>,
}

/// Keys that are there have even numbers.
fn key(n: u64) -> [u8; KEY_BYTES] {
    let mut key = [b'0'; KEY_BYTES];
    let mut left = n;
    for digit in key.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    key
}

/// Runs `esker bench`.
pub fn run(arguments: &Bench) -> Result<()> {
    let directory = arguments.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("esker-bench-{}", std::process::id()))
    });
    let mut settings = Settings::default();
    settings.memory_budget_bytes = arguments.memory;
    settings.compression = arguments.compression.into();
    if let Some(threads) = arguments.background {
        settings.background_threads = threads;
    }
    let all: Vec<String> = ALL.iter().map(|&name| name.to_owned()).collect();
    let workloads = if arguments.workloads.is_empty() { &all } else { &arguments.workloads };
    let db = open(&directory, &settings)?;
    let random = Random(1);
    let mut run = Run { arguments, settings, directory, db, random, values: half_random(1 << 20) };
    let mut out = stdout();
    for name in workloads {
        let (operations, bytes, time) = run.workload(name)?;
        let rate = operations as f64 / time.as_secs_f64();
        let each = time.as_nanos() as f64 / operations.max(1) as f64;
        let speed = bytes as f64 / time.as_secs_f64() / 1e6;
        writeln!(out, "{name:<14} {rate:>12.0} ops/s {each:>10.1} ns each {speed:>9.1} MB/s")?;
        out.flush()?;
    }
    if arguments.stats {
        writeln!(out, "{:#?}", run.db.stats())?;
    }
    drop(run.db);
    if arguments.dir.is_none() {
        esker::destroy(&run.directory, &run.settings)?;
    }
    Ok(())
}

fn open(directory: &Path, settings: &Settings) -> Result<Db> {
    Ok(Db::open(directory, settings.clone())?)
}

/// Bytes of which one half is random and the other repeats it.
fn half_random(len: usize) -> Vec<u8> {
    let mut random = Random(7);
    let mut bytes = Vec::with_capacity(len + 100);
    while bytes.len() < len {
        let start = bytes.len();
        for _ in 0..7 {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        bytes.extend_from_within(start..start + 50);
    }
    bytes
}

impl Run<'_> {
    /// Runs one workload: operations, bytes of keys and values, time.
    fn workload(&mut self, name: &str) -> Result<(u64, u64, Duration)> {
        let n = self.arguments.entries;
        let reads = self.arguments.reads.unwrap_or(n);
        match name {
            "fillseq" => self.fill(n, |_, i| i),
            "fillrandom" | "overwrite" => self.fill(n, move |random, _| random.next() % n),
            "fillbatch" => self.fill_batch(n),
            "fillsync" => self.fill_sync(),
            "deleterandom" => self.delete(n),
            "readrandom" => self.read(reads, move |random| 2 * (random.next() % n)),
            "readmissing" => self.read(reads, move |random| 2 * (random.next() % n) + 1),
            "readhot" => self.read(reads, move |random| 2 * (random.next() % n.min(1000))),
            "seekrandom" => self.seek(reads / 10),
            "readseq" => self.scan(false),
            "readreverse" => self.scan(true),
            "compact" => self.timed(1, |run| {
                run.db.compact_range::<&[u8]>(..)?;
                Ok(0)
            }),
            "flush" => self.timed(1, |run| {
                run.db.flush()?;
                Ok(0)
            }),
            "settle" => self.timed(1, |run| {
                run.db.settle()?;
                Ok(0)
            }),
            "fresh" => self.fresh(),
            "reopen" => self.timed(1, |run| {
                let (directory, settings) = (run.directory.clone(), run.settings.clone());
                let other = std::env::temp_dir().join(format!("esker-none-{}", std::process::id()));
                let placeholder = open(&other, &settings)?;
                drop(std::mem::replace(&mut run.db, placeholder));
                let db = open(&directory, &settings)?;
                drop(std::mem::replace(&mut run.db, db));
                esker::destroy(&other, &settings)?;
                Ok(0)
            }),
            unknown => {
                let known = "fillseq, fillrandom, fillbatch, fillsync, overwrite, deleterandom, \
                             readrandom, readmissing, readhot, seekrandom, readseq, readreverse, \
                             compact, flush, settle, fresh, reopen";
                Err(Failure::input(format_args!("no workload {unknown}; there are {known}")))
            }
        }
    }

    fn timed(
        &mut self,
        operations: u64,
        work: impl FnOnce(&mut Self) -> Result<u64>,
    ) -> Result<(u64, u64, Duration)> {
        let start = Instant::now();
        let bytes = work(self)?;
        Ok((operations, bytes, start.elapsed()))
    }

    /// An empty database in the place of this one.
    fn fresh(&mut self) -> Result<(u64, u64, Duration)> {
        let name = format!("{}.next", self.directory.display());
        let next = open(Path::new(&name), &self.settings)?;
        drop(std::mem::replace(&mut self.db, next));
        esker::destroy(&self.directory, &self.settings)?;
        self.directory = name.into();
        Ok((1, 0, Duration::from_nanos(1)))
    }

    fn fill(
        &mut self,
        n: u64,
        number: impl Fn(&mut Random, u64) -> u64,
    ) -> Result<(u64, u64, Duration)> {
        let len = self.arguments.value_bytes;
        self.timed(n, |run| {
            let mut progress = Progress::new("filling", false);
            for i in 0..n {
                let key = key(2 * number(&mut run.random, i));
                let at = run.random.next() as usize % (run.values.len() - len).max(1);
                run.db.put(&key, &run.values[at..at + len])?;
                if i % 8192 == 0 {
                    progress.tell(i, n);
                }
            }
            Ok(n * (KEY_BYTES + len) as u64)
        })
    }

    fn fill_batch(&mut self, n: u64) -> Result<(u64, u64, Duration)> {
        let len = self.arguments.value_bytes;
        self.timed(n, |run| {
            let mut batch = WriteBatch::new();
            for _ in 0..n / BATCH {
                batch.clear();
                for _ in 0..BATCH {
                    let key = key(2 * (run.random.next() % n));
                    let at = run.random.next() as usize % (run.values.len() - len).max(1);
                    batch.put(&key, &run.values[at..at + len])?;
                }
                run.db.write(&batch, Durability::Process)?;
            }
            Ok(n * (KEY_BYTES + len) as u64)
        })
    }

    fn fill_sync(&mut self) -> Result<(u64, u64, Duration)> {
        let (n, len) = (self.arguments.entries, self.arguments.value_bytes);
        let threads = self.arguments.threads;
        let total = SYNCED * threads as u64;
        self.timed(total, |run| {
            let (db, values) = (&run.db, &run.values);
            std::thread::scope(|scope| {
                let work = |seed: u64| {
                    let mut random = Random(seed);
                    for _ in 0..SYNCED {
                        let mut batch = WriteBatch::new();
                        let key = key(2 * (random.next() % n));
                        batch.put(&key, &values[..len])?;
                        db.write(&batch, Durability::Power)?;
                    }
                    Ok::<(), esker::Error>(())
                };
                let spawn = |i| scope.spawn(move || work(mix(i as u64)));
                let handles: Vec<_> = (0..threads).map(spawn).collect();
                handles.into_iter().try_for_each(|handle| match handle.join() {
                    Ok(result) => result.map_err(Failure::from),
                    Err(_) => Err(Failure::input("a writer panicked")),
                })
            })?;
            Ok(total * (KEY_BYTES + len) as u64)
        })
    }

    fn delete(&mut self, n: u64) -> Result<(u64, u64, Duration)> {
        self.timed(n, |run| {
            for _ in 0..n {
                run.db.delete(&key(2 * (run.random.next() % n)))?;
            }
            Ok(n * KEY_BYTES as u64)
        })
    }

    fn read(
        &mut self,
        reads: u64,
        number: impl Fn(&mut Random) -> u64,
    ) -> Result<(u64, u64, Duration)> {
        self.timed(reads, |run| {
            let mut bytes = 0;
            for _ in 0..reads {
                let key = key(number(&mut run.random));
                bytes += run.db.get(&key)?.map_or(0, |value| sum(&value));
            }
            Ok(bytes)
        })
    }

    /// Seeks, and the ten entries that follow.
    fn seek(&mut self, seeks: u64) -> Result<(u64, u64, Duration)> {
        let n = self.arguments.entries;
        self.timed(seeks, |run| {
            let mut bytes = 0;
            for _ in 0..seeks {
                let mut cursor = run.db.cursor();
                let mut entry = cursor.seek(&key(run.random.next() % (2 * n)))?;
                for _ in 0..10 {
                    let Some((key, value)) = entry else { break };
                    bytes += key.len() as u64 + value.len() as u64;
                    entry = cursor.next()?;
                }
            }
            Ok(bytes)
        })
    }

    fn scan(&mut self, is_reverse: bool) -> Result<(u64, u64, Duration)> {
        let start = Instant::now();
        let (mut count, mut bytes) = (0, 0);
        let mut cursor = self.db.cursor();
        let mut add = |key: &[u8], value: &[u8]| {
            count += 1;
            bytes += key.len() as u64 + value.len() as u64;
            true
        };
        let entry = if is_reverse { cursor.last()? } else { cursor.first()? };
        if entry.is_some_and(|(key, value)| add(key, value)) {
            if is_reverse { cursor.prev_while(add)? } else { cursor.next_while(add)? }
        }
        Ok((count, bytes, start.elapsed()))
    }
}

/// Reads every byte of `value`, and gives its length.
fn sum(value: &Value<'_>) -> u64 {
    let sum = value.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    std::hint::black_box(sum);
    value.len() as u64
}
