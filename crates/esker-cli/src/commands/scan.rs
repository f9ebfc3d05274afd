//! `esker scan` and `esker dump`: many keys, in order.

use crate::args::{Dump, Printing, Scan};
use crate::failure::Result;
use crate::output::{Printer, stdout};
use crate::source::{Selection, Shown, Source};
use std::io::Write;
use std::ops::Bound;

pub fn dump(arguments: &Dump) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let (start, end) = (Bound::Unbounded, Bound::Unbounded);
    let versions = arguments.printing.versions;
    let selection = Selection { start, end, reverse: false, versions };
    print(&source, selection, &arguments.printing, &Filter::default())
}

/// Which of the entries of a selection are printed.
#[derive(Default)]
struct Filter<'a> {
    limit: Option<u64>,
    keys_only: bool,
    /// What keys begin with.
    prefix: Option<&'a [u8]>,
}

pub fn scan(arguments: &Scan) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let (start, end) = match &arguments.prefix {
        Some(prefix) => source.prefix(&prefix.0),
        None => (
            arguments.start.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(key.0.clone())),
            arguments.end.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.0.clone())),
        ),
    };
    let versions = arguments.printing.versions;
    let selection = Selection { start, end, reverse: arguments.reverse, versions };
    let prefix = arguments.prefix.as_ref().map(|prefix| &prefix.0[..]);
    let filter = Filter { limit: arguments.limit, keys_only: arguments.keys_only, prefix };
    print(&source, selection, &arguments.printing, &filter)
}

fn print(
    source: &Source,
    selection: Selection,
    printing: &Printing,
    filter: &Filter<'_>,
) -> Result<()> {
    let mut printer = Printer {
        out: stdout(),
        format: printing.format,
        delimiter: printing.delimiter.0.clone(),
        keys_only: filter.keys_only,
        versions: printing.versions,
    };
    // In raw order the bounds of a prefix are none; range deletions only reach into it.
    let is_wanted = |entry: &esker::Result<Shown>| match (entry, filter.prefix) {
        (Ok(entry), Some(prefix)) => {
            entry.key.starts_with(prefix) || entry.kind == "range-tombstone"
        }
        _ => true,
    };
    let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
    for entry in source.entries(selection).filter(is_wanted).take(limit) {
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
