//! A file system in memory, for tests and for places that have no other.

use super::{AppendFile, FileLock, ReadAt, Vfs, WriteAt};
use crate::base::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Content = Arc<Mutex<Vec<u8>>>;

/// A file system in memory. Clones share their files.
///
/// Its clock stands still but for [`Vfs::sleep`], which moves it and returns at once.
#[derive(Clone, Debug, Default)]
pub struct MemVfs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Content>,
    directories: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    now: Duration,
}

impl MemVfs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().files.keys().cloned().collect()
    }
}

fn lock(content: &Content) -> MutexGuard<'_, Vec<u8>> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(op: &'static str, path: &Path) -> Error {
    Error::io(op, path, io::ErrorKind::NotFound.into())
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        match self.state().files.get(path) {
            Some(content) => Ok(Arc::new(MemFile(content.clone()))),
            None => Err(not_found("open", path)),
        }
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            return Err(Error::io("create", path, io::ErrorKind::AlreadyExists.into()));
        }
        let content = Content::default();
        state.files.insert(path.into(), content.clone());
        Ok(Box::new(MemFile(content)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        let content = state.files.remove(from).ok_or_else(|| not_found("rename", from))?;
        state.files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.state().files.remove(path) {
            Some(_) => Ok(()),
            None => Err(not_found("remove", path)),
        }
    }

    fn sync_directory(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.directories.extend(path.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        match self.state().directories.remove(path) {
            true => Ok(()),
            false => Err(not_found("remove", path)),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let state = self.state();
        if !state.directories.contains(path) {
            return Err(not_found("list", path));
        }
        let paths = state.files.keys().chain(&state.directories);
        let below = paths.filter(|file| file.parent() == Some(path));
        let name = |file: &PathBuf| file.file_name()?.to_str().map(str::to_owned);
        let mut names: Vec<String> = below.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        let content = state.files.get(from).cloned().ok_or_else(|| not_found("link", from))?;
        if state.files.contains_key(to) {
            return Err(Error::io("link", to, io::ErrorKind::AlreadyExists.into()));
        }
        state.files.insert(to.into(), content);
        Ok(())
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        let content = self.state().files.entry(path.into()).or_default().clone();
        Ok(Arc::new(MemFile(content)))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let mut state = self.state();
        if !state.locks.insert(path.into()) {
            return Err(Error::locked(path, &holder()));
        }
        state.files.entry(path.into()).or_default();
        Ok(Box::new(MemLock { vfs: self.clone(), path: path.into() }))
    }

    fn now(&self) -> Duration {
        self.state().now
    }

    fn sleep(&self, time: Duration) {
        self.state().now += time;
    }
}

/// Who holds a lock: this process, where there are processes.
fn holder() -> String {
    if cfg!(target_family = "wasm") { String::new() } else { std::process::id().to_string() }
}

struct MemLock {
    vfs: MemVfs,
    path: PathBuf,
}

impl FileLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.vfs.state().locks.remove(&self.path);
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

impl WriteAt for MemFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut content = lock(&self.0);
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
