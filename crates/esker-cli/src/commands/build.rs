//! `esker build`: records in any order into a table.

use crate::args::{Build, Codec, Sorting};
use crate::failure::{Failure, Result};
use crate::input::{Input, is_stdin};
use crate::output::stdout;
use crate::progress::Progress;
use crate::style;
use esker::{Compression, SortSummary, SorterSettings, TableSorter};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn run(arguments: &Build) -> Result<()> {
    let output = output_path(arguments);
    if !arguments.force && output.exists() {
        let message = format!("{} is there already; --force replaces it", output.display());
        return Err(Failure::input(message));
    }
    let input = Input::open(&arguments.input, &arguments.formats)?;
    let mut sorter = TableSorter::new(&output, settings(arguments))?;
    let taken = input.each(|key, value| Ok(sorter.put(key, value)?))?;
    let mut progress = Progress::new("writing", false);
    let summary = sorter.finish(&mut |done, total| progress.tell(done, total))?;
    let seconds = (taken.time + progress.elapsed()).as_secs_f64();
    drop(progress);
    report(&output, &summary, taken.bytes, seconds)
}

fn output_path(arguments: &Build) -> PathBuf {
    match (&arguments.output, is_stdin(&arguments.input)) {
        (Some(output), _) => output.clone(),
        (None, true) => PathBuf::from("table.sstable"),
        (None, false) => {
            let name = arguments.input.file_stem().unwrap_or_default();
            PathBuf::from(name).with_extension("sstable")
        }
    }
}

/// How `sorting` says that records are sorted.
pub fn sorter_settings(sorting: &Sorting) -> SorterSettings {
    let mut settings = SorterSettings::default();
    settings.memory_budget_bytes = sorting.memory;
    settings.strict = sorting.strict;
    settings.table.block_size_bytes = sorting.block_size;
    settings.table.filter_bits_per_key = sorting.filter_bits;
    settings.table.compression = match sorting.compression {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
        #[cfg(feature = "zstd")]
        Codec::Zstd => Compression::Zstd,
    };
    settings
}

fn settings(arguments: &Build) -> SorterSettings {
    let mut settings = sorter_settings(&arguments.sorting);
    let input = match is_stdin(&arguments.input) {
        true => "standard input".into(),
        false => arguments.input.file_name().unwrap_or_default().to_string_lossy(),
    };
    settings.table.description = arguments.description.clone().unwrap_or(input.into_owned());
    settings
}

fn report(output: &Path, summary: &SortSummary, read_bytes: u64, seconds: f64) -> Result<()> {
    let mut out = stdout();
    let written = summary.table.file_bytes;
    let share = 100.0 * written as f64 / (read_bytes as f64).max(1.0);
    writeln!(out, "{}", style::heading(&output.display().to_string()))?;
    writeln!(out, "records     {}", summary.records)?;
    writeln!(out, "duplicates  {}", summary.duplicates)?;
    writeln!(out, "entries     {}", summary.table.properties.entries)?;
    writeln!(out, "bytes in    {read_bytes} ({})", style::size(read_bytes))?;
    writeln!(out, "bytes out   {written} ({}, {share:.1} % of the input)", style::size(written))?;
    writeln!(out, "runs        {}", summary.spilled_runs)?;
    let rate = style::size((read_bytes as f64 / seconds.max(1e-9)) as u64);
    writeln!(out, "time        {seconds:.3} s ({rate}/s)")?;
    Ok(out.flush()?)
}
