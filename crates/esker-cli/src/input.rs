//! Records from a file or standard input, in any of the input formats, with progress.

use crate::args::{Formats, Terminator};
use crate::bytes::decode;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::records::{Csv, Delimited, JsonLines, Lines, Records, Tabbed};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Records between two looks at the clock.
const RECORDS_PER_TELL: u64 = 1024;

/// An open input.
pub struct Input<'a> {
    formats: &'a Formats,
    path: &'a Path,
    records: Box<dyn Records>,
    /// Bytes in all; zero if that is not known.
    total: u64,
}

/// What was read.
pub struct Taken {
    /// Bytes of the input.
    pub bytes: u64,
    /// Time that it took.
    pub time: Duration,
}

/// Whether `path` stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

impl<'a> Input<'a> {
    /// Opens the file at `path`, or standard input.
    pub fn open(path: &'a Path, formats: &'a Formats) -> Result<Input<'a>> {
        let (input, total) = open(path)?;
        Ok(Input { formats, path, records: records(formats, input)?, total })
    }

    /// Gives every record to `take`.
    pub fn each(mut self, mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<Taken> {
        let mut progress = Progress::new("reading", true);
        let name = self.path.display();
        let failed = |e: String| Failure::input(format_args!("{name}: {e}"));
        if self.formats.header {
            self.records.next().map_err(failed)?;
        }
        let mut count = 0;
        while let Some((key, value)) = self.records.next().map_err(failed)? {
            count += 1;
            let refused = |e| match e {
                Failure::Esker(e) if e.kind() == esker::ErrorKind::InvalidInput => {
                    Failure::input(format_args!("{name}: record {count}: {e}"))
                }
                other => other,
            };
            let taken = match self.formats.decode {
                false => take(key, value),
                true => decoded(key, value, &mut take),
            };
            taken.map_err(refused)?;
            if count % RECORDS_PER_TELL == 0 {
                progress.tell(self.records.taken_bytes(), self.total);
            }
        }
        Ok(Taken { bytes: self.records.taken_bytes(), time: progress.elapsed() })
    }
}

fn decoded(
    key: &[u8],
    value: &[u8],
    take: &mut impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let invalid = |e| Failure::Esker(esker::Error::invalid_input("encoded bytes", e));
    let (key, value) = (decode(key).map_err(invalid)?, decode(value).map_err(invalid)?);
    take(&key, &value)
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

fn records(formats: &Formats, input: Box<dyn Read>) -> Result<Box<dyn Records>> {
    let column = formats.key_column.get() - 1;
    let terminator = match formats.records {
        Terminator::Newline => b'\n',
        Terminator::Nul => 0,
    };
    if formats.csv {
        return Ok(Box::new(Csv::new(input, column)));
    }
    let lines = Lines::new(input, terminator);
    if formats.tsv {
        return Ok(Box::new(Tabbed::new(lines, column)));
    }
    if let Some(field) = &formats.jsonl {
        return Ok(Box::new(JsonLines::new(lines, field)));
    }
    let delimiter = &formats.delimiter.0;
    if delimiter.contains(&0) || delimiter.contains(&terminator) {
        return Err(Failure::input("the delimiter has a byte that ends a record or the input"));
    }
    Ok(Box::new(Delimited::new(lines, delimiter)))
}
