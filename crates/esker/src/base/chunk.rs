//! Memory from the operating system, past the allocator.
//!
//! What a memtable or a block cache of many megabytes gives back must not stay behind as holes in a
//! heap, of which many allocators have one for each thread.
//!
//! # Invariants
//! - **C1** The memory of a chunk neither moves nor goes before the chunk does, and is of nobody
//!   else.
#![allow(unsafe_code)]

use std::ptr::NonNull;

/// Bytes of a cache line, to which chunks are aligned.
pub const LINE: usize = 64;
/// Bytes of a huge page, where there are such.
pub const HUGE_BYTES: usize = 2 << 20;

/// A piece of memory, zeros at first.
#[derive(Debug)]
pub struct Chunk {
    start: NonNull<u8>,
    len: usize,
    _memory: Memory,
}

/// What the memory goes with.
#[derive(Debug)]
enum Memory {
    #[cfg(unix)]
    Map { _map: memmap2::MmapMut },
    #[cfg(target_os = "linux")]
    Region { _part: super::region::Part },
    #[cfg(not(unix))]
    Allocated { _lines: Box<[Line]> },
}

/// Memory aligned to a cache line.
#[cfg(not(unix))]
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([u8; LINE]);

// SAFETY: the chunk owns its memory, by C1, and does nothing with it.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// Memory of `len` bytes, a multiple of [`LINE`]; `None` if the system has none.
    #[cfg(unix)]
    pub fn new(len: usize) -> Option<Chunk> {
        let mut memory = memmap2::MmapOptions::new().len(len).map_anon().ok()?;
        make_ready(&memory);
        let start = NonNull::new(memory.as_mut_ptr())?;
        Some(Chunk { start, len, _memory: Memory::Map { _map: memory } })
    }

    /// The memory of `part`, which is the caller's alone.
    #[cfg(target_os = "linux")]
    pub(super) fn of_region(start: NonNull<u8>, len: usize, part: super::region::Part) -> Chunk {
        Chunk { start, len, _memory: Memory::Region { _part: part } }
    }

    /// Memory of `len` bytes, a multiple of [`LINE`].
    #[cfg(not(unix))]
    pub fn new(len: usize) -> Option<Chunk> {
        let mut memory = vec![Line([0; LINE]); len / LINE].into_boxed_slice();
        let start = NonNull::new(memory.as_mut_ptr().cast())?;
        Some(Chunk { start, len, _memory: Memory::Allocated { _lines: memory } })
    }

    /// Where it begins.
    #[inline]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }
}

/// Asks for all pages of `memory` at once, huge ones where it is large: a fault for each would cost
/// several times as much, and so would finding the page of each address again.
#[cfg(target_os = "linux")]
fn make_ready(memory: &memmap2::MmapMut) {
    // Where the system knows nothing of it, pages come as they are touched.
    if memory.len() >= HUGE_BYTES {
        let _ = memory.advise(memmap2::Advice::HugePage);
    }
    let _ = memory.advise(memmap2::Advice::PopulateWrite);
}

#[cfg(all(unix, not(target_os = "linux")))]
fn make_ready(_: &memmap2::MmapMut) {}
