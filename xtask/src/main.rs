//! Chores of the project: `cargo xtask demo`, `cargo xtask test`, `cargo xtask tidy`.

mod crash;
mod demo;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask demo | test | tidy | fuzz SECONDS";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["fuzz", seconds] => test::fuzz(seconds),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
