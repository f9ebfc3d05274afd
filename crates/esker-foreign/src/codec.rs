//! Decompression of one block, with a bound on what it may grow to.

use crate::coding::{Reader, u32_at};
use crate::footer::Engine;
use std::io::Read;

/// Most bytes of one decompressed block.
const RAW_LEN_MAX: usize = 1 << 30;

/// Why a block could not be decompressed.
pub(crate) enum Refusal {
    /// The bytes are not what the codec makes.
    Corrupt(String),
    /// The codec is not known, or not built in.
    Unsupported(String),
}

/// Name of the codec with this number.
pub(crate) fn name(engine: Engine, codec: u8) -> &'static str {
    match (engine, codec) {
        (_, 0) => "none",
        (_, 1) => "snappy",
        (Engine::LevelDb, 2) => "zlib/zstd",
        (Engine::LevelDb, 4) => "deflate",
        (Engine::RocksDb, 2) => "zlib",
        (Engine::RocksDb, 3) => "bzip2",
        (Engine::RocksDb, 4) => "lz4",
        (Engine::RocksDb, 5) => "lz4hc",
        (Engine::RocksDb, 6) => "xpress",
        (Engine::RocksDb, 7 | 0x40) => "zstd",
        _ => "unknown",
    }
}

/// Decompresses `stored` with the codec of this number; `version` is the table's format version.
/// The result may take the memory of `spare`.
pub(crate) fn decompress(
    engine: Engine,
    version: u32,
    codec: u8,
    stored: &[u8],
    mut spare: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    match (engine, codec) {
        (_, 0) => {
            spare.clear();
            spare.extend_from_slice(stored);
            Ok(spare)
        }
        (_, 1) => snappy(stored, spare),
        (Engine::LevelDb, 2) if stored.starts_with(ZSTD_MAGIC) => zstd(stored, None),
        // Mojang's LevelDB: 2 is zlib, 4 the same without header.
        (Engine::LevelDb, 2) => inflate(stored, true, None),
        (Engine::LevelDb, 4) => inflate(stored, false, None),
        (Engine::RocksDb, 2..=5 | 7 | 0x40) => {
            let (len, stored) = raw_len(version, codec, stored)?;
            match codec {
                2 => inflate(stored, false, len),
                3 => bunzip2(stored, len),
                4 | 5 => lz4(stored, len),
                _ => zstd(stored, len),
            }
        }
        _ => Err(Refusal::Unsupported(format!("codec {codec} ({})", name(engine, codec)))),
    }
}

const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

fn corrupt(what: impl std::fmt::Display) -> Refusal {
    Refusal::Corrupt(what.to_string())
}

/// RocksDB's length in front of a block: a varint from format version 2 on and always for
/// Zstandard; before that eight bytes for LZ4 and nothing for others.
fn raw_len(version: u32, codec: u8, stored: &[u8]) -> Result<(Option<usize>, &[u8]), Refusal> {
    let cut = || corrupt("a cut length");
    if version >= 2 || matches!(codec, 7 | 0x40) {
        let mut reader = Reader(stored);
        let len = reader.varint32().ok_or_else(cut)?;
        return Ok((Some(len), reader.0));
    }
    if matches!(codec, 4 | 5) {
        let len = u32_at(stored, 0).ok_or_else(cut)?;
        return Ok((Some(len as usize), stored.get(8..).ok_or_else(cut)?));
    }
    Ok((None, stored))
}

/// Refuses a length that a codec cannot reach: `factor` times its input.
fn plausible(len: usize, stored: &[u8], factor: usize) -> Result<usize, Refusal> {
    let most = stored.len().saturating_mul(factor).saturating_add(64).min(RAW_LEN_MAX);
    if len <= most {
        Ok(len)
    } else {
        Err(corrupt(format_args!("{len} bytes claimed of {}", stored.len())))
    }
}

fn snappy(stored: &[u8], mut spare: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    // A copy of three bytes makes 64.
    let len = plausible(snap::raw::decompress_len(stored).map_err(corrupt)?, stored, 22)?;
    spare.resize(len, 0);
    let written = snap::raw::Decoder::new().decompress(stored, &mut spare).map_err(corrupt)?;
    spare.truncate(written);
    Ok(spare)
}

fn lz4(stored: &[u8], len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    let len = plausible(len.unwrap_or(0), stored, 255)?;
    let raw = lz4_flex::block::decompress(stored, len).map_err(corrupt)?;
    exact(raw, Some(len))
}

/// Zlib with its header, or deflate without.
fn inflate(stored: &[u8], has_header: bool, len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    if has_header {
        return read_all(flate2::read::ZlibDecoder::new(stored), stored, len);
    }
    read_all(flate2::read::DeflateDecoder::new(stored), stored, len)
}

/// Reads what a decoder gives, up to the most that deflate can make (1,032 times its input).
fn read_all(decoder: impl Read, stored: &[u8], len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    let most = plausible(len.unwrap_or(0), stored, 1032)?;
    let most =
        if len.is_some() { most } else { stored.len().saturating_mul(1032).min(RAW_LEN_MAX) };
    let mut raw = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut raw).map_err(corrupt)?;
    if raw.len() > most {
        return Err(corrupt(format_args!("more than {most} bytes")));
    }
    exact(raw, len)
}

fn exact(raw: Vec<u8>, len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    match len {
        Some(len) if len != raw.len() => {
            Err(corrupt(format_args!("{} bytes where {len} were claimed", raw.len())))
        }
        _ => Ok(raw),
    }
}

/// Most bytes of a decompressed block whose codec has no bound on its ratio.
#[cfg(any(feature = "zstd", feature = "bzip2"))]
const UNBOUNDED_LEN_MAX: usize = 256 << 20;

#[cfg(feature = "zstd")]
fn zstd(stored: &[u8], len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    let decoder = zstd::stream::read::Decoder::new(stored).map_err(corrupt)?;
    read_unbounded(decoder, len)
}

#[cfg(not(feature = "zstd"))]
fn zstd(_: &[u8], _: Option<usize>) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::Unsupported("zstd, which this build leaves out (feature zstd)".into()))
}

#[cfg(feature = "bzip2")]
fn bunzip2(stored: &[u8], len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    read_unbounded(bzip2::read::BzDecoder::new(stored), len)
}

#[cfg(not(feature = "bzip2"))]
fn bunzip2(_: &[u8], _: Option<usize>) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::Unsupported("bzip2, which this build leaves out (feature bzip2)".into()))
}

/// Reads what a decoder gives; memory grows only as bytes come.
#[cfg(any(feature = "zstd", feature = "bzip2"))]
fn read_unbounded(decoder: impl Read, len: Option<usize>) -> Result<Vec<u8>, Refusal> {
    let most = len.unwrap_or(UNBOUNDED_LEN_MAX).min(UNBOUNDED_LEN_MAX);
    let mut raw = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut raw).map_err(corrupt)?;
    if raw.len() > most {
        return Err(corrupt(format_args!("more than {most} bytes")));
    }
    exact(raw, len)
}
