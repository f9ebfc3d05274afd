//! Keys and values in order, as an ordinary iterator from both ends.

use super::{Table, TableCursor};
use crate::base::error::Result;
use crate::base::key::{ValueKind, prefix_end};
use std::ops::{Bound, RangeBounds};

/// The live keys of a range with their newest values: no tombstones, no older versions.
///
/// Owns its view of the table. Yields keys and values as vectors of their own; a [`TableCursor`]
/// lends them instead. After an error it yields nothing more, from either end.
pub struct TableRange {
    front: TableCursor,
    back: TableCursor,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// Where each end stands; `None` before its first move.
    front_at: Option<(usize, usize)>,
    back_at: Option<(usize, usize)>,
    done: bool,
}

/// A key with its value.
type KeyValue = (Vec<u8>, Vec<u8>);

impl Table {
    /// The live keys within `bounds`, in order; reversible.
    ///
    /// # Examples
    /// ```
    /// use esker::{Table, TableWriter, WriteSettings};
    /// let mut writer = TableWriter::new(Vec::new(), WriteSettings::default())?;
    /// for key in ["a", "b", "c", "d"] {
    ///     writer.put(key.as_bytes(), b"")?;
    /// }
    /// let table = Table::from_bytes(writer.finish()?.0)?;
    /// let keys: Result<Vec<_>, _> = table.range("b".."d").rev().map(|e| e.map(|e| e.0)).collect();
    /// assert_eq!(keys?, [b"c", b"b"]);
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> TableRange {
        let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        self.between(owned(bounds.start_bound()), owned(bounds.end_bound()))
    }

    /// All live keys, in order; reversible.
    pub fn iter(&self) -> TableRange {
        self.between(Bound::Unbounded, Bound::Unbounded)
    }

    /// The live keys that begin with `prefix`, in order; reversible.
    ///
    /// # Examples
    /// ```
    /// use esker::{Table, TableWriter, WriteSettings};
    /// let mut writer = TableWriter::new(Vec::new(), WriteSettings::default())?;
    /// for key in ["a/1", "b/1", "b/2", "c"] {
    ///     writer.put(key.as_bytes(), b"")?;
    /// }
    /// let table = Table::from_bytes(writer.finish()?.0)?;
    /// assert_eq!(table.prefix(b"b/").count(), 2);
    /// # Ok::<(), esker::Error>(())
    /// ```
    pub fn prefix(&self, prefix: &[u8]) -> TableRange {
        let end = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.between(Bound::Included(prefix.to_vec()), end)
    }

    fn between(&self, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> TableRange {
        TableRange {
            front: self.cursor(),
            back: self.cursor(),
            start,
            end,
            front_at: None,
            back_at: None,
            done: false,
        }
    }
}

impl TableRange {
    /// Moves the front to the next key's newest version; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let entry = match (self.front_at, &self.start) {
            (Some(_), _) => {
                self.front.go_to_oldest()?;
                self.front.next()
            }
            (None, Bound::Unbounded) => self.front.first(),
            (None, Bound::Included(key)) => self.front.seek(key),
            (None, Bound::Excluded(key)) => {
                let is_at = self.front.seek(key)?.is_some_and(|entry| entry.key == key);
                if is_at {
                    self.front.go_to_oldest()?;
                    self.front.next()
                } else {
                    self.front.current()
                }
            }
        };
        let Some(entry) = entry? else { return Ok(false) };
        let inside = match &self.end {
            Bound::Unbounded => true,
            Bound::Included(end) => entry.key <= &end[..],
            Bound::Excluded(end) => entry.key < &end[..],
        };
        self.front_at = Some(self.front.position());
        Ok(inside && self.back_at.is_none_or(|back| self.front.position() < back))
    }

    /// Moves the back to the newest version of the key before; false at the end.
    fn retreat(&mut self) -> Result<bool> {
        let entry = match (self.back_at, &self.end) {
            (Some(_), _) => self.back.prev(),
            (None, Bound::Unbounded) => self.back.last(),
            (None, Bound::Excluded(key)) => self.back.seek_before(key),
            (None, Bound::Included(key)) => {
                let is_at = self.back.seek(key)?.is_some_and(|entry| entry.key == key);
                if is_at { self.back.current() } else { self.back.seek_before(key) }
            }
        };
        let Some(entry) = entry? else { return Ok(false) };
        let inside = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => entry.key >= &start[..],
            Bound::Excluded(start) => entry.key > &start[..],
        };
        self.back.go_to_newest()?;
        self.back_at = Some(self.back.position());
        Ok(inside && self.front_at.is_none_or(|front| self.back.position() > front))
    }

    /// Moves one end until it stands on a live key.
    fn step(
        &mut self,
        go: fn(&mut TableRange) -> Result<bool>,
        cursor: fn(&TableRange) -> &TableCursor,
    ) -> Option<Result<KeyValue>> {
        while !self.done {
            match go(self) {
                Ok(true) if cursor(self).kind() == ValueKind::Tombstone => {}
                Ok(true) => match cursor(self).current() {
                    Ok(Some(entry)) => return Some(Ok((entry.key.to_vec(), entry.value.to_vec()))),
                    Ok(None) => self.done = true,
                    Err(error) => {
                        self.done = true;
                        return Some(Err(error));
                    }
                },
                Ok(false) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Iterator for TableRange {
    type Item = Result<KeyValue>;

    fn next(&mut self) -> Option<Result<KeyValue>> {
        self.step(TableRange::advance, |range| &range.front)
    }
}

impl DoubleEndedIterator for TableRange {
    fn next_back(&mut self) -> Option<Result<KeyValue>> {
        self.step(TableRange::retreat, |range| &range.back)
    }
}

impl std::iter::FusedIterator for TableRange {}
