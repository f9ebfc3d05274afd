//! Blocks in memory, under one budget with everything else that is kept there.
//!
//! There is no table of blocks to search: an open table has a slot for each of its blocks, and a
//! block that is in memory hangs in its slot, so that a hit costs two loads and no lock.
//!
//! Blocks stand in segments, which go as a whole, so that what is given back is memory and not
//! holes in it. What is to go is found by a clock with two hands (Corbató 1968; the second hand is
//! that of 4.3BSD, Leffler et al. 1989): rings of segments, the oldest first, and a mark on each
//! block that a use sets. The first hand takes the marks away. The second, an eighth of the ring
//! behind it, moves a block that has it again to a new segment, unless it has one of its own; the
//! others go. With one hand, nearly all that is in memory has been used once it comes by, so most
//! is copied, to no end. (A ring of fewer than ten segments has one hand.)

mod block;
mod kept;
#[cfg(all(test, esker_shuttle))]
mod models;
mod segment;
#[cfg(test)]
mod tests;

pub use block::CachedBlock;
pub use kept::{Home, KeptBlocks};

use crate::base::current::new_numbers;
use crate::base::prefetch::{LINE_BYTES, prefetch_at};
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::block::Layout;
use arc_swap::{ArcSwapAny, Guard};
use block::RECORD_BYTES;
use segment::{Filling, Place, Segment, Segments};
use std::collections::VecDeque;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Weak};

/// Rings of segments, each under a lock of its own; fewer where the budget is small, ...
const SHARDS_MAX: usize = 16;
/// ... so that each has at least so many segments.
const SEGMENTS_OF_SHARD: usize = 64;
/// What stays free of blocks that nobody has asked for: a share of the budget, as a divisor, ...
const ROOM_SHARE: usize = 8;
/// ... and at least so many bytes.
const ROOM_BYTES_MIN: usize = 24 << 20;
/// The same at rest, when there are no jobs.
const ROOM_SHARE_AT_REST: usize = 32;
const ROOM_BYTES_MIN_AT_REST: usize = 12 << 20;
/// Most bytes without a block that may stay beyond the budget.
const BEYOND_BYTES_MAX: usize = 4 << 20;
/// Of how many blocks that were read one is kept when that drives out another.
const ADMIT_ONE_IN: u64 = 8;
/// Share of the budget, as a divisor, that a block may take.
const ADMIT_SHARE: usize = 16;
/// Blocks of a table in a row that go to one shard: those that are read in order come to stand side
/// by side.
const ROW_BLOCKS: usize = 64;
/// Share of a ring, as a divisor, that lies between its hands.
const HANDS_APART: usize = 8;
/// Cache lines of what is known of a block, which stand before it.
const RECORD_LINES: usize = RECORD_BYTES / LINE_BYTES;
/// Segments of a ring from which it is swept, at the least.
const SWEEP_AT_MIN: usize = 64;

/// A block, held in memory for as long as this lives. Empty only in a slot that is.
pub type PinnedBlock = Guard<Option<CachedBlock>>;

/// The memory that a database may use, and the blocks that fill what the rest leaves.
#[derive(Debug)]
pub struct BlockCache {
    budget_bytes: usize,
    /// Bytes that others keep: memtables, indexes, filters.
    others: AtomicUsize,
    segments: Arc<Segments>,
    shards: Box<[Mutex<Shard>]>,
    /// Number of the shard that is next where any will do, and for the first blocks of a table.
    next_shard: AtomicUsize,
    next_first: AtomicUsize,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A ring of segments, the oldest first, cut in two by the first hand, and the one to which blocks
/// are added that were read.
#[derive(Debug, Default)]
struct Shard {
    filling: Filling,
    /// Those whose blocks went with their tables stay until a hand or a sweep comes by.
    ring: VecDeque<Weak<Segment>>,
    /// Those that go next, the oldest first: their marks are of uses since they came here.
    last: VecDeque<Weak<Segment>>,
    /// Length at which the ring is swept.
    sweep_at: usize,
}

impl Shard {
    fn push(&mut self, segment: &Arc<Segment>) {
        if self.ring.len() >= self.sweep_at.max(SWEEP_AT_MIN) {
            self.ring.retain(|segment| segment.strong_count() > 0);
            self.sweep_at = 2 * self.ring.len();
        }
        self.ring.push_back(Arc::downgrade(segment));
    }

    /// The oldest segment that is still there; moves both hands. Marks stay where the second hand
    /// is not yet behind the first.
    fn pop(&mut self) -> Option<Arc<Segment>> {
        self.last.retain(|segment| segment.strong_count() > 0);
        let clears = !self.last.is_empty();
        loop {
            while self.last.len() * HANDS_APART < self.ring.len()
                && let Some(segment) = self.ring.pop_front()
            {
                let Some(there) = segment.upgrade() else { continue };
                if clears {
                    there.visit(|place| {
                        if let Some((_, block)) = place.find(&there) {
                            block.is_used().store(false, Ordering::Relaxed);
                        }
                    });
                }
                self.last.push_back(segment);
            }
            if let Some(there) = self.last.pop_front()?.upgrade() {
                return Some(there);
            }
        }
    }

    /// Moves `block`, which is in `slot` and that at `place`, to a newer segment; it goes if there
    /// is no memory.
    fn renew(&mut self, all: &Arc<Segments>, slot: &Slot, block: &CachedBlock, place: Place) {
        let shard = block.segment().shard();
        let room = self.filling.reserve(all, shard, block.bytes().len());
        let renewed = room.and_then(|room| room.fill(block.bytes(), *block.layout()));
        if let Some(renewed) = &renewed {
            renewed.set_slot(block.slot());
        }
        let segment = renewed.as_ref().map(|block| block.segment().clone());
        slot.set(renewed);
        if let Some(segment) = segment
            && segment.note(place)
        {
            self.push(&segment);
        }
    }
}

impl BlockCache {
    /// A cache for `budget_bytes` bytes of memory.
    pub fn new(budget_bytes: usize) -> BlockCache {
        let segments = Arc::new(Segments::new(budget_bytes));
        let shards = budget_bytes / (SEGMENTS_OF_SHARD * segments.segment_bytes());
        let shards = shards.clamp(1, SHARDS_MAX);
        BlockCache {
            budget_bytes,
            others: AtomicUsize::new(0),
            segments,
            shards: std::iter::repeat_with(Mutex::default).take(shards).collect(),
            next_shard: AtomicUsize::new(0),
            next_first: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Counts `bytes` that someone keeps in memory; blocks make room for them.
    pub fn charge(&self, bytes: usize) {
        self.count(bytes);
        self.make_room();
    }

    /// As [`BlockCache::charge`], but blocks make room only with [`BlockCache::make_room`].
    pub fn count(&self, bytes: usize) {
        self.others.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what [`BlockCache::charge`] counted.
    pub fn discharge(&self, bytes: usize) {
        self.others.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that others keep, and bytes of the segments of blocks.
    pub fn resident_bytes(&self) -> (usize, usize) {
        (self.others.load(Ordering::Relaxed), self.segments.bytes())
    }

    /// Blocks that were found in memory, and blocks that were read.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// What stays free of blocks that nobody has asked for: for what jobs and the allocator need
    /// for a moment.
    fn reserve_bytes(&self) -> usize {
        (self.budget_bytes / ROOM_SHARE).max(ROOM_BYTES_MIN)
    }

    /// Whether there is room for `bytes` bytes that nobody has asked for.
    fn has_room(&self, bytes: usize) -> bool {
        self.has_free(bytes + self.reserve_bytes())
    }

    /// Whether `bytes` bytes of the budget are free.
    fn has_free(&self, bytes: usize) -> bool {
        let (others, blocks) = self.resident_bytes();
        others + blocks + bytes <= self.budget_bytes
    }

    /// Gives back the memory that no block is in, now or soon.
    pub fn give_back(&self) {
        self.shards.iter().for_each(|shard| shard.lock().filling = Filling::default());
        self.segments.shrink(|| true);
    }

    /// Makes up to `most` huge pages of segments side by side, which are faster to read. Takes up
    /// to milliseconds for each.
    pub fn make_huge(&self, most: usize) {
        self.segments.make_huge(most);
    }

    /// Whether blocks have to go.
    fn is_over(&self) -> bool {
        let (others, blocks) = self.resident_bytes();
        blocks > 0 && others + blocks > self.budget_bytes
    }

    /// Whether memory that no block is in has to go: some may be there beyond the budget, since in
    /// a full cache each segment that goes makes room for one that comes.
    fn is_free_over(&self) -> bool {
        let (others, blocks) = self.resident_bytes();
        let beyond = (self.budget_bytes / 64).min(BEYOND_BYTES_MAX);
        others + blocks + self.segments.free_bytes() > self.budget_bytes + beyond
    }

    fn any_shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % self.shards.len()
    }

    /// Lets segments go, of one shard after another, until the budget holds or none is left. Were
    /// they always of the shard that wants the room, one that had little would never have more.
    pub fn make_room(&self) {
        self.segments.shrink(|| self.is_free_over());
        if !self.is_over() {
            return;
        }
        let mut empty = 0;
        // Twice around clears every mark and then finds each.
        let mut turns = 2 * self.segments.count_max();
        let mut shards = (0..self.shards.len()).cycle().skip(self.any_shard());
        while self.is_over()
            && empty < self.shards.len()
            && turns > 0
            && let Some(shard) = shards.next()
        {
            empty = if self.turn(shard) { 0 } else { empty + 1 };
            turns -= usize::from(empty == 0);
        }
        // What went is free now.
        self.segments.shrink(|| self.is_free_over());
    }

    /// Lets the oldest segment of a shard go; false if there is none.
    fn turn(&self, shard: usize) -> bool {
        let mut shard = self.shards[shard].lock();
        let Some(segment) = shard.pop() else { return false };
        shard.filling.leave(&segment);
        for place in segment.take_places() {
            let Some((owner, block)) = place.find(&segment) else { continue };
            let Some(slot) = owner.slots.get(place.number as usize) else { continue };
            match block.is_used().load(Ordering::Relaxed) {
                true if segment.stands_alone() => {
                    block.is_used().store(false, Ordering::Relaxed);
                    segment.note(place);
                    shard.push(&segment);
                }
                true => shard.renew(&self.segments, slot, &block, place),
                false => slot.set(None),
            }
        }
        true
    }
}

impl Place {
    /// The block that was put there, and the slots, if that is what `segment` has there.
    fn find(&self, segment: &Arc<Segment>) -> Option<(Arc<BlockSlots>, CachedBlock)> {
        let owner = self.slots.upgrade()?;
        let block = Guard::into_inner(owner.load(self.number as usize)?)?;
        Arc::ptr_eq(block.segment(), segment).then_some((owner, block))
    }
}

/// A slot for each block of one open table.
#[derive(Debug)]
pub struct BlockSlots {
    slots: Box<[Slot]>,
    /// Number that the first has in the process; the others follow.
    first: u64,
    /// Number of the shard to which the first blocks go: small tables have no others.
    first_shard: usize,
    cache: Arc<BlockCache>,
}

/// A place for one block.
#[derive(Debug, Default)]
struct Slot {
    block: ArcSwapAny<Option<CachedBlock>>,
    /// Where the block is or was: only ever fetched ahead, not read through.
    start: AtomicPtr<u8>,
}

impl Slot {
    fn set(&self, block: Option<CachedBlock>) {
        let start = block.as_ref().map_or(ptr::null(), CachedBlock::start);
        self.start.store(start.cast_mut(), Ordering::Relaxed);
        self.block.store(block);
    }
}

impl BlockSlots {
    /// Slots for `count` blocks.
    pub fn new(cache: Arc<BlockCache>, count: usize) -> BlockSlots {
        let slots = std::iter::repeat_with(Slot::default).take(count).collect();
        cache.charge(count * size_of::<Slot>());
        let first_shard = cache.next_first.fetch_add(1, Ordering::Relaxed) % cache.shards.len();
        BlockSlots { slots, first: new_numbers(count), first_shard, cache }
    }

    /// What is in slot `number`, if it is there and of this slot.
    #[inline]
    fn load(&self, number: usize) -> Option<PinnedBlock> {
        let pinned = self.slots.get(number)?.block.load();
        let is_ours = pinned.as_ref()?.slot() == self.first + number as u64;
        is_ours.then_some(pinned)
    }

    /// Block `number`, if it is in memory.
    #[inline]
    pub fn get(&self, number: usize) -> Option<PinnedBlock> {
        let pinned = self.load(number)?;
        let block = pinned.as_ref()?;
        if !block.is_used().load(Ordering::Relaxed) {
            block.is_used().store(true, Ordering::Relaxed);
            self.cache.hits.fetch_add(1, Ordering::Relaxed);
        }
        Some(pinned)
    }

    /// Whether block `number` is in memory. Who asks does not use it.
    pub fn holds(&self, number: usize) -> bool {
        self.load(number).is_some()
    }

    /// Starts bringing those `lines` of the cache lines of block number `number` into the
    /// processor's cache; with the first what is known of the block.
    #[inline]
    pub fn prefetch(&self, number: usize, lines: Range<usize>) {
        if let Some(slot) = self.slots.get(number) {
            let before = if lines.start == 0 { 0 } else { RECORD_LINES };
            let start = slot.start.load(Ordering::Relaxed);
            let first = start.wrapping_add((before + lines.start) * LINE_BYTES);
            prefetch_at(first, RECORD_LINES - before + lines.len());
        }
    }

    /// Lets block number `number` go if there will soon be no room for others that would be kept:
    /// well before there is none, since memory comes free only when all of a segment have gone.
    pub fn give_way(&self, number: usize) {
        if let Some(slot) = self.slots.get(number)
            && !self.cache.has_room(self.cache.reserve_bytes())
        {
            slot.set(None);
        }
    }

    /// Whether a block of `bytes` bytes that has to be read is worth keeping: if there is room for
    /// one more segment, else one in [`ADMIT_ONE_IN`]. What is read often comes in soon, what is
    /// read once seldom drives out what is of more use. None that would drive out much is.
    pub fn admits(&self, bytes: usize) -> bool {
        let is_small = bytes <= self.cache.budget_bytes / ADMIT_SHARE;
        let misses = self.cache.misses.fetch_add(1, Ordering::Relaxed);
        let fits = self.cache.has_free(bytes.max(self.cache.segments.segment_bytes()));
        is_small && (fits || misses.is_multiple_of(ADMIT_ONE_IN))
    }

    /// Keeps the block in `bytes`, which had to be read, as number `number`; `None` if there is no
    /// memory for it.
    pub fn insert(
        self: &Arc<BlockSlots>,
        number: usize,
        bytes: &[u8],
        layout: Layout,
    ) -> Option<PinnedBlock> {
        let cache = &self.cache;
        let shard = (self.first_shard + number / ROW_BLOCKS) % cache.shards.len();
        let room = cache.shards[shard].lock().filling.reserve(&cache.segments, shard, bytes.len());
        let block = room?.fill(bytes, layout)?;
        let pinned = Guard::from_inner(Some(block.clone()));
        self.put(number, block);
        Some(pinned)
    }

    /// Whether there is room, at rest, for `bytes` bytes that nobody has asked for.
    pub fn has_room_at_rest(&self, bytes: usize) -> bool {
        let reserve = self.cache.budget_bytes / ROOM_SHARE_AT_REST;
        self.cache.has_free(bytes + reserve.max(ROOM_BYTES_MIN_AT_REST))
    }

    fn put(self: &Arc<BlockSlots>, number: usize, block: CachedBlock) {
        let Some(slot) = self.slots.get(number) else { return };
        let segment = block.segment().clone();
        block.set_slot(self.first + number as u64);
        slot.set(Some(block));
        let place = Place { slots: Arc::downgrade(self), number: number as u32 };
        if segment.note(place) {
            self.cache.shards[segment.shard()].lock().push(&segment);
        }
        drop(segment);
        self.cache.make_room();
    }
}

impl Drop for BlockSlots {
    fn drop(&mut self) {
        self.cache.discharge(self.slots.len() * size_of::<Slot>());
    }
}
