//! `esker scan` and `esker dump`: many keys, in order.

use crate::args::{Dump, Printing, Reading, Scan};
use crate::failure::Result;
use crate::foreign;
use crate::output::{Printer, stdout};
use crate::source::{Lent, Selection, Source};
use std::io::Write;
use std::ops::Bound;

pub fn dump(arguments: &Dump) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let (start, end) = (Bound::Unbounded, Bound::Unbounded);
    let versions = arguments.printing.versions;
    let selection = Selection { start, end, reverse: false, versions };
    print(&source, selection, &arguments.printing, &Filter::default(), &arguments.reading)
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
    print(&source, selection, &arguments.printing, &filter, &arguments.reading)
}

fn print(
    source: &Source,
    selection: Selection,
    printing: &Printing,
    filter: &Filter<'_>,
    reading: &Reading,
) -> Result<()> {
    let mut printer = Printer {
        out: stdout(),
        format: printing.format,
        delimiter: printing.delimiter.0.clone(),
        keys_only: filter.keys_only,
        versions: printing.versions,
    };
    // In raw order the bounds of a prefix are none; range deletions only reach into it.
    let is_wanted = |entry: &Lent<'_>| {
        let prefix = filter.prefix;
        prefix.is_none_or(|prefix| entry.key.starts_with(prefix) || entry.kind == "range-tombstone")
    };
    let mut left = filter.limit.unwrap_or(u64::MAX);
    let printed = source.each(selection, |entry| {
        if left > 0 && is_wanted(&entry) {
            printer.print(&entry)?;
            left -= 1;
        }
        Ok(left > 0)
    });
    // What was read before a fault is sound: let it be seen.
    let flushed = printer.out.flush();
    source.tell_losses();
    if source.is_foreign() {
        printed.map_err(|failure| foreign::advised(failure, reading))?;
    } else {
        printed?;
    }
    Ok(flushed?)
}
