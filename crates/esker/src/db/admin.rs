//! What is done to a database as a whole: copies, its end.

use super::Db;
use super::core::Core;
use super::detect::is_database;
use super::open::{FileKind, create_directory, file_kind};
use super::settings::Settings;
use crate::base::error::{Error, Result};
use crate::log::LogWriter;
use crate::manifest::{Manifest, ManifestState};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Removes the database in `path`: the files that are its own, and the directory if nothing else is
/// in it.
///
/// # Errors
/// `InvalidInput` if it is no database of esker, see [`is_database`](crate::is_database); `Locked`
/// if it is open; `Io`.
pub fn destroy(path: impl AsRef<Path>, settings: &Settings) -> Result<()> {
    let (path, vfs) = (path.as_ref(), &*settings.vfs);
    if !is_database(path, settings)? {
        return Err(Error::invalid_input("no database of esker to destroy", path.display()));
    }
    let names = vfs.list(path)?;
    let lock = vfs.lock(&path.join("LOCK"))?;
    // First what makes it a database: a crash in the middle leaves files that are nobody's.
    let (first, rest): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| file_kind(name) == Some(FileKind::Current));
    for name in first.into_iter().chain(rest) {
        if file_kind(name).is_some_and(|kind| kind != FileKind::Lock) {
            vfs.remove(&path.join(name))?;
        }
    }
    vfs.remove(&path.join("LOCK"))?;
    drop(lock);
    if vfs.list(path)?.is_empty() { vfs.remove_directory(path) } else { Ok(()) }
}

impl Core {
    /// Makes the log durable and marks it so.
    pub fn close_log(&self) -> Result<()> {
        self.check_poison()?;
        self.take(&self.writer).log.write()?;
        let last = self.visible.load(Ordering::Acquire);
        self.sync_up_to(last)?;
        if self.take(&self.writer).log.is_empty() {
            return Ok(());
        }
        // Also if the last write was synced: nothing else says so.
        let mut writer = self.take(&self.writer);
        let next = writer.sequence + 1;
        writer.log.append(next, last, 0, |_| {})?;
        writer.log.write()?;
        let (file, path) = writer.log.file();
        file.sync().map_err(|e| Error::io("sync", path, e))
    }

    fn checkpoint(&self, target: &Path) -> Result<()> {
        let vfs = self.vfs();
        let is_new = vfs.list(target).is_err();
        create_directory(vfs, target)?;
        if let Some(name) = vfs.list(target)?.first() {
            let detail = format_args!("{}: it holds {name}", target.display());
            return Err(Error::invalid_input("checkpoint into a directory in use", detail));
        }
        self.copy_into(target).inspect_err(|_| {
            // What cannot be removed now is no database: `CURRENT` comes last.
            for name in vfs.list(target).unwrap_or_default() {
                let _ = vfs.remove(&target.join(name));
            }
            if is_new {
                let _ = vfs.remove_directory(target);
            }
        })
    }

    /// Makes the files of a copy in `target`, which is empty.
    fn copy_into(&self, target: &Path) -> Result<()> {
        let vfs = self.vfs();
        self.flush()?;
        // The view is pinned, so none of its tables goes while it is linked.
        let view = self.view.load_full();
        let mut state = ManifestState::default();
        let mut last = 0;
        for (level, table) in view.version.tables() {
            let meta = table.meta().clone();
            let name = format!("{:06}.sstable", meta.number);
            vfs.link(&table.path(), &target.join(name))?;
            last = last.max(meta.ingested_at.unwrap_or(meta.largest_sequence));
            state.next_number = state.next_number.max(meta.number + 1);
            state.tables.insert(meta.number, (level as u8, meta));
        }
        let sequence = self.take(&self.manifest).state().last_sequence;
        state.last_sequence = last.max(sequence);
        let log_number = state.next_number.max(1);
        let path = super::core::log_path(target, log_number);
        LogWriter::create(vfs, path, log_number, state.last_sequence)?;
        state.log_number = log_number;
        state.next_number = log_number + 2;
        Manifest::create(vfs, target, log_number + 1, state)?;
        Ok(())
    }
}

impl Db {
    /// Makes a copy of the database as of now in the directory `path`, which must be empty or not
    /// be there. Tables are shared by hard links, so it takes little time and space.
    ///
    /// # Errors
    /// `InvalidInput` if the directory is in use; `Io`, also if it is on another file system.
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<()> {
        self.core().checkpoint(path.as_ref())
    }

    /// Closes the database as dropping it does, but flushes first, so that the next open has no log
    /// to read.
    ///
    /// # Errors
    /// As [`Db::flush`].
    pub fn close(self) -> Result<()> {
        self.flush()
    }
}
