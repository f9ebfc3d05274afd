//! The tables that a sorter ends with: one, or a row of them, each of about so many bytes.

use super::TableSorter;
use crate::base::error::Result;
use crate::base::key::Entry;
use crate::table::{TableFile, TableSummary, WriteSettings};
use crate::vfs::Vfs;
use std::path::PathBuf;
use std::sync::Arc;

/// Tables being written one after the other. Those that are complete are removed if it is dropped
/// before [`Parts::finish`].
pub(super) struct Parts {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    settings: WriteSettings,
    /// Bytes at which a table is closed; `None` for a single table.
    part_bytes: Option<u64>,
    file: Option<TableFile>,
    done: Vec<(PathBuf, TableSummary)>,
}

impl Parts {
    pub(super) fn new(sorter: &TableSorter, part_bytes: Option<u64>) -> Parts {
        Parts {
            vfs: sorter.vfs.clone(),
            path: sorter.path.clone(),
            settings: sorter.settings.table.clone(),
            part_bytes,
            file: None,
            done: Vec::new(),
        }
    }

    /// Name of the table under way.
    fn name(&self) -> PathBuf {
        if self.part_bytes.is_none() {
            return self.path.clone();
        }
        let number = self.done.len() + 1;
        let extension = self.path.extension().unwrap_or_default().to_string_lossy();
        self.path.with_extension(format!("{number}.{extension}"))
    }

    /// Begins a table if none is under way.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.file.is_none() {
            let (vfs, settings) = (self.vfs.clone(), self.settings.clone());
            self.file = Some(TableFile::create_in(vfs, self.name(), settings)?);
        }
        Ok(())
    }

    /// Adds `entry`, whose key is above all before.
    pub(super) fn add(&mut self, entry: Entry<'_>) -> Result<()> {
        self.begin()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        file.add(entry)?;
        if self.part_bytes.is_some_and(|most| file.written_bytes() >= most) {
            self.end()?;
        }
        Ok(())
    }

    /// Completes the table under way, if one is.
    pub(super) fn end(&mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            let summary = file.finish()?;
            self.done.push((self.name(), summary));
        }
        Ok(())
    }

    /// The tables, in order.
    pub(super) fn finish(mut self) -> Result<Vec<(PathBuf, TableSummary)>> {
        self.end()?;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for (path, _) in &self.done {
            // Nothing is lost if one stays.
            let _ = self.vfs.remove(path);
        }
    }
}
