//! A table's index and filters: which of them are in memory, and how the others are reached.

use super::Table;
use super::bytes::BlockBytes;
use super::read::Inner;
use crate::base::error::{Error, Result};
use crate::base::key::Entry;
use crate::base::lasting::Lasting;
use crate::block::BlockBuilder;
use crate::filter;
use crate::frame::{FRAME_HEADER_LEN, FrameKind};
use crate::index::{FenceIndex, Handle};
use std::ops::Range;

/// The sparse index of a table.
#[derive(Debug)]
pub(super) enum TableIndex {
    /// All fences in one index.
    Resident(FenceIndex),
    /// Only the directory of index blocks; `first[i]` is the number of the first data block of
    /// index block `i`, with the number of all data blocks at the end.
    Paged { directory: FenceIndex, first: Vec<usize> },
}

impl Default for TableIndex {
    fn default() -> TableIndex {
        TableIndex::Resident(FenceIndex::default())
    }
}

/// The index block that a cursor used last.
pub(super) type Page = Option<Box<(usize, FenceIndex)>>;

impl TableIndex {
    /// Reads the index, whole if it takes at most `resident_bytes_max`.
    pub(super) fn load(table: &Inner, resident_bytes_max: usize) -> Result<TableIndex> {
        let handle = table.footer.index;
        if handle.frame_len == 0 {
            return Ok(TableIndex::default());
        }
        let directory = read_index(table, &handle)?;
        let bytes: u64 = directory.handles().map(|h| u64::from(h.frame_len)).sum();
        if bytes <= resident_bytes_max as u64 {
            return Ok(TableIndex::Resident(join(table, &directory)?));
        }
        let mut first = vec![0];
        for page in directory.handles() {
            first.push(first.last().copied().unwrap_or(0) + page.entries as usize);
        }
        let count = first.last().copied().unwrap_or(0) as u64;
        let most = table.footer.file_len / FRAME_HEADER_LEN as u64;
        if count > most {
            let what = "data block count";
            return Err(Error::corruption(&table.name, handle.offset, what, most, count));
        }
        Ok(TableIndex::Paged { directory, first })
    }

    /// Whether a search reads nothing from the file.
    #[inline]
    pub(super) fn is_resident(&self) -> bool {
        matches!(self, TableIndex::Resident(_))
    }

    /// Number of data blocks.
    pub(super) fn block_count(&self) -> usize {
        match self {
            TableIndex::Resident(index) => index.count(),
            TableIndex::Paged { first, .. } => first.last().copied().unwrap_or(0),
        }
    }

    pub(super) fn resident_bytes(&self) -> usize {
        match self {
            TableIndex::Resident(index) => index.resident_bytes(),
            TableIndex::Paged { directory, first } => {
                directory.resident_bytes() + size_of_val(&first[..])
            }
        }
    }

    /// At most `count` keys that divide the table into pieces of about the same size.
    pub(super) fn sample(&self, count: usize) -> Vec<Vec<u8>> {
        let (TableIndex::Resident(fences) | TableIndex::Paged { directory: fences, .. }) = self;
        let count = count.min(fences.count());
        (1..count).filter_map(|n| fences.fence(n * fences.count() / count)).collect()
    }

    /// Number and handle of the data block that alone can hold `key`; `None` if `key` is below
    /// the first.
    #[inline]
    pub(super) fn find(&self, table: &Inner, key: &[u8]) -> Result<Option<(usize, Handle)>> {
        match self {
            TableIndex::Resident(index) => {
                Ok(index.find(key).and_then(|i| Some((i, index.handle(i)?))))
            }
            TableIndex::Paged { directory, first } => {
                let Some(at) = directory.find(key) else { return Ok(None) };
                let (Some(handle), Some(base)) = (directory.handle(at), first.get(at)) else {
                    return Ok(None);
                };
                let page = read_index(table, &handle)?;
                Ok(page.find(key).and_then(|i| Some((base + i, page.handle(i)?))))
            }
        }
    }

    /// The handle of data block `number`, or `None` past the last; `page` keeps what was read.
    pub(super) fn handle(
        &self,
        table: &Inner,
        number: usize,
        page: &mut Page,
    ) -> Result<Option<Handle>> {
        match self {
            TableIndex::Resident(index) => Ok(index.handle(number)),
            TableIndex::Paged { directory, first } => {
                let at = first.partition_point(|&f| f <= number) - 1;
                let Some(handle) = directory.handle(at) else { return Ok(None) };
                if page.as_ref().is_none_or(|page| page.0 != at) {
                    *page = Some(Box::new((at, read_index(table, &handle)?)));
                }
                Ok(page.as_ref().and_then(|page| page.1.handle(number - first[at])))
            }
        }
    }
}

/// Reads one index block, checked against its handle's count.
pub(super) fn read_index(table: &Inner, handle: &Handle) -> Result<FenceIndex> {
    let block = table.read_meta(handle, FrameKind::Index)?;
    let index = FenceIndex::new(&block).map_err(|broken| table.corrupt(handle, broken))?;
    if index.count() != handle.entries as usize {
        let (path, at) = (&table.name, handle.offset);
        let (expected, found) = (handle.entries, index.count());
        return Err(Error::corruption(path, at, "index entry count", expected, found));
    }
    Ok(index)
}

/// Joins all index blocks of `directory` into one.
fn join(table: &Inner, directory: &FenceIndex) -> Result<FenceIndex> {
    if let (1, Some(only)) = (directory.count(), directory.handle(0)) {
        return read_index(table, &only);
    }
    let mut builder = BlockBuilder::default();
    for handle in directory.handles() {
        let page = read_index(table, &handle)?;
        for i in 0..page.count() {
            let broken = || table.corrupt(&handle, ("index entry", i as u64));
            let fence = page.fence(i).ok_or_else(broken)?;
            let below = page.handle(i).ok_or_else(broken)?;
            builder.push(Entry::put(&fence, &below.encode()), None);
        }
    }
    let mut block = Vec::new();
    builder.finish(&mut block);
    FenceIndex::new(&block).map_err(|broken| table.corrupt(&table.footer.index, broken))
}

/// One filter: a range of the source, or a copy.
#[derive(Debug)]
enum Filter {
    InPlace(Range<usize>),
    Own(Lasting),
}

impl Filter {
    #[inline]
    fn bytes<'a>(&'a self, table: &'a Inner) -> &'a [u8] {
        match self {
            Filter::InPlace(range) => table.in_place(range),
            Filter::Own(bytes) => bytes,
        }
    }

    fn resident_bytes(&self) -> usize {
        match self {
            Filter::InPlace(_) => 0,
            Filter::Own(bytes) => bytes.len(),
        }
    }
}

/// The filters of a table: each covers the keys from its fence on.
#[derive(Debug, Default)]
pub(super) struct Filters {
    fences: FenceIndex,
    filters: Vec<Filter>,
}

impl Filters {
    /// Reads the filters, or none if they take more than `resident_bytes_max` of memory.
    pub(super) fn load(table: &Inner, resident_bytes_max: usize) -> Result<Filters> {
        let directory = table.footer.filters;
        if directory.frame_len == 0 {
            return Ok(Filters::default());
        }
        let fences = read_index(table, &directory)?;
        let mut left = resident_bytes_max;
        let mut filters = Vec::with_capacity(fences.count());
        for handle in fences.handles() {
            let filter = match read_filter(table, &handle)? {
                BlockBytes::InPlace(range) => Filter::InPlace(range),
                block => Filter::Own(Lasting::new(table.bytes(&block))),
            };
            match left.checked_sub(filter.resident_bytes()) {
                Some(rest) => left = rest,
                None => return Ok(Filters::default()),
            }
            filters.push(filter);
        }
        Ok(Filters { fences, filters })
    }

    /// Whether there are filters to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Starts bringing what [`Filters::may_contain`] looks at into the processor's cache.
    #[inline]
    pub(super) fn prefetch(&self, table: &Inner, hash: u64) {
        if let [only] = &self.filters[..] {
            filter::prefetch(only.bytes(table), hash);
        }
    }

    /// Whether the table may have `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn may_contain(&self, table: &Inner, key: &[u8], hash: u64) -> Result<bool> {
        let filter = match &self.filters[..] {
            [] => return Ok(true),
            [only] => only,
            _ => match self.fences.find(key).and_then(|i| self.filters.get(i)) {
                Some(filter) => filter,
                None => return Ok(false),
            },
        };
        Ok(filter::may_contain(filter.bytes(table), hash))
    }

    pub(super) fn resident_bytes(&self) -> usize {
        let filters = self.filters.iter().map(Filter::resident_bytes);
        self.fences.resident_bytes() + filters.sum::<usize>()
    }

    /// The handle of the filter for `key`.
    pub(super) fn handle_for(&self, key: &[u8]) -> Option<Handle> {
        self.fences.handle(self.fences.find(key)?)
    }
}

/// Reads one filter.
pub(super) fn read_filter(table: &Inner, handle: &Handle) -> Result<BlockBytes> {
    let block = table.read_frame(handle, FrameKind::Filter, BlockBytes::default())?;
    let bytes = table.bytes(&block).len();
    if !filter::is_well_formed(table.bytes(&block)) {
        return Err(table.corrupt(handle, ("filter length", bytes as u64)));
    }
    Ok(block)
}

impl Table {
    /// Starts bringing what [`Table::may_contain`] looks at into the processor's cache.
    #[inline]
    pub(crate) fn prefetch_filter(&self, hash: u64) {
        self.0.filters.prefetch(&self.0, hash);
    }

    /// Whether the filter lets the table have `key`, whose hash is `hash`. Asked of many tables,
    /// once their filters are fetched, it saves a search of the index of each.
    ///
    /// # Errors
    /// As [`Table::get`].
    #[inline]
    pub(crate) fn may_contain(&self, key: &[u8], hash: u64) -> Result<bool> {
        let inner = &*self.0;
        inner.unless_lost(inner.filters.may_contain(inner, key, hash)?)
    }
}
