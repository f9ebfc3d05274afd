//! The sparse index: one entry a block, with the block's fence and where its frame stands.
//!
//! A block's *fence* is a short key that is greater than every key before the block and not
//! greater than any key in it. On disk the index is a row of blocks in the same format as data
//! blocks; in memory it is one such block, entered through a radix table over the key heads.

mod fence;
mod format;
#[cfg(test)]
mod tests;

pub use fence::{FenceIndex, fence};
pub use format::Handle;
