//! Memory of one memtable: handed out once, given back all together.
//!
//! # Invariants
//! - **A1** Memory handed out is neither moved, freed nor given on before the arena is dropped.
//! - **A2** It is aligned as asked, and is handed out to one caller only. It holds zeros, or what
//!   an earlier arena left.
#![allow(unsafe_code)]

use super::spare::SpareMemory;
use crate::base::chunk::{Chunk, HUGE_BYTES, LINE};
use std::ptr::NonNull;
use std::sync::Arc;

/// Size in bytes of the first chunk, and of the largest that is taken ahead of need.
const CHUNK_BYTES_MIN: usize = 16 << 10;
pub(super) const CHUNK_BYTES_MAX: usize = HUGE_BYTES;

/// Chunks of memory that only grow in number.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// What is left of the last chunk.
    next: usize,
    bytes: usize,
    taken_bytes: usize,
    /// Where chunks come from, and go to.
    spare: Arc<SpareMemory>,
}

impl Arena {
    /// An empty arena that takes its chunks from `spare`, and leaves them there.
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
            && at + bytes <= chunk.len()
        {
            self.next = at + bytes;
            // SAFETY: `at` lies within the chunk, as was just made sure of.
            return unsafe { chunk.start().add(at) };
        }
        self.grow(bytes)
    }

    /// Memory at the start of a new chunk.
    #[cold]
    fn grow(&mut self, bytes: usize) -> NonNull<u8> {
        let wanted = self.bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX).max(bytes);
        let len = wanted.next_multiple_of(CHUNK_BYTES_MIN);
        let Some(chunk) = self.spare.take(len) else {
            // As the allocator does when there is no more memory.
            let layout = std::alloc::Layout::new::<[u8; LINE]>();
            std::alloc::handle_alloc_error(layout)
        };
        let start = chunk.start();
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
