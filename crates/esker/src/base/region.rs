//! Memory for many chunks of one length, side by side, so that huge pages can be made of it.
//!
//! A look-up in much memory waits for the addresses of pages no less than for the pages: that
//! speaks for huge ones. But a system that has to find two mebibytes in one piece is slower than
//! one that hands out what it has at hand, and chunks of two mebibytes come and go too much at a
//! time. So pages come small, as chunks are taken, and become huge at rest, where all chunks of
//! one are.
//!
//! # Invariants
//! - **R1** A number is free, or of one chunk. Chunks of different numbers share no byte.
//! - **R2** A chunk holds the region, whose map stays where it is.
#![allow(unsafe_code)]

use super::chunk::{Chunk, HUGE_BYTES};
use memmap2::{Advice, MmapMut, MmapOptions, UncheckedAdvice};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Address space, whose memory comes and goes with its chunks.
#[derive(Debug)]
pub struct Region {
    map: MmapMut,
    /// Bytes of the map before the first chunk, which is aligned to a huge page.
    skipped: usize,
    chunk_bytes: usize,
    numbers: Mutex<Numbers>,
}

/// Which chunks there are.
#[derive(Debug)]
struct Numbers {
    /// The lowest goes first, so that huge pages become full.
    free: BinaryHeap<Reverse<usize>>,
    /// Numbers from here on were never taken.
    next: usize,
    pages: Box<[Page]>,
}

/// A huge page, as it is or could be.
#[derive(Clone, Debug, Default)]
struct Page {
    /// Chunks of it that are taken.
    chunks: usize,
    /// Whether it was made huge since a chunk was given back.
    is_huge: bool,
}

impl Region {
    /// Room for chunks of `chunk_bytes`, a power of two below a huge page, of `len` bytes and at
    /// most a huge page more. `None` if the system has no such address space.
    pub fn new(len: usize, chunk_bytes: usize) -> Option<Arc<Region>> {
        if !chunk_bytes.is_power_of_two() || chunk_bytes >= HUGE_BYTES {
            return None;
        }
        let pages = len.div_ceil(HUGE_BYTES);
        let map_bytes = pages.checked_add(1)?.checked_mul(HUGE_BYTES)?;
        let map = MmapOptions::new().len(map_bytes).no_reserve_swap().map_anon().ok()?;
        let skipped = map.as_ptr().align_offset(HUGE_BYTES);
        let pages = vec![Page::default(); pages].into_boxed_slice();
        let numbers = Numbers { free: BinaryHeap::new(), next: 0, pages };
        Some(Arc::new(Region { map, skipped, chunk_bytes, numbers: Mutex::new(numbers) }))
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chunks of a huge page.
    fn chunks_of_page(&self) -> usize {
        HUGE_BYTES / self.chunk_bytes
    }

    /// Where chunk `number` begins in the map.
    fn offset(&self, number: usize) -> usize {
        self.skipped + number * self.chunk_bytes
    }

    /// A chunk, zeros at first; `None` if all are taken.
    pub fn take(self: &Arc<Region>) -> Option<Chunk> {
        let number = {
            let mut numbers = self.numbers();
            let number = match numbers.free.pop() {
                Some(Reverse(number)) => number,
                None => {
                    numbers.next += 1;
                    numbers.next - 1
                }
            };
            let Some(page) = numbers.pages.get_mut(number / self.chunks_of_page()) else {
                numbers.next = number;
                return None;
            };
            page.chunks += 1;
            number
        };
        let part = Part { region: self.clone(), number };
        let _ = self.map.advise_range(Advice::PopulateWrite, self.offset(number), self.chunk_bytes);
        // SAFETY: the page of this number is within the map.
        let start = unsafe { self.map.as_ptr().add(self.offset(number)) };
        Some(Chunk::of_region(NonNull::new(start.cast_mut())?, self.chunk_bytes, part))
    }

    /// Makes up to `most` huge pages where all chunks are taken. Takes milliseconds for each; who
    /// reads there hardly waits.
    pub fn make_huge(&self, most: usize) {
        let is_full = |page: &Page| page.chunks == self.chunks_of_page() && !page.is_huge;
        let mut made = 0;
        let mut at = 0;
        while made < most {
            let mut numbers = self.numbers();
            let Some(next) = numbers.pages[at..].iter().position(is_full) else { return };
            at += next;
            numbers.pages[at].is_huge = true;
            drop(numbers);
            // A chunk that is given back meanwhile may leave pages behind, until it is taken again.
            self.collapse(at * HUGE_BYTES);
            made += 1;
        }
    }

    /// Makes one huge page, if the system can, and leaves all as it is otherwise.
    fn collapse(&self, offset: usize) {
        // SAFETY: a range within the map, whose bytes stay what they are.
        unsafe {
            let start = self.map.as_ptr().add(self.skipped + offset);
            libc::madvise(start.cast_mut().cast(), HUGE_BYTES, libc::MADV_COLLAPSE);
        }
    }
}

/// The place of a chunk in its region, free again when this goes.
#[derive(Debug)]
pub struct Part {
    region: Arc<Region>,
    number: usize,
}

impl Drop for Part {
    fn drop(&mut self) {
        let region = &self.region;
        let offset = region.offset(self.number);
        // SAFETY: by R1 the bytes are of the chunk alone, which goes.
        let advised = unsafe {
            region.map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, region.chunk_bytes)
        };
        // A chunk is zeros at first: if these are not, nobody gets them.
        if advised.is_err() {
            return;
        }
        let mut numbers = region.numbers();
        if let Some(page) = numbers.pages.get_mut(self.number / region.chunks_of_page()) {
            page.chunks -= 1;
            page.is_huge = false;
        }
        numbers.free.push(Reverse(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(chunk: &mut Chunk) -> &mut [u8] {
        // SAFETY: by C1 the chunk is ours alone, and its bytes are zeros at first.
        unsafe { std::slice::from_raw_parts_mut(chunk.start().as_ptr(), chunk.len()) }
    }

    #[test]
    fn chunks_are_apart_and_zeros_when_they_come_again() {
        const LEN: usize = 256 << 10;
        let region = Region::new(4 << 20, LEN).unwrap();
        let mut chunks: Vec<Chunk> = std::iter::from_fn(|| region.take()).collect();
        assert_eq!(chunks.len(), 16);
        for (number, chunk) in (1u8..).zip(&mut chunks) {
            assert!(bytes(chunk).iter().all(|&byte| byte == 0));
            bytes(chunk).fill(number);
        }
        region.make_huge(usize::MAX);
        for (number, chunk) in (1u8..).zip(&mut chunks) {
            assert!(bytes(chunk).iter().all(|&byte| byte == number), "chunk {number}");
        }
        let third = chunks.remove(2).start();
        drop(chunks.split_off(8));
        region.make_huge(usize::MAX);
        let mut again = region.take().unwrap();
        assert!(again.start() == third && bytes(&mut again).iter().all(|&byte| byte == 0));
        let rest: Vec<Chunk> = std::iter::from_fn(|| region.take()).collect();
        assert_eq!(rest.len(), 7);
    }

    #[test]
    fn a_length_that_does_not_fit_has_no_region() {
        assert!(Region::new(4 << 20, 100_000).is_none());
        assert!(Region::new(4 << 20, HUGE_BYTES).is_none());
        assert!(Region::new(usize::MAX, 4096).is_none());
        assert!(Region::new(0, 4096).unwrap().take().is_none());
    }
}
