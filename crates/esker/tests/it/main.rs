//! Tests of the public face alone.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod large;
mod many_tables;
mod model;
mod processes;
