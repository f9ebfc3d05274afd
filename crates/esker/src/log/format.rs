//! Payload of a log's record: one batch. Normative text: `docs/format.md#log`.
//!
//! ```text
//! offset  size  field
//!      0     8  sequence number of the first write
//!      8     8  durable: every write up to this number was on disk when this was written
//!     16     4  count: writes of the batch; zero = a mark that only says what is durable
//!     20        the writes, one after another
//! ```

pub(super) const DURABLE_AT: usize = 8;
pub(super) const COUNT_AT: usize = 16;
pub(super) const WRITES_AT: usize = 20;
