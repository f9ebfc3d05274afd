//! Bytes of a block. Normative text: `docs/format.md#block`.
//!
//! ```text
//! offset  size  field
//!      0     4  count: entries, at least 1
//!      4     4  prefix_len: bytes that all keys begin with
//!      8     1  flags: bit 0 = there is a tag column
//!      9     1  head_len: key bytes in every head, 0 to 8; 255 = a column says
//!     10     1  meta_width: 0, 1, 2, 4 or 8 bytes an entry
//!     11     1  tail_width: 0 = every tail has tail_stride bytes; 2 or 4 = offsets
//!     12     1  value_width: 0 = every value has value_stride bytes; 2 or 4 = offsets
//!     13     3  zero
//!     16     4  tail_stride
//!     20     4  value_stride
//!     24     8  sequence_base
//!     32     4  tails_len: bytes of the tail column
//!     36     4  zero
//!     40        prefix, tags, heads, head lengths, metas, tail offsets, value offsets, tails,
//!               values: one column after another, without gaps
//! ```

use crate::base::coding::{u32_at, u64_at};

pub(super) const COUNT_AT: usize = 0;
pub(super) const PREFIX_LEN_AT: usize = 4;
pub(super) const FLAGS_AT: usize = 8;
pub(super) const HEAD_LEN_AT: usize = 9;
pub(super) const META_WIDTH_AT: usize = 10;
pub(super) const TAIL_WIDTH_AT: usize = 11;
pub(super) const VALUE_WIDTH_AT: usize = 12;
pub(super) const TAIL_STRIDE_AT: usize = 16;
pub(super) const VALUE_STRIDE_AT: usize = 20;
pub(super) const SEQUENCE_BASE_AT: usize = 24;
pub(super) const TAILS_LEN_AT: usize = 32;
pub(super) const COLUMNS_AT: usize = 40;

const _: () = assert!(SEQUENCE_BASE_AT == VALUE_STRIDE_AT + size_of::<u32>());
const _: () = assert!(TAILS_LEN_AT == SEQUENCE_BASE_AT + size_of::<u64>());
const _: () = assert!(COLUMNS_AT == TAILS_LEN_AT + 2 * size_of::<u32>());

/// Bit of the flags: there is a tag column.
pub(super) const FLAG_TAGS: u8 = 1;
/// Value of head_len: a column holds each head's length.
pub(super) const HEAD_LEN_VARIES: u8 = 255;
/// Bytes of a head.
pub(super) const HEAD_LEN: usize = 8;

/// Low bits of a meta that hold the kind; the rest is the sequence number above the base.
pub(super) const KIND_BITS: u32 = 2;
pub(super) const KIND_PUT: u64 = 0;
pub(super) const KIND_TOMBSTONE: u64 = 1;

/// A column of byte strings: where its offsets stand, or the one length of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strings {
    pub(super) width: u8,
    pub(super) stride: u32,
    pub(super) offsets: usize,
    pub(super) bytes: usize,
    pub(super) end: usize,
}

/// Where each column of a block stands, read off its header and checked against its length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    pub(super) count: usize,
    pub(super) prefix_end: usize,
    /// Start of the tag column; zero if there is none.
    pub(super) tags: usize,
    pub(super) heads: usize,
    pub(super) head_len: u8,
    pub(super) head_lens: usize,
    pub(super) meta_width: u8,
    pub(super) metas: usize,
    pub(super) sequence_base: u64,
    pub(super) tails: Strings,
    pub(super) values: Strings,
}

impl Layout {
    /// Reads the header of the block `bytes`. Constant time: the columns are not walked.
    ///
    /// # Errors
    /// What is wrong, with the value found, if the columns do not fill the block exactly.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Layout, (&'static str, u64)> {
        let short = ("block length", bytes.len() as u64);
        let field = |at| u32_at(bytes, at).ok_or(short);
        let header: &[u8; COLUMNS_AT] = bytes.first_chunk().ok_or(short)?;
        let byte = |at: usize| header[at];
        let count = field(COUNT_AT)? as usize;
        if count == 0 {
            return Err(("block entry count", 0));
        }
        let mut at = COLUMNS_AT as u64;
        let mut column = |each: u64, times: u64| {
            let start = at;
            // Sums of a few products of 32-bit numbers by small ones: no overflow in 64 bits.
            at += each * times;
            start as usize
        };
        let n = count as u64;
        let prefix = column(1, field(PREFIX_LEN_AT)?.into());
        debug_assert_eq!(prefix, COLUMNS_AT);
        let has_tags = byte(FLAGS_AT) & FLAG_TAGS != 0;
        let after_prefix = column(u64::from(has_tags), n);
        let heads = column(HEAD_LEN as u64, n);
        let head_len = byte(HEAD_LEN_AT);
        check_head_len(head_len, field(TAILS_LEN_AT)?)?;
        let head_lens = column(u64::from(head_len == HEAD_LEN_VARIES), n);
        let meta_width = byte(META_WIDTH_AT);
        if !matches!(meta_width, 0 | 1 | 2 | 4 | 8) {
            return Err(("block meta width", meta_width.into()));
        }
        let metas = column(meta_width.into(), n);
        let (tail_width, value_width) = (byte(TAIL_WIDTH_AT), byte(VALUE_WIDTH_AT));
        for width in [tail_width, value_width] {
            if !matches!(width, 0 | 2 | 4) {
                return Err(("block offset width", width.into()));
            }
        }
        let tail_offsets = column(tail_width.into(), n + 1);
        let value_offsets = column(value_width.into(), n + 1);
        let tails_len = u64::from(field(TAILS_LEN_AT)?);
        let tails_at = column(tails_len, 1);
        let values_at = column(0, 0);
        let end = bytes.len();
        // All starts lie below `at`, so they fit a usize if it lies within the block.
        if at > end as u64 {
            return Err(("block length", end as u64));
        }
        let strings = |width, stride: u32, offsets, start, end| {
            if width == 0 && u64::from(stride) * n != (end - start) as u64 {
                return Err(("block column length", (end - start) as u64));
            }
            Ok(Strings { width, stride, offsets, bytes: start, end })
        };
        let (tail_stride, value_stride) = (field(TAIL_STRIDE_AT)?, field(VALUE_STRIDE_AT)?);
        Ok(Layout {
            count,
            prefix_end: after_prefix,
            tags: if has_tags { after_prefix } else { 0 },
            heads,
            head_len,
            head_lens,
            meta_width,
            metas,
            sequence_base: u64_at(bytes, SEQUENCE_BASE_AT).ok_or(short)?,
            tails: strings(tail_width, tail_stride, tail_offsets, tails_at, values_at)?,
            values: strings(value_width, value_stride, value_offsets, values_at, end)?,
        })
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// Checks the length of all heads. Only a whole head has a tail; where a column has the lengths,
/// each entry is looked at when it is read.
#[inline]
fn check_head_len(head_len: u8, tails_len: u32) -> Result<(), (&'static str, u64)> {
    if head_len > HEAD_LEN as u8 && head_len != HEAD_LEN_VARIES {
        return Err(("block head length", head_len.into()));
    }
    if head_len < HEAD_LEN as u8 && tails_len > 0 {
        return Err(("block tails", tails_len.into()));
    }
    Ok(())
}
