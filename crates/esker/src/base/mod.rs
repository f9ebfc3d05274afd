//! The vocabulary that every layer shares; imports nothing of the engine.

pub mod error;
