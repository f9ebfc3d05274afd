//! Building and reading one table of a million entries of 16 B keys and 100 B values, half of
//! them compressible: `cargo bench -p esker --bench table`. Prints medians of several rounds;
//! `ESKER_BENCH_ENTRIES` sets another number of entries.

#![allow(missing_docs, clippy::unwrap_used)]

use esker::{Compression, ReadSettings, Table, TableCursor, TableFile, TableWriter, WriteSettings};
use std::hint::black_box;
use std::io::{Sink, Write};
use std::path::Path;
use std::time::Instant;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 100;
const ROUNDS: usize = 7;
const LOOKUPS: usize = 400_000;

/// A repeatable generator (SplitMix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

type Key = [u8; KEY_BYTES];

/// Sixteen decimal digits: keys that spread, as a hash or a time would.
fn key(number: u64) -> Key {
    format!("{:016}", number % 10_000_000_000_000_000).into_bytes().try_into().unwrap()
}

fn value(random: &mut Random) -> [u8; VALUE_BYTES] {
    let mut value = [b'x'; VALUE_BYTES];
    for chunk in value[..VALUE_BYTES / 2].chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    value
}

fn settings(compression: Compression) -> WriteSettings {
    let mut settings = WriteSettings::default();
    settings.compression = compression;
    settings
}

fn write<W: Write>(out: W, data: &[(Key, [u8; VALUE_BYTES])], compression: Compression) -> W {
    let mut writer = TableWriter::new(out, settings(compression)).unwrap();
    for (key, value) in data {
        writer.put(key, value).unwrap();
    }
    writer.finish().unwrap().0
}

/// The median seconds of several rounds of `work`, after one that does not count.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn report(name: &str, what: &str, figure: f64, unit: &str) {
    println!("{name:<22} {what:<28} {figure:>10.1} {unit}");
}

fn builds(name: &str, data: &[(Key, [u8; VALUE_BYTES])], compression: Compression, path: &Path) {
    let raw = (data.len() * (KEY_BYTES + VALUE_BYTES)) as f64 / 1e6;
    let seconds = median(|| {
        let _: Sink = write(std::io::sink(), data, compression);
    });
    report(name, "build, to nowhere", raw / seconds, "MB/s of raw input");
    let seconds = median(|| {
        let mut file = TableFile::create(path, settings(compression)).unwrap();
        data.iter().for_each(|(key, value)| file.put(key, value).unwrap());
        file.finish().unwrap();
    });
    report(name, "build, to a synced file", raw / seconds, "MB/s of raw input");
    report(name, "size", std::fs::metadata(path).unwrap().len() as f64 / 1e6, "MB");
}

fn reads(name: &str, table: &Table, present: &[Key], absent: &[Key]) {
    let count = table.properties().entries as f64;
    let lookups = present.len() as f64;
    table.verify(&mut |_, _| {}).unwrap();
    let seconds = median(|| {
        for key in present {
            let value = table.get(key).unwrap().unwrap();
            black_box(value[0] ^ value[VALUE_BYTES - 1]);
        }
    });
    report(name, "get, hit", seconds / lookups * 1e9, "ns");
    let seconds = median(|| {
        for key in absent {
            black_box(table.get(key).unwrap().is_some());
        }
    });
    report(name, "get, miss", seconds / lookups * 1e9, "ns");
    let seconds = median(|| {
        let mut cursor = table.cursor();
        for key in &present[..present.len() / 8] {
            let entry = cursor.seek(key).unwrap().unwrap();
            let mut sum = entry.value[0];
            for _ in 0..10 {
                sum ^= cursor.next().unwrap().map_or(0, |entry| entry.value[0]);
            }
            black_box(sum);
        }
    });
    report(name, "seek and ten next", seconds / lookups * 8e9, "ns");
    scan(name, "scan", count, || table.cursor(), |cursor, sum| touch(cursor.next().unwrap()?, sum));
    scan(
        name,
        "scan, reverse",
        count,
        || table.cursor(),
        |cursor, sum| touch(cursor.prev().unwrap()?, sum),
    );
    let seconds = median(|| {
        black_box(table.iter().map(|entry| entry.unwrap().1.len()).sum::<usize>());
    });
    report(name, "scan, owned iterator", count / seconds / 1e6, "M entries/s");
}

/// Reads something of key and value.
fn touch(entry: esker::Entry<'_>, sum: &mut u64) -> Option<()> {
    let (key, value) = (entry.key, entry.value);
    *sum ^= u64::from(key[key.len() - 1]) ^ u64::from(value[0]) ^ u64::from(value[value.len() - 1]);
    Some(())
}

fn scan(
    name: &str,
    what: &str,
    count: f64,
    start: impl Fn() -> TableCursor,
    step: impl Fn(&mut TableCursor, &mut u64) -> Option<()>,
) {
    let seconds = median(|| {
        let mut cursor = start();
        let mut sum = 0;
        while step(&mut cursor, &mut sum).is_some() {}
        black_box(sum);
    });
    report(name, what, count / seconds / 1e6, "M entries/s");
}

fn main() {
    let entries = std::env::var("ESKER_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok());
    let entries: usize = entries.unwrap_or(1_000_000);
    let mut random = Random(1);
    let mut data: Vec<_> = (0..entries).map(|_| (key(random.next()), value(&mut random))).collect();
    data.sort();
    data.dedup_by_key(|entry| entry.0);
    let present: Vec<Key> =
        (0..LOOKUPS).map(|_| data[random.next() as usize % data.len()].0).collect();
    let absent: Vec<Key> = (0..LOOKUPS).map(|_| key(random.next())).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bench.sstable");
    for compression in [Compression::None, Compression::Lz4] {
        let name = compression.name();
        builds(name, &data, compression, &path);
        let mut mapped = ReadSettings::default();
        mapped.mapped = true;
        let table = Table::open_with(&path, &mapped).unwrap();
        reads(&format!("{name}, mapped"), &table, &present, &absent);
        let table = Table::open(&path).unwrap();
        reads(&format!("{name}, positioned"), &table, &present, &absent);
    }
}
