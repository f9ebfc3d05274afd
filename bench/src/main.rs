//! Measures esker against its peers: one process for each engine and set of workloads, runs
//! interleaved, medians, ratios. See `README.md`.

mod arguments;
mod child;
mod data;
mod engines;
mod histogram;
mod measure;
mod parent;
mod process;
mod record;
mod report;
mod sampler;
mod workloads;

use arguments::{Arguments, USAGE};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("esker-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> engines::Result<()> {
    if let Some(set) = &arguments.child {
        return child::run(arguments, set);
    }
    if arguments.is_help {
        return printed(writeln!(io::stdout(), "{USAGE}"));
    }
    if arguments.is_list {
        return printed(list(&mut io::stdout().lock()));
    }
    if !arguments.report.is_empty() {
        return report::again(arguments);
    }
    parent::run(arguments)
}

/// Engines and workloads.
fn list(out: &mut dyn Write) -> io::Result<()> {
    for kind in engines::KINDS {
        writeln!(out, "{:22} {}", kind.name, kind.note)?;
    }
    for workload in workloads::WORKLOADS {
        writeln!(out, "{:10} {:22} {}", workload.set, workload.name, workload.about)?;
    }
    Ok(())
}

/// Whoever reads the output may have read enough.
fn printed(result: io::Result<()>) -> engines::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
