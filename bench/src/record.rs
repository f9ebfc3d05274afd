//! What one workload measured: a line of the results.

use serde::{Deserialize, Serialize};

/// One workload, on one engine, in one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Name of the engine.
    pub engine: String,
    /// Variant: `none` or `lz4`.
    pub compression: String,
    /// Name of the workload, or of one of its two sides.
    pub workload: String,
    /// Which run, from 0 on.
    pub run: u32,
    /// Entries of the database.
    pub entries: u64,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// Operations done: entries for scans of everything and multiget, else calls.
    pub operations: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// Seconds of processor time of all threads of the process meanwhile, background included: less
    /// prone to the noise of a shared machine than `seconds`.
    #[serde(default)]
    pub processor_seconds: f64,
    /// Seconds of background work after them, before the next workload began.
    pub settle_seconds: f64,
    /// Latencies that half, 99 % and 99.9 % of the calls do not exceed; zero where not measured.
    pub p50_ns: u64,
    /// See `p50_ns`.
    pub p99_ns: u64,
    /// See `p50_ns`.
    pub p999_ns: u64,
    /// Bytes that the process wrote, background work included.
    pub written_bytes: u64,
    /// Bytes that the storage was made to read, settling not included.
    #[serde(default)]
    pub read_bytes: u64,
    /// Bytes on the disk afterwards.
    pub disk_bytes: u64,
    /// Largest resident memory during it, mapped files included.
    pub peak_bytes: u64,
    /// Resident memory afterwards without mapped files.
    pub anonymous_bytes: u64,
    /// Resident memory from its beginning to the end of its background work, mapped files included:
    /// seconds since the process began its set, and MiB. Empty for the second side of a workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<(f64, u64)>,
    /// Sum of the bytes read: equal for all engines if all did the same operations. Zero where they
    /// cannot have.
    pub sum: u64,
    /// Entries found.
    pub found: u64,
    /// Load average of the machine at the end.
    pub load_average: f64,
    /// Why there is no figure.
    pub failure: Option<String>,
}

impl Record {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.operations as f64 / self.seconds } else { 0.0 }
    }

    /// Nanoseconds of processor time for an operation.
    pub fn processor_ns(&self) -> f64 {
        self.processor_seconds * 1e9 / self.operations.max(1) as f64
    }

    /// Engine and variant.
    pub fn label(&self) -> String {
        format!("{}/{}", self.engine, self.compression)
    }
}
