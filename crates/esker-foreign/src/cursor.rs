//! A position in a foreign table, moved both ways over every entry.

use crate::block::{Block, Values};
use crate::comparator::Comparator;
use crate::entry::{ForeignEntry, TRAILER_LEN, split};
use crate::footer::BlockHandle;
use crate::open::ForeignTable;
use crate::read::Window;
use esker::Result;

/// A position in a foreign table: shows every version and every tombstone, and lends keys and
/// values. Range deletions are not among its entries.
///
/// A new cursor stands beside both ends: [`next`](ForeignCursor::next) is the first entry,
/// [`prev`](ForeignCursor::prev) the last. After `None`, and after an error, further moves the
/// same way give `None`.
pub struct ForeignCursor {
    table: ForeignTable,
    block: Block,
    window: Window,
    /// Number of the block held.
    number: usize,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    On,
    End,
    Start,
    Failed,
}

impl ForeignTable {
    /// A cursor over every entry of the table; it keeps the table open.
    pub fn cursor(&self) -> ForeignCursor {
        let (table, block) = (self.clone(), Block::default());
        let window = Window::default();
        ForeignCursor { table, block, window, number: 0, at: 0, state: State::New }
    }
}

impl ForeignCursor {
    /// Moves to the first entry.
    ///
    /// # Errors
    /// `Corruption`, `Unsupported` or `Io` if a block cannot be read; so for every move.
    pub fn first(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.forward_from(0);
        self.arrive(moved)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.backward_from(self.table.0.index.len());
        self.arrive(moved)
    }

    /// Moves to the first entry whose key is at or after `key`; in raw order, to the first entry.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<ForeignEntry<'_>>> {
        let moved = self.seek_to(key);
        self.arrive(moved)
    }

    /// Moves to the last entry whose key is before `key`; in raw order, to the last entry.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<Option<ForeignEntry<'_>>> {
        if self.table.0.comparator == Comparator::Raw {
            return self.last();
        }
        let moved = self.seek_to(key).and_then(|()| match self.state {
            State::On => self.back(),
            _ => self.backward_from(self.table.0.index.len()),
        });
        self.arrive(moved)
    }

    /// Moves to the next entry.
    #[expect(clippy::should_implement_trait, reason = "it lends what an iterator must own")]
    pub fn next(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        self.step()?;
        Ok(self.current())
    }

    /// Moves to the next entry, without a look at it.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        let moved = match self.state {
            State::On if self.at + 1 < self.block.count() => {
                self.at += 1;
                Ok(())
            }
            State::On => self.forward_from(self.number + 1),
            State::New | State::Start => self.forward_from(0),
            State::End | State::Failed => return Ok(()),
        };
        self.check(moved)
    }

    /// The key of the entry that the cursor stands on.
    #[inline]
    pub(crate) fn key_here(&self) -> Option<&[u8]> {
        let key = self.block.key(self.at);
        let key = key.len().checked_sub(TRAILER_LEN).and_then(|end| key.get(..end));
        key.filter(|_| self.state == State::On)
    }

    /// Whether the cursor stands on an entry.
    pub(crate) fn stands(&self) -> bool {
        self.state == State::On
    }

    /// Moves to the entry before.
    pub fn prev(&mut self) -> Result<Option<ForeignEntry<'_>>> {
        let moved = match self.state {
            State::On => self.back(),
            State::New | State::End => return self.last(),
            State::Start | State::Failed => return Ok(None),
        };
        self.arrive(moved)
    }

    fn back(&mut self) -> Result<()> {
        if self.at > 0 {
            self.at -= 1;
            return Ok(());
        }
        self.backward_from(self.number)
    }

    fn seek_to(&mut self, key: &[u8]) -> Result<()> {
        let comparator = self.table.0.comparator;
        self.forward_from(self.table.0.block_for(key))?;
        while self.state == State::On {
            let is_before = |i: usize| {
                split(self.block.key(i)).is_some_and(|(k, ..)| comparator.is_before(k, key))
            };
            if let Some(at) = (self.at..self.block.count()).find(|&i| !is_before(i)) {
                self.at = at;
                return Ok(());
            }
            self.forward_from(self.number + 1)?;
        }
        Ok(())
    }

    /// Enters the first block from `number` on that has an entry, at its first.
    fn forward_from(&mut self, number: usize) -> Result<()> {
        for number in number..self.table.0.index.len() {
            self.load(number)?;
            if self.block.count() > 0 {
                (self.at, self.state) = (0, State::On);
                return Ok(());
            }
        }
        self.state = State::End;
        Ok(())
    }

    /// Enters the last block below `number` that has an entry, at its last.
    fn backward_from(&mut self, number: usize) -> Result<()> {
        for number in (0..number).rev() {
            self.load(number)?;
            if let Some(last) = self.block.count().checked_sub(1) {
                (self.at, self.state) = (last, State::On);
                return Ok(());
            }
        }
        self.state = State::Start;
        Ok(())
    }

    fn load(&mut self, number: usize) -> Result<()> {
        let handle = self.handle(number);
        let inner = &*self.table.0;
        self.number = number;
        let spare = std::mem::take(&mut self.block);
        let read = inner.next_entries(&handle, Values::Plain, &mut self.window, spare);
        self.block = match read {
            Ok(block) => block,
            Err(error) => {
                let keys = self.keys_of(number);
                inner.losses.accept(&inner.name, handle.offset, error, keys)?;
                Block::default()
            }
        };
        if let Some(mask) = &inner.mask {
            self.block.unmask(mask);
        }
        Ok(())
    }

    /// What can be told of the keys of a block that cannot be read.
    fn keys_of(&self, number: usize) -> String {
        let key = |number: usize| self.table.0.index.get(number).map(|(key, _)| key.escape_ascii());
        let last = key(number).map(|key| format!(" to \"{key}\"")).unwrap_or_default();
        match number.checked_sub(1).and_then(key) {
            Some(before) => format!("what it holds of the keys behind \"{before}\"{last}"),
            None => format!("what it holds of the keys up{last}"),
        }
    }

    fn handle(&self, number: usize) -> BlockHandle {
        self.table.0.index.get(number).map(|(_, handle)| *handle).unwrap_or_default()
    }

    /// Ends a move: the entry arrived at, or the failure for good.
    fn arrive(&mut self, moved: Result<()>) -> Result<Option<ForeignEntry<'_>>> {
        self.check(moved)?;
        Ok(self.current())
    }

    /// The failure of a move for good, be it of the entry arrived at.
    fn check(&mut self, moved: Result<()>) -> Result<()> {
        let is_short = || self.block.key(self.at).len() < TRAILER_LEN;
        let checked = match moved {
            Ok(()) if self.state == State::On && is_short() => {
                Err(self.table.0.broken(&self.handle(self.number), "key length"))
            }
            moved => moved,
        };
        if checked.is_err() {
            self.state = State::Failed;
        }
        checked
    }

    /// The entry that the cursor stands on.
    #[inline]
    pub fn current(&self) -> Option<ForeignEntry<'_>> {
        if self.state != State::On {
            return None;
        }
        let (key, sequence, kind) = split(self.block.key(self.at))?;
        let sequence = self.table.0.global_sequence.unwrap_or(sequence);
        Some(ForeignEntry { key, value: self.block.value(self.at), sequence, kind })
    }
}
