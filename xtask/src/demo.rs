//! `cargo xtask demo`: the main job on the sample data, step by step.

use crate::steps;

/// What is shown, with the command that shows it; `T` stands for the table.
const STEPS: &[(&str, &str)] = &[
    (
        "Nine thousand records, in no order, become one sorted table",
        "build data/languages.csv -o T --force",
    ),
    ("What the table is made of", "info T"),
    ("One key", "get T language/eu"),
    ("The same, explained", "get T language/eu --explain"),
    ("A key that is not there: the filter says so, status 1", "get T language/xx --explain"),
    ("Keys with a prefix", "scan T --prefix script/Cy"),
    ("Backwards, as JSON", "scan T --prefix region/ --reverse --limit 3 --format json"),
    ("Every byte checked", "verify T"),
];

pub fn run() -> Result<(), String> {
    steps::run("cargo build --release --package esker-cli", &[])?;
    let table = steps::root().join("target/demo/languages.sstable");
    let directory = table.parent().ok_or("no parent")?;
    std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    for (what, command) in STEPS {
        println!("\n# {what}");
        let command = command.replace(" T", " target/demo/languages.sstable");
        let done = run_esker(&command);
        if done.is_err() && !command.contains("language/xx") {
            return done;
        }
    }
    println!("\nThe table stays at {}: try `target/release/esker --help`.", table.display());
    Ok(())
}

fn run_esker(command: &str) -> Result<(), String> {
    steps::run(&format!("target/release/esker {command}"), &[])
}
