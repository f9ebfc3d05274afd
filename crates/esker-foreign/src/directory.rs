//! The files of a database's directory, by their names (LevelDB `db/filename.cc`; RocksDB
//! `file/filename.cc`).

use crate::footer::{self, Engine};
use crate::log::LogReader;
use esker::vfs::{OsVfs, Vfs};
use esker::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the file that names the manifest.
pub(crate) const CURRENT: &str = "CURRENT";
/// Most bytes of it that are read.
const CURRENT_LEN_MAX: u64 = 4096;
/// Most files of a kind that are looked at to tell whose a directory is.
const DETECTED_MAX: usize = 16;
const MANIFEST_PREFIX: &str = "MANIFEST-";

/// What stands in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) has_current: bool,
    /// Logs by number.
    pub(crate) logs: BTreeMap<u64, PathBuf>,
    /// Tables by number.
    pub(crate) tables: BTreeMap<u64, PathBuf>,
    /// Manifests by number.
    pub(crate) manifests: BTreeMap<u64, PathBuf>,
    /// Whether files lie here that only RocksDB makes.
    pub(crate) has_rocksdb_files: bool,
}

impl Listing {
    /// Lists the directory at `path`.
    pub(crate) fn read(vfs: &dyn Vfs, path: &Path) -> Result<Listing> {
        let mut listing = Listing::default();
        for name in vfs.list(path)? {
            let (name, file) = (name.as_str(), path.join(&name));
            listing.has_current |= name == CURRENT;
            listing.has_rocksdb_files |= name == "IDENTITY" || name.starts_with("OPTIONS-");
            if let Some(number) = name.strip_prefix(MANIFEST_PREFIX).and_then(number) {
                listing.manifests.insert(number, file.clone());
            }
            let Some((stem, extension)) = name.split_once('.') else { continue };
            let Some(number) = number(stem) else { continue };
            match extension {
                "log" => drop(listing.logs.insert(number, file)),
                // LevelDB looks for this name first.
                "ldb" => drop(listing.tables.insert(number, file)),
                "sst" => drop(listing.tables.entry(number).or_insert(file)),
                _ => {}
            }
        }
        Ok(listing)
    }
}

/// A number in decimal digits and nothing else.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The manifest that `CURRENT` in the directory at `path` names.
///
/// # Errors
/// `Corruption` for whatever it holds besides a manifest's name and a line feed.
pub(crate) fn current(vfs: &dyn Vfs, path: &Path) -> Result<PathBuf> {
    let file = path.join(CURRENT);
    let source = vfs.open(&file)?;
    let io = |e| Error::io("read", &file, e);
    let len = source.len().map_err(io)?;
    let mut bytes = vec![0; len.min(CURRENT_LEN_MAX) as usize];
    source.read_exact_at(&mut bytes, 0).map_err(io)?;
    let expected = "MANIFEST- with digits and a line feed";
    let broken = |at: usize| {
        let found = format_args!("\"{}\"", bytes[..bytes.len().min(64)].escape_ascii());
        Error::corruption(&file, at as u64, "name of the manifest", expected, found)
    };
    let name = bytes.strip_suffix(b"\n").ok_or_else(|| broken(bytes.len()))?;
    let name = std::str::from_utf8(name).map_err(|e| broken(e.valid_up_to()))?;
    let digits = name.strip_prefix(MANIFEST_PREFIX).filter(|digits| !digits.is_empty());
    digits.and_then(number).ok_or_else(|| broken(0))?;
    Ok(path.join(name))
}

/// The engine whose database the directory at `path` holds, if it is one of those that are read.
///
/// It is told from what manifests, tables and logs hold, not from their names: a file must begin
/// with a sound record of a log, or end with a table's magic number.
///
/// # Errors
/// `Io` if the directory cannot be listed; files that cannot be read tell nothing.
pub fn detect_directory(path: impl AsRef<Path>) -> Result<Option<Engine>> {
    detect_directory_in(&OsVfs, path)
}

/// As [`detect_directory`], for a directory of `vfs`.
///
/// # Errors
/// As [`detect_directory`].
pub fn detect_directory_in(vfs: &dyn Vfs, path: impl AsRef<Path>) -> Result<Option<Engine>> {
    let listing = Listing::read(vfs, path.as_ref())?;
    let mut found = None;
    let logs = listing.manifests.iter().chain(&listing.logs);
    for (&number, file) in logs.take(DETECTED_MAX) {
        // A living process may have removed it since: then others tell.
        let Ok(source) = vfs.open(file) else { continue };
        let Ok(mut reader) = LogReader::new(&*source, file, number) else { continue };
        if matches!(reader.next(), Ok(Some(_))) {
            found = Some(Engine::LevelDb);
            break;
        }
    }
    for file in listing.tables.values().take(DETECTED_MAX) {
        match table_engine(vfs, file) {
            Ok(Some(Engine::RocksDb)) => return Ok(Some(Engine::RocksDb)),
            engine => found = found.or(engine.ok().flatten()),
        }
    }
    let is_rocksdb = listing.has_rocksdb_files && found.is_some();
    Ok(if is_rocksdb { Some(Engine::RocksDb) } else { found })
}

/// The engine that the magic number of the table at `path` names.
fn table_engine(vfs: &dyn Vfs, path: &Path) -> Result<Option<Engine>> {
    let source = vfs.open(path)?;
    let io = |e| Error::io("read", path, e);
    let len = source.len().map_err(io)?;
    let mut end = [0; 8];
    let Some(at) = len.checked_sub(end.len() as u64) else { return Ok(None) };
    source.read_exact_at(&mut end, at).map_err(io)?;
    Ok(footer::detect(&end))
}
