//! Other engines' files: readers of the tables of LevelDB and RocksDB and of the directories of
//! their databases, and writers of LevelDB's.
//!
//! A [`Database`] reads a directory: manifest, tables and logs as one ordered view. A
//! [`ForeignTable`] reads one file, whose engine is found from the magic number at its end. Neither
//! writes or locks anything. Block checksums are checked on every read, lengths before memory is
//! taken; what cannot be read is an error that names file, offset, expected and found.
//!
//! A [`LevelDbWriter`] makes a directory that LevelDB opens as its own database, a [`LevelDbTable`]
//! one table of it.
//!
//! The formats are those of LevelDB's `doc/table_format.md` and `table/format.cc`, and of
//! RocksDB's `table/format.cc`, `table/block_based/` and `util/compression.h`.

mod batch;
mod block;
mod check;
mod checksum;
mod codec;
mod coding;
mod comparator;
mod cursor;
mod cuts;
mod database;
mod directory;
mod edit;
mod entry;
mod footer;
mod living;
mod log;
mod losses;
mod memory;
mod merge;
mod obfuscation;
mod open;
mod opening;
mod properties;
mod ranges;
mod read;
mod replay;
mod run;
mod space;
mod tables;
mod version;
mod visible;
mod write;

pub use check::DatabaseReport;
pub use comparator::Comparator;
pub use cursor::ForeignCursor;
pub use database::{
    Database, DatabaseCursor, DatabaseRange, DatabaseSettings, LogInfo, ManifestInfo, TableInfo,
};
pub use directory::{detect_directory, detect_directory_in};
pub use entry::{ForeignEntry, ForeignKind};
pub use footer::{Engine, detect};
pub use losses::Loss;
pub use obfuscation::Obfuscation;
pub use open::{ForeignTable, OpenSettings};
pub use ranges::RangeTombstone;
pub use read::{ForeignBlock, ForeignReport};
pub use space::DatabaseSpace;
pub use visible::{ForeignRange, KeyValue};
pub use write::{
    LevelDbCompression, LevelDbSettings, LevelDbSummary, LevelDbTable, LevelDbTableSummary,
    LevelDbWriter,
};
