//! Lets every fault strike at every call site that histories reach.
//!
//! What a history does follows from its seed until a fault strikes. So a site that it has reached
//! once it reaches again, and a fault that is to strike there does.

use super::run::{Report, run};
use super::script::{Script, Step};
use super::store::Opener;
use super::sweep::Finding;
use crate::machine::Strike;
use crate::{Crash, DataFate, Failure, Fault, NamesFate, OpKind, PowerCut, Site};
use std::collections::BTreeMap;

/// Histories of each site that are tried.
const SCRIPTS_MAX: usize = 10;
/// Calls of a site that are tried in each, counted from 1.
const CALLS: &[u64] = &[1, 2, 3, 4, 5, 6, 8, 11];
/// Sites that show only when others fail may have holes of their own.
const ROUNDS: usize = 3;

/// Why a fault is left out, in a phase (any, if empty), at calls of a kind on a kind of file.
pub const RULED_OUT: &[(&str, OpKind, &str, Fault, &str)] = &[
    (
        "",
        OpKind::Read,
        "log",
        Fault::Flip,
        "in the last record it is the same to a store as a write that a cut tore; flips at rest \
         are tested one by one, with the loss that is told",
    ),
    (
        "other",
        OpKind::Write,
        "log",
        Fault::Stale,
        "the mark of a close stands in blocks that the log has; stale ones can be met only if it \
         begins a new block",
    ),
    (
        "other",
        OpKind::Write,
        "log",
        Fault::Zeroed,
        "the same: a log that was used before is long enough for the mark of a close",
    ),
];

/// Whether the cell is left out.
fn is_ruled_out(site: Site, fault: Fault) -> bool {
    RULED_OUT.iter().any(|(phase, kind, file, ruled, _)| {
        let is_phase = phase.is_empty() || site.phase == *phase;
        is_phase && site.kind == *kind && site.file == *file && fault == *ruled
    })
}

/// The cells of `report` that are empty and not ruled out.
pub fn holes(report: &Report) -> Vec<(Site, Fault)> {
    let mut cells = report.coverage.empty_cells();
    cells.retain(|(site, fault)| !is_ruled_out(*site, *fault));
    cells
}

/// What lets `fault` strike at the `nth` call of `site`.
fn strike(site: Site, fault: Fault, nth: u64) -> Strike {
    let cut = |data, names| Failure::Crash(Crash::Power(PowerCut { data, names, seed: nth }));
    // Mostly of a whole write; but the call after it may never come, or change what it did.
    let data = |fate| (nth % 2 == 1, cut(fate, NamesFate::Kept));
    let (is_after, failure) = match fault {
        Fault::KillBefore | Fault::KillAfter => (false, Failure::Crash(Crash::Kill)),
        Fault::CutBefore | Fault::CutAfter => (false, cut(DataFate::Mixed, NamesFate::Mixed)),
        Fault::Error | Fault::ErrorLost => (false, Failure::Io),
        Fault::NoSpace => (false, Failure::NoSpace),
        Fault::Short => (false, Failure::Short),
        Fault::Flip => (false, Failure::FlippedBit),
        Fault::Lost => data(DataFate::Lost),
        Fault::Kept => data(DataFate::Kept),
        Fault::Torn => data(DataFate::Torn),
        Fault::Sectors => data(DataFate::Sectors),
        Fault::Zeroed => data(DataFate::Zeroed),
        Fault::Stale => data(DataFate::Stale),
        Fault::NameLost => (false, cut(DataFate::Kept, NamesFate::Lost)),
        Fault::NameKept => (false, cut(DataFate::Kept, NamesFate::Kept)),
    };
    let is_done = match fault {
        Fault::KillBefore | Fault::CutBefore | Fault::Error => Some(false),
        Fault::NoSpace | Fault::Short | Fault::Flip => None,
        _ => Some(true),
    };
    Strike::new(site, nth, is_after, failure).done(is_done)
}

/// Histories of each site, with their strikes and calls, the fewest first.
type Shortest = BTreeMap<Site, Vec<((usize, u64), Script)>>;

/// Puts `script`, which makes so many `calls`, among those of `site`, if it is one of the shortest.
fn keep(all: &mut Shortest, site: Site, calls: u64, script: &Script) {
    let known = all.entry(site).or_default();
    let is_strike = |step: &&Step| matches!(step, Step::Strike(_));
    let size = (script.steps.iter().filter(is_strike).count(), calls);
    let place = known.partition_point(|(others, _)| *others <= size);
    if place < SCRIPTS_MAX {
        known.insert(place, (size, script.clone()));
        known.truncate(SCRIPTS_MAX);
    }
}

/// Histories with what they have reached.
struct Known<'a> {
    opener: &'a dyn Opener,
    /// For each site the shortest histories that reach it.
    scripts: Shortest,
    /// The same for sites at which a name was changed.
    changers: Shortest,
    report: Report,
}

impl Known<'_> {
    fn play(&mut self, script: &Script) -> Result<(), Box<Finding>> {
        let report =
            run(self.opener, script, false).map_err(|broken| Box::new((script.clone(), broken)))?;
        for site in report.coverage.sites() {
            keep(&mut self.scripts, site, report.calls, script);
            if report.coverage.changes_names(site) {
                keep(&mut self.changers, site, report.calls, script);
            }
        }
        self.report += report;
        Ok(())
    }

    /// Tries to let `fault` strike at `site`.
    fn close(&mut self, site: Site, fault: Fault) -> Result<(), Box<Finding>> {
        let of_names = matches!(fault, Fault::NameLost | Fault::NameKept);
        let all = if of_names { &self.changers } else { &self.scripts };
        let scripts = all.get(&site).cloned().unwrap_or_default();
        for nth in CALLS {
            for (_, script) in &scripts {
                let mut script = script.clone();
                script.steps.insert(0, Step::Strike(strike(site, fault, *nth)));
                self.play(&script)?;
                if self.report.coverage.count(site, fault) > 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Plays `scripts`, and then lets every fault strike at every site that they reach, as far as it
/// has not.
///
/// # Errors
/// The first script that breaks a promise.
pub fn close_holes(
    opener: &dyn Opener,
    scripts: impl Iterator<Item = Script>,
) -> Result<Report, Box<Finding>> {
    let (scripts_of, changers) = (BTreeMap::new(), BTreeMap::new());
    let mut known = Known { opener, scripts: scripts_of, changers, report: Report::default() };
    for script in scripts {
        known.play(&script)?;
    }
    for _ in 0..ROUNDS {
        for (site, fault) in holes(&known.report) {
            if known.report.coverage.count(site, fault) == 0 {
                known.close(site, fault)?;
            }
        }
    }
    Ok(known.report)
}
