//! Where to cut a database for readers that share the work.

use crate::comparator::Comparator;
use crate::database::Database;
use crate::tables::{Slot, Tables};
use std::cmp::Ordering;

impl Database {
    /// Keys, in order, that cut the database into parts of about `part_bytes` bytes of its tables,
    /// for readers that share the work: the first part lies before the first key, the second from
    /// there to before the second key, and so on. Few if it is small; none in raw order and without
    /// a manifest.
    pub fn cuts(&self, part_bytes: u64) -> Vec<Vec<u8>> {
        if self.is_raw() { Vec::new() } else { cuts(&self.0.tables, part_bytes) }
    }
}

fn cuts(tables: &Tables, part_bytes: u64) -> Vec<Vec<u8>> {
    let mut pieces: Vec<_> =
        tables.all().flat_map(|slot| pieces(tables, slot, part_bytes)).collect();
    pieces.sort_by(|(a, _), (b, _)| tables.order.compare(a, b).unwrap_or(Ordering::Equal));
    let mut cuts: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for (mut key, piece) in pieces {
        bytes = u64::saturating_add(bytes, piece);
        if bytes < part_bytes {
            continue;
        }
        if tables.order == Comparator::Bytewise {
            // The key after it: the part begins with the block or table that follows.
            key.push(0);
        }
        if cuts.last() != Some(&key) {
            cuts.push(key);
            bytes = 0;
        }
    }
    cuts
}

/// The pieces of a table, each of about `part_bytes` bytes at most: the last key and the bytes of
/// each.
fn pieces(tables: &Tables, slot: &Slot, part_bytes: u64) -> Vec<(Vec<u8>, u64)> {
    let Some(meta) = &slot.meta else { return Vec::new() };
    let whole = || vec![(meta.largest.key.clone(), meta.bytes)];
    if meta.bytes / 2 < part_bytes {
        return whole();
    }
    // What is wrong with it is told when its part is read.
    let Ok(table) = tables.open(slot) else { return whole() };
    let mut pieces = Vec::new();
    let mut bytes = 0;
    for (key, handle) in &table.0.index {
        bytes = u64::saturating_add(bytes, handle.size);
        if bytes >= part_bytes {
            pieces.push((key.clone(), bytes));
            bytes = 0;
        }
    }
    pieces
}
