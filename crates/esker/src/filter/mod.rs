//! Split-block Bloom filters: "is the key perhaps here?" for one cache line of memory.
//!
//! The shape is that of Parquet's split-block Bloom filter (project Apache Parquet,
//! `BloomFilter.md`, after Putze, Sanders and Singler 2007): 32-byte buckets of eight 32-bit
//! words, one bit set in each word by a multiplication with that word's own odd number. Ours
//! takes XXH3 for the hash.

mod format;
#[cfg(test)]
mod tests;

use crate::base::prefetch::prefetch_at;
use format::{BUCKET_BYTES, SALTS, WORDS};

/// Builds the filter for keys with the given `hashes` with about `bits_per_key` bits for each.
///
/// Never empty: at least one bucket. At most [`FILTER_BYTES_MAX`] bytes.
pub fn build(hashes: &[u64], bits_per_key: u32) -> Vec<u8> {
    let bits = hashes.len() as u64 * u64::from(bits_per_key);
    let buckets = bits.div_ceil(8 * BUCKET_BYTES as u64).max(1);
    let buckets = buckets.min(FILTER_BYTES_MAX / BUCKET_BYTES as u64) as usize;
    let mut words = vec![[0u32; WORDS]; buckets];
    for &hash in hashes {
        let bucket = &mut words[bucket_of(hash, buckets)];
        for (word, mask) in bucket.iter_mut().zip(masks(hash)) {
            *word |= mask;
        }
    }
    words.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Most bytes of one filter: 1 GiB.
pub const FILTER_BYTES_MAX: u64 = 1 << 30;

/// Whether `filter` has whole buckets, and at least one.
pub fn is_well_formed(filter: &[u8]) -> bool {
    !filter.is_empty() && filter.len().is_multiple_of(BUCKET_BYTES)
}

/// Starts bringing the line that [`may_contain`] looks at into the processor's cache.
#[inline]
pub fn prefetch(filter: &[u8], hash: u64) {
    let (buckets, _) = filter.as_chunks::<BUCKET_BYTES>();
    if let Some(bucket) = buckets.get(bucket_of(hash, buckets.len())) {
        prefetch_at(bucket.as_ptr(), 1);
    }
}

/// Whether a key with `hash` may be among those that `filter` was built from.
///
/// Never false for one that is. For others true with a probability of about 1.3 % at 10 bits a
/// key and 0.4 % at 14. A filter that is not well formed excludes nothing.
#[inline]
pub fn may_contain(filter: &[u8], hash: u64) -> bool {
    let (buckets, _) = filter.as_chunks::<BUCKET_BYTES>();
    let Some(bucket) = buckets.get(bucket_of(hash, buckets.len())) else { return true };
    let (words, _) = bucket.as_chunks::<4>();
    let mut missing = 0;
    for (word, mask) in words.iter().zip(masks(hash)) {
        missing |= !u32::from_le_bytes(*word) & mask;
    }
    missing == 0
}

/// The upper half of the hash, scaled to the number of buckets.
#[inline]
fn bucket_of(hash: u64, buckets: usize) -> usize {
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

/// The bit to set in each word of a bucket, from the lower half of the hash.
#[inline]
fn masks(hash: u64) -> [u32; WORDS] {
    SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}
