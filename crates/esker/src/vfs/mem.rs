//! A file system in memory, for tests and for places that have no other.

use super::{AppendFile, ReadAt, Vfs};
use crate::base::error::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Content = Arc<Mutex<Vec<u8>>>;

/// A file system in memory. Clones share their files.
#[derive(Clone, Debug, Default)]
pub struct MemVfs {
    files: Arc<Mutex<BTreeMap<PathBuf, Content>>>,
}

impl MemVfs {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files().keys().cloned().collect()
    }
}

fn lock(content: &Content) -> MutexGuard<'_, Vec<u8>> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        match self.files().get(path) {
            Some(content) => Ok(Arc::new(MemFile(content.clone()))),
            None => Err(Error::io("open", path, io::ErrorKind::NotFound.into())),
        }
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(Error::io("create", path, io::ErrorKind::AlreadyExists.into()));
        }
        let content = Content::default();
        files.insert(path.into(), content.clone());
        Ok(Box::new(MemFile(content)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut files = self.files();
        match files.remove(from) {
            Some(content) => files.insert(to.into(), content),
            None => return Err(Error::io("rename", from, io::ErrorKind::NotFound.into())),
        };
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.files().remove(path) {
            Some(_) => Ok(()),
            None => Err(Error::io("remove", path, io::ErrorKind::NotFound.into())),
        }
    }

    fn sync_directory(&self, _: &Path) -> Result<()> {
        Ok(())
    }
}

struct MemFile(Content);

impl ReadAt for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        lock(&self.0).read_exact_at(buf, offset)
    }
}

impl io::Write for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AppendFile for MemFile {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
