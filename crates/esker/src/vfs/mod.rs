//! Files as the engine sees them: the one seam to the operating system.
//!
//! Everything above this layer reads through [`ReadAt`] and touches directories through [`Vfs`],
//! so that tests, simulators and browsers can stand in for the machine. Only [`OsVfs`] and what
//! maps its files and writes them back name `std::fs`.

#[cfg(unix)]
mod fork;
#[cfg(target_os = "linux")]
mod log_map;
#[cfg(unix)]
mod map;
mod mem;
mod os;
mod priority;
mod turns;
mod write_back;

#[cfg(unix)]
pub(crate) use fork::{forks, watch_forks};
pub use mem::MemVfs;
pub use os::OsVfs;
pub(crate) use priority::step_back;
pub use turns::Turns;

use crate::base::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An immutable file, read at positions; shared by any number of readers.
///
/// # Examples
/// ```
/// use esker::vfs::ReadAt;
/// let file: Vec<u8> = b"abcdef".to_vec();
/// let mut two = [0; 2];
/// file.read_exact_at(&mut two, 2)?;
/// assert_eq!(&two, b"cd");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> std::io::Result<u64>;

    /// Whether there is not a single byte.
    fn is_empty(&self) -> std::io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from byte `offset` on; `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()>;

    /// The whole content, where it can be had without a read: memory, or a map.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }

    /// Whether bytes that [`ReadAt::as_slice`] gave may have been lost since (a mapped file that
    /// another process cut short, or whose disk fails). What was read through the slice is then not
    /// to be trusted.
    fn is_lost(&self) -> bool {
        false
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> std::io::Result<u64> {
        Ok(Vec::len(self) as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = start.checked_add(buf.len()).and_then(|end| self.get(start..end));
        buf.copy_from_slice(source.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// A file being written from its start to its end.
///
/// `write` hands bytes to the file; nothing is durable before [`AppendFile::sync`].
pub trait AppendFile: std::io::Write + Send {
    /// Lets the system begin to make durable what was written so far, and does not wait for it: a
    /// later [`AppendFile::sync`] has less to do, and reports what failed. A file around another
    /// passes this on. Default: nothing.
    fn begin_sync(&mut self) {}

    /// Makes the content durable: it survives a power cut once this returns.
    fn sync(&mut self) -> std::io::Result<()>;
}

/// A file written at positions, and made durable, from any number of threads.
pub trait WriteAt: Send + Sync {
    /// Writes all of `bytes` from byte `offset` on, making the file longer where it ends before.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()>;

    /// Makes durable what was written before this call began.
    fn sync(&self) -> std::io::Result<()>;
}

/// A lock on a file, given back when dropped.
pub trait FileLock: Send + Sync {}

/// A file system with its clock: the operating system's ([`OsVfs`]), or one in memory
/// ([`MemVfs`]).
///
/// # Examples
/// ```
/// use esker::vfs::{MemVfs, Vfs};
/// use std::{io::Write, path::Path};
/// let vfs = MemVfs::default();
/// vfs.create(Path::new("a"))?.write_all(b"hello").unwrap();
/// assert_eq!(vfs.open(Path::new("a"))?.len().unwrap(), 5);
/// # Ok::<(), esker::Error>(())
/// ```
pub trait Vfs: Send + Sync {
    /// Opens the file at `path` for positioned reads.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>>;

    /// Whether what was written is kept in memory by the system, so that to read it soon costs
    /// little. Default no.
    fn has_page_cache(&self) -> bool {
        false
    }

    /// Creates the file at `path`; an error if it exists.
    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>>;

    /// Gives the file at `from` the name `to`, in one step, replacing what was there.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes the file at `path`.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes the names in the directory at `path` durable.
    fn sync_directory(&self, path: &Path) -> Result<()>;

    /// Creates the directory at `path`; no error if it exists.
    fn create_directory(&self, path: &Path) -> Result<()>;

    /// Removes the directory at `path`, which must be empty.
    fn remove_directory(&self, path: &Path) -> Result<()>;

    /// The names in the directory at `path`, sorted; names that are not Unicode are left out.
    fn list(&self, path: &Path) -> Result<Vec<String>>;

    /// Gives the file at `from` a second name `to`, which must be free.
    fn link(&self, from: &Path, to: &Path) -> Result<()>;

    /// Opens the file at `path` for writing at positions; creates it if there is none. What it
    /// holds stays.
    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>>;

    /// As [`Vfs::open_write`], for a file that is written in many small pieces, one after another.
    /// It may be longer than what was written to it, by zeros.
    fn open_log(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        self.open_write(path)
    }

    /// Makes the content of the file at `path` durable, whoever wrote it.
    fn sync_file(&self, path: &Path) -> Result<()> {
        self.open_write(path)?.sync().map_err(|e| Error::io("sync", path, e))
    }

    /// Takes the lock that the file at `path` stands for, creating the file if need be.
    ///
    /// # Errors
    /// `Locked`, naming the holder's process id where it is known, if someone holds it: this
    /// process too.
    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>>;

    /// Time since a fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Lets the calling thread wait.
    fn sleep(&self, time: Duration);

    /// How threads take turns, where only one at a time goes on: in simulations.
    fn turns(&self) -> Option<&dyn Turns> {
        None
    }
}

/// No process is forked here.
#[cfg(not(unix))]
pub(crate) fn forks() -> u32 {
    0
}

#[cfg(not(unix))]
pub(crate) fn watch_forks() {}

/// Creates a file for the time being beside `path`: under its name with `.0.tmp` after it, or
/// the next number that is free. Returns its path too.
///
/// # Errors
/// `Io` if no file can be created, or if a thousand such names are taken.
pub(crate) fn create_temporary(
    vfs: &dyn Vfs,
    path: &Path,
) -> Result<(PathBuf, Box<dyn AppendFile>)> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_os_string();
        name.push(format!(".{number}.tmp"));
        let name = PathBuf::from(name);
        let taken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::AlreadyExists;
        match vfs.create(&name) {
            Err(error) if number < 1000 && error.io_error().is_some_and(taken) => number += 1,
            created => return created.map(|file| (name, file)),
        }
    }
}
