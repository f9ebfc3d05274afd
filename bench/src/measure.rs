//! Runs operations and takes their times.

use crate::data::Sum;
use crate::engines::Result;
use crate::histogram::Histogram;
use crate::process::{processor_time, read_bytes};
use std::time::{Duration, Instant};

/// One call of this many is timed: reading the clock for each would cost the fast ones a tenth.
const SAMPLED: u64 = 8;

/// What a workload did.
pub struct Outcome {
    /// Name of the record; that of the workload, or of one of its sides.
    pub name: &'static str,
    /// Operations done.
    pub operations: u64,
    /// Time that they took.
    pub elapsed: Duration,
    /// Processor time of all threads of the process meanwhile.
    pub processor_time: Duration,
    /// Bytes that the storage was made to read meanwhile.
    pub read_bytes: u64,
    /// Latencies of some of the calls.
    pub latencies: Histogram,
    /// Bytes read.
    pub sum: Sum,
    /// Entries found.
    pub found: u64,
}

impl Outcome {
    /// Nothing done yet.
    pub fn new(name: &'static str) -> Outcome {
        Outcome {
            name,
            operations: 0,
            elapsed: Duration::ZERO,
            processor_time: Duration::ZERO,
            read_bytes: 0,
            latencies: Histogram::new(),
            sum: Sum::default(),
            found: 0,
        }
    }

    /// Does `work` once, for `operations` operations that it returns.
    pub fn once(name: &'static str, work: impl FnOnce(&mut Sum) -> Result<u64>) -> Result<Outcome> {
        let mut outcome = Outcome::new(name);
        let (read, start, used) = (read_bytes(), Instant::now(), processor_time());
        outcome.operations = work(&mut outcome.sum)?;
        outcome.elapsed = start.elapsed();
        outcome.processor_time = processor_time() - used;
        outcome.read_bytes = read_bytes() - read;
        outcome.found = outcome.operations;
        Ok(outcome)
    }

    /// Does `operation` for each number below `count`, but stops after `limit`. It returns the
    /// entries that it found.
    pub fn repeat(
        name: &'static str,
        count: u64,
        limit: Option<Duration>,
        mut operation: impl FnMut(u64, &mut Sum) -> Result<u64>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::new(name);
        let (read, start, used) = (read_bytes(), Instant::now(), processor_time());
        let mut at = 0;
        while at < count {
            if at.is_multiple_of(SAMPLED) {
                let before = Instant::now();
                outcome.found += operation(at, &mut outcome.sum)?;
                let after = Instant::now();
                outcome.latencies.record((after - before).as_nanos() as u64);
                if limit.is_some_and(|limit| after - start > limit) {
                    at += 1;
                    break;
                }
            } else {
                outcome.found += operation(at, &mut outcome.sum)?;
            }
            at += 1;
        }
        outcome.elapsed = start.elapsed();
        outcome.processor_time = processor_time() - used;
        outcome.read_bytes = read_bytes() - read;
        outcome.operations = at;
        Ok(outcome)
    }
}
