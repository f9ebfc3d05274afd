//! Whether this process is still the one that it was. A child of `fork` has the memory of its
//! parent but none of its threads: who waits for one there waits for ever, and who writes through
//! a map that both have writes where the parent does.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the first process and this one, as far as they came after
/// [`watch_forks`].
#[inline]
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Counts forks from now on.
pub fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function lives as long as the program, and only counts. Without memory for
        // it, forks are not noticed.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    });
}
