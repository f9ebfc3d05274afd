//! The live keys of a foreign table or database with their newest values.

use crate::comparator::Comparator;
use crate::cursor::ForeignCursor;
use crate::entry::ForeignKind;
use crate::open::ForeignTable;
use crate::run::Run;
use esker::{Error, Result, prefix_end};
use std::iter::FusedIterator;
use std::ops::Bound;

/// A key with its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// What live keys are found in.
pub(crate) trait Store {
    type Run: Run;
    /// The order of the keys.
    fn order(&self) -> Comparator;
    /// A position over every entry.
    fn run(&self) -> Self::Run;
    /// Whether a range deletion hides `key` as of `sequence`.
    fn is_range_deleted(&self, key: &[u8], sequence: u64) -> Result<bool>;
    /// The error for an entry whose value is not simply there.
    fn not_plain(&self, key: &[u8], kind: ForeignKind) -> Error;
    /// The error for `key` where it should not stand.
    fn out_of_order(&self, key: &[u8]) -> Error;
}

/// The newest value of each live key between two bounds, from both ends: no tombstones, no older
/// versions, nothing that a range deletion hides. After an error it yields nothing more.
pub(crate) struct Visible<S: Store> {
    store: S,
    front: End<S::Run>,
    back: End<S::Run>,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// What keys must begin with, in raw order, which knows no bounds.
    prefix: Option<Vec<u8>>,
    done: bool,
}

struct End<R> {
    run: R,
    is_new: bool,
    /// The last key that was looked at.
    last: Option<Vec<u8>>,
}

/// An entry of its own.
struct Newest {
    key: Vec<u8>,
    value: Vec<u8>,
    sequence: u64,
    kind: ForeignKind,
}

impl<S: Store> Visible<S> {
    pub(crate) fn new(store: S, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> Visible<S> {
        let new = |run| End { run, is_new: true, last: None };
        let (front, back) = (new(store.run()), new(store.run()));
        Visible { store, front, back, start, end, prefix: None, done: false }
    }

    /// The live keys that begin with `prefix`.
    pub(crate) fn with_prefix(store: S, prefix: &[u8]) -> Visible<S> {
        let from = Bound::Included(prefix.to_vec());
        let after = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let order = store.order();
        let (start, end) = match order {
            Comparator::Bytewise => (from, after),
            Comparator::Reverse => (after, from),
            Comparator::Raw => (Bound::Unbounded, Bound::Unbounded),
        };
        let mut all = Visible::new(store, start, end);
        all.prefix = (order == Comparator::Raw).then(|| prefix.to_vec());
        all
    }

    /// The newest version of the next key, from the end if `reverse`; the run goes past all its
    /// versions.
    fn newest(&mut self, reverse: bool) -> Result<Option<Newest>> {
        let end = if reverse { &mut self.back } else { &mut self.front };
        if end.is_new {
            end.is_new = false;
            match (reverse, &self.start, &self.end) {
                (false, Bound::Included(key) | Bound::Excluded(key), _) => end.run.to(key)?,
                (false, Bound::Unbounded, _) => end.run.to_first()?,
                (true, _, Bound::Excluded(key)) => end.run.to_before(key)?,
                (true, _, Bound::Included(key)) => to_after(&mut end.run, key)?,
                (true, _, Bound::Unbounded) => end.run.to_last()?,
            }
        }
        let Some(entry) = end.run.entry() else { return Ok(None) };
        let mut newest = Newest {
            key: entry.key.to_vec(),
            value: entry.value.to_vec(),
            sequence: entry.sequence,
            kind: entry.kind,
        };
        loop {
            if reverse {
                end.run.back()?
            } else {
                end.run.forth()?
            }
            let Some(next) = end.run.entry().filter(|next| next.key == newest.key) else { break };
            // Newer versions stand first: backwards, they come last.
            if reverse {
                newest.value.clear();
                newest.value.extend_from_slice(next.value);
                (newest.sequence, newest.kind) = (next.sequence, next.kind);
            }
        }
        Ok(Some(newest))
    }

    /// Whether `key` lies before the range, and whether it lies after.
    fn outside(&self, key: &[u8]) -> (bool, bool) {
        let order = self.store.order();
        if order == Comparator::Raw {
            return (false, false);
        }
        let before = match &self.start {
            Bound::Unbounded => false,
            Bound::Included(start) => order.is_before(key, start),
            Bound::Excluded(start) => !order.is_before(start, key),
        };
        let after = match &self.end {
            Bound::Unbounded => false,
            Bound::Included(end) => order.is_before(end, key),
            Bound::Excluded(end) => !order.is_before(key, end),
        };
        (before, after)
    }

    /// Whether the other end has been at `key`, or past it.
    fn meets(&self, key: &[u8], reverse: bool) -> bool {
        let other = if reverse { &self.front.last } else { &self.back.last };
        let Some(other) = other else { return false };
        match (self.store.order(), reverse) {
            (Comparator::Raw, _) => key == other,
            (order, false) => !order.is_before(key, other),
            (order, true) => !order.is_before(other, key),
        }
    }

    /// Notes that `key` was looked at; an error if it stands where it should not.
    fn note(&mut self, key: &[u8], reverse: bool) -> Result<()> {
        let order = self.store.order();
        let end = if reverse { &mut self.back } else { &mut self.front };
        let is_in_order = end.last.as_ref().is_none_or(|last| {
            let (low, high) = if reverse { (key, &last[..]) } else { (&last[..], key) };
            order == Comparator::Raw || order.is_before(low, high)
        });
        if !is_in_order {
            return Err(self.store.out_of_order(key));
        }
        let last = end.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    fn step(&mut self, reverse: bool) -> Result<Option<KeyValue>> {
        while let Some(newest) = self.newest(reverse)? {
            if self.meets(&newest.key, reverse) {
                break;
            }
            self.note(&newest.key, reverse)?;
            let (before, after) = self.outside(&newest.key);
            let (passed, early) = if reverse { (before, after) } else { (after, before) };
            if passed {
                break;
            }
            let other = self.prefix.as_ref().is_some_and(|prefix| !newest.key.starts_with(prefix));
            if early || other || self.store.is_range_deleted(&newest.key, newest.sequence)? {
                continue;
            }
            match newest.kind {
                ForeignKind::Put => return Ok(Some((newest.key, newest.value))),
                ForeignKind::Tombstone | ForeignKind::SingleTombstone => {}
                kind => return Err(self.store.not_plain(&newest.key, kind)),
            }
        }
        Ok(None)
    }

    pub(crate) fn advance(&mut self, reverse: bool) -> Option<Result<KeyValue>> {
        if self.done {
            return None;
        }
        let step = self.step(reverse).transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// Moves to the last entry whose key is at or before `key`.
fn to_after(run: &mut impl Run, key: &[u8]) -> Result<()> {
    run.to(key)?;
    while run.entry().is_some_and(|entry| entry.key == key) {
        run.forth()?;
    }
    if run.entry().is_some() { run.back() } else { run.to_last() }
}

/// The newest value of each live key of a table, from both ends: no tombstones, no older versions,
/// nothing that a range deletion hides. After an error it yields nothing more.
pub struct ForeignRange(Visible<ForeignTable>);

impl ForeignTable {
    /// All live keys, in the table's order.
    pub fn visible(&self) -> ForeignRange {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// The live keys between `start` and `end`. In raw order the bounds are not known to be
    /// bounds, and are passed over.
    pub fn range(&self, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> ForeignRange {
        ForeignRange(Visible::new(self.clone(), start, end))
    }

    /// The live keys that begin with `prefix`; in raw order all keys are looked at.
    pub fn prefix(&self, prefix: &[u8]) -> ForeignRange {
        ForeignRange(Visible::with_prefix(self.clone(), prefix))
    }
}

impl Store for ForeignTable {
    type Run = ForeignCursor;

    fn order(&self) -> Comparator {
        self.comparator()
    }

    fn run(&self) -> ForeignCursor {
        self.cursor()
    }

    fn is_range_deleted(&self, key: &[u8], sequence: u64) -> Result<bool> {
        self.0.is_range_deleted(key, sequence)
    }

    fn not_plain(&self, key: &[u8], kind: ForeignKind) -> Error {
        ForeignTable::not_plain(self, key, kind)
    }

    fn out_of_order(&self, key: &[u8]) -> Error {
        let (expected, found) = ("keys in order", format_args!("\"{}\"", key.escape_ascii()));
        Error::corruption(&self.0.name, 0, "order of entries", expected, found)
    }
}

impl Iterator for ForeignRange {
    type Item = Result<KeyValue>;

    fn next(&mut self) -> Option<Result<KeyValue>> {
        self.0.advance(false)
    }
}

impl DoubleEndedIterator for ForeignRange {
    fn next_back(&mut self) -> Option<Result<KeyValue>> {
        self.0.advance(true)
    }
}

impl FusedIterator for ForeignRange {}
