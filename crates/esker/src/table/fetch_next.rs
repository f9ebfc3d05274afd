//! Bringing the block that a scan comes to next into the processor's caches, in step with the scan.

use super::read::Inner;
use crate::base::prefetch::LINE_BYTES;

/// After how many entries a scan fetches as much of the block that comes next.
const AHEAD_ENTRIES: usize = 4;

/// Most cache lines that it fetches for that: large values are left to the processor.
const AHEAD_LINES_MAX: usize = 12;

/// Before how many entries of the first block's end the next begins to be fetched, and how much.
const FIRST_AHEAD_ENTRIES: usize = 16;
const FIRST_AHEAD_LINES: usize = 32;

/// Which block comes next, and how much of it is fetched at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FetchNext {
    /// Number of that block, once a scan has gone from one to another.
    number: Option<usize>,
    /// Bytes of an entry of the block held, on average.
    entry_bytes: usize,
    /// How many cache lines are fetched at a time.
    lines: usize,
}

impl FetchNext {
    /// What comes after a search, before the scan goes from block to block.
    #[inline]
    pub(super) fn unknown() -> FetchNext {
        FetchNext::default()
    }

    /// Block `number` comes next, if there is such a block.
    #[inline]
    pub(super) fn is(&mut self, number: Option<usize>) {
        self.number = number;
    }

    /// The block held is one of `len` bytes and `count` entries.
    #[inline]
    pub(super) fn hold(&mut self, len: usize, count: usize) {
        if self.number.is_some() {
            self.entry_bytes = len / count;
            let lines = (AHEAD_ENTRIES * self.entry_bytes).div_ceil(LINE_BYTES);
            self.lines = lines.min(AHEAD_LINES_MAX);
        }
    }

    /// As entry `to` of block `held` comes up, which has `count`: fetches that part of the next
    /// block which is as far within. A scan that has not yet gone from block to block may stop
    /// soon, so it fetches only where the next block begins, when this one is near its end (that is
    /// the wrong one for a scan that goes down, which fetches from its second block on).
    #[inline(always)]
    pub(super) fn fetch(&self, table: &Inner, held: usize, count: usize, to: usize) {
        if to.is_multiple_of(AHEAD_ENTRIES) {
            self.fetch_part(table, held, count, to);
        }
    }

    #[inline(never)]
    fn fetch_part(&self, table: &Inner, held: usize, count: usize, to: usize) {
        if let Some(number) = self.number {
            let first = to * self.entry_bytes / LINE_BYTES;
            table.prefetch_block(number, first..first + self.lines);
        } else if let Some(past) = (to + FIRST_AHEAD_ENTRIES).checked_sub(count) {
            let first = past * FIRST_AHEAD_LINES / FIRST_AHEAD_ENTRIES;
            let lines = FIRST_AHEAD_LINES * AHEAD_ENTRIES / FIRST_AHEAD_ENTRIES;
            table.prefetch_block(held + 1, first..first + lines);
        }
    }
}
