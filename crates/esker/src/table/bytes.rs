//! The bytes of a block, wherever they are.

use super::scratch::Scratch;
use crate::block::Layout;
use crate::cache::PinnedBlock;
use arc_swap::Guard;
use std::ops::Range;

/// A block's bytes: a range of the source, or read and decompressed, or in the cache.
#[derive(Debug)]
pub(super) enum BlockBytes {
    InPlace(Range<usize>),
    Owned(Scratch, usize),
    Cached(PinnedBlock),
}

impl BlockBytes {
    /// Where the columns stand, of a block in the cache.
    #[inline]
    pub(super) fn layout(&self) -> Option<&Layout> {
        match self {
            BlockBytes::Cached(pinned) => pinned.as_ref().map(|block| block.layout()),
            _ => None,
        }
    }

    /// The same, held in a way that may last: a thread has only few pins that cost nothing.
    #[inline]
    pub(super) fn unpinned(self) -> BlockBytes {
        match self {
            BlockBytes::Cached(pinned) => {
                BlockBytes::Cached(Guard::from_inner(Guard::into_inner(pinned)))
            }
            other => other,
        }
    }
}

impl Default for BlockBytes {
    fn default() -> BlockBytes {
        BlockBytes::Owned(Scratch::default(), 0)
    }
}
