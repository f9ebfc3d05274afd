//! What is done to a database as a whole: flush, compact, checkpoint, repair, destroy.

use crate::args::database::{Checkpoint, Compact, Destroy, Flush, Repair};
use crate::database::{self, advised};
use crate::failure::{Failure, Result};
use crate::output::stdout;
use crate::style;
use esker::{Db, RepairReport, Settings};
use std::io::{self, Write};
use std::ops::Bound;
use std::path::Path;
use std::time::Instant;

/// Tables of a database and their bytes.
fn tables(db: &Db) -> (usize, u64) {
    let levels = db.stats().levels;
    let tables = levels.iter().map(|level| level.tables).sum();
    (tables, levels.iter().map(|level| level.bytes).sum())
}

pub fn flush(arguments: &Flush) -> Result<()> {
    let db = database::open(&arguments.directory)?;
    // Opening takes the log into tables; writes that came since are none.
    db.flush()?;
    let (count, bytes) = tables(&db);
    let mut out = stdout();
    let writes = db.recovery().writes;
    writeln!(out, "{}", style::heading(&arguments.directory.display().to_string()))?;
    writeln!(out, "writes      {writes} from the log to tables")?;
    writeln!(out, "tables      {count} ({})", style::size(bytes))?;
    Ok(out.flush()?)
}

pub fn compact(arguments: &Compact) -> Result<()> {
    let db = database::open(&arguments.directory)?;
    let started = Instant::now();
    let (count, bytes) = tables(&db);
    let start = arguments.start.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(&key.0));
    let end = arguments.end.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key.0));
    db.compact_range::<Vec<u8>>((start, end)).map_err(|e| advised(e, &arguments.directory))?;
    let seconds = started.elapsed().as_secs_f64();
    let (count_after, bytes_after) = tables(&db);
    let mut out = stdout();
    writeln!(out, "{}", style::heading(&arguments.directory.display().to_string()))?;
    writeln!(out, "before      {count} tables ({})", style::size(bytes))?;
    writeln!(out, "after       {count_after} tables ({})", style::size(bytes_after))?;
    writeln!(out, "time        {seconds:.3} s")?;
    Ok(out.flush()?)
}

pub fn checkpoint(arguments: &Checkpoint) -> Result<()> {
    let db = database::open(&arguments.directory)?;
    db.checkpoint(&arguments.target)?;
    let (count, bytes) = tables(&db);
    let mut out = stdout();
    let target = arguments.target.display().to_string();
    writeln!(out, "{}: a copy of {}", style::heading(&target), arguments.directory.display())?;
    writeln!(out, "tables      {count} ({}, shared)", style::size(bytes))?;
    Ok(out.flush()?)
}

pub fn repair(arguments: &Repair) -> Result<()> {
    let directory = &arguments.directory;
    database::expect(directory)?;
    let opens = Db::open_read_only(directory, Settings::default());
    let report = esker::repair(directory, arguments.to.as_deref(), &Settings::default())
        .map_err(|e| advised(e, directory))?;
    let mut out = stdout();
    match opens {
        Ok(_) => writeln!(out, "{}: opens as it is", name(directory))?,
        Err(error) => writeln!(out, "{}: does not open: {error}", name(directory))?,
    }
    tell_saved(&mut out, &report)?;
    match &arguments.to {
        Some(to) => writeln!(out, "saved to {}; {} is as it was", name(to), directory.display())?,
        None => writeln!(out, "nothing was changed; --to NEW saves this into a new database")?,
    }
    Ok(out.flush()?)
}

fn name(path: &Path) -> String {
    style::heading(&path.display().to_string())
}

fn tell_saved(out: &mut impl Write, report: &RepairReport) -> io::Result<()> {
    let entries: u64 = report.tables.iter().map(|(_, entries)| entries).sum();
    let writes: u64 = report.logs.iter().map(|(_, writes)| writes).sum();
    writeln!(out, "tables      {} that are sound, with {entries} entries", report.tables.len())?;
    writeln!(out, "logs        {} that can be read, with {writes} writes", report.logs.len())?;
    if report.saved_entries > 0 {
        writeln!(out, "            and {} entries of damaged tables", report.saved_entries)?;
    }
    for (path, reason) in &report.damaged {
        writeln!(out, "damaged     {}: {reason}", path.display())?;
    }
    Ok(())
}

pub fn destroy(arguments: &Destroy) -> Result<()> {
    let directory = &arguments.directory;
    database::expect(directory)?;
    if !arguments.yes {
        let message = format!(
            "{}: this would remove the database and all that is in it; --yes does",
            directory.display()
        );
        return Err(Failure::input(message));
    }
    esker::destroy(directory, &Settings::default()).map_err(|e| advised(e, directory))
}
