//! The tables of one level, and the search among them.

use super::TableHandle;
use crate::base::key::key_head;
use std::ops::Bound;
use std::sync::Arc;

/// The tables of one level: level 0 newest first, the others in the order of their keys.
#[derive(Clone, Debug, Default)]
pub struct Level {
    tables: Vec<Arc<TableHandle>>,
    /// Heads of the largest keys, for levels from 1 on: what a search reads.
    heads: Vec<u64>,
    file_bytes: u64,
}

impl Level {
    pub(super) const EMPTY: Level = Level { tables: Vec::new(), heads: Vec::new(), file_bytes: 0 };

    /// Level `number` with `tables`, in any order.
    pub(super) fn new(number: usize, mut tables: Vec<Arc<TableHandle>>) -> Level {
        if number == 0 {
            tables.sort_by_key(|t| std::cmp::Reverse((t.meta().largest_sequence, t.meta().number)));
        } else {
            tables.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        }
        let heads = match number {
            0 => Vec::new(),
            _ => tables.iter().map(|table| key_head(&table.meta().largest)).collect(),
        };
        let file_bytes = tables.iter().map(|table| table.meta().file_bytes).sum();
        Level { tables, heads, file_bytes }
    }

    /// The tables.
    #[inline]
    pub fn tables(&self) -> &[Arc<TableHandle>] {
        &self.tables
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Number of the first table whose largest key is at least `key`; for levels from 1 on.
    #[inline]
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let head = key_head(key);
        let mut at = self.heads.partition_point(|&largest| largest < head);
        while at < self.tables.len()
            && self.heads[at] == head
            && *self.tables[at].meta().largest < *key
        {
            at += 1;
        }
        at
    }

    /// The one table that can hold `key`; for levels from 1 on.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&Arc<TableHandle>> {
        let table = self.tables.get(self.lower_bound(key))?;
        (*table.meta().smallest <= *key).then_some(table)
    }

    /// The tables whose range meets the one from `start` to `end`.
    pub fn overlapping(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Vec<Arc<TableHandle>> {
        let meets = |table: &&Arc<TableHandle>| {
            let meta = table.meta();
            let from_below = match start {
                Bound::Unbounded => true,
                Bound::Included(start) => *meta.largest >= *start,
                Bound::Excluded(start) => *meta.largest > *start,
            };
            let to_above = match end {
                Bound::Unbounded => true,
                Bound::Included(end) => *meta.smallest <= *end,
                Bound::Excluded(end) => *meta.smallest < *end,
            };
            from_below && to_above
        };
        let skipped = match start {
            Bound::Included(key) | Bound::Excluded(key) if !self.heads.is_empty() => {
                self.lower_bound(key)
            }
            _ => 0,
        };
        let mut found = Vec::new();
        for table in &self.tables[skipped..] {
            if meets(&table) {
                found.push(table.clone());
            } else if !self.heads.is_empty() && !found.is_empty() {
                break;
            }
        }
        found
    }

    /// Number of the first table that overlaps the one before it.
    pub(super) fn first_overlap(&self) -> Option<u64> {
        let pairs = self.tables.iter().zip(self.tables.iter().skip(1));
        let mut overlaps = pairs.filter(|(a, b)| a.meta().largest >= b.meta().smallest);
        overlaps.next().map(|(_, b)| b.meta().number)
    }
}
