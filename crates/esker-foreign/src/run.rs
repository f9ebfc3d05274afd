//! Sorted runs of entries: what a merge is made of.

use crate::cursor::ForeignCursor;
use crate::entry::ForeignEntry;
use esker::Result;

/// A position in a sorted run of entries, moved both ways. After a move there is an entry, or the
/// run ended that way; a new run stands nowhere and has none.
pub(crate) trait Run: Send {
    /// Moves to the first entry.
    fn to_first(&mut self) -> Result<()>;
    /// Moves to the last entry.
    fn to_last(&mut self) -> Result<()>;
    /// Moves to the first entry whose key is at or after `key`.
    fn to(&mut self, key: &[u8]) -> Result<()>;
    /// Moves to the last entry whose key is before `key`.
    fn to_before(&mut self, key: &[u8]) -> Result<()>;
    /// Moves to the entry after the one that the run stands on.
    fn forth(&mut self) -> Result<()>;
    /// Moves to the entry before the one that the run stands on.
    fn back(&mut self) -> Result<()>;
    /// The entry that the run stands on.
    fn entry(&self) -> Option<ForeignEntry<'_>>;
    /// The key of that entry.
    fn key(&self) -> Option<&[u8]> {
        self.entry().map(|entry| entry.key)
    }
    /// Whether it stands on one.
    fn is_on(&self) -> bool {
        self.entry().is_some()
    }
}

impl Run for ForeignCursor {
    fn to_first(&mut self) -> Result<()> {
        self.first().map(drop)
    }

    fn to_last(&mut self) -> Result<()> {
        self.last().map(drop)
    }

    fn to(&mut self, key: &[u8]) -> Result<()> {
        self.seek(key).map(drop)
    }

    fn to_before(&mut self, key: &[u8]) -> Result<()> {
        self.seek_before(key).map(drop)
    }

    fn forth(&mut self) -> Result<()> {
        self.step()
    }

    fn back(&mut self) -> Result<()> {
        self.prev().map(drop)
    }

    fn entry(&self) -> Option<ForeignEntry<'_>> {
        self.current()
    }

    fn key(&self) -> Option<&[u8]> {
        self.key_here()
    }

    fn is_on(&self) -> bool {
        self.stands()
    }
}
