//! The command as its users run it: output, exit status, files.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad;
mod build;
mod databases;
mod db;
mod foreign;
mod guide;
mod memory;
mod migrate;
mod peers;
mod read;
mod untouched;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a run printed, and its exit status.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

/// A folder to run in.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `esker` with the words of `line`, giving it `input`.
    fn run_with(&self, line: &str, input: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses before it reads closes the pipe: no fault of the test.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            status: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, b"")
    }

    /// What a successful run printed.
    fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.status, 0, "{line}: {}", ran.err);
        ran.out
    }

    /// A table `t.sstable` of four fruits, one under bytes that are no text.
    fn with_fruit() -> Place {
        let place = Place::new();
        place.write("fruit.csv", b"lime,green\napple,red\n\xff\x01,odd\nplum,blue,or red\n");
        place.ok("build fruit.csv -o t.sstable --records newline");
        place
    }
}

/// The sample data of the project.
fn languages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/languages.csv")
}
