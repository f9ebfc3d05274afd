//! Memory for many chunks of one length, side by side, so that huge pages can be made of it.
//!
//! A look-up in much memory waits for the addresses of pages no less than for the pages: that
//! speaks for huge ones. But a system that has to find two mebibytes in one piece is slower than
//! one that hands out what it has at hand, and chunks of two mebibytes come and go too much at a
//! time. So pages come small, as chunks are taken, and become huge in time, where all chunks of
//! one are.
//!
//! # Invariants
//! - **R1** A number is free, or of one chunk. Chunks of different numbers share no byte, and no
//!   page of the system.
//! - **R2** A chunk holds the region, whose map stays where it is.
#![allow(unsafe_code)]

use super::chunk::{Chunk, HUGE_BYTES};
use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Least bytes of a chunk: pages of the system are not larger.
const CHUNK_BYTES_MIN: usize = 64 << 10;
/// Asks for a huge page in place of small ones (Linux 6.1, `madvise(2)`). Not all C libraries know
/// it.
const MADV_COLLAPSE: libc::c_int = 25;

/// Address space, whose memory comes and goes with its chunks.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
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
    /// Whether it was to be made huge, and no chunk was given back since.
    is_huge: bool,
}

impl Region {
    /// Room for chunks of `chunk_bytes`, a power of two from 64 KiB on and below a huge page, of
    /// `len` bytes and at most a huge page more. `None` if the system has no such address space, or
    /// little of it.
    pub fn new(len: usize, chunk_bytes: usize) -> Option<Arc<Region>> {
        let is_fit = chunk_bytes.is_power_of_two()
            && (CHUNK_BYTES_MIN..HUGE_BYTES).contains(&chunk_bytes)
            && cfg!(target_pointer_width = "64");
        if !is_fit {
            return None;
        }
        let pages = len.div_ceil(HUGE_BYTES);
        let map_bytes = pages.checked_add(1)?.checked_mul(HUGE_BYTES)?;
        let map = MmapOptions::new().len(map_bytes).no_reserve_swap().map_anon().ok()?;
        // Not before all chunks of one are taken: what is counted is chunks.
        let _ = map.advise(Advice::NoHugePage);
        let map = MmapRaw::from(map);
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

    /// Where huge page `page` begins in the map.
    fn page_offset(&self, page: usize) -> usize {
        self.skipped + page * HUGE_BYTES
    }

    /// What is at `offset`, which is within the map.
    fn at(&self, offset: usize) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(offset)
    }

    /// A chunk, zeros at first; `None` if all are taken.
    pub fn take(self: &Arc<Region>) -> Option<Chunk> {
        let number = self.take_number()?;
        let part = Part { region: self.clone(), number };
        let offset = self.offset(number);
        let _ = self.map.advise_range(Advice::PopulateWrite, offset, self.chunk_bytes);
        Some(Chunk::of_region(NonNull::new(self.at(offset))?, self.chunk_bytes, part))
    }

    fn take_number(&self) -> Option<usize> {
        let mut numbers = self.numbers();
        let number = match numbers.free.pop() {
            Some(Reverse(number)) => number,
            None => numbers.next,
        };
        numbers.pages.get_mut(number / self.chunks_of_page())?.chunks += 1;
        numbers.next = numbers.next.max(number + 1);
        Some(number)
    }

    /// Makes up to `most` huge pages where all chunks are taken. Takes milliseconds for each; who
    /// reads there hardly waits.
    pub fn make_huge(&self, most: usize) {
        let is_full = |page: &Page| page.chunks == self.chunks_of_page() && !page.is_huge;
        let (mut made, mut first) = (0, 0);
        while made < most {
            let mut numbers = self.numbers();
            let Some(next) = numbers.pages[first..].iter().position(is_full) else { return };
            let page = first + next;
            numbers.pages[page].is_huge = true;
            drop(numbers);
            // A chunk that is given back meanwhile may leave memory behind, until it comes again.
            self.collapse(page);
            (made, first) = (made + 1, page + 1);
        }
    }

    /// Makes one huge page, if the system can, and leaves all as it is otherwise.
    fn collapse(&self, page: usize) {
        let offset = self.page_offset(page);
        let _ = self.map.advise_range(Advice::HugePage, offset, HUGE_BYTES);
        // SAFETY: a range within the map, whose bytes stay what they are.
        unsafe { libc::madvise(self.at(offset).cast(), HUGE_BYTES, MADV_COLLAPSE) };
    }

    /// Gives the memory of chunk `number` back to the system, of which it becomes zeros.
    fn give_back(&self, number: usize, was_huge: bool) {
        let (offset, len) = (self.offset(number), self.chunk_bytes);
        if was_huge {
            let page = self.page_offset(number / self.chunks_of_page());
            let _ = self.map.advise_range(Advice::NoHugePage, page, HUGE_BYTES);
            // Takes the huge page apart: the other would leave it, until the system lacks memory.
            // SAFETY: by R1 the bytes are of the chunk alone, which goes.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::Free, offset, len) };
        }
        // SAFETY: as above.
        unsafe {
            if self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len).is_err() {
                // Memory that is locked stays.
                self.at(offset).write_bytes(0, len);
            }
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
        let page = self.number / region.chunks_of_page();
        let mut numbers = region.numbers();
        let page = numbers.pages.get_mut(page);
        let was_huge = page.is_some_and(|page| {
            page.chunks -= 1;
            std::mem::take(&mut page.is_huge)
        });
        drop(numbers);
        region.give_back(self.number, was_huge);
        region.numbers().free.push(Reverse(self.number));
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
        assert!(Region::new(4 << 20, CHUNK_BYTES_MIN / 2).is_none());
        assert!(Region::new(usize::MAX, CHUNK_BYTES_MIN).is_none());
        assert!(Region::new(0, CHUNK_BYTES_MIN).unwrap().take().is_none());
    }
}
