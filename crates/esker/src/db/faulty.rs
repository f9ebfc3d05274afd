//! A file system in memory that fails as it is told, for tests.

use crate::base::error::{Error, Result};
use crate::vfs::{AppendFile, FileLock, MemVfs, ReadAt, Vfs, WriteAt};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Says of an operation and a path after how many bytes it fails; `None`: it does not.
type Plan = Box<dyn FnMut(&str, &str) -> Option<usize> + Send>;

/// Files in memory, with operations that fail as planned.
#[derive(Clone, Default)]
pub struct Faulty {
    pub files: MemVfs,
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Faulty {
    /// Fails as `plan` says, from now on.
    pub fn fail(&self, plan: impl FnMut(&str, &str) -> Option<usize> + Send + 'static) {
        *self.plan.lock() = Some(Box::new(plan));
    }

    /// Fails no more.
    pub fn heal(&self) {
        *self.plan.lock() = None;
    }

    fn planned(&self, op: &'static str, path: &Path) -> Option<usize> {
        // Taken out meanwhile: a plan may use the files itself.
        let mut plan = self.plan.lock().take()?;
        let found = plan(op, path.to_str().unwrap());
        self.plan.lock().get_or_insert(plan);
        found
    }

    fn check(&self, op: &'static str, path: &Path) -> Result<()> {
        match self.planned(op, path) {
            Some(_) => Err(Error::io(op, path, io::ErrorKind::StorageFull.into())),
            None => Ok(()),
        }
    }

    /// The names of the files in `db` that end in `end`.
    pub fn names(&self, end: &str) -> Vec<String> {
        let names = self.files.list(Path::new("db")).unwrap();
        names.into_iter().filter(|name| name.ends_with(end)).collect()
    }
}

struct FaultyFile<F: ?Sized> {
    vfs: Faulty,
    path: PathBuf,
    file: F,
}

impl<F> FaultyFile<F> {
    fn check(&self, op: &'static str) -> io::Result<()> {
        match self.vfs.planned(op, &self.path) {
            Some(_) => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }
}

impl WriteAt for FaultyFile<Arc<dyn WriteAt>> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.vfs.planned("write", &self.path) {
            Some(len) => {
                self.file.write_all_at(&bytes[..len.min(bytes.len())], offset)?;
                Err(io::ErrorKind::StorageFull.into())
            }
            None => self.file.write_all_at(bytes, offset),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.check("sync")?;
        self.file.sync()
    }
}

impl io::Write for FaultyFile<Box<dyn AppendFile>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check("append")?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AppendFile for FaultyFile<Box<dyn AppendFile>> {
    fn begin_sync(&mut self) {
        self.file.begin_sync();
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check("sync")?;
        self.file.sync()
    }
}

impl ReadAt for FaultyFile<Arc<dyn ReadAt>> {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.check("read")?;
        self.file.read_exact_at(buf, offset)
    }
}

impl Vfs for Faulty {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        self.check("open", path)?;
        let file = self.files.open(path)?;
        Ok(Arc::new(FaultyFile { vfs: self.clone(), path: path.into(), file }))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        self.check("create", path)?;
        let file = self.files.create(path)?;
        Ok(Box::new(FaultyFile { vfs: self.clone(), path: path.into(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.check("rename", from)?;
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.check("remove", path)?;
        self.files.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        self.check("sync_directory", path)?;
        self.files.sync_directory(path)
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.files.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        self.files.remove_directory(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.files.list(path)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.check("link", to)?;
        self.files.link(from, to)
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        self.check("open_write", path)?;
        let file = self.files.open_write(path)?;
        Ok(Arc::new(FaultyFile { vfs: self.clone(), path: path.into(), file }))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.files.lock(path)
    }

    fn now(&self) -> Duration {
        self.files.now()
    }

    fn sleep(&self, time: Duration) {
        self.files.sleep(time);
    }
}
