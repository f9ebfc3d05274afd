//! esker: an embedded, log-structured, ordered key-value engine and the toolkit for the sorted
//! string tables it is made of.

mod base;
pub mod vfs;

pub use base::error::{Error, ErrorKind, Result};
