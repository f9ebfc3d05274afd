//! Every version of every key of the inputs, in order.

use crate::base::error::Result;
use crate::base::key::{Entry, key_head};
use crate::table::{Fill, TableCursor};
use crate::version::TableHandle;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// Tables with ascending ranges, one after another.
struct Row {
    left: VecDeque<Arc<TableHandle>>,
    cursor: TableCursor,
    ingested_at: Option<u64>,
    head: u64,
}

impl Row {
    /// The row of `tables`, on its first entry from `start` on; `None` if there is none.
    fn open(tables: Vec<Arc<TableHandle>>, start: Option<&[u8]>) -> Result<Option<Row>> {
        let mut left = VecDeque::from(tables);
        while let Some(handle) = left.pop_front() {
            let mut cursor = handle.table()?.cursor_with(Fill::Take);
            let found = match start {
                Some(key) => cursor.seek(key)?,
                None => cursor.first()?,
            };
            if let Some(entry) = found {
                let head = key_head(entry.key);
                return Ok(Some(Row {
                    left,
                    cursor,
                    ingested_at: handle.meta().ingested_at,
                    head,
                }));
            }
        }
        Ok(None)
    }

    /// Moves on; false at the end.
    fn advance(&mut self) -> Result<bool> {
        if let Some(entry) = self.cursor.next()? {
            self.head = key_head(entry.key);
            return Ok(true);
        }
        match Row::open(std::mem::take(&mut self.left).into(), None)? {
            Some(row) => {
                *self = row;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn sequence(&self) -> u64 {
        self.ingested_at.unwrap_or(self.cursor.sequence())
    }

    fn order(&self, other: &Row) -> Ordering {
        self.head
            .cmp(&other.head)
            .then_with(|| self.cursor.key().cmp(other.cursor.key()))
            .then_with(|| other.sequence().cmp(&self.sequence()))
    }
}

/// The entries of several rows of tables as one stream: by key, then newest first.
pub struct VersionMerge {
    rows: Vec<Row>,
    /// The row whose entry is next, and the one after it.
    winner: usize,
    rival: Option<usize>,
    is_started: bool,
}

impl VersionMerge {
    /// The entries of `rows` from the key `start` on.
    pub fn new(rows: Vec<Vec<Arc<TableHandle>>>, start: Option<&[u8]>) -> Result<VersionMerge> {
        let mut open = Vec::with_capacity(rows.len());
        for tables in rows {
            open.extend(Row::open(tables, start)?);
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
        let (key, value) = (row.cursor.key(), row.cursor.value());
        Ok(Some(Entry { key, value, sequence: row.sequence(), kind: row.cursor.kind() }))
    }
}
