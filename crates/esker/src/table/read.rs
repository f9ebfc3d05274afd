//! Opens a table, finds blocks, gets values.

use super::ahead::ReadAhead;
use super::bytes::BlockBytes;
use super::format::{FOOTER_LEN, Footer, HEADER_LEN, check_header};
use super::index::{Filters, TableIndex};
use super::scratch::Scratch;
use super::{Properties, ReadSettings, Value};
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::base::key::{SEQUENCE_MAX, ValueKind};
use crate::base::prefetch::{HAS_PREFETCH, prefetch};
use crate::block::{BlockView, Layout};
use crate::cache::{BlockSlots, PinnedBlock};
use crate::frame::{FRAME_HEADER_LEN, Frame, FrameKind, parse_frame, verify_frame};
use crate::index::Handle;
use crate::vfs::{OsVfs, ReadAt, Vfs};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sorted table, open for reading. Clones share the file and the index.
///
/// All methods take `&self` and may be called from any number of threads. Reads touch no lock
/// and write no memory that threads share, but for a bit a block the first time a block is read
/// in place.
///
/// # Examples
/// ```
/// use esker::{Table, TableWriter, WriteSettings};
/// let mut writer = TableWriter::new(Vec::new(), WriteSettings::default())?;
/// writer.put(b"apple", b"red")?;
/// writer.put(b"lime", b"green")?;
/// let table = Table::from_bytes(writer.finish()?.0)?;
/// assert_eq!(table.get(b"lime")?.as_deref(), Some(&b"green"[..]));
/// assert_eq!(table.get(b"plum")?.as_deref(), None);
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Clone)]
pub struct Table(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: PathBuf,
    source: Arc<dyn ReadAt>,
    /// Whether the source is memory that can be lost.
    pub(super) is_in_place: bool,
    pub(super) footer: Footer,
    pub(super) properties: Properties,
    pub(super) index: TableIndex,
    pub(super) filters: Filters,
    /// A bit for each data block: found sound when it was first read in place.
    verified: Vec<AtomicU64>,
    /// Where data blocks are kept in memory, if anywhere.
    pub(super) slots: Option<Arc<BlockSlots>>,
    /// Whether those of tables that are made of this one are kept as they are written.
    pub(super) gives_way: bool,
}

/// What a read of a block that is not in the cache does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Keep it.
    Keep,
    /// Leave the cache as it is: the reader comes once.
    Pass,
    /// As that, and the reader makes the block superfluous: it goes from the cache if that is full.
    /// What it reads is written again: it gets a copy of its own that was checked, or the block in
    /// the cache.
    Take,
}

/// Cache lines of a frame that hold its header, the block's, and most tags: fetched together,
/// since each tells where the next is.
const HEADER_LINES: usize = 4;

impl Table {
    /// Opens the table at `path`, to be read at positions.
    ///
    /// # Errors
    /// `Io` if the file cannot be read, `Corruption` if it is not a whole, sound table,
    /// `Unsupported` if a newer version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Table> {
        Table::open_with(path, &ReadSettings::default())
    }

    /// Opens the table at `path` with `settings`. Errors as [`Table::open`].
    pub fn open_with(path: impl AsRef<Path>, settings: &ReadSettings) -> Result<Table> {
        let path = path.as_ref();
        let source = if settings.mapped { OsVfs::open_mapped(path) } else { OsVfs.open(path) };
        Table::from_reader(source?, path, settings)
    }

    /// The table in `bytes`. Errors as [`Table::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Table> {
        Table::from_reader(Arc::new(bytes), "memory", &ReadSettings::default())
    }

    /// The table that `source` holds, called `name` in errors. Errors as [`Table::open`].
    pub fn from_reader(
        source: Arc<dyn ReadAt>,
        name: impl Into<PathBuf>,
        settings: &ReadSettings,
    ) -> Result<Table> {
        let name = name.into();
        let footer = read_ends(&*source, &name)?;
        let mut inner = Inner {
            name,
            is_in_place: source.as_slice().is_some(),
            source,
            footer,
            properties: Properties::default(),
            index: TableIndex::default(),
            filters: Filters::default(),
            verified: Vec::new(),
            slots: None,
            gives_way: true,
        };
        let properties = inner.read_meta(&footer.properties, FrameKind::Properties)?;
        inner.properties = Properties::decode(&properties)
            .map_err(|broken| inner.corrupt(&footer.properties, broken))?;
        inner.index = TableIndex::load(&inner, settings.resident_bytes_max)?;
        let left = settings.resident_bytes_max.saturating_sub(inner.index.resident_bytes());
        inner.filters = Filters::load(&inner, left)?;
        if inner.source.as_slice().is_some() {
            let words = inner.index.block_count().div_ceil(64);
            inner.verified.resize_with(words, AtomicU64::default);
        }
        Ok(Table(Arc::new(inner)))
    }

    /// The newest value of `key`, or `None` if the table has no such key or a tombstone for it.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block on the way cannot be read.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>> {
        match self.get_entry(key, SEQUENCE_MAX)? {
            Some((ValueKind::Put, _, value)) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Whether [`Table::get`] would find a value. Errors as there.
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        let entry = self.get_entry(key, SEQUENCE_MAX)?;
        Ok(entry.is_some_and(|(kind, ..)| kind == ValueKind::Put))
    }

    /// Kind, sequence number and value of the newest entry for `key` whose sequence number is at
    /// most `sequence`. Errors as [`Table::get`].
    pub fn get_entry(
        &self,
        key: &[u8],
        sequence: u64,
    ) -> Result<Option<(ValueKind, u64, Value<'_>)>> {
        self.get_hashed(key, key_hash(key), sequence)
    }

    /// As [`Table::get_entry`], for a key whose hash is `hash`.
    #[inline]
    pub(crate) fn get_hashed(
        &self,
        key: &[u8],
        hash: u64,
        sequence: u64,
    ) -> Result<Option<(ValueKind, u64, Value<'_>)>> {
        let inner = &*self.0;
        let place = inner.find_block(key, hash)?;
        let Some((number, handle)) = place else { return inner.unless_lost(None) };
        let block = inner.read_data(number, &handle, Fill::Keep)?;
        let found = inner.find_in(block, &handle, (key, hash), sequence);
        // Bytes that were lost make nonsense; the loss is the cause to report.
        inner.unless_lost(found)?
    }

    /// At most `count` keys that divide the table into pieces of about the same size.
    pub(crate) fn fences(&self, count: usize) -> Vec<Vec<u8>> {
        self.0.index.sample(count)
    }

    /// Counts, sizes and bounds, as the writer left them.
    pub fn properties(&self) -> &Properties {
        &self.0.properties
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.0.footer.file_len
    }

    /// XXH3 of all frame checksums: tells two tables apart without reading them.
    pub fn digest(&self) -> u64 {
        self.0.footer.digest
    }

    /// Bytes of memory that index and filters take.
    pub fn resident_bytes(&self) -> usize {
        self.0.index.resident_bytes() + self.0.filters.resident_bytes()
    }

    /// The path that it was opened by, or the name that it was given.
    pub fn name(&self) -> &Path {
        &self.0.name
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.0.name).field("footer", &self.0.footer).finish()
    }
}

/// Reads header and footer.
fn read_ends(source: &dyn ReadAt, name: &Path) -> Result<Footer> {
    let io = |e| Error::io("read", name, e);
    let len = source.len().map_err(io)?;
    let mut header = [0; HEADER_LEN];
    let there = header.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    source.read_exact_at(&mut header[..there], 0).map_err(io)?;
    let least = (HEADER_LEN + FOOTER_LEN) as u64;
    check_header(&header, name)?;
    let Some(at) = len.checked_sub(FOOTER_LEN as u64).filter(|_| len >= least) else {
        let expected = format_args!("at least {least} bytes");
        return Err(Error::corruption(name, len, "file length", expected, len));
    };
    let mut footer = [0; FOOTER_LEN];
    source.read_exact_at(&mut footer, at).map_err(io)?;
    Footer::decode(&footer, name, len)
}

impl Inner {
    /// A corruption of the frame at `handle`, in what a decoder found wrong.
    pub(super) fn corrupt(&self, handle: &Handle, broken: (&'static str, u64)) -> Error {
        let (what, found) = broken;
        Error::corruption(&self.name, handle.offset, what, "a sound block", found)
    }

    /// `value`, unless bytes of the source were lost that it may have been made of.
    #[inline]
    pub(super) fn unless_lost<T>(&self, value: T) -> Result<T> {
        if !(self.is_in_place && self.source.is_lost()) {
            return Ok(value);
        }
        let expected = format_args!("{} bytes", self.footer.file_len);
        let found = "a file cut short under the map, or a disk that cannot read it";
        Err(Error::corruption(&self.name, 0, "mapped file", expected, found))
    }

    /// The bytes of `block`.
    #[inline]
    pub(super) fn bytes<'a>(&'a self, block: &'a BlockBytes) -> &'a [u8] {
        // Most are, and one comparison is cheaper than a jump through a table.
        if let BlockBytes::Cached(pinned) = block {
            return pinned.as_ref().map_or(&[], |block| block.bytes());
        }
        self.bytes_elsewhere(block)
    }

    /// As [`Inner::bytes`], of a block that need not be in the cache.
    fn bytes_elsewhere<'a>(&'a self, block: &'a BlockBytes) -> &'a [u8] {
        match block {
            BlockBytes::InPlace(range) => self.in_place(range),
            BlockBytes::Owned(bytes, start) => bytes.get(*start..).unwrap_or_default(),
            BlockBytes::Cached(pinned) => pinned.as_ref().map_or(&[], |block| block.bytes()),
        }
    }

    /// The bytes of the source in `range`.
    #[inline]
    pub(super) fn in_place(&self, range: &Range<usize>) -> &[u8] {
        self.source.as_slice().and_then(|all| all.get(range.clone())).unwrap_or_default()
    }

    /// Checks that the frame at `handle` lies between header and footer.
    #[inline]
    pub(super) fn check_place(&self, handle: &Handle) -> Result<Range<usize>> {
        let end = self.footer.file_len - FOOTER_LEN as u64;
        let long_enough = handle.frame_len as usize >= FRAME_HEADER_LEN;
        if handle.offset < HEADER_LEN as u64 || handle.end() > end || !long_enough {
            let expected = format_args!("a frame within {HEADER_LEN}..{end}");
            let found = format_args!("{} bytes at {}", handle.frame_len, handle.offset);
            let path = &self.name;
            return Err(Error::corruption(path, handle.offset, "frame place", expected, found));
        }
        let start = handle.offset as usize;
        Ok(start..start + handle.frame_len as usize)
    }

    /// The data block that may have `key`, whose hash is `hash`, if its filter says so.
    #[inline]
    fn find_block(&self, key: &[u8], hash: u64) -> Result<Option<(usize, Handle)>> {
        if !HAS_PREFETCH || !self.index.is_resident() {
            let is_here = self.filters.may_contain(self, key, hash)?;
            return if is_here { self.index.find(self, key) } else { Ok(None) };
        }
        // The index is searched while the filter's line is on its way.
        self.filters.prefetch(self, hash);
        let Some(place) = self.index.find(self, key)? else { return Ok(None) };
        if !self.filters.may_contain(self, key, hash)? {
            return Ok(None);
        }
        self.prefetch_block(place.0, 0..HEADER_LINES);
        Ok(Some(place))
    }

    /// Starts bringing those `lines` of the cache lines of data block `number` into the processor's
    /// cache, if the block is in memory.
    #[inline]
    pub(super) fn prefetch_block(&self, number: usize, lines: Range<usize>) {
        if let Some(slots) = &self.slots {
            slots.prefetch(number, lines);
        }
    }

    /// Data block `number`, if it is in the cache.
    #[inline]
    pub(super) fn cached(&self, number: usize, fill: Fill) -> Option<PinnedBlock> {
        let slots = self.slots.as_ref()?;
        let pinned = slots.get(number)?;
        if fill == Fill::Take && self.gives_way {
            slots.give_way(number);
        }
        Some(pinned)
    }

    /// Reads data block `number`.
    #[inline]
    pub(super) fn read_data(
        &self,
        number: usize,
        handle: &Handle,
        fill: Fill,
    ) -> Result<BlockBytes> {
        match self.cached(number, fill) {
            Some(pinned) => Ok(BlockBytes::Cached(pinned)),
            None => self.read_uncached(number, handle, BlockBytes::default(), fill, None),
        }
    }

    /// Reads data block `number`, which is not in the cache. `reuse` gives its memory; `ahead` is
    /// that of a reader that may go from block to block.
    pub(super) fn read_uncached(
        &self,
        number: usize,
        handle: &Handle,
        reuse: BlockBytes,
        fill: Fill,
        ahead: Option<&mut ReadAhead>,
    ) -> Result<BlockBytes> {
        if let Some(slots) = &self.slots
            && fill == Fill::Keep
            && slots.admits(handle.frame_len as usize)
        {
            return self.fill_slot(slots, number, handle, reuse, ahead);
        }
        if let Some(word) = self.verified.get(number / 64) {
            let bit = 1 << (number % 64);
            let is_sound = word.load(Ordering::Relaxed) & bit != 0;
            let block = self.read_in_place(handle, FrameKind::Data, !is_sound)?;
            if !is_sound {
                word.fetch_or(bit, Ordering::Relaxed);
            }
            return Ok(block);
        }
        self.read_frame_ahead(handle, FrameKind::Data, reuse, ahead)
    }

    /// Reads data block `number` into its slot.
    #[cold]
    pub(super) fn fill_slot(
        &self,
        slots: &Arc<BlockSlots>,
        number: usize,
        handle: &Handle,
        reuse: BlockBytes,
        ahead: Option<&mut ReadAhead>,
    ) -> Result<BlockBytes> {
        let block = self.read_frame_ahead(handle, FrameKind::Data, reuse, ahead)?;
        let layout = self.layout(&block, handle)?;
        let BlockBytes::Owned(bytes, start) = &block else { return Ok(block) };
        let bytes = bytes.get(*start..).unwrap_or_default();
        Ok(slots.insert(number, bytes, layout).map_or(block, BlockBytes::Cached))
    }

    /// The block of `kind` at `handle`, from memory or a map.
    #[inline]
    fn read_in_place(&self, handle: &Handle, kind: FrameKind, verify: bool) -> Result<BlockBytes> {
        let range = self.check_place(handle)?;
        let all = self.source.as_slice().unwrap_or_default();
        let frame = all.get(range.clone()).unwrap_or_default();
        prefetch(frame, HEADER_LINES);
        if verify {
            verify_frame(frame, handle.checksum, &self.name, handle.offset)?;
        }
        let header = parse_frame(frame, handle.frame_len.into(), &self.name, handle.offset)?;
        self.check_kind(header.kind, kind, handle)?;
        if header.is_raw() {
            return Ok(BlockBytes::InPlace(range.start + FRAME_HEADER_LEN..range.end));
        }
        self.decompress(&header, frame, handle)
    }

    #[inline]
    pub(super) fn check_kind(
        &self,
        found: FrameKind,
        expected: FrameKind,
        handle: &Handle,
    ) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        Err(Error::corruption(&self.name, handle.offset, "frame kind", expected, found))
    }

    /// The block of `kind` at `handle`, checked; read into the memory of `reuse` if need be.
    pub(super) fn read_frame(
        &self,
        handle: &Handle,
        kind: FrameKind,
        reuse: BlockBytes,
    ) -> Result<BlockBytes> {
        self.read_frame_ahead(handle, kind, reuse, None)
    }

    fn read_frame_ahead(
        &self,
        handle: &Handle,
        kind: FrameKind,
        reuse: BlockBytes,
        ahead: Option<&mut ReadAhead>,
    ) -> Result<BlockBytes> {
        if self.source.as_slice().is_some() {
            return self.read_in_place(handle, kind, true);
        }
        let range = self.check_place(handle)?;
        let mut frame = match reuse {
            BlockBytes::Owned(bytes, _) => bytes.with_len(range.len()),
            _ => Scratch::take(range.len()),
        };
        let read = match ahead {
            Some(ahead) => {
                let limit = self.footer.file_len - FOOTER_LEN as u64;
                ahead.read(&*self.source, &mut frame, handle.offset, limit)
            }
            None => self.source.read_exact_at(&mut frame, handle.offset),
        };
        read.map_err(|error| self.unread(handle, error))?;
        verify_frame(&frame, handle.checksum, &self.name, handle.offset)?;
        let header = parse_frame(&frame, handle.frame_len.into(), &self.name, handle.offset)?;
        self.check_kind(header.kind, kind, handle)?;
        if header.is_raw() {
            return Ok(BlockBytes::Owned(frame, FRAME_HEADER_LEN));
        }
        self.decompress(&header, &frame, handle)
    }

    /// Why the frame at `handle` could not be read: the file was long enough when it was opened.
    #[cold]
    fn unread(&self, handle: &Handle, error: std::io::Error) -> Error {
        if error.kind() != std::io::ErrorKind::UnexpectedEof {
            return Error::io("read", &self.name, error);
        }
        let expected = format_args!("{} bytes", self.footer.file_len);
        Error::corruption(&self.name, handle.offset, "file length", expected, "a file cut short")
    }

    /// The block in `frame`, which is at `handle`.
    pub(super) fn decompress(
        &self,
        header: &Frame,
        frame: &[u8],
        handle: &Handle,
    ) -> Result<BlockBytes> {
        let mut block = Scratch::take(header.raw_len as usize);
        header.decompress(frame, &mut block, &self.name, handle.offset)?;
        Ok(BlockBytes::Owned(block, 0))
    }

    /// The header of the frame at `handle`; the rest of the frame is not looked at.
    pub(super) fn frame_header(&self, handle: &Handle) -> Result<Frame> {
        let range = self.check_place(handle)?;
        let mut header = [0; FRAME_HEADER_LEN];
        let read = self.source.read_exact_at(&mut header, range.start as u64);
        read.map_err(|e| Error::io("read", &self.name, e))?;
        parse_frame(&header, handle.frame_len.into(), &self.name, handle.offset)
    }

    /// The block of `kind` at `handle`, as a vector of its own.
    pub(super) fn read_meta(&self, handle: &Handle, kind: FrameKind) -> Result<Vec<u8>> {
        Ok(match self.read_frame(handle, kind, BlockBytes::default())? {
            BlockBytes::Owned(bytes, 0) => bytes.into_vec(),
            block => self.bytes(&block).to_vec(),
        })
    }

    /// Reads the layout of the block at `handle`; of one in the cache it is known, see
    /// [`BlockBytes::layout`].
    pub(super) fn layout(&self, block: &BlockBytes, handle: &Handle) -> Result<Layout> {
        Layout::parse(self.bytes(block)).map_err(|broken| self.corrupt(handle, broken))
    }

    /// The newest visible entry for `key` in `block`, whose memory its value takes over.
    #[inline]
    fn find_in<'t>(
        &'t self,
        block: BlockBytes,
        handle: &Handle,
        (key, hash): (&[u8], u64),
        sequence: u64,
    ) -> Result<Option<(ValueKind, u64, Value<'t>)>> {
        let read;
        let layout = match block.layout() {
            Some(layout) => layout,
            None => {
                read = self.layout(&block, handle)?;
                &read
            }
        };
        let view = BlockView::new(self.bytes(&block), layout);
        let broken = || self.corrupt(handle, ("block entry", 0));
        let found = view.find(key, hash, |s| s <= sequence).ok_or_else(broken)?;
        let Some(found) = found else { return Ok(None) };
        let value = self.value(block, found.value).ok_or_else(broken)?;
        Ok(Some((found.kind, found.sequence, value)))
    }

    /// The bytes of `block` in `range`, which holds on to the block's memory only if it is most
    /// of it.
    #[inline]
    fn value<'t>(&'t self, block: BlockBytes, range: Range<usize>) -> Option<Value<'t>> {
        Some(match block {
            BlockBytes::InPlace(place) => {
                let all = self.source.as_slice().unwrap_or_default();
                Value::in_place(all.get(place.start + range.start..place.start + range.end)?)
            }
            BlockBytes::Owned(bytes, start) => {
                let range = start + range.start..start + range.end;
                if range.len() < bytes.len() / 2 {
                    Value::from_vec(bytes.get(range)?.to_vec())
                } else {
                    Value::owned(bytes.into_vec(), range)
                }
            }
            BlockBytes::Cached(pinned) => Value::pinned(pinned, range),
        })
    }
}
