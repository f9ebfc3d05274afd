//! How a command fails, and with which exit status.

use crate::style;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// What was looked for is not there: status 1, no message.
    NotFound,
    /// What was compared is different: status 1, no message.
    Different,
    /// The command line or the input is wrong: status 2.
    Input(String),
    /// The library refused, or found corruption: status 2 or 3.
    Esker(esker::Error),
    /// The same, with what to do about it.
    Advised(esker::Error, String),
    /// Writing the output failed: status 2, or 0 if the reader of a pipe has gone.
    Output(io::Error),
}

/// Shorthand for the result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure of the command line or the input.
    pub fn input(message: impl fmt::Display) -> Failure {
        Failure::Input(message.to_string())
    }

    /// Tells the user, and gives the exit status.
    pub fn report(self) -> ExitCode {
        let (message, status) = match self {
            Failure::NotFound | Failure::Different => return ExitCode::from(1),
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Failure::Output(error) => (format!("cannot write the output: {error}"), 2),
            Failure::Input(message) => (message, 2),
            Failure::Esker(error) => (error.to_string(), status(&error)),
            Failure::Advised(error, advice) => (format!("{error}; {advice}"), status(&error)),
        };
        // With nobody to tell, the status still tells.
        let _ = writeln!(io::stderr(), "{} {message}", style::error("esker:"));
        ExitCode::from(status)
    }
}

/// The exit status that `error` means.
fn status(error: &esker::Error) -> u8 {
    if error.kind() == esker::ErrorKind::Corruption { 3 } else { 2 }
}

impl From<esker::Error> for Failure {
    fn from(error: esker::Error) -> Failure {
        Failure::Esker(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}
