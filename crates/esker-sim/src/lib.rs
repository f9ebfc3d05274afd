//! A machine that crashes on purpose, and what is proved on it.
//!
//! [`SimVfs`] stands behind esker's seam to files. It keeps what a disk holds apart from what the
//! operating system only remembers, so that a power cut can lose, keep, tear and reorder exactly
//! what was not synced; and it can fail any call.

pub mod engine;
pub mod harness;
pub mod machine;
pub mod random;

pub use machine::{
    Calls, Coverage, Crash, DataFate, Failure, Fault, NamesFate, OpKind, PowerCut, Rule, SimVfs,
    SimulatedPanic, Site, Strike,
};
