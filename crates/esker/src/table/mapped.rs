//! Data blocks of large entries, read where the operating system has them.
//!
//! A value of some KiB costs more to copy than to find, and fresh memory for the copy costs more
//! than the copy. So a table of such values is mapped, and its blocks are neither copied nor kept.
//! What of the map is in use is counted in windows, each in a slot of the cache as a block would
//! be: a window that goes gives its pages back. A block is checked each time that it is entered,
//! since the system may have read its pages anew.

use super::Table;
use super::read::{BlockBytes, Fill, Inner};
use crate::base::error::Result;
use crate::base::prefetch::prefetch;
use crate::cache::{BlockCache, BlockSlots, KeptBlocks, PinnedBlock, Window};
use crate::frame::{FRAME_HEADER_LEN, FrameKind, parse_frame, verify_frame};
use crate::index::Handle;
use crate::vfs::ReadAt;
use arc_swap::Guard;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of an entry, on average, from which on a block is read through a map.
const ENTRY_BYTES_MIN: u64 = 2 << 10;

/// Bytes of a window. With a page that is touched, Linux maps what it keeps with it in one piece:
/// at most so much, since tables are written in such pieces.
const WINDOW_BYTES: usize = 256 << 10;

/// Cache lines of a block that are fetched before its windows are looked up; the processor finds
/// the others.
const AHEAD_LINES: usize = 16;

/// Whether blocks of `entries` entries, which take `raw` bytes, and `stored` in the file, are read
/// through a map: those of large entries that stand there as they are.
pub(super) fn suits_map(entries: u64, raw: u64, stored: u64) -> bool {
    stored >= raw && raw / entries.max(1) >= ENTRY_BYTES_MIN
}

/// Adds the next block of a table to `kept`, unless it will be read through a map: then the system
/// has it in memory already.
pub(super) fn keep(kept: &mut KeptBlocks, block: &[u8], handle: &Handle) {
    match suits_map(handle.entries.into(), block.len() as u64, handle.frame_len.into()) {
        true => kept.pass(),
        false => kept.push(block),
    }
}

/// A piece of a mapped file. Its windows outlive its reader, so that no page is touched that is not
/// counted.
#[derive(Debug)]
pub(super) struct MappedBlock {
    windows: Vec<PinnedBlock>,
    range: Range<usize>,
}

impl MappedBlock {
    /// The bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        let window = self.windows.first().and_then(|pinned| pinned.as_ref()?.window());
        window.and_then(|window| window.file().get(self.range.clone())).unwrap_or_default()
    }

    /// The same, held in a way that may last: a thread has only few pins that cost nothing.
    pub(super) fn unpinned(mut self: Box<MappedBlock>) -> Box<MappedBlock> {
        let last = |pinned| Guard::from_inner(Guard::into_inner(pinned));
        self.windows = self.windows.into_iter().map(last).collect();
        self
    }
}

/// A table's file as a map.
pub(super) struct MappedBlocks {
    file: Arc<dyn ReadAt>,
    windows: Arc<BlockSlots>,
}

impl MappedBlocks {
    /// The map `file`, whose windows are counted in `cache`; `None` if it is no map.
    pub(super) fn new(file: Arc<dyn ReadAt>, cache: &Arc<BlockCache>) -> Option<MappedBlocks> {
        let count = file.as_slice()?.len().div_ceil(WINDOW_BYTES);
        let windows = Arc::new(BlockSlots::new(cache.clone(), count));
        Some(MappedBlocks { file, windows })
    }

    /// Whether bytes of the map were lost.
    #[inline]
    pub(super) fn is_lost(&self) -> bool {
        self.file.is_lost()
    }

    /// Starts bringing the first bytes in `range` into the processor's cache.
    #[inline]
    fn prefetch(&self, range: &Range<usize>) {
        let all = self.file.as_slice().unwrap_or_default();
        prefetch(all.get(range.clone()).unwrap_or_default(), AHEAD_LINES);
    }

    /// The bytes in `range`, with their windows counted as in use; `None` if there is one that is
    /// not in memory, and should not be.
    fn pin(&self, range: Range<usize>, fill: Fill) -> Option<MappedBlock> {
        let first = range.start / WINDOW_BYTES;
        let last = range.end.saturating_sub(1) / WINDOW_BYTES;
        let windows: Option<_> = (first..=last).map(|number| self.pin_one(number, fill)).collect();
        Some(MappedBlock { windows: windows?, range })
    }

    fn pin_one(&self, number: usize, fill: Fill) -> Option<PinnedBlock> {
        if let Some(pinned) = self.windows.get(number) {
            return Some(pinned);
        }
        if fill != Fill::Keep || !self.windows.admits(WINDOW_BYTES) {
            return None;
        }
        let start = number * WINDOW_BYTES;
        let window = Window::new(self.file.clone(), start..start + WINDOW_BYTES);
        Some(self.windows.insert_window(number, window))
    }
}

impl Table {
    /// Whether its blocks are better read through a map.
    pub(crate) fn suits_map(&self) -> bool {
        let properties = &self.0.properties;
        let (raw, stored) = (properties.data_raw_bytes, properties.data_stored_bytes);
        suits_map(properties.entries, raw, stored)
    }

    /// Keeps data blocks in `cache` from now on, or counts there what is in use of `map`, through
    /// which they are read then. For a table that nobody shares yet.
    pub(crate) fn cache_in(&mut self, cache: &Arc<BlockCache>, map: Option<Arc<dyn ReadAt>>) {
        let Some(inner) = Arc::get_mut(&mut self.0) else { return };
        let is_whole =
            |map: &Arc<dyn ReadAt>| map.len().is_ok_and(|len| len == inner.footer.file_len);
        inner.mapped = map.filter(is_whole).and_then(|map| MappedBlocks::new(map, cache));
        if inner.mapped.is_none() && !inner.is_in_place {
            let slots = BlockSlots::new(cache.clone(), inner.index.block_count());
            inner.slots = Some(Arc::new(slots));
        }
    }
}

impl Inner {
    /// The data block at `handle` in the map; `None` if it is to be read without.
    pub(super) fn read_mapped(
        &self,
        mapped: &MappedBlocks,
        handle: &Handle,
        fill: Fill,
    ) -> Result<Option<BlockBytes>> {
        let range = self.check_place(handle)?;
        mapped.prefetch(&range);
        let Some(mut pinned) = mapped.pin(range, fill) else { return Ok(None) };
        let frame = pinned.bytes();
        verify_frame(frame, handle.checksum, &self.name, handle.offset)
            .or_else(|error| self.unless_lost(()).and(Err(error)))?;
        let header = parse_frame(frame, handle.frame_len.into(), &self.name, handle.offset)?;
        self.check_kind(header.kind, FrameKind::Data, handle)?;
        if !header.is_raw() {
            return self.decompress(&header, frame, handle).map(Some);
        }
        pinned.range.start += FRAME_HEADER_LEN;
        Ok(Some(BlockBytes::Mapped(Box::new(pinned))))
    }
}
