//! Blocks of entries with shared key prefixes and restart points (LevelDB `table/block.cc`,
//! RocksDB `table/block_based/block.cc`).

use crate::coding::{Reader, u32_at};
use crate::entry::split;
use crate::footer::{BlockHandle, TRAILER_LEN};
use crate::obfuscation::Mask;
use std::ops::Range;

/// A block, decoded whole: every key put together, every value by its place.
#[derive(Debug, Default)]
pub(crate) struct Block {
    data: Vec<u8>,
    keys: Vec<u8>,
    entries: Vec<Place>,
    /// The handles of an index block whose values are deltas.
    handles: Vec<BlockHandle>,
}

/// Where an entry's key ends among the keys, and its value in the block.
#[derive(Clone, Copy, Debug)]
struct Place {
    key_end: usize,
    value_at: usize,
    value_end: usize,
}

/// How the values of a block are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// Each with its length in front of the key.
    Plain,
    /// Handles of blocks that follow each other: only the change of size, except at restarts.
    DeltaHandles,
}

/// What is wrong with a block, and where in it.
pub(crate) type Broken = (&'static str, usize);

/// Keys may take this much more than the block they are put together from, and [`KEYS_FREE`]:
/// shared prefixes can stand for very much in a hostile file.
const KEYS_FACTOR: usize = 64;
const KEYS_FREE: usize = 16 << 20;

/// High bit of the restart count: a hash index stands behind the restarts.
const HASH_INDEX_FLAG: u32 = 1 << 31;

impl Block {
    pub(crate) fn decode(data: Vec<u8>, values: Values) -> Result<Block, Broken> {
        Block::default().with(data, values)
    }

    /// Takes the bytes of the block out, for the next one.
    pub(crate) fn take_data(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.data)
    }

    /// The block in `data`, in the memory of this one.
    pub(crate) fn with(mut self, data: Vec<u8>, values: Values) -> Result<Block, Broken> {
        let entries_end = entries_end(&data)?;
        self.keys.clear();
        self.entries.clear();
        self.handles.clear();
        let mut block = self;
        let keys_max = data.len().saturating_mul(KEYS_FACTOR).saturating_add(KEYS_FREE);
        let mut at = 0;
        let mut last_key = 0..0;
        while at < entries_end {
            let mut reader = Reader(&data[at..entries_end]);
            let cut = || ("block entry", at);
            let shared = reader.varint32().ok_or_else(cut)?;
            let unshared = reader.varint32().ok_or_else(cut)?;
            let value_len = match values {
                Values::Plain => reader.varint32().ok_or_else(cut)?,
                Values::DeltaHandles => 0,
            };
            let suffix = reader.bytes(unshared).ok_or_else(cut)?;
            if shared > last_key.len() {
                return Err(("shared key length", at));
            }
            let start = block.keys.len();
            block.keys.extend_from_within(last_key.start..last_key.start + shared);
            block.keys.extend_from_slice(suffix);
            if block.keys.len() > keys_max {
                return Err(("length of all keys", at));
            }
            last_key = start..block.keys.len();
            let key_end = block.keys.len();
            let value_at = entries_end - reader.0.len();
            match values {
                Values::Plain => drop(reader.bytes(value_len).ok_or_else(cut)?),
                Values::DeltaHandles => {
                    let before = block.handles.last().filter(|_| shared > 0).copied();
                    block.handles.push(delta(&mut reader, before).ok_or_else(cut)?);
                }
            }
            at = entries_end - reader.0.len();
            block.entries.push(Place { key_end, value_at, value_end: at });
        }
        block.data = data;
        Ok(block)
    }

    /// Takes `mask` off the values of entries with internal keys.
    pub(crate) fn unmask(&mut self, mask: &Mask) {
        let mut start = 0;
        for place in &self.entries {
            let key = self.keys.get(start..place.key_end).and_then(split);
            start = place.key_end;
            let value = self.data.get_mut(place.value_at..place.value_end);
            if let Some(((key, _, kind), value)) = key.zip(value) {
                mask.apply(key, kind, value);
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn key(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|i| self.entries.get(i)).map_or(0, |e| e.key_end);
        self.entries.get(i).and_then(|e| self.keys.get(start..e.key_end)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(&self, i: usize) -> &[u8] {
        let place = self.entries.get(i);
        place.and_then(|e| self.data.get(e.value_at..e.value_end)).unwrap_or_default()
    }

    /// Where in the block the value of `key` lies.
    pub(crate) fn value_range(&self, key: &[u8]) -> Option<Range<usize>> {
        let i = (0..self.count()).find(|&i| self.key(i) == key)?;
        self.entries.get(i).map(|e| e.value_at..e.value_end)
    }

    /// The handle that value `i` is.
    pub(crate) fn handle(&self, i: usize) -> Option<BlockHandle> {
        match self.handles.get(i) {
            Some(handle) => Some(*handle),
            None => BlockHandle::read(&mut Reader(self.value(i))),
        }
    }
}

/// A handle as the change from the one `before`, or whole.
fn delta(reader: &mut Reader<'_>, before: Option<BlockHandle>) -> Option<BlockHandle> {
    let Some(before) = before else { return BlockHandle::read(reader) };
    let offset = before.offset.checked_add(before.size)?.checked_add(TRAILER_LEN)?;
    let size = before.size.checked_add_signed(reader.signed_varint()?)?;
    Some(BlockHandle { offset, size })
}

/// Where the entries end and the restart points begin.
fn entries_end(data: &[u8]) -> Result<usize, Broken> {
    let last = data.len().checked_sub(4).ok_or(("block length", data.len()))?;
    let count = u32_at(data, last).unwrap_or(0);
    let mut end = last;
    if count & HASH_INDEX_FLAG != 0 {
        let buckets_at = end.checked_sub(2).ok_or(("hash index", end))?;
        let pair = data.get(buckets_at..end).unwrap_or_default();
        let buckets = pair.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte));
        end = buckets_at.checked_sub(buckets).ok_or(("hash index", buckets))?;
    }
    let restarts = (count & !HASH_INDEX_FLAG) as usize;
    let bytes = restarts.checked_mul(4).filter(|_| restarts > 0);
    bytes.and_then(|bytes| end.checked_sub(bytes)).ok_or(("restart count", restarts))
}
