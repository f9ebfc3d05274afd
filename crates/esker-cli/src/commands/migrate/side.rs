//! Whatever holds keys and values, as one stream in the order of the keys' bytes.
//!
//! Databases and tables have that order, or its reverse, which is read from the end. What has
//! neither (files of records, tables under an order that is not known) is sorted into a temporary
//! table first.

use crate::args::{Formats, Reading};
use crate::failure::{Failure, Result};
use crate::input::{Input, is_stdin};
use crate::source::{self, Entries, Lent, Selection, Source, live};
use esker::{Compression, SorterSettings, Table, TableSorter};
use esker_foreign::Comparator;
use std::fs::DirBuilder;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// What holds the entries.
pub enum Side {
    /// A table or a database.
    Source(Source),
    /// What has been sorted.
    Sorted(Sorted),
}

/// A temporary table; its directory goes when this is dropped.
pub struct Sorted {
    table: Table,
    _folder: Folder,
}

impl Side {
    /// Opens the table or database at `path`; a file that is neither holds records of `formats`,
    /// where they are given.
    pub fn open(path: &Path, reading: &Reading, formats: Option<&Formats>) -> Result<Side> {
        if let Some(formats) = formats
            && (is_stdin(path) || is_records(path)?)
        {
            return sort_records(path, formats);
        }
        match Source::open(path, reading)? {
            Source::Foreign(table) if table.comparator() == Comparator::Raw => {
                sort(|sorter| table.visible().try_for_each(|entry| put(sorter, entry)))
            }
            source => Ok(Side::Source(source)),
        }
    }

    /// All entries, in the order of their keys' bytes.
    pub fn entries(&self) -> Entries {
        match self {
            Side::Sorted(sorted) => live(sorted.table.iter()),
            Side::Source(source) => source.entries(all(source.is_reversed())),
        }
    }

    /// Lends every entry to `take`, in the order of their keys' bytes.
    pub fn each(&self, mut take: impl FnMut(Lent<'_>) -> Result<()>) -> Result<()> {
        match self {
            Side::Sorted(_) => self.entries().try_for_each(|entry| take(entry?.lent())),
            Side::Source(source) => {
                let selection = all(source.is_reversed());
                source.each(selection, |entry| take(entry).map(|()| true))
            }
        }
    }

    /// Tells on standard error what was damaged and left out.
    pub fn tell_losses(&self) {
        if let Side::Source(source) = self {
            source.tell_losses();
        }
    }

    /// The name that a database of another engine gives to the order of its keys.
    pub fn order_name(&self) -> Option<&str> {
        match self {
            Side::Source(Source::Database(database)) => database.comparator_name(),
            _ => None,
        }
    }
}

/// All live entries, from the end if the order falls.
fn all(reverse: bool) -> Selection {
    Selection { start: Bound::Unbounded, end: Bound::Unbounded, reverse, versions: false }
}

/// Whether there is a file at `path` that is no table, nor a damaged one by its name.
fn is_records(path: &Path) -> Result<bool> {
    let is_named_table =
        ["sstable", "sst", "ldb"].iter().any(|e| path.extension() == Some(e.as_ref()));
    Ok(path.is_file() && !is_named_table && !source::is_table(path)?)
}

fn put(sorter: &mut TableSorter, entry: esker::Result<(Vec<u8>, Vec<u8>)>) -> Result<()> {
    let (key, value) = entry?;
    Ok(sorter.put(&key, &value)?)
}

fn sort_records(path: &Path, formats: &Formats) -> Result<Side> {
    sort(|sorter| {
        let input = Input::open(path, formats)?;
        input.each(|key, value| Ok(sorter.put(key, value)?)).map(drop)
    })
}

/// Sorts what `fill` gives into a temporary table.
fn sort(fill: impl FnOnce(&mut TableSorter) -> Result<()>) -> Result<Side> {
    let folder = Folder::new()?;
    let path = folder.0.join("sorted.sstable");
    let mut settings = SorterSettings::default();
    settings.table.compression = Compression::Lz4;
    settings.table.filter_bits_per_key = 0;
    let mut sorter = TableSorter::new(&path, settings)?;
    fill(&mut sorter)?;
    sorter.finish(&mut |_, _| {})?;
    Ok(Side::Sorted(Sorted { table: Table::open(&path)?, _folder: folder }))
}

/// A temporary directory, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    /// Makes one that others cannot look into.
    fn new() -> Result<Folder> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let mut number = 0;
        loop {
            let name = format!("esker-sort-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match builder.create(&path) {
                Ok(()) => return Ok(Folder(path)),
                // The other side's, or one that a killed process left.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(e) => {
                    let path = path.display();
                    return Err(Failure::input(format_args!("cannot make {path}: {e}")));
                }
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
