//! The memory of this process over time.

use crate::process::resident_bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the resident memory every 100 ms, in a thread of its own that ends with the process.
pub struct Sampler {
    start: Instant,
    samples: Arc<Mutex<Vec<(f64, u64)>>>,
}

impl Sampler {
    /// Begins.
    pub fn start() -> Sampler {
        let sampler = Sampler { start: Instant::now(), samples: Arc::default() };
        let (start, samples) = (sampler.start, sampler.samples.clone());
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(INTERVAL);
                locked(&samples).push(sample(start));
            }
        });
        sampler
    }

    /// The samples since the last call, and one of now: seconds since the start, and MiB.
    pub fn take(&self) -> Vec<(f64, u64)> {
        let mut samples = locked(&self.samples);
        samples.push(sample(self.start));
        std::mem::take(&mut samples)
    }
}

fn sample(start: Instant) -> (f64, u64) {
    let hundredths = start.elapsed().as_millis() / 10;
    (hundredths as f64 / 100.0, resident_bytes() >> 20)
}

fn locked(samples: &Mutex<Vec<(f64, u64)>>) -> MutexGuard<'_, Vec<(f64, u64)>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}
