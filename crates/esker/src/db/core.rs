//! What all handles of one open database share.
//!
//! # Locks, in the order in which they are taken
//! 1. `writer`: one thread at a time appends to the log and the memtable.
//! 2. `manifest`: one thread at a time changes what the database is made of.
//! 3. `state`: short; guards what is below, and every change of `view`.
//!
//! Reads take none of them: they pin the `view` and take the `visible` sequence number, in this
//! order. Then every version that the number needs is in the view, since what a compaction drops
//! is hidden from every number that was visible when it began.

use super::settings::Settings;
use super::sync::{SyncGroup, UnsyncedLog};
use super::view::View;
use crate::base::current::Current;
use crate::base::error::{Error, Result};
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Condvar, Mutex, MutexGuard};
use crate::cache::BlockCache;
use crate::compaction::{Boundaries, JobContext};
use crate::log::LogWriter;
use crate::manifest::Manifest;
use crate::memtable::{AHEAD_BYTES_MAX, Memtable, SpareMemory};
use crate::table::WriteSettings;
use crate::version::{TableHandle, TablePool};
use crate::vfs::{FileLock, Vfs, forks};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An open database.
pub struct Core {
    pub path: PathBuf,
    pub settings: Settings,
    pub table_settings: WriteSettings,
    pub cache: Arc<BlockCache>,
    pub pool: Arc<TablePool>,
    pub view: Current<View>,
    /// The newest sequence number that reads see.
    pub visible: AtomicU64,
    /// Every write up to this sequence number is on disk.
    pub durable: AtomicU64,
    pub next_number: AtomicU64,
    /// Logs before the current one that are needed and not known to be on disk. No other lock is
    /// taken under this one's.
    pub unsynced: Mutex<Vec<UnsyncedLog>>,
    pub writer: Mutex<Writer>,
    /// Memory of memtables, and for those to come.
    pub spare: Arc<SpareMemory>,
    /// How much of the cache's budget is charged for memtables. No other lock of the database is
    /// taken under this one's.
    pub memtables_charged: Mutex<usize>,
    /// Whether there were writes since the last rest that took memory: there will be more.
    pub expects_writes: AtomicBool,
    pub manifest: Mutex<Manifest>,
    pub state: Mutex<State>,
    /// There may be work for the background: see [`Core::ask`].
    pub work: Condvar,
    /// A job has ended.
    pub done: Condvar,
    pub is_stopping: AtomicBool,
    /// When huge pages may next be made, in milliseconds of the `vfs`.
    pub huge_pages_due: AtomicU64,
    /// Bulk loads under way.
    pub loads: AtomicU64,
    /// Nanoseconds that a writer waits for each KiB, and those that writers owe.
    pub delay: AtomicU64,
    pub debt: AtomicU64,
    /// Why there are no more writes.
    pub poison: OnceLock<String>,
    /// The forks of the process when it was opened; see [`forks`].
    pub forks: u32,
    pub counters: Counters,
    /// Held for as long as the database is open for writing.
    pub lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// What the one that writes needs.
#[repr(align(128))]
pub struct Writer {
    pub log: LogWriter,
    pub memtable: Arc<Memtable>,
    /// Bytes of memory of the memtable when more was last asked for.
    pub memtable_bytes: usize,
    /// The last sequence number given.
    pub sequence: u64,
    /// Whether the name of every log is on disk.
    pub are_names_durable: bool,
}

/// What the background needs.
#[derive(Default)]
pub struct State {
    /// Sequence numbers that snapshots hold, and how many of them each.
    pub snapshots: BTreeMap<u64, usize>,
    /// Numbers of tables that a job works on.
    pub busy: HashSet<u64>,
    pub is_flushing: bool,
    pub sync: SyncGroup,
    pub running_compactions: usize,
    /// How often the background was asked for work.
    pub asked: u64,
    /// Compactions by hand hold the automatic ones back.
    pub manual: usize,
    /// How many wait for the background to have nothing to do, even at rest.
    pub settling: usize,
    /// Tables from outside are about to be put where nothing is; no compaction may begin that could
    /// write there.
    pub is_ingesting: bool,
    /// Why the last flush failed, until one succeeds.
    pub flush_failure: Option<String>,
    /// Why the last compaction failed, until one succeeds.
    pub compaction_failure: Option<String>,
    /// Most bytes of a level that is merged as a whole, after a merge that failed.
    pub whole_bytes_max: Option<u64>,
    /// Logs that have been flushed and may be used again.
    pub spare_logs: Vec<u64>,
    /// Tables of edits that failed: the manifest may name them until the next edit succeeds.
    pub doubtful: Vec<Arc<TableHandle>>,
}

/// What has happened since the database was opened. On cache lines of its own: writers change it
/// with each write, and readers should not feel that.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    pub written_bytes: AtomicU64,
    pub log_bytes: AtomicU64,
    pub flushes: AtomicU64,
    pub flushed_bytes: AtomicU64,
    pub compactions: AtomicU64,
    pub moves: AtomicU64,
    pub compacted_in_bytes: AtomicU64,
    pub compacted_out_bytes: AtomicU64,
    pub syncs: AtomicU64,
    pub stalled_nanos: AtomicU64,
}

impl Counters {
    pub fn add(&self, counter: impl Fn(&Counters) -> &AtomicU64, n: u64) {
        counter(self).fetch_add(n, Ordering::Relaxed);
    }
}

impl Core {
    pub fn vfs(&self) -> &dyn Vfs {
        &*self.settings.vfs
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.take(&self.state)
    }

    /// Takes `lock`. Where threads take turns, others go on until it is free.
    #[inline]
    pub fn take<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        match lock.try_lock() {
            Some(guard) => guard,
            None => self.take_when_free(lock),
        }
    }

    #[cold]
    fn take_when_free<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        let Some(turns) = self.vfs().turns() else { return lock.lock() };
        loop {
            turns.pass();
            if let Some(guard) = lock.try_lock() {
                return guard;
            }
        }
    }

    /// Waits for `signal`, which needs `state`, at most for `time`; says whether that is over.
    pub fn wait(
        &self,
        signal: &Condvar,
        state: &mut MutexGuard<'_, State>,
        time: Option<Duration>,
    ) -> bool {
        if let Some(turns) = self.vfs().turns() {
            let number = std::ptr::from_ref(signal).addr();
            return MutexGuard::unlocked(state, || turns.wait(number, time.is_some()));
        }
        match time {
            Some(time) => signal.wait_for(state, time).timed_out(),
            None => {
                signal.wait(state);
                false
            }
        }
    }

    /// Asks the background to look for work. A thread of it that is looking just now looks again,
    /// since it compares how often it was asked under the same lock.
    pub fn ask(&self, state: &mut State) {
        state.asked += 1;
        self.wake(&self.work);
    }

    /// Wakes all that wait for `signal`.
    pub fn wake(&self, signal: &Condvar) {
        signal.notify_all();
        if let Some(turns) = self.vfs().turns() {
            turns.raise(std::ptr::from_ref(signal).addr());
        }
    }

    /// An empty memtable.
    pub fn new_memtable(&self) -> Arc<Memtable> {
        Arc::new(Memtable::in_spare(self.settings.memtable_bytes(), self.spare.clone()))
    }

    /// Charges the memory of memtables as it is now to the cache, in place of what it was: of those
    /// that someone holds, flushed or not, and what is spare. While writes are expected the active
    /// one counts as if it were full: its hash table, and what it takes ahead of need, too.
    pub fn charge_memtables(&self) {
        self.count_memtables();
        self.cache.make_room();
    }

    /// As [`Core::charge_memtables`], but blocks do not yet make room.
    pub fn count_memtables(&self) {
        let full = self.settings.memtable_bytes();
        let full = full + (full / 8).max(full.min(AHEAD_BYTES_MAX));
        // Whoever lets go of a view last lets go of memtables and tables: not under the lock.
        let view = self.view.load();
        let mut charged = self.memtables_charged.lock();
        let expected = if self.expects_writes.load(Ordering::Relaxed) { full } else { 0 };
        let left = expected.saturating_sub(view.active.resident_bytes());
        let now = self.spare.bytes_in_use() + self.spare.bytes() + left;
        match now.checked_sub(*charged) {
            Some(more) => self.cache.count(more),
            None => self.cache.discharge(*charged - now),
        }
        *charged = now;
    }

    /// Path of log `number`.
    pub fn log_path(&self, number: u64) -> PathBuf {
        log_path(&self.path, number)
    }

    /// Takes a number that no file has.
    pub fn new_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// What flushes and merges need. Blocks are kept in memory for those who read. Where nobody
    /// does, they come in at rest, if the system has them in its own memory until then.
    pub fn job_context(&self) -> JobContext<'_> {
        let has_rest = self.vfs().has_page_cache() && self.settings.background_threads > 0;
        JobContext {
            keeps_blocks: Box::new(move || !has_rest || self.view.load().readers.are_there()),
            vfs: &self.settings.vfs,
            pool: &self.pool,
            settings: &self.table_settings,
            table_bytes: self.settings.table_size_bytes,
            next_number: &self.next_number,
            gives_up: Box::new(|| self.is_stopping.load(Ordering::Relaxed)),
        }
    }

    /// As [`Core::job_context`], for a bulk load, of which it is the time that counts.
    pub fn load_context(&self) -> JobContext<'_> {
        JobContext { keeps_blocks: Box::new(|| false), ..self.job_context() }
    }

    /// The sequence numbers at which someone may look from now on.
    pub fn boundaries(&self, state: &State) -> Boundaries {
        let snapshots = state.snapshots.keys().copied();
        Boundaries::new(snapshots, self.visible.load(Ordering::Acquire))
    }

    /// Replaces the view by what `change` makes of it. `_state` proves that its lock is held.
    pub fn change_view(&self, _state: &mut State, change: impl FnOnce(&mut View)) {
        let mut view = self.view.load().next();
        change(&mut view);
        self.view.store(Arc::new(view));
    }

    /// Stops all writes until the database is opened again, because of `cause`.
    pub fn poison(&self, cause: &Error) {
        let _ = self.poison.set(cause.to_string());
        self.wake(&self.done);
    }

    /// Whether this is the process that opened it, and no child of it.
    pub fn is_own_process(&self) -> bool {
        self.forks == forks()
    }

    /// Comes before any lock: the thread that holds it may not be in this process.
    ///
    /// # Errors
    /// `Poisoned` in a child of the process that opened the database.
    #[inline]
    pub fn check_process(&self) -> Result<()> {
        match self.is_own_process() {
            true => Ok(()),
            false => Err(Error::poisoned(&self.path, "another process opened it, and forked")),
        }
    }

    /// # Errors
    /// `Poisoned` if there are no more writes.
    #[inline]
    pub fn check_poison(&self) -> Result<()> {
        match self.poison.get() {
            None => Ok(()),
            Some(cause) => Err(Error::poisoned(&self.path, cause)),
        }
    }
}

/// Path of log `number` of the database in `directory`.
pub fn log_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:06}.log"))
}
