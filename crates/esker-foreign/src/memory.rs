//! Entries of logs, sorted in memory.

use crate::batch::Operation;
use crate::comparator::Comparator;
use crate::entry::{ForeignEntry, ForeignKind};
use crate::obfuscation::Mask;
use crate::ranges::{Fragments, RangeTombstone};
use crate::run::Run;
use esker::Result;
use std::cmp::Ordering;
use std::sync::Arc;

/// Entries in memory, in order once [`Memory::sort`] was called.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: Vec<u8>,
    entries: Vec<Held>,
    pub(crate) ranges: Vec<RangeTombstone>,
    pub(crate) fragments: Fragments,
    pub(crate) order: Comparator,
    /// Bytes of range deletions.
    ranges_bytes: usize,
}

/// Where an entry's key and value lie.
#[derive(Clone, Copy, Debug)]
struct Held {
    key_at: usize,
    value_at: usize,
    value_end: usize,
    sequence: u64,
    kind: ForeignKind,
}

impl Memory {
    /// Adds an operation of a log.
    pub(crate) fn add(&mut self, operation: &Operation<'_>) {
        let Operation { kind, key, value, sequence, .. } = *operation;
        if kind == ForeignKind::RangeTombstone {
            let (start, end) = (key.to_vec(), value.to_vec());
            self.ranges_bytes += key.len() + value.len() + size_of::<RangeTombstone>();
            self.ranges.push(RangeTombstone { start, end, sequence });
            return;
        }
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.entries.push(Held { key_at, value_at, value_end: self.bytes.len(), sequence, kind });
    }

    /// Bytes of memory taken.
    pub(crate) fn taken_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Held>() + self.ranges_bytes
    }

    /// Entries, range deletions left out.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts the entries in order: by key, the newest first. Of entries with the same key and
    /// sequence number the last to come stays.
    pub(crate) fn sort(&mut self, order: Comparator) {
        let bytes = std::mem::take(&mut self.bytes);
        let key = |held: &Held| bytes.get(held.key_at..held.value_at).unwrap_or_default();
        self.entries.reverse();
        self.entries.sort_by(|a, b| {
            let keys = order.compare(key(a), key(b)).unwrap_or(Ordering::Equal);
            keys.then(b.sequence.cmp(&a.sequence))
        });
        self.entries.dedup_by(|a, b| a.sequence == b.sequence && key(a) == key(b));
        self.bytes = bytes;
        self.fragments = Fragments::new(&self.ranges, order);
        self.order = order;
    }

    /// Takes `mask` off the values.
    pub(crate) fn unmask(&mut self, mask: &Mask) {
        for held in &self.entries {
            let Some(entry) = self.bytes.get_mut(held.key_at..held.value_end) else { continue };
            if let Some((key, value)) = entry.split_at_mut_checked(held.value_at - held.key_at) {
                mask.apply(key, held.kind, value);
            }
        }
    }

    fn key(&self, held: &Held) -> &[u8] {
        self.bytes.get(held.key_at..held.value_at).unwrap_or_default()
    }

    /// Number of the first entry whose key is at or after `key`.
    fn find(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|held| self.order.is_before(self.key(held), key))
    }

    fn get(&self, number: usize) -> Option<ForeignEntry<'_>> {
        let held = self.entries.get(number)?;
        let value = self.bytes.get(held.value_at..held.value_end).unwrap_or_default();
        let (key, sequence, kind) = (self.key(held), held.sequence, held.kind);
        Some(ForeignEntry { key, value, sequence, kind })
    }

    /// The newest entry of `key`.
    pub(crate) fn newest(&self, key: &[u8]) -> Option<ForeignEntry<'_>> {
        self.get(self.find(key)).filter(|entry| entry.key == key)
    }
}

/// A position in entries in memory.
pub(crate) struct MemoryRun {
    memory: Arc<Memory>,
    at: Option<usize>,
}

impl MemoryRun {
    pub(crate) fn new(memory: Arc<Memory>) -> MemoryRun {
        MemoryRun { memory, at: None }
    }
}

impl Run for MemoryRun {
    fn to_first(&mut self) -> Result<()> {
        self.at = Some(0);
        Ok(())
    }

    fn to_last(&mut self) -> Result<()> {
        self.at = self.memory.len().checked_sub(1);
        Ok(())
    }

    fn to(&mut self, key: &[u8]) -> Result<()> {
        self.at = Some(self.memory.find(key));
        Ok(())
    }

    fn to_before(&mut self, key: &[u8]) -> Result<()> {
        self.at = self.memory.find(key).checked_sub(1);
        Ok(())
    }

    fn forth(&mut self) -> Result<()> {
        self.at = self.at.map(|at| at.saturating_add(1));
        Ok(())
    }

    fn back(&mut self) -> Result<()> {
        self.at = self.at.and_then(|at| at.checked_sub(1));
        Ok(())
    }

    fn entry(&self) -> Option<ForeignEntry<'_>> {
        self.memory.get(self.at?)
    }
}
