//! Data blocks of large entries, read where the operating system has them.
//!
//! To copy a value of tens of KiB costs more than to check it, and fresh memory for the copy costs
//! more than the copy. So a table of such values is mapped, and its blocks are not kept in memory
//! of the cache. What of the map is in use is counted in windows, each in a slot of the cache as a
//! block would be: a window that goes gives its pages back. A block whose windows are not worth
//! that is read at its position, into memory of the reader.
//!
//! While there is room, the windows of a table that was merged or ingested come in before they are
//! read: the system takes as long to map a page as a reader to check it. Those that a flush wrote
//! do not, since they are soon merged.
//!
//! A block is checked each time that it is entered, since the system may have read its pages anew.
//! It may do so after the check too: what is written again, under a new checksum, is never read
//! through a map.

use super::bytes::BlockBytes;
use super::read::Inner;
use super::{Properties, Table};
use crate::base::error::Result;
use crate::base::prefetch::prefetch;
use crate::cache::{BlockCache, BlockSlots, Home, PinnedBlock, Window};
use crate::frame::{FRAME_HEADER_LEN, FrameKind, parse_frame, verify_frame};
use crate::index::Handle;
use crate::vfs::ReadAt;
use arc_swap::Guard;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of an entry, on average, from which on a block is not kept as it is written.
const LARGE_ENTRY_BYTES: u64 = 2 << 10;

/// Bytes of a block of such entries, on average, from which on it is read through a map.
const LARGE_BLOCK_BYTES: u64 = 32 << 10;

/// Bytes of a window. With a page that is touched, Linux maps what it keeps with it in one piece:
/// at most so much where that is kept since the table was written, in such pieces.
const WINDOW_BYTES: usize = 256 << 10;

/// Cache lines of a block that are fetched before its windows are looked up; the processor finds
/// the others.
const FIRST_LINES: usize = 16;

impl Properties {
    /// Where blocks are best found: those of large entries that stand in the file as they are need
    /// not be kept as they are written, and not at all if they are large themselves.
    pub(super) fn home(&self) -> Home {
        let raw = self.data_raw_bytes;
        if self.data_stored_bytes < raw || raw / self.entries.max(1) < LARGE_ENTRY_BYTES {
            return Home::Kept;
        }
        let is_large = raw / self.data_blocks.max(1) >= LARGE_BLOCK_BYTES;
        if is_large { Home::Map } else { Home::AtRest }
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
        prefetch(all.get(range.clone()).unwrap_or_default(), FIRST_LINES);
    }

    /// The bytes in `range`, with their windows counted as in use; `None` if there is one that is
    /// not, and should not be.
    fn pin(&self, range: Range<usize>) -> Option<MappedBlock> {
        let windows = self.find(&range).or_else(|| self.admit(&range))?;
        Some(MappedBlock { windows, range })
    }

    /// The windows of the bytes in `range`, if all are in use.
    fn find(&self, range: &Range<usize>) -> Option<Vec<PinnedBlock>> {
        windows_of(range).map(|number| self.windows.get(number)).collect()
    }

    /// Counts the windows of the bytes in `range` as in use: all, or none where they are not worth
    /// what would go for them.
    #[cold]
    fn admit(&self, range: &Range<usize>) -> Option<Vec<PinnedBlock>> {
        let found: Vec<_> = windows_of(range).map(|number| self.windows.get(number)).collect();
        let missing = found.iter().filter(|pinned| pinned.is_none()).count();
        if missing > 0 && !self.windows.admits(missing * WINDOW_BYTES) {
            return None;
        }
        let pin = |(pinned, number): (Option<_>, _)| pinned.unwrap_or_else(|| self.insert(number));
        Some(found.into_iter().zip(windows_of(range)).map(pin).collect())
    }

    fn insert(&self, number: usize) -> PinnedBlock {
        self.windows.insert_window(number, self.window(number))
    }

    fn window(&self, number: usize) -> Window {
        let (start, len) = (number * WINDOW_BYTES, self.file.as_slice().unwrap_or_default().len());
        Window::new(self.file.clone(), start..(start + WINDOW_BYTES).min(len))
    }

    /// Counts windows as in use, from the first on, and has their pages mapped, as far as there is
    /// room for what nobody has asked for.
    fn map_ahead(&self) {
        let len = self.file.as_slice().unwrap_or_default().len();
        for number in windows_of(&(0..len)) {
            if self.is_lost() || !self.windows.has_room(WINDOW_BYTES) {
                return;
            }
            if self.windows.get(number).is_none() {
                let window = self.window(number);
                window.map_pages();
                self.windows.insert_window(number, window);
            }
        }
    }
}

/// Numbers of the windows that the bytes in `range` lie in.
fn windows_of(range: &Range<usize>) -> Range<usize> {
    range.start / WINDOW_BYTES..range.end.div_ceil(WINDOW_BYTES)
}

impl Table {
    /// Whether its blocks are better read through a map.
    pub(crate) fn suits_map(&self) -> bool {
        self.0.properties.home() == Home::Map
    }

    /// Keeps data blocks in `cache` from now on, or counts there what is in use of `map`, through
    /// which they are read then. `has_maps` says whether there could be one. For a table that
    /// nobody shares yet.
    pub(crate) fn cache_in(
        &mut self,
        cache: &Arc<BlockCache>,
        has_maps: bool,
        map: Option<Arc<dyn ReadAt>>,
    ) {
        let Some(inner) = Arc::get_mut(&mut self.0) else { return };
        inner.gives_way = !has_maps || inner.properties.home() == Home::Kept;
        let is_whole =
            |map: &Arc<dyn ReadAt>| map.len().is_ok_and(|len| len == inner.footer.file_len);
        inner.mapped = map.filter(is_whole).and_then(|map| MappedBlocks::new(map, cache));
        if inner.mapped.is_none() && !inner.is_in_place {
            let slots = BlockSlots::new(cache.clone(), inner.index.block_count());
            inner.slots = Some(Arc::new(slots));
        }
    }

    /// Has the system map what is read through a map, so that its first readers need not wait for
    /// that, as far as there is room.
    pub(crate) fn map_ahead(&self) {
        if let Some(mapped) = &self.0.mapped {
            mapped.map_ahead();
        }
    }
}

impl Inner {
    /// Whether the data block at `handle` would be read in the map.
    pub(super) fn is_in_map(&self, handle: &Handle) -> bool {
        let mapped = self.mapped.as_ref().filter(|mapped| !mapped.is_lost());
        let range = self.check_place(handle);
        mapped.is_some_and(|mapped| range.is_ok_and(|range| mapped.find(&range).is_some()))
    }

    /// The data block at `handle` in the map; `None` if it is to be read without.
    pub(super) fn read_mapped(
        &self,
        mapped: &MappedBlocks,
        handle: &Handle,
    ) -> Result<Option<BlockBytes>> {
        if mapped.is_lost() {
            return Ok(None);
        }
        let range = self.check_place(handle)?;
        mapped.prefetch(&range);
        let Some(pinned) = mapped.pin(range) else { return Ok(None) };
        let block = self.check_mapped(pinned, handle);
        // Zeros may have been checked: what is true is told by a read.
        if mapped.is_lost() { Ok(None) } else { block.map(Some) }
    }

    /// The data block of the frame in `pinned`, which is at `handle`.
    fn check_mapped(&self, mut pinned: MappedBlock, handle: &Handle) -> Result<BlockBytes> {
        let frame = pinned.bytes();
        verify_frame(frame, handle.checksum, &self.name, handle.offset)?;
        let header = parse_frame(frame, handle.frame_len.into(), &self.name, handle.offset)?;
        self.check_kind(header.kind, FrameKind::Data, handle)?;
        if !header.is_raw() {
            return self.decompress(&header, frame, handle);
        }
        pinned.range.start += FRAME_HEADER_LEN;
        Ok(BlockBytes::Mapped(Box::new(pinned)))
    }
}

#[cfg(test)]
mod tests;
