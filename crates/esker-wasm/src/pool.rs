//! A file system over a fixed row of files that are held open.
//!
//! A browser opens files only asynchronously, while the engine wants them at once. So the worker
//! opens a row of nameless files beforehand; a head in each says which name it bears (see
//! [`crate::slot`]), and creating, renaming and removing are writes of heads.
//!
//! # Invariants
//! - A name is borne by the file with the highest generation that says so; a rename writes one
//!   head, so that a crash leaves the old name or the new one.
//! - A file that was removed is used again only when nobody reads it any more.

use crate::slot::{HEAD_LEN, Head, NAME_LEN_MAX, PLACE_LEN};
use esker::vfs::{AppendFile, FileLock, ReadAt, Vfs, WriteAt};
use esker::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What an error says when a file is wanted and none is free; `web/package/worker.js` looks for it.
const NO_FREE_FILE: &str = "no free file in the pool";

/// A row of files, by number from zero.
pub trait Device: Send + Sync {
    /// How many there are; only ever more.
    fn count(&self) -> usize;
    /// Bytes of a file.
    fn len(&self, slot: usize) -> io::Result<u64>;
    /// Fills `buf` from byte `offset` on; returns how many bytes there were.
    fn read(&self, slot: usize, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` from byte `offset` on.
    fn write(&self, slot: usize, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts a file, or makes it longer by zeros.
    fn truncate(&self, slot: usize, len: u64) -> io::Result<()>;
    /// Makes a file durable.
    fn flush(&self, slot: usize) -> io::Result<()>;
    /// Time since a fixed moment.
    fn now(&self) -> Duration;
}

/// A file system over a [`Device`]. Clones share it.
#[derive(Clone)]
pub struct PoolVfs(Arc<Pool>);

struct Pool {
    device: Box<dyn Device>,
    state: Mutex<State>,
    /// Files that bear no name and that nobody reads. The last lock to take.
    free: Mutex<BTreeSet<usize>>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Slot>>,
    /// The place of each file's head that was written last.
    places: Vec<usize>,
    generation: u64,
    /// Files whose heads are not durable.
    unsynced: BTreeSet<usize>,
    locks: BTreeSet<PathBuf>,
}

/// A file that bears a name or is still read; free again when dropped.
struct Slot {
    number: usize,
    pool: Weak<Pool>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            // What stays in it is cut when it is used again.
            let _ = pool.device.truncate(self.number, HEAD_LEN);
            guard(&pool.free).insert(self.number);
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(op: &'static str, path: &Path) -> Error {
    Error::io(op, path, io::ErrorKind::NotFound.into())
}

impl PoolVfs {
    /// The file system that the heads of `device` tell of.
    ///
    /// # Errors
    /// `Io` if a head cannot be read.
    pub fn open(device: Box<dyn Device>) -> Result<PoolVfs> {
        let pool = Pool { device, state: Mutex::default(), free: Mutex::default() };
        let vfs = PoolVfs(Arc::new(pool));
        vfs.take_in().map_err(|e| Error::io("read the heads of", "pool", e))?;
        Ok(vfs)
    }

    /// Files that bear no name, after looking for new ones; and those that bear one.
    pub fn free_and_used(&self) -> (usize, usize) {
        // A head that cannot be read is looked at again when a file is wanted.
        let _ = self.take_in();
        (guard(&self.0.free).len(), guard(&self.0.state).names.len())
    }

    /// Reads the heads of files that are new.
    fn take_in(&self) -> io::Result<()> {
        let pool = &*self.0;
        let mut replaced = Vec::new();
        let mut state = guard(&pool.state);
        let mut generations = BTreeMap::new();
        for number in state.places.len()..pool.device.count() {
            let head = read_head(&*pool.device, number)?;
            state.places.push(head.as_ref().map_or(1, |(_, place)| *place));
            let Some((head, _)) = head else {
                guard(&pool.free).insert(number);
                continue;
            };
            state.generation = state.generation.max(head.generation);
            let path = PathBuf::from(head.name);
            let known = generations.get(&path).copied().unwrap_or(0);
            let slot = Arc::new(Slot { number, pool: Arc::downgrade(&self.0) });
            if path.as_os_str().is_empty() || head.generation < known {
                replaced.push(slot);
            } else {
                generations.insert(path.clone(), head.generation);
                replaced.extend(state.names.insert(path, slot));
            }
        }
        for slot in &replaced {
            pool.write_head(&mut state, slot.number, "")?;
        }
        Ok(())
    }

    fn find(&self, op: &'static str, path: &Path) -> Result<Arc<Slot>> {
        guard(&self.0.state).names.get(path).cloned().ok_or_else(|| not_found(op, path))
    }

    fn file(&self, slot: Arc<Slot>, end: u64) -> PoolFile {
        PoolFile { pool: self.0.clone(), slot, end }
    }

    /// Gives a free file the name `path`.
    fn name_one(&self, path: &Path) -> Result<Arc<Slot>> {
        let failed = |e| Error::io("create", path, e);
        self.take_in().map_err(failed)?;
        let pool = &*self.0;
        let Some(number) = guard(&pool.free).pop_first() else {
            return Err(failed(io::Error::other(NO_FREE_FILE)));
        };
        let slot = Arc::new(Slot { number, pool: Arc::downgrade(&self.0) });
        let name = name_of(path)?;
        let mut state = guard(&pool.state);
        pool.device.truncate(number, HEAD_LEN).map_err(failed)?;
        pool.write_head(&mut state, number, name).map_err(failed)?;
        state.names.insert(path.into(), slot.clone());
        Ok(slot)
    }
}

fn name_of(path: &Path) -> Result<&str> {
    let name = path.to_str().filter(|name| name.len() <= NAME_LEN_MAX);
    name.ok_or_else(|| Error::invalid_input("file name", "not text, or too long"))
}

/// The newer head of file `number`, and its place.
fn read_head(device: &dyn Device, number: usize) -> io::Result<Option<(Head, usize)>> {
    let mut bytes = vec![0; 2 * PLACE_LEN];
    let len = device.read(number, &mut bytes, 0)?;
    let places = bytes[..len].chunks(PLACE_LEN).map(Head::decode).enumerate();
    let heads = places.filter_map(|(place, head)| Some((head?, place)));
    Ok(heads.max_by_key(|(head, _)| head.generation))
}

impl Pool {
    fn write_head(&self, state: &mut State, number: usize, name: &str) -> io::Result<()> {
        state.generation += 1;
        let head = Head { generation: state.generation, name: name.into() };
        let place = 1 - state.places[number];
        self.device.write(number, &head.encode(), (place * PLACE_LEN) as u64)?;
        state.places[number] = place;
        state.unsynced.insert(number);
        Ok(())
    }
}

impl Vfs for PoolVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(self.file(self.find("open", path)?, 0)))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        if self.find("create", path).is_ok() {
            return Err(Error::io("create", path, io::ErrorKind::AlreadyExists.into()));
        }
        Ok(Box::new(self.file(self.name_one(path)?, 0)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let failed = |e| Error::io("rename", from, e);
        let pool = &*self.0;
        let name = name_of(to)?;
        let mut state = guard(&pool.state);
        let slot = state.names.get(from).cloned().ok_or_else(|| not_found("rename", from))?;
        pool.write_head(&mut state, slot.number, name).map_err(failed)?;
        state.names.remove(from);
        let replaced = state.names.insert(to.into(), slot.clone());
        if let Some(replaced) = &replaced {
            // Durable first: else a power cut could leave neither of them with the name.
            pool.device.flush(slot.number).map_err(failed)?;
            pool.write_head(&mut state, replaced.number, "").map_err(failed)?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let pool = &*self.0;
        let mut state = guard(&pool.state);
        let slot = state.names.remove(path).ok_or_else(|| not_found("remove", path))?;
        let written = pool.write_head(&mut state, slot.number, "");
        written.map_err(|e| Error::io("remove", path, e))
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        let pool = &*self.0;
        let mut state = guard(&pool.state);
        while let Some(number) = state.unsynced.first().copied() {
            pool.device.flush(number).map_err(|e| Error::io("sync", path, e))?;
            state.unsynced.remove(&number);
        }
        Ok(())
    }

    fn create_directory(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn remove_directory(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let state = guard(&self.0.state);
        let below = state.names.keys().filter(|file| file.parent() == Some(path));
        Ok(below.filter_map(|file| file.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn link(&self, from: &Path, _: &Path) -> Result<()> {
        Err(Error::io("link", from, io::ErrorKind::Unsupported.into()))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        let slot = match self.find("open", path) {
            Ok(slot) => slot,
            Err(_) => self.name_one(path)?,
        };
        Ok(Arc::new(self.file(slot, 0)))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        // The files are held open exclusively; this keeps the same worker out.
        if !guard(&self.0.state).locks.insert(path.into()) {
            return Err(Error::locked(path, ""));
        }
        if self.find("lock", path).is_err() {
            self.name_one(path)?;
        }
        Ok(Box::new(PoolLock { vfs: self.clone(), path: path.into() }))
    }

    fn now(&self) -> Duration {
        self.0.device.now()
    }

    fn sleep(&self, _: Duration) {
        // Nobody else runs here: there is nothing to wait for.
    }
}

struct PoolLock {
    vfs: PoolVfs,
    path: PathBuf,
}

impl FileLock for PoolLock {}

impl Drop for PoolLock {
    fn drop(&mut self) {
        guard(&self.vfs.0.state).locks.remove(&self.path);
    }
}

struct PoolFile {
    pool: Arc<Pool>,
    slot: Arc<Slot>,
    /// Where the next bytes of a file that is written from its start go.
    end: u64,
}

impl ReadAt for PoolFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.pool.device.len(self.slot.number)?.saturating_sub(HEAD_LEN))
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.pool.device.read(self.slot.number, buf, HEAD_LEN + offset)?;
        if read == buf.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl io::Write for PoolFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AppendFile for PoolFile {
    fn sync(&mut self) -> io::Result<()> {
        self.pool.device.flush(self.slot.number)
    }
}

impl WriteAt for PoolFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pool.device.write(self.slot.number, bytes, HEAD_LEN + offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.pool.device.flush(self.slot.number)
    }
}
