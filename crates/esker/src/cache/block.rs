//! A block in memory: what is known of it, and right behind that its bytes, so that both come with
//! one fetch.
//!
//! # Invariants
//! - **B1** A [`CachedBlock`] is one of `references` to a [`Record`] in a segment, with `len` bytes
//!   of the block behind it. But for atomics, both stay as they are until the last of these goes.
//! - **B2** The record holds its segment, and so, by S1 of that, the memory that it stands in. Who
//!   drops the last reference moves the record out before the segment goes.
//! - **B3** A slot's block says that it is of this slot, by a number that no other slot of the
//!   process has: what arc-swap gives may be of another (see `base/current.rs`). No other type has
//!   such an address: records begin at multiples of 64, and arc-swap knows them by [`DISTANCE`]
//!   more.
#![allow(unsafe_code)]

use super::segment::Segment;
use crate::base::chunk::LINE;
use crate::base::current::{ALIGN, Kind};
use crate::base::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::block::Layout;
use arc_swap::RefCnt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes of a record, a multiple of a cache line: what stands before the bytes of a block.
pub(super) const RECORD_BYTES: usize = size_of::<Record>();

const _: () = assert!(RECORD_BYTES.is_multiple_of(LINE) && align_of::<Record>() <= LINE);
const _: () = assert!(LINE.is_multiple_of(ALIGN));

/// What is added to the address of a record: see B3.
const DISTANCE: usize = Kind::Block as usize;
/// References above which there are none but leaked ones.
const REFERENCES_MAX: usize = isize::MAX as usize;

/// What is known of a block.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Record {
    references: AtomicUsize,
    segment: Arc<Segment>,
    len: usize,
    /// Number of the slot that it is for; zero as long as it is for none.
    slot: AtomicU64,
    is_used: AtomicBool,
    layout: Layout,
}

/// What any thread may read and drop.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Record>();
};

/// A block in memory, decompressed and checked; counted like an [`Arc`].
#[derive(Debug)]
pub struct CachedBlock(NonNull<Record>);

// SAFETY: a record is `Send` and `Sync`, as was checked above; by B1 nothing changes but atomics.
unsafe impl Send for CachedBlock {}
// SAFETY: as above.
unsafe impl Sync for CachedBlock {}

impl CachedBlock {
    /// Puts the block `bytes` at `place`.
    ///
    /// # Safety
    /// From `place` on, which is aligned to a cache line, [`RECORD_BYTES`] and as many bytes as the
    /// block has are in `segment`, and the caller's alone.
    pub(super) unsafe fn put(
        place: NonNull<u8>,
        bytes: &[u8],
        layout: Layout,
        segment: Arc<Segment>,
    ) -> CachedBlock {
        let (references, slot) = (AtomicUsize::new(1), AtomicU64::new(0));
        let (len, is_used) = (bytes.len(), AtomicBool::new(false));
        let record = Record { references, segment, len, slot, is_used, layout };
        let at = place.cast::<Record>();
        // SAFETY: the caller promises room.
        unsafe {
            at.write(record);
            let start = place.add(RECORD_BYTES);
            start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        CachedBlock(at)
    }

    #[inline]
    fn record(&self) -> &Record {
        // SAFETY: by B1.
        unsafe { self.0.as_ref() }
    }

    /// The block.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let start = self.0.as_ptr().cast::<u8>().cast_const();
        // SAFETY: by B1 that many bytes are behind the record.
        unsafe { std::slice::from_raw_parts(start.add(RECORD_BYTES), self.record().len) }
    }

    /// Where its columns stand.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.record().layout
    }

    /// Where it stands.
    pub(super) fn segment(&self) -> &Arc<Segment> {
        &self.record().segment
    }

    /// The mark that a use sets.
    #[inline]
    pub(super) fn is_used(&self) -> &AtomicBool {
        &self.record().is_used
    }

    /// Number of the slot that it is for.
    #[inline]
    pub(super) fn slot(&self) -> u64 {
        self.record().slot.load(Ordering::Relaxed)
    }

    /// Says for which slot it is, before it is there.
    pub(super) fn set_slot(&self, number: u64) {
        self.record().slot.store(number, Ordering::Relaxed);
    }

    /// Where the record begins, and with it what is to be fetched.
    pub(super) fn start(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }
}

impl Clone for CachedBlock {
    #[inline]
    fn clone(&self) -> CachedBlock {
        let before = self.record().references.fetch_add(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a reference to what has gone");
        if before > REFERENCES_MAX {
            // As `Arc` does: the count would begin anew, and arc-swap must not unwind.
            std::process::abort();
        }
        CachedBlock(self.0)
    }
}

impl Drop for CachedBlock {
    #[inline]
    fn drop(&mut self) {
        let before = self.record().references.fetch_sub(1, Ordering::Release);
        debug_assert!(before > 0, "dropped once too often");
        if before > 1 {
            return;
        }
        // What others did with it before they dropped theirs has happened.
        fence(Ordering::Acquire);
        // SAFETY: by B1 there is no other, and by B2 the record is no longer where it was when its
        // segment goes, after which nothing looks there.
        drop(unsafe { self.0.read() });
    }
}

// SAFETY: the count is that of `Clone` and `Drop`. At a time one address is one block, since a
// record is not of size zero and stays until the last reference has gone; that arc-swap may give
// the block of another time is what B3 is for.
unsafe impl RefCnt for CachedBlock {
    type Base = Record;

    fn into_ptr(block: CachedBlock) -> *mut Record {
        CachedBlock::as_ptr(&ManuallyDrop::new(block))
    }

    fn as_ptr(block: &CachedBlock) -> *mut Record {
        block.0.as_ptr().wrapping_byte_add(DISTANCE)
    }

    unsafe fn from_ptr(block: *const Record) -> CachedBlock {
        let at = block.wrapping_byte_sub(DISTANCE).cast_mut();
        // SAFETY: the address came from one of the above, so it is not null.
        CachedBlock(unsafe { NonNull::new_unchecked(at) })
    }
}
