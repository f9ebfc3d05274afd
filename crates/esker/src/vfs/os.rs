//! The operating system's files.

use super::write_back::begin_write_back;
use super::{AppendFile, FileLock, ReadAt, Vfs, WriteAt};
use crate::base::error::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsVfs;

impl OsVfs {
    /// Opens the file at `path` as a memory map where the platform has them, else as
    /// [`Vfs::open`] does.
    pub(crate) fn open_mapped(path: &Path) -> Result<Arc<dyn ReadAt>> {
        #[cfg(unix)]
        {
            let file = open_regular(path)?;
            let map = super::map::GuardedMap::new(&file).map_err(|e| Error::io("map", path, e))?;
            Ok(Arc::new(map))
        }
        #[cfg(not(unix))]
        OsVfs.open(path)
    }
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(OsFile(open_regular(path)?)))
    }

    fn has_page_cache(&self) -> bool {
        true
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let file = File::create_new(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(OsAppendFile::new(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = File::open(path).map_err(|e| Error::io("open", path, e))?;
        directory.sync_all().map_err(|e| Error::io("sync", path, e))
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        fs::remove_dir(path).map_err(|e| Error::io("remove", path, e))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let failed = |e| Error::io("list", path, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        fs::hard_link(from, to).map_err(|e| Error::io("link", from, e))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        Ok(Arc::new(OsFile(open_or_create(path)?)))
    }

    // Here a file can be synced that may not be written.
    #[cfg(unix)]
    fn sync_file(&self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        file.sync_all().map_err(|e| Error::io("sync", path, e))
    }

    #[cfg(target_os = "linux")]
    fn open_log(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        Ok(Arc::new(super::log_map::MappedFile::new(open_or_create(path)?)))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let mut file = open_or_create(path)?;
        let directory = lock_directory(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::locked(path, &holder(path)));
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        }
        // Always as long, and so written over: to make the file empty first took 1.4 ms (measured).
        let note = format!("{:<10}\n", std::process::id());
        file.write_all(note.as_bytes()).map_err(|e| Error::io("write", path, e))?;
        Ok(Box::new(OsLock(file, directory)))
    }

    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The locks of the operating system on open files; they go with the files.
struct OsLock(
    #[allow(dead_code, reason = "held for its lock")] File,
    #[allow(dead_code, reason = "held for its lock")] Option<File>,
);

/// Locks the directory of the lock file at `path`, where a directory can be locked: it stays when
/// somebody removes the file, and with it the file's lock.
fn lock_directory(path: &Path) -> Result<Option<File>> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) else { return Ok(None) };
    match directory.try_lock() {
        Ok(()) => Ok(Some(directory)),
        Err(TryLockError::WouldBlock) => Err(Error::locked(path, &holder(path))),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The process that holds the lock file at `path`, as it noted; empty if it is not known.
fn holder(path: &Path) -> String {
    let note = fs::read_to_string(path).unwrap_or_default();
    note.lines().next().unwrap_or_default().trim().into()
}

impl FileLock for OsLock {}

/// Opens the file at `path` for reading and writing; what it holds stays.
fn open_or_create(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|e| Error::io("open", path, e))
}

/// Opens a regular file. A directory would open on Unix but fail at the first read, and a pipe
/// would wait for a writer: say so now.
fn open_regular(path: &Path) -> Result<File> {
    let failed = |e| Error::io("open", path, e);
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    File::open(path).map_err(failed)
}

struct OsFile(File);

impl ReadAt for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buf, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_read(&self.0, buf, offset)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buf = &mut buf[n..];
            offset += n as u64;
        }
        Ok(())
    }

    #[cfg(not(any(unix, windows)))]
    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl WriteAt for OsFile {
    #[cfg(unix)]
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)?;
            bytes = &bytes[n..];
            offset += n as u64;
        }
        Ok(())
    }

    #[cfg(not(any(unix, windows)))]
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

struct OsAppendFile {
    file: File,
    written: u64,
    /// Bytes that have begun their way to the disk.
    begun: u64,
    /// Why some could not: no sync is to say that all is well.
    failed: Option<io::Error>,
}

/// Bytes that begin their way to the disk are whole pieces of so many: what is yet to be filled
/// would be written twice, and on some disks kept from being filled for as long.
const BEGIN_BYTES: u64 = 64 << 10;

impl OsAppendFile {
    fn new(file: File) -> OsAppendFile {
        OsAppendFile { file, written: 0, begun: 0, failed: None }
    }
}

impl Write for OsAppendFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AppendFile for OsAppendFile {
    fn begin_sync(&mut self) {
        let until = self.written - self.written % BEGIN_BYTES;
        if until > self.begun && self.failed.is_none() {
            self.failed = begin_write_back(&self.file, self.begun..until).err();
            self.begun = until;
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match &self.failed {
            None => self.file.sync_all(),
            Some(error) => {
                let code = error.raw_os_error();
                Err(code.map_or(error.kind().into(), io::Error::from_raw_os_error))
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_is_there_after_the_sync() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let mut file = OsAppendFile::new(File::create_new(&path).unwrap());
        for byte in 0..100 {
            file.write_all(&[byte; 30_000]).unwrap();
            file.begin_sync();
            assert!(file.failed.is_none() && file.written - file.begun < BEGIN_BYTES);
        }
        file.sync().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.chunks(30_000).zip(0..).all(|(part, byte)| part == [byte; 30_000]));
        assert_eq!(bytes.len() as u64, file.written);
    }

    /// A pipe stands for a file whose bytes find no place on the disk.
    #[test]
    fn a_sync_tells_of_what_failed_before() {
        let (_reader, pipe) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        let mut file = OsAppendFile { written: BEGIN_BYTES, ..OsAppendFile::new(pipe) };
        file.begin_sync();
        for _ in 0..2 {
            assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(libc::ESPIPE));
        }
    }
}
