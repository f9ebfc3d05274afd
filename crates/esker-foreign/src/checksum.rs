//! Block checksums (LevelDB `util/crc32c.h`; RocksDB `table/format.cc`).

use xxhash_rust::xxh3::xxh3_64;

/// The kind of checksum that a table's footer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChecksumKind {
    None,
    Crc32c,
    XxHash,
    XxHash64,
    Xxh3,
}

impl ChecksumKind {
    pub(crate) fn from_byte(byte: u8) -> Option<ChecksumKind> {
        use ChecksumKind::{Crc32c, None, XxHash, XxHash64, Xxh3};
        [None, Crc32c, XxHash, XxHash64, Xxh3].get(usize::from(byte)).copied()
    }

    /// The checksum of a block with the type byte after it; `None` if nothing is checked.
    pub(crate) fn of(self, block_and_type: &[u8]) -> Option<u32> {
        let (&last, block) = block_and_type.split_last()?;
        match self {
            ChecksumKind::None => None,
            ChecksumKind::Crc32c => Some(crc32c_masked(block_and_type)),
            ChecksumKind::XxHash => Some(xxhash_rust::xxh32::xxh32(block_and_type, 0)),
            ChecksumKind::XxHash64 => Some(xxhash_rust::xxh64::xxh64(block_and_type, 0) as u32),
            ChecksumKind::Xxh3 => {
                Some(xxh3_64(block) as u32 ^ u32::from(last).wrapping_mul(LAST_BYTE_FACTOR))
            }
        }
    }
}

/// CRC-32C of `bytes`, masked as it is where it stands beside its data.
pub(crate) fn crc32c_masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(CRC_MASK)
}

#[cfg(not(target_family = "wasm"))]
fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(target_family = "wasm")]
fn crc32c(bytes: &[u8]) -> u32 {
    static CRC: crc::Crc<u32, crc::Table<16>> =
        crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);
    CRC.checksum(bytes)
}

/// Added to a CRC that is stored beside its data.
const CRC_MASK: u32 = 0xa282_ead8;
/// Mixes the type byte into an XXH3 checksum.
const LAST_BYTE_FACTOR: u32 = 0x6b90_83d9;

/// What format version 6 adds to a block's checksum for its place in its file.
pub(crate) fn context_modifier(base: u32, offset: u64) -> u32 {
    match base {
        0 => 0,
        base => base ^ (offset as u32).wrapping_add((offset >> 32) as u32),
    }
}
