//! Short runs of what the program does at length.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::process::Command;

/// Runs the program with `words` and a directory between the first and the rest.
fn run(words: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let program = env!("CARGO_BIN_EXE_esker-real");
    let output = Command::new(program).arg(words[0]).arg(&path).args(&words[1..]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_killed_writer_loses_nothing_that_it_was_told() {
    let report = run(&["kill", "12"]);
    assert!(report.contains("kills: 1"), "{report}");
}

#[test]
fn system_calls_are_in_order() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: no strace");
        return;
    }
    let report = run(&["order"]);
    assert!(report.contains("calls in order"), "{report}");
}
