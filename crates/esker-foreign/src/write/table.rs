//! Tables as LevelDB writes them (LevelDB `doc/table_format.md`, `table/table_builder.cc`).
//!
//! Blocks of data, then the block of filters, the metaindex that names it, the index with the last
//! key and the place of each block of data, and 48 bytes with the places of both indexes. Keys
//! carry eight bytes more: sequence number and kind (`db/dbformat.h`).

use super::block::{BlockBuilder, BlockFile, RESTART_INTERVAL};
use super::filter::{FILTER_NAME, FilterBuilder};
use crate::coding::put_varint;
use crate::footer::{BlockHandle, LEVELDB_FOOTER_LEN, LEVELDB_MAGIC};
use esker::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Most bytes of a value: lengths have 32 bits.
const VALUE_LEN_MAX: usize = 1 << 30;
/// Most bytes of a key: twice what RocksDB allows.
const KEY_LEN_MAX: usize = 16 << 20;
const SEQUENCE_MAX: u64 = (1 << 56) - 1;
/// The kind of an entry that has a value.
const PUT: u64 = 1;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LevelDbCompression {
    /// Not at all.
    None,
    /// Snappy, which every LevelDB reads that was built with it. The default.
    #[default]
    Snappy,
}

/// How LevelDB's files are written.
///
/// # Examples
/// ```
/// use esker_foreign::{LevelDbCompression, LevelDbSettings};
/// let mut settings = LevelDbSettings::default();
/// settings.compression = LevelDbCompression::None;
/// assert_eq!(settings.block_size_bytes, 4 << 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelDbSettings {
    /// Bytes of entries at which a block is closed. Default 4 KiB. Range 64 bytes to 16 MiB.
    pub block_size_bytes: usize,
    /// How blocks are compressed. Default Snappy.
    pub compression: LevelDbCompression,
    /// Filter bits for each key. Readers use the filter if they are opened with LevelDB's own
    /// Bloom filter, and pass over it if not. Zero writes no filter. Default 10. Range 0 to 64.
    pub filter_bits_per_key: u32,
    /// Bytes of a table at which the next is begun; for [`LevelDbWriter`](crate::LevelDbWriter).
    /// Default 2 MiB. Range 4 KiB to 1 GiB.
    pub table_size_bytes: u64,
}

impl Default for LevelDbSettings {
    fn default() -> LevelDbSettings {
        LevelDbSettings {
            block_size_bytes: 4 << 10,
            compression: LevelDbCompression::default(),
            filter_bits_per_key: 10,
            table_size_bytes: 2 << 20,
        }
    }
}

impl LevelDbSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub fn validate(&self) -> Result<()> {
        let check = |what, found: u64, low: u64, high: u64| match (low..=high).contains(&found) {
            true => Ok(()),
            false => {
                let detail = format_args!("{found}, not in {low} to {high}");
                Err(Error::invalid_input(what, detail))
            }
        };
        check("block_size_bytes", self.block_size_bytes as u64, 64, 16 << 20)?;
        check("filter_bits_per_key", self.filter_bits_per_key.into(), 0, 64)?;
        check("table_size_bytes", self.table_size_bytes, 4 << 10, 1 << 30)
    }
}

/// What a finished table is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelDbTableSummary {
    /// Entries in it.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its first entry's key, with sequence number and kind.
    pub(crate) smallest: Vec<u8>,
    /// Its last entry's key, with sequence number and kind.
    pub(crate) largest: Vec<u8>,
}

/// Writes one LevelDB table, from entries in the order of their keys, byte by byte.
///
/// # Examples
/// ```
/// use esker_foreign::{ForeignTable, LevelDbSettings, LevelDbTable};
/// let mut table = LevelDbTable::new(Vec::new(), LevelDbSettings::default())?;
/// table.put(b"apple", 1, b"red")?;
/// table.put(b"lime", 2, b"green")?;
/// let (bytes, summary) = table.finish()?;
/// assert_eq!(summary.entries, 2);
/// let table = ForeignTable::from_bytes(bytes)?;
/// assert_eq!(table.get(b"lime")?.as_deref(), Some(&b"green"[..]));
/// # Ok::<(), esker::Error>(())
/// ```
pub struct LevelDbTable<W> {
    out: W,
    name: PathBuf,
    settings: LevelDbSettings,
    offset: u64,
    data: BlockBuilder,
    index: BlockBuilder,
    filter: Option<FilterBuilder>,
    key: Vec<u8>,
    summary: LevelDbTableSummary,
}

impl<W: Write> LevelDbTable<W> {
    /// Starts a table that is written to `out`.
    ///
    /// # Errors
    /// `InvalidInput` if a setting is out of its range.
    pub fn new(out: W, settings: LevelDbSettings) -> Result<LevelDbTable<W>> {
        LevelDbTable::named(out, PathBuf::from("table"), settings)
    }

    /// As [`LevelDbTable::new`], called `name` in errors.
    pub(super) fn named(out: W, name: PathBuf, settings: LevelDbSettings) -> Result<Self> {
        settings.validate()?;
        let bits = settings.filter_bits_per_key;
        Ok(LevelDbTable {
            out,
            name,
            offset: 0,
            data: BlockBuilder::new(RESTART_INTERVAL),
            index: BlockBuilder::new(1),
            filter: (bits > 0).then(|| FilterBuilder::new(bits)),
            key: Vec::new(),
            summary: LevelDbTableSummary::default(),
            settings,
        })
    }

    /// Where the table goes, as errors name it.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Bytes written so far; the block under way not counted.
    pub fn written_bytes(&self) -> u64 {
        self.offset
    }

    /// Appends `key` with `value`, as written with the number `sequence`.
    ///
    /// # Errors
    /// `InvalidInput` if the key is not after the one before, or one of them is too long; `Io`.
    pub fn put(&mut self, key: &[u8], sequence: u64, value: &[u8]) -> Result<()> {
        self.check(key, sequence, value)?;
        if let Some(filter) = &mut self.filter {
            filter.add(key);
        }
        self.key.clear();
        self.key.extend_from_slice(key);
        self.key.extend_from_slice(&(sequence << 8 | PUT).to_le_bytes());
        if self.summary.entries == 0 {
            self.summary.smallest.clone_from(&self.key);
        }
        self.data.add(&self.key, value);
        self.summary.entries += 1;
        if self.data.len() >= self.settings.block_size_bytes {
            self.end_block()?;
        }
        Ok(())
    }

    fn check(&self, key: &[u8], sequence: u64, value: &[u8]) -> Result<()> {
        let bound = |what, found: u64, most: u64| match found <= most {
            true => Ok(()),
            false => Err(Error::invalid_input(what, format_args!("{found}, at most {most}"))),
        };
        bound("length of a key", key.len() as u64, KEY_LEN_MAX as u64)?;
        bound("length of a value", value.len() as u64, VALUE_LEN_MAX as u64)?;
        bound("sequence number", sequence, SEQUENCE_MAX)?;
        let before = self.key.len().checked_sub(8).map(|end| &self.key[..end]);
        if before.is_some_and(|before| before >= key) {
            let detail = format_args!("\"{}\" is not after the one before", key.escape_ascii());
            return Err(Error::invalid_input("key of a table", detail));
        }
        Ok(())
    }

    /// Stores the block of data under way, and its place in the index.
    fn end_block(&mut self) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        let codec = self.settings.compression;
        let raw = self.data.finish();
        let handle = BlockFile { out: &mut self.out, offset: &mut self.offset, name: &self.name }
            .store(raw, codec)?;
        self.index.add(self.data.last_key(), &encoded(handle));
        self.data.clear();
        if let Some(filter) = &mut self.filter {
            filter.start_block(self.offset);
        }
        Ok(())
    }

    /// Completes the table, and gives back what it was written to.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<(W, LevelDbTableSummary)> {
        self.end_block()?;
        let codec = self.settings.compression;
        let mut file = BlockFile { out: &mut self.out, offset: &mut self.offset, name: &self.name };
        let mut metaindex = BlockBuilder::new(RESTART_INTERVAL);
        if let Some(filter) = self.filter.take() {
            let handle = file.store(&filter.finish(), LevelDbCompression::None)?;
            metaindex.add(FILTER_NAME, &encoded(handle));
        }
        let metaindex = file.store(metaindex.finish(), codec)?;
        let index = file.store(self.index.finish(), codec)?;
        let mut footer = [encoded(metaindex), encoded(index)].concat();
        footer.resize(LEVELDB_FOOTER_LEN - 8, 0);
        footer.extend_from_slice(&LEVELDB_MAGIC.to_le_bytes());
        file.write(&footer)?;
        self.out.flush().map_err(|e| Error::io("write", &self.name, e))?;
        self.summary.bytes = self.offset;
        self.summary.largest = self.key;
        Ok((self.out, self.summary))
    }
}

/// A block's place, as indexes hold it.
fn encoded(handle: BlockHandle) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, handle.offset);
    put_varint(&mut bytes, handle.size);
    bytes
}
