//! The live keys of a foreign table or database with their newest values.

use crate::comparator::Comparator;
use crate::cursor::ForeignCursor;
use crate::entry::{ForeignEntry, ForeignKind};
use crate::open::ForeignTable;
use crate::run::Run;
use esker::{Error, Result, prefix_end};
use std::cmp::Ordering;
use std::iter::FusedIterator;
use std::ops::Bound;

/// A key with its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// What live keys are found in.
pub(crate) trait Store {
    type Run: Run;
    /// What is known of the range deletions around a key.
    type Cover: Default;
    /// The order of the keys.
    fn order(&self) -> Comparator;
    /// A position over every entry.
    fn run(&self) -> Self::Run;
    /// Whether a range deletion hides `key` as of `sequence`.
    fn is_range_deleted(&self, cover: &mut Self::Cover, key: &[u8], sequence: u64) -> Result<bool>;
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
    /// What was found last.
    newest: Newest,
    cover: S::Cover,
    done: bool,
}

struct End<R> {
    run: R,
    is_new: bool,
    /// The last key that was looked at.
    last: Option<Vec<u8>>,
}

/// What the newest entry of a key says.
#[derive(Default)]
struct Newest {
    /// Its value, if it was found from the end: the run has gone past it. Found from the front, the
    /// run stands on it.
    value: Vec<u8>,
    sequence: u64,
    kind: Option<ForeignKind>,
}

impl Newest {
    fn set(&mut self, entry: &ForeignEntry<'_>) {
        (self.sequence, self.kind) = (entry.sequence, Some(entry.kind));
    }

    fn set_value(&mut self, entry: &ForeignEntry<'_>) {
        self.value.clear();
        self.value.extend_from_slice(entry.value);
        self.set(entry);
    }
}

impl<S: Store> Visible<S> {
    pub(crate) fn new(store: S, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> Visible<S> {
        let new = |run| End { run, is_new: true, last: None };
        let (front, back) = (new(store.run()), new(store.run()));
        let (newest, cover) = (Newest::default(), S::Cover::default());
        Visible { store, front, back, start, end, prefix: None, newest, cover, done: false }
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

    /// Moves the run of one end to its first entry.
    fn begin(&mut self, reverse: bool) -> Result<()> {
        let end = if reverse { &mut self.back } else { &mut self.front };
        end.is_new = false;
        match (reverse, &self.start, &self.end) {
            (false, Bound::Included(key) | Bound::Excluded(key), _) => end.run.to(key),
            (false, Bound::Unbounded, _) => end.run.to_first(),
            (true, _, Bound::Excluded(key)) => end.run.to_before(key),
            (true, _, Bound::Included(key)) => to_after(&mut end.run, key),
            (true, _, Bound::Unbounded) => end.run.to_last(),
        }
    }

    /// Moves the front to the newest version of the next key, past older ones of the last. Whether
    /// there is one.
    #[inline]
    fn find(&mut self) -> Result<bool> {
        if self.front.is_new {
            self.begin(false)?;
        } else {
            self.front.run.forth()?;
        }
        let (order, End { run, last, .. }) = (self.store.order(), &mut self.front);
        loop {
            let Some(entry) = run.entry() else { return Ok(false) };
            let Some(last) = last else { break };
            match order.compare(last, entry.key) {
                Some(Ordering::Equal) => run.forth()?,
                Some(Ordering::Greater) => return Err(self.store.out_of_order(entry.key)),
                Some(Ordering::Less) | None => break,
            }
        }
        let Some(entry) = run.entry() else { return Ok(false) };
        self.newest.set(&entry);
        set(last, entry.key);
        Ok(true)
    }

    /// Finds the newest version of the key before, from the end; the run goes past all its
    /// versions. Whether there is one.
    fn find_back(&mut self) -> Result<bool> {
        if self.back.is_new {
            self.begin(true)?;
        }
        let (order, End { run, last, .. }) = (self.store.order(), &mut self.back);
        let Some(entry) = run.entry() else { return Ok(false) };
        let is_misplaced = |last: &Vec<u8>| !order.is_before(entry.key, last);
        if order != Comparator::Raw && last.as_ref().is_some_and(is_misplaced) {
            return Err(self.store.out_of_order(entry.key));
        }
        self.newest.set_value(&entry);
        set(last, entry.key);
        // Newer versions stand first: backwards, they come last.
        loop {
            run.back()?;
            match run.entry().filter(|next| last.as_deref() == Some(next.key)) {
                Some(next) => self.newest.set_value(&next),
                None => return Ok(true),
            }
        }
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

    /// Finds the next live key; whether there is one.
    fn step(&mut self, reverse: bool) -> Result<bool> {
        while if reverse { self.find_back()? } else { self.find()? } {
            let end = if reverse { &self.back } else { &self.front };
            let (key, newest) = (end.last.as_deref().unwrap_or_default(), &self.newest);
            if self.meets(key, reverse) {
                break;
            }
            let (before, after) = self.outside(key);
            let (passed, early) = if reverse { (before, after) } else { (after, before) };
            if passed {
                break;
            }
            let other = self.prefix.as_ref().is_some_and(|prefix| !key.starts_with(prefix));
            let cover = &mut self.cover;
            if early || other || self.store.is_range_deleted(cover, key, newest.sequence)? {
                continue;
            }
            match newest.kind {
                Some(ForeignKind::Put) => return Ok(true),
                Some(ForeignKind::Tombstone | ForeignKind::SingleTombstone) | None => {}
                Some(kind) => return Err(self.store.not_plain(key, kind)),
            }
        }
        Ok(false)
    }

    /// The next live key with its value, lent until the next move.
    fn lend(&mut self, reverse: bool) -> Result<Option<(&[u8], &[u8])>> {
        if self.done {
            return Ok(None);
        }
        let step = self.step(reverse);
        self.done = !matches!(step, Ok(true));
        if !step? {
            return Ok(None);
        }
        if reverse {
            return Ok(self.back.last.as_deref().map(|key| (key, &self.newest.value[..])));
        }
        Ok(self.front.run.entry().map(|entry| (entry.key, entry.value)))
    }

    pub(crate) fn visit<E: From<Error>>(
        &mut self,
        reverse: bool,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        while let Some((key, value)) = self.lend(reverse)? {
            if !take(key, value)? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn advance(&mut self, reverse: bool) -> Option<Result<KeyValue>> {
        match self.lend(reverse) {
            Ok(None) => None,
            Ok(Some((key, value))) => Some(Ok((key.to_vec(), value.to_vec()))),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Lets `held` be `key`, in the memory that it has.
fn set(held: &mut Option<Vec<u8>>, key: &[u8]) {
    let held = held.get_or_insert_default();
    held.clear();
    held.extend_from_slice(key);
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

impl ForeignRange {
    /// Lends each key with its value to `take`, from the end if `is_backward`, until that gives
    /// `false`. Faster than the iterator, whose entries are their own.
    ///
    /// # Errors
    /// As the iterator's, and those of `take`.
    pub fn visit<E: From<Error>>(
        &mut self,
        is_backward: bool,
        take: impl FnMut(&[u8], &[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.0.visit(is_backward, take)
    }
}

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
    type Cover = ();

    fn order(&self) -> Comparator {
        self.comparator()
    }

    fn run(&self) -> ForeignCursor {
        self.cursor()
    }

    fn is_range_deleted(&self, (): &mut (), key: &[u8], sequence: u64) -> Result<bool> {
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
