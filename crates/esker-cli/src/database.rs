//! Databases of esker: what a directory is, how it is opened, and what to do when it cannot be.

use crate::failure::{Failure, Result};
use esker::{Db, ErrorKind, ReadOnlyDb, Settings};
use std::io;
use std::path::Path;

/// What a path holds, as far as databases go.
enum Holds {
    /// A database of ours, be it whole or not.
    Ours,
    /// One of LevelDB or RocksDB.
    Foreign,
    /// Nothing: no directory, or an empty one.
    Nothing,
    /// Something else: the name of one file.
    Other(String),
}

/// Whether `path` is the directory of a database of ours, be it whole or not.
pub fn is_ours(path: &Path) -> bool {
    path.is_dir() && esker::is_database(path, &Settings::default()).unwrap_or(false)
}

/// Whether `path` is the directory of a database of LevelDB or RocksDB.
pub fn is_foreign(path: &Path) -> bool {
    matches!(holds(path), Ok(Holds::Foreign))
}

fn holds(path: &Path) -> Result<Holds> {
    let failed = |e: io::Error| Failure::input(format_args!("cannot read {}: {e}", path.display()));
    if is_ours(path) {
        return Ok(Holds::Ours);
    }
    let names = match std::fs::read_dir(path) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Holds::Nothing),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            let path = path.display();
            return Err(Failure::input(format_args!("{path}: a file; a database is a directory")));
        }
        Err(e) => return Err(failed(e)),
    };
    let names: io::Result<Vec<_>> = names.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.map_err(failed)?;
    names.sort();
    // What an attempt to open leaves in an empty directory.
    names.retain(|name| name != "LOCK");
    let current = std::fs::read(path.join("CURRENT")).unwrap_or_default();
    // The content tells, also where `CURRENT` is lost; and the name, where the content is damaged.
    let is_foreign = current.starts_with(b"MANIFEST-")
        || matches!(esker_foreign::detect_directory(path), Ok(Some(_)));
    Ok(match names.first() {
        _ if is_foreign => Holds::Foreign,
        Some(name) => Holds::Other(name.to_string_lossy().into_owned()),
        None => Holds::Nothing,
    })
}

/// Checks that `path` holds a database of ours; if not, the error says what to do.
pub fn expect(path: &Path) -> Result<()> {
    let name = path.display();
    match holds(path)? {
        Holds::Ours => Ok(()),
        Holds::Foreign => Err(Failure::input(format_args!(
            "{name}: a database of LevelDB or RocksDB, which esker does not change: \
             `esker import {name} NEW` takes it into a new one"
        ))),
        Holds::Nothing => Err(Failure::input(format_args!(
            "{name}: no database there; `esker put` and `esker load` make one"
        ))),
        Holds::Other(file) => Err(Failure::input(format_args!(
            "{name}: no database, but it holds {file}: give the directory of a database, or a new \
             or empty one"
        ))),
    }
}

/// Opens the database in `path` for writing.
pub fn open(path: &Path) -> Result<Db> {
    expect(path)?;
    let mut settings = Settings::default();
    settings.create_if_missing = false;
    Db::open(path, settings).map_err(|e| advised(e, path))
}

/// Opens the database in `path` for writing, and makes it if there is nothing.
pub fn open_or_make(path: &Path) -> Result<Db> {
    match holds(path)? {
        Holds::Nothing => Db::open(path, Settings::default()).map_err(|e| advised(e, path)),
        _ => open(path),
    }
}

/// Opens the database in `path` for reading, beside a writer if there is one.
pub fn read(path: &Path) -> Result<ReadOnlyDb> {
    expect(path)?;
    Db::open_read_only(path, Settings::default()).map_err(|e| advised(e, path))
}

/// The failure that `error` is, with what to do about it.
pub fn advised(error: esker::Error, path: &Path) -> Failure {
    let denied = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
    let is_denied = error.io_error().is_some_and(|e| denied.contains(&e.kind()));
    let advice = match error.kind() {
        ErrorKind::Locked => {
            "get, has, scan, dump, info, verify, stats and space work beside it; to write, end it \
             first"
                .to_string()
        }
        ErrorKind::Corruption => {
            let name = path.display();
            format!("`esker repair {name} --preview` tells what can be saved")
        }
        ErrorKind::Io if is_denied => {
            "the directory may not be written to; get, has, scan, dump, info, verify, stats and \
             space need not write"
                .to_string()
        }
        _ => return Failure::Esker(error),
    };
    Failure::Advised(error, advice)
}
