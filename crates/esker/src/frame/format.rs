//! Bytes of a frame. Normative text: `docs/format.md#frame`.
//!
//! ```text
//! offset  size  field
//!      0     4  CRC-32C of the frame's bytes from 4 on and of its offset in the file (u64)
//!      4     4  stored_len: bytes after the header
//!      8     4  raw_len: bytes of the block, decompressed
//!     12     1  kind
//!     13     1  codec
//!     14     2  zero
//!     16        the block, compressed with the codec
//! ```

pub(super) const CHECKSUM_AT: usize = 0;
pub(super) const STORED_LEN_AT: usize = 4;
pub(super) const RAW_LEN_AT: usize = 8;
pub(super) const KIND_AT: usize = 12;
pub(super) const CODEC_AT: usize = 13;

/// Bytes of a frame before its block.
pub const FRAME_HEADER_LEN: usize = 16;

const _: () = assert!(STORED_LEN_AT == CHECKSUM_AT + size_of::<u32>());
const _: () = assert!(RAW_LEN_AT == STORED_LEN_AT + size_of::<u32>());
const _: () = assert!(KIND_AT == RAW_LEN_AT + size_of::<u32>());

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum FrameKind {
    /// A block of entries.
    Data = 1,
    /// A block of the sparse index or of a directory: keys with handles of frames.
    Index = 2,
    /// A filter.
    Filter = 3,
    /// A block of the table's properties: names with values.
    Properties = 4,
}

impl FrameKind {
    #[inline]
    pub(super) fn from_byte(byte: u8) -> Option<FrameKind> {
        use FrameKind::{Data, Filter, Index, Properties};
        [Data, Index, Filter, Properties].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// A frame's header, read and checked for plausibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the frame holds.
    pub kind: FrameKind,
    pub(super) codec: u8,
    /// Bytes of the block as stored.
    pub stored_len: u32,
    /// Bytes of the block, decompressed.
    pub raw_len: u32,
}
