//! Batches of writes, and their encoding in the log.
//!
//! One operation: a byte for its kind, the length of the key and, for a put, of the value, both as
//! varints, then their bytes. See `docs/format.md`, "Log".

use crate::base::coding::{push_varint, take_varint};
use crate::base::error::{Error, Result};
use crate::base::key::{Entry, ValueKind};

const PUT: u8 = 0;
const DELETE: u8 = 1;

/// Most bytes of one batch as the log holds it: a bit below 4 GiB.
const BATCH_BYTES_MAX: usize = u32::MAX as usize - 1024;

/// Writes that happen together or not at all, in the order in which they were added.
///
/// # Examples
/// ```
/// use esker::WriteBatch;
/// let mut batch = WriteBatch::new();
/// batch.put(b"a", b"1")?;
/// batch.delete(b"b")?;
/// assert_eq!(batch.len(), 2);
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    operations: Vec<u8>,
    count: u32,
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// Adds: set `key` to `value`.
    ///
    /// # Errors
    /// `InvalidInput` if key or value is too long, or the batch would grow past 4 GiB; the batch
    /// stays as it was.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.push(Entry::put(key, value))
    }

    /// Adds: delete `key`. Errors as [`WriteBatch::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.push(Entry::tombstone(key))
    }

    fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        entry.check()?;
        let bytes = self.operations.len() + entry.key.len() + entry.value.len();
        if bytes > BATCH_BYTES_MAX || self.count == u32::MAX {
            let detail = format_args!("{bytes} bytes, at most {BATCH_BYTES_MAX}");
            return Err(Error::invalid_input("batch too long", detail));
        }
        encode(entry, &mut self.operations);
        self.count += 1;
        Ok(())
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all writes, keeps the memory.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.count = 0;
    }

    /// The writes, encoded.
    pub(crate) fn operations(&self) -> &[u8] {
        &self.operations
    }
}

/// Appends `entry` to `out`, without its sequence number.
#[inline]
pub(crate) fn encode(entry: Entry<'_>, out: &mut Vec<u8>) {
    match entry.kind {
        ValueKind::Put => {
            out.push(PUT);
            push_varint(entry.key.len() as u64, out);
            push_varint(entry.value.len() as u64, out);
        }
        ValueKind::Tombstone => {
            out.push(DELETE);
            push_varint(entry.key.len() as u64, out);
        }
    }
    out.extend_from_slice(entry.key);
    out.extend_from_slice(entry.value);
}

/// Takes the first operation off `operations`; `None` if it is not a whole one.
#[inline]
pub(crate) fn decode<'a>(operations: &mut &'a [u8], sequence: u64) -> Option<Entry<'a>> {
    let (&kind, rest) = operations.split_first()?;
    *operations = rest;
    let key_len = take_length(operations)?;
    let value_len = match kind {
        PUT => take_length(operations)?,
        DELETE => 0,
        _ => return None,
    };
    let (key, rest) = operations.split_at_checked(key_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    *operations = rest;
    let kind = if kind == PUT { ValueKind::Put } else { ValueKind::Tombstone };
    Some(Entry { key, value, sequence, kind })
}

#[inline]
fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    take_varint(bytes)?.try_into().ok()
}
