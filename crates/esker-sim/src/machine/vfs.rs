//! The seam itself: handles of one process on the machine.

use super::coverage::{Coverage, Fault};
use super::cut::PowerCut;
use super::fault::{Crash, Failure, OpKind, Rule, Strike};
use super::names::Node;
use super::state::State;
use super::turns::SimTurns;
use esker::vfs::{AppendFile, FileLock, ReadAt, Turns, Vfs, WriteAt};
use esker::{Error, Result};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Blocks that a log gets at a time.
const RESERVED_BYTES: usize = 4096;
/// What a sync takes: some wait for a part of it.
const SYNC_TIME: Duration = Duration::from_millis(1);

/// One process's view of a simulated machine. Clones belong to the same process.
#[derive(Clone)]
pub struct SimVfs {
    state: Arc<Mutex<State>>,
    process: u64,
    /// Set once the threads of the process take turns.
    turns: Arc<OnceLock<SimTurns>>,
}

impl SimVfs {
    /// A machine with an empty disk, and its first process.
    pub fn new(seed: u64) -> SimVfs {
        super::phase::follow();
        SimVfs::of(Arc::new(Mutex::new(State::new(seed))), 1)
    }

    fn of(state: Arc<Mutex<State>>, process: u64) -> SimVfs {
        SimVfs { state, process, turns: Arc::default() }
    }

    /// From now on the threads that the engine starts in this process take turns with the calling
    /// one, as the machine's seed says.
    pub fn take_turns(&self) {
        self.turns.get_or_init(|| SimTurns::new(self.state().random.bits()));
    }

    /// Waits of threads that ended only because nobody else could go on.
    pub fn overdue(&self) -> u64 {
        self.turns.get().map_or(0, SimTurns::overdue)
    }

    /// The state, for a call before which the turn may change.
    fn enter(&self) -> MutexGuard<'_, State> {
        if let Some(turns) = self.turns.get() {
            turns.before_call();
        }
        self.state()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule by which calls fail. Rules go with the process.
    pub fn fail(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Takes all rules away.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// Takes the rules away by which calls fail in this one way.
    pub fn heal_of(&self, failure: Failure) {
        self.state().rules.retain(|rule| rule.failure != failure);
    }

    /// Lets the process end at the `n`-th call from now, counted from 1.
    pub fn crash_at(&self, n: u64, crash: Crash) {
        self.fail(Rule::new(super::Calls::Nth(n), Failure::Crash(crash)));
    }

    /// Lets a call site fail, once.
    pub fn strike(&self, strike: Strike) {
        self.state().strikes.push(strike);
    }

    /// Whether the failure that [`SimVfs::strike`] set has happened since this was last asked.
    pub fn take_struck(&self) -> bool {
        let mut state = self.state();
        let mut any = false;
        for strike in &mut state.strikes {
            any |= std::mem::take(&mut strike.is_news);
        }
        any
    }

    /// Takes what is known of call sites and faults so far.
    pub fn take_coverage(&self) -> Coverage {
        let mut state = self.state();
        let changed = state.names.take_changed();
        state.coverage.note_changed(changed);
        std::mem::take(&mut state.coverage)
    }

    /// How the process ended, if it did.
    pub fn down(&self) -> Option<Crash> {
        self.state().down
    }

    /// Calls made so far, by all processes.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Kills the process: what it wrote stays in the page cache. Gives the next process.
    pub fn kill(&self) -> SimVfs {
        self.crash(Crash::Kill)
    }

    /// Cuts the power: what was not synced fares as `cut` says. Gives the next process.
    pub fn power_cut(&self, cut: PowerCut) -> SimVfs {
        self.crash(Crash::Power(cut))
    }

    /// Ends the process as `crash` says. Gives the next process.
    pub fn crash(&self, crash: Crash) -> SimVfs {
        let mut state = self.state();
        match crash {
            Crash::Kill => state.kill(),
            Crash::Power(cut) => state.power_cut(cut),
        }
        SimVfs::of(self.state.clone(), state.process)
    }

    /// Starts the process that comes after the crash that [`SimVfs::down`] tells of; after a kill
    /// if there was none.
    pub fn restart(&self) -> SimVfs {
        self.crash(self.down().unwrap_or(Crash::Kill))
    }

    /// Another machine whose disk holds the same, where nothing runs yet. Gives its first process.
    pub fn fork(&self) -> SimVfs {
        let mut state = self.state().clone();
        state.kill();
        let process = state.process;
        SimVfs::of(Arc::new(Mutex::new(state)), process)
    }

    /// Limits the disk to `bytes` of content; `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Whether, since this was last asked, a failed sync lost bytes that processes had seen: then
    /// a kill spares no more than a power cut does.
    pub fn take_lost_pages(&self) -> bool {
        std::mem::take(&mut self.state().lost_pages)
    }

    /// Bytes that all named files hold.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Changes the file at `path` on the disk and in the cache: damage at rest. False if there is
    /// none.
    pub fn damage(&self, path: &Path, change: impl Fn(&mut Vec<u8>)) -> bool {
        let mut state = self.state();
        let Some(Node::File(inode)) = state.names.get(path) else { return false };
        state.inodes.get_mut(&inode).map(|inode| inode.damage(change)).is_some()
    }

    /// What processes read in the file at `path`.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let Some(Node::File(inode)) = state.names.get(path) else { return None };
        state.inodes.get(&inode).map(|inode| inode.cached().to_vec())
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let state = self.state();
        let files = state.names.iter().filter(|(_, node)| *node != Node::Directory);
        files.map(|(path, _)| path.clone()).collect()
    }

    /// A hash of all names and contents, cached and durable.
    pub fn fingerprint(&self) -> u64 {
        let state = self.state();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes.iter().copied().chain((bytes.len() as u64).to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (path, node) in state.names.iter() {
            eat(path.as_os_str().as_encoded_bytes());
            if let Node::File(inode) = node
                && let Some(inode) = state.inodes.get(&inode)
            {
                eat(inode.cached());
                eat(inode.durable());
            }
        }
        hash
    }

    /// Begins to keep the calls made.
    pub fn trace(&self) {
        self.state().trace = Some(VecDeque::new());
    }

    /// Puts a line between the calls kept.
    pub fn note(&self, line: String) {
        self.state().note(line);
    }

    /// The calls kept since [`SimVfs::trace`], a line each.
    pub fn take_trace(&self) -> Vec<String> {
        self.state().trace.take().unwrap_or_default().into()
    }

    /// A call that happens whole or not at all.
    fn atomic<T>(
        &self,
        kind: OpKind,
        op: &'static str,
        path: &Path,
        detail: impl FnOnce() -> String,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        // Files go where their last reader lets go, under locks that nobody expects to wait for.
        let mut state = if kind == OpKind::Remove { self.state() } else { self.enter() };
        let passed = state.pass(self.process, kind, path, detail);
        let done = passed.and_then(|()| act(&mut state)).and_then(|value| state.end(value));
        done.map_err(|e| Error::io(op, path, e))
    }

    fn open_reserving(&self, path: &Path, reserve: usize) -> Result<Arc<dyn WriteAt>> {
        let detail = || "to write".into();
        let exists = self.state().names.get(path).is_some();
        let kind = if exists { OpKind::Open } else { OpKind::Create };
        let inode =
            self.atomic(kind, "open", path, detail, |state| match find_file(state, path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    check_free(state, path)?;
                    Ok(state.new_file(path))
                }
                found => found,
            })?;
        Ok(Arc::new(SimFile { reserve, ..self.file(path, inode) }))
    }

    fn file(&self, path: &Path, inode: usize) -> SimFile {
        SimFile { vfs: self.clone(), path: path.into(), inode, reserve: 0 }
    }
}

fn find_file(state: &State, path: &Path) -> io::Result<usize> {
    match state.names.get(path) {
        Some(Node::File(inode)) => Ok(inode),
        Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// An error unless a file can have the name `path`.
fn check_free(state: &State, path: &Path) -> io::Result<()> {
    if state.names.get(path).is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if state.names.has_parent(path) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn none() -> String {
    String::new()
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        let inode = self.atomic(OpKind::Open, "open", path, none, |s| find_file(s, path))?;
        Ok(Arc::new(self.file(path, inode)))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let inode = self.atomic(OpKind::Create, "create", path, none, |state| {
            check_free(state, path)?;
            Ok(state.new_file(path))
        })?;
        Ok(Box::new(self.file(path, inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let detail = || format!("to {}", to.display());
        self.atomic(OpKind::Rename, "rename", from, detail, |state| {
            let node = Node::File(find_file(state, from)?);
            if !state.names.has_parent(to) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let replaced = state.names.get(to);
            let site = state.site;
            state.names.rename(from, to, node, site);
            replaced.into_iter().for_each(|node| state.bury(node, to));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.atomic(OpKind::Remove, "remove", path, none, |state| {
            let node = Node::File(find_file(state, path)?);
            let site = state.site;
            state.names.remove(path, node, site);
            state.bury(node, path);
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.enter();
        let sync = |state: &mut State| {
            let failure = state.begin(self.process, OpKind::SyncDirectory, path, none)?;
            if state.names.get(path) != Some(Node::Directory) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let is_done = match failure {
                Some(Failure::Crash(_)) => state.is_done(),
                failure => failure.is_none(),
            };
            if is_done {
                state.names.sync(path);
            }
            match failure {
                Some(Failure::Skipped) | None => Ok(()),
                Some(failure) => {
                    state.count(failure, is_done);
                    Err(failure.error())
                }
            }
        };
        sync(&mut state).map_err(|e| Error::io("sync", path, e))
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.atomic(OpKind::CreateDirectory, "create", path, none, |state| {
            let mut missing: Vec<&Path> = path.ancestors().collect();
            missing.retain(|path| state.names.get(path).is_none());
            let site = state.site;
            missing.iter().rev().for_each(|path| state.names.insert(path, Node::Directory, site));
            Ok(())
        })
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        self.atomic(OpKind::Remove, "remove", path, none, |state| {
            if state.names.get(path) != Some(Node::Directory) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if state.names.below(path).next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let site = state.site;
            state.names.remove(path, Node::Directory, site);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.atomic(OpKind::List, "list", path, none, |state| {
            if state.names.get(path) != Some(Node::Directory) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let below = state.names.below(path);
            let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
            Ok(below.filter_map(|(path, _)| name(path)).collect())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let detail = || format!("also {}", to.display());
        self.atomic(OpKind::Rename, "link", from, detail, |state| {
            let node = Node::File(find_file(state, from)?);
            check_free(state, to)?;
            let site = state.site;
            state.names.insert(to, node, site);
            Ok(())
        })
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        self.open_reserving(path, 0)
    }

    fn open_log(&self, path: &Path) -> Result<Arc<dyn WriteAt>> {
        self.open_reserving(path, RESERVED_BYTES)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.atomic(OpKind::Lock, "lock", path, none, |state| {
            if state.names.get(path).is_none() {
                check_free(state, path)?;
                state.new_file(path);
            }
            Ok(())
        })?;
        if !self.state().locks.insert(path.into()) {
            return Err(Error::locked(path, &self.process.to_string()));
        }
        Ok(Box::new(SimLock { vfs: self.clone(), path: path.into() }))
    }

    fn now(&self) -> Duration {
        self.state().now
    }

    fn sleep(&self, time: Duration) {
        self.state().now += time;
    }

    fn turns(&self) -> Option<&dyn Turns> {
        self.turns.get().map(|turns| turns as &dyn Turns)
    }
}

struct SimLock {
    vfs: SimVfs,
    path: PathBuf,
}

impl FileLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.vfs.state();
        // A dead process's locks went with it.
        if state.process == self.vfs.process {
            state.locks.remove(&self.path);
        }
    }
}

/// An open file.
struct SimFile {
    vfs: SimVfs,
    path: PathBuf,
    inode: usize,
    /// Bytes by which the file grows at the least, with zeros.
    reserve: usize,
}

impl SimFile {
    /// Writes at `offset`, or at the end; says how many bytes. What fails may have happened in
    /// part.
    fn put(&self, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
        let mut state = self.vfs.enter();
        let detail = || match offset {
            Some(offset) => format!("{} bytes at {offset}", bytes.len()),
            None => format!("{} bytes", bytes.len()),
        };
        let failure = state.begin(self.vfs.process, OpKind::Write, &self.path, detail)?;
        let mut length = bytes.len();
        if failure == Some(Failure::Short) {
            // At least one byte, so that who tries again gets on.
            length = length.min(1 + state.random.index(length));
        } else if failure.is_some() {
            length = state.part(length);
        }
        if let Some(failure) = failure {
            state.count(failure, length > 0);
        }
        let site = state.site;
        let mut size = state.inodes.get(&self.inode).map_or(0, |inode| inode.cached().len());
        let at = match offset {
            Some(offset) => usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?,
            None => size,
        };
        if self.reserve > 0 && at + length > size {
            let grown = (at + length).next_multiple_of(self.reserve);
            if state.room(grown - size) < grown - size {
                state.note("       the disk is full: nothing is reserved".into());
                state.count(Failure::NoSpace, false);
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(inode) = state.inodes.get_mut(&self.inode) {
                inode.write(size, &vec![0; grown - size], site);
            }
            size = grown;
        }
        let more = (at + length).saturating_sub(size);
        let room = state.room(more);
        let is_full = room < more;
        if is_full {
            length -= (more - room).min(length);
            state.count(Failure::NoSpace, false);
            state.note(format!("       the disk is full: {length} bytes are written"));
        }
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.write(at, &bytes[..length], site);
        }
        match failure {
            Some(Failure::Short) | None if is_full => Err(io::ErrorKind::StorageFull.into()),
            Some(Failure::Short) | None => Ok(length),
            Some(failure) => Err(failure.error()),
        }
    }

    fn sync_file(&self) -> io::Result<()> {
        let mut state = self.vfs.enter();
        state.now += SYNC_TIME;
        let failure = state.begin(self.vfs.process, OpKind::Sync, &self.path, none)?;
        let outcome = failure.map(|_| state.is_done());
        let State { inodes, random, lost_pages, coverage, site, .. } = &mut *state;
        let Some(inode) = inodes.get_mut(&self.inode) else { return Ok(()) };
        let is_done = outcome.unwrap_or(true);
        match failure {
            None => inode.sync(),
            Some(failure @ Failure::Crash(_)) => {
                if is_done {
                    inode.sync();
                }
                state.count(failure, is_done);
            }
            Some(Failure::Skipped) => return Ok(()),
            Some(_) => {
                inode.fail_sync(is_done, random);
                *lost_pages |= is_done;
                coverage.strike(*site, if is_done { Fault::ErrorLost } else { Fault::Error });
            }
        }
        failure.map_or(Ok(()), |failure| Err(failure.error()))
    }
}

impl ReadAt for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.vfs.enter();
        state.pass(self.vfs.process, OpKind::Read, &self.path, || "its length".into())?;
        let length = state.inodes.get(&self.inode).map_or(0, |inode| inode.cached().len());
        state.end(length as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.vfs.enter();
        let detail = || format!("{} bytes at {offset}", buf.len());
        let failure = state.begin(self.vfs.process, OpKind::Read, &self.path, detail)?;
        let content = state.inodes.get(&self.inode).map_or(&[][..], |inode| inode.cached());
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = start.checked_add(buf.len()).and_then(|end| content.get(start..end));
        buf.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        if let Some(failure) = failure {
            state.count(failure, false);
        }
        match failure {
            Some(Failure::FlippedBit) if !buf.is_empty() => {
                let at = state.random.index(buf.len());
                buf[at] ^= 1 << state.random.index(8);
                Ok(())
            }
            Some(Failure::FlippedBit) | None => Ok(()),
            Some(failure) => {
                let kept = state.random.index(buf.len());
                buf[kept..].fill(0);
                Err(failure.error())
            }
        }
    }
}

impl io::Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes, None)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AppendFile for SimFile {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_file()
    }
}

impl WriteAt for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            done += self.put(&bytes[done..], Some(offset + done as u64))?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_file()
    }
}
