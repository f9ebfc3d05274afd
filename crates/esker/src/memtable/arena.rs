//! Memory of one memtable: handed out once, given back all together.
//!
//! Chunks come from the operating system where there is one, past the allocator: what a memtable of
//! many megabytes gives back must not stay behind as holes in a heap.
//!
//! # Invariants
//! - **A1** Memory handed out is neither moved, freed nor given on before the arena is dropped.
//! - **A2** It is aligned as asked, and is handed out to one caller only. It holds zeros, or what
//!   an earlier arena left.
#![allow(unsafe_code)]

use super::spare::SpareMemory;
use std::ptr::NonNull;
use std::sync::Arc;

/// Size in bytes of the first chunk, and of the largest that is taken ahead of need.
const CHUNK_BYTES_MIN: usize = 16 << 10;
pub(super) const CHUNK_BYTES_MAX: usize = 2 << 20;
/// Bytes of a cache line, to which chunks are aligned.
pub(super) const LINE: usize = 64;

/// Chunks of memory that only grow in number.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// What is left of the last chunk.
    next: usize,
    bytes: usize,
    taken_bytes: usize,
    /// Where chunks come from if it has some, and go to.
    spare: Arc<SpareMemory>,
}

/// One piece of memory, at least as long as asked.
#[derive(Debug)]
pub(super) struct Chunk {
    start: NonNull<u8>,
    len: usize,
    _memory: Memory,
}

#[cfg(unix)]
type Memory = Option<memmap2::MmapMut>;
#[cfg(not(unix))]
type Memory = Option<Box<[Line]>>;

/// Memory aligned to a cache line.
#[cfg(not(unix))]
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([u8; LINE]);

// SAFETY: the chunk owns its memory, and through it nobody reads it.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[cfg(unix)]
    pub(super) fn new(len: usize) -> Option<Chunk> {
        let mut map = memmap2::MmapOptions::new().len(len).map_anon().ok()?;
        make_ready(&map);
        let start = NonNull::new(map.as_mut_ptr())?;
        Some(Chunk { start, len, _memory: Some(map) })
    }

    #[cfg(not(unix))]
    pub(super) fn new(len: usize) -> Option<Chunk> {
        let mut lines = vec![Line([0; LINE]); len / LINE].into_boxed_slice();
        let start = NonNull::new(lines.as_mut_ptr().cast())?;
        Some(Chunk { start, len, _memory: Some(lines) })
    }
}

/// Asks for all pages of `map` at once, huge ones where it is large: a fault for each would cost
/// several times as much, and so would finding the page of each address again.
#[cfg(target_os = "linux")]
fn make_ready(map: &memmap2::MmapMut) {
    // Where the system knows nothing of it, pages come as they are touched.
    if map.len() >= CHUNK_BYTES_MAX {
        let _ = map.advise(memmap2::Advice::HugePage);
    }
    let _ = map.advise(memmap2::Advice::PopulateWrite);
}

#[cfg(all(unix, not(target_os = "linux")))]
fn make_ready(_: &memmap2::MmapMut) {}

impl Arena {
    /// An empty arena that takes its large chunks from `spare`, and leaves them there.
    pub(super) fn new(spare: Arc<SpareMemory>) -> Arena {
        let mut arena = Arena::default();
        arena.spare = spare;
        arena
    }

    /// Memory of `bytes` bytes, aligned to `align`, a power of two up to [`LINE`].
    #[inline]
    pub(super) fn allocate(&mut self, bytes: usize, align: usize) -> NonNull<u8> {
        self.taken_bytes += bytes;
        let at = self.next.next_multiple_of(align);
        if let Some(chunk) = self.chunks.last()
            && at + bytes <= chunk.len
        {
            self.next = at + bytes;
            // SAFETY: `at` lies within the chunk, as was just made sure of.
            return unsafe { chunk.start.add(at) };
        }
        self.grow(bytes)
    }

    /// Memory at the start of a new chunk.
    #[cold]
    fn grow(&mut self, bytes: usize) -> NonNull<u8> {
        let wanted = self.bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX).max(bytes);
        let len = wanted.next_multiple_of(CHUNK_BYTES_MIN);
        let Some(chunk) = self.spare.take(len).or_else(|| Chunk::new(len)) else {
            // As the allocator does when there is no more memory.
            let layout = std::alloc::Layout::new::<[u8; LINE]>();
            std::alloc::handle_alloc_error(layout)
        };
        let start = chunk.start;
        self.bytes += len;
        self.chunks.push(chunk);
        self.next = bytes;
        start
    }

    /// Bytes that were handed out.
    pub(super) fn taken_bytes(&self) -> usize {
        self.taken_bytes
    }

    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.chunks.drain(..).for_each(|chunk| self.spare.give(chunk));
    }
}
