//! Pieces of mapped files, as part of the memory budget.

use crate::vfs::ReadAt;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a page, at the least.
const PAGE_BYTES: usize = 4 << 10;

/// A piece of a mapped file, whose pages count as memory of the process for as long as it lives.
pub struct Window {
    file: Arc<dyn ReadAt>,
    range: Range<usize>,
}

impl Window {
    /// The bytes in `range` of `file`.
    pub fn new(file: Arc<dyn ReadAt>, range: Range<usize>) -> Window {
        Window { file, range }
    }

    /// The whole file: what is read near the piece may lie beyond its ends.
    #[inline]
    pub fn file(&self) -> &[u8] {
        self.file.as_slice().unwrap_or_default()
    }

    /// Has the system map the pages of the piece now, so that their first reader need not wait.
    pub fn map_pages(&self) {
        let piece = self.file().get(self.range.clone()).unwrap_or_default();
        for byte in piece.iter().step_by(PAGE_BYTES) {
            let _ = black_box(*byte);
        }
    }

    /// Bytes of the piece.
    pub fn len(&self) -> usize {
        self.range.len()
    }
}

impl Drop for Window {
    /// Who still reads there finds the same bytes, at the cost of a fault.
    fn drop(&mut self) {
        self.file.let_go(self.range.clone());
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("range", &self.range).finish_non_exhaustive()
    }
}
