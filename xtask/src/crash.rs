//! A writer that is killed while it writes: part of the demo.

use crate::steps;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Records that the writer is offered: more than it gets to.
const OFFERED: u32 = 5_000_000;
/// How long it may write.
const TIME: Duration = Duration::from_millis(1500);

/// Starts a writer on the database at `path`, kills it, and counts what it had acknowledged and
/// what is there.
pub fn run(path: &str) -> Result<(), String> {
    let line = format!("{} put {path} --input -", steps::ESKER);
    println!("\n$ yes, crash/00000001,… and so on | {line}   # prints each key when it is written");
    let acknowledged = write_and_kill(path)?;
    let last = acknowledged.last().ok_or("the writer was killed before its first write")?;
    println!(
        "killed (SIGKILL) after {} acknowledged writes, the last of {last}",
        acknowledged.len()
    );
    steps::run(&format!("{} get {path} {last}", steps::ESKER), &[])?;
    let found = keys(path)?;
    let mut there = found.iter();
    let missing = acknowledged.iter().filter(|key| !there.any(|found| found == *key)).count();
    println!("{} keys found, of those that were acknowledged {missing} missing", found.len());
    if missing > 0 {
        return Err(format!("{missing} acknowledged writes are lost"));
    }
    Ok(())
}

/// The keys that a writer acknowledged before it was killed.
fn write_and_kill(path: &str) -> Result<Vec<String>, String> {
    let failed = |e: std::io::Error| format!("the writer: {e}");
    let mut child = Command::new(steps::ESKER)
        .args(["put", path, "--input", "-"])
        .current_dir(steps::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (mut stdin, stdout) = (stdin.ok_or("no pipe")?, stdout.ok_or("no pipe")?);
    let feeder = std::thread::spawn(move || {
        // The pipe breaks when the writer is killed.
        (1..=OFFERED).try_for_each(|n| writeln!(stdin, "crash/{n:08},written before the crash"))
    });
    let reader = std::thread::spawn(move || {
        BufReader::new(stdout).lines().collect::<Result<Vec<String>, _>>()
    });
    std::thread::sleep(TIME);
    child.kill().map_err(failed)?;
    child.wait().map_err(failed)?;
    drop(feeder.join());
    let keys = reader.join().map_err(|_| "the reader of its output failed")?;
    keys.map_err(failed)
}

/// The keys of the writer that are in the database.
fn keys(path: &str) -> Result<Vec<String>, String> {
    let output = Command::new(steps::ESKER)
        .args(["scan", path, "--prefix", "crash/", "--keys-only"])
        .current_dir(steps::root())
        .output()
        .map_err(|e| format!("scan: {e}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}
