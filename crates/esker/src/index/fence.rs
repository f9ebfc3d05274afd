//! Search for the one block that can hold a key.

use super::format::Handle;
use crate::base::key::common_prefix_len;
use crate::base::lasting::Lasting;
use crate::block::{BlockView, Layout};
use std::ops::Range;

/// Most heads of a slot that are fetched at once. A search of a longer one passes most of them by.
const AHEAD_HEADS_MAX: usize = 128;

/// The shortest key above `last` and not above `first`, of two neighbours `last < first`.
pub fn fence<'a>(last: &[u8], first: &'a [u8]) -> &'a [u8] {
    &first[..(common_prefix_len(last, first) + 1).min(first.len())]
}

/// An index block in memory: fences in order, each with the handle of its frame.
#[derive(Debug, Default)]
pub struct FenceIndex {
    block: Lasting,
    layout: Layout,
    slots: RadixTable,
}

impl FenceIndex {
    /// Reads an index block.
    ///
    /// # Errors
    /// What is wrong, with the value found, if a fence or handle cannot be read or the fences
    /// are not in order.
    pub fn new(block: &[u8]) -> Result<FenceIndex, (&'static str, u64)> {
        let layout = Layout::parse(block)?;
        let view = BlockView::new(block, &layout);
        let mut heads = Vec::with_capacity(view.count());
        for i in 0..view.count() {
            heads.push(view.head(i).ok_or(("index key", i as u64))?);
            view.value(i).and_then(Handle::decode).ok_or(("index handle", i as u64))?;
            if i > 0 && !view.compare(i - 1, i).is_some_and(|order| order.is_lt()) {
                return Err(("index order", i as u64));
            }
        }
        let slots = RadixTable::new(&heads);
        Ok(FenceIndex { block: Lasting::new(block), layout, slots })
    }

    #[inline]
    fn view(&self) -> BlockView<'_> {
        BlockView::new(&self.block, &self.layout)
    }

    /// Number of fences. An index that has none is the default one.
    #[inline]
    pub fn count(&self) -> usize {
        self.layout.count()
    }

    /// Bytes of memory.
    pub fn resident_bytes(&self) -> usize {
        self.block.len() + size_of_val(&self.slots.starts[..])
    }

    /// The number of the last fence at or below `key`: its block alone can hold the key. `None`
    /// if the key is below all.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let view = self.view();
        let narrow = |head| {
            let slot = self.slots.narrow(head);
            // The search would wait for one cache line after the other.
            if slot.len() <= AHEAD_HEADS_MAX {
                view.prefetch_heads(&slot);
            }
            slot
        };
        view.last_at_most(key, narrow)?
    }

    /// The fence number `i`.
    pub fn fence(&self, i: usize) -> Option<Vec<u8>> {
        self.view().key(i)
    }

    /// The handle of fence number `i`.
    #[inline]
    pub fn handle(&self, i: usize) -> Option<Handle> {
        (i < self.count()).then(|| self.view().value(i).and_then(Handle::decode))?
    }

    /// All handles in order.
    pub fn handles(&self) -> impl Iterator<Item = Handle> {
        (0..self.count()).filter_map(|i| self.handle(i))
    }
}

/// A table over the leading bits of the heads that says where in the sorted row to search: about
/// one slot a head. Keys that spread well leave a range of one or two; keys that do not, cost a
/// binary search of their slot.
#[derive(Debug, Default)]
struct RadixTable {
    least: u64,
    shift: u32,
    starts: Vec<u32>,
}

impl RadixTable {
    fn new(heads: &[u64]) -> RadixTable {
        let (Some(&least), Some(&most)) = (heads.first(), heads.last()) else {
            return RadixTable::default();
        };
        let wanted_bits = heads.len().next_power_of_two().ilog2();
        let span_bits = u64::BITS - (most - least).leading_zeros();
        let shift = span_bits.saturating_sub(wanted_bits);
        let slot = |head: u64| ((head - least) >> shift) as usize;
        let slots = slot(most) + 1;
        // starts[s] = the first head in slot s or above.
        let mut starts = vec![0u32; slots + 1];
        for &head in heads {
            starts[slot(head) + 1] += 1;
        }
        for s in 0..slots {
            starts[s + 1] += starts[s];
        }
        RadixTable { least, shift, starts }
    }

    /// Where the first head that is at least `head` can be.
    #[inline]
    fn narrow(&self, head: u64) -> Range<usize> {
        let Some(above) = head.checked_sub(self.least) else { return 0..0 };
        // Cut to 32 bits, where that is all that a `usize` has, it could name a slot that is there.
        let slot = usize::try_from(above >> self.shift).unwrap_or(usize::MAX);
        match self.starts.get(slot..).and_then(|s| s.first_chunk()) {
            Some(&[start, end]) => start as usize..end as usize,
            None => {
                let count = self.starts.last().copied().unwrap_or(0) as usize;
                count..count
            }
        }
    }
}
