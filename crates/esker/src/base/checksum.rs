//! CRC-32C (Castagnoli), tied to the place of the bytes that it covers.

use crc_fast::{CrcAlgorithm, Digest};

/// CRC-32C of `bytes` followed by `offset` as eight little-endian bytes.
///
/// The offset makes a sound block in the wrong place as detectable as a broken one.
pub fn checksum_at(bytes: &[u8], offset: u64) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(bytes);
    digest.update(&offset.to_le_bytes());
    digest.finalize() as u32
}
