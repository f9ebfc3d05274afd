//! Counts the cache lines that readers of one database share by writing: two threads get keys, one
//! after the other, and a trace of their memory is read. Make a database, then trace and count:
//!
//! ```sh
//! shared_lines /tmp/lines
//! valgrind --tool=lackey --trace-mem=yes --log-fd=1 shared_lines /tmp/lines | shared_lines
//! ```

use esker::{Db, Settings};
use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

const ENTRIES: u64 = 20_000;
const GETS: usize = 1_000;
const LINE_BYTES: u64 = 64;

/// A store here begins or ends the gets of a thread.
static MARK: AtomicU64 = AtomicU64::new(0);

fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

/// Gets every third key of twice as many as there are, or the first `gets` of these.
fn get_some(db: &Db, gets: usize) -> esker::Result<usize> {
    let mut found = 0;
    for number in (0..2 * ENTRIES).step_by(3).take(gets) {
        found += usize::from(db.get(&key(number))?.is_some());
    }
    Ok(found)
}

fn measure(db: &Db, thread: u64) -> esker::Result<()> {
    // So that blocks are in memory, and all is there that a thread makes once.
    get_some(db, usize::MAX)?;
    MARK.store(2 * thread + 1, Ordering::SeqCst);
    let found = get_some(db, GETS);
    MARK.store(2 * thread + 2, Ordering::SeqCst);
    eprintln!("thread {thread}: {} of {GETS} keys are there", found?);
    Ok(())
}

fn trace(path: &str) -> esker::Result<()> {
    let db = Db::open(path, Settings::default())?;
    if !db.has(&key(0))? {
        (0..ENTRIES).try_for_each(|number| db.put(&key(number), &[b'v'; 100]))?;
        return db.settle();
    }
    // A memtable that is not empty is part of it.
    db.put(b"one", b"more")?;
    // In the form of the trace, between whose lines it comes.
    println!(" MARK {:x},8", &raw const MARK as usize);
    // The first lives as long as the second, which would get its stack.
    let (turn, end) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let measured = measure(&db, 0);
            turn.wait();
            end.wait();
            measured
        });
        turn.wait();
        let second = measure(&db, 1);
        end.wait();
        first.join().unwrap_or(Ok(())).and(second)
    })
}

/// What one thread did in its gets.
#[derive(Default)]
struct Used {
    accesses: u64,
    lines: HashSet<u64>,
    written: HashMap<u64, u64>,
}

fn count(trace: impl BufRead) {
    let (mut mark, mut marks) = (0, 0);
    let mut used = [Used::default(), Used::default()];
    for line in trace.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split_whitespace();
        let (Some(what), Some(place)) = (words.next(), words.next()) else { continue };
        let address = place.split(',').next().unwrap_or_default();
        let Ok(address) = u64::from_str_radix(address, 16) else { continue };
        match what {
            "MARK" => mark = address,
            "S" | "M" if address == mark => marks += 1,
            "L" | "S" | "M" if marks == 1 || marks == 3 => {
                let used = &mut used[marks / 2];
                let line = address / LINE_BYTES;
                used.accesses += 1;
                used.lines.insert(line);
                if what != "L" {
                    *used.written.entry(line).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    println!("{marks} marks of 4");
    for (this, other) in [(0, 1), (1, 0)] {
        let (this, lines) = (&used[this], &used[other].lines);
        let shared: Vec<_> = this.written.iter().filter(|(line, _)| lines.contains(line)).collect();
        let stores: u64 = shared.iter().map(|(_, stores)| **stores).sum();
        println!(
            "{GETS} gets: {} accesses to {} lines, {} lines written, of these {} that the other \
             thread uses, {stores} stores to them",
            this.accesses,
            this.lines.len(),
            this.written.len(),
            shared.len(),
        );
    }
}

fn main() -> esker::Result<()> {
    match std::env::args().nth(1) {
        Some(path) => trace(&path)?,
        None => count(std::io::stdin().lock()),
    }
    Ok(())
}
