//! Several sorted runs as one.

use crate::comparator::Comparator;
use crate::entry::ForeignEntry;
use crate::memory::MemoryRun;
use crate::run::Run;
use crate::tables::LevelRun;
use esker::Result;
use std::cmp::Ordering;

/// Runs merged: entries by key, the newest first; of the same key and sequence number, those of
/// the first run first.
pub(crate) struct Merge {
    runs: Vec<Part>,
    /// What decides most comparisons, for each run.
    heads: Vec<Head>,
    order: Comparator,
    /// Numbers of runs as a binary heap: the run under way is on top.
    heap: Vec<usize>,
    /// The key of the run that comes next, if there is one: until it is reached, the run on top
    /// stays there.
    rival: Option<Vec<u8>>,
    is_backward: bool,
}

/// One run of a merge. No trait object: the moves of a scan are then in one piece of code.
pub(crate) enum Part {
    /// What logs hold.
    Memory(MemoryRun),
    /// Tables of a level.
    Level(LevelRun),
}

macro_rules! part {
    ($part:expr, $run:ident => $move:expr) => {
        match $part {
            Part::Memory($run) => $move,
            Part::Level($run) => $move,
        }
    };
}

impl Run for Part {
    fn to_first(&mut self) -> Result<()> {
        part!(self, run => run.to_first())
    }

    fn to_last(&mut self) -> Result<()> {
        part!(self, run => run.to_last())
    }

    fn to(&mut self, key: &[u8]) -> Result<()> {
        part!(self, run => run.to(key))
    }

    fn to_before(&mut self, key: &[u8]) -> Result<()> {
        part!(self, run => run.to_before(key))
    }

    #[inline]
    fn forth(&mut self) -> Result<()> {
        part!(self, run => run.forth())
    }

    fn back(&mut self) -> Result<()> {
        part!(self, run => run.back())
    }

    #[inline]
    fn entry(&self) -> Option<ForeignEntry<'_>> {
        part!(self, run => run.entry())
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        part!(self, run => run.key())
    }

    #[inline]
    fn is_on(&self) -> bool {
        part!(self, run => run.is_on())
    }
}

/// The start of a run's key as a number: lower ones come first, the way the merge goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    /// Whether the run has no entry.
    is_end: bool,
    start: u64,
}

impl Head {
    fn of(key: Option<&[u8]>, falls: bool) -> Head {
        let Some(key) = key else { return Head { is_end: true, start: 0 } };
        let start = key.first_chunk().copied().unwrap_or_else(|| {
            let mut start = [0; 8];
            start.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            start
        });
        let start = u64::from_be_bytes(start);
        Head { is_end: false, start: if falls { !start } else { start } }
    }
}

impl Merge {
    pub(crate) fn new(runs: Vec<Part>, order: Comparator) -> Merge {
        let heap = (0..runs.len()).collect();
        let heads = vec![Head::default(); runs.len()];
        Merge { runs, heads, order, heap, rival: None, is_backward: false }
    }

    /// Notes where run `number` stands.
    fn note(&mut self, number: usize) {
        let falls = (self.order == Comparator::Reverse) != self.is_backward;
        if let Some((run, head)) = self.runs.get(number).zip(self.heads.get_mut(number)) {
            *head = Head::of(run.key(), falls);
        }
    }

    /// How the entries of runs `a` and `b` stand to each other; a run without one comes last.
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let heads = self.heads.get(a).cmp(&self.heads.get(b));
        if heads.is_ne() {
            return heads;
        }
        let entry = |run: usize| self.runs.get(run).and_then(|run| run.entry());
        match (entry(a), entry(b)) {
            (Some(x), Some(y)) => {
                let forward = self.compare_entries((&x, a), (&y, b));
                if self.is_backward { forward.reverse() } else { forward }
            }
            (x, y) => y.is_some().cmp(&x.is_some()),
        }
    }

    fn compare_entries(
        &self,
        (x, a): (&ForeignEntry<'_>, usize),
        (y, b): (&ForeignEntry<'_>, usize),
    ) -> Ordering {
        let keys = self.order.compare(x.key, y.key).unwrap_or(Ordering::Equal);
        keys.then(y.sequence.cmp(&x.sequence)).then(a.cmp(&b))
    }

    /// Moves every run with `to`, then finds the first.
    fn all(&mut self, is_backward: bool, to: impl FnMut(&mut Part) -> Result<()>) -> Result<()> {
        self.is_backward = is_backward;
        self.runs.iter_mut().try_for_each(to)?;
        (0..self.runs.len()).for_each(|number| self.note(number));
        for at in (0..self.heap.len() / 2).rev() {
            self.sift(at);
        }
        self.find_rival();
        Ok(())
    }

    /// Notes the key of the run that comes after the one on top.
    fn find_rival(&mut self) {
        let second = match (self.heap.get(1), self.heap.get(2)) {
            (Some(&a), Some(&b)) if self.compare(b, a) == Ordering::Less => Some(b),
            (a, _) => a.copied(),
        };
        let key = second.and_then(|run| self.runs.get(run)).and_then(|run| run.key());
        let Some(key) = key else {
            self.rival = None;
            return;
        };
        let rival = self.rival.get_or_insert_default();
        rival.clear();
        rival.extend_from_slice(key);
    }

    /// Whether the run on top, which moved to another entry, is surely still the first.
    #[inline]
    fn stays(&self, top: usize) -> bool {
        let Some(key) = self.runs.get(top).and_then(|run| run.key()) else { return false };
        let Some(rival) = &self.rival else { return true };
        let (low, high) = if self.is_backward { (&rival[..], key) } else { (key, &rival[..]) };
        self.order.is_before(low, high)
    }

    /// Moves the run at `at` of the heap down to where it belongs.
    fn sift(&mut self, mut at: usize) {
        loop {
            let mut first = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if let (Some(&a), Some(&b)) = (self.heap.get(child), self.heap.get(first))
                    && self.compare(a, b) == Ordering::Less
                {
                    first = child;
                }
            }
            if first == at {
                return;
            }
            self.heap.swap(first, at);
            at = first;
        }
    }

    /// Moves on, the way the merge goes.
    #[inline]
    fn on(&mut self) -> Result<()> {
        let is_backward = self.is_backward;
        let Some(&top) = self.heap.first() else { return Ok(()) };
        let Some(run) = self.runs.get_mut(top).filter(|run| run.is_on()) else { return Ok(()) };
        if is_backward {
            run.back()?
        } else {
            run.forth()?
        }
        if !self.stays(top) {
            self.note(top);
            self.sift(0);
            self.find_rival();
        }
        Ok(())
    }

    /// Turns round: every run goes to its first entry behind the one under way.
    fn turn(&mut self) -> Result<()> {
        let Some(&top) = self.heap.first() else { return Ok(()) };
        let Some(entry) = self.entry() else { return Ok(()) };
        let (key, sequence, kind) = (entry.key.to_vec(), entry.sequence, entry.kind);
        let is_backward = !self.is_backward;
        for number in 0..self.runs.len() {
            let Some(run) = self.runs.get_mut(number) else { continue };
            if number != top {
                run.to(&key)?;
            }
            let here = ForeignEntry { key: &key, value: &[], sequence, kind };
            while let Some(entry) = self.runs.get(number).and_then(|run| run.entry()) {
                if self.compare_entries((&entry, number), (&here, top)) == Ordering::Greater {
                    break;
                }
                let Some(run) = self.runs.get_mut(number) else { break };
                run.forth()?;
            }
            let Some(run) = self.runs.get_mut(number).filter(|_| is_backward) else { continue };
            // Behind, going backward: before the entry, not after it.
            if run.entry().is_some() {
                run.back()?
            } else {
                run.to_last()?
            }
            if number == top {
                run.back()?;
            }
        }
        self.all(is_backward, |_| Ok(()))
    }
}

impl Run for Merge {
    fn to_first(&mut self) -> Result<()> {
        self.all(false, |run| run.to_first())
    }

    fn to_last(&mut self) -> Result<()> {
        self.all(true, |run| run.to_last())
    }

    fn to(&mut self, key: &[u8]) -> Result<()> {
        self.all(false, |run| run.to(key))
    }

    fn to_before(&mut self, key: &[u8]) -> Result<()> {
        self.all(true, |run| run.to_before(key))
    }

    fn forth(&mut self) -> Result<()> {
        if self.is_backward { self.turn() } else { self.on() }
    }

    fn back(&mut self) -> Result<()> {
        if self.is_backward { self.on() } else { self.turn() }
    }

    #[inline]
    fn entry(&self) -> Option<ForeignEntry<'_>> {
        self.runs.get(*self.heap.first()?)?.entry()
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        self.runs.get(*self.heap.first()?)?.key()
    }
}
