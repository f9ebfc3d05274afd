//! Candidates for the layout of a block and for the search in the sparse index, side by side:
//! `cargo bench -p esker --bench layouts`. The figures are in `docs/rfcs/0001` and `0002`.
//!
//! The engine's own modules are compiled in as they are; the others are written here after the
//! published formats. `ESKER_BENCH_KEYS` names a file with a key at the start of each line, up to
//! a tab, to measure on real keys.

#![allow(missing_docs, dead_code, unused_imports, unreachable_pub, unsafe_code)]
#![allow(clippy::unwrap_used)]

#[path = "../src/base/mod.rs"]
mod base;
#[path = "../src/block/mod.rs"]
mod block;
#[path = "../src/index/mod.rs"]
mod index;

// The modules above name these at the root of their crate.
pub use base::error::{Error, ErrorKind, Result};

use base::hash::key_hash;
use base::key::{Entry, SEQUENCE_MAX};
use block::{BlockBuilder, BlockView, Layout};
use index::{FenceIndex, Handle, fence};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 5;
const LOOKUPS: usize = 200_000;
/// Bytes over which cool look-ups are spread: more than the last cache holds.
const SPREAD_BYTES: usize = 128 << 20;
const RESTART_INTERVAL: usize = 16;

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

type Pair = (Vec<u8>, Vec<u8>);
type Pairs = Vec<Pair>;

/// A way to lay out a block.
struct Candidate {
    name: &'static str,
    build: fn(&[Pair]) -> Vec<u8>,
    /// The length of the value of a key.
    get: fn(&[u8], &[u8]) -> Option<usize>,
    /// Walks all entries; the sum of all bytes' lengths and some bytes.
    scan: fn(&[u8]) -> usize,
}

const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "restarts",
        build: restarts::build,
        get: restarts::get,
        scan: restarts::scan,
    },
    Candidate { name: "full keys", build: full::build, get: full::get, scan: full::scan },
    Candidate {
        name: "columns, heads",
        build: columns_plain,
        get: columns_get,
        scan: columns_scan,
    },
    Candidate { name: "columns, tags", build: columns_tags, get: columns_get, scan: columns_scan },
];

fn columns(pairs: &[Pair], tags: bool) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for (key, value) in pairs {
        builder.push(Entry::put(key, value), tags.then(|| key_hash(key)));
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    block
}

fn columns_plain(pairs: &[Pair]) -> Vec<u8> {
    columns(pairs, false)
}

fn columns_tags(pairs: &[Pair]) -> Vec<u8> {
    columns(pairs, true)
}

fn columns_get(block: &[u8], key: &[u8]) -> Option<usize> {
    base::prefetch::prefetch(block, 4);
    let layout = Layout::parse(block).ok()?;
    let view = BlockView::new(block, &layout);
    let found = view.find(key, key_hash(key), |s| s <= SEQUENCE_MAX)??;
    Some(touch(block.get(found.value)?))
}

fn columns_scan(block: &[u8]) -> usize {
    let Ok(layout) = Layout::parse(block) else { return 0 };
    let view = BlockView::new(block, &layout);
    let mut key = Vec::new();
    view.write_prefix(&mut key);
    let mut sum = 0;
    for i in 0..view.count() {
        let (Some(len), Some(value)) = (view.write_key(i, &mut key), view.value(i)) else { break };
        sum += touch(&key[..len]) + touch(value);
    }
    sum
}

fn touch(bytes: &[u8]) -> usize {
    bytes.len() + bytes.last().map_or(0, |&byte| usize::from(byte))
}

/// LevelDB's layout: shared prefixes, a restart point every sixteen entries.
mod restarts {
    use super::{Pair, RESTART_INTERVAL, touch};

    pub fn build(pairs: &[Pair]) -> Vec<u8> {
        let (mut block, mut points) = (Vec::new(), Vec::new());
        let mut last: &[u8] = &[];
        for (i, (key, value)) in pairs.iter().enumerate() {
            let mut shared = 0;
            if i % RESTART_INTERVAL == 0 {
                points.push(block.len() as u32);
            } else {
                shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
            }
            for number in [shared, key.len() - shared, value.len()] {
                put_varint(&mut block, number);
            }
            block.extend_from_slice(&key[shared..]);
            block.extend_from_slice(value);
            last = key;
        }
        points.iter().for_each(|point| block.extend_from_slice(&point.to_le_bytes()));
        block.extend_from_slice(&(points.len() as u32).to_le_bytes());
        block
    }

    fn put_varint(block: &mut Vec<u8>, mut number: usize) {
        while number >= 0x80 {
            block.push(number as u8 | 0x80);
            number >>= 7;
        }
        block.push(number as u8);
    }

    fn varint(block: &[u8], at: &mut usize) -> usize {
        let mut result = 0;
        for shift in 0..5 {
            let byte = block[*at];
            *at += 1;
            result |= usize::from(byte & 0x7f) << (7 * shift);
            if byte < 0x80 {
                break;
            }
        }
        result
    }

    fn u32_at(block: &[u8], at: usize) -> usize {
        u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) as usize
    }

    /// Where the restart points stand, and how many there are.
    fn points(block: &[u8]) -> (usize, usize) {
        let count = u32_at(block, block.len() - 4);
        (block.len() - 4 - 4 * count, count)
    }

    /// The entry at `at`: its key into `key`, its value, where the next begins.
    fn entry<'b>(block: &'b [u8], mut at: usize, key: &mut Vec<u8>) -> (&'b [u8], usize) {
        let shared = varint(block, &mut at);
        let unshared = varint(block, &mut at);
        let len = varint(block, &mut at);
        key.truncate(shared);
        key.extend_from_slice(&block[at..at + unshared]);
        (&block[at + unshared..at + unshared + len], at + unshared + len)
    }

    pub fn get(block: &[u8], wanted: &[u8]) -> Option<usize> {
        let (end, count) = points(block);
        let (mut low, mut high) = (0, count - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            let mut at = u32_at(block, end + 4 * middle);
            varint(block, &mut at);
            let unshared = varint(block, &mut at);
            varint(block, &mut at);
            if &block[at..at + unshared] <= wanted {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let mut at = u32_at(block, end + 4 * low);
        let mut key = Vec::with_capacity(64);
        while at < end {
            let (value, next) = entry(block, at, &mut key);
            match key[..].cmp(wanted) {
                std::cmp::Ordering::Less => at = next,
                std::cmp::Ordering::Equal => return Some(touch(value)),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    pub fn scan(block: &[u8]) -> usize {
        let (end, _) = points(block);
        let (mut at, mut sum) = (0, 0);
        let mut key = Vec::with_capacity(64);
        while at < end {
            let (value, next) = entry(block, at, &mut key);
            sum += touch(&key) + touch(value);
            at = next;
        }
        sum
    }
}

/// Whole keys, each with its value, and an array of offsets at the end.
mod full {
    use super::{Pair, touch};

    pub fn build(pairs: &[Pair]) -> Vec<u8> {
        let (mut block, mut offsets) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            offsets.push(block.len() as u32);
            block.extend_from_slice(&(key.len() as u32).to_le_bytes());
            block.extend_from_slice(key);
            block.extend_from_slice(value);
        }
        offsets.push(block.len() as u32);
        offsets.iter().for_each(|offset| block.extend_from_slice(&offset.to_le_bytes()));
        block.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
        block
    }

    fn u32_at(block: &[u8], at: usize) -> usize {
        u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) as usize
    }

    fn count(block: &[u8]) -> usize {
        u32_at(block, block.len() - 4)
    }

    fn entry(block: &[u8], count: usize, i: usize) -> (&[u8], &[u8]) {
        let offsets = block.len() - 4 - 4 * (count + 1);
        let (start, end) = (u32_at(block, offsets + 4 * i), u32_at(block, offsets + 4 * i + 4));
        let key_end = start + 4 + u32_at(block, start);
        (&block[start + 4..key_end], &block[key_end..end])
    }

    pub fn get(block: &[u8], wanted: &[u8]) -> Option<usize> {
        let count = count(block);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if entry(block, count, middle).0 < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let (key, value) = (low < count).then(|| entry(block, count, low))?;
        (key == wanted).then(|| touch(value))
    }

    pub fn scan(block: &[u8]) -> usize {
        let count = count(block);
        (0..count)
            .map(|i| {
                let (key, value) = entry(block, count, i);
                touch(key) + touch(value)
            })
            .sum()
    }
}

/// Nanoseconds of `work` for each of `count`, the median of several rounds.
fn nanoseconds(count: usize, mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2] * 1e9 / count as f64
}

/// Keys of several shapes, sorted, without repetition.
fn key_sets() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut random = Random(7);
    let mut numbers: Vec<u64> = (0..1_200_000).map(|_| random.next()).collect();
    numbers.sort_unstable();
    let digits = |n: u64| format!("{:016}", n % 10_000_000_000_000_000);
    let mut sets: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("16 B, decimal", numbers.iter().map(|&n| digits(n).into_bytes()).collect()),
        ("8 B, binary", numbers.iter().map(|n| n.to_be_bytes().to_vec()).collect()),
        ("user%012d", (0..1_200_000).map(|n| format!("user{n:012}").into_bytes()).collect()),
        ("100 B, 60 shared", numbers.iter().map(|&n| long(&digits(n))).collect()),
        ("tenant/uuid/field", numbers.iter().map(|&n| tenant(n)).collect()),
    ];
    if let Some(path) = std::env::var_os("ESKER_BENCH_KEYS") {
        let text = std::fs::read(path).unwrap();
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let key = |line: &[u8]| line.split(|&byte| byte == b'\t').next().unwrap().to_vec();
        sets.push(("real names", lines.map(key).collect()));
    }
    for (_, keys) in &mut sets {
        keys.sort();
        keys.dedup();
    }
    sets
}

fn long(digits: &str) -> Vec<u8> {
    let mut key = b"https://example.org/a/path/that/all/keys/of/this/set/share//".to_vec();
    key.extend_from_slice(digits.as_bytes());
    key.resize(100, b'-');
    key
}

/// A few large groups whose keys share far more than a head holds.
fn tenant(n: u64) -> Vec<u8> {
    format!("tenant-{:06}/{:016x}/f", n % 50, n / 64).into_bytes()
}

fn blocks_of(keys: &[Vec<u8>], value_len: usize, block_bytes: usize) -> Vec<Pairs> {
    let mut random = Random(1);
    let mut blocks = vec![Vec::new()];
    let (mut size, mut total) = (0, 0);
    for key in keys {
        if size >= block_bytes {
            blocks.push(Vec::new());
            total += size;
            size = 0;
        }
        if total > SPREAD_BYTES {
            break;
        }
        let mut value = vec![b'x'; value_len];
        for chunk in value[..value_len / 2].chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        }
        size += key.len() + value_len;
        blocks.last_mut().unwrap().push((key.clone(), value));
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn measure_blocks(name: &str, keys: &[Vec<u8>], value_len: usize, block_bytes: usize) {
    let pairs = blocks_of(keys, value_len, block_bytes);
    let entries: usize = pairs.iter().map(Vec::len).sum();
    let mut random = Random(3);
    let picks: Vec<(usize, usize)> = (0..LOOKUPS)
        .map(|_| {
            let block = random.next() as usize % pairs.len();
            (block, random.next() as usize % pairs[block].len())
        })
        .collect();
    for candidate in CANDIDATES {
        let blocks: Vec<Vec<u8>> = pairs.iter().map(|p| (candidate.build)(p)).collect();
        let wanted: Vec<(usize, &[u8])> =
            picks.iter().map(|&(b, i)| (b, &pairs[b][i].0[..])).collect();
        let hot: Vec<&[u8]> =
            picks.iter().map(|&(_, i)| &pairs[0][i % pairs[0].len()].0[..]).collect();
        let in_one = nanoseconds(LOOKUPS, || {
            hot.iter().for_each(|key| {
                black_box((candidate.get)(&blocks[0], key).unwrap());
            });
        });
        let spread = nanoseconds(LOOKUPS, || {
            wanted.iter().for_each(|(block, key)| {
                black_box((candidate.get)(&blocks[*block], key).unwrap());
            });
        });
        let scan = nanoseconds(entries, || {
            blocks.iter().for_each(|block| {
                black_box((candidate.scan)(block));
            });
        });
        let raw: usize = blocks.iter().map(Vec::len).sum();
        let lz4: usize = blocks.iter().map(|block| lz4_flex::block::compress(block).len()).sum();
        println!(
            "| {name} | {value_len} | {} | {} | {in_one:.0} | {spread:.0} | {scan:.1} | {:.1} \
             | {:.1} |",
            block_bytes >> 10,
            candidate.name,
            raw as f64 / entries as f64,
            lz4 as f64 / entries as f64,
        );
    }
}

/// The first fence above `key`, less one, by binary search over whole keys behind offsets.
fn find_full(keys: &[u8], offsets: &[u32], key: &[u8]) -> usize {
    let (mut low, mut high) = (0, offsets.len() - 1);
    while low < high {
        let middle = (low + high) / 2;
        if &keys[offsets[middle] as usize..offsets[middle + 1] as usize] <= key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn measure_index(name: &str, keys: &[Vec<u8>], blocks: usize) {
    let step = keys.len() / blocks;
    if step < 2 {
        println!("| {name} | {blocks} | too few keys |");
        return;
    }
    let mut builder = BlockBuilder::default();
    let (mut flat, mut offsets) = (Vec::new(), vec![0]);
    for number in 0..blocks {
        let first = &keys[number * step];
        let fence = if number == 0 { first } else { fence(&keys[number * step - 1], first) };
        builder.push(Entry::put(fence, &Handle::default().encode()), None);
        flat.extend_from_slice(fence);
        offsets.push(flat.len() as u32);
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    let layout = Layout::parse(&block).unwrap();
    let heads = BlockView::new(&block, &layout);
    let radix = FenceIndex::new(&block).unwrap();
    let mut random = Random(5);
    let wanted: Vec<&[u8]> =
        (0..LOOKUPS).map(|_| &keys[random.next() as usize % (blocks * step)][..]).collect();
    for key in &wanted {
        assert_eq!(radix.find(key), find_full(&flat, &offsets, key).checked_sub(1));
    }
    let full = nanoseconds(LOOKUPS, || {
        wanted.iter().for_each(|key| {
            black_box(find_full(&flat, &offsets, key));
        });
    });
    let heads = nanoseconds(LOOKUPS, || {
        wanted.iter().for_each(|key| {
            black_box(heads.lower_bound(key));
        });
    });
    let radix = nanoseconds(LOOKUPS, || {
        wanted.iter().for_each(|key| {
            black_box(radix.find(key));
        });
    });
    println!("| {name} | {blocks} | {full:.0} | {heads:.0} | {radix:.0} |");
}

fn main() {
    let sets = key_sets();
    println!(
        "| keys | value B | block KiB | layout | hot ns | spread ns | scan ns | B/entry | LZ4 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, keys) in &sets {
        measure_blocks(name, keys, 100, 8 << 10);
    }
    for (value_len, block_bytes) in [(8, 8), (1000, 8), (100, 4), (100, 16), (100, 32)] {
        measure_blocks(sets[0].0, &sets[0].1, value_len, block_bytes << 10);
    }
    println!("\n| keys | blocks | full keys ns | heads ns | radix over heads ns |");
    println!("|---|---|---|---|---|");
    for (name, keys) in &sets {
        for blocks in [10_000, 100_000] {
            measure_index(name, keys, blocks);
        }
    }
}
