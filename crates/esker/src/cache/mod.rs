//! Blocks in memory, under one budget with everything else that is kept there.
//!
//! There is no table of blocks to search: an open table has a slot for each of its blocks, and a
//! block that is in memory hangs in its slot, so that a hit costs two loads and no lock. What is to
//! go is found by the clock algorithm (Corbató 1968): a ring of blocks, each with a mark that a use
//! sets and that the hand clears as it passes.

mod kept;
#[cfg(all(test, esker_shuttle))]
mod models;
mod pool;
#[cfg(test)]
mod tests;

pub use kept::KeptBlocks;

use crate::base::prefetch::{LINE_BYTES, prefetch_at};
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::block::Layout;
use arc_swap::{ArcSwapOption, Guard};
use pool::Pool;
use std::collections::VecDeque;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Weak};

/// Rings of blocks, each under a lock of its own.
const SHARDS: usize = 16;
/// Least bytes of the budget that stay free of blocks that nobody has asked for.
const FREE_BYTES: usize = 24 << 20;
/// Of how many blocks that were read one is kept when that drives out another.
const ADMIT_ONE_IN: u64 = 8;
/// Bytes beside its own that a block takes, at the most, a quarter of its own apart.
const KEEPING_BYTES: usize = 512;
/// Bytes that memory without a block may take beyond the budget.
const POOL_BYTES: usize = 1 << 20;
/// Places of a ring from which it is swept, at the least.
const SWEEP_AT_MIN: usize = 64;

/// A block in memory, decompressed and checked.
#[derive(Debug)]
pub struct CachedBlock {
    bytes: Vec<u8>,
    start: usize,
    layout: Layout,
    is_used: AtomicBool,
}

impl CachedBlock {
    /// The block that begins at `start` of `bytes`, with the layout read off it.
    pub fn new(bytes: Vec<u8>, start: usize, layout: Layout) -> CachedBlock {
        CachedBlock { bytes, start, layout, is_used: AtomicBool::new(false) }
    }

    /// The block.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Where its columns stand.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn resident_bytes(&self) -> usize {
        self.bytes.capacity() + size_of::<CachedBlock>()
    }
}

/// A block, held in memory for as long as this lives. Empty only in a slot that is.
pub type PinnedBlock = Guard<Option<Arc<CachedBlock>>>;

/// The memory that a database may use, and the blocks that fill what the rest leaves.
#[derive(Debug)]
pub struct BlockCache {
    budget_bytes: usize,
    /// Bytes that others keep: memtables, indexes, filters.
    others: AtomicUsize,
    /// Bytes of the blocks in their slots.
    blocks: AtomicUsize,
    rings: [Mutex<Ring>; SHARDS],
    pool: Pool,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Places of blocks. Those whose block went with its table stay until the hand or a sweep comes by.
#[derive(Debug, Default)]
struct Ring {
    places: VecDeque<(Weak<BlockSlots>, u32)>,
    /// Length at which the ring is swept.
    sweep_at: usize,
}

impl Ring {
    fn push(&mut self, place: (Weak<BlockSlots>, u32)) {
        if self.places.len() >= self.sweep_at.max(SWEEP_AT_MIN) {
            self.places.retain(|(slots, number)| {
                let slots = slots.upgrade();
                let slot = slots.as_ref().and_then(|slots| slots.slots.get(*number as usize));
                slot.is_some_and(|slot| slot.block.load().is_some())
            });
            self.sweep_at = 2 * self.places.len();
        }
        self.places.push_back(place);
    }
}

impl BlockCache {
    /// A cache for `budget_bytes` bytes of memory.
    pub fn new(budget_bytes: usize) -> BlockCache {
        BlockCache {
            budget_bytes,
            others: AtomicUsize::new(0),
            blocks: AtomicUsize::new(0),
            rings: Default::default(),
            pool: Pool::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Counts `bytes` that someone keeps in memory; blocks make room for them.
    pub fn charge(&self, bytes: usize) {
        self.others.fetch_add(bytes, Ordering::Relaxed);
        self.make_room(0);
    }

    /// Takes back what [`BlockCache::charge`] counted.
    pub fn discharge(&self, bytes: usize) {
        self.others.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that others keep, and bytes of blocks.
    pub fn resident_bytes(&self) -> (usize, usize) {
        (self.others.load(Ordering::Relaxed), self.blocks.load(Ordering::Relaxed))
    }

    /// Blocks that were found in memory, and blocks that were read.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// Whether there is room for `bytes` bytes that nobody has asked for: some stays free, for what
    /// jobs and the allocator need for a moment.
    fn has_room(&self, bytes: usize) -> bool {
        let (others, blocks) = self.resident_bytes();
        others + blocks + bytes + (self.budget_bytes / 5).max(FREE_BYTES) <= self.budget_bytes
    }

    /// Whether blocks have to go.
    fn is_over(&self) -> bool {
        let (others, blocks) = self.resident_bytes();
        blocks > 0 && others + blocks > self.budget_bytes
    }

    /// Whether memory without a block has to go: some may be there beyond the budget, for the
    /// blocks that come next.
    fn is_pool_over(&self) -> bool {
        let (others, blocks) = self.resident_bytes();
        others + blocks + self.pool.bytes() > self.budget_bytes + POOL_BYTES
    }

    /// Lets blocks go, from shard number `first` on, until the budget holds or none is left.
    fn make_room(&self, first: usize) {
        let shards = (first..first + SHARDS).map(|shard| shard % SHARDS);
        for shard in shards {
            if !self.is_over() && !self.is_pool_over() {
                return;
            }
            self.turn(shard);
            self.pool.shrink(shard, || self.is_pool_over());
        }
    }

    /// Turns the hand of one ring until the budget holds or the ring is empty.
    fn turn(&self, shard: usize) {
        let mut ring = self.rings[shard].lock();
        // Twice around clears every mark and then finds each.
        for _ in 0..2 * ring.places.len() {
            if !self.is_over() {
                return;
            }
            let Some((slots, number)) = ring.places.pop_front() else { return };
            let Some(owner) = slots.upgrade() else { continue };
            let Some(slot) = owner.slots.get(number as usize) else { continue };
            let is_used =
                slot.block.load().as_ref().map(|b| b.is_used.swap(false, Ordering::Relaxed));
            match is_used {
                Some(true) => ring.places.push_back((slots, number)),
                Some(false) => self.forget(number as usize, slot.swap(None)),
                None => {}
            }
        }
    }

    /// Counts `block` off, which was block `number` of its table; its memory waits for another.
    fn forget(&self, number: usize, block: Option<Arc<CachedBlock>>) {
        let Some(block) = block else { return };
        self.blocks.fetch_sub(block.resident_bytes(), Ordering::Relaxed);
        // While somebody reads it, the memory is the reader's.
        if let Some(block) = Arc::into_inner(block) {
            self.pool.give(number, block.bytes);
        }
    }
}

/// A slot for each block of one open table.
#[derive(Debug)]
pub struct BlockSlots {
    slots: Box<[Slot]>,
    cache: Arc<BlockCache>,
}

/// A place for one block.
#[derive(Debug, Default)]
struct Slot {
    block: ArcSwapOption<CachedBlock>,
    /// Where the block's bytes are or were: only ever fetched ahead, not read through. Without it
    /// they could be fetched only when the block's own memory has come.
    bytes: AtomicPtr<u8>,
}

impl Slot {
    fn swap(&self, block: Option<Arc<CachedBlock>>) -> Option<Arc<CachedBlock>> {
        let start = block.as_ref().map_or(ptr::null(), |block| block.bytes().as_ptr());
        self.bytes.store(start.cast_mut(), Ordering::Relaxed);
        self.block.swap(block)
    }
}

impl BlockSlots {
    /// Slots for `count` blocks.
    pub fn new(cache: Arc<BlockCache>, count: usize) -> BlockSlots {
        let slots = std::iter::repeat_with(Slot::default).take(count).collect();
        cache.charge(count * size_of::<Slot>());
        BlockSlots { slots, cache }
    }

    /// Block `number`, if it is in memory.
    #[inline]
    pub fn get(&self, number: usize) -> Option<PinnedBlock> {
        let pinned = self.slots.get(number)?.block.load();
        let block = pinned.as_ref()?;
        if !block.is_used.load(Ordering::Relaxed) {
            block.is_used.store(true, Ordering::Relaxed);
            self.cache.hits.fetch_add(1, Ordering::Relaxed);
        }
        Some(pinned)
    }

    /// Starts bringing those `lines` of the cache lines of block number `number` into the
    /// processor's cache.
    #[inline]
    pub fn prefetch(&self, number: usize, lines: Range<usize>) {
        if let Some(slot) = self.slots.get(number) {
            let start = slot.bytes.load(Ordering::Relaxed);
            prefetch_at(start.wrapping_add(lines.start * LINE_BYTES), lines.len());
        }
    }

    /// Lets block number `number` go if there is no room for another that would be kept.
    pub fn give_way(&self, number: usize) {
        if let Some(slot) = self.slots.get(number)
            && !self.cache.has_room(0)
        {
            self.cache.forget(number, slot.swap(None));
        }
    }

    /// Memory for block `number`, of `len` bytes, unless it is so large that it has its own.
    pub fn memory(&self, number: usize, len: usize) -> Option<Vec<u8>> {
        self.cache.pool.take(number, len)
    }

    /// Whether a block of `bytes` bytes that has to be read is worth keeping: if there is room,
    /// else one in [`ADMIT_ONE_IN`]. What is read often comes in soon, what is read once seldom
    /// drives out what is of more use, and most reads neither take nor give back memory.
    pub fn admits(&self, bytes: usize) -> bool {
        let misses = self.cache.misses.fetch_add(1, Ordering::Relaxed);
        let (others, blocks) = self.cache.resident_bytes();
        let least = bytes + bytes / 4 + KEEPING_BYTES;
        others + blocks + least <= self.cache.budget_bytes || misses.is_multiple_of(ADMIT_ONE_IN)
    }

    /// Keeps `block`, which had to be read, as number `number`.
    pub fn insert(self: &Arc<BlockSlots>, number: usize, block: CachedBlock) -> PinnedBlock {
        let block = Arc::new(block);
        let pinned = Guard::from_inner(Some(block.clone()));
        self.put(number, block);
        pinned
    }

    fn put(self: &Arc<BlockSlots>, number: usize, block: Arc<CachedBlock>) {
        let cache = &self.cache;
        let Some(slot) = self.slots.get(number) else { return };
        cache.blocks.fetch_add(block.resident_bytes(), Ordering::Relaxed);
        cache.forget(number, slot.swap(Some(block)));
        let shard = number % SHARDS;
        let mut ring = cache.rings[shard].lock();
        ring.push((Arc::downgrade(self), number as u32));
        drop(ring);
        cache.make_room(shard);
    }
}

impl Drop for BlockSlots {
    fn drop(&mut self) {
        for (number, slot) in self.slots.iter().enumerate() {
            self.cache.forget(number, slot.swap(None));
        }
        self.cache.discharge(self.slots.len() * size_of::<Slot>());
    }
}
