//! Chores of the project: `cargo xtask demo`, `test`, `models`, `tidy`, `web`, `mutations`.

mod crash;
mod demo;
mod mutations;
mod steps;
mod test;
mod tidy;
mod web;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask demo | test | models | tidy | web | web-test \
                     | fuzz SECONDS | mutations [NAME]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["web"] => web::build(),
        ["web-test"] => web::test(),
        ["models"] => test::models(),
        ["tidy"] => tidy::run(),
        ["mutations"] => mutations::run(""),
        ["mutations", name] => mutations::run(name),
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
