//! `esker build`: records in any order into a table.

use crate::args::{Build, Codec, Terminator};
use crate::bytes::decode;
use crate::failure::{Failure, Result};
use crate::output::stdout;
use crate::progress::Progress;
use crate::records::{Csv, Delimited, JsonLines, Lines, Records, Tabbed};
use crate::style;
use esker::{Compression, SortSummary, SorterSettings, TableSorter};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Records between two looks at the clock.
const RECORDS_PER_TELL: u64 = 1024;

pub fn run(arguments: &Build) -> Result<()> {
    let output = output_path(arguments);
    if !arguments.force && output.exists() {
        let message = format!("{} is there already; --force replaces it", output.display());
        return Err(Failure::input(message));
    }
    let (input, total) = open(&arguments.input)?;
    let mut sorter = TableSorter::new(&output, settings(arguments))?;
    let mut records = records(arguments, input)?;
    let mut progress = Progress::new("reading", true);
    let name = arguments.input.display();
    let failed = |e: String| Failure::input(format_args!("{name}: {e}"));
    if arguments.header {
        records.next().map_err(failed)?;
    }
    let mut count = 0;
    while let Some((key, value)) = records.next().map_err(failed)? {
        count += 1;
        let refused = |e| match e {
            Failure::Esker(e) if e.kind() == esker::ErrorKind::InvalidInput => {
                Failure::input(format_args!("{name}: record {count}: {e}"))
            }
            other => other,
        };
        add(&mut sorter, arguments.decode, key, value).map_err(refused)?;
        if count % RECORDS_PER_TELL == 0 {
            progress.tell(records.taken_bytes(), total);
        }
    }
    let started = progress.elapsed();
    let read_bytes = records.taken_bytes();
    drop(progress);
    let mut progress = Progress::new("writing", false);
    let summary = sorter.finish(&mut |done, total| progress.tell(done, total))?;
    let seconds = (started + progress.elapsed()).as_secs_f64();
    drop(progress);
    report(&output, &summary, read_bytes, seconds)
}

fn add(sorter: &mut TableSorter, encoded: bool, key: &[u8], value: &[u8]) -> Result<()> {
    if !encoded {
        return Ok(sorter.put(key, value)?);
    }
    let invalid = |e| Failure::Esker(esker::Error::invalid_input("encoded bytes", e));
    let (key, value) = (decode(key).map_err(invalid)?, decode(value).map_err(invalid)?);
    Ok(sorter.put(&key, &value)?)
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

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The input and its length; zero if that is not known.
fn open(path: &Path) -> Result<(Box<dyn Read>, u64)> {
    if is_stdin(path) {
        return Ok((Box::new(std::io::stdin()), 0));
    }
    let failed = |e| Failure::input(format_args!("cannot read {}: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::input(format_args!("{} is a directory", path.display())));
    }
    Ok((Box::new(file), metadata.len()))
}

fn records(arguments: &Build, input: Box<dyn Read>) -> Result<Box<dyn Records>> {
    let column = arguments.key_column.get() - 1;
    let terminator = match arguments.records {
        Terminator::Newline => b'\n',
        Terminator::Nul => 0,
    };
    if arguments.csv {
        return Ok(Box::new(Csv::new(input, column)));
    }
    let lines = Lines::new(input, terminator);
    if arguments.tsv {
        return Ok(Box::new(Tabbed::new(lines, column)));
    }
    if let Some(field) = &arguments.jsonl {
        return Ok(Box::new(JsonLines::new(lines, field)));
    }
    let delimiter = &arguments.delimiter.0;
    if delimiter.contains(&0) || delimiter.contains(&terminator) {
        return Err(Failure::input("the delimiter has a byte that ends a record or the input"));
    }
    Ok(Box::new(Delimited::new(lines, delimiter)))
}

fn settings(arguments: &Build) -> SorterSettings {
    let mut settings = SorterSettings::default();
    settings.memory_budget_bytes = arguments.memory;
    settings.strict = arguments.strict;
    settings.table.block_size_bytes = arguments.block_size;
    settings.table.filter_bits_per_key = arguments.filter_bits;
    settings.table.compression = match arguments.compression {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
        #[cfg(feature = "zstd")]
        Codec::Zstd => Compression::Zstd,
    };
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
