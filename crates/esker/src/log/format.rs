//! Payload of a log's record: one batch. Normative text: `docs/format.md#log`.
//!
//! ```text
//! varint  first: sequence number of the first write
//! varint  back: first less durable, the number up to which every write was on disk then; not zero
//! varint  count: writes of the batch; zero = a mark that only says what is durable
//!         the writes, one after another
//! ```

use super::LogBatch;
use crate::base::coding::{push_varint, take_varint};

/// Appends what stands before the writes of a batch.
#[inline]
pub(super) fn push_head(first: u64, durable: u64, count: u32, out: &mut Vec<u8>) {
    debug_assert!(durable < first, "what is on disk was written before");
    push_varint(first, out);
    push_varint(first.saturating_sub(durable), out);
    push_varint(count.into(), out);
}

impl<'a> LogBatch<'a> {
    /// Reads the payload of a record; `None` if no batch begins like that.
    pub(super) fn decode(payload: &'a [u8]) -> Option<LogBatch<'a>> {
        let mut writes = payload;
        let first = take_varint(&mut writes)?;
        let back = take_varint(&mut writes).filter(|back| *back > 0)?;
        let durable = first.checked_sub(back)?;
        let count = take_varint(&mut writes)?.try_into().ok()?;
        Some(LogBatch { first, durable, count, writes })
    }
}
