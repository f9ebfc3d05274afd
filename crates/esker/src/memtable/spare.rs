//! Memory of arenas: what is in use, and what is ready, for which a writer need not wait.

use super::arena::CHUNK_BYTES_MAX;
use crate::base::chunk::Chunk;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Large chunks that were given back, or made ahead, and wait to be taken.
#[derive(Debug, Default)]
pub struct SpareMemory {
    chunks: Mutex<Vec<Chunk>>,
    /// Bytes of the chunks.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Bytes up to which chunks should be made ahead.
    wanted: AtomicUsize,
    /// Bytes of what was taken and not given back.
    in_use: AtomicUsize,
}

impl SpareMemory {
    /// Room for `bytes_max` bytes, of which none is taken yet.
    pub fn new(bytes_max: usize) -> SpareMemory {
        SpareMemory { bytes_max, ..SpareMemory::default() }
    }

    fn chunks(&self) -> MutexGuard<'_, Vec<Chunk>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk of `len` bytes: one that is there, or a new one; `None` if the system has none.
    pub(super) fn take(&self, len: usize) -> Option<Chunk> {
        let chunk = self.take_spare(len).or_else(|| Chunk::new(len))?;
        self.in_use.fetch_add(len, Ordering::Relaxed);
        Some(chunk)
    }

    fn take_spare(&self, len: usize) -> Option<Chunk> {
        let mut chunks = self.chunks();
        let at = chunks.iter().position(|chunk| chunk.len() == len)?;
        self.bytes.fetch_sub(len, Ordering::Relaxed);
        Some(chunks.swap_remove(at))
    }

    /// Takes `chunk` back.
    pub(super) fn give(&self, chunk: Chunk) {
        self.in_use.fetch_sub(chunk.len(), Ordering::Relaxed);
        self.keep(chunk);
    }

    /// Keeps `chunk` if it is large and there is room.
    fn keep(&self, chunk: Chunk) {
        let mut chunks = self.chunks();
        if chunk.len() >= CHUNK_BYTES_MAX && self.bytes() + chunk.len() <= self.bytes_max {
            self.bytes.fetch_add(chunk.len(), Ordering::Relaxed);
            chunks.push(chunk);
        }
    }

    /// Bytes of all that was taken, by memtables that someone still holds.
    pub fn bytes_in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes of all that is there.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says that `bytes` bytes may be taken soon; returns [`SpareMemory::is_short`].
    pub fn want(&self, bytes: usize) -> bool {
        self.wanted.store(bytes.min(self.bytes_max), Ordering::Relaxed);
        self.is_short()
    }

    /// Whether [`SpareMemory::make`] should be called.
    pub fn is_short(&self) -> bool {
        self.bytes() + CHUNK_BYTES_MAX <= self.wanted.load(Ordering::Relaxed)
    }

    /// Makes a chunk ahead of need.
    pub fn make(&self) {
        if let Some(chunk) = Chunk::new(CHUNK_BYTES_MAX) {
            self.keep(chunk);
        }
    }

    /// Gives all memory back, and wants none.
    pub fn clear(&self) {
        self.wanted.store(0, Ordering::Relaxed);
        let mut chunks = self.chunks();
        self.bytes.store(0, Ordering::Relaxed);
        chunks.clear();
    }
}
