//! Medians over the runs, ratios to the best peer, and what is suspicious.

use super::memory::{self, Memory};
use crate::data::KEY_BYTES;
use crate::record::Record;
use crate::workloads::WORKLOADS;
use std::collections::BTreeMap;

/// The engine whose ratio to its peers is shown.
pub const OURS: &str = "esker";

/// One workload on one engine: medians over its runs.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub rate: f64,
    /// The slowest and the fastest run.
    pub rate_min: f64,
    pub rate_max: f64,
    pub runs: usize,
    pub processor_ns: f64,
    pub p50_ns: f64,
    pub p99_ns: f64,
    pub p999_ns: f64,
    pub settle_seconds: f64,
    pub written_bytes: f64,
    /// For each byte put or deleted.
    pub written_per_byte: f64,
    pub read_bytes: f64,
    /// For each byte found.
    pub read_per_byte: f64,
    pub disk_bytes: f64,
    /// For each byte of all entries.
    pub disk_per_byte: f64,
    pub peak_bytes: f64,
    pub anonymous_bytes: f64,
}

/// How one of ours stands to the best peer.
pub struct Ratio {
    pub workload: String,
    pub ours: String,
    pub peer: String,
    pub ratio: f64,
    /// The same by processor time: the least of any peer by ours. Less prone to noise.
    pub processor_ratio: f64,
}

/// How a comparison ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The peer is better.
    Lost,
    /// Rate and processor time disagree: a difference of threads, or noise.
    Split,
    /// Ours is better.
    Won,
}

impl Verdict {
    /// All, the worst first, with their titles.
    pub const ALL: [(Verdict, &str); 3] = [
        (Verdict::Lost, "Lost"),
        (Verdict::Split, "Rate and processor time disagree (threads, or noise)"),
        (Verdict::Won, "Won"),
    ];
}

impl Ratio {
    /// How it ended.
    pub fn verdict(&self) -> Verdict {
        let is_less = self.ratio < 1.0;
        match self.processor_ratio.is_finite() && (self.processor_ratio < 1.0) != is_less {
            true => Verdict::Split,
            false if is_less => Verdict::Lost,
            false => Verdict::Won,
        }
    }

    /// A sentence.
    pub fn text(&self) -> String {
        let Ratio { ours, peer, ratio, processor_ratio, .. } = self;
        let by_processor = match processor_ratio.is_finite() {
            true => format!("; {processor_ratio:.2} times the best by processor time"),
            false => String::new(),
        };
        format!("{ours} is {ratio:.2} times {peer}{by_processor}")
    }
}

/// Everything that is told.
pub struct Summary {
    /// Workloads in the order in which they ran.
    pub workloads: Vec<String>,
    /// Engines with their variants, ours first.
    pub labels: Vec<String>,
    pub cells: BTreeMap<(String, String), Cell>,
    /// Ours against the best peer, the worst first.
    pub ratios: Vec<Ratio>,
    /// Memory over time.
    pub memory: Vec<Memory>,
    /// What failed, and what does not agree.
    pub warnings: Vec<String>,
    /// What was measured, in a line.
    pub title: String,
}

impl Summary {
    /// Of all that was measured.
    pub fn new(records: &[Record]) -> Summary {
        let sound: Vec<_> = records.iter().filter(|r| r.failure.is_none()).collect();
        let mut groups: BTreeMap<(String, String), Vec<&Record>> = BTreeMap::new();
        for record in &sound {
            let key = (record.workload.clone(), record.label());
            groups.entry(key).or_default().push(record);
        }
        let cells: BTreeMap<_, _> = groups.iter().map(|(k, v)| (k.clone(), cell(v))).collect();
        let mut workloads = Vec::new();
        let mut labels = Vec::new();
        let place = |r: &&&Record| WORKLOADS.iter().position(|w| w.name == r.workload);
        let mut in_order: Vec<_> = sound.iter().collect();
        // Sides of a workload stay where they came among the runs of their engine.
        in_order.sort_by_key(|r| place(r).or_else(|| side(&r.workload)));
        for record in in_order {
            push_new(&mut workloads, record.workload.clone());
        }
        for record in &sound {
            push_new(&mut labels, record.label());
        }
        labels.sort_by_key(|label| !is_ours(label));
        let ratios = ratios(&workloads, &labels, &cells);
        let (memory, warnings) = (memory::sets(records), warnings(records, &groups));
        Summary { workloads, labels, cells, ratios, memory, warnings, title: title(&sound) }
    }

    /// One cell.
    pub fn cell(&self, workload: &str, label: &str) -> Option<&Cell> {
        self.cells.get(&(workload.to_string(), label.to_string()))
    }

    /// Our best ratio to the best peer in a workload.
    pub fn ratio(&self, workload: &str) -> Option<&Ratio> {
        let of_it = self.ratios.iter().filter(|r| r.workload == workload);
        of_it.max_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }
}

/// Whether a label is of our engine.
pub fn is_ours(label: &str) -> bool {
    label.split('/').next() == Some(OURS)
}

/// Place of a workload, or of the workload of which it is a side.
pub fn side(name: &str) -> Option<usize> {
    let whole = if name.starts_with("rww") { "readwhilewriting" } else { name };
    WORKLOADS.iter().position(|w| w.name == whole)
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (low, high) = (numbers.len().saturating_sub(1) / 2, numbers.len() / 2);
    match numbers.is_empty() {
        true => 0.0,
        false => (numbers[low] + numbers[high]) / 2.0,
    }
}

/// Bytes of keys and values of some entries.
fn bytes(record: &Record, entries: u64) -> f64 {
    (entries * (KEY_BYTES + record.value_bytes) as u64).max(1) as f64
}

fn cell(records: &[&Record]) -> Cell {
    let of = |field: fn(&Record) -> f64| median(records.iter().map(|r| field(r)).collect());
    let rates = || records.iter().map(|r| r.rate());
    Cell {
        rate: of(Record::rate),
        rate_min: rates().fold(f64::INFINITY, f64::min),
        rate_max: rates().fold(0.0, f64::max),
        runs: records.len(),
        processor_ns: of(Record::processor_ns),
        p50_ns: of(|r| r.p50_ns as f64),
        p99_ns: of(|r| r.p99_ns as f64),
        p999_ns: of(|r| r.p999_ns as f64),
        settle_seconds: of(|r| r.settle_seconds),
        written_bytes: of(|r| r.written_bytes as f64),
        written_per_byte: of(|r| r.written_bytes as f64 / bytes(r, r.operations)),
        read_bytes: of(|r| r.read_bytes as f64),
        read_per_byte: of(|r| r.read_bytes as f64 / bytes(r, r.found)),
        disk_bytes: of(|r| r.disk_bytes as f64),
        disk_per_byte: of(|r| r.disk_bytes as f64 / bytes(r, r.entries)),
        peak_bytes: of(|r| r.peak_bytes as f64),
        anonymous_bytes: of(|r| r.anonymous_bytes as f64),
    }
}

/// Each of our variants against the best peer of all variants that is comparable: the same codec,
/// or none, as some peers do not compress.
fn ratios(
    workloads: &[String],
    labels: &[String],
    cells: &BTreeMap<(String, String), Cell>,
) -> Vec<Ratio> {
    let rate = |w: &String, l: &String| cells.get(&(w.clone(), l.clone())).map(|c| c.rate);
    let time = |w: &String, l: &String| {
        let cell = cells.get(&(w.clone(), l.clone()))?;
        (cell.processor_ns > 0.0).then_some(cell.processor_ns)
    };
    let mut ratios = Vec::new();
    for workload in workloads {
        let peers = labels.iter().filter(|label| !is_ours(label));
        let rated = peers.filter_map(|label| Some((label, rate(workload, label)?)));
        let Some((peer, best)) = rated.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let times = labels.iter().filter(|label| !is_ours(label));
        let least = times.filter_map(|l| time(workload, l)).fold(f64::INFINITY, f64::min);
        for ours in labels.iter().filter(|label| is_ours(label)) {
            let Some(our_rate) = rate(workload, ours) else { continue };
            let our_time = time(workload, ours).unwrap_or(f64::NAN);
            ratios.push(Ratio {
                workload: workload.clone(),
                ours: ours.clone(),
                peer: peer.clone(),
                ratio: our_rate / best,
                processor_ratio: least / our_time,
            });
        }
    }
    ratios.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    ratios
}

fn warnings(records: &[Record], groups: &BTreeMap<(String, String), Vec<&Record>>) -> Vec<String> {
    let mut warnings = Vec::new();
    for record in records {
        if let Some(failure) = &record.failure {
            let (label, workload) = (record.label(), &record.workload);
            warnings.push(format!("{label} failed in {workload}: {failure}"));
        }
    }
    // The same operations must have read the same bytes, on whatever engine.
    let mut seen: BTreeMap<(&str, u64, u64), (u64, u64, String)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.failure.is_none()) {
        if record.workload == "open_after_kill" && record.found < record.operations {
            let (label, lost) = (record.label(), record.operations - record.found);
            warnings.push(format!("{label} lost {lost} entries when its process was killed"));
            continue;
        }
        if record.sum == 0 {
            continue;
        }
        let key = (&record.workload[..], record.operations, record.entries);
        let found = (record.sum, record.found);
        let first = seen.entry(key).or_insert_with(|| (record.sum, record.found, record.label()));
        if (first.0, first.1) != found {
            let (workload, label, other) = (&record.workload, record.label(), &first.2);
            warnings.push(format!("{label} read other bytes than {other} in {workload}"));
        }
    }
    for ((workload, label), records) in groups {
        let cell = cell(records);
        if cell.runs > 1 && cell.rate_max > cell.rate_min * 1.5 {
            let spread = cell.rate_max / cell.rate_min;
            warnings.push(format!("{label} in {workload}: runs differ by {spread:.1} times"));
        }
    }
    warnings.sort();
    warnings.dedup();
    warnings
}

fn title(records: &[&Record]) -> String {
    let Some(first) = records.first() else { return "nothing was measured".into() };
    let runs = records.iter().map(|r| r.run + 1).max().unwrap_or(0);
    let loads: Vec<_> = records.iter().map(|r| r.load_average).collect();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} entries of 16 + {} bytes, {runs} runs, {processors} processors, load {:.1} in the median",
        first.entries,
        first.value_bytes,
        median(loads),
    )
}
