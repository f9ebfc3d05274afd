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
        println!("{USAGE}");
        return Ok(());
    }
    if arguments.is_list {
        for kind in engines::KINDS {
            println!("{:22} {}", kind.name, kind.note);
        }
        for workload in workloads::WORKLOADS {
            println!("{:10} {:22} {}", workload.set, workload.name, workload.about);
        }
        return Ok(());
    }
    if !arguments.report.is_empty() {
        return report::again(arguments);
    }
    parent::run(arguments)
}
