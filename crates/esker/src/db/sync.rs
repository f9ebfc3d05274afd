//! Writes made durable: one thread syncs the log for all that wait.
//!
//! Threads that write again as soon as they are told would share a sync with half of their number
//! only: the first that is told begins the next sync, which the others miss by a little. So a sync
//! waits for as many as met at the last one, for the time that one took at most. Only the first
//! that waits looks at the clock: an alarm for each would wake them while the sync is under way.
//! Each waits for a signal of its own: who waits for one signal and one lock goes on one after
//! another.

use super::background::PoisonOnPanic;
use super::core::Core;
use crate::base::error::{Error, Result};
use crate::base::sync::Condvar;
use crate::log::LogWriter;
use crate::vfs::WriteAt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest time for which a sync waits for others to join.
const PATIENCE_MAX: Duration = Duration::from_millis(1);
/// Where a sync takes less, it waits for nobody: an alarm of the system comes up to 50 microseconds
/// late.
const WORTH_MIN: Duration = Duration::from_micros(50);

/// A log that is written, but not known to be on disk.
pub struct UnsyncedLog {
    pub number: u64,
    pub file: Arc<dyn WriteAt>,
    pub path: PathBuf,
}

impl UnsyncedLog {
    /// What has been written of `log`.
    pub fn of(log: &LogWriter) -> UnsyncedLog {
        let (file, path) = log.file();
        UnsyncedLog { number: log.number(), file, path: path.to_path_buf() }
    }
}

/// The threads that meet for a sync.
#[derive(Debug, Default)]
pub struct SyncGroup {
    /// A thread makes the log durable, for all that wait.
    is_syncing: bool,
    /// Syncs that have ended.
    ended: u64,
    /// Threads that have come since the last end, or waited on beyond it.
    here: usize,
    /// How many there were at that end.
    expected: usize,
    /// For how long those that are here wait for the others.
    patience: Duration,
    /// Who is here has an alarm set for the end of that time.
    is_alarm_set: bool,
    /// The signals of those that wait for the end of a sync.
    waiting: Vec<Arc<Condvar>>,
}

/// What a thread is to do.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Sync for all.
    Lead,
    /// Wait for the end of a sync; after this time in vain, lead.
    Wait(Option<Duration>),
}

impl SyncGroup {
    /// Counts a thread, which was last counted before end number `counted`, if it was not yet.
    fn join(&mut self, counted: &mut Option<u64>) {
        if *counted != Some(self.ended) {
            *counted = Some(self.ended);
            self.here += 1;
        }
    }

    /// What one that has joined does, which `is_patient` or has waited for others in vain.
    fn turn(&mut self, is_patient: bool) -> Turn {
        let is_complete = self.here >= self.expected || self.patience.is_zero();
        match self.is_syncing {
            true => Turn::Wait(None),
            false if is_complete || !is_patient => Turn::Lead,
            false if std::mem::replace(&mut self.is_alarm_set, true) => Turn::Wait(None),
            false => Turn::Wait(Some(self.patience)),
        }
    }

    /// Ends a sync that took `time`; gives the signals of those that wait for it.
    fn end(&mut self, time: Duration) -> Vec<Arc<Condvar>> {
        self.is_syncing = false;
        self.ended += 1;
        self.expected = std::mem::take(&mut self.here);
        self.patience = if time >= WORTH_MIN { time.min(PATIENCE_MAX) } else { Duration::ZERO };
        self.is_alarm_set = false;
        std::mem::take(&mut self.waiting)
    }
}

/// The mark that a sync of the log is under way; ends it when dropped.
struct Leading<'a> {
    core: &'a Core,
    /// What the sync took.
    time: Duration,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let waiting = self.core.state().sync.end(self.time);
        waiting.iter().for_each(|signal| self.core.wake(signal));
    }
}

impl Core {
    /// Makes every write up to `sequence` durable; one thread does it for all that wait.
    pub fn sync_up_to(&self, sequence: u64) -> Result<()> {
        self.check_process()?;
        let is_durable = || self.durable.load(Ordering::Acquire) >= sequence;
        if is_durable() {
            return Ok(());
        }
        let mut state = self.state();
        let (mut counted, mut is_patient) = (None, true);
        let signal = Arc::new(Condvar::new());
        while !is_durable() {
            state.sync.join(&mut counted);
            match state.sync.turn(is_patient) {
                Turn::Wait(time) => {
                    state.sync.waiting.push(signal.clone());
                    is_patient &= !self.wait(&signal, &mut state, time);
                    // Whatever woke this thread: where it had the alarm, someone needs a new one.
                    state.sync.is_alarm_set &= time.is_none();
                }
                Turn::Lead => {
                    state.sync.is_syncing = true;
                    drop(state);
                    // From here on the others are told, whatever becomes of this thread.
                    let mut leading = Leading { core: self, time: Duration::ZERO };
                    let _panics = PoisonOnPanic(self);
                    self.check_poison()?;
                    return self.sync_log(&mut leading.time);
                }
            }
        }
        Ok(())
    }

    /// Makes durable what is written so far, and says what `time` the sync took. For one thread at
    /// a time.
    fn sync_log(&self, time: &mut Duration) -> Result<()> {
        let (files, last, are_names_durable) = {
            let mut writer = self.take(&self.writer);
            writer.log.write()?;
            let mut files = std::mem::take(&mut *self.unsynced.lock());
            files.push(UnsyncedLog::of(&writer.log));
            let are_names_durable = std::mem::replace(&mut writer.are_names_durable, true);
            (files, writer.sequence, are_names_durable)
        };
        let start = self.vfs().now();
        let synced = files.iter().try_for_each(|log| {
            self.counters.add(|c| &c.syncs, 1);
            log.file.sync().map_err(|e| Error::io("sync", &log.path, e))
        });
        let named = synced.and_then(|()| match are_names_durable {
            true => Ok(()),
            false => self.vfs().sync_directory(&self.path),
        });
        if let Err(error) = named {
            // What is on disk is not known, and a later sync would not tell.
            self.poison(&error);
            return Err(error);
        }
        *time = self.vfs().now().saturating_sub(start);
        self.durable.store(last, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = WORTH_MIN;

    /// Counts threads that come anew.
    fn come(group: &mut SyncGroup, threads: usize) {
        (0..threads).for_each(|_| group.join(&mut None));
    }

    #[test]
    fn one_alone_waits_for_nobody() {
        let mut group = SyncGroup::default();
        for _ in 0..3 {
            come(&mut group, 1);
            assert_eq!(group.turn(true), Turn::Lead);
            group.is_syncing = true;
            group.end(SYNC);
        }
    }

    #[test]
    fn a_short_sync_waits_for_nobody() {
        let mut group = SyncGroup::default();
        come(&mut group, 4);
        group.end(SYNC / 2);
        come(&mut group, 1);
        assert_eq!(group.turn(true), Turn::Lead);
    }

    #[test]
    fn a_sync_waits_for_as_many_as_met_at_the_last() {
        let mut group = SyncGroup::default();
        come(&mut group, 1);
        group.is_syncing = true;
        let mut late = None;
        group.join(&mut late);
        come(&mut group, 1);
        assert_eq!(group.turn(true), Turn::Wait(None));
        group.end(SYNC);
        // One came too late for that sync and stays; two are told and come again.
        for time in [Some(SYNC), None] {
            group.join(&mut late);
            assert_eq!(group.turn(true), Turn::Wait(time));
            come(&mut group, 1);
        }
        assert_eq!(group.turn(true), Turn::Lead);
    }

    /// Without one, all would wait for each other for ever; with more, the others wake in vain.
    #[test]
    fn one_of_those_that_wait_has_an_alarm_after_each_end() {
        let mut group = SyncGroup::default();
        for _ in 0..3 {
            come(&mut group, 4);
            group.end(SYNC);
            come(&mut group, 3);
            let turns = [(); 3].map(|()| group.turn(true));
            assert_eq!(turns, [Turn::Wait(Some(SYNC)), Turn::Wait(None), Turn::Wait(None)]);
            assert_eq!(group.turn(false), Turn::Lead);
        }
    }

    #[test]
    fn who_has_waited_in_vain_leads_and_the_next_sync_expects_fewer() {
        let mut group = SyncGroup::default();
        come(&mut group, 4);
        group.end(Duration::from_secs(1));
        come(&mut group, 2);
        assert_eq!(group.turn(true), Turn::Wait(Some(PATIENCE_MAX)));
        assert_eq!(group.turn(false), Turn::Lead);
        group.end(SYNC);
        come(&mut group, 2);
        assert_eq!(group.turn(true), Turn::Lead);
    }
}
