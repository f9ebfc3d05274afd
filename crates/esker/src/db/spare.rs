//! What is kept for writes to come: memory for memtables, and logs that were flushed.

use super::core::Core;
use std::sync::atomic::Ordering;

impl Core {
    /// Makes memory ready for writes, or at rest gives back what they have left, and has some huge
    /// pages made; false if there is nothing to do. At rest blocks of new tables come into memory.
    pub fn prepare(&self, is_at_rest: bool) -> bool {
        if is_at_rest {
            self.give_back();
            self.warm_up();
        }
        self.make_huge_pages();
        let is_short = self.spare.is_short();
        if is_short {
            self.spare.make();
        }
        self.charge_memtables();
        is_short
    }

    /// Gives back what is kept for writes to come, and leaves their part of the budget to blocks.
    pub fn give_back(&self) {
        self.remove_spare_logs();
        self.spare.clear();
        self.expects_writes.store(false, Ordering::Relaxed);
        self.charge_memtables();
        self.cache.give_back();
    }

    /// Keeps the log for use again, or removes it.
    pub fn retire_log(&self, number: u64) {
        self.unsynced.lock().retain(|log| log.number != number);
        let mut state = self.state();
        // The next but one finds its pages in memory, and its blocks reserved.
        if state.spare_logs.is_empty() {
            state.spare_logs.push(number);
            return;
        }
        drop(state);
        self.remove_log(number);
    }

    fn remove_log(&self, number: u64) {
        // Left behind, it is an orphan, which the next open collects.
        let _ = self.vfs().remove(&self.log_path(number));
    }

    /// Gives back the space of logs that are kept for use again. Not where logs are synced: a sync
    /// of blocks that are there already is the cheaper one.
    pub fn remove_spare_logs(&self) {
        if self.counters.syncs.load(Ordering::Relaxed) == 0 {
            let spare = std::mem::take(&mut self.state().spare_logs);
            spare.into_iter().for_each(|number| self.remove_log(number));
        }
    }
}
