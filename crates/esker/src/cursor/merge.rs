//! Many sources as one, both ways.
//!
//! # Invariants
//! - **C1** Going up, every source but the winner stands past the winner's key or at its end; going
//!   down, before it.
//! - **C2** The rival is the source that is next in line after the winner, if there is one.
//! - **C3** The entries of the winner's block that are in the run, and that the winner has not come
//!   by, are all to be seen, set their keys, and come before the rival's.

use super::Source;
use crate::base::error::Result;
use crate::base::key::{ValueKind, key_head};
use std::cmp::Ordering;
use std::ops::Range;

/// How many entries of the winner's block must follow before the rival, at least, for it to be
/// worth finding out how many they are.
const RUN_MIN: usize = 4;

/// The run of a winner that has none, whichever way it goes.
const NO_RUN: Range<usize> = Range { start: usize::MAX, end: 0 };

/// The union of the sources: each key once, with the version of the first source that has it.
///
/// As long as the winner stays ahead of the rival, a step costs one comparison of heads.
pub struct MergeCursor {
    sources: Vec<Placed>,
    winner: usize,
    rival: Option<usize>,
    is_upwards: bool,
    is_on: bool,
    /// The entries of the winner's block among which it can go on without a look at the others:
    /// going up those before the end, going down those from the start on. The other bound is such
    /// that there are none the other way. It is set only while the winner stands on an entry of a
    /// bare table, and whatever moves the winner, but for [`MergeCursor::run`] and
    /// [`MergeCursor::run_while`], clears it.
    run: Range<usize>,
}

/// A source, and the head of the key that it stands on, if it stands on one.
pub struct Placed {
    source: Source,
    head: Option<u64>,
}

impl From<Source> for Placed {
    fn from(source: Source) -> Placed {
        Placed { source, head: None }
    }
}

impl MergeCursor {
    /// The union of `sources`, newest first.
    pub fn new(sources: Vec<Placed>) -> MergeCursor {
        MergeCursor { sources, winner: 0, rival: None, is_upwards: true, is_on: false, run: NO_RUN }
    }

    /// Moves to the first key; false if there is none. So for every move.
    ///
    /// # Errors
    /// `Corruption` or `Io` of a source: the cursor stands nowhere then.
    pub fn first(&mut self) -> Result<bool> {
        self.place_all(true, Source::first)
    }

    /// Moves to the last key.
    pub fn last(&mut self) -> Result<bool> {
        self.place_all(false, Source::last)
    }

    /// Moves to the first key that is at least `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.place_all(true, |source| source.seek(key))
    }

    /// Moves to the last key below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<bool> {
        self.place_all(false, |source| source.seek_before(key))
    }

    /// Whether the next key, or going down the one before, is to be had of [`MergeCursor::run`].
    #[inline(always)]
    pub fn can_run(&self, is_upwards: bool) -> bool {
        let table = self.source().and_then(Source::table);
        table.is_some_and(|table| table.is_next_of(&self.run, is_upwards))
    }

    /// Moves on within the run of the winner, which no other source can come before: as
    /// [`MergeCursor::next`] or [`MergeCursor::prev`], and lends key and value. Only if
    /// [`MergeCursor::can_run`].
    #[inline(always)]
    pub fn run(&mut self, is_upwards: bool) -> Result<Option<(&[u8], &[u8])>> {
        let table = self.sources.get_mut(self.winner).and_then(|placed| placed.source.table_mut());
        match table.map(|table| table.go_near(is_upwards)).transpose() {
            Ok(entry) => Ok(entry),
            Err(error) => {
                (self.is_on, self.run) = (false, NO_RUN);
                Err(error)
            }
        }
    }

    /// As [`MergeCursor::run`], from key to key of the run, until `goes_on` says no to one; whether
    /// it said so to none. Does nothing where there is no run.
    #[inline(always)]
    pub fn run_while(
        &mut self,
        is_upwards: bool,
        goes_on: &mut impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool> {
        let table = self.sources.get_mut(self.winner).and_then(|placed| placed.source.table_mut());
        let Some(table) = table else { return Ok(true) };
        let moved = table.go_near_while(&self.run, is_upwards, goes_on);
        if moved.is_err() {
            (self.is_on, self.run) = (false, NO_RUN);
        }
        moved
    }

    /// Finds out whether bytes of the entry under way were lost, while it was lent.
    ///
    /// # Errors
    /// `Corruption` if they were: the cursor stands nowhere then.
    pub fn check(&mut self) -> Result<()> {
        let table = self.source().and_then(Source::table);
        let checked = table.map_or(Ok(()), |table| table.unless_lost(()));
        if checked.is_err() {
            (self.is_on, self.run) = (false, NO_RUN);
        }
        checked
    }

    /// Moves to the next key; only from one.
    #[inline]
    pub fn next(&mut self) -> Result<bool> {
        let is_turn = !self.is_upwards;
        if is_turn {
            self.turn(true)?;
        }
        let moved = self.sources[self.winner].source.next();
        self.step(moved, is_turn)
    }

    /// Moves to the key before; only from one.
    #[inline]
    pub fn prev(&mut self) -> Result<bool> {
        let is_turn = self.is_upwards;
        if is_turn {
            self.turn(false)?;
        }
        let moved = self.sources[self.winner].source.prev();
        self.step(moved, is_turn)
    }

    /// Whether the cursor stands on a key.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The key; only on one.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.source().map_or(&[], Source::key)
    }

    /// Key and value, empty for a tombstone; only on one.
    #[inline]
    pub fn entry(&self) -> (&[u8], &[u8]) {
        self.source().map_or((&[], &[]), Source::entry)
    }

    /// Whether the version sets or deletes the key. Not after [`MergeCursor::run`] or
    /// [`MergeCursor::run_while`], which give only what is set.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        self.source().map_or(ValueKind::Tombstone, Source::kind)
    }

    /// The winner.
    #[inline]
    fn source(&self) -> Option<&Source> {
        self.sources.get(self.winner).map(|placed| &placed.source)
    }

    fn place_all(
        &mut self,
        is_upwards: bool,
        mut place: impl FnMut(&mut Source) -> Result<bool>,
    ) -> Result<bool> {
        self.is_upwards = is_upwards;
        (self.is_on, self.run) = (false, NO_RUN);
        // Nobody compares the head of an only source, and it has no rival.
        if let [only] = &mut self.sources[..] {
            let on = place(&mut only.source)?;
            self.is_on = on;
            self.set_free(on);
            return Ok(on);
        }
        for i in 0..self.sources.len() {
            let on = place(&mut self.sources[i].source)?;
            self.note(i, on);
        }
        self.select()
    }

    #[inline]
    fn note(&mut self, i: usize, on: bool) {
        let placed = &mut self.sources[i];
        placed.head = on.then(|| key_head(placed.source.key()));
    }

    /// After a move of the winner, the first after a turn or not: is it still ahead?
    #[inline]
    fn step(&mut self, moved: Result<bool>, is_turn: bool) -> Result<bool> {
        (self.is_on, self.run) = (false, NO_RUN);
        let on = moved?;
        let Some(rival) = self.rival else {
            // Nobody looks at the winner's head before it is noted in a later step.
            self.is_on = on;
            self.set_free(on);
            return Ok(on);
        };
        self.note(self.winner, on);
        let order = if on { self.compare(self.winner, rival) } else { Ordering::Greater };
        match order {
            Ordering::Less => {
                let table = self.sources[self.winner].source.bare();
                if is_turn || table.is_some_and(|table| table.begins_block(self.is_upwards)) {
                    self.look_ahead();
                }
                self.is_on = true;
                Ok(true)
            }
            // By C2 none comes before the rival.
            Ordering::Greater => self.settle_on(rival),
            Ordering::Equal => self.select(),
        }
    }

    /// Which of two sources that stand on keys comes first in the direction of travel.
    #[inline]
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let (a, b) = (&self.sources[a], &self.sources[b]);
        let order = a.head.cmp(&b.head).then_with(|| a.source.key().cmp(b.source.key()));
        if self.is_upwards { order } else { order.reverse() }
    }

    /// Finds the winner.
    fn select(&mut self) -> Result<bool> {
        let standing = |i: &usize| self.sources[*i].head.is_some();
        let all = 0..self.sources.len();
        match all.filter(standing).min_by(|&a, &b| self.compare(a, b)) {
            Some(winner) => self.settle_on(winner),
            None => {
                self.rival = None;
                Ok(false)
            }
        }
    }

    /// Makes the source `winner` the winner, finds its rival, and moves the other sources past the
    /// winner's key.
    fn settle_on(&mut self, winner: usize) -> Result<bool> {
        self.winner = winner;
        let mut rival = None;
        for i in 0..self.sources.len() {
            if i == winner || self.sources[i].head.is_none() {
                continue;
            }
            if self.compare(i, winner) == Ordering::Equal {
                let source = &mut self.sources[i].source;
                let on = if self.is_upwards { source.next()? } else { source.prev()? };
                self.note(i, on);
                if !on {
                    continue;
                }
            }
            if rival.is_none_or(|r| self.compare(i, r) == Ordering::Less) {
                rival = Some(i);
            }
        }
        self.rival = rival;
        self.look_ahead();
        self.is_on = true;
        Ok(true)
    }

    /// Finds out for how long the winner stays ahead within its block.
    fn look_ahead(&mut self) {
        let Some(rival) = self.rival else { return self.set_free(true) };
        let key = self.sources[rival].source.key();
        let table = self.sources[self.winner].source.bare();
        let end = table.and_then(|table| table.run_end(key, RUN_MIN, self.is_upwards));
        self.run = end.map_or(NO_RUN, |end| self.run_to(end));
    }

    /// Sets the run of a winner without a rival, if it stands on a key.
    fn set_free(&mut self, is_on: bool) {
        let table = self.sources[self.winner].source.bare().filter(|_| is_on);
        self.run = table.map_or(NO_RUN, |table| self.run_to(table.block_end(self.is_upwards)));
    }

    /// The run that ends at entry `end` of the winner's block: going up it is the first that is not
    /// of the run, going down the last that is.
    fn run_to(&self, end: usize) -> Range<usize> {
        if self.is_upwards { usize::MAX..end } else { end..0 }
    }

    /// Brings the sources that do not win to the other side of the winner's key.
    fn turn(&mut self, is_upwards: bool) -> Result<()> {
        self.is_upwards = is_upwards;
        // An error leaves the sources on either side of the key: then the cursor stands nowhere.
        (self.is_on, self.run) = (false, NO_RUN);
        let key = self.key().to_vec();
        for i in 0..self.sources.len() {
            if i == self.winner {
                continue;
            }
            let source = &mut self.sources[i].source;
            let on = if is_upwards {
                let on = source.seek(&key)?;
                if on && source.key() == key { source.next()? } else { on }
            } else {
                source.seek_before(&key)?
            };
            self.note(i, on);
        }
        let others = (0..self.sources.len()).filter(|&i| i != self.winner);
        let others = others.filter(|&i| self.sources[i].head.is_some());
        self.rival = others.min_by(|&a, &b| self.compare(a, b));
        self.is_on = true;
        Ok(())
    }
}
