//! What the writing program does, and what must be there afterwards: both follow from the numbers
//! of thread and step, so that a check needs no record of the values.
//!
//! Each thread has keys of its own. Its step `n` is one batch: some of the keys are set or deleted,
//! and one more key says `n`. So the content is that after some step, or it is wrong.

use esker::{Db, Durability, Settings, WriteBatch};
use std::collections::BTreeMap;
use std::fmt;

/// Keys of a thread, beside the one with the number of the step.
const SLOTS: u64 = 48;
/// The thread whose keys are so many that its data grows with its steps.
pub const GROWING: u64 = 90;
const SLOTS_OF_GROWING: u64 = 90_000;
/// Bytes of a value, at the most.
const VALUE_BYTES_MAX: u64 = 700;

/// The keys of one thread with their values.
pub type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// How durable a writer asks its steps to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All of them the same.
    Only(Durability),
    /// By the number of the step.
    Mixed,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 4] = [
        Level::Only(Durability::Power),
        Level::Only(Durability::Process),
        Level::Only(Durability::None),
        Level::Mixed,
    ];

    /// The level with this name.
    pub fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.to_string() == name)
    }

    /// How durable step `step` of thread `thread` is to be.
    pub fn of(self, thread: u64, step: u64) -> Durability {
        match (self, mix(thread, step, 99) % 8) {
            (Level::Only(durability), _) => durability,
            (Level::Mixed, 0 | 1) => Durability::Power,
            (Level::Mixed, 2) => Durability::None,
            (Level::Mixed, _) => Durability::Process,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Only(Durability::Power) => "power",
            Level::Only(Durability::None) => "none",
            Level::Only(_) => "process",
            Level::Mixed => "mixed",
        })
    }
}

/// Settings under which little data makes many files.
pub fn settings(background_threads: usize, memtable_bytes: usize) -> Settings {
    let mut settings = Settings::default();
    settings.memory_budget_bytes = 4 << 20;
    settings.memtable_size_bytes = Some(memtable_bytes);
    settings.table_size_bytes = memtable_bytes as u64;
    settings.block_size_bytes = 1 << 10;
    settings.background_threads = background_threads;
    settings
}

/// A number that follows from three others (SplitMix64).
pub fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut z = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .wrapping_add(c)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn slot_key(thread: u64, slot: u64) -> Vec<u8> {
    format!("{thread:02} slot {slot:05}").into_bytes()
}

fn step_key(thread: u64) -> Vec<u8> {
    format!("{thread:02} step").into_bytes()
}

/// The keys that step `step` changes: to a value, or `None` for a deletion.
fn changes(thread: u64, step: u64) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
    let count = 1 + mix(thread, step, 0) % 4;
    (1..=count).map(move |i| {
        let random = mix(thread, step, i);
        let slots = if thread == GROWING { SLOTS_OF_GROWING } else { SLOTS };
        let key = slot_key(thread, random % slots);
        let is_deletion = (random >> 8).is_multiple_of(5);
        (key, (!is_deletion).then(|| value(random)))
    })
}

fn value(random: u64) -> Vec<u8> {
    let len = (random >> 16) % VALUE_BYTES_MAX;
    // Half of it compresses.
    (0..len).map(|i| if i % 2 == 0 { b'v' } else { mix(random, i, 0) as u8 }).collect()
}

/// Step `step` of thread `thread`, as a batch.
///
/// # Errors
/// None, as its keys and values are short.
pub fn batch(thread: u64, step: u64) -> esker::Result<WriteBatch> {
    let mut batch = WriteBatch::new();
    for (key, value) in changes(thread, step) {
        match value {
            Some(value) => batch.put(&key, &value)?,
            None => batch.delete(&key)?,
        }
    }
    batch.put(&step_key(thread), &step.to_le_bytes())?;
    Ok(batch)
}

/// Does step `step` of thread `thread` to `content`.
pub fn apply(content: &mut Content, thread: u64, step: u64) {
    for (key, value) in changes(thread, step) {
        match value {
            Some(value) => content.insert(key, value),
            None => content.remove(&key),
        };
    }
    content.insert(step_key(thread), step.to_le_bytes().to_vec());
}

/// What thread `thread` has written after `steps` steps.
pub fn content(thread: u64, steps: u64) -> Content {
    let mut content = Content::new();
    (1..=steps).for_each(|step| apply(&mut content, thread, step));
    content
}

/// The last step of thread `thread` that is in `db`; zero if there is none.
///
/// # Errors
/// Those of the look-up; or the value makes no sense.
pub fn last_step(db: &Db, thread: u64) -> Result<u64, String> {
    let found = db.get(&step_key(thread)).map_err(|e| e.to_string())?;
    let Some(value) = found else { return Ok(0) };
    let bytes: Result<[u8; 8], _> = value.as_ref().try_into();
    bytes.map(u64::from_le_bytes).map_err(|_| format!("a step of {} bytes", value.len()))
}

/// Checks that `db` holds of thread `thread` what it has written after `steps` steps, and nothing
/// else: by look-ups, and by scans both ways.
///
/// # Errors
/// What differs.
pub fn compare(db: &Db, thread: u64, steps: u64) -> Result<(), String> {
    let expected = content(thread, steps);
    let others: Vec<_> = (0..SLOTS).map(|slot| slot_key(thread, slot)).collect();
    for key in expected.keys().chain(&others) {
        let found = db.get(key).map_err(|e| format!("get: {e}"))?;
        let expected = expected.get(key).map(|value| &value[..]);
        if found.as_deref() != expected {
            let name = String::from_utf8_lossy(key);
            let (found, expected) = (found.map(|v| v.len()), expected.map(<[u8]>::len));
            return Err(format!("{name} after step {steps}: {found:?}, expected {expected:?}"));
        }
    }
    let prefix = format!("{thread:02} ").into_bytes();
    let scan = db.prefix(&prefix).collect::<Result<Vec<_>, _>>();
    let scan = scan.map_err(|e| format!("scan: {e}"))?;
    let back = db.prefix(&prefix).rev().collect::<Result<Vec<_>, _>>();
    let back = back.map_err(|e| format!("scan back: {e}"))?;
    if !scan.iter().eq(back.iter().rev()) {
        return Err(format!("thread {thread}: scans both ways differ"));
    }
    let same = |((key, value), (k, v)): (&(Vec<u8>, Vec<u8>), _)| key == k && value == v;
    if scan.len() != expected.len() || !scan.iter().zip(&expected).all(same) {
        return Err(format!("thread {thread} after step {steps}: a scan differs"));
    }
    Ok(())
}
