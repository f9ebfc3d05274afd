//! A position in a memtable, moved both ways over the keys that a sequence number sees.
//!
//! # Invariants
//! - **C1** The addresses that a cursor keeps are of records in the memtable that it holds.
#![allow(unsafe_code)]

use super::Memtable;
use super::node::FANOUT;
use super::record::{KeyHeader, KeyRef, VersionHeader, VersionRef};
use super::tree::Target;
use crate::base::key::ValueKind;
use crate::base::prefetch::prefetch_at;
use std::ptr::NonNull;
use std::sync::Arc;

/// How many keys ahead of the current one are fetched, and how many cache lines of each: the record
/// of the key, and its version right after it. Records lie in the order of writing, so each is a
/// cache miss otherwise.
const AHEAD: usize = 4;
const RECORD_LINES: usize = 2;

/// A position in a memtable. Shows for each key the newest version that its sequence number sees,
/// tombstones too. A leaf's worth of keys is taken at a time.
pub struct MemtableCursor {
    memtable: Arc<Memtable>,
    sequence: u64,
    keys: [Option<NonNull<KeyHeader>>; FANOUT],
    count: usize,
    at: usize,
    /// Where to go on upwards: the first key past the leaf, if the keys reach its end.
    fence: Option<NonNull<KeyHeader>>,
    version: Option<NonNull<VersionHeader>>,
}

// SAFETY: by C1 the addresses are good wherever the memtable is, and records may be read by any
// thread.
unsafe impl Send for MemtableCursor {}
// SAFETY: as above; nothing changes through a shared reference.
unsafe impl Sync for MemtableCursor {}

impl MemtableCursor {
    pub(super) fn new(memtable: Arc<Memtable>, sequence: u64) -> MemtableCursor {
        MemtableCursor {
            memtable,
            sequence,
            keys: [None; FANOUT],
            count: 0,
            at: 0,
            fence: None,
            version: None,
        }
    }

    /// Moves to the first key; false if there is none. So for every move.
    pub fn first(&mut self) -> bool {
        self.fill(Target::Start);
        self.settle_up()
    }

    /// Moves to the last key.
    pub fn last(&mut self) -> bool {
        self.fill(Target::End);
        self.settle_down()
    }

    /// Moves to the first key that is at least `key`.
    pub fn seek(&mut self, key: &[u8]) -> bool {
        self.fill(Target::AtLeast(key));
        self.settle_up()
    }

    /// Moves to the last key below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> bool {
        self.fill(Target::Below(key));
        self.settle_down()
    }

    /// Moves to the next key; only from a key.
    #[inline]
    pub fn next(&mut self) -> bool {
        self.at += 1;
        self.prefetch(self.at + AHEAD);
        self.settle_up()
    }

    /// Moves to the key before; only from a key.
    #[inline]
    pub fn prev(&mut self) -> bool {
        if self.at == 0 {
            self.fill_before();
            return self.settle_down();
        }
        self.at -= 1;
        self.prefetch(self.at.wrapping_sub(AHEAD));
        self.settle_down()
    }

    /// Moves to the version of the key before this one, seen or not; false if there is none. Only
    /// from a key.
    #[inline]
    pub fn older(&mut self) -> bool {
        let older = self.version().and_then(|version| version.older());
        let older = older.map(|version| version.address());
        self.version = older.or(self.version);
        older.is_some()
    }

    /// Starts bringing the record of key number `i`, if there is one, into the cache.
    #[inline]
    fn prefetch(&self, i: usize) {
        if let Some(&Some(key)) = self.keys.get(i)
            && i < self.count
        {
            prefetch_at(key.as_ptr(), RECORD_LINES);
        }
    }

    /// The key; only on one.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.key_ref(self.at).map_or(&[], |key| key.key())
    }

    /// The value of the version seen.
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.version().map_or(&[], |version| version.value())
    }

    /// Its sequence number.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.version().map_or(0, |version| version.sequence())
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        self.version().map_or(ValueKind::Tombstone, |version| version.kind())
    }

    #[inline]
    fn key_ref(&self, i: usize) -> Option<KeyRef<'_>> {
        let address = *self.keys.get(i)?;
        // SAFETY: by C1.
        address.map(|at| unsafe { KeyRef::from_address(at) })
    }

    #[inline]
    fn version(&self) -> Option<VersionRef<'_>> {
        // SAFETY: by C1.
        self.version.map(|at| unsafe { VersionRef::from_address(at) })
    }

    /// Takes the keys from `target` on; stands on the one nearest to it.
    fn fill(&mut self, target: Target<'_>) {
        let memtable = self.memtable.clone();
        let run = memtable.run(target);
        self.count = run.keys().len();
        for (place, key) in self.keys.iter_mut().zip(run.keys()) {
            *place = key.map(|key| key.address());
        }
        let is_upwards = !matches!(target, Target::Below(_) | Target::End);
        self.at = if is_upwards { 0 } else { self.count.saturating_sub(1) };
        for i in 0..=AHEAD {
            self.prefetch(if is_upwards { i } else { self.at.wrapping_sub(i) });
        }
        self.fence = run.fence.filter(|_| is_upwards).map(|key| key.address());
        if is_upwards && self.fence.is_none() && self.count > 0 {
            // The end of the tree: whatever comes later is not to be seen.
            self.fence = self.keys[self.count - 1];
        }
    }

    fn fill_after(&mut self) {
        let Some(last) = self.count.checked_sub(1) else { return };
        let Some(last_key) = self.keys[last] else { return };
        let memtable = self.memtable.clone();
        // SAFETY: by C1, for as long as `memtable` is held here.
        let last_key: KeyRef<'_> = unsafe { KeyRef::from_address(last_key) };
        match self.fence.take() {
            Some(fence) if fence == last_key.address() => self.count = 0,
            Some(fence) => {
                // SAFETY: as above.
                let fence: KeyRef<'_> = unsafe { KeyRef::from_address(fence) };
                self.fill(Target::AtLeast(fence.key()));
            }
            None => self.fill(Target::Above(last_key.key())),
        }
        drop(memtable);
    }

    fn fill_before(&mut self) {
        let Some(first) = self.keys[0].filter(|_| self.count > 0) else { return };
        let memtable = self.memtable.clone();
        // SAFETY: by C1, for as long as `memtable` is held here.
        let first: KeyRef<'_> = unsafe { KeyRef::from_address(first) };
        self.fill(Target::Below(first.key()));
        drop(memtable);
    }

    /// Goes up from `at` to the first key that has a version to be seen.
    #[inline]
    fn settle_up(&mut self) -> bool {
        loop {
            if self.at >= self.count {
                self.fill_after();
                if self.count == 0 {
                    self.version = None;
                    return false;
                }
            }
            if self.see() {
                return true;
            }
            self.at += 1;
        }
    }

    /// Goes down likewise.
    fn settle_down(&mut self) -> bool {
        loop {
            if self.count == 0 {
                self.version = None;
                return false;
            }
            if self.see() {
                return true;
            }
            match self.at.checked_sub(1) {
                Some(before) => self.at = before,
                None => self.fill_before(),
            }
        }
    }

    #[inline]
    fn see(&mut self) -> bool {
        let sequence = self.sequence;
        let version = self.key_ref(self.at).and_then(|key| key.visible(sequence));
        self.version = version.map(|version| version.address());
        self.version.is_some()
    }
}
