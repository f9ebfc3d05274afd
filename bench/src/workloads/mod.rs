//! The workloads, in sets: the workloads of a set run one after the other on one database.

mod disk;
mod open;
mod read;
mod write;
mod ycsb;

pub use open::{VICTIM, load_and_wait};

use crate::data::{Key, Random, Values, ordered_key, spread_key};
use crate::engines::{Engine, Kind, Result, Setup};
use crate::measure::Outcome;
use std::time::Duration;

/// What workloads work on.
pub struct Context {
    pub kind: &'static Kind,
    pub setup: Setup,
    /// Open between workloads; those of the set `open` close it.
    pub engine: Option<Box<dyn Engine>>,
    pub values: Values,
    /// Entries of the database.
    pub entries: u64,
    /// Operations of a reading workload.
    pub reads: u64,
    /// Longest time of a workload that need not be complete.
    pub limit: Duration,
    /// Whether a writing workload was stopped by its limit: from then on the bytes read are not
    /// comparable with those of other engines.
    pub is_cut: bool,
    /// Whether keys are in order of their ids.
    pub is_ordered: bool,
}

impl Context {
    /// The open database.
    pub fn engine(&self) -> Result<&dyn Engine> {
        self.engine.as_deref().ok_or_else(|| "the database is closed".into())
    }

    /// The key with number `id`.
    pub fn key(&self, id: u64) -> Key {
        if self.is_ordered { ordered_key(id) } else { spread_key(id) }
    }

    /// `count` keys that are there, drawn evenly.
    pub fn random_keys(&self, count: u64, seed: u64) -> Vec<Key> {
        let mut random = Random::new(seed);
        (0..count).map(|_| self.key(random.below(self.entries))).collect()
    }
}

/// A workload.
pub struct Workload {
    pub name: &'static str,
    pub set: &'static str,
    /// Workloads of the set that must have run before.
    pub needs: &'static [&'static str],
    pub about: &'static str,
    pub run: fn(&mut Context) -> Result<Vec<Outcome>>,
}

/// All workloads, in the order in which they run.
#[rustfmt::skip]
pub const WORKLOADS: &[Workload] = &[
    row("fillrandom", "random", &[], "put all keys, in random order", |c| write::fill(c, "fillrandom")),
    row("readseq_r", "random", LOADED, "read everything in order, for the first time since it was written", |c| read::all(c, "readseq_r")),
    row("readseq_r_again", "random", LOADED_READ, "the same again", |c| read::all(c, "readseq_r_again")),
    row("readrandom", "random", LOADED, "get keys drawn evenly", |c| read::random(c, "readrandom")),
    row("readzipf", "random", LOADED, "get keys drawn by Zipf's law, 0.99", |c| read::zipf(c, "readzipf")),
    row("readmissing", "random", LOADED, "get keys that are not there", |c| read::missing(c, "readmissing")),
    row("multiget", "random", LOADED, "get 100 random keys a call; a key is an operation", |c| read::multi(c, "multiget")),
    row("seekrandom", "random", LOADED, "new iterator, seek a random key, read it and 10 more", |c| read::seek(c, "seekrandom")),
    row("prefixscan", "random", LOADED, "read the 10 to 99 keys of a random prefix", |c| read::prefix(c, "prefixscan")),
    row("readreverse_r", "random", LOADED, "read everything in reverse", |c| read::reverse(c, "readreverse_r")),
    row("overwrite", "random", LOADED, "put random keys that are there", |c| write::overwrite(c, "overwrite")),
    row("readwhilewriting", "random", LOADED, "one thread gets, one puts, random keys", read::while_writing),
    row("deleterandom", "random", LOADED, "delete a random half of the keys", |c| write::delete(c, "deleterandom")),
    row("readseq_after_delete", "random", &["fillrandom", "deleterandom"], "read what is left in order", read::left),

    row("fillrandom_c", "compacted", &[], "as fillrandom", |c| write::fill(c, "fillrandom_c")),
    row("compact", "compacted", FILLED_C, "compact everything", write::compact),
    row("readseq_c", "compacted", COMPACTED, "read everything in order, for the first time since compaction", |c| read::all(c, "readseq_c")),
    row("readseq_c_again", "compacted", COMPACTED_READ, "the same again", |c| read::all(c, "readseq_c_again")),
    row("readrandom_c", "compacted", COMPACTED, "get keys drawn evenly, compacted", |c| read::random(c, "readrandom_c")),
    row("readmissing_c", "compacted", COMPACTED, "get keys that are not there, compacted", |c| read::missing(c, "readmissing_c")),
    row("seekrandom_c", "compacted", COMPACTED, "as seekrandom, compacted", |c| read::seek(c, "seekrandom_c")),
    row("readreverse_c", "compacted", COMPACTED, "read everything in reverse, compacted", |c| read::reverse(c, "readreverse_c")),

    row("fillseq", "sequential", &[], "put all keys, in order", |c| write::fill(c, "fillseq")),
    row("readseq_cold", "sequential", FILLED_SEQ, "read everything in order, for the first time since it was written", |c| read::all(c, "readseq_cold")),
    row("readseq", "sequential", FILLED_SEQ_READ, "the same again", |c| read::all(c, "readseq")),
    row("readreverse", "sequential", FILLED_SEQ, "read everything in reverse", |c| read::reverse(c, "readreverse")),
    row("readrandom_s", "sequential", FILLED_SEQ, "get keys drawn evenly", |c| read::random(c, "readrandom_s")),

    row("fillbatch", "batch", &[], "put all keys in random order, 100 a batch", |c| write::fill_batch(c, "fillbatch")),

    row("fillsync", "sync", &[], "put random keys, each synced", |c| write::fill_sync(c, "fillsync", 1)),
    row("fillsync4", "sync", &[], "the same from four threads", |c| write::fill_sync(c, "fillsync4", 4)),

    row("bulkload", "bulk", &[], "fill the empty database from sorted data", write::bulk),
    row("readseq_bulk", "bulk", BULKED, "read everything in order after it", |c| read::all(c, "readseq_bulk")),
    row("readrandom_bulk", "bulk", BULKED, "get keys drawn evenly after it", |c| read::random(c, "readrandom_bulk")),

    row("ycsb_load", "ycsb", &[], "as fillrandom", |c| write::fill(c, "ycsb_load")),
    row("ycsb_a", "ycsb", YCSB, "half gets, half puts, by Zipf's law", |c| ycsb::run(c, &ycsb::A)),
    row("ycsb_b", "ycsb", YCSB, "95 % gets, 5 % puts, by Zipf's law", |c| ycsb::run(c, &ycsb::B)),
    row("ycsb_c", "ycsb", YCSB, "gets by Zipf's law", |c| ycsb::run(c, &ycsb::C)),
    row("ycsb_f", "ycsb", YCSB, "half gets, half gets with a put after, by Zipf's law", |c| ycsb::run(c, &ycsb::F)),
    row("ycsb_d", "ycsb", YCSB, "95 % gets of the latest, 5 % new keys", |c| ycsb::run(c, &ycsb::D)),
    row("ycsb_e", "ycsb", YCSB, "95 % scans of 1 to 100 keys, 5 % new keys", |c| ycsb::run(c, &ycsb::E)),

    row("load_disk", "disk", &[], "as fillrandom", |c| write::fill(c, "load_disk")),
    row("readrandom_disk", "disk", DISK, "open with nothing in memory, get 5,000 keys drawn evenly", disk::random),
    row("seekrandom_disk", "disk", DISK, "open with nothing in memory, 5,000 of seekrandom", disk::seek),
    row("readseq_disk", "disk", DISK, "open with nothing in memory, read everything in order", disk::all),

    row("open_after_kill", "open", &[], "open after kill -9 with 250,000 entries in the log, and get one; entries a second", open::after_kill),
    row("open_clean", "open", &["open_after_kill"], "open after a clean close, and get one; opens a second", open::clean),
];

const LOADED: &[&str] = &["fillrandom"];
const LOADED_READ: &[&str] = &["fillrandom", "readseq_r"];
const COMPACTED_READ: &[&str] = &["fillrandom_c", "compact", "readseq_c"];
const FILLED_SEQ_READ: &[&str] = &["fillseq", "readseq_cold"];
const FILLED_C: &[&str] = &["fillrandom_c"];
const COMPACTED: &[&str] = &["fillrandom_c", "compact"];
const FILLED_SEQ: &[&str] = &["fillseq"];
const BULKED: &[&str] = &["bulkload"];
const DISK: &[&str] = &["load_disk"];
const YCSB: &[&str] = &["ycsb_load"];

const fn row(
    name: &'static str,
    set: &'static str,
    needs: &'static [&'static str],
    about: &'static str,
    run: fn(&mut Context) -> Result<Vec<Outcome>>,
) -> Workload {
    Workload { name, set, needs, about, run }
}

/// The workloads that `names` ask for: names of workloads or of sets, or `all`.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Workload>> {
    let is_known =
        |name: &String| name == "all" || WORKLOADS.iter().any(|w| w.name == name || w.set == name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(format!("no workload or set {unknown}; see --list").into());
    }
    let asked = |w: &&Workload| names.iter().any(|n| n == "all" || n == w.name || n == w.set);
    Ok(WORKLOADS.iter().filter(asked).collect())
}

/// The sets that hold `workloads`, in order.
pub fn sets(workloads: &[&'static Workload]) -> Vec<&'static str> {
    let mut sets: Vec<_> = workloads.iter().map(|w| w.set).collect();
    sets.dedup();
    sets
}

/// The workloads of `set` that must run for those that are asked for, in order.
pub fn steps(set: &str, asked: &[&'static Workload]) -> Vec<&'static Workload> {
    let is_step = |w: &&Workload| {
        w.set == set && asked.iter().any(|a| a.name == w.name || a.needs.contains(&w.name))
    };
    WORKLOADS.iter().filter(is_step).collect()
}
