//! Blocks: a few hundred sorted entries laid out in columns, and the search inside them.
//!
//! The bytes are in `format`, the making in `builder`, the reading in `view`. A block neither
//! reads files nor checks checksums: the frame around it does (see [`crate::frame`]).

mod builder;
mod format;
#[cfg(test)]
mod tests;
mod view;

pub use builder::BlockBuilder;
pub use format::Layout;
pub use view::BlockView;
