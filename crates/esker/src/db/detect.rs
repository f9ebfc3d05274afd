//! Whether a directory is a database, without opening it.

use super::open::{FileKind, file_kind};
use super::settings::Settings;
use crate::base::error::Result;
use crate::manifest::read_current;
use crate::record::{LOG_MAGIC, MANIFEST_MAGIC};
use crate::vfs::Vfs;
use std::path::Path;

/// Whether the directory `path` holds a database of esker, be it whole, damaged or of a newer
/// version: a sound `CURRENT`, or a file that only esker writes. Changes nothing.
///
/// # Errors
/// `Io` if the directory cannot be listed.
///
/// # Examples
/// ```
/// use esker::{Db, Settings, is_database};
/// let directory = tempfile::tempdir().unwrap();
/// let settings = Settings::default();
/// assert!(!is_database(directory.path(), &settings)?);
/// drop(Db::open(directory.path(), settings.clone())?);
/// assert!(is_database(directory.path(), &settings)?);
/// # Ok::<(), esker::Error>(())
/// ```
pub fn is_database(path: impl AsRef<Path>, settings: &Settings) -> Result<bool> {
    let (path, vfs) = (path.as_ref(), &*settings.vfs);
    if matches!(read_current(vfs, path), Ok(Some(_))) {
        return Ok(true);
    }
    let is_ours = |name: &String| match file_kind(name) {
        Some(FileKind::Table(_)) => true,
        Some(FileKind::Log(_)) => begins(vfs, &path.join(name), LOG_MAGIC),
        Some(FileKind::Manifest(_)) => begins(vfs, &path.join(name), MANIFEST_MAGIC),
        _ => false,
    };
    Ok(vfs.list(path)?.iter().any(is_ours))
}

fn begins(vfs: &dyn Vfs, path: &Path, magic: [u8; 8]) -> bool {
    let mut start = [0; 8];
    vfs.open(path).is_ok_and(|file| file.read_exact_at(&mut start, 0).is_ok()) && start == magic
}
