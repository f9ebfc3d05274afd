//! A table that appears under its name only when it is complete and durable.

use super::{TableSummary, TableWriter, WriteSettings};
use crate::base::error::{Error, Result};
use crate::base::key::Entry;
use crate::cache::KeptBlocks;
use crate::vfs::{AppendFile, OsVfs, Vfs, create_temporary};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes a table into a file: under a temporary name beside it, then synced, then renamed.
///
/// Dropped before [`TableFile::finish`], it removes the temporary file. A file that already has
/// the name is replaced at the end, in one step.
///
/// # Examples
/// ```
/// use esker::{Table, TableFile, WriteSettings};
/// let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("fruit.sstable");
/// let mut file = TableFile::create(&path, WriteSettings::default())?;
/// file.put(b"apple", b"red")?;
/// file.finish()?;
/// assert!(Table::open(&path)?.has(b"apple")?);
/// # Ok::<(), esker::Error>(())
/// ```
pub struct TableFile {
    /// Taken by `finish`.
    writer: Option<TableWriter<Buffered>>,
    vfs: Arc<dyn Vfs>,
    temporary: PathBuf,
    path: PathBuf,
}

/// The file behind a buffer: frames of a few KiB become writes of this many bytes.
type Buffered = io::BufWriter<Flowing>;
const BUFFER_BYTES: usize = 256 << 10;

/// Bytes of a file that begin their way to the disk together. With 4 or 16 MiB fills of large
/// values were slower (14.6k a second, 13.6k and 11.6k, measured).
const FLOW_BYTES: usize = 1 << 20;

/// A file that goes to the disk while it is written: else the disk would rest until the sync, and
/// the writer then.
struct Flowing {
    file: Box<dyn AppendFile>,
    /// Bytes since the last that began their way.
    held: usize,
}

impl Write for Flowing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.held += written;
        if self.held >= FLOW_BYTES {
            self.held = 0;
            self.file.begin_sync();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TableFile {
    /// Starts the table that will be at `path`.
    ///
    /// # Errors
    /// `InvalidInput` if a setting is out of its range; `Io` if the temporary file, whose name is
    /// that of `path` with a number and `.tmp` after it, cannot be made.
    pub fn create(path: impl AsRef<Path>, settings: WriteSettings) -> Result<TableFile> {
        TableFile::create_in(Arc::new(OsVfs), path, settings)
    }

    /// As [`TableFile::create`], in the file system `vfs`.
    pub fn create_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        settings: WriteSettings,
    ) -> Result<TableFile> {
        settings.validate()?;
        let path = path.as_ref().to_path_buf();
        let (temporary, file) = create_temporary(&*vfs, &path)?;
        let file = Buffered::with_capacity(BUFFER_BYTES, Flowing { file, held: 0 });
        let writer = TableWriter::named(file, temporary.clone(), settings);
        let mut this = TableFile { writer: None, vfs, temporary, path };
        this.writer = Some(writer?);
        Ok(this)
    }

    /// Keeps data blocks in memory as they are written, for [`TableFile::finish_keeping`].
    pub(crate) fn keep(&mut self, kept: KeptBlocks) {
        if let Some(writer) = &mut self.writer {
            writer.keep(kept);
        }
    }

    fn writer(&mut self) -> Result<&mut TableWriter<Buffered>> {
        let gone = || Error::invalid_input("table file", "already finished");
        self.writer.as_mut().ok_or_else(gone)
    }

    /// Appends `key` with `value`. See [`TableWriter::add`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.add(Entry::put(key, value))
    }

    /// Appends a tombstone for `key`. See [`TableWriter::add`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.add(Entry::tombstone(key))
    }

    /// Appends `entry`. See [`TableWriter::add`].
    pub fn add(&mut self, entry: Entry<'_>) -> Result<()> {
        self.writer()?.add(entry)
    }

    /// Bytes written so far; blocks under way not counted.
    pub fn written_bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, TableWriter::written_bytes)
    }

    /// Completes the table, makes it durable, and gives it its name: content first, then name.
    ///
    /// # Errors
    /// `Io` if a step fails; then there is no file under the name, or the one from before.
    pub fn finish(self) -> Result<TableSummary> {
        self.finish_keeping().map(|(summary, _)| summary)
    }

    /// As [`TableFile::finish`], with the blocks that were kept.
    pub(crate) fn finish_keeping(mut self) -> Result<(TableSummary, KeptBlocks)> {
        let Some(writer) = self.writer.take() else { return Ok(Default::default()) };
        let name = writer.name().to_path_buf();
        let (file, summary, kept) = writer.finish_keeping()?;
        let failed = |e| Error::io("write", &name, e);
        let Flowing { mut file, .. } = file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync().map_err(|e| Error::io("sync", &name, e))?;
        drop(file);
        self.vfs.rename(&self.temporary, &self.path)?;
        self.temporary = PathBuf::new();
        self.vfs.sync_directory(self.path.parent().unwrap_or(Path::new("")))?;
        Ok((summary, kept))
    }
}

impl Drop for TableFile {
    fn drop(&mut self) {
        self.writer = None;
        if !self.temporary.as_os_str().is_empty() {
            // Nothing is lost if it stays: the next writer of this name reports it.
            let _ = self.vfs.remove(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counting {
        written: usize,
        begun: Arc<AtomicUsize>,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AppendFile for Counting {
        fn begin_sync(&mut self) {
            self.begun.store(self.written, Ordering::Relaxed);
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_does_not_wait_for_the_sync() {
        let begun = Arc::new(AtomicUsize::new(0));
        let file = Box::new(Counting { begun: begun.clone(), ..Counting::default() });
        let mut file = Flowing { file, held: 0 };
        for writes in 1..=1000 {
            file.write_all(&[0; 10_000]).unwrap();
            assert!(begun.load(Ordering::Relaxed) + FLOW_BYTES > writes * 10_000);
        }
    }
}
