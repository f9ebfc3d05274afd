//! Which faults have struck at which call sites.
//!
//! A call site is a kind of call, a kind of file, and what the engine was at: "sync manifest in
//! open". It stays the same when code moves, and every call belongs to one.

use super::fault::{Crash, Failure, OpKind};
use super::phase::phase;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// What the engine was at.
    pub phase: &'static str,
    /// The kind of file.
    pub file: &'static str,
    /// The kind of call.
    pub kind: OpKind,
}

/// The kinds of files.
const FILES: &[&str] =
    &["new table", "table", "log", "manifest", "new CURRENT", "CURRENT", "LOCK", "directory"];

/// The kind of the file at `path`.
fn file_kind(path: &Path) -> &'static str {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let is = |part: &str| name.contains(part);
    match () {
        () if is(".sstable") && name.ends_with(".tmp") => "new table",
        () if is(".sstable") => "table",
        () if is(".log") => "log",
        () if is("MANIFEST-") => "manifest",
        () if is("CURRENT.next") => "new CURRENT",
        () if is("CURRENT") => "CURRENT",
        () if is("LOCK") => "LOCK",
        () => "directory",
    }
}

impl Site {
    /// The site of a call that this thread makes now.
    pub fn here(kind: OpKind, path: &Path) -> Site {
        Site { phase: phase(), file: file_kind(path), kind }
    }
}

impl Site {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Site> {
        let (phase, rest) = text.split_once(": ")?;
        let (kind, file) = rest.split_once(' ')?;
        let same = |known: &&OpKind| format!("{known:?}").to_lowercase() == kind;
        let kind = *OpKind::ALL.iter().find(same)?;
        let file = FILES.iter().find(|known| **known == file)?;
        Some(Site { phase: super::phase::known(phase)?, file, kind })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind).to_lowercase();
        f.pad(&format!("{}: {kind} {}", self.phase, self.file))
    }
}

/// What can happen to a call, or later to what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process is killed; the call has done nothing.
    KillBefore,
    /// The process is killed; the call has done what it should, a write a part of it.
    KillAfter,
    /// The power goes; the call has done nothing.
    CutBefore,
    /// The power goes; the call has done what it should, a write a part of it.
    CutAfter,
    /// An error of the device. The cache still shows what a failed sync has dropped.
    Error,
    /// A sync fails, and what it was to write is gone at once.
    ErrorLost,
    /// There is no space.
    NoSpace,
    /// A write takes a part; a read ends too early.
    Short,
    /// A read gives a wrong bit.
    Flip,
    /// At a cut of the power, what was written is lost.
    Lost,
    /// It is kept.
    Kept,
    /// It is cut off at a byte.
    Torn,
    /// Some of its sectors are kept.
    Sectors,
    /// The file is longer by zeros.
    Zeroed,
    /// The file is longer by what old blocks held.
    Stale,
    /// At a cut of the power, the change of a name is lost.
    NameLost,
    /// It is kept.
    NameKept,
}

impl Fault {
    /// All of them.
    pub const ALL: &[Fault] = &[
        Fault::KillBefore,
        Fault::KillAfter,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Error,
        Fault::ErrorLost,
        Fault::NoSpace,
        Fault::Short,
        Fault::Flip,
        Fault::Lost,
        Fault::Kept,
        Fault::Torn,
        Fault::Sectors,
        Fault::Zeroed,
        Fault::Stale,
        Fault::NameLost,
        Fault::NameKept,
    ];

    /// What the `failure` of a call is, that has done what it should or not.
    pub(super) fn of(failure: Failure, is_done: bool) -> Option<Fault> {
        Some(match (failure, is_done) {
            (Failure::Crash(Crash::Kill), false) => Fault::KillBefore,
            (Failure::Crash(Crash::Kill), true) => Fault::KillAfter,
            (Failure::Crash(Crash::Power(_)), false) => Fault::CutBefore,
            (Failure::Crash(Crash::Power(_)), true) => Fault::CutAfter,
            (Failure::Io, _) => Fault::Error,
            (Failure::NoSpace, _) => Fault::NoSpace,
            (Failure::Short, _) => Fault::Short,
            (Failure::FlippedBit, _) => Fault::Flip,
            (Failure::Skipped | Failure::Panic, _) => return None,
        })
    }

    /// Whether it can happen to calls of this `kind` at all.
    pub fn applies_to(self, kind: OpKind) -> bool {
        use OpKind::*;
        match self {
            Fault::KillBefore | Fault::CutBefore | Fault::Error => true,
            Fault::KillAfter | Fault::CutAfter => !matches!(kind, Open | Read | List),
            Fault::ErrorLost => kind == Sync,
            Fault::NoSpace => matches!(kind, Create | Write | Rename | CreateDirectory),
            Fault::Short => matches!(kind, Read | Write),
            Fault::Flip => kind == Read,
            Fault::Lost | Fault::Kept | Fault::Torn => kind == Write,
            Fault::Sectors | Fault::Zeroed | Fault::Stale => kind == Write,
            Fault::NameLost | Fault::NameKept => {
                matches!(kind, Create | Rename | Remove | CreateDirectory)
            }
        }
    }
}

/// Calls and faults of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    calls: u64,
    /// Whether a call has changed a name; removals that find nothing do not.
    changes_names: bool,
    faults: BTreeMap<Fault, u64>,
}

/// How often each fault has struck at each call site.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    rows: BTreeMap<Site, Row>,
}

impl Coverage {
    pub(super) fn call(&mut self, site: Site) {
        self.rows.entry(site).or_default().calls += 1;
    }

    pub(super) fn strike(&mut self, site: Site, fault: Fault) {
        *self.rows.entry(site).or_default().faults.entry(fault).or_default() += 1;
    }

    pub(super) fn note_changed(&mut self, sites: impl IntoIterator<Item = Site>) {
        for site in sites {
            self.rows.entry(site).or_default().changes_names = true;
        }
    }

    /// Whether `fault` can happen at `site`.
    fn is_possible(&self, site: Site, fault: Fault) -> bool {
        let is_of_name = matches!(fault, Fault::NameLost | Fault::NameKept);
        fault.applies_to(site.kind) && (!is_of_name || self.changes_names(site))
    }

    /// Whether a call of `site` has changed a name.
    pub fn changes_names(&self, site: Site) -> bool {
        self.rows.get(&site).is_some_and(|row| row.changes_names)
    }

    /// All sites that were called.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.rows.keys().copied()
    }

    /// How often `fault` has struck at `site`.
    pub fn count(&self, site: Site, fault: Fault) -> u64 {
        self.rows.get(&site).and_then(|row| row.faults.get(&fault)).copied().unwrap_or(0)
    }

    /// Cells of sites that were called and faults that can happen there.
    pub fn cells(&self) -> impl Iterator<Item = (Site, Fault)> {
        let faults = |site: Site| Fault::ALL.iter().map(move |fault| (site, *fault));
        self.sites().flat_map(faults).filter(|(site, fault)| self.is_possible(*site, *fault))
    }

    /// Those of the [`Coverage::cells`] where nothing has struck.
    pub fn empty_cells(&self) -> Vec<(Site, Fault)> {
        self.cells().filter(|(site, fault)| self.count(*site, *fault) == 0).collect()
    }
}

impl std::ops::AddAssign for Coverage {
    fn add_assign(&mut self, other: Coverage) {
        for (site, row) in other.rows {
            let own = self.rows.entry(site).or_default();
            own.calls += row.calls;
            own.changes_names |= row.changes_names;
            for (fault, count) in row.faults {
                *own.faults.entry(fault).or_default() += count;
            }
        }
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cells, empty) = (self.cells().count(), self.empty_cells().len());
        write!(f, "{} sites, {cells} cells, {empty} empty", self.rows.len())
    }
}

/// A table: a line a site, a column a fault; a dash where a fault cannot happen.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:36} {:>10}", "site", "calls")?;
        let mut columns = Fault::ALL.iter();
        columns.try_for_each(|fault| write!(f, " {:>10}", format!("{fault:?}")))?;
        for (site, row) in &self.rows {
            write!(f, "\n{site:36} {:>10}", row.calls)?;
            for fault in Fault::ALL {
                match (self.count(*site, *fault), self.is_possible(*site, *fault)) {
                    (0, false) => write!(f, " {:>10}", "-")?,
                    (count, _) => write!(f, " {count:>10}")?,
                }
            }
        }
        writeln!(f)
    }
}
