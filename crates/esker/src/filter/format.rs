//! Bytes of a filter. Normative text: `docs/format.md#filter`.

/// 32-bit words of a bucket.
pub(super) const WORDS: usize = 8;

/// Bytes of a bucket; a filter is a whole number of them.
pub(super) const BUCKET_BYTES: usize = 4 * WORDS;

/// The odd number of each word (project Apache Parquet, `BloomFilter.md`).
pub(super) const SALTS: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];
