//! Memory of blocks that went, for blocks that come.
//!
//! Blocks come in one thread and go in another. An allocator that has an arena for each thread
//! keeps what went for the thread that asked for it, and takes as much anew for the others: twice
//! the budget and more (measured with glibc: 1,064 MiB for a budget of 576).

use super::SHARDS;
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the largest block whose memory is used again.
const POOLED_BYTES_MAX: usize = 32 << 10;
/// Capacities are multiples of this, so that blocks of about one size may follow each other.
const CLASS_BYTES: usize = 256;
/// How many pieces are looked at for one of the right size.
const LOOKED_AT_MAX: usize = 8;

/// Pieces of memory that no block is in.
#[derive(Debug, Default)]
pub(super) struct Pool {
    shards: [Mutex<Vec<Vec<u8>>>; SHARDS],
    bytes: AtomicUsize,
}

impl Pool {
    /// Bytes of all pieces.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// An empty piece for a block of `len` bytes, used or new; `None` if such blocks are too large
    /// to be pooled.
    pub(super) fn take(&self, shard: usize, len: usize) -> Option<Vec<u8>> {
        if len > POOLED_BYTES_MAX {
            return None;
        }
        let wanted = len.next_multiple_of(CLASS_BYTES);
        let mut pieces = self.shards[shard % SHARDS].lock();
        let fits = |piece: &Vec<u8>| (wanted..=wanted + wanted / 8).contains(&piece.capacity());
        let found = pieces.iter().rev().take(LOOKED_AT_MAX).position(fits);
        let Some(back) = found else { return Some(Vec::with_capacity(wanted)) };
        let at = pieces.len() - 1 - back;
        let mut piece = pieces.swap_remove(at);
        self.bytes.fetch_sub(piece.capacity(), Ordering::Relaxed);
        piece.clear();
        Some(piece)
    }

    /// Takes over the memory of a block that went.
    pub(super) fn give(&self, shard: usize, piece: Vec<u8>) {
        if piece.capacity() > POOLED_BYTES_MAX {
            return;
        }
        self.bytes.fetch_add(piece.capacity(), Ordering::Relaxed);
        self.shards[shard % SHARDS].lock().push(piece);
    }

    /// Gives pieces of one shard back to the allocator while `is_over` says so.
    pub(super) fn shrink(&self, shard: usize, is_over: impl Fn() -> bool) {
        if self.bytes() == 0 {
            return;
        }
        let mut pieces = self.shards[shard % SHARDS].lock();
        while is_over()
            && let Some(piece) = pieces.pop()
        {
            self.bytes.fetch_sub(piece.capacity(), Ordering::Relaxed);
        }
    }
}
