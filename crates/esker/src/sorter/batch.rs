//! Entries in memory, waiting to be sorted.

use super::duplicate;
use crate::base::error::Result;
use crate::base::key::{Entry, ValueKind, key_head};
use std::cmp::Ordering;

/// Most bytes of a chunk; an entry that is larger has one of its own size.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Where an entry lies; key and value stand one after the other.
#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u64,
    chunk: u32,
    start: u32,
    key_len: u32,
    value_len: u32,
    is_tombstone: bool,
}

/// Entries in the order of their coming, then in the order of their keys.
///
/// Bytes go into chunks, so that nothing is copied as the batch grows; the chunks are used again
/// by the next batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    chunks: Vec<Vec<u8>>,
    /// The chunk being filled.
    current: usize,
    slots: Vec<Slot>,
    chunk_bytes: usize,
}

impl Batch {
    /// An empty batch, whose chunks are a small part of `budget` bytes.
    pub(super) fn new(budget: usize) -> Batch {
        Batch { chunk_bytes: (budget / 8).min(CHUNK_BYTES_MAX), ..Batch::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory that the batch would take with `entry` in it.
    pub(super) fn bytes_with(&self, entry: Entry<'_>) -> usize {
        let grows = self.slots.len() == self.slots.capacity();
        let slots = self.slots.capacity() * if grows { 2 } else { 1 };
        let chunks: usize = self.chunks.iter().take(self.current + 1).map(Vec::capacity).sum();
        let bytes = entry.key.len() + entry.value.len();
        let chunk = if self.has_room(bytes) { 0 } else { bytes.max(self.chunk_bytes) };
        slots * size_of::<Slot>() + chunks + chunk
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.chunks.get(self.current).is_some_and(|c| c.capacity() - c.len() >= bytes)
    }

    /// Takes an entry.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8], is_tombstone: bool) {
        let bytes = key.len() + value.len();
        if !self.has_room(bytes) {
            self.next_chunk(bytes);
        }
        let chunk = &mut self.chunks[self.current];
        let start = chunk.len() as u32;
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        self.slots.push(Slot {
            head: key_head(key),
            chunk: self.current as u32,
            start,
            key_len: key.len() as u32,
            value_len: value.len() as u32,
            is_tombstone,
        });
    }

    /// Goes on to a chunk with room for `bytes`: an old one if it is large enough.
    fn next_chunk(&mut self, bytes: usize) {
        let next = self.current + usize::from(!self.chunks.is_empty());
        let fresh = || Vec::with_capacity(bytes.max(self.chunk_bytes));
        match self.chunks.get_mut(next) {
            Some(old) if old.capacity() >= bytes => {}
            Some(old) => *old = fresh(),
            None => self.chunks.push(fresh()),
        }
        self.current = next;
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        &self.chunks[slot.chunk as usize][start..start + slot.key_len as usize]
    }

    /// Sorts by key, keeps the last entry of each, and returns how many were dropped. With
    /// `strict`, a key that comes twice is an error.
    pub(super) fn sort(&mut self, strict: bool) -> Result<u64> {
        let mut slots = std::mem::take(&mut self.slots);
        let newest_first = |a: &Slot, b: &Slot| {
            a.head.cmp(&b.head).then_with(|| match self.key(a).cmp(self.key(b)) {
                Ordering::Equal => {
                    (b.chunk, b.start, b.key_len).cmp(&(a.chunk, a.start, a.key_len))
                }
                order => order,
            })
        };
        slots.sort_unstable_by(newest_first);
        let before = slots.len();
        let mut repeated = None;
        slots.dedup_by(|later, kept| {
            let same = later.head == kept.head && self.key(later) == self.key(kept);
            if same {
                repeated.get_or_insert(*kept);
            }
            same
        });
        let dropped = (before - slots.len()) as u64;
        self.slots = slots;
        match repeated {
            Some(slot) if strict => Err(duplicate(self.key(&slot))),
            _ => Ok(dropped),
        }
    }

    /// Entry number `i`, in the present order.
    pub(super) fn entry(&self, i: usize) -> Entry<'_> {
        let slot = &self.slots[i];
        let start = (slot.start + slot.key_len) as usize;
        let value = &self.chunks[slot.chunk as usize][start..start + slot.value_len as usize];
        let kind = if slot.is_tombstone { ValueKind::Tombstone } else { ValueKind::Put };
        Entry { key: self.key(slot), value, sequence: 0, kind }
    }

    /// Forgets all entries, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.chunks.iter_mut().for_each(Vec::clear);
        self.chunks.retain(|chunk| chunk.capacity() <= self.chunk_bytes);
        self.current = 0;
    }
}
