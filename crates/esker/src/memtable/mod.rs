//! The memtable: recent writes in memory, by hash for look-ups and in order for scans.
//!
//! Every version of a key hangs on one record of the key. A table of hash buckets finds the record
//! in about one cache miss, and tells an absent key as fast; a B+-tree keeps the records in order.
//! One writer at a time, any number of readers, which take no lock (see `tree` and `node`).
//!
//! Memory is never given back before the memtable is dropped.

mod arena;
mod cursor;
#[cfg(all(test, esker_loom))]
mod models;
mod node;
mod record;
mod spare;
#[cfg(test)]
mod tests;
mod tree;

pub use cursor::MemtableCursor;
pub use spare::SpareMemory;

/// Most bytes that a memtable takes ahead of need.
pub const AHEAD_BYTES_MAX: usize = arena::CHUNK_BYTES_MAX;

use crate::base::error::Result;
use crate::base::key::{Entry, ValueKind};
use crate::base::prefetch::prefetch_at;
use arena::Arena;
use record::{KeyLink, KeyRef, KeyTable, Write, new_key};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tree::{Run, Target, Tree, TreeWriter};

/// Bytes of memory for which one hash bucket is made.
const BYTES_PER_BUCKET: usize = 128;
const BUCKETS_MIN: usize = if cfg!(all(test, esker_loom)) { 2 } else { 64 };
const BUCKETS_MAX: usize = 1 << 21;

/// A sorted map in memory, of every version of every key.
pub struct Memtable {
    buckets: KeyTable,
    /// Whether there is anything: set once, where readers find it beside the hash table's place, so
    /// that an empty memtable costs them no look into that table.
    is_used: AtomicBool,
    tree: Tree,
    writing: Writing,
}

/// What the writer changes with each entry: on cache lines apart from what readers look at.
#[repr(align(128))]
struct Writing {
    /// Bytes of keys and values.
    data_bytes: AtomicUsize,
    /// Bytes that the entries take in memory, with all that comes with them.
    taken_bytes: AtomicUsize,
    /// Bytes of memory.
    resident_bytes: AtomicUsize,
    entries: AtomicUsize,
    tombstones: AtomicUsize,
    largest_sequence: AtomicU64,
    writer: Mutex<Writer>,
}

struct Writer {
    arena: Arena,
    tree: TreeWriter,
}

impl Memtable {
    /// An empty memtable, meant to take `bytes` bytes of memory.
    pub fn new(bytes: usize) -> Memtable {
        Memtable::in_spare(bytes, Arc::default())
    }

    /// As [`Memtable::new`], in memory of `spare`, and at its end left there.
    pub fn in_spare(bytes: usize, spare: Arc<SpareMemory>) -> Memtable {
        let buckets = (bytes / BYTES_PER_BUCKET).next_power_of_two();
        let buckets = buckets.clamp(BUCKETS_MIN, BUCKETS_MAX);
        let mut arena = Arena::new(spare);
        let buckets = KeyTable::new(&mut arena, buckets);
        let (tree, writer) = Tree::new(&mut arena);
        Memtable {
            buckets,
            is_used: AtomicBool::new(false),
            tree,
            writing: Writing {
                data_bytes: AtomicUsize::new(0),
                taken_bytes: AtomicUsize::new(0),
                resident_bytes: AtomicUsize::new(arena.bytes()),
                entries: AtomicUsize::new(0),
                tombstones: AtomicUsize::new(0),
                largest_sequence: AtomicU64::new(0),
                writer: Mutex::new(Writer { arena, tree: writer }),
            },
        }
    }

    /// Adds `entry`, whose key has the hash `hash`. Its sequence number must be above those of the
    /// versions of the key that are there.
    pub fn insert(&self, entry: Entry<'_>, hash: u64) {
        let mut writer = self.writing.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { arena, tree } = &mut *writer;
        let write = Write { sequence: entry.sequence, kind: entry.kind, value: entry.value };
        if let Some(known) = self.find(entry.key, hash) {
            debug_assert!(known.newest().is_some_and(|v| v.sequence() < entry.sequence));
            known.push(arena, write);
        } else {
            let bucket = self.bucket(hash);
            let next = bucket.load(Ordering::Relaxed);
            let key = new_key(arena, entry.key, upper_half(hash), next, write);
            bucket.store(Some(key), Ordering::Release);
            if !self.is_used.load(Ordering::Relaxed) {
                self.is_used.store(true, Ordering::Release);
            }
            tree.insert(arena, &self.tree, key);
        }
        self.count(entry);
        let table = size_of_val(self.buckets.links());
        self.writing.taken_bytes.store(arena.taken_bytes() - table, Ordering::Relaxed);
        self.writing.resident_bytes.store(arena.bytes(), Ordering::Relaxed);
    }

    fn count(&self, entry: Entry<'_>) {
        let add = |counter: &AtomicUsize, n| {
            counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
        };
        add(&self.writing.data_bytes, entry.key.len() + entry.value.len());
        add(&self.writing.entries, 1);
        add(&self.writing.tombstones, usize::from(entry.kind == ValueKind::Tombstone));
        self.writing.largest_sequence.store(entry.sequence, Ordering::Relaxed);
    }

    /// Starts bringing what a look-up of `hash` reads first into the cache.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        // An empty one is not asked: the address of its page would be looked for in vain.
        if self.is_used.load(Ordering::Acquire) {
            prefetch_at(self.bucket(hash), 1);
        }
    }

    /// Goes on where [`Memtable::prefetch`] began, some time after it.
    #[inline]
    pub fn prefetch_key(&self, hash: u64) {
        if let Some(key) = self.bucket(hash).load(Ordering::Acquire) {
            prefetch_at(key.address().as_ptr(), 1);
        }
    }

    #[inline]
    fn bucket(&self, hash: u64) -> &KeyLink {
        let links = self.buckets.links();
        &links[hash as usize & (links.len() - 1)]
    }

    #[inline]
    fn find(&self, key: &[u8], hash: u64) -> Option<KeyRef<'_>> {
        let mut link = self.bucket(hash).load(Ordering::Acquire);
        while let Some(known) = link {
            if known.hash() == upper_half(hash) && known.key() == key {
                return Some(known);
            }
            link = known.next();
        }
        None
    }

    /// Kind, sequence number and value of the newest version of `key`, whose hash is `hash`, that
    /// `sequence` sees.
    #[inline]
    pub fn get(&self, key: &[u8], hash: u64, sequence: u64) -> Option<(ValueKind, u64, &[u8])> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        let version = self.find(key, hash)?.visible(sequence)?;
        Some((version.kind(), version.sequence(), version.value()))
    }

    /// A cursor over what `sequence` sees.
    pub fn cursor(self: &Arc<Memtable>, sequence: u64) -> MemtableCursor {
        MemtableCursor::new(self.clone(), sequence)
    }

    /// Calls `visit` with every version of every key, in order: by key, then newest first.
    ///
    /// # Errors
    /// The first of `visit`.
    pub fn for_each(&self, mut visit: impl FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
        let mut run = self.run(Target::Start);
        loop {
            // Records lie in the order of writing: fetch them all, then read them in theirs.
            for key in run.keys().flatten() {
                prefetch_at(key.address().as_ptr(), 3);
            }
            for key in run.keys().flatten() {
                let mut version = key.newest();
                while let Some(v) = version {
                    let (sequence, kind) = (v.sequence(), v.kind());
                    visit(Entry { key: key.key(), value: v.value(), sequence, kind })?;
                    version = v.older();
                }
            }
            let Some(fence) = run.fence else { return Ok(()) };
            run = self.run(Target::AtLeast(fence.key()));
        }
    }

    fn run(&self, target: Target<'_>) -> Run<'_> {
        self.tree.run(target)
    }

    /// Bytes of keys and values.
    pub fn data_bytes(&self) -> usize {
        self.writing.data_bytes.load(Ordering::Relaxed)
    }

    /// What a memtable is full by: the memory that keys and values take with their records and the
    /// tree above them.
    #[inline]
    pub fn filled_bytes(&self) -> usize {
        self.writing.taken_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of memory.
    pub fn resident_bytes(&self) -> usize {
        self.writing.resident_bytes.load(Ordering::Relaxed)
    }

    /// Number of versions.
    pub fn entries(&self) -> usize {
        self.writing.entries.load(Ordering::Relaxed)
    }

    /// Number of versions that are tombstones.
    pub fn tombstones(&self) -> usize {
        self.writing.tombstones.load(Ordering::Relaxed)
    }

    /// The largest sequence number; zero if there is none.
    pub fn largest_sequence(&self) -> u64 {
        self.writing.largest_sequence.load(Ordering::Relaxed)
    }

    /// The smallest and the largest key.
    pub fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let first = self.run(Target::Start).keys().next()??;
        let last = self.run(Target::End).keys().last()??;
        Some((first.key(), last.key()))
    }
}

fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl fmt::Debug for Memtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable").field("entries", &self.entries()).finish_non_exhaustive()
    }
}
