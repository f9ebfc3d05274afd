//! Compression of one block. Codec numbers are in `docs/format.md#codecs`.

use crate::base::error::{Error, Result};
use std::path::Path;

/// How the writer compresses blocks. A block that shrinks by less than an eighth stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: blocks can be read in place.
    None,
    /// LZ4 block format: fast both ways. The default.
    #[default]
    Lz4,
    /// Zstandard, level 1: smaller, slower. Feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

/// Number of "not compressed".
pub(super) const NONE: u8 = 0;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;

impl Compression {
    /// Name of the codec, in lower case.
    pub fn name(&self) -> &'static str {
        match self {
            Compression::None => name(NONE),
            Compression::Lz4 => name(LZ4),
            #[cfg(feature = "zstd")]
            Compression::Zstd => name(ZSTD),
        }
    }
}

/// No codec's output may stand for more than this many times its size: LZ4's own limit, kept by
/// the writer for all codecs, so that a reader can bound its memory by the file's size.
const EXPANSION_MAX: u64 = 255;

/// Appends `block` compressed to `out` and returns the codec's number, or leaves `out` alone and
/// returns [`NONE`].
pub(super) fn compress(compression: Compression, block: &[u8], out: &mut Vec<u8>) -> u8 {
    let start = out.len();
    let (codec, stored_len) = match compression {
        Compression::None => return NONE,
        Compression::Lz4 => {
            out.resize(start + lz4_flex::block::get_maximum_output_size(block.len()), 0);
            (LZ4, lz4_flex::block::compress_into(block, &mut out[start..]).ok())
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => {
            out.resize(start + block.len(), 0);
            (ZSTD, zstd::bulk::compress_to_buffer(block, &mut out[start..], 1).ok())
        }
    };
    let worth = |len: &usize| {
        *len <= block.len() - block.len() / 8
            && is_plausible(codec, *len as u32, block.len() as u32)
    };
    let stored_len = stored_len.filter(worth);
    out.truncate(start + stored_len.unwrap_or(0));
    if stored_len.is_some() { codec } else { NONE }
}

/// Whether `codec` can have made `stored_len` bytes of `raw_len`.
#[inline]
pub(super) fn is_plausible(codec: u8, stored_len: u32, raw_len: u32) -> bool {
    match codec {
        NONE => stored_len == raw_len,
        _ => u64::from(raw_len) <= EXPANSION_MAX * u64::from(stored_len),
    }
}

/// Undoes [`compress`]: fills `raw` from `stored`, which was found at `offset` of `path`.
pub(super) fn decompress(
    codec: u8,
    stored: &[u8],
    raw: &mut [u8],
    path: &Path,
    offset: u64,
) -> Result<()> {
    let result = match codec {
        NONE if stored.len() == raw.len() => {
            raw.copy_from_slice(stored);
            Ok(raw.len())
        }
        NONE => Ok(stored.len()),
        LZ4 => lz4_flex::block::decompress_into(stored, raw).map_err(|e| e.to_string()),
        #[cfg(feature = "zstd")]
        ZSTD => zstd::bulk::decompress_to_buffer(stored, raw).map_err(|e| e.to_string()),
        _ => return Err(Error::unsupported(path, offset, "codec", name(codec))),
    };
    let found = result.map_err(|e| {
        let what = format!("{} of {} bytes", name(codec), raw.len());
        Error::corruption(path, offset, "compressed block", what, e)
    })?;
    if found != raw.len() {
        return Err(Error::corruption(path, offset, "block length", raw.len(), found));
    }
    Ok(())
}

/// Name of a codec by its number.
pub(super) fn name(codec: u8) -> &'static str {
    match codec {
        NONE => "none",
        LZ4 => "lz4",
        ZSTD => "zstd",
        _ => "unknown codec",
    }
}
