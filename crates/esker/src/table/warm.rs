//! Blocks of a table in memory: those that were kept while it was written, and the others, as they
//! are read, or at rest.
//!
//! Those of large entries come at rest: to copy them into memory that is cold would take as long as
//! to write them. To read them where the system has them, through a map, saves that copy, but then
//! each read has to check them, since the system may have read them anew: 7 us for 64 KiB, as long
//! as what a reader does with them. (Both measured, and so it was once done.)

use super::ahead::ReadAhead;
use super::bytes::BlockBytes;
use super::{Properties, Table};
use crate::base::error::Result;
use crate::cache::{BlockCache, BlockSlots, Home, KeptBlocks};
use std::sync::Arc;

/// Most bytes of a frame that comes in unasked: a larger one could keep all others waiting.
const FRAME_BYTES_MAX: usize = 4 << 20;
/// The same of a frame that is compressed: what comes of it may be many times as large.
const COMPRESSED_BYTES_MAX: usize = 256 << 10;

/// Bytes of an entry, on average, from which on a block is not kept as it is written.
const LARGE_ENTRY_BYTES: u64 = 2 << 10;

impl Properties {
    /// When blocks best come into memory: those of large entries that stand in the file as they are
    /// need not be kept as they are written.
    pub(super) fn home(&self) -> Home {
        let raw = self.data_raw_bytes;
        let is_large = raw / self.entries.max(1) >= LARGE_ENTRY_BYTES;
        if is_large && self.is_raw() { Home::AtRest } else { Home::Kept }
    }

    /// Whether data blocks stand in the file as they are.
    fn is_raw(&self) -> bool {
        self.data_stored_bytes >= self.data_raw_bytes
    }
}

impl Table {
    /// Keeps data blocks in `cache` from now on; `has_rest` as in [`KeptBlocks::new`]. For a table
    /// that nobody shares yet.
    pub(crate) fn cache_in(&mut self, cache: &Arc<BlockCache>, has_rest: bool) {
        let Some(inner) = Arc::get_mut(&mut self.0) else { return };
        inner.gives_way = inner.properties.home().is_kept(has_rest);
        if !inner.is_in_place {
            let slots = BlockSlots::new(cache.clone(), inner.index.block_count());
            inner.slots = Some(Arc::new(slots));
        }
    }

    /// Takes over blocks that were kept while the table was written.
    pub(crate) fn warm(&self, kept: KeptBlocks) {
        if let Some(slots) = &self.0.slots {
            kept.move_to(slots);
        }
    }

    /// Brings data blocks into memory, from the first on, for as long as there is room for what
    /// nobody has asked for and `goes_on` says so; false if some are left.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read.
    pub(crate) fn warm_up(&self, goes_on: &dyn Fn() -> bool) -> Result<bool> {
        let inner = &*self.0;
        let Some(slots) = &inner.slots else { return Ok(true) };
        let most = if inner.properties.is_raw() { FRAME_BYTES_MAX } else { COMPRESSED_BYTES_MAX };
        let (mut page, mut ahead) = (None, ReadAhead::default());
        for number in 0..inner.index.block_count() {
            if slots.holds(number) {
                continue;
            }
            // Before the index may have to be read: there is no room at all.
            if !slots.has_room_at_rest(0) || !goes_on() {
                return Ok(false);
            }
            let Some(handle) = inner.index.handle(inner, number, &mut page)? else { break };
            let bytes = handle.frame_len as usize;
            if bytes > most {
                continue;
            }
            if !slots.has_room_at_rest(bytes) {
                return Ok(false);
            }
            inner.fill_slot(slots, number, &handle, BlockBytes::default(), Some(&mut ahead))?;
        }
        Ok(true)
    }
}
