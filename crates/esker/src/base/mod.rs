//! The vocabulary that every layer shares; imports nothing of the engine.

pub mod checksum;
pub mod chunk;
pub mod coding;
pub mod current;
pub mod error;
pub mod hash;
pub mod key;
pub mod lasting;
pub mod prefetch;
pub mod prefix_sums;
#[cfg(target_os = "linux")]
pub mod region;
pub mod sync;
