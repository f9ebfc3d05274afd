//! Merges sorted runs into one stream; of equal keys the newest run's entry is kept.

use super::duplicate;
use crate::base::error::Result;
use crate::base::key::Entry;
use crate::table::TableCursor;
use std::cmp::Ordering;

/// A heap of cursors, the least key on top; of equal keys, the newest run.
pub(super) struct Merge {
    heap: Vec<Source>,
    strict: bool,
    duplicates: u64,
    /// The key given out last, once there is one: its source must move before the next.
    last: Option<Vec<u8>>,
}

/// A cursor that stands on an entry.
struct Source {
    cursor: TableCursor,
    /// Place in the order of age: higher is newer.
    age: usize,
}

impl Source {
    fn order(&self, other: &Source) -> Ordering {
        self.cursor.key().cmp(other.cursor.key()).then(other.age.cmp(&self.age))
    }
}

impl Merge {
    /// Merges `cursors`, which come oldest first. With `strict`, a key that comes twice is an
    /// error.
    pub(super) fn new(cursors: impl Iterator<Item = TableCursor>, strict: bool) -> Result<Merge> {
        let mut heap = Vec::new();
        for (age, mut cursor) in cursors.enumerate() {
            if cursor.next()?.is_some() {
                heap.push(Source { cursor, age });
            }
        }
        // A sorted row is a heap.
        heap.sort_by(Source::order);
        Ok(Merge { heap, strict, duplicates: 0, last: None })
    }

    /// The next entry of the merged stream.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'_>>> {
        let mut last = self.last.take();
        if let Some(last) = &last {
            self.advance()?;
            while self.heap.first().is_some_and(|top| top.cursor.key() == &last[..]) {
                if self.strict {
                    return Err(duplicate(last));
                }
                self.duplicates += 1;
                self.advance()?;
            }
        }
        let Some(top) = self.heap.first() else { return Ok(None) };
        let key = last.get_or_insert_default();
        key.clear();
        key.extend_from_slice(top.cursor.key());
        self.last = last;
        top.cursor.current()
    }

    /// Moves the top to its next entry, and the least source to the top.
    fn advance(&mut self) -> Result<()> {
        let Some(top) = self.heap.first_mut() else { return Ok(()) };
        if top.cursor.next()?.is_none() {
            self.heap.swap_remove(0);
        }
        let mut at = 0;
        while let Some(left) = self.heap.get(2 * at + 1) {
            let right = self.heap.get(2 * at + 2);
            let right_is_least = right.is_some_and(|right| right.order(left).is_lt());
            let least = 2 * at + 1 + usize::from(right_is_least);
            if self.heap[at].order(&self.heap[least]).is_lt() {
                break;
            }
            self.heap.swap(at, least);
            at = least;
        }
        Ok(())
    }

    /// Entries that newer ones replaced so far.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }
}
