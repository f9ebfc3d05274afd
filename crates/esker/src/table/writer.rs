//! Writes a table from a sorted stream, in constant memory.

use super::format::{FILTER_KEYS, FOOTER_LEN, Footer, INDEX_BLOCK_ENTRIES, encode_header};
use super::{Properties, WriteSettings};
use crate::base::error::{Error, Result};
use crate::base::hash::key_hash;
use crate::base::key::Entry;
use crate::block::BlockBuilder;
use crate::cache::KeptBlocks;
use crate::filter;
use crate::frame::{Compression, FrameKind, write_frame};
use crate::index::{Handle, fence};
use std::io::Write;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Writes a table to anything that takes bytes, from entries in order.
///
/// Memory: one block, one index block, and eight bytes for each of up to 2^20 keys of a filter,
/// whatever the number of entries.
///
/// # Examples
/// ```
/// use esker::{Table, TableWriter, WriteSettings};
/// let mut writer = TableWriter::new(Vec::new(), WriteSettings::default())?;
/// writer.put(b"a", b"1")?;
/// writer.delete(b"b")?;
/// let (bytes, summary) = writer.finish()?;
/// assert_eq!(summary.properties.entries, 2);
/// let table = Table::from_bytes(bytes)?;
/// assert_eq!(table.get(b"a")?.as_deref(), Some(&b"1"[..]));
/// assert!(!table.has(b"b")?);
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Debug)]
pub struct TableWriter<W> {
    frames: FrameWriter<W>,
    settings: WriteSettings,
    data: BlockBuilder,
    /// Handles of the data blocks of the index block under way.
    index: BlockBuilder,
    /// Handles of the index blocks written.
    index_directory: BlockBuilder,
    /// Handles of the filters written.
    filter_directory: BlockBuilder,
    /// Hashes of the keys of the filter under way.
    hashes: Vec<u64>,
    /// Fences of the data block, index block and filter under way.
    data_fence: Vec<u8>,
    index_fence: Vec<u8>,
    filter_fence: Vec<u8>,
    last_key: Vec<u8>,
    last_sequence: u64,
    properties: Properties,
    /// Data blocks that stay in memory for the readers of the table.
    kept: KeptBlocks,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSummary {
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// XXH3 of all frame checksums: tells two tables apart without reading them.
    pub digest: u64,
    /// What the table says of itself.
    pub properties: Properties,
}

impl<W: Write> TableWriter<W> {
    /// Starts a table on `out`, at whose current position the table's first byte goes.
    ///
    /// # Errors
    /// `InvalidInput` if a setting is out of its range, `Io` if `out` fails.
    pub fn new(out: W, settings: WriteSettings) -> Result<TableWriter<W>> {
        TableWriter::named(out, PathBuf::from("table"), settings)
    }

    /// As [`TableWriter::new`], with the `name` that errors give to `out`.
    pub(super) fn named(out: W, name: PathBuf, settings: WriteSettings) -> Result<TableWriter<W>> {
        settings.validate()?;
        let properties = Properties {
            filter_bits_per_key: settings.filter_bits_per_key.into(),
            compression: settings.compression.name().into(),
            description: settings.description.clone(),
            created_unix_seconds: settings.created_unix_seconds.unwrap_or(0),
            ..Properties::default()
        };
        Ok(TableWriter {
            frames: FrameWriter::new(out, name)?,
            settings,
            data: BlockBuilder::default(),
            index: BlockBuilder::default(),
            index_directory: BlockBuilder::default(),
            filter_directory: BlockBuilder::default(),
            hashes: Vec::new(),
            data_fence: Vec::new(),
            index_fence: Vec::new(),
            filter_fence: Vec::new(),
            last_key: Vec::new(),
            last_sequence: 0,
            properties,
            kept: KeptBlocks::default(),
        })
    }

    /// Keeps data blocks in memory as they are written, for [`TableWriter::finish_keeping`].
    pub(super) fn keep(&mut self, kept: KeptBlocks) {
        self.kept = kept;
    }

    /// Appends `key` with `value`, at sequence number zero. See [`TableWriter::add`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.add(Entry::put(key, value))
    }

    /// Appends a tombstone for `key`, at sequence number zero. See [`TableWriter::add`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.add(Entry::tombstone(key))
    }

    /// Appends `entry`, which must come after the one before: a greater key, or the same key and
    /// a smaller sequence number.
    ///
    /// # Errors
    /// `InvalidInput` if it is out of order or out of bounds: nothing was appended, and the
    /// writer can go on. `Io` if the output fails: the table cannot be completed.
    pub fn add(&mut self, entry: Entry<'_>) -> Result<()> {
        entry.check()?;
        let is_first = self.properties.entries == 0;
        let is_new_key = is_first || entry.key != self.last_key;
        self.check_order(entry, is_first, is_new_key)?;
        if is_new_key {
            if self.is_full() || self.is_large(entry.key.len() + entry.value.len()) {
                self.end_block()?;
            }
            if self.data.count() == 0 {
                self.start_block(entry.key, is_first);
            }
        }
        let hash = key_hash(entry.key);
        if is_new_key && self.settings.filter_bits_per_key > 0 {
            self.hashes.push(hash);
        }
        self.data.push(entry, Some(hash));
        self.properties.count(entry, is_new_key);
        if is_new_key {
            self.last_key.clear();
            self.last_key.extend_from_slice(entry.key);
        }
        self.last_sequence = entry.sequence;
        Ok(())
    }

    /// Whether the block under way takes no further key.
    fn is_full(&self) -> bool {
        let bytes = self.data.raw_bytes();
        bytes >= self.settings.block_size_bytes || self.data.count() == 1 && self.is_large(bytes)
    }

    /// Whether an entry of `bytes` bytes gets a block of its own: who reads it should not read, and
    /// check, as much beside it. Two halves of a block compress better together.
    fn is_large(&self, bytes: usize) -> bool {
        let share = if self.settings.compression == Compression::None { 2 } else { 1 };
        bytes >= self.settings.block_size_bytes / share
    }

    fn check_order(&self, entry: Entry<'_>, is_first: bool, is_new_key: bool) -> Result<()> {
        if is_first || entry.key > &self.last_key[..] {
            return Ok(());
        }
        let last = self.last_key.escape_ascii();
        let key = entry.key.escape_ascii();
        if is_new_key {
            let detail = format_args!("\"{key}\" after \"{last}\"");
            return Err(Error::invalid_input("key out of order", detail));
        }
        if entry.sequence < self.last_sequence {
            return self.check_room(entry);
        }
        let (number, last_number) = (entry.sequence, self.last_sequence);
        let detail = format_args!("key \"{key}\", sequence number {number} after {last_number}");
        Err(Error::invalid_input("version out of order", detail))
    }

    /// All versions of a key share a block, which must stay below 4 GiB.
    fn check_room(&self, entry: Entry<'_>) -> Result<()> {
        let bytes = self.data.raw_bytes() + entry.key.len() + entry.value.len();
        if bytes <= VERSION_BYTES_MAX {
            return Ok(());
        }
        let detail = format_args!("{bytes} bytes, at most {VERSION_BYTES_MAX}");
        Err(Error::invalid_input("versions of one key too long together", detail))
    }

    /// Sets the fences of what begins with the data block that begins with `key`.
    fn start_block(&mut self, key: &[u8], is_first: bool) {
        let fence = if is_first { key } else { fence(&self.last_key, key) };
        self.data_fence = fence.to_vec();
        if self.index.count() == 0 {
            self.index_fence = fence.to_vec();
        }
        if self.hashes.is_empty() {
            self.filter_fence = fence.to_vec();
        }
    }

    fn end_block(&mut self) -> Result<()> {
        if self.data.count() == 0 {
            return Ok(());
        }
        let entries = self.data.count() as u32;
        let compression = self.settings.compression;
        let raw_before = self.frames.raw_bytes;
        let handle = self.frames.block(FrameKind::Data, &mut self.data, entries, compression)?;
        self.properties.data_blocks += 1;
        self.properties.data_raw_bytes += self.frames.raw_bytes - raw_before;
        self.properties.data_stored_bytes += u64::from(handle.frame_len);
        // What the table comes to is not known yet: it is taken for what it is so far.
        self.kept.push(&self.frames.block, self.properties.home());
        self.index.push(Entry::put(&self.data_fence, &handle.encode()), None);
        if self.index.count() == INDEX_BLOCK_ENTRIES {
            self.end_index_block()?;
        }
        if self.hashes.len() >= FILTER_KEYS {
            self.end_filter()?;
        }
        Ok(())
    }

    fn end_index_block(&mut self) -> Result<()> {
        if self.index.count() == 0 {
            return Ok(());
        }
        let entries = self.index.count() as u32;
        let none = Compression::None;
        let handle = self.frames.block(FrameKind::Index, &mut self.index, entries, none)?;
        self.properties.index_bytes += u64::from(handle.frame_len);
        self.index_directory.push(Entry::put(&self.index_fence, &handle.encode()), None);
        Ok(())
    }

    fn end_filter(&mut self) -> Result<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        let filter = filter::build(&self.hashes, self.settings.filter_bits_per_key);
        let keys = self.hashes.len() as u32;
        let handle = self.frames.frame(FrameKind::Filter, &filter, keys, Compression::None)?;
        self.properties.filter_bytes += u64::from(handle.frame_len);
        self.filter_directory.push(Entry::put(&self.filter_fence, &handle.encode()), None);
        self.hashes.clear();
        Ok(())
    }

    /// Writes what is left, index, filters, properties and footer, and hands back the output.
    ///
    /// # Errors
    /// `Io` if the output fails.
    pub fn finish(self) -> Result<(W, TableSummary)> {
        self.finish_keeping().map(|(out, summary, _)| (out, summary))
    }

    /// As [`TableWriter::finish`], with the blocks that were kept.
    pub(super) fn finish_keeping(mut self) -> Result<(W, TableSummary, KeptBlocks)> {
        self.end_block()?;
        self.end_index_block()?;
        self.end_filter()?;
        let none = Compression::None;
        let mut directory = |builder: &mut BlockBuilder| match builder.count() as u32 {
            0 => Ok(Handle::default()),
            entries => self.frames.block(FrameKind::Index, builder, entries, none),
        };
        let index = directory(&mut self.index_directory)?;
        let filters = directory(&mut self.filter_directory)?;
        let mut properties = self.properties;
        properties.largest_key = self.last_key;
        properties.index_bytes += u64::from(index.frame_len);
        properties.filter_bytes += u64::from(filters.frame_len);
        let block = properties.clone().encode();
        let handle = self.frames.frame(FrameKind::Properties, &block, 0, none)?;
        let footer = Footer { index, filters, properties: handle, ..Footer::default() };
        let (out, footer) = self.frames.finish(footer)?;
        let (file_bytes, digest) = (footer.file_len, footer.digest);
        Ok((out, TableSummary { file_bytes, digest, properties }, self.kept))
    }
}

/// Most bytes of keys and values of all versions of one key: half of what a block can hold, so
/// that columns and headers have room.
const VERSION_BYTES_MAX: usize = 2 << 30;

/// Writes frames one after another and knows where each begins.
#[derive(Debug)]
struct FrameWriter<W> {
    out: W,
    name: PathBuf,
    offset: u64,
    raw_bytes: u64,
    digest: Digest,
    block: Vec<u8>,
    frame: Vec<u8>,
}

/// The running hash of all frame checksums.
struct Digest(Xxh3);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#018x}", self.0.digest())
    }
}

impl<W: Write> FrameWriter<W> {
    fn new(out: W, name: PathBuf) -> Result<FrameWriter<W>> {
        let digest = Digest(Xxh3::new());
        let (block, frame) = (Vec::new(), Vec::new());
        let mut writer = FrameWriter { out, name, offset: 0, raw_bytes: 0, digest, block, frame };
        writer.write(&encode_header())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::io("write", &self.name, e))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Writes the block that `builder` holds, with `entries` for its handle.
    fn block(
        &mut self,
        kind: FrameKind,
        builder: &mut BlockBuilder,
        entries: u32,
        compression: Compression,
    ) -> Result<Handle> {
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        builder.finish(&mut block);
        let handle = self.frame(kind, &block, entries, compression);
        self.block = block;
        handle
    }

    fn frame(
        &mut self,
        kind: FrameKind,
        block: &[u8],
        entries: u32,
        compression: Compression,
    ) -> Result<Handle> {
        let offset = self.offset;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        let checksum = write_frame(&mut frame, offset, kind, block, compression);
        self.digest.0.update(&checksum.to_le_bytes());
        self.raw_bytes += block.len() as u64;
        let frame_len = frame.len() as u32;
        let written = self.write(&frame);
        self.frame = frame;
        written.map(|()| Handle { offset, frame_len, checksum, entries })
    }

    fn finish(mut self, mut footer: Footer) -> Result<(W, Footer)> {
        footer.file_len = self.offset + FOOTER_LEN as u64;
        footer.digest = self.digest.0.digest();
        self.write(&footer.encode())?;
        self.out.flush().map_err(|e| Error::io("write", &self.name, e))?;
        Ok((self.out, footer))
    }
}

impl<W> TableWriter<W> {
    /// The name that errors give to the output.
    pub(super) fn name(&self) -> &Path {
        &self.frames.name
    }

    /// Bytes written so far; blocks under way not counted.
    pub fn written_bytes(&self) -> u64 {
        self.frames.offset
    }
}
