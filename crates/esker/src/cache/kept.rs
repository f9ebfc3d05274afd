//! Blocks of a table under way, kept in memory as they are written.

use super::segment::Filling;
use super::{BlockCache, BlockSlots, CachedBlock};
use crate::block::Layout;
use std::sync::Arc;

/// When blocks of a new table best come into memory, for its first readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// As they are written.
    Kept,
    /// Once the database is at rest.
    AtRest,
}

impl Home {
    /// Whether they are kept as they are written, where there is a rest to wait for or not.
    pub fn is_kept(self, has_rest: bool) -> bool {
        self == Home::Kept || !has_rest
    }
}

/// Blocks of a table that is being written, as far as there is room for them: its first readers
/// need not read what was just in memory. What is read drives them out, never the other way round.
#[derive(Debug, Default)]
pub struct KeptBlocks {
    /// None keeps nothing.
    cache: Option<Arc<BlockCache>>,
    has_rest: bool,
    /// Whether there were such as come at rest.
    is_left_to_rest: bool,
    /// Whether there were others that were not kept.
    is_left_cold: bool,
    filling: Filling,
    blocks: Vec<(usize, CachedBlock)>,
    /// Number of the next block.
    next: usize,
}

impl KeptBlocks {
    /// Keeps blocks in what room `cache` has, but for those that come at rest, if the system
    /// `has_rest`: if they can be read from its memory until then.
    pub fn new(cache: Arc<BlockCache>, has_rest: bool) -> KeptBlocks {
        KeptBlocks { cache: Some(cache), has_rest, ..KeptBlocks::default() }
    }

    /// Keeps the next block, if there is room and that is its `home`.
    pub fn push(&mut self, block: &[u8], home: Home) {
        let number = self.next;
        self.next += 1;
        if !home.is_kept(self.has_rest) {
            self.is_left_to_rest = true;
            return;
        }
        let kept = self.keep(block);
        self.is_left_cold |= kept.is_none();
        self.blocks.extend(kept.map(|block| (number, block)));
    }

    fn keep(&mut self, block: &[u8]) -> Option<CachedBlock> {
        let cache = self.cache.as_ref().filter(|cache| cache.has_room(block.len()))?;
        let layout = Layout::parse(block).ok()?;
        let room = self.filling.reserve(&cache.segments, cache.any_shard(), block.len())?;
        room.fill(block, layout)
    }

    /// Whether there are none, nor any that come at rest.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && !self.is_left_to_rest
    }

    /// Whether there were blocks that were not kept.
    pub fn is_left_cold(&self) -> bool {
        self.is_left_cold || self.is_left_to_rest
    }

    /// The same, but it keeps none.
    pub fn leaving_all(self) -> KeptBlocks {
        KeptBlocks { cache: None, ..self }
    }

    /// Puts the blocks in the slots of their table: where they are, or those of a small table,
    /// which would leave most of a segment empty, beside others that are read.
    pub fn move_to(self, slots: &Arc<BlockSlots>) {
        let segment_bytes = self.cache.as_ref().map_or(0, |cache| cache.segments.segment_bytes());
        let bytes: usize = self.blocks.iter().map(|(_, block)| block.bytes().len()).sum();
        for (number, block) in self.blocks {
            if bytes < segment_bytes / 2 {
                slots.insert(number, block.bytes(), *block.layout());
            } else {
                slots.put(number, block);
            }
        }
    }
}
