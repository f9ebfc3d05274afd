//! What esker promises, tried on a real kernel: a program that writes, and others that kill it,
//! starve it, let its calls fail, cut its power, and check what it leaves.
//!
//! `docs/testing.md` says how to run each and what has run.

mod full;
mod inject;
mod kill;
mod order;
mod power;
mod tools;
mod trace;
mod watcher;
mod workload;
mod writer;

use std::io::Write;
use std::process::ExitCode;
use watcher::Said;
use writer::{Plan, Stop};

const USAGE: &str = "usage: esker-real COMMAND
  kill DIR ROUNDS [SEED]   kill a writing process
  order DIR                check the order of system calls (strace)
  inject DIR [CALL]        let each system call fail, or be the last (strace)
  full DIR                 fill small file systems (mounts: needs root)
  power DIR CUTS [FS]      cut the power of a virtual machine (QEMU)
  write DIR [OPTIONS]      what the others start
  check DIR [T:LEAST...]   what is there, by thread";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((command, rest)) if command == "write" => return write(rest),
        Some((command, rest)) => run(command, rest),
        None => Err(USAGE.into()),
    };
    match done {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, rest: &[String]) -> Result<String, String> {
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| format!("{word}: not a number"));
    match (command, &rest[..]) {
        ("kill", [path, rounds]) => Ok(format!("{:?}", kill::run(path, number(rounds)?, 1)?)),
        ("kill", [path, rounds, seed]) => {
            Ok(format!("{:?}", kill::run(path, number(rounds)?, number(seed)?)?))
        }
        ("order", [path]) => order::run(path),
        ("inject", [path]) => inject::run(path, None),
        ("inject", [path, call]) => inject::run(path, Some(call)),
        ("full", [path]) => full::run(path),
        ("power", [path, cuts]) => power::run(path, number(cuts)?, None),
        ("power", [path, cuts, system]) => power::run(path, number(cuts)?, Some(system)),
        ("check", [path, said @ ..]) => check(path, said),
        _ => Err(USAGE.into()),
    }
}

/// Ends with 3 if the machine failed, and with 4 if an answer was wrong.
fn write(words: &[String]) -> ExitCode {
    let done = match Plan::parse(words) {
        Ok(plan) => writer::run(&plan),
        Err(message) => Err(Stop::Failed(message)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(message)) => end(3, &format!("failed: {message}\n")),
        Err(Stop::Wrong(message)) => end(4, &format!("WRONG: {message}\n")),
    }
}

fn end(code: u8, message: &str) -> ExitCode {
    // Standard error may be what fails; the code says it, too.
    let _ = std::io::stderr().write_all(message.as_bytes());
    ExitCode::from(code)
}

/// Checks a database that a machine before this one left: each thread is at least where `said`.
fn check(path: &str, said: &[&str]) -> Result<String, String> {
    let parse = |word: &&str| {
        let (thread, least) = word.split_once(':')?;
        let said = Said { least: least.parse().ok()?, most: u64::MAX };
        Some((thread.parse().ok()?, said))
    };
    let threads: Option<_> = said.iter().map(parse).collect();
    let found = watcher::check(path, &threads.ok_or("not THREAD:STEP")?)?;
    Ok(format!("checked {:?}", found.steps))
}
