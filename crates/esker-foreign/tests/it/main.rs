//! Foreign tables through the public face: real ones, broken ones.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod cuts;
mod damage;
mod databases;
mod deep;
mod directories;
mod fixtures;
mod kinds;
mod living;
mod logs;
mod masked;
mod oracle;
mod own;
mod peers;
mod space;
mod written;

use esker_foreign::{ForeignKind, ForeignTable};
use std::path::{Path, PathBuf};

/// The tables that the project ships.
fn shipped() -> Vec<PathBuf> {
    tables_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"))
}

/// The tables in `folder`, in order of their names.
fn tables_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_table = |path: &PathBuf| path.extension().is_some_and(|e| e == "ldb" || e == "sst");
    let mut tables: Vec<_> = entries.filter(is_table).collect();
    tables.sort();
    tables
}

/// Whether this build has the codecs of the table at `path`.
fn is_readable(path: &Path) -> bool {
    let path = path.to_string_lossy();
    (cfg!(feature = "zstd") || !path.contains("zstd"))
        && (cfg!(feature = "bzip2") || !path.contains("bzip2"))
}

type Version = (Vec<u8>, u64, ForeignKind, Vec<u8>);

/// Every entry of `table`, forwards; backwards gives the same.
fn versions(table: &ForeignTable) -> esker::Result<Vec<Version>> {
    let mut all = Vec::new();
    let mut cursor = table.cursor();
    while let Some(e) = cursor.next()? {
        all.push((e.key.to_vec(), e.sequence, e.kind, e.value.to_vec()));
    }
    Ok(all)
}
