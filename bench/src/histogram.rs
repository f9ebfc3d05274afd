//! Latencies, counted in buckets 3 % wide, and their percentiles.

/// Buckets of each power of two.
const STEPS: u64 = 32;

/// Counts of latencies.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Empty.
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; 64 * STEPS as usize], total: 0 }
    }

    /// Counts one latency.
    pub fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.total += other.total;
    }

    /// The latency that a `share` of all does not exceed, within 3 %; zero if there is none.
    pub fn percentile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return upper(at);
            }
        }
        0
    }
}

fn bucket(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS {
        return nanoseconds as usize;
    }
    let power = u64::from(nanoseconds.ilog2());
    let step = (nanoseconds >> (power - 5)) - STEPS;
    ((power - 4) * STEPS + step) as usize
}

/// The largest latency of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let power = bucket / STEPS + 4;
    let step = bucket % STEPS;
    ((STEPS + step + 1) << (power - 5)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        for shift in 0..60 {
            for n in [1u64 << shift, (1 << shift) + 1, (3 << shift) - 1] {
                let top = upper(bucket(n));
                assert!(top >= n && top <= n + n / 32 + 1, "{n}: {top}");
            }
        }
    }

    #[test]
    fn percentiles_are_in_order() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|n| histogram.record(n * 100));
        let p50 = histogram.percentile(0.5);
        assert!((50_000..52_000).contains(&p50), "{p50}");
        assert!((99_000..103_000).contains(&histogram.percentile(0.99)));
    }
}
