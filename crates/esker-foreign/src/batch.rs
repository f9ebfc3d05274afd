//! Batches of writes as logs hold them (LevelDB `db/write_batch.cc`; RocksDB
//! `db/write_batch.cc`): a sequence number, a count, and that many operations.

use crate::coding::{Reader, u32_at, u64_at};
use crate::entry::ForeignKind;
use crate::footer::Engine;

/// Sequence number and count.
const HEADER_LEN: usize = 12;
/// Largest sequence number: 56 bits.
pub(crate) const SEQUENCE_MAX: u64 = (1 << 56) - 1;

/// One operation of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// Number of the column family; 0 is the default one.
    pub(crate) family: u32,
    pub(crate) kind: ForeignKind,
    pub(crate) key: &'a [u8],
    /// The value; for a range deletion, the key that it ends before.
    pub(crate) value: &'a [u8],
    pub(crate) sequence: u64,
}

/// Why a batch cannot be taken, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchFault {
    /// Its bytes are no batch.
    Corrupt(&'static str, usize),
    /// It has an operation that is not read.
    Unsupported(&'static str, usize),
}

/// What an operation's tag says of it.
enum Tag {
    /// An entry; whether it names a column family, and whether it has a value.
    Entry(ForeignKind, bool, bool),
    /// No entry: nothing to do for readers. Whether bytes follow.
    Aside(bool),
}

/// Takes `batch` apart: its operations go to `sink`, one by one. Returns the first sequence
/// number and the count. After a fault, what `sink` got is not to be used.
pub(crate) fn decode<'a>(
    batch: &'a [u8],
    engine: Engine,
    mut sink: impl FnMut(Operation<'a>),
) -> Result<(u64, u32), BatchFault> {
    let cut = |at| BatchFault::Corrupt("write batch length", at);
    let header = u64_at(batch, 0).zip(u32_at(batch, 8)).zip(batch.get(HEADER_LEN..));
    let ((first, count), rest) = header.ok_or(cut(batch.len()))?;
    if first.checked_add(u64::from(count)).is_none_or(|end| end > SEQUENCE_MAX) {
        return Err(BatchFault::Corrupt("write batch sequence number", 0));
    }
    let mut reader = Reader(rest);
    let mut found = 0;
    while let [byte, after @ ..] = reader.0 {
        let at = batch.len() - reader.0.len();
        reader.0 = after;
        let slice = |reader: &mut Reader<'a>| {
            reader.varint32().and_then(|len| reader.bytes(len)).ok_or(cut(at))
        };
        match tag(*byte, engine, at)? {
            Tag::Entry(kind, has_family, has_value) => {
                let family = if has_family { reader.varint32().ok_or(cut(at))? as u32 } else { 0 };
                let key = slice(&mut reader)?;
                let value = if has_value { slice(&mut reader)? } else { &[] };
                if found == count {
                    return Err(BatchFault::Corrupt("write batch count", at));
                }
                sink(Operation { family, kind, key, value, sequence: first + u64::from(found) });
                found += 1;
            }
            Tag::Aside(true) => drop(slice(&mut reader)?),
            Tag::Aside(false) => {}
        }
    }
    if found == count {
        Ok((first, count))
    } else {
        Err(BatchFault::Corrupt("write batch count", 8))
    }
}

/// What the tag `byte` at `at` means.
fn tag(byte: u8, engine: Engine, at: usize) -> Result<Tag, BatchFault> {
    use ForeignKind::{
        Blob, Entity, Merge, Other, Put, RangeTombstone, SingleTombstone, Tombstone,
    };
    if engine == Engine::LevelDb && byte > 1 {
        return Err(BatchFault::Corrupt("write batch tag", at));
    }
    let unsupported = |what| Err(BatchFault::Unsupported(what, at));
    Ok(match byte {
        0x00 => Tag::Entry(Tombstone, false, false),
        0x01 => Tag::Entry(Put, false, true),
        0x02 => Tag::Entry(Merge, false, true),
        0x03 => Tag::Aside(true),
        0x04 => Tag::Entry(Tombstone, true, false),
        0x05 => Tag::Entry(Put, true, true),
        0x06 => Tag::Entry(Merge, true, true),
        0x07 => Tag::Entry(SingleTombstone, false, false),
        0x08 => Tag::Entry(SingleTombstone, true, false),
        0x0d => Tag::Aside(false),
        0x0e => Tag::Entry(RangeTombstone, true, true),
        0x0f => Tag::Entry(RangeTombstone, false, true),
        0x10 => Tag::Entry(Blob, true, true),
        0x11 => Tag::Entry(Blob, false, true),
        0x16 => Tag::Entry(Entity, false, true),
        0x17 => Tag::Entry(Entity, true, true),
        0x18 => Tag::Entry(Other(0x18), false, true),
        0x19 => Tag::Entry(Other(0x18), true, true),
        0x09 | 0x0a | 0x12 | 0x13 => return unsupported("a transaction prepared in two phases"),
        0x0b | 0x15 => return unsupported("the commit of a transaction in two phases"),
        0x0c => return unsupported("the rollback of a transaction in two phases"),
        _ => return Err(BatchFault::Corrupt("write batch tag", at)),
    })
}
