//! A hint to the processor to bring memory into its caches.
//!
//! # Invariants
//! - **P1** A prefetch reads no value and never faults, whatever the address.
#![allow(unsafe_code)]

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Starts bringing the first `lines` cache lines of `bytes` into the cache; does nothing where
/// the processor has no such hint.
#[inline]
pub fn prefetch(bytes: &[u8], lines: usize) {
    for line in bytes.chunks(LINE_BYTES).take(lines) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: by P1; the address is that of live bytes anyway.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}
