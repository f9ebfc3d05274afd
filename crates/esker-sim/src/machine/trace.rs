//! The calls that were made, for printing.

use super::fault::OpKind;
use std::fmt;
use std::path::PathBuf;

/// Calls kept.
pub const LINES_MAX: usize = 20_000;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// Its number, from 1 at the machine's making.
    pub call: u64,
    /// The number of the process that made it.
    pub process: u64,
    /// Its kind.
    pub kind: OpKind,
    /// The file or directory.
    pub path: PathBuf,
    /// What was asked for, beside the path.
    pub detail: String,
    /// How it was made to fail; empty if it was not.
    pub failure: String,
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TraceLine { call, process, kind, path, detail, failure } = self;
        write!(f, "{call:>6} process {process} {kind:?} {}", path.display())?;
        if !detail.is_empty() {
            write!(f, " {detail}")?;
        }
        if !failure.is_empty() {
            write!(f, " -> {failure}")?;
        }
        Ok(())
    }
}
