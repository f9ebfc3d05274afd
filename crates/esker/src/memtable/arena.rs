//! Memory of one memtable: handed out once, given back all together.
//!
//! # Invariants
//! - **A1** Memory handed out is neither moved nor freed before the arena is dropped.
//! - **A2** It is aligned to eight bytes, holds zeros, and is handed out to one caller only.
#![allow(unsafe_code)]

use std::ptr::NonNull;

/// Size in bytes of the first chunk, and of the largest that is taken ahead of need.
const CHUNK_BYTES_MIN: usize = 16 << 10;
const CHUNK_BYTES_MAX: usize = 2 << 20;
const WORD: usize = size_of::<u64>();

/// Chunks of memory that only grow in number.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Owned by A1: made by `Box::into_raw`, turned back in `drop`.
    chunks: Vec<NonNull<[u64]>>,
    /// Words of the last chunk that are handed out.
    used: usize,
    bytes: usize,
}

// SAFETY: the arena owns its chunks, and through it nobody reads them.
unsafe impl Send for Arena {}

impl Arena {
    /// Memory of at least `bytes` bytes.
    #[inline]
    pub(super) fn allocate(&mut self, bytes: usize) -> NonNull<u8> {
        let words = bytes.div_ceil(WORD);
        let last = match self.chunks.last() {
            Some(last) if self.used + words <= last.len() => *last,
            _ => self.grow(words),
        };
        let start = self.used;
        self.used += words;
        // SAFETY: `start` lies within the chunk or at its end, as was just made sure of.
        unsafe { last.cast::<u64>().add(start).cast() }
    }

    #[cold]
    fn grow(&mut self, words: usize) -> NonNull<[u64]> {
        let wanted = self.bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX) / WORD;
        let chunk = Box::into_raw(vec![0u64; wanted.max(words)].into_boxed_slice());
        // SAFETY: a box is never null.
        let chunk = unsafe { NonNull::new_unchecked(chunk) };
        self.bytes += chunk.len() * WORD;
        self.chunks.push(chunk);
        self.used = 0;
        chunk
    }

    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for chunk in self.chunks.drain(..) {
            // SAFETY: it came from `Box::into_raw` and is turned back once.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}
