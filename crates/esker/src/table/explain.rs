//! What a look-up read, and why it answered as it did.

use super::bytes::BlockBytes;
use super::index::TableIndex;
use super::read::Fill;
use super::{Table, Value};
use crate::base::error::Result;
use crate::base::hash::key_hash;
use crate::base::key::{SEQUENCE_MAX, ValueKind};

/// One thing that a look-up did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The part of the table that was asked: `filter`, `index`, `data block`.
    pub part: &'static str,
    /// Where it stands in the file, in bytes; `None` for what is only in memory.
    pub offset: Option<u64>,
    /// Bytes that were looked at or read.
    pub bytes: u64,
    /// What it said.
    pub verdict: String,
}

impl Step {
    /// A step; for readers of other formats that explain themselves the same way.
    pub fn new(part: &'static str, offset: Option<u64>, bytes: u64, verdict: String) -> Step {
        Step { part, offset, bytes, verdict }
    }
}

/// How [`Table::get`] comes to its answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation<'t> {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// The entry found: kind, sequence number and value.
    pub entry: Option<(ValueKind, u64, Value<'t>)>,
}

impl Table {
    /// Looks `key` up as [`Table::get`] does, and tells each step.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub fn explain(&self, key: &[u8]) -> Result<Explanation<'_>> {
        let inner = &*self.0;
        let mut steps = Vec::new();
        if !self.explain_filter(key, &mut steps)? {
            return Ok(Explanation { steps, entry: None });
        }
        let found = inner.index.find(inner, key)?;
        let place = if matches!(inner.index, TableIndex::Resident(_)) {
            (None, inner.index.resident_bytes() as u64, "in memory")
        } else {
            (Some(inner.footer.index.offset), 0, "one index block read")
        };
        let blocks = inner.index.block_count();
        let verdict = match found {
            None => format!("below the first of {blocks} blocks ({})", place.2),
            Some((number, _)) => format!("block {number} of {blocks} ({})", place.2),
        };
        steps.push(Step { part: "index", offset: place.0, bytes: place.1, verdict });
        let Some((number, handle)) = found else {
            return Ok(Explanation { steps, entry: None });
        };
        let block = inner.read_data(number, &handle, Fill::Pass)?;
        let entry = self.get_entry(key, SEQUENCE_MAX)?;
        let how = match block {
            BlockBytes::InPlace(_) => "in place",
            BlockBytes::Cached(_) => "from the cache",
            BlockBytes::Owned(..) => "read and decoded",
        };
        let verdict = match &entry {
            Some((ValueKind::Put, sequence, value)) => {
                format!("{how}: a value of {} bytes, sequence {sequence}", value.len())
            }
            Some((ValueKind::Tombstone, sequence, _)) => {
                format!("{how}: a tombstone, sequence {sequence}: the key is deleted")
            }
            None if inner.filters.is_empty() => format!("{how}: no such key"),
            None => format!("{how}: no such key; the filter was wrong this once"),
        };
        let (offset, bytes) = (Some(handle.offset), u64::from(handle.frame_len));
        steps.push(Step { part: "data block", offset, bytes, verdict });
        Ok(Explanation { steps, entry })
    }

    /// Asks the filter; false if it excludes the key.
    fn explain_filter(&self, key: &[u8], steps: &mut Vec<Step>) -> Result<bool> {
        let inner = &*self.0;
        let part = "filter";
        if inner.filters.is_empty() {
            let verdict = "there is none in memory".to_string();
            steps.push(Step { part, offset: None, bytes: 0, verdict });
            return Ok(true);
        }
        let may = inner.filters.may_contain(inner, key, key_hash(key))?;
        let verdict = if may { "perhaps" } else { "no: the table has no such key" };
        let offset = inner.filters.handle_for(key).map(|handle| handle.offset);
        steps.push(Step { part, offset, bytes: 32, verdict: verdict.into() });
        Ok(may)
    }
}
