//! The one memory number: a process that writes and reads many times its budget keeps to it.
//!
//! `ESKER_MEMORY_ENTRIES` sets another number of entries; 9300000 are a gigabyte.
#![cfg(target_os = "linux")]

use super::Place;
use std::process::{Command, Stdio};
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// What the process may need beside the budget, as the setting says.
const BESIDE: u64 = 64 * MIB;

/// The most memory that process `id` has had so far, in bytes.
pub(crate) fn peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// Does the workloads `names` of `esker bench` with `mib` MiB of budget, to which the process must
/// keep.
fn must_keep_to(mib: u64, entries: &str, names: &[&str]) {
    let place = Place::new();
    let directory = place.path("db");
    let memory = format!("{mib}MiB");
    let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
        .args(["bench", "--memory", &memory, "-n", entries, "--reads", "50000", "--dir"])
        .arg(&directory)
        .args(names)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    println!("{} MiB at most", most / MIB);
    assert!(most > 0 && most <= mib * MIB + BESIDE, "{} MiB", most / MIB);
}

#[test]
fn a_process_keeps_to_its_budget() {
    let entries = std::env::var("ESKER_MEMORY_ENTRIES").unwrap_or("1500000".into());
    must_keep_to(32, &entries, &["fillrandom", "readrandom", "readseq", "compact", "readseq"]);
}

/// Many threads ask for memory of blocks, and many give it back, while memtables grow and go.
#[test]
fn what_one_thread_gives_back_another_takes() {
    let names = ["fillrandom", "readrandom", "overwrite", "readrandom", "overwrite", "compact"];
    must_keep_to(256, "1500000", &names);
}
