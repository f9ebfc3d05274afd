//! A value where it lies.

use crate::cache::PinnedBlock;
use std::fmt;
use std::ops::{Deref, Range};

/// A value read from a table, without a copy where the block can be read in place.
///
/// One that a database lends holds back the memory of its block and of those around it, up to 1 MiB
/// of the budget (an 8192nd of budgets above 8 GiB), or of its block if that is larger, for as long
/// as it lives: copy what is to be kept.
///
/// # Examples
/// ```
/// use esker::{Compression, Table, TableWriter, WriteSettings};
/// let mut settings = WriteSettings::default();
/// settings.compression = Compression::None;
/// let mut writer = TableWriter::new(Vec::new(), settings)?;
/// writer.put(b"k", b"value")?;
/// let table = Table::from_bytes(writer.finish()?.0)?;
/// let value = table.get(b"k")?.expect("just written");
/// assert_eq!(&*value, b"value");
/// # Ok::<(), esker::Error>(())
/// ```
pub struct Value<'t>(Inner<'t>);

enum Inner<'t> {
    InPlace(&'t [u8]),
    Owned(Vec<u8>, Range<usize>),
    Pinned(PinnedBlock, Range<usize>),
}

impl<'t> Value<'t> {
    pub(super) fn in_place(value: &'t [u8]) -> Value<'t> {
        Value(Inner::InPlace(value))
    }

    /// The bytes of `block` in `range`, which must lie within it.
    pub(super) fn owned(block: Vec<u8>, range: Range<usize>) -> Value<'t> {
        Value(Inner::Owned(block, range))
    }

    /// The bytes of `block` in `range`, which must lie within it.
    pub(super) fn pinned(block: PinnedBlock, range: Range<usize>) -> Value<'t> {
        Value(Inner::Pinned(block, range))
    }

    /// The value in `bytes`.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Value<'static> {
        let range = 0..bytes.len();
        Value(Inner::Owned(bytes, range))
    }

    /// The value, no longer tied to the table: copied if it lies in a map.
    pub fn into_static(self) -> Value<'static> {
        match self.0 {
            Inner::InPlace(value) => Value::from_vec(value.to_vec()),
            Inner::Owned(block, range) => Value(Inner::Owned(block, range)),
            Inner::Pinned(block, range) => Value(Inner::Pinned(block, range)),
        }
    }

    /// The value as a vector of its own.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Inner::InPlace(_) | Inner::Pinned(..) => self.to_vec(),
            Inner::Owned(mut block, range) => {
                block.truncate(range.end);
                block.drain(..range.start);
                block
            }
        }
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::InPlace(value) => value,
            Inner::Owned(block, range) => block.get(range.clone()).unwrap_or_default(),
            Inner::Pinned(pinned, range) => {
                let block = pinned.as_ref().map_or(&[][..], |block| block.bytes());
                block.get(range.clone()).unwrap_or_default()
            }
        }
    }
}

impl Clone for Value<'_> {
    fn clone(&self) -> Self {
        match &self.0 {
            Inner::InPlace(value) => Value::in_place(value),
            _ => Value::from_vec(self.to_vec()),
        }
    }
}

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}
