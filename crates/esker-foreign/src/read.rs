//! Reads blocks, finds keys, checks the whole.

use crate::block::{Block, Values};
use crate::checksum::context_modifier;
use crate::codec::{self, Refusal};
use crate::coding::u32_at;
use crate::comparator::Comparator;
use crate::entry::{ForeignKind, split};
use crate::footer::{BlockHandle, TRAILER_LEN};
use crate::open::{ForeignTable, GLOBAL_SEQUENCE, Inner};
use esker::{Error, Result, Step};
use std::cmp::Ordering;

/// Bytes that are read at once where one block is read after the other.
const AHEAD_BYTES: u64 = 64 << 10;

/// One block of a foreign table's file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignBlock {
    /// What it holds: `data`, `index`, `metaindex`, `filter`, or the name of a meta block.
    pub kind: &'static str,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Bytes in the file, the five after the block included.
    pub stored_bytes: u64,
    /// Bytes of the block, decompressed; as stored where it cannot be.
    pub raw_bytes: u64,
    /// Name of the codec.
    pub codec: &'static str,
    /// A key at or above all keys of a data block; empty for others.
    pub last_key: Vec<u8>,
}

/// What was checked and found sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignReport {
    /// Blocks whose checksum is right.
    pub blocks: u64,
    /// Entries that are in order and decode.
    pub entries: u64,
    /// Tombstones among them, range deletions included.
    pub tombstones: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Bytes of a file in memory: more than asked for where reading goes on behind them.
#[derive(Debug, Default)]
pub(crate) struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes of `table` from `start` to `end`, which lie before its footer.
    fn get(&mut self, table: &Inner, start: u64, end: u64) -> Result<&[u8]> {
        let held_end = self.at + self.bytes.len() as u64;
        if start < self.at || end > held_end {
            let goes_on = !self.bytes.is_empty() && (self.at..=held_end).contains(&start);
            let ahead = if goes_on { AHEAD_BYTES } else { 0 };
            let len = (end - start).max(ahead.min(table.footer.offset - start));
            // What is there is written over: only what the memory grows by is set to zero.
            self.bytes.resize(len as usize, 0);
            self.at = start;
            let read = table.source.read_exact_at(&mut self.bytes, start);
            if let Err(error) = read {
                self.bytes.clear();
                return Err(Error::io("read", &table.name, error));
            }
        }
        let from = (start - self.at) as usize;
        Ok(self.bytes.get(from..from + (end - start) as usize).unwrap_or_default())
    }
}

impl Inner {
    /// A fault of the block at `handle`.
    pub(crate) fn broken(&self, handle: &BlockHandle, what: &'static str) -> Error {
        Error::corruption(&self.name, handle.offset, what, "a sound block", "one that is not")
    }

    /// The bytes of the block at `handle`, checked, with its codec.
    pub(crate) fn read_stored(&self, handle: &BlockHandle) -> Result<(Vec<u8>, u8)> {
        let mut window = Window::default();
        let codec = self.stored(handle, &mut window)?.1;
        window.bytes.truncate(window.bytes.len() - TRAILER_LEN as usize);
        Ok((window.bytes, codec))
    }

    /// The same, in `window`.
    fn stored<'w>(&self, handle: &BlockHandle, window: &'w mut Window) -> Result<(&'w [u8], u8)> {
        let end = handle.end().filter(|&end| end <= self.footer.offset);
        let Some(end) = end else {
            let expected = format_args!("a block before byte {}", self.footer.offset);
            let found = format_args!("{} bytes at {}", handle.size, handle.offset);
            let path = &self.name;
            return Err(Error::corruption(path, handle.offset, "block handle", expected, found));
        };
        let bytes = window.get(self, handle.offset, end)?;
        let size = bytes.len() - TRAILER_LEN as usize;
        let stored = u32_at(bytes, size + 1).unwrap_or(0);
        if let Some(computed) = self.footer.checksum.of(&bytes[..=size]) {
            let modifier = context_modifier(self.footer.context, handle.offset);
            let computed = computed.wrapping_add(modifier);
            let sealed = || self.checksum_before_ingestion(handle, bytes, modifier);
            if computed != stored && sealed() != Some(stored) {
                let (expected, found) = (format!("{stored:#010x}"), format!("{computed:#010x}"));
                let (path, at) = (&self.name, handle.offset);
                return Err(Error::corruption(path, at, "block checksum", expected, found));
            }
        }
        Ok((&bytes[..size], bytes[size]))
    }

    /// The checksum of the properties, here with the trailer's codec in `bytes`, as it was before
    /// the table was taken into a database. RocksDB then writes the sequence number of all
    /// entries into the properties, in place, and leaves the checksum, which was made with zero
    /// (RocksDB `table/meta_blocks.cc`). `None` for other blocks.
    fn checksum_before_ingestion(
        &self,
        handle: &BlockHandle,
        bytes: &[u8],
        modifier: u32,
    ) -> Option<u32> {
        if self.properties_block() != Some(*handle) {
            return None;
        }
        let size = usize::try_from(handle.size).ok()?;
        let mut covered = bytes.get(..=size)?.to_vec();
        let block = Block::decode(covered.get(..size)?.to_vec(), Values::Plain).ok()?;
        let at = block.value_range(GLOBAL_SEQUENCE)?;
        covered.get_mut(at).filter(|value| value.len() == 8)?.fill(0);
        Some(self.footer.checksum.of(&covered)?.wrapping_add(modifier))
    }

    pub(crate) fn read_block(&self, handle: &BlockHandle) -> Result<Vec<u8>> {
        self.raw(handle, &mut Window::default(), Vec::new())
    }

    /// The block at `handle`, decompressed, read through `window` into the memory of `spare`.
    fn raw(&self, handle: &BlockHandle, window: &mut Window, spare: Vec<u8>) -> Result<Vec<u8>> {
        let (stored, codec) = self.stored(handle, window)?;
        let footer = &self.footer;
        codec::decompress(footer.engine, footer.version, codec, stored, spare).map_err(|refusal| {
            let (path, at) = (&self.name, handle.offset);
            let name = codec::name(footer.engine, codec);
            match refusal {
                Refusal::Corrupt(found) => {
                    Error::corruption(path, at, "compressed block", name, found)
                }
                Refusal::Unsupported(detail) => Error::unsupported(path, at, "codec", detail),
            }
        })
    }

    pub(crate) fn read_entries(&self, handle: &BlockHandle, values: Values) -> Result<Block> {
        self.next_entries(handle, values, &mut Window::default(), Block::default())
    }

    /// The entries of the block at `handle`, read through `window` into the memory of `spare`.
    pub(crate) fn next_entries(
        &self,
        handle: &BlockHandle,
        values: Values,
        window: &mut Window,
        mut spare: Block,
    ) -> Result<Block> {
        let bytes = self.raw(handle, window, spare.take_data())?;
        let len = bytes.len();
        spare.with(bytes, values).map_err(|(what, found)| {
            let expected = format_args!("a sound block of {len} bytes");
            Error::corruption(&self.name, handle.offset, what, expected, found)
        })
    }

    /// The first data block that can hold `key`.
    pub(crate) fn block_for(&self, key: &[u8]) -> usize {
        if self.comparator == Comparator::Raw {
            return 0;
        }
        self.index.partition_point(|(last, _)| self.comparator.is_before(last, key))
    }
}

impl ForeignTable {
    /// The newest value of `key`, or `None` if the table has no such key or has it deleted.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read; `Unsupported` if the newest entry is a
    /// merge, a blob or an entity.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((sequence, kind, value)) = self.newest(key)? else { return Ok(None) };
        if self.is_range_deleted(key, sequence)? {
            return Ok(None);
        }
        match kind {
            ForeignKind::Put => Ok(Some(value)),
            ForeignKind::Tombstone | ForeignKind::SingleTombstone => Ok(None),
            _ => Err(self.not_plain(key, kind)),
        }
    }

    /// The newest entry of `key`, whatever range deletions say: sequence number, kind, value.
    pub(crate) fn newest(&self, key: &[u8]) -> Result<Option<(u64, ForeignKind, Vec<u8>)>> {
        let mut cursor = self.cursor();
        let mut entry = cursor.seek(key)?;
        while let Some(found) = entry {
            if found.key == key {
                return Ok(Some((found.sequence, found.kind, found.value.to_vec())));
            }
            if self.0.comparator != Comparator::Raw {
                break;
            }
            entry = cursor.next()?;
        }
        Ok(None)
    }

    /// Whether a range deletion of the table hides `key` as of `sequence`.
    pub(crate) fn is_range_deleted(&self, key: &[u8], sequence: u64) -> Result<bool> {
        self.0.is_range_deleted(key, sequence)
    }

    /// An entry whose value is not simply there.
    pub(crate) fn not_plain(&self, key: &[u8], kind: ForeignKind) -> Error {
        let detail = format_args!("key \"{}\" is a {}", key.escape_ascii(), kind.name());
        Error::unsupported(&self.0.name, 0, "kind of entry", detail)
    }

    /// Every block of the file, in the order in which they stand.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a block cannot be read.
    pub fn blocks(&self) -> Result<Vec<ForeignBlock>> {
        let inner = &*self.0;
        let mut all = vec![("metaindex", inner.footer.metaindex, &[][..])];
        all.extend(inner.index_blocks.iter().map(|handle| ("index", *handle, &[][..])));
        all.extend(inner.index.iter().map(|(key, handle)| ("data", *handle, &key[..])));
        all.extend(inner.filter_blocks.iter().map(|handle| ("filter", *handle, &[][..])));
        for (name, handle) in &inner.meta {
            if !inner.index_blocks.contains(handle) && handle.size > 0 {
                all.push((meta_kind(name), *handle, &[][..]));
            }
        }
        all.sort_by_key(|(_, handle, _)| handle.offset);
        let describe = |(kind, handle, key): (&'static str, BlockHandle, &[u8])| {
            let (_, codec) = inner.read_stored(&handle)?;
            let raw_bytes = inner.read_block(&handle).map_or(handle.size, |raw| raw.len() as u64);
            Ok(ForeignBlock {
                kind,
                offset: handle.offset,
                stored_bytes: handle.size + TRAILER_LEN,
                raw_bytes,
                codec: codec::name(inner.footer.engine, codec),
                last_key: key.to_vec(),
            })
        };
        all.into_iter().map(describe).collect()
    }

    /// Reads the whole table and checks it: every block's checksum, the order of keys and
    /// versions, index keys against entries, and the counts that the properties name. `progress`
    /// is told the bytes done and the bytes in all, from time to time.
    ///
    /// # Errors
    /// The first thing wrong, with its place.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<ForeignReport> {
        let inner = &*self.0;
        let mut report = ForeignReport::default();
        let meta = inner.meta.iter().map(|(_, handle)| handle).filter(|handle| handle.size > 0);
        for handle in meta.chain(&inner.filter_blocks) {
            inner.read_stored(handle)?;
            report.blocks += 1;
        }
        report.blocks += 1 + inner.index_blocks.len() as u64;
        let mut last: Option<(Vec<u8>, u64)> = None;
        for (number, (index_key, handle)) in inner.index.iter().enumerate() {
            let block = inner.read_entries(handle, Values::Plain)?;
            for i in 0..block.count() {
                let (key, sequence, kind) =
                    split(block.key(i)).ok_or_else(|| inner.broken(handle, "key length"))?;
                self.check_order(last.as_ref(), key, sequence, index_key, handle)?;
                last = Some((key.to_vec(), sequence));
                report.entries += 1;
                let is_tombstone =
                    matches!(kind, ForeignKind::Tombstone | ForeignKind::SingleTombstone);
                report.tombstones += u64::from(is_tombstone);
            }
            report.blocks += 1;
            if number % 256 == 0 {
                progress(handle.offset, inner.len);
            }
        }
        let ranges = inner.range_tombstones.len() as u64;
        report.tombstones += ranges;
        report.bytes = inner.len;
        self.check_counts(report.entries + ranges, report.tombstones)?;
        progress(inner.len, inner.len);
        Ok(report)
    }

    fn check_order(
        &self,
        last: Option<&(Vec<u8>, u64)>,
        key: &[u8],
        sequence: u64,
        index_key: &[u8],
        handle: &BlockHandle,
    ) -> Result<()> {
        let inner = &*self.0;
        if let Some((last_key, last_sequence)) = last {
            let in_order = match inner.comparator.compare(last_key, key) {
                Some(Ordering::Less) | None => true,
                Some(Ordering::Equal) => *last_sequence > sequence,
                Some(Ordering::Greater) => false,
            };
            if !in_order {
                return Err(inner.broken(handle, "order of entries"));
            }
        }
        if inner.comparator.is_before(index_key, key) {
            return Err(inner.broken(handle, "entry above its index key"));
        }
        Ok(())
    }

    fn check_counts(&self, entries: u64, tombstones: u64) -> Result<()> {
        let inner = &*self.0;
        let at = inner.properties_block().map_or(0, |handle| handle.offset);
        for (what, name, found) in [
            ("property num.entries", "rocksdb.num.entries", entries),
            ("property deleted.keys", "rocksdb.deleted.keys", tombstones),
        ] {
            if let Some(expected) = inner.number(name).filter(|&said| said != found) {
                return Err(Error::corruption(&inner.name, at, what, expected, found));
            }
        }
        Ok(())
    }

    /// Offset and bytes of the block that a look-up of `key` reads.
    pub(crate) fn explain_block(&self, key: &[u8]) -> Option<(u64, u64)> {
        let (_, handle) = self.0.index.get(self.0.block_for(key))?;
        Some((handle.offset, handle.size + TRAILER_LEN))
    }

    /// What a look-up of `key` reads, step by step.
    ///
    /// # Errors
    /// As [`ForeignTable::get`].
    pub fn explain(&self, key: &[u8]) -> Result<Vec<Step>> {
        let inner = &*self.0;
        let mut steps = vec![Step::new("filter", None, 0, "not consulted".into())];
        let number = inner.block_for(key);
        let blocks = inner.index.len();
        let verdict = match inner.index.get(number) {
            Some(_) => format!("block {number} of {blocks} (in memory)"),
            None => format!("above the last of {blocks} blocks (in memory)"),
        };
        let top = inner.index_blocks.first().map(|handle| handle.offset);
        steps.push(Step::new("index", top, 0, verdict));
        if let Some((_, handle)) = inner.index.get(number) {
            let verdict = match self.get(key)? {
                Some(value) => format!("a value of {} bytes", value.len()),
                None => "no such key, or deleted".into(),
            };
            let bytes = handle.size + TRAILER_LEN;
            steps.push(Step::new("data block", Some(handle.offset), bytes, verdict));
        }
        Ok(steps)
    }
}

fn meta_kind(name: &str) -> &'static str {
    match name {
        "rocksdb.properties" | "rocksdb.stats" => "properties",
        "rocksdb.range_del" => "range deletions",
        name if name.contains("ilter") => "filter",
        _ => "meta",
    }
}
