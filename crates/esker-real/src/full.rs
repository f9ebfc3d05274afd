//! `full`: small file systems that fill up, and then have room again.

use crate::tools;
use crate::watcher::{Crash, Heard, check};
use crate::workload::{GROWING, Level};
use crate::writer::Plan;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// The file systems with the size of their image in MiB; zero for one in memory.
const SYSTEMS: &[(&str, u64)] = &[("tmpfs", 0), ("ext4", 24), ("xfs", 300), ("btrfs", 128)];
/// MiB of the file that takes the room, and goes later.
const BALLAST_MIB: u64 = 4;
/// MiB of room that are left for the database.
const ROOM_MIB: u64 = 3;
/// MiB that are free at the end, at least: opening needs room.
const REST_MIB: u64 = 8;
/// Failures in a row after which room is made.
const FAILURES: u64 = 8;

/// Fills each kind of file system, with images and mounts beneath `path`.
///
/// # Errors
/// What went wrong, with the file system.
pub fn run(path: &str) -> Result<String, String> {
    std::fs::create_dir_all(path).map_err(|e| format!("{path}: {e}"))?;
    let mut report = String::new();
    for &(system, mib) in SYSTEMS {
        for level in Level::ALL {
            let mount = Mount::new(path, system, mib)?;
            let line = one(&mount, level).map_err(|e| format!("{system}, {level}: {e}"))?;
            println!("{system}, {level}: {line}");
            report += &format!("{system}, {level}: {line}\n");
        }
    }
    report += &limited(path)?;
    Ok(report)
}

/// A mounted file system; goes when dropped.
struct Mount(String);

impl Mount {
    fn new(path: &str, system: &str, mib: u64) -> Result<Mount, String> {
        let at = format!("{path}/{system}");
        std::fs::create_dir_all(&at).map_err(|e| format!("{at}: {e}"))?;
        if mib == 0 {
            let mib = BALLAST_MIB + ROOM_MIB + REST_MIB;
            tools::run(&format!("mount -t tmpfs -o size={mib}m tmpfs {at}"))?;
            return Ok(Mount(at));
        }
        let image = format!("{path}/{system}.img");
        let _ = std::fs::remove_file(&image);
        tools::run(&format!("truncate -s {mib}M {image}"))?;
        let force = if system == "ext4" { "-F" } else { "-f" };
        tools::run(&format!("mkfs.{system} {force} -q {image}"))?;
        tools::run(&format!("mount -t {system} -o loop {image} {at}"))?;
        Ok(Mount(at))
    }

    /// MiB that are free.
    fn free(&self) -> Result<u64, String> {
        let text = tools::run(&format!("df -m --output=avail {}", self.0))?;
        text.lines().last().and_then(|line| line.trim().parse().ok()).ok_or("df".into())
    }

    /// Takes all but so many MiB.
    fn take(&self, name: &str, mib: u64) -> Result<String, String> {
        let file = format!("{}/{name}", self.0);
        let line = format!("dd if=/dev/urandom of={file} bs=1M count={mib} conv=fsync");
        tools::run(&line)?;
        Ok(file)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = tools::run(&format!("umount {}", self.0)) {
            eprintln!("{error}");
        }
    }
}

/// Writes until the disk is full, goes on with room, and fills it again; then the writer is killed,
/// and what it leaves must be whole.
fn one(mount: &Mount, level: Level) -> Result<String, String> {
    let free = mount.free()?;
    mount.take("filler", free.saturating_sub(BALLAST_MIB + ROOM_MIB))?;
    let ballast = mount.take("ballast", BALLAST_MIB)?;
    let plan = Plan {
        path: format!("{}/db", mount.0),
        level,
        first: GROWING,
        memtable_bytes: 64 << 10,
        waits: true,
        ..Plan::default()
    };
    let mut writer = Running::start(&plan.words())?;
    let mut failures = writer.fail(&plan.path)?;
    let full_at = writer.heard.acknowledged;
    for _ in 1..FAILURES {
        writer.go_on()?;
        failures = writer.fail(&plan.path)?;
    }
    std::fs::remove_file(&ballast).map_err(|e| format!("{ballast}: {e}"))?;
    writer.go_on()?;
    // What was poisoned stays so until the database is opened again; all else goes on.
    if !failures.contains("no more writes") && !failures.contains("Poisoned") {
        failures = writer.fail(&plan.path)?;
    }
    let went_on_to = writer.heard.acknowledged;
    writer.child.kill().map_err(|e| e.to_string())?;
    writer.child.wait().map_err(|e| e.to_string())?;
    // Opening needs room too.
    let full = check(&plan.path, &writer.heard.threads).err();
    let full = full.map_or("opens".into(), |e| format!("does not open ({e})"));
    let _ = std::fs::remove_file(format!("{}/filler", mount.0));
    check(&plan.path, &writer.heard.threads)?;
    Ok(format!("full after {full_at} steps, went on to {went_on_to}, {full} when full; {failures}"))
}

/// A writer that waits when it fails.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    heard: Heard,
}

impl Running {
    fn start(words: &[String]) -> Result<Running, String> {
        let mut child = Command::new(tools::this()?)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("the writer: {e}"))?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        Ok(Running { child, lines, heard: Heard::default() })
    }

    /// Listens until it tells of a failure, which must name a file or the database `path`.
    fn fail(&mut self, path: &str) -> Result<String, String> {
        self.heard.failure = None;
        for line in self.lines.by_ref() {
            self.heard.hear(&line.map_err(|e| e.to_string())?, Crash::Process);
            if let Some(failure) = &self.heard.failure {
                return match failure.contains(path) {
                    true => Ok(failure.clone()),
                    false => Err(format!("names no file: {failure}")),
                };
            }
        }
        let status = self.child.wait().map_err(|e| e.to_string())?;
        Err(format!("the writer ended: {status}"))
    }

    fn go_on(&mut self) -> Result<(), String> {
        let input = self.child.stdin.as_mut().ok_or("no pipe")?;
        writeln!(input, "go on").map_err(|e| e.to_string())
    }
}

/// A limit on the length of files, where the call fails and the signal is ignored.
fn limited(path: &str) -> Result<String, String> {
    let database = format!("{path}/limited");
    let _ = std::fs::remove_dir_all(&database);
    let plan = Plan { path: database.clone(), memtable_bytes: 1 << 20, ..Plan::default() };
    let words = plan.words().join(" ");
    let script = format!("trap '' XFSZ; ulimit -f 300; exec {} {words}", tools::this()?.display());
    let output = Command::new("bash").args(["-c", &script]).output().map_err(|e| e.to_string())?;
    let mut heard = Heard::default();
    heard.listen(&output.stdout[..], Crash::Process);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(3) || !complaint.contains(&database) {
        return Err(format!("ulimit -f: {}: {complaint}", output.status));
    }
    check(&database, &heard.threads).map_err(|e| format!("ulimit -f: {e}"))?;
    Ok(format!("ulimit -f: after {} steps: {}", heard.acknowledged, complaint.trim()))
}
