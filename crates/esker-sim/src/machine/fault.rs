//! Which calls fail, and how.

use super::coverage::Site;
use super::cut::PowerCut;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The calls of the seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpKind {
    /// A file is opened for reading or for writing at positions.
    Open,
    /// Bytes are read, or the length is asked for.
    Read,
    /// A file is created.
    Create,
    /// Bytes are written.
    Write,
    /// A file is synced.
    Sync,
    /// A file gets another name, or one more.
    Rename,
    /// A file or a directory is removed.
    Remove,
    /// A directory is synced.
    SyncDirectory,
    /// A directory is created.
    CreateDirectory,
    /// A directory is listed.
    List,
    /// A lock is taken.
    Lock,
}

impl OpKind {
    /// All of them.
    pub const ALL: &[OpKind] = &[
        OpKind::Open,
        OpKind::Read,
        OpKind::Create,
        OpKind::Write,
        OpKind::Sync,
        OpKind::Rename,
        OpKind::Remove,
        OpKind::SyncDirectory,
        OpKind::CreateDirectory,
        OpKind::List,
        OpKind::Lock,
    ];
}

/// How a process ends that did not mean to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It is killed; the operating system goes on.
    Kill,
    /// The power goes.
    Power(PowerCut),
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Crash::Kill => write!(f, "kill"),
            Crash::Power(cut) => write!(f, "cut {cut}"),
        }
    }
}

impl Crash {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Crash> {
        match text.split_once(' ') {
            Some(("cut", rest)) => PowerCut::parse(rest).map(Crash::Power),
            None if text == "kill" => Some(Crash::Kill),
            _ => None,
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error of the device. A write may have happened in part; a sync drops what it was to
    /// write, and the next one says that all is well.
    Io,
    /// No space is left. A write may have happened in part. Reads and syncs do not fail so.
    NoSpace,
    /// A write takes only a part; a read ends too early.
    Short,
    /// A read gives one wrong bit.
    FlippedBit,
    /// A sync says that all is well and does nothing: as if the store had forgotten it.
    Skipped,
    /// The call panics before it has done anything, with [`SimulatedPanic`].
    Panic,
    /// The process ends in the middle of the call.
    Crash(Crash),
}

/// What [`Failure::Panic`] panics with; no hook is called.
#[derive(Debug)]
pub struct SimulatedPanic;

impl Failure {
    /// Those that are errors, not the end.
    pub const ERRORS: &[Failure] =
        &[Failure::Io, Failure::NoSpace, Failure::Short, Failure::FlippedBit];

    /// Whether a call of this kind can fail so.
    pub fn applies_to(self, kind: OpKind) -> bool {
        use OpKind::*;
        match self {
            Failure::Io | Failure::Crash(_) | Failure::Panic => true,
            Failure::NoSpace => matches!(kind, Create | Write | Rename | CreateDirectory),
            Failure::Short => matches!(kind, Read | Write),
            Failure::FlippedBit => kind == Read,
            Failure::Skipped => matches!(kind, Sync | SyncDirectory),
        }
    }

    pub(super) fn error(self) -> io::Error {
        match self {
            Failure::NoSpace => io::ErrorKind::StorageFull.into(),
            Failure::Short => io::ErrorKind::UnexpectedEof.into(),
            Failure::Crash(_) => dead(),
            _ => io::Error::other("simulated device error"),
        }
    }
}

/// What every call of a dead process gets.
pub(super) fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}

/// Which of the calls that a rule looks at fail; they are counted from 1 at the rule's making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// This one.
    Nth(u64),
    /// This one and all after it.
    From(u64),
    /// One in so many, by chance.
    OneIn(u64),
}

/// A failure at a call site, wherever the history gets there; it outlives crashes and healing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Where.
    pub site: Site,
    /// Which of the calls, counted from 1.
    pub nth: u64,
    /// Whether not that call fails but the next one of any site, so that what it did is whole.
    pub is_after: bool,
    /// How it fails.
    pub failure: Failure,
    /// Whether the call that a crash meets has done what it should, or what a sync that fails was
    /// to write is gone at once; by chance if nothing is said.
    pub is_done: Option<bool>,
    pub(super) seen: u64,
    /// Whether it has struck, and the harness does not know yet.
    pub(super) is_news: bool,
}

impl Strike {
    /// `failure` at the `nth` call of `site`, or with `is_after` at the call after that one.
    pub fn new(site: Site, nth: u64, is_after: bool, failure: Failure) -> Strike {
        Strike { site, nth, is_after, failure, is_done: None, seen: 0, is_news: false }
    }

    /// The same, with the outcome said.
    pub fn done(mut self, is_done: Option<bool>) -> Strike {
        self.is_done = is_done;
        self
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Strike> {
        let (site, rest) = text.split_once(", ")?;
        let mut words = rest.splitn(4, ' ');
        let nth = words.next()?.parse().ok()?;
        let (place, outcome, failure) = (words.next()?, words.next()?, words.next()?);
        let is_done = match outcome {
            "done" => Some(true),
            "undone" => Some(false),
            _ => None,
        };
        let same = |error: &&Failure| format!("{error:?}").to_lowercase() == failure;
        let error = Failure::ERRORS.iter().find(same).copied();
        let failure = error.or_else(|| Crash::parse(failure).map(Failure::Crash))?;
        Some(Strike::new(Site::parse(site)?, nth, place == "after", failure).done(is_done))
    }

    /// Whether it strikes the call of site `now`, which follows one of site `last`.
    pub(super) fn strikes(&mut self, now: Site, last: Site) -> bool {
        let there = if self.is_after { last } else { now };
        if there != self.site || self.seen >= self.nth || !self.failure.applies_to(now.kind) {
            return false;
        }
        self.seen += 1;
        self.is_news |= self.seen == self.nth;
        self.seen == self.nth
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.is_after { "after" } else { "at" };
        let outcome = match self.is_done {
            Some(true) => "done",
            Some(false) => "undone",
            None => "chance",
        };
        write!(f, "{}, {} {place} {outcome} ", self.site, self.nth)?;
        match self.failure {
            Failure::Crash(crash) => write!(f, "{crash}"),
            error => f.write_str(&format!("{error:?}").to_lowercase()),
        }
    }
}

/// A rule by which calls fail.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The kinds of calls it looks at; empty for all.
    pub kinds: Vec<OpKind>,
    /// What the path must contain; empty for all.
    pub path: String,
    /// Which of those calls fail.
    pub calls: Calls,
    /// How they fail.
    pub failure: Failure,
    /// What the call before must have been: its kind, and what its path must contain.
    pub after: Option<(OpKind, String)>,
    seen: u64,
}

impl Rule {
    /// `failure` at `calls`, whatever their kind and path.
    pub fn new(calls: Calls, failure: Failure) -> Rule {
        Rule { kinds: Vec::new(), path: String::new(), calls, failure, after: None, seen: 0 }
    }

    /// Looks at calls of `kind` only; called again, at those too.
    pub fn of(mut self, kind: OpKind) -> Rule {
        self.kinds.push(kind);
        self
    }

    /// Looks only at paths that contain `part`.
    pub fn at(mut self, part: &str) -> Rule {
        self.path = part.into();
        self
    }

    /// Looks only at calls right after one of `kind` whose path contains `part`.
    pub fn after(mut self, kind: OpKind, part: &str) -> Rule {
        self.after = Some((kind, part.into()));
        self
    }

    /// Whether the call fails by this rule, if `chance(n)` is true once in `n`.
    pub(super) fn strikes(
        &mut self,
        kind: OpKind,
        path: &Path,
        before: Option<&(OpKind, PathBuf)>,
        mut chance: impl FnMut(u64) -> bool,
    ) -> bool {
        let looks = (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.failure.applies_to(kind)
            && path.to_string_lossy().contains(&self.path)
            && self.after.as_ref().is_none_or(|(kind, part)| {
                let is_it = |(before, path): &(OpKind, PathBuf)| {
                    before == kind && path.to_string_lossy().contains(part)
                };
                before.is_some_and(is_it)
            });
        if !looks {
            return false;
        }
        self.seen += 1;
        match self.calls {
            Calls::Nth(n) => self.seen == n,
            Calls::From(n) => self.seen >= n,
            Calls::OneIn(n) => chance(n),
        }
    }
}
