//! The commands, one module each.

mod bench;
mod build;
mod database;
mod get;
mod info;
mod migrate;
mod parts;
mod scan;
mod verify;

use crate::args::{Arguments, Command};
use crate::failure::{Failure, Result};
use crate::output::stdout;
use clap::CommandFactory;
use std::io::Write;
use std::path::Path;

/// Runs `command`.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Put(arguments) => database::write::put(&arguments),
        Command::Delete(arguments) => database::write::delete(&arguments),
        Command::Load(arguments) => database::load::run(&arguments),
        Command::Stats(arguments) => database::numbers::stats(&arguments),
        Command::Space(arguments) => database::numbers::space(&arguments),
        Command::Flush(arguments) => database::admin::flush(&arguments),
        Command::Compact(arguments) => database::admin::compact(&arguments),
        Command::Checkpoint(arguments) => database::admin::checkpoint(&arguments),
        Command::Repair(arguments) => database::admin::repair(&arguments),
        Command::Destroy(arguments) => database::admin::destroy(&arguments),
        Command::Migrate(command) => migrate::run(&command),
        Command::Build(arguments) => build::run(&arguments),
        Command::Get(arguments) => get::get(&arguments),
        Command::Has(arguments) => get::has(&arguments),
        Command::Scan(arguments) => scan::scan(&arguments),
        Command::Dump(arguments) => scan::dump(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man(dir.as_deref()),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "esker", &mut script);
    let mut out = stdout();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

fn man(directory: Option<&Path>) -> Result<()> {
    if let Some(directory) = directory {
        let failed =
            |e| Failure::input(format_args!("cannot write to {}: {e}", directory.display()));
        return clap_mangen::generate_to(Arguments::command(), directory).map_err(failed);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
    let mut out = stdout();
    out.write_all(&page)?;
    Ok(out.flush()?)
}
