//! Keys and values in order: a cursor that lends, an iterator that owns.

use super::Handle;
use super::view::View;
use crate::base::error::Result;
use crate::base::key::{ValueKind, prefix_end};
use crate::cursor::MergeCursor;
use crate::table::Fill;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// What a scan looks at: all layers of one moment, up to one sequence number.
#[derive(Clone)]
pub(super) struct Pinned {
    pub(super) view: Arc<View>,
    pub(super) sequence: u64,
    #[expect(dead_code, reason = "keeps the database open")]
    pub(super) keeps: Option<Arc<Handle>>,
}

/// A position among the live keys of one moment, moved both ways; lends keys and values.
///
/// A new cursor stands nowhere. A move says in one result whether there is an entry, there is none,
/// or reading failed. After `None` and after an error, it stands nowhere: moves other than by place
/// ([`DbCursor::first`], [`DbCursor::last`], [`DbCursor::seek`], [`DbCursor::seek_before`]) give
/// `None`.
///
/// # Examples
/// ```
/// use esker::{Db, Settings};
/// let directory = tempfile::tempdir().unwrap();
/// let db = Db::open(directory.path(), Settings::default())?;
/// for key in ["a", "b", "c"] {
///     db.put(key.as_bytes(), b"1")?;
/// }
/// let mut cursor = db.cursor();
/// assert_eq!(cursor.seek(b"aa")?, Some((&b"b"[..], &b"1"[..])));
/// assert_eq!(cursor.prev()?.map(|entry| entry.0), Some(&b"a"[..]));
/// assert_eq!(cursor.prev()?, None);
/// # Ok::<(), esker::Error>(())
/// ```
pub struct DbCursor {
    pinned: Pinned,
    /// Made at the first move.
    merge: Option<MergeCursor>,
}

/// A key and its value, lent.
type Lent<'a> = (&'a [u8], &'a [u8]);

impl DbCursor {
    pub(super) fn new(pinned: Pinned) -> DbCursor {
        DbCursor { pinned, merge: None }
    }

    #[inline]
    fn merge(&mut self) -> Result<&mut MergeCursor> {
        match &mut self.merge {
            Some(merge) => Ok(merge),
            none => Ok(none.insert(self.pinned.view.cursor(self.pinned.sequence, Fill::Keep)?)),
        }
    }

    /// Moves to the first key.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a table cannot be read; so for every move.
    pub fn first(&mut self) -> Result<Option<Lent<'_>>> {
        let moved = self.merge()?.first();
        self.settle(moved, MergeCursor::next)
    }

    /// Moves to the last key.
    pub fn last(&mut self) -> Result<Option<Lent<'_>>> {
        let moved = self.merge()?.last();
        self.settle(moved, MergeCursor::prev)
    }

    /// Moves to the first key that is at least `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Lent<'_>>> {
        let moved = self.merge()?.seek(key);
        self.settle(moved, MergeCursor::next)
    }

    /// Moves to the last key below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<Option<Lent<'_>>> {
        let moved = self.merge()?.seek_before(key);
        self.settle(moved, MergeCursor::prev)
    }

    /// Moves to the next key.
    #[expect(clippy::should_implement_trait, reason = "it lends what an iterator must own")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Lent<'_>>> {
        let Some(merge) = &mut self.merge else { return Ok(None) };
        if merge.can_run(true) {
            return merge.run(true);
        }
        next_merged(merge)
    }

    /// Moves to the key before.
    #[inline]
    pub fn prev(&mut self) -> Result<Option<Lent<'_>>> {
        let Some(merge) = &mut self.merge else { return Ok(None) };
        if merge.can_run(false) {
            return merge.run(false);
        }
        prev_merged(merge)
    }

    /// Moves on from key to key, and lends each with its value to `goes_on`, until that says no:
    /// there the cursor stands then; on none if it never does. The key that it stands on before is
    /// not lent. Faster than [`DbCursor::next`] for each.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a table cannot be read, or its file was cut short while an entry was
    /// lent, which then is not to be relied on.
    ///
    /// # Examples
    /// ```
    /// use esker::{Db, Settings};
    /// let directory = tempfile::tempdir().unwrap();
    /// let db = Db::open(directory.path(), Settings::default())?;
    /// for key in ["a", "b", "c", "d"] {
    ///     db.put(key.as_bytes(), b"1")?;
    /// }
    /// let mut cursor = db.cursor();
    /// let mut keys = Vec::new();
    /// if let Some((first, _)) = cursor.first()? {
    ///     keys.push(first.to_vec());
    ///     cursor.next_while(|key, _| {
    ///         keys.push(key.to_vec());
    ///         key < &b"c"[..]
    ///     })?;
    /// }
    /// assert_eq!(keys, [b"a", b"b", b"c"]);
    /// assert_eq!(cursor.next()?.map(|entry| entry.0), Some(&b"d"[..]));
    /// # Ok::<(), esker::Error>(())
    /// ```
    #[inline]
    pub fn next_while(&mut self, goes_on: impl FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.go_while(true, next_merged, goes_on)
    }

    /// As [`DbCursor::next_while`], to the keys before.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a table cannot be read.
    #[inline]
    pub fn prev_while(&mut self, goes_on: impl FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.go_while(false, prev_merged, goes_on)
    }

    /// Runs as far as it can, takes one step with `step` where it cannot, and so on until `goes_on`
    /// says no.
    #[inline(always)]
    fn go_while(
        &mut self,
        is_upwards: bool,
        step: fn(&mut MergeCursor) -> Result<Option<Lent<'_>>>,
        mut goes_on: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        let Some(merge) = &mut self.merge else { return Ok(()) };
        while merge.run_while(is_upwards, &mut goes_on)? {
            let Some((key, value)) = step(merge)? else { return Ok(()) };
            let is_more = goes_on(key, value);
            merge.check()?;
            if !is_more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The key and value that the cursor stands on.
    #[inline]
    pub fn current(&self) -> Option<Lent<'_>> {
        let merge = self.merge.as_ref().filter(|merge| merge.is_on())?;
        Some(merge.entry())
    }

    /// Goes on past tombstones.
    #[inline]
    fn settle(
        &mut self,
        moved: Result<bool>,
        go: fn(&mut MergeCursor) -> Result<bool>,
    ) -> Result<Option<Lent<'_>>> {
        let mut on = moved?;
        let Some(merge) = &mut self.merge else { return Ok(None) };
        while on && merge.kind() == ValueKind::Tombstone {
            on = go(merge)?;
        }
        Ok(on.then(|| merge.entry()))
    }
}

/// Moves to the next key that is not deleted.
fn next_merged(merge: &mut MergeCursor) -> Result<Option<Lent<'_>>> {
    while merge.is_on() && merge.next()? {
        if merge.kind() == ValueKind::Put {
            return Ok(Some(merge.entry()));
        }
    }
    Ok(None)
}

/// Moves to the key before that is not deleted.
fn prev_merged(merge: &mut MergeCursor) -> Result<Option<Lent<'_>>> {
    while merge.is_on() && merge.prev()? {
        if merge.kind() == ValueKind::Put {
            return Ok(Some(merge.entry()));
        }
    }
    Ok(None)
}

/// The live keys of a range with their values, in order, from both ends, as of one moment.
///
/// Owns its view and its items. After an error it yields nothing more, from either end.
pub struct DbRange {
    front: DbCursor,
    back: DbCursor,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// The last key that each end has yielded.
    front_key: Option<Vec<u8>>,
    back_key: Option<Vec<u8>>,
    is_done: bool,
}

type KeyValue = (Vec<u8>, Vec<u8>);

impl DbRange {
    pub(super) fn new<K: AsRef<[u8]>>(pinned: Pinned, bounds: impl RangeBounds<K>) -> DbRange {
        let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        DbRange::between(pinned, owned(bounds.start_bound()), owned(bounds.end_bound()))
    }

    pub(super) fn with_prefix(pinned: Pinned, prefix: &[u8]) -> DbRange {
        let end = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        DbRange::between(pinned, Bound::Included(prefix.to_vec()), end)
    }

    fn between(pinned: Pinned, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> DbRange {
        DbRange {
            front: DbCursor::new(pinned.clone()),
            back: DbCursor::new(pinned),
            start,
            end,
            front_key: None,
            back_key: None,
            is_done: false,
        }
    }

    fn advance(&mut self) -> Result<Option<KeyValue>> {
        let found = match (&self.front_key, &self.start) {
            (Some(_), _) => self.front.next()?,
            (None, Bound::Unbounded) => self.front.first()?,
            (None, Bound::Included(key)) => self.front.seek(key)?,
            (None, Bound::Excluded(key)) => match self.front.seek(key)? {
                Some((found, _)) if found == key => self.front.next()?,
                _ => self.front.current(),
            },
        };
        let Some((key, value)) = found else { return Ok(None) };
        let is_inside = match &self.end {
            Bound::Unbounded => true,
            Bound::Included(end) => key <= &end[..],
            Bound::Excluded(end) => key < &end[..],
        };
        if !is_inside || self.back_key.as_deref().is_some_and(|back| key >= back) {
            return Ok(None);
        }
        let item = (key.to_vec(), value.to_vec());
        remember(&mut self.front_key, &item.0);
        Ok(Some(item))
    }

    fn retreat(&mut self) -> Result<Option<KeyValue>> {
        let found = match (&self.back_key, &self.end) {
            (Some(_), _) => self.back.prev()?,
            (None, Bound::Unbounded) => self.back.last()?,
            (None, Bound::Excluded(key)) => self.back.seek_before(key)?,
            (None, Bound::Included(key)) => match self.back.seek(key)? {
                Some((found, _)) if found == key => self.back.current(),
                _ => self.back.seek_before(key)?,
            },
        };
        let Some((key, value)) = found else { return Ok(None) };
        let is_inside = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => key >= &start[..],
            Bound::Excluded(start) => key > &start[..],
        };
        if !is_inside || self.front_key.as_deref().is_some_and(|front| key <= front) {
            return Ok(None);
        }
        let item = (key.to_vec(), value.to_vec());
        remember(&mut self.back_key, &item.0);
        Ok(Some(item))
    }

    fn step(
        &mut self,
        go: fn(&mut DbRange) -> Result<Option<KeyValue>>,
    ) -> Option<Result<KeyValue>> {
        if self.is_done {
            return None;
        }
        let found = go(self).transpose();
        self.is_done = !matches!(found, Some(Ok(_)));
        found
    }
}

fn remember(place: &mut Option<Vec<u8>>, key: &[u8]) {
    let place = place.get_or_insert_default();
    place.clear();
    place.extend_from_slice(key);
}

impl Iterator for DbRange {
    type Item = Result<KeyValue>;

    fn next(&mut self) -> Option<Result<KeyValue>> {
        self.step(DbRange::advance)
    }
}

impl DoubleEndedIterator for DbRange {
    fn next_back(&mut self) -> Option<Result<KeyValue>> {
        self.step(DbRange::retreat)
    }
}

impl std::iter::FusedIterator for DbRange {}
