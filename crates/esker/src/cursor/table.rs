//! What one sequence number sees of a table, and of a level of tables.

use crate::base::error::Result;
use crate::base::key::ValueKind;
use crate::table::{Fill, TableCursor};
use crate::version::{Level, TableHandle, Version};
use std::sync::Arc;

/// What a sequence number sees of one table.
pub struct VisibleTable {
    cursor: TableCursor,
    sequence: u64,
    /// Every key has one version, and it is seen.
    is_plain: bool,
    /// As that, and no version is a tombstone.
    is_bare: bool,
    ingested_at: Option<u64>,
}

impl VisibleTable {
    /// What `sequence` sees of `handle`'s table.
    ///
    /// # Errors
    /// `Corruption` or `Io` if the table cannot be opened.
    #[inline]
    pub fn new(handle: &TableHandle, sequence: u64, fill: Fill) -> Result<VisibleTable> {
        let table = handle.table()?;
        let properties = table.properties();
        let ingested_at = handle.meta().ingested_at;
        let largest = ingested_at.unwrap_or(properties.largest_sequence);
        let is_plain = properties.entries == properties.keys && largest <= sequence;
        Ok(VisibleTable {
            is_plain,
            is_bare: is_plain && properties.tombstones == 0,
            cursor: table.into_cursor(fill),
            sequence,
            ingested_at,
        })
    }

    /// Whether `sequence` sees anything at all of what was ingested.
    fn is_hidden(&self) -> bool {
        self.ingested_at.is_some_and(|at| at > self.sequence)
    }

    pub(super) fn first(&mut self) -> Result<bool> {
        let on = self.cursor.first()?.is_some();
        self.settle_up(on)
    }

    pub(super) fn last(&mut self) -> Result<bool> {
        let on = self.cursor.last()?.is_some();
        self.settle_down(on)
    }

    #[inline]
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let on = self.cursor.go_to(key)?;
        if self.is_plain { Ok(on) } else { self.settle_up(on) }
    }

    pub(super) fn seek_before(&mut self, key: &[u8]) -> Result<bool> {
        let on = self.cursor.seek_before(key)?.is_some();
        self.settle_down(on)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<bool> {
        if self.is_plain {
            return self.cursor.advance();
        }
        self.cursor.go_to_oldest()?;
        let on = self.cursor.next()?.is_some();
        self.settle_up(on)
    }

    #[inline]
    pub(super) fn prev(&mut self) -> Result<bool> {
        if self.is_plain {
            return self.cursor.retreat();
        }
        self.cursor.go_to_newest()?;
        let on = self.cursor.prev()?.is_some();
        self.settle_down(on)
    }

    /// Whether all that the table's own cursor shows is to be seen, and sets its key.
    #[inline]
    pub(super) fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// The table's own cursor.
    #[inline]
    pub(super) fn cursor(&self) -> &TableCursor {
        &self.cursor
    }

    /// As [`VisibleTable::cursor`].
    #[inline]
    pub(super) fn cursor_mut(&mut self) -> &mut TableCursor {
        &mut self.cursor
    }

    /// From the newest version of a key, goes up to the first that is seen.
    fn settle_up(&mut self, mut on: bool) -> Result<bool> {
        if self.is_plain || self.is_hidden() {
            return Ok(on && self.is_plain);
        }
        let sequence = self.sequence_within();
        while on && self.cursor.sequence() > sequence {
            on = self.cursor.next()?.is_some();
        }
        Ok(on)
    }

    /// From any version of a key, goes to the newest that is seen, of this key or one before.
    fn settle_down(&mut self, mut on: bool) -> Result<bool> {
        if self.is_plain || self.is_hidden() {
            return Ok(on && self.is_plain);
        }
        let sequence = self.sequence_within();
        while on && !self.cursor.go_to_visible(sequence)? {
            self.cursor.go_to_newest()?;
            on = self.cursor.prev()?.is_some();
        }
        Ok(on)
    }

    /// The sequence number in terms of those in the file.
    fn sequence_within(&self) -> u64 {
        if self.ingested_at.is_some() { u64::MAX } else { self.sequence }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    #[inline]
    pub(super) fn kind(&self) -> ValueKind {
        self.cursor.kind()
    }
}

/// What a sequence number sees of a level of tables with disjoint ranges: one is open at a time.
pub struct LevelCursor {
    version: Arc<Version>,
    number: usize,
    sequence: u64,
    fill: Fill,
    at: usize,
    table: Option<VisibleTable>,
}

impl LevelCursor {
    /// What `sequence` sees of level `number` of `version`; not of level 0.
    pub fn new(version: Arc<Version>, number: usize, sequence: u64, fill: Fill) -> LevelCursor {
        LevelCursor { version, number, sequence, fill, at: 0, table: None }
    }

    fn level(&self) -> &Level {
        self.version.level(self.number)
    }

    /// The table under way.
    #[inline]
    pub(super) fn table(&self) -> Option<&VisibleTable> {
        self.table.as_ref()
    }

    /// As [`LevelCursor::table`].
    #[inline]
    pub(super) fn table_mut(&mut self) -> Option<&mut VisibleTable> {
        self.table.as_mut()
    }

    /// Opens table number `at`; `None` if there is no such table.
    #[inline]
    fn enter(&mut self, at: usize) -> Result<Option<&mut VisibleTable>> {
        if at != self.at || self.table.is_none() {
            // The one before goes first, so that the new one is made where it stays.
            self.table = None;
            self.at = at;
            let Some(handle) = self.level().tables().get(at) else { return Ok(None) };
            self.table = Some(VisibleTable::new(handle, self.sequence, self.fill)?);
        }
        Ok(self.table.as_mut())
    }

    /// While `on` is false, goes to the first key of the next table.
    fn settle_up(&mut self, mut on: bool) -> Result<bool> {
        while !on {
            match self.enter(self.at + 1)? {
                Some(table) => on = table.first()?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// While `on` is false, goes to the last key of the table before.
    fn settle_down(&mut self, mut on: bool) -> Result<bool> {
        while !on {
            let Some(before) = self.at.checked_sub(1) else { return Ok(false) };
            match self.enter(before)? {
                Some(table) => on = table.last()?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    pub(super) fn first(&mut self) -> Result<bool> {
        let Some(table) = self.enter(0)? else { return Ok(false) };
        let on = table.first()?;
        self.settle_up(on)
    }

    pub(super) fn last(&mut self) -> Result<bool> {
        let Some(last) = self.level().tables().len().checked_sub(1) else { return Ok(false) };
        let Some(table) = self.enter(last)? else { return Ok(false) };
        let on = table.last()?;
        self.settle_down(on)
    }

    #[inline]
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let at = self.level().lower_bound(key);
        let Some(table) = self.enter(at)? else { return Ok(false) };
        let on = table.seek(key)?;
        if on { Ok(true) } else { self.settle_up(false) }
    }

    pub(super) fn seek_before(&mut self, key: &[u8]) -> Result<bool> {
        let at = self.level().lower_bound(key);
        let Some(table) = self.enter(at)? else { return self.last() };
        let on = table.seek_before(key)?;
        self.settle_down(on)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<bool> {
        let Some(table) = &mut self.table else { return Ok(false) };
        let on = table.next()?;
        if on { Ok(true) } else { self.settle_up(false) }
    }

    #[inline]
    pub(super) fn prev(&mut self) -> Result<bool> {
        let Some(table) = &mut self.table else { return Ok(false) };
        let on = table.prev()?;
        if on { Ok(true) } else { self.settle_down(false) }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.table.as_ref().map_or(&[], VisibleTable::key)
    }

    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        self.table.as_ref().map_or(&[], VisibleTable::value)
    }

    #[inline]
    pub(super) fn kind(&self) -> ValueKind {
        self.table.as_ref().map_or(ValueKind::Tombstone, VisibleTable::kind)
    }
}
