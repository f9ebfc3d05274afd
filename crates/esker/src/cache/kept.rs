//! Blocks of a table under way, kept in memory as they are written.

use super::{BlockCache, BlockSlots, CachedBlock, SHARDS};
use crate::block::Layout;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Blocks of a table that is being written, as far as there is room for them: its first readers
/// need not read what was just in memory. What is read drives them out, never the other way round.
#[derive(Debug, Default)]
pub struct KeptBlocks {
    /// None keeps nothing.
    cache: Option<Arc<BlockCache>>,
    blocks: Vec<(usize, CachedBlock)>,
    /// Number of the next block.
    next: usize,
    /// Bytes of all blocks, charged to the cache.
    bytes: usize,
}

impl KeptBlocks {
    /// Keeps blocks in what room `cache` has.
    pub fn new(cache: Arc<BlockCache>) -> KeptBlocks {
        KeptBlocks { cache: Some(cache), blocks: Vec::new(), next: 0, bytes: 0 }
    }

    /// Keeps the next block, if there is room.
    pub fn push(&mut self, block: &[u8]) {
        let number = self.next;
        self.next += 1;
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.has_room(block.len())) else {
            return;
        };
        if let Ok(layout) = Layout::parse(block) {
            let mut memory = cache.pool.take(number, block.len()).unwrap_or_default();
            memory.extend_from_slice(block);
            let block = CachedBlock::new(memory, 0, layout);
            cache.others.fetch_add(block.resident_bytes(), Ordering::Relaxed);
            cache.make_room(number % SHARDS);
            self.bytes += block.resident_bytes();
            self.blocks.push((number, block));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Puts the blocks in the slots of their table.
    pub fn move_to(mut self, slots: &Arc<BlockSlots>) {
        self.discharge();
        for (number, block) in std::mem::take(&mut self.blocks) {
            slots.put(number, Arc::new(block));
        }
    }

    fn discharge(&mut self) {
        if let Some(cache) = &self.cache {
            cache.discharge(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for KeptBlocks {
    fn drop(&mut self) {
        self.discharge();
    }
}
