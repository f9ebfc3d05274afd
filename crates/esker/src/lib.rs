//! esker: an embedded, log-structured, ordered key-value engine and the toolkit for the sorted
//! string tables it is made of.
//!
//! [`Db`] is the database: an ordered, durable map with batches, snapshots and scans both ways.
//! Below it stands the toolkit, usable alone: [`TableWriter`] makes a table from a sorted stream,
//! [`TableSorter`] from one in any order, and [`Table`] reads it: by key, by range in both
//! directions, and for its soundness.
//!
//! # Examples
//! ```
//! use esker::{SorterSettings, Table, TableSorter};
//! let directory = tempfile::tempdir().unwrap();
//! let path = directory.path().join("fruit.sstable");
//! let mut sorter = TableSorter::new(&path, SorterSettings::default())?;
//! sorter.put(b"lime", b"green")?;
//! sorter.put(b"apple", b"red")?;
//! sorter.finish(&mut |_, _| {})?;
//!
//! let table = Table::open(&path)?;
//! assert_eq!(table.get(b"apple")?.as_deref(), Some(&b"red"[..]));
//! let keys: Result<Vec<_>, _> = table.iter().map(|entry| entry.map(|e| e.0)).collect();
//! assert_eq!(keys?, [&b"apple"[..], b"lime"]);
//! # Ok::<(), esker::Error>(())
//! ```

mod base;
mod batch;
mod block;
mod cache;
mod compaction;
mod cursor;
mod db;
mod filter;
mod frame;
mod index;
mod log;
mod manifest;
mod memtable;
mod record;
mod sorter;
mod table;
mod version;
pub mod vfs;

pub use base::error::{Error, ErrorKind, Result};
pub use base::key::{Entry, KEY_BYTES_MAX, SEQUENCE_MAX, VALUE_BYTES_MAX, ValueKind, prefix_end};
pub use batch::WriteBatch;
pub use db::{
    BulkLoad, Db, DbCursor, DbRange, DbStats, DbVerifyReport, Durability, LayerStep, LevelStats,
    ReadOnlyDb, Recovery, RepairReport, Segment, SegmentKind, Settings, Snapshot, SpaceReport,
    destroy, is_database, repair,
};
pub use frame::{Compression, FrameKind};
pub use sorter::{SortSummary, SorterSettings, TableSorter};
pub use table::{
    BlockInfo, Explanation, Properties, ReadSettings, Step, Table, TableCursor, TableFile,
    TableRange, TableSummary, TableWriter, Value, VerifyReport, WriteSettings, is_table,
};
