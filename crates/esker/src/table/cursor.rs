//! A position in a table, moved both ways over every entry.

use super::Table;
use super::ahead::ReadAhead;
use super::bytes::BlockBytes;
use super::fetch_next::FetchNext;
use super::index::Page;
use super::read::{Fill, Inner};
use crate::base::error::Result;
use crate::base::key::{Entry, ValueKind};
use crate::block::{BlockView, Layout};
use crate::index::Handle;
use std::cmp::Ordering;
use std::ops::Range;

/// A position in a table: shows every version and every tombstone, lends keys and values without
/// a copy, and can be moved both ways.
///
/// A new cursor stands beside both ends: [`next`](TableCursor::next) is the first entry,
/// [`prev`](TableCursor::prev) the last. A move says in one result whether there is an entry,
/// there is none, or reading failed. After `None`, and after an error, further moves the same way
/// give `None`.
///
/// # Examples
/// ```
/// use esker::{Table, TableWriter, WriteSettings};
/// let mut writer = TableWriter::new(Vec::new(), WriteSettings::default())?;
/// for key in ["a", "b", "c"] {
///     writer.put(key.as_bytes(), b"")?;
/// }
/// let mut cursor = Table::from_bytes(writer.finish()?.0)?.cursor();
/// assert_eq!(cursor.seek(b"aa")?.map(|entry| entry.key), Some(&b"b"[..]));
/// assert_eq!(cursor.next()?.map(|entry| entry.key), Some(&b"c"[..]));
/// assert_eq!(cursor.next()?, None);
/// # Ok::<(), esker::Error>(())
/// ```
pub struct TableCursor {
    table: Table,
    page: Page,
    /// Number of the block held.
    number: usize,
    handle: Handle,
    bytes: BlockBytes,
    /// Whether the table's bytes are memory that can be lost.
    can_be_lost: bool,
    layout: Layout,
    /// Number of the entry within the block.
    at: usize,
    /// Begins with the key of that entry, and that with the block's prefix.
    key: Vec<u8>,
    key_len: usize,
    /// What else that entry is: its value's place in the block, sequence number, kind.
    value: Range<usize>,
    sequence: u64,
    kind: ValueKind,
    state: State,
    fill: Fill,
    read_ahead: ReadAhead,
    next: FetchNext,
}

/// Bytes of a key that there is room for from the start.
const KEY_BYTES: usize = 64;

/// Cache lines of values that are fetched when a search has ended, before the key is put together.
const VALUE_LINES: usize = 8;

/// Cache lines of a block that a search of it looks at: its header and its heads.
const SEARCH_LINES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not yet moved.
    New,
    /// On an entry.
    On,
    /// Past the last entry.
    End,
    /// Before the first entry.
    Start,
    /// After an error.
    Failed,
}

impl Table {
    /// A cursor over every entry of the table; it keeps the table open.
    pub fn cursor(&self) -> TableCursor {
        self.clone().into_cursor(Fill::Keep)
    }

    /// As [`Table::cursor`], with what it does with blocks that it reads.
    #[inline]
    pub(crate) fn into_cursor(self, fill: Fill) -> TableCursor {
        TableCursor {
            can_be_lost: self.0.is_in_place,
            table: self,
            page: None,
            number: 0,
            handle: Handle::default(),
            bytes: BlockBytes::default(),
            layout: Layout::default(),
            at: 0,
            key: Vec::with_capacity(KEY_BYTES),
            key_len: 0,
            value: 0..0,
            sequence: 0,
            kind: ValueKind::Put,
            state: State::New,
            fill,
            read_ahead: ReadAhead::default(),
            next: FetchNext::unknown(),
        }
    }
}

impl TableCursor {
    /// Moves to the first entry.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; so for every move.
    pub fn first(&mut self) -> Result<Option<Entry<'_>>> {
        let moved = self.enter(Some(0), |_| Some(0), State::End);
        self.arrive(moved)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Result<Option<Entry<'_>>> {
        let last = self.inner().index.block_count().checked_sub(1);
        let moved = self.enter(last, |view| view.count().checked_sub(1), State::Start);
        self.arrive(moved)
    }

    /// Moves to the first entry whose key is at least `key`: the newest version of that key.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Entry<'_>>> {
        self.go_to(key)?;
        self.current()
    }

    /// As [`TableCursor::seek`]; true if there is an entry.
    #[inline]
    pub(crate) fn go_to(&mut self, key: &[u8]) -> Result<bool> {
        let moved = self.seek_to(key);
        self.settle(moved)
    }

    /// Moves to the last entry whose key is below `key`: the oldest version of that key.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<Option<Entry<'_>>> {
        let moved = self.seek_to(key).and_then(|()| match self.state {
            State::On => self.back(),
            _ => {
                let last = self.inner().index.block_count().checked_sub(1);
                self.enter(last, |view| view.count().checked_sub(1), State::Start)
            }
        });
        self.arrive(moved)
    }

    /// Moves to the next entry.
    #[expect(clippy::should_implement_trait, reason = "it lends what an iterator must own")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        self.advance()?;
        self.current()
    }

    /// As [`TableCursor::next`]; true if there is an entry.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool> {
        if self.state == State::On && self.at + 1 < self.layout.count() {
            self.at += 1;
            let moved = self.load_entry();
            return self.settle(moved);
        }
        self.advance_across()
    }

    /// As [`TableCursor::advance`], where the next entry is not in the block held.
    #[cold]
    fn advance_across(&mut self) -> Result<bool> {
        let moved = match self.state {
            State::On => {
                let next = self.number + 1;
                self.next.is(Some(next + 1));
                self.enter(Some(next), |_| Some(0), State::End)
            }
            State::New | State::Start => self.enter(Some(0), |_| Some(0), State::End),
            State::End | State::Failed => return Ok(false),
        };
        self.settle(moved)
    }

    /// Whether the next entry, or going down the one before, is one of `run`.
    #[inline(always)]
    pub(crate) fn is_next_of(&self, run: &Range<usize>, is_upwards: bool) -> bool {
        if is_upwards { self.at + 1 < run.end } else { self.at > run.start }
    }

    /// Where the entries of the block held end in that direction: going up their number, going down
    /// zero, the last that is of them.
    #[inline]
    pub(crate) fn block_end(&self, is_upwards: bool) -> usize {
        if is_upwards { self.layout.count() } else { 0 }
    }

    /// Where the entries end that follow this one in the block held and come before `key` in that
    /// direction: going up the first that is not of them, going down the last that is. `None` if
    /// they are fewer than `least` and not all to the block's end, or the block is corrupt. The
    /// table has one version of each key.
    pub(crate) fn run_end(&self, key: &[u8], least: usize, is_upwards: bool) -> Option<usize> {
        let view = self.view();
        let last = self.layout.count().saturating_sub(1);
        let (before, near, last) = match is_upwards {
            true => (Ordering::Less, (self.at + least).min(last), last),
            false => (Ordering::Greater, self.at.saturating_sub(least), 0),
        };
        let is_before = |at| view.compare_key(at, key) == Some(before);
        if !is_before(near) {
            return None;
        }
        if near == last || is_before(last) {
            return Some(self.block_end(is_upwards));
        }
        let at = view.lower_bound(key)?;
        let is_there =
            !is_upwards && at < view.count() && view.compare_key(at, key) == Some(Ordering::Equal);
        Some(at + usize::from(is_there))
    }

    /// Moves to the next entry, or going down to the one before, which must be in the block held
    /// and set its key; lends key and value. As [`TableCursor::advance`] in one piece: the block's
    /// bytes are found once, and sequence number and kind are left as they were: nobody asks for
    /// the one in a table that has one version of each key, nor for the other where it is known.
    /// Of an entry's meta only the kind is looked at: a number out of range goes unnoticed here.
    #[inline(always)]
    pub(crate) fn go_near(&mut self, is_upwards: bool) -> Result<(&[u8], &[u8])> {
        let to = if is_upwards { self.at + 1 } else { self.at.saturating_sub(1) };
        let inner = &*self.table.0;
        self.next.fetch(inner, self.number, self.layout.count(), to);
        let view = BlockView::new(inner.bytes(&self.bytes), &self.layout);
        let Some((key, value, range)) = view.write_put(to, &mut self.key) else {
            self.state = State::Failed;
            inner.unless_lost(())?;
            return Err(inner.corrupt(&self.handle, ("block entry", to as u64)));
        };
        (self.at, self.key_len, self.value) = (to, key.len(), range);
        if self.can_be_lost {
            inner.unless_lost(())?;
        }
        Ok((key, value))
    }

    /// As [`TableCursor::go_near`], from entry to entry of `run`, until `goes_on` says no to one;
    /// whether it said so to none. What is the same for all of a block is found once, and an entry
    /// whose bytes were lost while it was lent is an error.
    #[inline(always)]
    pub(crate) fn go_near_while(
        &mut self,
        run: &Range<usize>,
        is_upwards: bool,
        goes_on: &mut impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool> {
        let layout = self.layout;
        let inner = &*self.table.0;
        let bytes = inner.bytes(&self.bytes);
        let view = BlockView::new(bytes, &layout);
        let heads = view.heads().unwrap_or_default();
        let can_be_lost = self.can_be_lost;
        while self.is_next_of(run, is_upwards) {
            let to = if is_upwards { self.at + 1 } else { self.at.saturating_sub(1) };
            self.next.fetch(inner, self.number, layout.count(), to);
            let near = view.write_near_put(heads, to, &mut self.key);
            let put = near.or_else(|| view.write_far_put(to, &mut self.key));
            if let Some((key_len, range)) = put
                && let Some(key) = self.key.get(..key_len)
                && let Some(value) = bytes.get(range.clone())
            {
                (self.at, self.key_len, self.value) = (to, key_len, range);
                if can_be_lost {
                    inner.unless_lost(())?;
                }
                let is_more = goes_on(key, value);
                if can_be_lost {
                    inner.unless_lost(())?;
                }
                if !is_more {
                    return Ok(false);
                }
                continue;
            }
            self.state = State::Failed;
            inner.unless_lost(())?;
            return Err(inner.corrupt(&self.handle, ("block entry", to as u64)));
        }
        Ok(true)
    }

    /// Whether the entry is the first of its block in the direction of travel.
    #[inline]
    pub(crate) fn begins_block(&self, is_upwards: bool) -> bool {
        self.at == if is_upwards { 0 } else { self.layout.count().saturating_sub(1) }
    }

    /// Moves to the entry before.
    #[inline]
    pub fn prev(&mut self) -> Result<Option<Entry<'_>>> {
        self.retreat()?;
        self.current()
    }

    /// As [`TableCursor::prev`]; true if there is an entry.
    #[inline]
    pub(crate) fn retreat(&mut self) -> Result<bool> {
        if self.state == State::On && self.at > 0 {
            self.at -= 1;
            let moved = self.load_entry();
            return self.settle(moved);
        }
        self.retreat_across()
    }

    /// As [`TableCursor::retreat`], where the entry before is not in the block held.
    #[cold]
    fn retreat_across(&mut self) -> Result<bool> {
        let moved = match self.state {
            State::On => self.back(),
            State::New | State::End => return self.last().map(|entry| entry.is_some()),
            State::Start | State::Failed => return Ok(false),
        };
        self.settle(moved)
    }

    /// The entry that the cursor stands on.
    ///
    /// # Errors
    /// `Corruption` if the entry's bytes were lost: the file was cut short under a map, or the disk
    /// cannot read them again.
    #[inline]
    pub fn current(&self) -> Result<Option<Entry<'_>>> {
        if self.state != State::On {
            return Ok(None);
        }
        let (sequence, kind) = (self.sequence, self.kind);
        let entry = Entry { key: self.key(), value: self.value(), sequence, kind };
        self.unless_lost(Some(entry))
    }

    /// Moves to the newest version of the current key. Its versions share a block.
    pub(crate) fn go_to_newest(&mut self) -> Result<()> {
        while self.at > 0
            && self.view().same_key(self.at - 1, self.at).ok_or_else(|| self.broken())?
        {
            self.at -= 1;
        }
        self.load_entry()
    }

    /// Moves to the oldest version of the current key.
    pub(crate) fn go_to_oldest(&mut self) -> Result<()> {
        while self.at + 1 < self.layout.count()
            && self.view().same_key(self.at, self.at + 1).ok_or_else(|| self.broken())?
        {
            self.at += 1;
        }
        self.load_entry()
    }

    /// The key of the current entry; meaningless beside one.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.key_len).unwrap_or_default()
    }

    /// The value of the current entry.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.inner().bytes(&self.bytes).get(self.value.clone()).unwrap_or_default()
    }

    /// Sequence number of the current entry.
    #[inline]
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Moves to the newest version of the current key that `sequence` sees; false if there is none.
    pub(crate) fn go_to_visible(&mut self, sequence: u64) -> Result<bool> {
        self.go_to_newest()?;
        while self.sequence > sequence {
            let older = self.at + 1;
            let view = self.view();
            if older == view.count()
                || !view.same_key(self.at, older).ok_or_else(|| self.broken())?
            {
                return Ok(false);
            }
            self.at = older;
            self.load_entry()?;
        }
        Ok(true)
    }

    /// Kind of the current entry.
    #[inline]
    pub(crate) fn kind(&self) -> ValueKind {
        self.kind
    }

    /// Where the cursor stands: comparable among the cursors of one table.
    pub(super) fn position(&self) -> (usize, usize) {
        (self.number, self.at)
    }

    #[inline]
    fn inner(&self) -> &Inner {
        &self.table.0
    }

    #[inline]
    fn view(&self) -> BlockView<'_> {
        BlockView::new(self.inner().bytes(&self.bytes), &self.layout)
    }

    #[cold]
    fn broken(&self) -> crate::Error {
        self.inner().corrupt(&self.handle, ("block entry", self.at as u64))
    }

    /// `value`, unless bytes were lost that it may have been made of.
    #[inline(always)]
    pub(crate) fn unless_lost<T>(&self, value: T) -> Result<T> {
        if !self.can_be_lost {
            return Ok(value);
        }
        self.inner().unless_lost(value)
    }

    /// Ends a move: the entry arrived at, or the failure for good.
    #[inline]
    fn arrive(&mut self, moved: Result<()>) -> Result<Option<Entry<'_>>> {
        self.settle(moved)?;
        self.current()
    }

    /// Ends a move: whether there is an entry, or the failure for good.
    #[inline]
    fn settle(&mut self, moved: Result<()>) -> Result<bool> {
        let is_on = self.state == State::On;
        match moved.and_then(|()| self.unless_lost(is_on)) {
            Ok(is_on) => Ok(is_on),
            Err(error) => self.fail(error),
        }
    }

    #[cold]
    fn fail(&mut self, error: crate::Error) -> Result<bool> {
        self.state = State::Failed;
        // Bytes that were lost make nonsense; the loss is the cause to report.
        self.unless_lost(())?;
        Err(error)
    }

    fn back(&mut self) -> Result<()> {
        if self.at > 0 {
            self.at -= 1;
            return self.load_entry();
        }
        let before = self.number.checked_sub(1);
        self.next.is(self.number.checked_sub(2));
        self.enter(before, |view| view.count().checked_sub(1), State::Start)
    }

    fn seek_to(&mut self, key: &[u8]) -> Result<()> {
        self.next = FetchNext::unknown();
        let Some((number, handle)) = self.inner().index.find(self.inner(), key)? else {
            return self.enter(Some(0), |_| Some(0), State::End);
        };
        self.inner().prefetch_block(number, 0..SEARCH_LINES);
        if self.state != State::On || number != self.number {
            self.load_block_at(number, handle)?;
        }
        let view = self.view();
        let at = view.lower_bound(key).ok_or_else(|| self.broken())?;
        if at == view.count() {
            return self.enter(Some(number + 1), |_| Some(0), State::End);
        }
        view.prefetch_values(at, VALUE_LINES);
        (self.at, self.state) = (at, State::On);
        self.load_entry()
    }

    /// Enters block `number` at the entry that `choose` names, or ends in `end` if there is no
    /// such block.
    fn enter(
        &mut self,
        number: Option<usize>,
        choose: impl FnOnce(BlockView<'_>) -> Option<usize>,
        end: State,
    ) -> Result<()> {
        let held = self.state == State::On && number == Some(self.number);
        if !held && !self.load_block(number)? {
            self.state = end;
            return Ok(());
        }
        self.at = choose(self.view()).ok_or_else(|| self.broken())?;
        self.state = State::On;
        self.load_entry()
    }

    /// Reads block `number`; false if there is none.
    fn load_block(&mut self, number: Option<usize>) -> Result<bool> {
        let inner = &*self.table.0;
        let Some(number) = number else { return Ok(false) };
        let Some(handle) = inner.index.handle(inner, number, &mut self.page)? else {
            return Ok(false);
        };
        self.load_block_at(number, handle)?;
        Ok(true)
    }

    /// Reads block `number`, which is at `handle`.
    fn load_block_at(&mut self, number: usize, handle: Handle) -> Result<()> {
        let inner = &*self.table.0;
        let bytes = match inner.cached(number, self.fill) {
            Some(pinned) => BlockBytes::Cached(pinned),
            None => {
                let (reuse, ahead) = (std::mem::take(&mut self.bytes), &mut self.read_ahead);
                inner.read_uncached(number, &handle, reuse, self.fill, Some(ahead))?
            }
        };
        self.bytes = bytes.unpinned();
        match self.bytes.layout() {
            Some(layout) => self.layout = *layout,
            None => self.layout = inner.layout(&self.bytes, &handle)?,
        }
        self.number = number;
        self.handle = handle;
        let bytes = inner.bytes(&self.bytes);
        self.next.hold(bytes.len(), self.layout.count());
        BlockView::new(bytes, &self.layout).write_prefix(&mut self.key);
        Ok(())
    }

    /// Decodes the entry that `at` names.
    #[inline]
    fn load_entry(&mut self) -> Result<()> {
        let view = BlockView::new(self.table.0.bytes(&self.bytes), &self.layout);
        let loaded = view.write_key(self.at, &mut self.key);
        let (Some(key_len), Some(value), Some((sequence, kind))) =
            (loaded, view.value_range(self.at), view.meta(self.at))
        else {
            return Err(self.broken());
        };
        self.key_len = key_len;
        (self.value, self.sequence, self.kind) = (value, sequence, kind);
        Ok(())
    }
}
