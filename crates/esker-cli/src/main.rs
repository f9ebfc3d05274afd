//! The `esker` command: keeps databases, and builds, reads, explains and checks sorted tables.
//!
//! `args` is the one definition of the command line; each command is a module of `commands`;
//! `bytes` holds the text forms of keys and values, `records` and `input` the input formats,
//! `output` the output formats, `source` the tables and databases that can be read, `database` the
//! directories of ours, `foreign` what is of other engines.

mod args;
mod bytes;
mod commands;
mod database;
mod failure;
mod foreign;
mod input;
mod output;
mod progress;
mod records;
mod source;
mod style;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    style::set_color(arguments.color);
    match commands::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
