//! What all handles of a machine share, behind one lock.

use super::coverage::{Coverage, Fault, Site};
use super::cut::PowerCut;
use super::fault::{Crash, Failure, OpKind, Rule, SimulatedPanic, Strike, dead};
use super::inode::Inode;
use super::names::{Names, Node};
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lines of the trace that are kept.
const TRACE_LINES_MAX: usize = 20_000;
/// Contents of removed files that stale blocks may show again.
const STALE_FILES_MAX: usize = 8;

/// The machine.
#[derive(Clone)]
pub struct State {
    pub names: Names,
    pub inodes: BTreeMap<usize, Inode>,
    pub locks: BTreeSet<PathBuf>,
    pub random: Random,
    pub now: Duration,
    /// The process that lives.
    pub process: u64,
    /// How it ended, if it did and the machine was not yet started again.
    pub down: Option<Crash>,
    pub rules: Vec<Rule>,
    pub calls: u64,
    /// The calls made, where they are kept.
    pub trace: Option<VecDeque<String>>,
    /// Bytes that the disk has room for.
    pub capacity: Option<u64>,
    /// Whether a failed sync lost bytes that processes had seen.
    pub lost_pages: bool,
    /// The last call.
    before: Option<(OpKind, PathBuf)>,
    /// Where the last call came from.
    pub site: Site,
    pub coverage: Coverage,
    pub strikes: Vec<Strike>,
    /// The outcome of the call under way, if a strike says it.
    outcome: Option<bool>,
    stale: Vec<Vec<u8>>,
    next_inode: usize,
}

impl State {
    pub fn new(seed: u64) -> State {
        State {
            names: Names::default(),
            inodes: BTreeMap::new(),
            locks: BTreeSet::new(),
            random: Random::new(seed),
            now: Duration::from_secs(1),
            process: 1,
            down: None,
            rules: Vec::new(),
            calls: 0,
            trace: None,
            capacity: None,
            lost_pages: false,
            before: None,
            site: Site::here(OpKind::List, Path::new("")),
            coverage: Coverage::default(),
            strikes: Vec::new(),
            outcome: None,
            stale: Vec::new(),
            next_inode: 0,
        }
    }

    /// The fault point before each call: counts it, and says how it fails if it does. A crash
    /// takes the process down here; the caller still does the part of the call that happened.
    ///
    /// # Errors
    /// If the process is dead.
    pub fn begin(
        &mut self,
        process: u64,
        kind: OpKind,
        path: &Path,
        detail: impl FnOnce() -> String,
    ) -> io::Result<Option<Failure>> {
        if process != self.process || self.down.is_some() {
            return Err(dead());
        }
        self.calls += 1;
        self.now += Duration::from_micros(1);
        let mut failure = None;
        for rule in &mut self.rules {
            let random = &mut self.random;
            let chance = |n| random.chance(1, n);
            if rule.strikes(kind, path, self.before.as_ref(), chance) && failure.is_none() {
                failure = Some(rule.failure);
            }
        }
        self.before = Some((kind, path.into()));
        let (site, last) = (Site::here(kind, path), self.site);
        self.site = site;
        self.coverage.call(site);
        self.outcome = None;
        // The one that was set first wins.
        for strike in self.strikes.iter_mut().rev() {
            if strike.strikes(site, last) {
                failure = Some(strike.failure);
                self.outcome = strike.is_done;
            }
        }
        if failure == Some(Failure::Panic) {
            std::panic::resume_unwind(Box::new(SimulatedPanic));
        }
        if let Some(Failure::Crash(crash)) = failure {
            self.down = Some(crash);
        }
        if self.trace.is_some() {
            let (detail, path) = (detail(), path.display());
            let failure = failure.map_or(String::new(), |failure| format!(" -> {failure:?}"));
            let call = self.calls;
            self.note(format!("{call:>6} process {process} {kind:?} {path} {detail}{failure}"));
        }
        Ok(failure)
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: String) {
        let Some(trace) = &mut self.trace else { return };
        trace.push_back(line);
        if trace.len() > TRACE_LINES_MAX {
            trace.pop_front();
        }
    }

    /// As [`State::begin`], for calls that happen whole or not at all.
    pub fn pass(
        &mut self,
        process: u64,
        kind: OpKind,
        path: &Path,
        detail: impl FnOnce() -> String,
    ) -> io::Result<()> {
        match self.begin(process, kind, path, detail)? {
            // A call that a crash meets may have happened, unseen.
            Some(failure @ Failure::Crash(_)) if self.is_done() => {
                self.count(failure, Fault::KillAfter.applies_to(kind));
                Ok(())
            }
            Some(failure) => {
                // There is no bit to flip in what such a call gives.
                let counted = if failure == Failure::FlippedBit { Failure::Io } else { failure };
                self.count(counted, false);
                Err(failure.error())
            }
            None => Ok(()),
        }
    }

    /// Whether the call under way, which fails, has done what it should.
    pub fn is_done(&mut self) -> bool {
        let by_chance = self.random.chance(1, 2);
        self.outcome.unwrap_or(by_chance)
    }

    /// How much of a write of `length` bytes is done when it fails.
    pub fn part(&mut self, length: usize) -> usize {
        let part = self.random.index(length);
        match self.outcome {
            Some(true) => part.max(1).min(length),
            Some(false) => 0,
            None => part,
        }
    }

    /// Counts the `failure` of the call under way, which has done what it should or not.
    pub fn count(&mut self, failure: Failure, is_done: bool) {
        if let Some(fault) = Fault::of(failure, is_done) {
            self.coverage.strike(self.site, fault);
        }
    }

    /// What a call gives back in the end: an error if a crash met it.
    pub fn end<T>(&self, value: T) -> io::Result<T> {
        if self.down.is_some() { Err(dead()) } else { Ok(value) }
    }

    pub fn new_file(&mut self, path: &Path) -> usize {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::default());
        self.names.insert(path, Node::File(self.next_inode), self.site);
        self.next_inode
    }

    /// Remembers the content of the file behind `node`, which was at `path`, if it has lost its
    /// last name, for stale blocks. Those of copies are left out: records bind the number of
    /// their file and their place, but not their database (docs/guarantees.md).
    pub fn bury(&mut self, node: Node, path: &Path) {
        if path.to_string_lossy().contains("/copy-") {
            return;
        }
        let Node::File(inode) = node else { return };
        if self.names.iter().any(|(_, other)| other == node) {
            return;
        }
        let content = self.inodes.get(&inode).map(|inode| inode.cached().to_vec());
        self.stale.extend(content.filter(|content| !content.is_empty()));
        if self.stale.len() > STALE_FILES_MAX {
            self.stale.remove(0);
        }
    }

    /// How many of `wanted` more bytes the disk has room for.
    pub fn room(&self, wanted: usize) -> usize {
        match self.capacity {
            Some(capacity) => wanted.min(capacity.saturating_sub(self.used()) as usize),
            None => wanted,
        }
    }

    /// Bytes that all named files hold.
    pub fn used(&self) -> u64 {
        let files: BTreeSet<usize> =
            self.names.iter().filter_map(|(_, node)| node.file()).collect();
        let named = files.iter().filter_map(|inode| self.inodes.get(inode));
        named.map(|inode| inode.cached().len() as u64).sum()
    }

    /// Ends the process; its locks go with it, files without a name too.
    pub fn kill(&mut self) {
        self.process += 1;
        self.down = None;
        self.rules.clear();
        self.locks.clear();
        let named = self.names.files();
        self.inodes.retain(|inode, _| named.contains(inode));
        // Clocks of processes begin anywhere.
        self.now = Duration::from_micros(self.random.below(10_000_000));
    }

    /// The power goes, and comes back.
    pub fn power_cut(&mut self, cut: PowerCut) {
        let mut random = Random::new(cut.seed);
        for inode in self.inodes.values_mut() {
            let tell = &mut |site, fault| self.coverage.strike(site, fault);
            inode.cut(cut.data, &self.stale, &mut random, tell);
        }
        let tell = &mut |site, fault| self.coverage.strike(site, fault);
        self.names.cut(cut.names, &mut random, tell);
        self.kill();
    }
}
