//! Starts the children, one after the other, and gathers what they measured.

use crate::arguments::Arguments;
use crate::engines::{self, Codec, Result};
use crate::record::Record;
use crate::{report, workloads};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Runs all that the arguments ask for; then tells.
pub fn run(arguments: &Arguments) -> Result<()> {
    let asked = workloads::chosen(&arguments.workloads)?;
    std::fs::create_dir_all(&arguments.out)?;
    let path = arguments.out.join("results.jsonl");
    let mut file = std::fs::File::create(&path)?;
    let mut records = Vec::new();
    for run in 0..arguments.runs {
        for set in workloads::sets(&asked) {
            for (engine, codec) in order(arguments, run)? {
                eprintln!("run {}, {set}: {engine}/{}", run + 1, codec.name());
                for mut record in child(arguments, set, &engine, codec, run)? {
                    record.run = run;
                    writeln!(file, "{}", serde_json::to_string(&record)?)?;
                    records.push(record);
                }
            }
        }
    }
    report::write(arguments, &records)
}

/// The engines and variants in the order of this run: each run begins with another.
fn order(arguments: &Arguments, run: u32) -> Result<Vec<(String, Codec)>> {
    let mut all = Vec::new();
    for name in &arguments.engines {
        for &codec in &arguments.codecs {
            if codec == Codec::None || engines::kind(name)?.compresses {
                all.push((name.clone(), codec));
            }
        }
    }
    if !all.is_empty() {
        let first = run as usize % all.len();
        all.rotate_left(first);
    }
    Ok(all)
}

/// Runs one set on one engine in a process of its own, in an empty directory.
fn child(
    arguments: &Arguments,
    set: &str,
    engine: &str,
    codec: Codec,
    run: u32,
) -> Result<Vec<Record>> {
    let directory = arguments.directory.join("database");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments.for_child(set, engine, codec, run))
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output of the child")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(arguments.child_seconds);
    let mut records: Vec<Record> = Vec::new();
    let is_over_time = loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let record: Record = serde_json::from_str(&line)?;
                report::progress(&record);
                records.push(record);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => break true,
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
        }
    };
    if is_over_time {
        child.kill()?;
    }
    let status = child.wait()?;
    reader.join().map_err(|_| "the reader of the child's output panicked")?;
    if is_over_time || !status.success() {
        let failure = match is_over_time {
            true => format!("stopped after {} s", arguments.child_seconds),
            false => format!("the process failed: {status}"),
        };
        let record = Record {
            engine: engine.into(),
            compression: codec.name().into(),
            workload: format!("set {set}"),
            failure: Some(failure),
            ..Record::default()
        };
        report::progress(&record);
        records.push(record);
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(records)
}
