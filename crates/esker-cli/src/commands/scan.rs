//! `esker scan` and `esker dump`: many keys, in order.

use crate::args::{Dump, Printing, Scan};
use crate::failure::Result;
use crate::output::{Printer, stdout};
use crate::source::{Selection, Source};
use std::io::Write;
use std::ops::Bound;

pub fn dump(arguments: &Dump) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let (start, end) = (Bound::Unbounded, Bound::Unbounded);
    let versions = arguments.printing.versions;
    let selection = Selection { start, end, reverse: false, versions };
    print(&source, selection, &arguments.printing, None, false)
}

pub fn scan(arguments: &Scan) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let (start, end) = match &arguments.prefix {
        Some(prefix) => (Bound::Included(prefix.0.clone()), after_prefix(&prefix.0)),
        None => (
            arguments.start.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(key.0.clone())),
            arguments.end.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.0.clone())),
        ),
    };
    let versions = arguments.printing.versions;
    let selection = Selection { start, end, reverse: arguments.reverse, versions };
    print(&source, selection, &arguments.printing, arguments.limit, arguments.keys_only)
}

/// The bound just after all keys that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if last < u8::MAX {
            after.push(last + 1);
            return Bound::Excluded(after);
        }
    }
    Bound::Unbounded
}

fn print(
    source: &Source,
    selection: Selection,
    printing: &Printing,
    limit: Option<u64>,
    keys_only: bool,
) -> Result<()> {
    let mut printer = Printer {
        out: stdout(),
        format: printing.format,
        delimiter: printing.delimiter.0.clone(),
        keys_only,
        versions: printing.versions,
    };
    let limit = limit.unwrap_or(u64::MAX);
    for (number, entry) in source.entries(selection).enumerate() {
        if number as u64 >= limit {
            break;
        }
        match entry {
            Ok(entry) => printer.print(&entry)?,
            Err(error) => {
                // What was read before the fault is sound: let it be seen.
                printer.out.flush()?;
                return Err(error.into());
            }
        }
    }
    Ok(printer.out.flush()?)
}
