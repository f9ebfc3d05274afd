//! `esker scan` and `esker dump`: many keys, in order.

use super::parts;
use crate::args::{Dump, Printing, Reading, Scan};
use crate::failure::Result;
use crate::foreign;
use crate::output::{Layout, Printer};
use crate::source::{Lent, Selection, Source};
use esker_foreign::Database;
use std::io::{self, Write};
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

/// A database of another engine that is printed whole, with its parts.
fn in_parts<'s>(
    source: &'s Source,
    selection: &Selection,
    filter: &Filter<'_>,
) -> Option<(&'s Database, Vec<parts::Part>)> {
    let Source::Database(database) = source else { return None };
    let is_whole =
        matches!((&selection.start, &selection.end), (Bound::Unbounded, Bound::Unbounded));
    if !is_whole || selection.reverse || selection.versions || filter.limit.is_some() {
        return None;
    }
    let parts = parts::of(database);
    (!parts.is_empty()).then_some((database, parts))
}

fn print(
    source: &Source,
    selection: Selection,
    printing: &Printing,
    filter: &Filter<'_>,
    reading: &Reading,
) -> Result<()> {
    let layout = Layout {
        format: printing.format,
        delimiter: printing.delimiter.0.clone(),
        keys_only: filter.keys_only,
        versions: printing.versions,
    };
    let mut printer = Printer::new(io::stdout().lock(), layout.clone());
    // In raw order the bounds of a prefix are none; range deletions only reach into it.
    let is_wanted = |entry: &Lent<'_>| {
        let prefix = filter.prefix;
        prefix.is_none_or(|prefix| entry.key.starts_with(prefix) || entry.kind == "range-tombstone")
    };
    let mut left = filter.limit.unwrap_or(u64::MAX);
    let printed = match in_parts(source, &selection, filter) {
        Some((database, parts)) => parts::print(database, &parts, &layout, &mut printer.sink),
        None => source.each(selection, |entry| {
            if left > 0 && is_wanted(&entry) {
                printer.print(&entry)?;
                left -= 1;
            }
            Ok(left > 0)
        }),
    };
    // What was read before a fault is sound: let it be seen.
    let flushed = printer.flush().and_then(|()| printer.sink.flush());
    source.tell_losses();
    if source.is_foreign() {
        printed.map_err(|failure| foreign::advised(failure, reading))?;
    } else {
        printed?;
    }
    Ok(flushed?)
}
