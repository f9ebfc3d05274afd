//! `esker stats` and `esker space`: a database in numbers.

use crate::args::database::{Space, Stats};
use crate::database::{self, advised};
use crate::failure::Result;
use crate::foreign;
use crate::output::stdout;
use crate::style;
use esker::{DbStats, LevelStats, ReadOnlyDb, SpaceReport};
use esker_foreign::DatabaseSpace;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Time between two looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Goes to the first column of the first row and clears the terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub fn stats(arguments: &Stats) -> Result<()> {
    let db = database::read(&arguments.directory)?;
    let is_terminal = io::stdout().is_terminal();
    let mut before: Option<u64> = None;
    loop {
        let stats = db.stats();
        let mut out = stdout();
        if arguments.json {
            writeln!(out, "{}", stats_json(&stats, &db))?;
        } else {
            if arguments.watch && is_terminal {
                write!(out, "{CLEAR}")?;
            }
            let per_second = before.map(|before| stats.sequence.saturating_sub(before));
            print(&mut out, &arguments.directory, &stats, &db, per_second)?;
        }
        out.flush()?;
        if !arguments.watch {
            return Ok(());
        }
        before = Some(stats.sequence);
        std::thread::sleep(WATCH_EVERY);
        db.refresh().map_err(|e| advised(e, &arguments.directory))?;
    }
}

fn print(
    out: &mut impl Write,
    directory: &Path,
    stats: &DbStats,
    db: &ReadOnlyDb,
    per_second: Option<u64>,
) -> io::Result<()> {
    let recovery = db.recovery();
    let tables: usize = stats.levels.iter().map(|level| level.tables).sum();
    let bytes: u64 = stats.levels.iter().map(|level| level.bytes).sum();
    writeln!(out, "{}", style::heading(&directory.display().to_string()))?;
    let rate = per_second.map(|n| format!(" ({n} since the last look)")).unwrap_or_default();
    writeln!(out, "last write      {}{rate}", stats.sequence)?;
    writeln!(out, "tables          {tables} ({})", style::size(bytes))?;
    let logs = style::size(recovery.log_bytes);
    writeln!(out, "writes in logs  {} ({logs})", recovery.writes)?;
    let heading = "level    tables        bytes    entries tombstones  score";
    writeln!(out, "{}", style::heading(heading))?;
    for (number, level) in stats.levels.iter().enumerate() {
        let LevelStats { tables, entries, tombstones, score, .. } = level;
        let size = style::size(level.bytes);
        writeln!(
            out,
            "{number:<8} {tables:>6} {size:>12} {entries:>10} {tombstones:>10} {score:>6.2}"
        )?;
    }
    writeln!(out, "(a level is compacted from score 1 on)")
}

/// A level, for programs.
pub fn level_json(level: &LevelStats) -> Value {
    json!({
        "tables": level.tables,
        "bytes": level.bytes,
        "entries": level.entries,
        "tombstones": level.tombstones,
        "score": level.score,
    })
}

fn stats_json(stats: &DbStats, db: &ReadOnlyDb) -> Value {
    let recovery = db.recovery();
    json!({
        "sequence": stats.sequence,
        "log_writes": recovery.writes,
        "log_bytes": recovery.log_bytes,
        "levels": stats.levels.iter().map(level_json).collect::<Vec<_>>(),
    })
}

pub fn space(arguments: &Space) -> Result<()> {
    let directory = &arguments.directory;
    if database::is_foreign(directory) {
        return foreign_space(arguments);
    }
    let db = database::read(directory)?;
    let report = db.space().map_err(|e| advised(e, directory))?;
    let stats = db.stats();
    // A look-up asks the log's writes, each table of level 0, and one table of each level below.
    let below = stats.levels.iter().skip(1).filter(|level| level.tables > 0).count();
    let runs = stats.levels.first().map_or(0, |level| level.tables) + below;
    let runs = runs + usize::from(stats.memtable_bytes > 0);
    let mut out = stdout();
    if arguments.json {
        writeln!(out, "{}", space_json(&report, runs))?;
    } else {
        print_space(&mut out, directory, &report, runs)?;
    }
    Ok(out.flush()?)
}

/// The same of a directory of LevelDB or RocksDB.
fn foreign_space(arguments: &Space) -> Result<()> {
    let database = foreign::open(&arguments.directory, &arguments.reading)?;
    let space = database.space()?;
    let mut out = stdout();
    if arguments.json {
        writeln!(out, "{}", foreign_space_json(&space))?;
    } else {
        print_foreign_space(&mut out, &arguments.directory, &space)?;
    }
    out.flush()?;
    foreign::tell_losses(&database.losses());
    Ok(())
}

fn print_foreign_space(
    out: &mut impl Write,
    directory: &Path,
    space: &DatabaseSpace,
) -> io::Result<()> {
    writeln!(out, "{}", style::heading(&directory.display().to_string()))?;
    let mut line = |name: &str, bytes: u64, what: &str| {
        writeln!(out, "{name:<14} {:>12}  {what}", style::size(bytes))
    };
    line("live", space.live_bytes, &format!("{} keys and their values", space.live_keys))?;
    line("shadowed", space.shadowed_bytes, "versions that newer ones or range deletions hide")?;
    line("tombstones", space.tombstone_bytes, &format!("{} deletions", space.tombstones))?;
    line("tables", space.table_bytes, "files, compressed")?;
    line("other families", space.other_family_bytes, "files of tables")?;
    line("logs", space.log_bytes, "files")?;
    line("manifest", space.manifest_bytes, "file")?;
    let orphans = format!("{} files that the manifest does not need", space.orphans.len());
    line("orphaned", space.orphaned_bytes, &orphans)?;
    writeln!(out, "reads          {} sorted runs at most for a look-up", space.runs)
}

fn foreign_space_json(space: &DatabaseSpace) -> Value {
    let orphans: Vec<_> = space.orphans.iter().map(|path| path.display().to_string()).collect();
    json!({
        "live_keys": space.live_keys,
        "live_bytes": space.live_bytes,
        "shadowed_bytes": space.shadowed_bytes,
        "tombstones": space.tombstones,
        "tombstone_bytes": space.tombstone_bytes,
        "table_bytes": space.table_bytes,
        "other_family_bytes": space.other_family_bytes,
        "log_bytes": space.log_bytes,
        "manifest_bytes": space.manifest_bytes,
        "orphaned_bytes": space.orphaned_bytes,
        "orphans": orphans,
        "read_runs": space.runs,
    })
}

fn print_space(
    out: &mut impl Write,
    directory: &Path,
    report: &SpaceReport,
    runs: usize,
) -> io::Result<()> {
    writeln!(out, "{}", style::heading(&directory.display().to_string()))?;
    let mut line = |name: &str, bytes: u64, what: &str| {
        writeln!(out, "{name:<14} {:>12}  {what}", style::size(bytes))
    };
    line("live", report.live_bytes, "keys and values that a reader sees")?;
    line("shadowed", report.shadowed_bytes, "versions that newer ones hide")?;
    line("tombstones", report.tombstone_bytes, "of deleted keys, in tables")?;
    line("tables", report.table_bytes, "files, compressed")?;
    line("logs", report.log_bytes, "files")?;
    line("manifest", report.other_bytes, "and other files of the database")?;
    line("orphaned", report.orphaned_bytes, "files that nothing needs; opening removes them")?;
    let pinned = match report.snapshots.len() {
        0 => "by none (a writer's own snapshots are seen by it alone)".to_string(),
        _ => format!("by snapshots at {:?}", report.snapshots),
    };
    writeln!(out, "pinned         {pinned}")?;
    writeln!(
        out,
        "space          {:.2} bytes of tables for a live byte",
        report.space_amplification
    )?;
    writeln!(out, "reads          {runs} sorted runs at most for a look-up")
}

fn space_json(report: &SpaceReport, runs: usize) -> Value {
    json!({
        "live_bytes": report.live_bytes,
        "shadowed_bytes": report.shadowed_bytes,
        "tombstone_bytes": report.tombstone_bytes,
        "table_bytes": report.table_bytes,
        "log_bytes": report.log_bytes,
        "other_bytes": report.other_bytes,
        "orphaned_bytes": report.orphaned_bytes,
        "snapshots": report.snapshots,
        "space_amplification": report.space_amplification,
        "read_runs": runs,
    })
}
