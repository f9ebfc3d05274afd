//! Memory that blocks share: segments, which are filled from the start, and go as a whole.
//!
//! Blocks come in one thread and go in another. An allocator that has a heap for each thread keeps
//! what went for the thread that asked for it, and takes as much anew for the others; and what goes
//! leaves holes of which none is as large as what memtables ask for. (Measured with glibc: 250 MiB
//! in use, 330 in holes.) A segment holds up to some hundred blocks that came together, and what it
//! takes is what is counted.
//!
//! # Invariants
//! - **S1** The memory of a segment stays for as long as there is a block or [`Room`] in it: both
//!   hold the segment.
//! - **S2** A range of a segment is given out once, as [`Room`], while the segment lives.
#![allow(unsafe_code)]

use super::BlockSlots;
use super::block::{CachedBlock, RECORD_BYTES};
use crate::base::chunk::{Chunk, LINE};
#[cfg(target_os = "linux")]
use crate::base::region::Region;
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicUsize, Ordering};
use crate::block::Layout;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};

/// Segments into which a budget is divided, ...
const SEGMENTS: usize = 512;
/// ... unless they became too small to be filled well, or so large that one value holds back much.
const SEGMENT_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 20;
/// The least number of segments, for small budgets, and the largest: the system bounds the number
/// of maps of a process.
const SEGMENTS_BOUNDS: RangeInclusive<usize> = 16..=16 << 10;
/// A block of more than such a share of a segment has one of its own, of a multiple of these bytes.
const OWN_SHARE: usize = 4;
const OWN_BYTES: usize = 4 << 10;
/// Bytes that a block takes beside its segment.
const BESIDE_BYTES: usize = size_of::<Place>();
/// Share of the budget that memory of segments that went may be, which waits for those that come.
const FREE_SHARE: usize = 8;

/// The segments of one cache.
#[derive(Debug)]
pub(super) struct Segments {
    segment_bytes: usize,
    /// Where those of the usual size stand.
    #[cfg(target_os = "linux")]
    region: Option<Arc<Region>>,
    /// Bytes of all segments, and those that their blocks take beside.
    bytes: AtomicUsize,
    /// Memory without a segment, by its address: the lowest is used first, so that what is in use
    /// lies side by side.
    free: Mutex<BTreeMap<usize, Chunk>>,
    free_bytes: AtomicUsize,
    free_bytes_max: usize,
}

impl Segments {
    /// No segments yet, for a budget of `budget_bytes`.
    pub(super) fn new(budget_bytes: usize) -> Segments {
        let wanted = (budget_bytes / SEGMENTS).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let (least, most) = (SEGMENTS_BOUNDS.start(), SEGMENTS_BOUNDS.end());
        let wanted = wanted.max(budget_bytes / most).min(budget_bytes / least);
        let segment_bytes = wanted.max(OWN_BYTES).next_power_of_two();
        Segments {
            segment_bytes,
            #[cfg(target_os = "linux")]
            region: Region::new(budget_bytes, segment_bytes),
            bytes: AtomicUsize::new(0),
            free: Mutex::default(),
            free_bytes: AtomicUsize::new(0),
            free_bytes_max: budget_bytes / FREE_SHARE,
        }
    }

    /// Bytes of a segment of many blocks.
    pub(super) fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    /// Bytes of all segments that blocks are in.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of memory without a segment.
    pub(super) fn free_bytes(&self) -> usize {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// A number that there are not more segments than.
    pub(super) fn count_max(&self) -> usize {
        self.bytes() / OWN_BYTES + 1
    }

    /// A segment for shard number `shard`, of `len` bytes for one block or else of the usual size;
    /// `None` if there is no memory.
    fn begin(self: &Arc<Segments>, shard: usize, own: Option<usize>) -> Option<Arc<Segment>> {
        let (len, stands_alone) = (own.unwrap_or(self.segment_bytes), own.is_some());
        let memory = self.take_free(len).or_else(|| self.take_new(len))?;
        self.bytes.fetch_add(len, Ordering::Relaxed);
        let (memory, places) = (Some(memory), Mutex::default());
        Some(Arc::new(Segment { memory, places, shard, stands_alone, all: self.clone() }))
    }

    fn take_free(&self, len: usize) -> Option<Chunk> {
        if len != self.segment_bytes {
            return None;
        }
        let (_, chunk) = self.free.lock().pop_first()?;
        self.free_bytes.fetch_sub(len, Ordering::Relaxed);
        Some(chunk)
    }

    #[cfg(target_os = "linux")]
    fn take_new(&self, len: usize) -> Option<Chunk> {
        let region = self.region.as_ref().filter(|_| len == self.segment_bytes);
        region.and_then(Region::take).or_else(|| Chunk::new(len))
    }

    #[cfg(not(target_os = "linux"))]
    fn take_new(&self, len: usize) -> Option<Chunk> {
        Chunk::new(len)
    }

    /// Has up to `most` huge pages made of segments side by side.
    pub(super) fn make_huge(&self, most: usize) {
        #[cfg(target_os = "linux")]
        if let Some(region) = &self.region {
            region.make_huge(most);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = most;
    }

    /// Keeps `chunk` for a segment that comes, if it is of the usual size and there is not too much
    /// already.
    fn give_free(&self, chunk: Chunk) {
        let mut free = self.free.lock();
        if chunk.len() == self.segment_bytes
            && self.free_bytes() + chunk.len() <= self.free_bytes_max
        {
            self.free_bytes.fetch_add(chunk.len(), Ordering::Relaxed);
            free.insert(chunk.start().addr().get(), chunk);
        }
    }

    /// Gives memory without a segment back to the system for as long as `is_over` says so.
    pub(super) fn shrink(&self, is_over: impl Fn() -> bool) {
        while self.free_bytes() > 0 && is_over() {
            let mut free = self.free.lock();
            let Some((_, chunk)) = free.pop_last() else { return };
            self.free_bytes.fetch_sub(chunk.len(), Ordering::Relaxed);
            drop(free);
            drop(chunk);
        }
    }
}

/// Memory of blocks that came together.
#[derive(Debug)]
pub(super) struct Segment {
    /// Taken when the segment goes.
    memory: Option<Chunk>,
    /// The slots in which its blocks were put.
    places: Mutex<Vec<Place>>,
    shard: usize,
    stands_alone: bool,
    all: Arc<Segments>,
}

/// The slot of a block.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) slots: Weak<BlockSlots>,
    pub(super) number: u32,
}

impl Segment {
    fn len(&self) -> usize {
        self.memory.as_ref().map_or(0, Chunk::len)
    }

    /// Number of the shard that it is of.
    pub(super) fn shard(&self) -> usize {
        self.shard
    }

    /// Whether it holds one block that has it for itself.
    pub(super) fn stands_alone(&self) -> bool {
        self.stands_alone
    }

    /// Notes that one of its blocks was put in `place`; whether that is the first.
    pub(super) fn note(&self, place: Place) -> bool {
        self.all.bytes.fetch_add(BESIDE_BYTES, Ordering::Relaxed);
        let mut places = self.places.lock();
        places.push(place);
        places.len() == 1
    }

    /// Shows `visit` all that was noted.
    pub(super) fn visit(&self, visit: impl FnMut(&Place)) {
        self.places.lock().iter().for_each(visit);
    }

    /// All that was noted, to be forgotten.
    pub(super) fn take_places(&self) -> Vec<Place> {
        let places = std::mem::take(&mut *self.places.lock());
        self.all.bytes.fetch_sub(places.len() * BESIDE_BYTES, Ordering::Relaxed);
        places
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.take_places();
        let Some(memory) = self.memory.take() else { return };
        self.all.bytes.fetch_sub(memory.len(), Ordering::Relaxed);
        self.all.give_free(memory);
    }
}

/// The segment to which blocks are added, one after another.
#[derive(Debug, Default)]
pub(super) struct Filling {
    segment: Option<Arc<Segment>>,
    next: usize,
}

impl Filling {
    /// Room for a block of `len` bytes, in a segment for shard number `shard` if it is a new one;
    /// `None` if there is no memory.
    pub(super) fn reserve(
        &mut self,
        all: &Arc<Segments>,
        shard: usize,
        len: usize,
    ) -> Option<Room> {
        let len = RECORD_BYTES + len;
        if len > all.segment_bytes / OWN_SHARE {
            let segment = all.begin(shard, Some(len.next_multiple_of(OWN_BYTES)))?;
            return Some(Room { segment, at: 0, len });
        }
        let has_room = |segment: &Arc<Segment>| self.next + len <= segment.len();
        if !self.segment.as_ref().is_some_and(has_room) {
            self.segment = Some(all.begin(shard, None)?);
            self.next = 0;
        }
        let segment = self.segment.clone()?;
        let at = self.next;
        self.next = (at + len).next_multiple_of(LINE);
        Some(Room { segment, at, len })
    }

    /// Adds no more to `segment`.
    pub(super) fn leave(&mut self, segment: &Arc<Segment>) {
        self.segment.take_if(|this| Arc::ptr_eq(this, segment));
    }
}

/// Room for one block and its record in a segment.
#[derive(Debug)]
pub(super) struct Room {
    segment: Arc<Segment>,
    at: usize,
    len: usize,
}

impl Room {
    /// Puts there the block `bytes`, which is as long as was asked for; `None` if not.
    pub(super) fn fill(self, bytes: &[u8], layout: Layout) -> Option<CachedBlock> {
        let memory = self.segment.memory.as_ref()?;
        let fits = RECORD_BYTES + bytes.len() == self.len && self.at + self.len <= memory.len();
        debug_assert!(fits, "{} bytes in room for {}", bytes.len(), self.len);
        if !fits {
            return None;
        }
        // SAFETY: the range lies within the segment, at a multiple of a line as all that is given
        // out, and by S2 it is ours alone.
        unsafe {
            let start = memory.start().add(self.at);
            Some(CachedBlock::put(start, bytes, layout, self.segment))
        }
    }
}
