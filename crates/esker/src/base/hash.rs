//! The one hash of a key, made once per look-up and used by every filter and block on its way.

/// XXH3, 64 bits, seed 0, of a user key. Filters and hash tags on disk depend on it.
///
/// Its specification has been frozen since xxHash 0.8 (`doc/xxhash_spec.md` of that project).
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// The byte of a key's hash that a block keeps beside the entry.
#[inline]
pub fn hash_tag(hash: u64) -> u8 {
    hash as u8
}
