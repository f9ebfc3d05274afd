//! Positions over the layers of a database, and their merge into one ordered view.
//!
//! Each source shows, for each key, the newest version that one sequence number sees, tombstones
//! too. Of sources with the same key the first wins: they are given newest first.

mod merge;
mod table;
#[cfg(test)]
mod tests;

pub use merge::{MergeCursor, Placed};
pub use table::{LevelCursor, VisibleTable};

use crate::base::error::Result;
use crate::base::key::ValueKind;
use crate::memtable::MemtableCursor;
use crate::table::TableCursor;

/// One layer. Its kind stands in a byte of its own: each step of a scan asks for it.
#[repr(u8)]
pub enum Source {
    /// A memtable.
    Memtable(MemtableCursor),
    /// A table of level 0.
    Table(VisibleTable),
    /// A level from 1 on.
    Level(LevelCursor),
}

/// Calls the same method whatever the source.
macro_rules! on {
    ($source:expr, $cursor:ident => $memtable:expr, $other:expr) => {
        match $source {
            Source::Memtable($cursor) => $memtable,
            Source::Table($cursor) => $other,
            Source::Level($cursor) => $other,
        }
    };
}

impl Source {
    /// Moves to the first key; false if there is none. So for every move.
    pub fn first(&mut self) -> Result<bool> {
        on!(self, c => Ok(c.first()), c.first())
    }

    /// Moves to the last key.
    pub fn last(&mut self) -> Result<bool> {
        on!(self, c => Ok(c.last()), c.last())
    }

    /// Moves to the first key that is at least `key`.
    #[inline]
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        on!(self, c => Ok(c.seek(key)), c.seek(key))
    }

    /// Moves to the last key below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<bool> {
        on!(self, c => Ok(c.seek_before(key)), c.seek_before(key))
    }

    /// The cursor of the table under way, if each of its entries is to be seen and sets its key.
    #[inline]
    fn bare(&self) -> Option<&TableCursor> {
        let table = match self {
            Source::Memtable(_) => None,
            Source::Table(table) => Some(table),
            Source::Level(level) => level.table(),
        };
        table.filter(|table| table.is_bare()).map(VisibleTable::cursor)
    }

    /// The cursor of the table under way.
    #[inline(always)]
    fn table(&self) -> Option<&TableCursor> {
        match self {
            Source::Memtable(_) => None,
            Source::Table(table) => Some(table.cursor()),
            Source::Level(level) => level.table().map(VisibleTable::cursor),
        }
    }

    /// As [`Source::table`].
    #[inline(always)]
    fn table_mut(&mut self) -> Option<&mut TableCursor> {
        match self {
            Source::Memtable(_) => None,
            Source::Table(table) => Some(table.cursor_mut()),
            Source::Level(level) => level.table_mut().map(VisibleTable::cursor_mut),
        }
    }

    /// Moves to the next key; only from one.
    #[inline]
    pub fn next(&mut self) -> Result<bool> {
        on!(self, c => Ok(c.next()), c.next())
    }

    /// Moves to the key before; only from one.
    #[inline]
    pub fn prev(&mut self) -> Result<bool> {
        on!(self, c => Ok(c.prev()), c.prev())
    }

    /// The key; only on one.
    #[inline]
    pub fn key(&self) -> &[u8] {
        on!(self, c => c.key(), c.key())
    }

    /// Key and value, empty for a tombstone; only on one.
    #[inline]
    pub fn entry(&self) -> (&[u8], &[u8]) {
        on!(self, c => (c.key(), c.value()), (c.key(), c.value()))
    }

    /// Whether the version sets or deletes the key.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        on!(self, c => c.kind(), c.kind())
    }
}
