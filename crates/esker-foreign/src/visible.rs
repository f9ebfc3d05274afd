//! The live keys of a foreign table with their newest values.

use crate::comparator::Comparator;
use crate::cursor::ForeignCursor;
use crate::entry::ForeignKind;
use crate::open::ForeignTable;
use esker::Result;
use std::ops::Bound;

/// A key with its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// The newest value of each live key, in one direction: no tombstones, no older versions, nothing
/// that a range deletion hides. After an error it yields nothing more.
pub struct ForeignRange {
    table: ForeignTable,
    cursor: ForeignCursor,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    reverse: bool,
    is_new: bool,
    done: bool,
}

impl ForeignTable {
    /// All live keys, in the table's order.
    pub fn visible(&self) -> ForeignRange {
        self.range(Bound::Unbounded, Bound::Unbounded, false)
    }

    /// The live keys between `start` and `end`, from the end if `reverse`. In raw order the
    /// bounds are not known to be bounds, and are passed over.
    pub fn range(&self, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>, reverse: bool) -> ForeignRange {
        let (table, cursor) = (self.clone(), self.cursor());
        ForeignRange { table, cursor, start, end, reverse, is_new: true, done: false }
    }
}

/// An entry of its own.
struct Version {
    key: Vec<u8>,
    value: Vec<u8>,
    sequence: u64,
    kind: ForeignKind,
}

impl ForeignRange {
    /// The entry that the cursor stands on, after its first move was made.
    fn current(&mut self) -> Result<Option<Version>> {
        if self.is_new {
            self.is_new = false;
            match (self.reverse, &self.start, &self.end) {
                (false, Bound::Included(key) | Bound::Excluded(key), _) => self.cursor.seek(key)?,
                (false, Bound::Unbounded, _) => self.cursor.first()?,
                (true, _, Bound::Excluded(key)) => self.cursor.seek_before(key)?,
                (true, _, Bound::Included(_) | Bound::Unbounded) => self.cursor.last()?,
            };
        }
        Ok(self.cursor.current().map(|entry| Version {
            key: entry.key.to_vec(),
            value: entry.value.to_vec(),
            sequence: entry.sequence,
            kind: entry.kind,
        }))
    }

    /// The newest version of the next key; the cursor goes past all its versions.
    fn newest(&mut self) -> Result<Option<Version>> {
        let Some(mut newest) = self.current()? else { return Ok(None) };
        loop {
            let next = if self.reverse { self.cursor.prev()? } else { self.cursor.next()? };
            let Some(next) = next.filter(|next| next.key == newest.key) else { break };
            // Newer versions stand first: backwards, they come last.
            if self.reverse {
                newest.value = next.value.to_vec();
                (newest.sequence, newest.kind) = (next.sequence, next.kind);
            }
        }
        Ok(Some(newest))
    }

    /// Whether `key` lies before the range, and whether it lies after.
    fn outside(&self, key: &[u8]) -> (bool, bool) {
        let comparator = self.table.0.comparator;
        if comparator == Comparator::Raw {
            return (false, false);
        }
        let before = match &self.start {
            Bound::Unbounded => false,
            Bound::Included(start) => comparator.is_before(key, start),
            Bound::Excluded(start) => !comparator.is_before(start, key),
        };
        let after = match &self.end {
            Bound::Unbounded => false,
            Bound::Included(end) => comparator.is_before(end, key),
            Bound::Excluded(end) => !comparator.is_before(key, end),
        };
        (before, after)
    }

    fn step(&mut self) -> Result<Option<KeyValue>> {
        while let Some(version) = self.newest()? {
            let (before, after) = self.outside(&version.key);
            let (passed, early) = if self.reverse { (before, after) } else { (after, before) };
            if passed {
                break;
            }
            if early || self.table.0.is_range_deleted(&version.key, version.sequence)? {
                continue;
            }
            match version.kind {
                ForeignKind::Put => return Ok(Some((version.key, version.value))),
                ForeignKind::Tombstone | ForeignKind::SingleTombstone => {}
                kind => return Err(self.table.not_plain(&version.key, kind)),
            }
        }
        Ok(None)
    }
}

impl Iterator for ForeignRange {
    type Item = Result<KeyValue>;

    fn next(&mut self) -> Option<Result<KeyValue>> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

impl std::iter::FusedIterator for ForeignRange {}
