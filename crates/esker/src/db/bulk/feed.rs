//! Entries on their way from who gathers them to who writes tables of them, within a bound.
//!
//! They go in pieces, each to the writer of its table, and its memory comes back for entries to
//! come. So a table is written while it is gathered, and the next one is gathered meanwhile.

use crate::base::sync::{Condvar, Mutex};
use crate::batch::WriteBatch;
use std::collections::VecDeque;
use std::sync::Arc;

/// Fewest pieces at the end that are worth a table of their own.
const SPLIT_PIECES: usize = 4;

/// Pieces of tables, from one thread to others.
pub struct Feed {
    state: Mutex<State>,
    changed: Condvar,
    bounds: Bounds,
}

/// How much there is at a time.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Bytes of a piece.
    pub piece_bytes: usize,
    /// Most bytes of all pieces, the one that is gathered among them. A single entry may be more.
    pub bytes: usize,
}

#[derive(Default)]
struct State {
    /// Pieces that no writer has yet, in order, each with the number of its table.
    pieces: VecDeque<(usize, WriteBatch)>,
    /// The table of what comes next, and the first that has no writer.
    open: usize,
    unclaimed: usize,
    /// Bytes of pieces that have not come back.
    bytes: usize,
    /// Memory that came back.
    spare: Vec<WriteBatch>,
    /// Nothing more comes.
    is_closed: bool,
    /// A writer failed, or all is given up.
    is_over: bool,
}

impl State {
    /// The next table without a writer.
    fn claim(&mut self) -> Option<usize> {
        let last = self.pieces.back().map(|(table, _)| *table)?;
        let table = self.unclaimed;
        if last < table && !(self.is_closed && self.split(last)) {
            return None;
        }
        self.unclaimed += 1;
        Some(table)
    }

    /// Makes another table of the latter half of what is left of the `last`, which at the end one
    /// writer would write alone. False if that is too little.
    fn split(&mut self, last: usize) -> bool {
        let left = self.pieces.iter().rev().take_while(|(table, _)| *table == last).count();
        let is_worth_it = left >= SPLIT_PIECES;
        if is_worth_it {
            let table = self.unclaimed;
            self.pieces.iter_mut().rev().take(left / 2).for_each(|piece| piece.0 = table);
        }
        is_worth_it
    }
}

impl Feed {
    /// Nothing yet.
    pub fn new(bounds: Bounds) -> Arc<Feed> {
        Arc::new(Feed { state: Mutex::default(), changed: Condvar::new(), bounds })
    }

    /// Hands over the next entries, unless all is over; those after them belong to another table if
    /// this `ends_table`.
    pub fn push(&self, entries: WriteBatch, ends_table: bool) {
        let mut state = self.state.lock();
        if state.is_over {
            return;
        }
        let table = state.open;
        state.open += usize::from(ends_table);
        state.bytes += entries.operations().len();
        state.pieces.push_back((table, entries));
        self.changed.notify_all();
    }

    /// Memory for the next entries, once there is room; `None` if all is over.
    pub fn room(&self) -> Option<WriteBatch> {
        let Bounds { piece_bytes, bytes } = self.bounds;
        let mut state = self.state.lock();
        while !state.is_over && state.bytes > 0 && state.bytes + piece_bytes > bytes {
            self.changed.wait(&mut state);
        }
        (!state.is_over).then(|| state.spare.pop().unwrap_or_default())
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Nothing of what came is wanted.
    pub fn give_up(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        state.pieces.clear();
        self.changed.notify_all();
    }

    /// Whether a writer failed, or all is given up.
    pub fn is_over(&self) -> bool {
        self.state.lock().is_over
    }
}

/// A writer's end of a [`Feed`]. If it goes before there are no more tables, the writer failed:
/// then all is over.
pub struct Taker {
    feed: Arc<Feed>,
    is_done: bool,
}

impl Taker {
    /// An end of `feed`.
    pub fn new(feed: Arc<Feed>) -> Taker {
        Taker { feed, is_done: false }
    }

    /// Waits for a table to write; `None` if there are no more, or all is over.
    pub fn next_table(&mut self) -> Option<usize> {
        let mut state = self.feed.state.lock();
        loop {
            if let Some(table) = state.claim() {
                return Some(table);
            }
            if state.is_over || state.is_closed {
                self.is_done = true;
                return None;
            }
            self.feed.changed.wait(&mut state);
        }
    }

    /// Waits for the next entries of `table`; `None` at its end, or if all is over.
    pub fn next_piece(&self, table: usize) -> Option<WriteBatch> {
        let mut state = self.feed.state.lock();
        loop {
            let first = state.pieces.iter().position(|piece| piece.0 == table);
            if let Some((_, entries)) = first.and_then(|at| state.pieces.remove(at)) {
                return Some(entries);
            }
            if state.open > table || state.is_closed || state.is_over {
                return None;
            }
            self.feed.changed.wait(&mut state);
        }
    }

    /// Gives back the memory of `entries`, which are written.
    pub fn give_back(&self, mut entries: WriteBatch) {
        let bytes = entries.operations().len();
        entries.clear();
        let mut state = self.feed.state.lock();
        state.bytes -= bytes;
        // That of a large entry is too much for others.
        if bytes <= 2 * self.feed.bounds.piece_bytes {
            state.spare.push(entries);
        }
        self.feed.changed.notify_all();
    }

    /// Whether a writer failed, or all is given up.
    pub fn is_over(&self) -> bool {
        self.feed.is_over()
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        if !self.is_done {
            self.feed.give_up();
        }
    }
}
