//! `cargo xtask demo`: the main job on the sample data, step by step.

use crate::{crash, steps};

/// Where the database and the table of the demo stand, from the root.
const DIRECTORY: &str = "target/demo";

/// What is shown, with the commands that show it; `DB` stands for the database.
const STEPS: &[(&str, &[&str])] = &[
    (
        "Nine thousand records, in no order, go into a database: sorted, and taken in one step",
        &["load DB data/languages.csv", "info DB"],
    ),
    ("One key, and which layers were asked for it", &["get DB language/eu --explain"]),
    (
        "Keys with a prefix; and backwards, as JSON",
        &[
            "scan DB --prefix script/Cy",
            "scan DB --prefix region/ --reverse --limit 3 --format json",
        ],
    ),
    (
        "Overwrite one key, delete another: the writes hide what the table below has",
        &[
            "put DB language/eu Euskara",
            "delete DB language/fr",
            "get DB language/eu --explain",
            "get DB language/fr --explain",
            "info DB",
        ],
    ),
    ("Flush: the log becomes a table of level 0", &["flush DB", "info DB"]),
    (
        "Compact: one table again, without what was overwritten and deleted",
        &["compact DB", "info DB", "space DB"],
    ),
];

/// What is shown after the crash.
const AFTER: &[(&str, &[&str])] = &[
    ("Every table, the log and the manifest are sound", &["verify DB", "info DB"]),
    (
        "A table on its own: made, asked, checked",
        &[
            "build data/languages.csv -o target/demo/languages.sstable --force",
            "get target/demo/languages.sstable language/xx --explain",
            "verify target/demo/languages.sstable",
        ],
    ),
];

/// Commands that end with status 1, since the key is not there.
const ABSENT: &[&str] = &["language/fr", "language/xx"];

pub fn run() -> Result<(), String> {
    steps::run("cargo build --release --package esker-cli", &[])?;
    let directory = steps::root().join(DIRECTORY);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(|e| format!("{DIRECTORY}: {e}"))?;
    }
    std::fs::create_dir_all(&directory).map_err(|e| format!("{DIRECTORY}: {e}"))?;
    show(STEPS)?;
    println!("\n# A writer is killed in the middle: what it had acknowledged is there");
    crash::run(&database())?;
    show(AFTER)?;
    println!("\nThe database stays at {}: try `target/release/esker --help`.", database());
    Ok(())
}

fn database() -> String {
    format!("{DIRECTORY}/db")
}

fn show(steps: &[(&str, &[&str])]) -> Result<(), String> {
    for (what, commands) in steps {
        println!("\n# {what}");
        for command in *commands {
            let command = command.replace(" DB", &format!(" {}", database()));
            let done = steps::run(&format!("{} {command}", steps::ESKER), &[]);
            if done.is_err() && !ABSENT.iter().any(|key| command.contains(key)) {
                return done;
            }
        }
    }
    Ok(())
}
