//! When writers are slowed, and by how much: pure functions.
//!
//! The aim is that a writer is never stopped: as what waits for the background grows, each byte
//! costs a little more time, until writes come no faster than the background can take them.

/// Nanoseconds for each byte at the worst: 16 MB/s.
const NANOS_PER_BYTE_MAX: f64 = 62.0;

/// Tables of level 0, in multiples of those that start a compaction, from which writers are slowed,
/// and at which they are slowed the most.
const LEVEL_0_FROM: f64 = 2.0;
const LEVEL_0_UNTIL: f64 = 8.0;

/// Share of the active memtable from which writers are slowed while all others wait for a flush.
const MEMTABLE_FROM: f64 = 0.5;

/// What waits for the background.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Tables of level 0, in multiples of those that start a compaction.
    pub level_0: f64,
    /// Share of the active memtable that is full, if no other memtable may be sealed; else zero.
    pub memtable: f64,
}

/// Nanoseconds that a writer waits for each byte.
pub fn nanos_per_byte(backlog: Backlog) -> f64 {
    let level_0 = share(backlog.level_0, LEVEL_0_FROM, LEVEL_0_UNTIL);
    let memtable = share(backlog.memtable, MEMTABLE_FROM, 1.0);
    let worst = level_0.max(memtable);
    NANOS_PER_BYTE_MAX * worst * worst
}

/// How far `found` is on the way from `from` to `until`: 0 to 1.
fn share(found: f64, from: f64, until: f64) -> f64 {
    ((found - from) / (until - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_grows_with_the_backlog_and_begins_at_nothing() {
        let at = |level_0, memtable| nanos_per_byte(Backlog { level_0, memtable });
        assert_eq!(at(0.0, 0.0), 0.0);
        assert_eq!(at(2.0, 0.5), 0.0);
        assert!(at(3.0, 0.0) > 0.0 && at(3.0, 0.0) < at(4.0, 0.0));
        assert!(at(0.0, 0.6) > 0.0 && at(0.0, 0.6) < at(0.0, 0.9));
        assert_eq!(at(100.0, 0.0), NANOS_PER_BYTE_MAX);
        assert_eq!(at(0.0, 7.0), NANOS_PER_BYTE_MAX);
    }
}
