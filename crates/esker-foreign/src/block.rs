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

/// Where an entry's key lies among the keys, and its value in the block.
#[derive(Clone, Copy, Debug)]
struct Place {
    key_at: u32,
    key_end: u32,
    value_at: u32,
    value_end: u32,
}

impl Place {
    fn key(self) -> Range<usize> {
        self.key_at as usize..self.key_end as usize
    }

    fn value(self) -> Range<usize> {
        self.value_at as usize..self.value_end as usize
    }
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

/// Most bytes of a block and of its keys: what a place can name.
const PLACE_MAX: usize = u32::MAX as usize;

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
        let keys_max = keys_max.min(PLACE_MAX);
        let mut reader = Reader(&data[..entries_end]);
        let mut last_key = 0..0;
        while !reader.0.is_empty() {
            let at = entries_end - reader.0.len();
            let cut = || ("block entry", at);
            let (shared, unshared, value_len) = lengths(&mut reader, values).ok_or_else(cut)?;
            let suffix = reader.bytes(unshared).ok_or_else(cut)?;
            if shared > last_key.len() {
                return Err(("shared key length", at));
            }
            let key_at = block.keys.len();
            block.keys.extend_from_within(last_key.start..last_key.start + shared);
            block.keys.extend_from_slice(suffix);
            last_key = key_at..block.keys.len();
            if last_key.end > keys_max {
                return Err(("length of all keys", at));
            }
            let value_at = entries_end - reader.0.len();
            match values {
                Values::Plain => drop(reader.bytes(value_len).ok_or_else(cut)?),
                Values::DeltaHandles => {
                    let before = block.handles.last().filter(|_| shared > 0).copied();
                    block.handles.push(delta(&mut reader, before).ok_or_else(cut)?);
                }
            }
            let value_end = entries_end - reader.0.len();
            block.entries.push(Place {
                key_at: last_key.start as u32,
                key_end: last_key.end as u32,
                value_at: value_at as u32,
                value_end: value_end as u32,
            });
        }
        block.data = data;
        Ok(block)
    }

    /// Takes `mask` off the values of entries with internal keys.
    pub(crate) fn unmask(&mut self, mask: &Mask) {
        for place in &self.entries {
            let key = self.keys.get(place.key()).and_then(split);
            let value = self.data.get_mut(place.value());
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
        self.entries.get(i).and_then(|place| self.keys.get(place.key())).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(&self, i: usize) -> &[u8] {
        self.entries.get(i).and_then(|place| self.data.get(place.value())).unwrap_or_default()
    }

    /// Where in the block the value of `key` lies.
    pub(crate) fn value_range(&self, key: &[u8]) -> Option<Range<usize>> {
        let i = (0..self.count()).find(|&i| self.key(i) == key)?;
        self.entries.get(i).map(|place| place.value())
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

/// The lengths in front of an entry: shared with the key before, of the rest of the key, of the
/// value.
#[inline]
fn lengths(reader: &mut Reader<'_>, values: Values) -> Option<(usize, usize, usize)> {
    if let (Values::Plain, Some((lengths, rest))) = (values, reader.0.split_first_chunk())
        && lengths.iter().all(|&length: &u8| length < 0x80)
    {
        reader.0 = rest;
        let [shared, unshared, value_len] = lengths.map(usize::from);
        return Some((shared, unshared, value_len));
    }
    let (shared, unshared) = (reader.varint32()?, reader.varint32()?);
    let value_len = match values {
        Values::Plain => reader.varint32()?,
        Values::DeltaHandles => 0,
    };
    Some((shared, unshared, value_len))
}

/// Where the entries end and the restart points begin.
fn entries_end(data: &[u8]) -> Result<usize, Broken> {
    if data.len() > PLACE_MAX {
        return Err(("block length", data.len()));
    }
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
