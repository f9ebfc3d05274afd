//! Builds a block from entries in order.

use super::format::*;
use crate::base::hash::hash_tag;
use crate::base::key::{Entry, ValueKind, common_prefix_len, key_head};

/// Collects sorted entries and lays them out as one block.
///
/// The caller keeps the order and the bounds; the builder does not check them.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    tags: Vec<u8>,
    values: Vec<u8>,
    value_ends: Vec<u32>,
    sequences: Vec<u64>,
    tombstones: Vec<bool>,
}

impl BlockBuilder {
    /// Appends `entry`; blocks that are searched by hash get the key's `hash` with each.
    pub fn push(&mut self, entry: Entry<'_>, hash: Option<u64>) {
        self.keys.extend_from_slice(entry.key);
        self.key_ends.push(self.keys.len() as u32);
        self.tags.extend(hash.map(hash_tag));
        self.values.extend_from_slice(entry.value);
        self.value_ends.push(self.values.len() as u32);
        self.sequences.push(entry.sequence);
        self.tombstones.push(entry.kind == ValueKind::Tombstone);
    }

    /// Number of entries so far.
    pub fn count(&self) -> usize {
        self.key_ends.len()
    }

    /// Bytes of keys and values so far.
    pub fn raw_bytes(&self) -> usize {
        self.keys.len() + self.values.len()
    }

    /// The key pushed last; empty if there is none.
    pub fn last_key(&self) -> &[u8] {
        self.count().checked_sub(1).map_or(&[], |last| self.key(last))
    }

    /// The key pushed first; empty if there is none.
    pub fn first_key(&self) -> &[u8] {
        if self.key_ends.is_empty() { &[] } else { self.key(0) }
    }

    fn key(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.key_ends[i - 1] as usize };
        &self.keys[start..self.key_ends[i] as usize]
    }

    /// Appends the block to `out` and empties the builder. Nothing is appended for no entries.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.count() == 0 {
            return;
        }
        let prefix_len = common_prefix_len(self.first_key(), self.last_key());
        let start = out.len();
        out.resize(start + COLUMNS_AT, 0);
        out.extend_from_slice(&self.key(0)[..prefix_len]);
        out.extend_from_slice(&self.tags);
        let head_len = self.write_heads(prefix_len, out);
        let (sequence_base, meta_width) = self.write_metas(out);
        let tails = self.write_tail_offsets(prefix_len, out);
        let values = write_offsets(&self.value_ends, out);
        for i in 0..self.count() {
            let key = self.key(i);
            out.extend_from_slice(key.get(prefix_len + HEAD_LEN..).unwrap_or_default());
        }
        out.extend_from_slice(&self.values);

        let header = &mut out[start..start + COLUMNS_AT];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(COUNT_AT, &(self.count() as u32).to_le_bytes());
        put(PREFIX_LEN_AT, &(prefix_len as u32).to_le_bytes());
        put(FLAGS_AT, &[if self.tags.is_empty() { 0 } else { FLAG_TAGS }]);
        put(HEAD_LEN_AT, &[head_len]);
        put(META_WIDTH_AT, &[meta_width]);
        put(TAIL_WIDTH_AT, &[tails.width]);
        put(VALUE_WIDTH_AT, &[values.width]);
        put(TAIL_STRIDE_AT, &tails.stride.to_le_bytes());
        put(VALUE_STRIDE_AT, &values.stride.to_le_bytes());
        put(SEQUENCE_BASE_AT, &sequence_base.to_le_bytes());
        put(TAILS_LEN_AT, &tails.total.to_le_bytes());
        self.clear();
    }

    /// Forgets all entries, keeps the memory.
    fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.tags.clear();
        self.values.clear();
        self.value_ends.clear();
        self.sequences.clear();
        self.tombstones.clear();
    }

    /// Writes the heads and, if they differ, their lengths; returns the header's head_len.
    fn write_heads(&self, prefix_len: usize, out: &mut Vec<u8>) -> u8 {
        let length = |i| (self.key(i).len() - prefix_len).min(HEAD_LEN) as u8;
        let first = length(0);
        let mut same = true;
        for i in 0..self.count() {
            out.extend_from_slice(&key_head(&self.key(i)[prefix_len..]).to_le_bytes());
            same &= length(i) == first;
        }
        if same {
            return first;
        }
        out.extend((0..self.count()).map(length));
        HEAD_LEN_VARIES
    }

    /// Writes sequence numbers and kinds; returns the base and the width of each.
    fn write_metas(&self, out: &mut Vec<u8>) -> (u64, u8) {
        let base = self.sequences.iter().copied().min().unwrap_or(0);
        let meta = |i: usize| {
            let kind = if self.tombstones[i] { KIND_TOMBSTONE } else { KIND_PUT };
            (self.sequences[i] - base) << KIND_BITS | kind
        };
        let width = match (0..self.count()).map(meta).fold(0, |all, m| all | m) {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        if width > 0 {
            for i in 0..self.count() {
                out.extend_from_slice(&meta(i).to_le_bytes()[..width]);
            }
        }
        (base, width as u8)
    }

    fn write_tail_offsets(&self, prefix_len: usize, out: &mut Vec<u8>) -> Column {
        let mut end = 0;
        let ends = (0..self.count()).map(|i| {
            end += self.key(i).len().saturating_sub(prefix_len + HEAD_LEN) as u32;
            end
        });
        write_offsets(&ends.collect::<Vec<_>>(), out)
    }
}

/// How the strings of a column are delimited.
struct Column {
    width: u8,
    stride: u32,
    total: u32,
}

/// Writes the offsets of strings with the given ends, unless all have one length.
fn write_offsets(ends: &[u32], out: &mut Vec<u8>) -> Column {
    let total = ends.last().copied().unwrap_or(0);
    let stride = ends.first().copied().unwrap_or(0);
    let mut expected = 0u64;
    let same = ends.iter().all(|&end| {
        expected += u64::from(stride);
        u64::from(end) == expected
    });
    if same {
        return Column { width: 0, stride, total };
    }
    let width: u8 = if total <= u16::MAX.into() { 2 } else { 4 };
    out.reserve((ends.len() + 1) * usize::from(width));
    for end in std::iter::once(&0).chain(ends) {
        out.extend_from_slice(&end.to_le_bytes()[..width.into()]);
    }
    Column { width, stride: 0, total }
}
