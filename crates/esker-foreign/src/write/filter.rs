//! The Bloom filters of a LevelDB table (LevelDB `table/filter_block.cc`, `util/bloom.cc`,
//! `util/hash.cc`, `doc/table_format.md`).
//!
//! ```text
//! filters  one for each 2 KiB of the file that blocks of data begin in; may be empty
//! offsets  of the filters, u32 le each
//! end      where the offsets begin, u32 le
//! base     11: the logarithm of 2 KiB, one byte
//! ```
//! A filter is an array of bits and a byte with the number of probes for a key.

use crate::coding::u32_at;

/// The name that a table's metaindex gives to this kind of filter.
pub(super) const FILTER_NAME: &[u8] = b"filter.leveldb.BuiltinBloomFilter2";
/// Logarithm of the bytes of a file that one filter is for.
const BASE_LOG: u8 = 11;
const HASH_SEED: u32 = 0xbc9f_1d34;
const HASH_FACTOR: u32 = 0xc6a4_a793;
/// Least bits of a filter: with few keys, short ones let too much through.
const BITS_MIN: usize = 64;

/// Gathers the filters of one table.
pub(super) struct FilterBuilder {
    bits_per_key: usize,
    /// Hashes of the keys since the last filter.
    hashes: Vec<u32>,
    filters: Vec<u8>,
    offsets: Vec<u32>,
}

impl FilterBuilder {
    /// Filters with `bits_per_key` bits for each key.
    pub(super) fn new(bits_per_key: u32) -> FilterBuilder {
        FilterBuilder {
            bits_per_key: bits_per_key as usize,
            hashes: Vec::new(),
            filters: Vec::new(),
            offsets: Vec::new(),
        }
    }

    /// Says that the next block of data begins at `offset` of the file.
    pub(super) fn start_block(&mut self, offset: u64) {
        while (self.offsets.len() as u64) < offset >> BASE_LOG {
            self.end_filter();
        }
    }

    /// Adds `key`, a user key.
    pub(super) fn add(&mut self, key: &[u8]) {
        self.hashes.push(hash(key));
    }

    /// The whole block of filters.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.hashes.is_empty() {
            self.end_filter();
        }
        let end = self.filters.len() as u32;
        for offset in &self.offsets {
            self.filters.extend_from_slice(&offset.to_le_bytes());
        }
        self.filters.extend_from_slice(&end.to_le_bytes());
        self.filters.push(BASE_LOG);
        self.filters
    }

    fn end_filter(&mut self) {
        self.offsets.push(self.filters.len() as u32);
        if self.hashes.is_empty() {
            return;
        }
        // The share of bits that makes fewest errors is reached at ln 2 of the bits for each key.
        let probes = (self.bits_per_key * 69 / 100).clamp(1, 30);
        let bytes = (self.hashes.len() * self.bits_per_key).max(BITS_MIN).div_ceil(8);
        let start = self.filters.len();
        self.filters.resize(start + bytes, 0);
        let bits = &mut self.filters[start..];
        for hash in self.hashes.drain(..) {
            let step = hash.rotate_right(17);
            let mut probe = hash;
            for _ in 0..probes {
                let at = probe as usize % (8 * bytes);
                bits[at / 8] |= 1 << (at % 8);
                probe = probe.wrapping_add(step);
            }
        }
        self.filters.push(probes as u8);
    }
}

/// LevelDB's hash, of the kind of Murmur's.
fn hash(bytes: &[u8]) -> u32 {
    let mut hash = HASH_SEED ^ (bytes.len() as u32).wrapping_mul(HASH_FACTOR);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word)).wrapping_mul(HASH_FACTOR);
        hash ^= hash >> 16;
    }
    if rest.is_empty() {
        return hash;
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    hash = hash.wrapping_add(u32_at(&last, 0).unwrap_or(0)).wrapping_mul(HASH_FACTOR);
    hash ^ hash >> 24
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
