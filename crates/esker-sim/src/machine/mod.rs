//! The simulated machine: disk, page cache, names, clock, faults, crashes.
//!
//! # Invariants
//! - **M1** What a machine does follows from its seed and from the calls made, nothing else.
//! - **M2** `durable` state changes by a sync, by a failed sync (which may have written a part),
//!   or by a power cut; never by a write or a change of names alone.
//! - **M3** A handle belongs to one process. Once that process is dead, each of its calls fails
//!   and changes nothing.

mod coverage;
mod cut;
mod fault;
mod inode;
mod names;
mod phase;
mod state;
#[cfg(test)]
mod tests;
mod turns;
mod vfs;

pub use coverage::{Coverage, Fault, Site};
pub use cut::{DataFate, NamesFate, PowerCut};
pub use fault::{Calls, Crash, Failure, OpKind, Rule, SimulatedPanic, Strike};
pub(crate) use turns::message;
pub use vfs::SimVfs;
