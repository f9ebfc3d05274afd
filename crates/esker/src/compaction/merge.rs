//! Every version of every key of the inputs, in order.

use crate::base::error::Result;
use crate::base::key::{Entry, SEQUENCE_MAX, key_head};
use crate::memtable::{Memtable, MemtableCursor};
use crate::table::{Fill, TableCursor};
use crate::version::TableHandle;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// A memtable, or tables with ascending ranges, one after another.
struct Row {
    source: Source,
    head: u64,
}

enum Source {
    Memtable(Box<MemtableCursor>),
    Tables { cursor: Box<TableCursor>, ingested_at: Option<u64>, left: VecDeque<Arc<TableHandle>> },
}

impl Row {
    /// The row of `memtable`, on its first entry from `start` on; `None` if there is none.
    fn of_memtable(memtable: &Arc<Memtable>, start: Option<&[u8]>) -> Option<Row> {
        let mut cursor = Box::new(memtable.cursor(SEQUENCE_MAX));
        let is_on = match start {
            Some(key) => cursor.seek(key),
            None => cursor.first(),
        };
        let head = key_head(cursor.key());
        is_on.then_some(Row { source: Source::Memtable(cursor), head })
    }

    /// The row of `tables` likewise.
    fn of_tables(tables: Vec<Arc<TableHandle>>, start: Option<&[u8]>) -> Result<Option<Row>> {
        let mut left = VecDeque::from(tables);
        while let Some(handle) = left.pop_front() {
            let mut cursor = Box::new(handle.table()?.into_cursor(Fill::Take));
            let found = match start {
                Some(key) => cursor.seek(key)?,
                None => cursor.first()?,
            };
            if let Some(entry) = found {
                let head = key_head(entry.key);
                let ingested_at = handle.meta().ingested_at;
                return Ok(Some(Row {
                    source: Source::Tables { cursor, ingested_at, left },
                    head,
                }));
            }
        }
        Ok(None)
    }

    /// Moves on; false at the end.
    fn advance(&mut self) -> Result<bool> {
        match &mut self.source {
            Source::Memtable(cursor) => {
                let is_on = cursor.older() || cursor.next();
                self.head = key_head(cursor.key());
                Ok(is_on)
            }
            Source::Tables { cursor, left, .. } => {
                if let Some(entry) = cursor.next()? {
                    self.head = key_head(entry.key);
                    return Ok(true);
                }
                let next = Row::of_tables(std::mem::take(left).into(), None)?;
                let is_on = next.is_some();
                if let Some(row) = next {
                    *self = row;
                }
                Ok(is_on)
            }
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match &self.source {
            Source::Memtable(cursor) => cursor.key(),
            Source::Tables { cursor, .. } => cursor.key(),
        }
    }

    #[inline]
    fn sequence(&self) -> u64 {
        match &self.source {
            Source::Memtable(cursor) => cursor.sequence(),
            Source::Tables { cursor, ingested_at, .. } => ingested_at.unwrap_or(cursor.sequence()),
        }
    }

    #[inline]
    fn entry(&self) -> Entry<'_> {
        let sequence = self.sequence();
        match &self.source {
            Source::Memtable(cursor) => {
                Entry { key: cursor.key(), value: cursor.value(), sequence, kind: cursor.kind() }
            }
            Source::Tables { cursor, .. } => {
                Entry { key: cursor.key(), value: cursor.value(), sequence, kind: cursor.kind() }
            }
        }
    }

    fn order(&self, other: &Row) -> Ordering {
        self.head
            .cmp(&other.head)
            .then_with(|| self.key().cmp(other.key()))
            .then_with(|| other.sequence().cmp(&self.sequence()))
    }
}

/// The entries of memtables and rows of tables as one stream: by key, then newest first.
pub struct VersionMerge {
    rows: Vec<Row>,
    /// The row whose entry is next, and the one after it.
    winner: usize,
    rival: Option<usize>,
    is_started: bool,
}

impl VersionMerge {
    /// The entries of `memtables` and `rows` from the key `start` on.
    pub fn new(
        memtables: &[Arc<Memtable>],
        rows: Vec<Vec<Arc<TableHandle>>>,
        start: Option<&[u8]>,
    ) -> Result<VersionMerge> {
        let row = |memtable| Row::of_memtable(memtable, start);
        let mut open: Vec<Row> = memtables.iter().filter_map(row).collect();
        for tables in rows {
            open.extend(Row::of_tables(tables, start)?);
        }
        let mut merge = VersionMerge { rows: open, winner: 0, rival: None, is_started: false };
        merge.select();
        Ok(merge)
    }

    fn select(&mut self) {
        let rows = &self.rows;
        let order = |&a: &usize, &b: &usize| rows[a].order(&rows[b]);
        self.winner = (0..rows.len()).min_by(order).unwrap_or(0);
        self.rival = (0..rows.len()).filter(|&i| i != self.winner).min_by(order);
    }

    /// The next entry.
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        if self.is_started && !self.rows.is_empty() {
            if !self.rows[self.winner].advance()? {
                self.rows.remove(self.winner);
                self.select();
            } else if let Some(rival) = self.rival
                && self.rows[self.winner].order(&self.rows[rival]) != Ordering::Less
            {
                self.select();
            }
        }
        self.is_started = true;
        let Some(row) = self.rows.get(self.winner) else { return Ok(None) };
        Ok(Some(row.entry()))
    }
}
