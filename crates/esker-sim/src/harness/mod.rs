//! Random histories against a model, with crashes at any call.

mod beside;
pub mod closing;
pub mod generate;
pub mod model;
pub mod run;
pub mod script;
pub mod seeds;
pub mod shrink;
pub mod store;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod toy;
