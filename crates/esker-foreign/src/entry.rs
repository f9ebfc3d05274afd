//! Entries as these engines keep them: a user key with eight bytes of sequence number and kind.

use crate::coding::u64_at;

/// What an entry says about its key (LevelDB and RocksDB `db/dbformat.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForeignKind {
    /// The key has a value.
    Put,
    /// The key is deleted.
    Tombstone,
    /// The key, put once, is deleted.
    SingleTombstone,
    /// An operand for a merge operator.
    Merge,
    /// The value stands in a blob file.
    Blob,
    /// The value is a set of columns.
    Entity,
    /// All keys from this one to the one in the value are deleted.
    RangeTombstone,
    /// Another kind, by its number.
    Other(u8),
}

impl ForeignKind {
    /// The kind with the number `byte`. From a table: it is asked for every entry.
    #[inline]
    pub(crate) fn from_byte(byte: u8) -> ForeignKind {
        const KINDS: [ForeignKind; 256] = {
            let mut kinds = [ForeignKind::Other(0); 256];
            let mut byte = 0;
            while byte < kinds.len() {
                kinds[byte] = ForeignKind::of(byte as u8);
                byte += 1;
            }
            kinds
        };
        KINDS[usize::from(byte)]
    }

    const fn of(byte: u8) -> ForeignKind {
        match byte {
            0x00 => ForeignKind::Tombstone,
            0x01 => ForeignKind::Put,
            0x02 => ForeignKind::Merge,
            0x07 => ForeignKind::SingleTombstone,
            0x0f => ForeignKind::RangeTombstone,
            0x11 => ForeignKind::Blob,
            0x16 => ForeignKind::Entity,
            other => ForeignKind::Other(other),
        }
    }

    /// Name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            ForeignKind::Put => "put",
            ForeignKind::Tombstone => "tombstone",
            ForeignKind::SingleTombstone => "single-tombstone",
            ForeignKind::Merge => "merge",
            ForeignKind::Blob => "blob",
            ForeignKind::Entity => "entity",
            ForeignKind::RangeTombstone => "range-tombstone",
            ForeignKind::Other(_) => "other",
        }
    }
}

/// One version of one key, borrowed from its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignEntry<'a> {
    /// The user key.
    pub key: &'a [u8],
    /// The value, or what the kind makes of it.
    pub value: &'a [u8],
    /// The sequence number: higher is newer.
    pub sequence: u64,
    /// What the entry says.
    pub kind: ForeignKind,
}

/// Bytes after the user key.
pub(crate) const TRAILER_LEN: usize = 8;

/// Takes an internal key apart: user key, sequence number, kind.
#[inline]
pub(crate) fn split(key: &[u8]) -> Option<(&[u8], u64, ForeignKind)> {
    let at = key.len().checked_sub(TRAILER_LEN)?;
    let trailer = u64_at(key, at)?;
    Some((&key[..at], trailer >> 8, ForeignKind::from_byte(trailer as u8)))
}
