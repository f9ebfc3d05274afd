//! The engine as WebAssembly.
//!
//! One entrance, [`abi`], takes a request as bytes and leaves a reply as bytes; the JavaScript of
//! `web/package` puts requests together and takes replies apart. Everything but that entrance is
//! plain Rust, and runs in native tests too.
//!
//! - `wire`: requests and replies as bytes; `json`: the part of replies that is text.
//! - `session`: what is open: stores, snapshots, scans, files that are looked at.
//! - `requests`: what each request does. `look`: how a store is seen. `files`: tables from outside;
//!   `database`: whole directories of other engines.
//! - `pool`, `slot`: a file system over a row of exclusive files, which is what browsers have.

pub mod abi;
mod database;
mod files;
mod json;
mod look;
mod pool;
mod requests;
mod session;
mod slot;
#[cfg(test)]
mod tests;
mod wire;

pub use pool::{Device, PoolVfs};
pub use session::Session;
