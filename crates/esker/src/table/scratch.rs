//! Memory for blocks that are read, looked at and let go: a thread uses again what it let go last.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// Pieces of memory that a thread keeps: one for a block, one for its compressed form.
const KEPT_MAX: usize = 2;

/// Bytes of the largest piece that a thread keeps.
const KEPT_BYTES_MAX: usize = 256 << 10;

thread_local! {
    static KEPT: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

/// The bytes of one block. Their memory goes to the thread's next block once this is dropped.
#[derive(Debug, Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// `len` bytes, with whatever was in them.
    pub(super) fn take(len: usize) -> Scratch {
        let mut kept = KEPT.take();
        let mut bytes = kept.pop().unwrap_or_default();
        KEPT.set(kept);
        bytes.resize(len, 0);
        Scratch(bytes)
    }

    /// `len` bytes, in the same memory if there is any.
    pub(super) fn with_len(mut self, len: usize) -> Scratch {
        if self.0.capacity() == 0 {
            return Scratch::take(len);
        }
        self.0.resize(len, 0);
        self
    }

    /// The bytes, in memory that is not much larger and that the thread does not get back.
    pub(super) fn into_vec(mut self) -> Vec<u8> {
        let spare = self.0.capacity() - self.0.len();
        if spare > self.0.len() / 8 { self.0.clone() } else { std::mem::take(&mut self.0) }
    }
}

impl From<Vec<u8>> for Scratch {
    fn from(bytes: Vec<u8>) -> Scratch {
        Scratch(bytes)
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Scratch {
    /// Leaves the memory to the thread's next block.
    fn leave(&mut self) {
        if self.0.capacity() > KEPT_BYTES_MAX {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|cell| {
            let mut kept = cell.take();
            if kept.len() < KEPT_MAX {
                kept.push(std::mem::take(&mut self.0));
            }
            cell.set(kept);
        });
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        // Most are empty: those in whose place a block of the cache is held.
        if self.0.capacity() > 0 {
            self.leave();
        }
    }
}
