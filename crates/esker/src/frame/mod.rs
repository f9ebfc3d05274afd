//! Frames: the envelope of every block in a file: length, kind, codec and checksum in front.
//!
//! A frame can be found from its neighbour (its length comes first), so a file whose index is
//! lost can still be walked from its start.

mod codec;
mod format;
#[cfg(test)]
mod tests;

pub use codec::Compression;
pub use format::{FRAME_HEADER_LEN, Frame, FrameKind};

use crate::base::checksum::checksum_at;
use crate::base::coding::u32_at;
use crate::base::error::{Error, Result};
use format::*;
use std::path::Path;

/// Appends `block` to `out` as a frame that will stand at `offset` of its file, compressed with
/// `compression` if that saves an eighth or more. Returns the frame's checksum.
pub fn write_frame(
    out: &mut Vec<u8>,
    offset: u64,
    kind: FrameKind,
    block: &[u8],
    compression: Compression,
) -> u32 {
    let start = out.len();
    out.resize(start + FRAME_HEADER_LEN, 0);
    let codec = codec::compress(compression, block, out);
    if codec == codec::NONE {
        out.extend_from_slice(block);
    }
    let stored_len = out.len() - start - FRAME_HEADER_LEN;
    let frame = &mut out[start..];
    frame[STORED_LEN_AT..RAW_LEN_AT].copy_from_slice(&(stored_len as u32).to_le_bytes());
    frame[RAW_LEN_AT..KIND_AT].copy_from_slice(&(block.len() as u32).to_le_bytes());
    frame[KIND_AT] = kind as u8;
    frame[CODEC_AT] = codec;
    let checksum = checksum_at(&frame[STORED_LEN_AT..], offset);
    frame[CHECKSUM_AT..STORED_LEN_AT].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Checks that `frame`, read from `offset` of the file at `path`, has the `expected` checksum.
pub fn verify_frame(frame: &[u8], expected: u32, path: &Path, offset: u64) -> Result<()> {
    let hex = |n: u32| format!("{n:#010x}");
    let stored = u32_at(frame, CHECKSUM_AT);
    let computed = frame.get(STORED_LEN_AT..).map(|covered| checksum_at(covered, offset));
    for found in [computed, stored] {
        if found != Some(expected) {
            let found = found.map_or("a cut frame".into(), hex);
            return Err(Error::corruption(path, offset, "frame checksum", hex(expected), found));
        }
    }
    Ok(())
}

/// Reads the header of `frame`, whose first bytes stand at `offset` of the file at `path` and
/// which has `frame_len` bytes in all.
///
/// # Errors
/// Corruption if the frame is not exactly as long as it says, or says what cannot be.
#[inline]
pub fn parse_frame(frame: &[u8], frame_len: u64, path: &Path, offset: u64) -> Result<Frame> {
    let corrupt = |at: usize, what, expected: &str, found: u64| {
        Err(Error::corruption(path, offset + at as u64, what, expected, found))
    };
    let (Some(stored_len), Some(raw_len), Some(&kind), Some(&codec)) = (
        u32_at(frame, STORED_LEN_AT),
        u32_at(frame, RAW_LEN_AT),
        frame.get(KIND_AT),
        frame.get(CODEC_AT),
    ) else {
        return corrupt(0, "frame", "a whole header", frame.len() as u64);
    };
    if FRAME_HEADER_LEN as u64 + u64::from(stored_len) != frame_len {
        let expected = frame_len.saturating_sub(FRAME_HEADER_LEN as u64).to_string();
        return corrupt(STORED_LEN_AT, "frame length", &expected, stored_len.into());
    }
    let Some(kind) = FrameKind::from_byte(kind) else {
        return corrupt(KIND_AT, "frame kind", "1 to 4", kind.into());
    };
    if !codec::is_plausible(codec, stored_len, raw_len) {
        let expected = format!("a size that codec {codec} can make of {stored_len} bytes");
        return corrupt(RAW_LEN_AT, "block length", &expected, raw_len.into());
    }
    Ok(Frame { kind, codec, stored_len, raw_len })
}

impl Frame {
    /// Whether the block stands in the frame as it is.
    #[inline]
    pub fn is_raw(&self) -> bool {
        self.codec == codec::NONE
    }

    /// Name of the codec that compressed the block.
    pub fn codec_name(&self) -> &'static str {
        codec::name(self.codec)
    }

    /// Decompresses the block of this frame, whose bytes from `offset` of `path` are `frame`, into
    /// `block`, which has the length that the header says.
    pub fn decompress(
        &self,
        frame: &[u8],
        block: &mut [u8],
        path: &Path,
        offset: u64,
    ) -> Result<()> {
        let stored = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        codec::decompress(self.codec, stored, block, path, offset)
    }
}
