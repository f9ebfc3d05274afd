//! A hint to the processor to bring memory into its caches.
//!
//! # Invariants
//! - **P1** A prefetch reads no value and never faults, whatever the address.
#![allow(unsafe_code)]

/// Bytes of a cache line.
pub const LINE_BYTES: usize = 64;

/// Whether there is such a hint: without it, it does not pay to do other work in the meantime.
pub const HAS_PREFETCH: bool = cfg!(target_arch = "x86_64");

/// Starts bringing the first `lines` cache lines of `bytes` into the cache; does nothing where
/// the processor has no such hint.
#[inline]
pub fn prefetch(bytes: &[u8], lines: usize) {
    prefetch_at(bytes.as_ptr(), lines.min(bytes.len().div_ceil(LINE_BYTES)));
}

/// Starts bringing `lines` cache lines from `place` on into the cache.
#[inline]
pub fn prefetch_at<T>(place: *const T, lines: usize) {
    for line in 0..lines {
        let address = place.cast::<i8>().wrapping_add(line * LINE_BYTES);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: by P1.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(address);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = address;
    }
}
