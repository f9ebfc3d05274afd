//! The directory `NEWDB.import` beside the database that an import makes.
//!
//! - `PLAN`: what is imported, as text: the source, and the names and sizes of its files.
//! - `000001.sstable`, `000002.sstable`, …: tables in the order of their keys. Each has its name
//!   only when it is complete and durable, so that the largest key of the last one is how far the
//!   import has come.
//! - `LOCK`: held by the process that imports.

use crate::failure::{Failure, Result};
use esker::vfs::{FileLock, OsVfs, Vfs};
use esker::{Error, Table};
use std::io::Write;
use std::path::{Path, PathBuf};

const PLAN: &str = "PLAN";
const LOCK: &str = "LOCK";
const TABLE_SUFFIX: &str = ".sstable";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// The directory, locked.
pub struct Staging {
    path: PathBuf,
    tables: Vec<Staged>,
    _lock: Box<dyn FileLock>,
}

/// A table that is complete.
pub struct Staged {
    /// Its file.
    pub path: PathBuf,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its last key.
    pub largest: Vec<u8>,
}

impl Staging {
    /// Opens the directory at `path` for what `plan` says, and makes it if there is none.
    ///
    /// An unfinished table of an interrupted import is removed; with `restart`, the finished too.
    pub fn open(path: PathBuf, plan: &str, restart: bool) -> Result<Staging> {
        OsVfs.create_directory(&path)?;
        let lock = OsVfs.lock(&path.join(LOCK))?;
        let mut staging = Staging { path, tables: Vec::new(), _lock: lock };
        let mut names = OsVfs.list(&staging.path)?;
        names.retain(|name| name != LOCK);
        staging.check_names(&names)?;
        if names.iter().any(|name| name == PLAN) && !restart {
            staging.check_plan(plan)?;
        } else {
            staging.clear(&names)?;
            staging.write_plan(plan)?;
            names.clear();
        }
        for name in names {
            let path = staging.path.join(&name);
            if name.ends_with(TEMPORARY_SUFFIX) {
                OsVfs.remove(&path)?;
            } else if name.ends_with(TABLE_SUFFIX) {
                staging.take(path)?;
            }
        }
        Ok(staging)
    }

    /// Refuses a directory that holds what no import put there.
    fn check_names(&self, names: &[String]) -> Result<()> {
        let is_ours = |name: &String| {
            let stem = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
            // A temporary file has a number behind the name it will have.
            let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('.');
            let digits = stem.strip_suffix(TABLE_SUFFIX);
            stem == PLAN
                || digits.is_some_and(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_digit()))
        };
        match names.iter().find(|name| !is_ours(name)) {
            Some(name) => Err(Failure::input(format_args!(
                "{}: no directory of an import: it holds {name}",
                self.path.display()
            ))),
            None => Ok(()),
        }
    }

    fn check_plan(&self, plan: &str) -> Result<()> {
        let path = self.path.join(PLAN);
        let failed = |e| Error::io("read", &path, e);
        let found = std::fs::read_to_string(&path).map_err(failed)?;
        if found == plan {
            return Ok(());
        }
        let (mut begun, mut now) = (found.lines(), plan.lines());
        let difference = loop {
            match (begun.next(), now.next()) {
                (a, b) if a == b && a.is_some() => {}
                (a, b) => break (a.unwrap_or("nothing"), b.unwrap_or("nothing")),
            }
        };
        Err(Failure::input(format_args!(
            "{}: an import was begun of another source, or of another state of it: \"{}\" then, \
             \"{}\" now; --restart gives it up and begins anew",
            path.display(),
            difference.0,
            difference.1
        )))
    }

    fn write_plan(&self, plan: &str) -> Result<()> {
        let temporary = self.path.join(format!("{PLAN}{TEMPORARY_SUFFIX}"));
        let failed = |e| Error::io("write", &temporary, e);
        let mut file = OsVfs.create(&temporary)?;
        file.write_all(plan.as_bytes()).map_err(failed)?;
        file.sync().map_err(failed)?;
        OsVfs.rename(&temporary, &self.path.join(PLAN))?;
        Ok(OsVfs.sync_directory(&self.path)?)
    }

    /// Removes `names`; the plan first, since tables without one are nobody's.
    fn clear(&self, names: &[String]) -> Result<()> {
        let (plan, rest): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name == PLAN);
        for name in plan.into_iter().chain(rest) {
            OsVfs.remove(&self.path.join(name))?;
        }
        Ok(())
    }

    /// Takes the table at `path` as complete; it must be the next, and come after those before it.
    pub fn take(&mut self, path: PathBuf) -> Result<()> {
        let expected = self.next_path();
        if path != expected {
            let message =
                format_args!("{}: expected next, found {}", expected.display(), path.display());
            return Err(Failure::input(format_args!("{message}; --restart begins anew")));
        }
        let table = Table::open(&path)?;
        let properties = table.properties();
        if self.last_key().is_some_and(|last| last >= &properties.smallest_key[..]) {
            let before = "a key behind those of the tables before";
            let found = properties.smallest_key.escape_ascii();
            return Err(Error::corruption(path, 0, "smallest key", before, found).into());
        }
        self.tables.push(Staged {
            entries: properties.entries,
            bytes: table.file_bytes(),
            largest: properties.largest_key.clone(),
            path,
        });
        Ok(())
    }

    /// The tables that are complete.
    pub fn tables(&self) -> &[Staged] {
        &self.tables
    }

    /// Where the next table goes.
    pub fn next_path(&self) -> PathBuf {
        self.path.join(format!("{:06}{TABLE_SUFFIX}", self.tables.len() + 1))
    }

    /// The last key that is in a table.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.tables.last().map(|table| &table.largest[..])
    }

    /// Removes the directory with all that is in it.
    pub fn remove(self) -> Result<()> {
        self.clear(&OsVfs.list(&self.path)?)?;
        Ok(OsVfs.remove_directory(&self.path)?)
    }

    /// Whether there is one at `path`.
    pub fn is_at(path: &Path) -> bool {
        path.join(PLAN).is_file()
    }
}
