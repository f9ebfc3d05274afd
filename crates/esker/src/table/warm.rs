//! Blocks of a new table in memory: those that were kept while it was written, and the others, once
//! there is time.

use super::Table;
use super::ahead::ReadAhead;
use super::bytes::BlockBytes;
use crate::base::error::Result;
use crate::cache::KeptBlocks;

/// Most bytes of a frame that comes in unasked: a larger one could keep all others waiting.
const FRAME_BYTES_MAX: usize = 256 << 10;

impl Table {
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
        let (mut page, mut ahead) = (None, ReadAhead::default());
        for number in 0..inner.index.block_count() {
            if slots.holds(number) {
                continue;
            }
            // Before the index may have to be read: there is no room at all.
            if !slots.has_room(0) || !goes_on() {
                return Ok(false);
            }
            let Some(handle) = inner.index.handle(inner, number, &mut page)? else { break };
            let bytes = handle.frame_len as usize;
            if bytes > FRAME_BYTES_MAX {
                continue;
            }
            if !slots.has_room(bytes) {
                return Ok(false);
            }
            inner.fill_slot(slots, number, &handle, BlockBytes::default(), Some(&mut ahead))?;
        }
        Ok(true)
    }
}
