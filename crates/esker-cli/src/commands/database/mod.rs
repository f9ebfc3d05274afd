//! The commands that are for databases, and what the others show of one.

pub mod admin;
pub mod levels;
pub mod load;
pub mod numbers;
mod picture;
pub mod write;
