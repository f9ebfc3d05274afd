//! CRC-32C (Castagnoli), tied to the place of the bytes that it covers.

/// CRC-32C of `bytes` followed by `offset` as eight little-endian bytes.
///
/// The offset makes a sound block in the wrong place as detectable as a broken one.
pub fn checksum_at(bytes: &[u8], offset: u64) -> u32 {
    crc32c([bytes, &offset.to_le_bytes()])
}

/// As [`checksum_at`], followed by `number` as eight little-endian bytes: tied to a file, too.
pub fn checksum_in(bytes: &[u8], offset: u64, number: u64) -> u32 {
    crc32c([bytes, &place_in(offset, number)])
}

/// [`checksum_in`] of the bytes of `out` from `start` on. For few bytes it is faster to put the
/// place behind them for a moment than to compute in two steps.
pub fn checksum_of_tail(out: &mut Vec<u8>, start: usize, offset: u64, number: u64) -> u32 {
    let len = out.len();
    out.extend_from_slice(&place_in(offset, number));
    let sum = crc32c_of_one(&out[start..]);
    out.truncate(len);
    sum
}

/// CRC-32C of `bytes` alone.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32c([bytes, &[]])
}

pub(super) fn place_in(offset: u64, number: u64) -> [u8; 16] {
    (u128::from(offset) | u128::from(number) << 64).to_le_bytes()
}

#[cfg(not(target_family = "wasm"))]
fn crc32c_of_one(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(target_family = "wasm")]
fn crc32c_of_one(bytes: &[u8]) -> u32 {
    crc32c([bytes, &[]])
}

#[cfg(not(target_family = "wasm"))]
fn crc32c(parts: [&[u8]; 2]) -> u32 {
    #[cfg(test)]
    SUMMED_BYTES.with(|bytes| bytes.set(bytes.get() + parts[0].len() + parts[1].len()));
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize() as u32
}

#[cfg(target_family = "wasm")]
fn crc32c(parts: [&[u8]; 2]) -> u32 {
    static CRC: crc::Crc<u32, crc::Table<16>> =
        crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);
    let mut digest = CRC.digest();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize()
}

#[cfg(test)]
thread_local! {
    /// Bytes that went into sums of this thread, for tests that bound them.
    pub static SUMMED_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
