//! Reads a block where it lies: look-up by hash tag, search by key, entries by number.
//!
//! Offsets inside the columns are taken on trust by [`Layout::parse`] and checked at each use:
//! a method that meets one that points outside its column returns `None`, and the caller reports
//! a corrupt block.

use super::format::*;
use crate::base::coding::{array_at, u16_at, u32_at, u64_at};
use crate::base::hash::hash_tag;
use crate::base::key::{ValueKind, key_head};
use crate::base::prefetch::{LINE_BYTES, prefetch, prefetch_at};
use std::cmp::Ordering;
use std::ops::Range;

/// Cache lines of a value that are fetched before its key is compared.
const VALUE_LINES: usize = 3;

/// Bytes of a tail that are moved together, whether the tail has as many or fewer.
const TAIL_NEAR: usize = 16;

/// Bytes that are moved to put a key together, after the block's prefix.
const NEAR_BYTES: usize = HEAD_LEN + TAIL_NEAR;

/// A block's bytes with the layout read off them.
#[derive(Clone, Copy, Debug)]
pub struct BlockView<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
}

/// What a look-up finds: an entry's sequence number and kind, and where its value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Sequence number of the entry.
    pub sequence: u64,
    /// Its kind.
    pub kind: ValueKind,
    /// Where in the block's bytes its value stands.
    pub value: Range<usize>,
}

/// A key without the block's prefix, taken apart as the block's columns are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rest<'a> {
    head: u64,
    head_len: u8,
    tail: &'a [u8],
}

/// Key, value, and the value's place.
type Put<'k, 'a> = (&'k [u8], &'a [u8], Range<usize>);

impl<'a> Rest<'a> {
    #[inline]
    fn new(rest: &'a [u8]) -> Rest<'a> {
        let tail = rest.get(HEAD_LEN..).unwrap_or_default();
        Rest { head: key_head(rest), head_len: rest.len().min(HEAD_LEN) as u8, tail }
    }
}

impl<'a> BlockView<'a> {
    /// The block in `bytes`, whose header gave `layout`.
    #[inline]
    pub fn new(bytes: &'a [u8], layout: &'a Layout) -> BlockView<'a> {
        BlockView { bytes, layout }
    }

    /// Number of entries.
    #[inline]
    pub fn count(&self) -> usize {
        self.layout.count
    }

    /// What all keys begin with.
    #[inline]
    pub fn prefix(&self) -> &'a [u8] {
        self.bytes.get(COLUMNS_AT..self.layout.prefix_end).unwrap_or_default()
    }

    /// The newest entry for `key`, whose hash is `hash`, of those that `visible` admits by
    /// sequence number. `None` if a column is corrupt, `Some(None)` if there is no such entry.
    #[inline]
    pub fn find(
        &self,
        key: &[u8],
        hash: u64,
        visible: impl Fn(u64) -> bool,
    ) -> Option<Option<Found>> {
        let Some(rest) = self.rest_of(key) else { return Some(None) };
        let rest = Rest::new(rest);
        let tags = match self.layout.tags {
            0 => return self.find_sorted(rest, visible),
            tags => self.bytes.get(tags..tags + self.count())?,
        };
        let tag = hash_tag(hash);
        let mut from = 0;
        while let Some(ahead) = memchr::memchr(tag, tags.get(from..)?) {
            let i = from + ahead;
            // The value is far from the head: fetch both at once.
            let value = self.value_range(i)?;
            prefetch(self.bytes.get(value.clone())?, VALUE_LINES);
            let tail = self.tail(i)?;
            prefetch(tail, 1);
            self.prefetch_meta(i);
            if self.head(i)? == rest.head && (self.head_len(i)?, tail) == (rest.head_len, rest.tail)
            {
                let (sequence, kind) = self.meta(i)?;
                if visible(sequence) {
                    return Some(Some(Found { sequence, kind, value }));
                }
            }
            from = i + 1;
        }
        Some(None)
    }

    /// The tag of entry `i`, if the block has tags.
    #[inline]
    pub fn tag(&self, i: usize) -> Option<u8> {
        let at = Some(self.layout.tags).filter(|&at| at != 0)?;
        self.bytes.get(at + i).copied()
    }

    /// As [`BlockView::find`], for blocks without tags.
    fn find_sorted(&self, rest: Rest<'_>, visible: impl Fn(u64) -> bool) -> Option<Option<Found>> {
        for i in self.lower_bound_of(rest, 0..self.count())?..self.count() {
            if self.rest(i)? != rest {
                break;
            }
            let (sequence, kind) = self.meta(i)?;
            if visible(sequence) {
                return Some(Some(Found { sequence, kind, value: self.value_range(i)? }));
            }
        }
        Some(None)
    }

    /// What `key` has after the block's prefix, if it begins with that.
    #[inline]
    fn rest_of<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let prefix = self.prefix();
        if prefix.is_empty() { Some(key) } else { key.strip_prefix(prefix) }
    }

    /// The first entry whose key is at least `key`; the count if there is none.
    #[inline]
    pub fn lower_bound(&self, key: &[u8]) -> Option<usize> {
        match self.rest_of(key) {
            Some(rest) => self.lower_bound_of(Rest::new(rest), 0..self.count()),
            None => Some(if key < self.prefix() { 0 } else { self.count() }),
        }
    }

    /// The last entry whose key is at most `key`, if there is one; of several with that very key,
    /// the first. The first entry whose key is at least `key` is looked for only in the range that
    /// `narrow` makes of the key's head: it must hold that entry or end at it. `None` if a column
    /// is corrupt.
    #[inline]
    pub fn last_at_most(
        &self,
        key: &[u8],
        narrow: impl FnOnce(u64) -> Range<usize>,
    ) -> Option<Option<usize>> {
        let Some(rest) = self.rest_of(key) else {
            let is_below = key < self.prefix();
            return Some(if is_below { None } else { self.count().checked_sub(1) });
        };
        let rest = Rest::new(rest);
        let at = self.lower_bound_of(rest, narrow(rest.head))?;
        let is_there = at < self.count() && self.head(at)? == rest.head && self.rest(at)? == rest;
        Some(if is_there { Some(at) } else { at.checked_sub(1) })
    }

    #[inline]
    fn lower_bound_of(&self, rest: Rest<'_>, within: Range<usize>) -> Option<usize> {
        let heads = self.heads()?;
        let is_below = |head: &[u8; HEAD_LEN]| u64::from_le_bytes(*head) < rest.head;
        // Where the halves are chosen without a branch on the outcome.
        let first = within.start + heads.get(within)?.partition_point(is_below);
        match heads.get(first) {
            Some(&head) if u64::from_le_bytes(head) == rest.head => self.past_head(rest, first),
            _ => Some(first),
        }
    }

    /// The first entry whose key is at least `rest`, of which `first` is the first entry that has
    /// its head. Most often no other entry has it.
    #[inline]
    fn past_head(&self, rest: Rest<'_>, first: usize) -> Option<usize> {
        let key = (self.head_len(first)?, self.tail(first)?);
        if key >= (rest.head_len, rest.tail) {
            return Some(first);
        }
        self.lower_bound_in_run(rest, first)
    }

    /// As [`BlockView::past_head`], for runs of several entries with one head.
    fn lower_bound_in_run(&self, rest: Rest<'_>, first: usize) -> Option<usize> {
        let mut end = first;
        while end < self.count() && self.head(end)? == rest.head {
            end += 1 + (end - first);
        }
        let (mut low, mut high) = (first, end.min(self.count()));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.rest(middle)? < rest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    /// The head of entry `i`.
    #[inline]
    pub fn head(&self, i: usize) -> Option<u64> {
        u64_at(self.bytes, self.layout.heads + i * HEAD_LEN)
    }

    #[inline]
    fn rest(&self, i: usize) -> Option<Rest<'a>> {
        let tail = self.tail(i)?;
        Some(Rest { head: self.head(i)?, head_len: self.head_len(i)?, tail })
    }

    #[inline]
    fn head_len(&self, i: usize) -> Option<u8> {
        match self.layout.head_len {
            HEAD_LEN_VARIES => {
                self.bytes.get(self.layout.head_lens + i).copied().filter(|&n| n <= HEAD_LEN as u8)
            }
            length => Some(length),
        }
    }

    /// Whether entries `i` and `j` have the same key.
    #[inline]
    pub fn same_key(&self, i: usize, j: usize) -> Option<bool> {
        Some(self.head(i)? == self.head(j)? && self.rest(i)? == self.rest(j)?)
    }

    /// How the key of entry `i` compares to `key`.
    pub fn compare_key(&self, i: usize, key: &[u8]) -> Option<Ordering> {
        let Some(rest) = self.rest_of(key) else { return Some(self.prefix().cmp(key)) };
        // Most often the heads differ.
        match self.head(i)?.cmp(&key_head(rest)) {
            Ordering::Equal => Some(self.rest(i)?.cmp(&Rest::new(rest))),
            order => Some(order),
        }
    }

    /// How the keys of entries `i` and `j` compare.
    pub fn compare(&self, i: usize, j: usize) -> Option<Ordering> {
        Some(self.rest(i)?.cmp(&self.rest(j)?))
    }

    /// Puts the block's prefix into `key`, and room for more: as [`BlockView::write_key`] wants it.
    pub fn write_prefix(&self, key: &mut Vec<u8>) {
        let prefix = self.prefix();
        if key.len() < prefix.len() + NEAR_BYTES {
            key.resize(prefix.len() + NEAR_BYTES, 0);
        }
        if let Some(place) = key.get_mut(..prefix.len()) {
            place.copy_from_slice(prefix);
        }
    }

    /// Puts the key of entry `i` into `key`, which must begin with the block's prefix, and returns
    /// the key's length: what follows in `key` is left over.
    ///
    /// A move of known length is cheaper than a copy of any other, so most keys are put together of
    /// such, together with some bytes that do not belong to them.
    #[inline(always)]
    pub fn write_key(&self, i: usize, key: &mut Vec<u8>) -> Option<usize> {
        let prefix_len = self.layout.prefix_end - COLUMNS_AT;
        let head = self.head(i)?.to_be_bytes();
        let head_len = usize::from(self.head_len(i)?);
        let tail = self.tail_range(i)?;
        let tail_len = tail.end - tail.start;
        if head_len < HEAD_LEN && tail_len > 0 {
            return None;
        }
        let place = key.get_mut(prefix_len..).and_then(<[u8]>::first_chunk_mut::<NEAR_BYTES>);
        match (array_at::<TAIL_NEAR>(self.bytes, tail.start), place) {
            (Some(near), Some(place)) if tail_len <= TAIL_NEAR => {
                let (head_place, tail_place) = place.split_at_mut(HEAD_LEN);
                head_place.copy_from_slice(&head);
                tail_place.copy_from_slice(near);
            }
            _ => write_far(key, prefix_len, head, self.bytes.get(tail)?)?,
        }
        Some(prefix_len + head_len + tail_len)
    }

    /// As [`BlockView::write_key`], of an entry that sets its key: the key, the value, and where in
    /// the block's bytes it stands; `None` for any other.
    #[inline(always)]
    pub fn write_put<'k>(&self, i: usize, key: &'k mut Vec<u8>) -> Option<Put<'k, 'a>> {
        let key_len = self.write_key(i, key)?;
        let range = self.value_range(i)?;
        let put = (key.get(..key_len)?, self.bytes.get(range.clone())?, range);
        self.is_put(i)?.then_some(put)
    }

    /// The heads of all entries; `None` if the block is too short for them.
    #[inline]
    pub fn heads(&self) -> Option<&'a [[u8; HEAD_LEN]]> {
        let start = self.layout.heads;
        Some(self.bytes.get(start..start + self.count() * HEAD_LEN)?.as_chunks().0)
    }

    /// As [`BlockView::write_put`], of an entry whose tail is short and not near the end of the
    /// block, and for whose key there is room in `key`: the key's length, and where the value
    /// stands. `heads` are those of the block. `None` for any other entry.
    #[inline(always)]
    pub fn write_near_put(
        &self,
        heads: &[[u8; HEAD_LEN]],
        i: usize,
        key: &mut [u8],
    ) -> Option<(usize, Range<usize>)> {
        let prefix_len = self.layout.prefix_end - COLUMNS_AT;
        let head = u64::from_le_bytes(*heads.get(i)?).to_be_bytes();
        let head_len = usize::from(self.head_len(i)?);
        let tail = self.tail_range(i)?;
        let tail_len = tail.end - tail.start;
        let place = key.get_mut(prefix_len..)?.first_chunk_mut::<NEAR_BYTES>()?;
        let near = array_at::<TAIL_NEAR>(self.bytes, tail.start)?;
        let is_near = tail_len <= TAIL_NEAR && (head_len == HEAD_LEN || tail_len == 0);
        if !is_near || !self.is_put(i)? {
            return None;
        }
        let (head_place, tail_place) = place.split_at_mut(HEAD_LEN);
        head_place.copy_from_slice(&head);
        tail_place.copy_from_slice(near);
        Some((prefix_len + head_len + tail_len, self.value_range(i)?))
    }

    /// As [`BlockView::write_near_put`], of any entry that sets its key.
    #[inline(never)]
    pub fn write_far_put(&self, i: usize, key: &mut Vec<u8>) -> Option<(usize, Range<usize>)> {
        let (key, _, range) = self.write_put(i, key)?;
        Some((key.len(), range))
    }

    /// The key of entry `i`, whole.
    pub fn key(&self, i: usize) -> Option<Vec<u8>> {
        let mut key = self.prefix().to_vec();
        let len = self.write_key(i, &mut key)?;
        key.truncate(len);
        Some(key)
    }

    /// Sequence number and kind of entry `i`.
    #[inline]
    pub fn meta(&self, i: usize) -> Option<(u64, ValueKind)> {
        let (bytes, at) = (self.bytes, self.layout.metas);
        let meta = match self.layout.meta_width {
            0 => return Some((self.layout.sequence_base, ValueKind::Put)),
            1 => bytes.get(at + i).copied()?.into(),
            2 => u16_at(bytes, at + 2 * i)?.into(),
            4 => u32_at(bytes, at + 4 * i)?.into(),
            _ => u64_at(bytes, at + 8 * i)?,
        };
        let kind = match meta & ((1 << KIND_BITS) - 1) {
            KIND_PUT => ValueKind::Put,
            KIND_TOMBSTONE => ValueKind::Tombstone,
            _ => return None,
        };
        Some((self.layout.sequence_base.checked_add(meta >> KIND_BITS)?, kind))
    }

    /// Whether entry `i` sets its key.
    #[inline]
    pub fn is_put(&self, i: usize) -> Option<bool> {
        let width = usize::from(self.layout.meta_width);
        // The low bits of a meta stand in its first byte.
        let low = if width == 0 { 0 } else { *self.bytes.get(self.layout.metas + width * i)? };
        Some(u64::from(low) & ((1 << KIND_BITS) - 1) == KIND_PUT)
    }

    #[inline]
    fn prefetch_meta(&self, i: usize) {
        let at = self.layout.metas + usize::from(self.layout.meta_width) * i;
        prefetch(self.bytes.get(at..).unwrap_or_default(), 1);
    }

    /// Starts bringing the heads of the entries in `range` into the cache.
    #[inline]
    pub fn prefetch_heads(&self, range: &Range<usize>) {
        let heads = self.heads().and_then(|heads| heads.get(range.clone())).unwrap_or_default();
        prefetch_at(heads.as_ptr(), heads.len() * HEAD_LEN / LINE_BYTES + 1);
    }

    /// Starts bringing `lines` cache lines of values, from that of entry `i` on, into the cache.
    #[inline]
    pub fn prefetch_values(&self, i: usize, lines: usize) {
        let range = self.value_range(i).unwrap_or_default();
        prefetch(self.bytes.get(range.start..).unwrap_or_default(), lines);
    }

    /// Where in the block's bytes the value of entry `i` stands.
    #[inline]
    pub fn value_range(&self, i: usize) -> Option<Range<usize>> {
        // The column ends with the block.
        self.string_range(&self.layout.values, i, self.bytes.len())
    }

    /// The value of entry `i`.
    #[inline]
    pub fn value(&self, i: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.value_range(i)?)
    }

    #[inline]
    fn tail(&self, i: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.tail_range(i)?)
    }

    #[inline(always)]
    fn tail_range(&self, i: usize) -> Option<Range<usize>> {
        self.string_range(&self.layout.tails, i, self.layout.tails.end)
    }

    /// Where string `i` of `column` stands, which must be before `column_end`.
    #[inline(always)]
    fn string_range(&self, column: &Strings, i: usize, column_end: usize) -> Option<Range<usize>> {
        let (bytes, at) = (self.bytes, column.offsets);
        let range = match column.width {
            0 => {
                // `Layout::parse` found the column as long as the strings of all entries.
                let stride = column.stride as usize;
                let start = column.bytes.wrapping_add(stride.wrapping_mul(i));
                start..start.checked_add(stride)?
            }
            2 => {
                let pair = u32_at(bytes, at + 2 * i)?;
                between(column, (pair & 0xffff) as usize, (pair >> 16) as usize)?
            }
            _ => {
                let pair = u64_at(bytes, at + 4 * i)?;
                between(column, (pair & 0xffff_ffff) as usize, (pair >> 32) as usize)?
            }
        };
        (range.end <= column_end).then_some(range)
    }
}

/// Puts `head` and `tail` into `key` at `at`, which grows if it is shorter: where the key is long,
/// or its tail near the end of the block.
#[inline(never)]
fn write_far(key: &mut Vec<u8>, at: usize, head: [u8; HEAD_LEN], tail: &[u8]) -> Option<()> {
    let end = at + HEAD_LEN + tail.len();
    if key.len() < end {
        key.resize(end, 0);
    }
    let (head_place, tail_place) = key.get_mut(at..end)?.split_first_chunk_mut()?;
    *head_place = head;
    tail_place.copy_from_slice(tail);
    Some(())
}

/// What of a block is from `start` to `end` of `column`.
#[inline(always)]
fn between(column: &Strings, start: usize, end: usize) -> Option<Range<usize>> {
    let range = column.bytes.checked_add(start)?..column.bytes.checked_add(end)?;
    (range.start <= range.end).then_some(range)
}
