//! `esker load`: records in any order into sorted tables, which the database takes in one step.

use crate::args::database::Load;
use crate::commands::build::sorter_settings;
use crate::database::{self, advised};
use crate::failure::Result;
use crate::input::{Input, Taken};
use crate::output::stdout;
use crate::progress::Progress;
use crate::style;
use esker::{Db, SortSummary, TableSorter, TableSummary};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Name of what is being made; what a load that is killed leaves under it goes with the next open.
const TEMPORARY: &str = "load.tmp";

pub fn run(arguments: &Load) -> Result<()> {
    let started = Instant::now();
    let directory = &arguments.directory;
    let input = Input::open(&arguments.input, &arguments.formats)?;
    let was_there = directory.exists();
    let db = database::open_or_make(directory)?;
    let loaded = load(arguments, input, &db);
    drop(db);
    if loaded.is_err() && !was_there {
        // The failure to tell is that of the load.
        let _ = esker::destroy(directory, &esker::Settings::default());
    }
    let (taken, summary, tables) = loaded?;
    report(directory, &taken, &summary, &tables, started.elapsed().as_secs_f64())
}

type Loaded = (Taken, SortSummary, Vec<TableSummary>);

fn load(arguments: &Load, input: Input<'_>, db: &Db) -> Result<Loaded> {
    let directory = &arguments.directory;
    let settings = sorter_settings(&arguments.sorting);
    let mut sorter = TableSorter::new(directory.join(TEMPORARY), settings)?;
    let taken = input.each(|key, value| Ok(sorter.put(key, value)?))?;
    let mut progress = Progress::new("writing", false);
    let table_bytes = arguments.table_size as u64;
    let (summary, parts) =
        sorter.finish_parts(table_bytes, &mut |done, total| progress.tell(done, total))?;
    drop(progress);
    let (paths, tables): (Vec<PathBuf>, Vec<_>) = parts.into_iter().unzip();
    let ingested = db.ingest(&paths);
    for path in &paths {
        // The database has them under other names; what stays goes with the next open.
        let _ = std::fs::remove_file(path);
    }
    ingested.map_err(|e| advised(e, directory))?;
    Ok((taken, summary, tables))
}

fn report(
    directory: &Path,
    taken: &Taken,
    summary: &SortSummary,
    tables: &[TableSummary],
    seconds: f64,
) -> Result<()> {
    let mut out = stdout();
    let entries: u64 = tables.iter().map(|table| table.properties.entries).sum();
    let written: u64 = tables.iter().map(|table| table.file_bytes).sum();
    let share = 100.0 * written as f64 / (taken.bytes as f64).max(1.0);
    let rate = style::size((taken.bytes as f64 / seconds.max(1e-9)) as u64);
    writeln!(out, "{}", style::heading(&directory.display().to_string()))?;
    writeln!(out, "records     {}", summary.records)?;
    writeln!(out, "duplicates  {}", summary.duplicates)?;
    writeln!(out, "entries     {entries}")?;
    writeln!(out, "tables      {}", tables.iter().filter(|t| t.properties.entries > 0).count())?;
    writeln!(out, "bytes in    {} ({})", taken.bytes, style::size(taken.bytes))?;
    writeln!(out, "bytes out   {written} ({}, {share:.1} % of the input)", style::size(written))?;
    writeln!(out, "runs        {}", summary.spilled_runs)?;
    writeln!(out, "time        {seconds:.3} s ({rate}/s)")?;
    Ok(out.flush()?)
}
