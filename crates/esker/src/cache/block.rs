//! A block in memory: what is known of it, and right behind that its bytes, so that both come with
//! one fetch.
//!
//! # Invariants
//! - **B1** A [`CachedBlock`] is one of `references` to a [`Record`] in a segment, with `len` bytes
//!   of the block behind it. But for atomics, both stay as they are until the last of these goes.
//! - **B2** The record holds its segment, and so, by S1 of that, the memory that it stands in. Who
//!   drops the last reference moves the record out before the segment goes.
#![allow(unsafe_code)]

use super::segment::Segment;
use crate::base::chunk::LINE;
use crate::base::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::block::Layout;
use arc_swap::RefCnt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes of a record, a multiple of a cache line: what stands before the bytes of a block.
pub(super) const RECORD_BYTES: usize = size_of::<Record>();

const _: () = assert!(RECORD_BYTES.is_multiple_of(LINE) && align_of::<Record>() <= LINE);

/// What is known of a block.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Record {
    references: AtomicUsize,
    segment: Arc<Segment>,
    len: usize,
    is_used: AtomicBool,
    layout: Layout,
}

/// A block in memory, decompressed and checked; counted like an [`Arc`].
#[derive(Debug)]
pub struct CachedBlock(NonNull<Record>);

// SAFETY: by B1 nothing changes but atomics; a record may be dropped by any thread.
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
        let (references, is_used) = (AtomicUsize::new(1), AtomicBool::new(false));
        let record = Record { references, segment, len: bytes.len(), is_used, layout };
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

    /// Where the record begins, and with it what is to be fetched.
    pub(super) fn start(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }
}

impl Clone for CachedBlock {
    #[inline]
    fn clone(&self) -> CachedBlock {
        self.record().references.fetch_add(1, Ordering::Relaxed);
        CachedBlock(self.0)
    }
}

impl Drop for CachedBlock {
    #[inline]
    fn drop(&mut self) {
        if self.record().references.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        // What others did with it before they dropped theirs has happened.
        fence(Ordering::Acquire);
        // SAFETY: by B1 there is no other, and by B2 the record is no longer where it was when its
        // segment goes.
        drop(unsafe { self.0.read() });
    }
}

// SAFETY: the count is that of `Clone` and `Drop`; one address is one block, since a record is not
// of size zero and stays until the last reference has gone.
unsafe impl RefCnt for CachedBlock {
    type Base = Record;

    fn into_ptr(block: CachedBlock) -> *mut Record {
        ManuallyDrop::new(block).0.as_ptr()
    }

    fn as_ptr(block: &CachedBlock) -> *mut Record {
        block.0.as_ptr()
    }

    unsafe fn from_ptr(block: *const Record) -> CachedBlock {
        // SAFETY: the address came from one of the above, so it is not null.
        CachedBlock(unsafe { NonNull::new_unchecked(block.cast_mut()) })
    }
}
