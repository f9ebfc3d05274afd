//! Keys, entries and their bounds.

use super::error::{Error, Result};

/// Longest key, in bytes: 64 KiB.
pub const KEY_BYTES_MAX: usize = 64 << 10;

/// Longest value, in bytes: 1 GiB.
pub const VALUE_BYTES_MAX: usize = 1 << 30;

/// Largest sequence number: 2^56 - 1.
pub const SEQUENCE_MAX: u64 = (1 << 56) - 1;

/// What an entry says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueKind {
    /// The key has a value.
    Put,
    /// The key is deleted.
    Tombstone,
}

/// One version of one key, borrowed from where it lies.
///
/// Entries are ordered by key, bytewise, and for the same key by falling sequence number: the
/// newest version comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, of 0 to [`KEY_BYTES_MAX`] bytes.
    pub key: &'a [u8],
    /// The value, of 0 to [`VALUE_BYTES_MAX`] bytes; empty for a tombstone.
    pub value: &'a [u8],
    /// The sequence number, 0 to [`SEQUENCE_MAX`]: higher is newer.
    pub sequence: u64,
    /// Whether the entry sets or deletes the key.
    pub kind: ValueKind,
}

impl<'a> Entry<'a> {
    /// An entry that sets `key` to `value`, with sequence number zero.
    pub fn put(key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        Entry { key, value, sequence: 0, kind: ValueKind::Put }
    }

    /// An entry that deletes `key`, with sequence number zero.
    pub fn tombstone(key: &'a [u8]) -> Entry<'a> {
        Entry { key, value: b"", sequence: 0, kind: ValueKind::Tombstone }
    }

    /// Checks the bounds of key, value and sequence number.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) naming the bound that is passed.
    pub fn check(&self) -> Result<()> {
        let bound = |what, found: usize, most: usize| {
            if found <= most {
                return Ok(());
            }
            Err(Error::invalid_input(what, format_args!("{found} bytes, at most {most}")))
        };
        bound("key too long", self.key.len(), KEY_BYTES_MAX)?;
        bound("value too long", self.value.len(), VALUE_BYTES_MAX)?;
        if self.sequence > SEQUENCE_MAX {
            let detail = format_args!("{}, at most {SEQUENCE_MAX}", self.sequence);
            return Err(Error::invalid_input("sequence number too large", detail));
        }
        if self.kind == ValueKind::Tombstone && !self.value.is_empty() {
            let detail = format_args!("{} bytes", self.value.len());
            return Err(Error::invalid_input("tombstone with a value", detail));
        }
        Ok(())
    }
}

/// The first key after all that begin with `prefix`; `None` if there is none, since the prefix has
/// no byte below 255.
///
/// # Examples
/// ```
/// use esker::prefix_end;
/// assert_eq!(prefix_end(b"user/").as_deref(), Some(&b"user0"[..]));
/// assert_eq!(prefix_end(b"a\xff").as_deref(), Some(&b"b"[..]));
/// assert_eq!(prefix_end(b"\xff"), None);
/// ```
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Length in bytes of what `a` and `b` have in common at their start.
pub fn common_prefix_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// The first eight bytes of `rest`, zeros after its end, as a number that sorts as they do.
#[inline]
pub fn key_head(rest: &[u8]) -> u64 {
    if let Some(eight) = rest.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let mut padded = [0; 8];
    padded[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(padded)
}
