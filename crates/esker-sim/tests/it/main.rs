//! Crashes and failures of esker on a simulated machine.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cases;
mod crash;
mod syncs;
