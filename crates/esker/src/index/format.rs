//! Bytes of an index entry's value. Normative text: `docs/format.md#handle`.
//!
//! ```text
//! offset  size  field
//!      0     8  offset of the frame in the file
//!      8     4  length of the frame, header and all
//!     12     4  checksum of the frame, as it stands in its first four bytes
//!     16     4  entries below: of the data block, index block or filter
//! ```

use crate::base::coding::{u32_at, u64_at};

/// Bytes of a handle.
pub(super) const HANDLE_LEN: usize = 20;

const FRAME_LEN_AT: usize = 8;
const CHECKSUM_AT: usize = 12;
const ENTRIES_AT: usize = 16;
const _: () = assert!(HANDLE_LEN == ENTRIES_AT + size_of::<u32>());

/// Where a frame stands, and what it must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handle {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes, header and all.
    pub frame_len: u32,
    /// The frame's checksum.
    pub checksum: u32,
    /// Entries of the block, or keys of the filter.
    pub entries: u32,
}

impl Handle {
    /// The bytes on disk.
    pub fn encode(&self) -> [u8; HANDLE_LEN] {
        let mut bytes = [0; HANDLE_LEN];
        bytes[..FRAME_LEN_AT].copy_from_slice(&self.offset.to_le_bytes());
        bytes[FRAME_LEN_AT..CHECKSUM_AT].copy_from_slice(&self.frame_len.to_le_bytes());
        bytes[CHECKSUM_AT..ENTRIES_AT].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[ENTRIES_AT..].copy_from_slice(&self.entries.to_le_bytes());
        bytes
    }

    /// Reads a handle; `None` if `bytes` has another length.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Option<Handle> {
        let bytes: &[u8; HANDLE_LEN] = bytes.try_into().ok()?;
        Some(Handle {
            offset: u64_at(bytes, 0)?,
            frame_len: u32_at(bytes, FRAME_LEN_AT)?,
            checksum: u32_at(bytes, CHECKSUM_AT)?,
            entries: u32_at(bytes, ENTRIES_AT)?,
        })
    }

    /// Offset of the first byte after the frame.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.frame_len.into())
    }
}
