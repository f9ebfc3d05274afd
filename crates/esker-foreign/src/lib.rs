//! Readers of the tables of other engines: LevelDB's `.ldb` and `.sst`, RocksDB's `.sst`.
//!
//! A [`ForeignTable`] reads one file and changes nothing. Which engine made it is found from the
//! magic number at its end. Block checksums are checked on every read, lengths before memory is
//! taken; what cannot be read is an error that names file, offset, expected and found.
//!
//! The formats are those of LevelDB's `doc/table_format.md` and `table/format.cc`, and of
//! RocksDB's `table/format.cc`, `table/block_based/` and `util/compression.h`.

mod block;
mod checksum;
mod codec;
mod coding;
mod comparator;
mod cursor;
mod entry;
mod footer;
mod open;
mod properties;
mod read;
mod visible;

pub use comparator::Comparator;
pub use cursor::ForeignCursor;
pub use entry::{ForeignEntry, ForeignKind};
pub use footer::{Engine, detect};
pub use open::{ForeignTable, OpenSettings};
pub use read::{ForeignBlock, ForeignReport};
pub use visible::{ForeignRange, KeyValue};
