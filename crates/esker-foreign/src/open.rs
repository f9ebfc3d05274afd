//! Opens a table of another engine: footer, properties, index, range deletions.

use crate::block::{Block, Values};
use crate::coding::{Reader, u32_at, u64_at};
use crate::comparator::Comparator;
use crate::entry::{ForeignKind, TRAILER_LEN, split};
use crate::footer::{self, BlockHandle, Engine, FOOTER_LEN_MAX, Footer};
use crate::losses::{Loss, Losses};
use crate::obfuscation::{Mask, Obfuscation};
use crate::properties;
use crate::ranges::{Fragments, RangeTombstone};
use esker::vfs::{OsVfs, ReadAt, Vfs};
use esker::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a foreign table is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenSettings {
    /// The order of the keys. Default: what the table names (RocksDB) or bytewise (LevelDB, whose
    /// tables do not say; its reverse if the table's keys fall).
    pub comparator: Option<Comparator>,
    /// Whether values are masked. Default: as they stand.
    pub obfuscation: Obfuscation,
    /// Whether blocks that are damaged are left out, and told by [`ForeignTable::losses`]. Default:
    /// no, reading them is an error.
    pub accept_loss: bool,
}

/// How a table is read, alone or as one of a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) comparator: Option<Comparator>,
    /// The largest sequence number, by the manifest: that of all entries of a table made outside
    /// the database, which need not say it.
    pub(crate) sequence: Option<u64>,
    pub(crate) mask: Option<Mask>,
    pub(crate) losses: Losses,
}

impl From<&OpenSettings> for Reading {
    fn from(settings: &OpenSettings) -> Reading {
        Reading {
            comparator: settings.comparator,
            sequence: None,
            mask: Mask::chosen(&settings.obfuscation),
            losses: Losses::new(settings.accept_loss),
        }
    }
}

/// A table of LevelDB or RocksDB, open for reading. Clones share the file and the index.
///
/// # Examples
/// ```no_run
/// let table = esker_foreign::ForeignTable::open("000005.ldb")?;
/// for entry in table.visible() {
///     let (key, value) = entry?;
///     println!("{} {}", key.escape_ascii(), value.escape_ascii());
/// }
/// # Ok::<(), esker::Error>(())
/// ```
#[derive(Clone)]
pub struct ForeignTable(pub(crate) Arc<Inner>);

impl fmt::Debug for ForeignTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("ForeignTable")
            .field("name", &inner.name)
            .field("footer", &inner.footer)
            .finish()
    }
}

pub(crate) struct Inner {
    pub(crate) name: PathBuf,
    pub(crate) source: Arc<dyn ReadAt>,
    pub(crate) mask: Option<Mask>,
    pub(crate) losses: Losses,
    pub(crate) len: u64,
    pub(crate) footer: Footer,
    /// Blocks besides data: what they are, by name.
    pub(crate) meta: Vec<(String, BlockHandle)>,
    pub(crate) properties: Vec<(String, Vec<u8>)>,
    pub(crate) comparator: Comparator,
    /// A key at or above each data block's keys, with the block's handle.
    pub(crate) index: Vec<(Vec<u8>, BlockHandle)>,
    /// Handles of index blocks, of both levels.
    pub(crate) index_blocks: Vec<BlockHandle>,
    /// Handles of the parts of a filter in parts.
    pub(crate) filter_blocks: Vec<BlockHandle>,
    /// The one sequence number of all entries, for a file made outside the database.
    pub(crate) global_sequence: Option<u64>,
    pub(crate) range_tombstones: Vec<RangeTombstone>,
    /// The same, to be searched.
    fragments: Fragments,
}

/// The property that holds the one sequence number of a table made outside the database.
const GLOBAL_SEQUENCE_NAME: &str = "rocksdb.external_sst_file.global_seqno";
pub(crate) const GLOBAL_SEQUENCE: &[u8] = GLOBAL_SEQUENCE_NAME.as_bytes();

/// Number of the index type that has two levels.
const TWO_LEVEL_INDEX: u32 = 2;
/// Number of the index type whose values hold a key as well.
const INDEX_WITH_FIRST_KEY: u32 = 3;
/// The keys of the index may take this much more than the file, and [`INDEX_KEYS_FREE`]: pages
/// that decompress well, and shared prefixes in them, can stand for very much.
const INDEX_KEYS_FACTOR: u64 = 64;
const INDEX_KEYS_FREE: u64 = 16 << 20;

impl ForeignTable {
    /// Opens the table at `path`.
    ///
    /// # Errors
    /// `Io` if the file cannot be read, `Corruption` if it is no sound table, `Unsupported` if it
    /// is of a kind that is not read: a newer version, an unknown comparator, a missing codec.
    pub fn open(path: impl AsRef<Path>) -> Result<ForeignTable> {
        ForeignTable::open_with(path, &OpenSettings::default())
    }

    /// Opens the table at `path` with `settings`. Errors as [`ForeignTable::open`].
    pub fn open_with(path: impl AsRef<Path>, settings: &OpenSettings) -> Result<ForeignTable> {
        let path = path.as_ref();
        ForeignTable::from_reader(OsVfs.open(path)?, path, settings)
    }

    /// The table in `bytes`. Errors as [`ForeignTable::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<ForeignTable> {
        ForeignTable::from_reader(Arc::new(bytes), "memory", &OpenSettings::default())
    }

    /// The table that `source` holds, called `name` in errors. Errors as [`ForeignTable::open`].
    pub fn from_reader(
        source: Arc<dyn ReadAt>,
        name: impl Into<PathBuf>,
        settings: &OpenSettings,
    ) -> Result<ForeignTable> {
        ForeignTable::read(source, name.into(), Reading::from(settings))
    }

    /// The table that `source` holds. Errors as [`ForeignTable::open`].
    pub(crate) fn read(
        source: Arc<dyn ReadAt>,
        name: PathBuf,
        reading: Reading,
    ) -> Result<ForeignTable> {
        let io = |e| Error::io("read", &name, e);
        let len = source.len().map_err(io)?;
        let at = len.saturating_sub(FOOTER_LEN_MAX as u64);
        let mut end = vec![0; (len - at) as usize];
        source.read_exact_at(&mut end, at).map_err(io)?;
        let footer = footer::parse(&end, &name, len)?;
        let Reading { comparator, sequence, mask, losses } = reading;
        let mut inner = Inner { mask, losses, ..Inner::new(source, name, len, footer) };
        inner.load_meta(sequence)?;
        inner.comparator = inner.choose_comparator(comparator)?;
        inner.load_index()?;
        if comparator.is_none() && inner.footer.engine == Engine::LevelDb {
            inner.comparator = inner.guess_comparator()?;
        }
        inner.load_range_tombstones()?;
        Ok(ForeignTable(Arc::new(inner)))
    }

    /// A table without entries, in place of one that cannot be read.
    pub(crate) fn empty(name: PathBuf, order: Comparator) -> ForeignTable {
        let inner = Inner::new(Arc::new(Vec::new()), name, 0, Footer::default());
        ForeignTable(Arc::new(Inner { comparator: order, ..inner }))
    }

    /// What was damaged and left out until now, where the settings accept it.
    pub fn losses(&self) -> Vec<Loss> {
        self.0.losses.list()
    }

    /// The engine that made the table.
    pub fn engine(&self) -> Engine {
        self.0.footer.engine
    }

    /// RocksDB's format version; 0 for LevelDB.
    pub fn format_version(&self) -> u32 {
        self.0.footer.version
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.0.len
    }

    /// The order of the keys.
    pub fn comparator(&self) -> Comparator {
        self.0.comparator
    }

    /// Whether the table has two keys, so that their order shows.
    pub(crate) fn shows_order(&self) -> Result<bool> {
        let mut cursor = self.cursor();
        let first = cursor.first()?.map(|entry| entry.key.to_vec());
        Ok(first.as_deref() != cursor.last()?.map(|entry| entry.key))
    }

    /// The range deletions: first key, key after the last, sequence number.
    pub fn range_tombstones(&self) -> impl Iterator<Item = (&[u8], &[u8], u64)> {
        self.0
            .range_tombstones
            .iter()
            .map(|range| (&range.start[..], &range.end[..], range.sequence))
    }

    /// What the table says of itself, name and rendered value, in its order; LevelDB's say nothing.
    pub fn properties(&self) -> Vec<(String, String)> {
        let all = self.0.properties.iter();
        all.map(|(name, value)| (name.clone(), properties::render(name, value))).collect()
    }
}

impl Inner {
    /// What nothing is known of but its footer.
    fn new(source: Arc<dyn ReadAt>, name: PathBuf, len: u64, footer: Footer) -> Inner {
        Inner {
            name,
            source,
            mask: None,
            losses: Losses::default(),
            len,
            footer,
            meta: Vec::new(),
            properties: Vec::new(),
            comparator: Comparator::default(),
            index: Vec::new(),
            index_blocks: Vec::new(),
            filter_blocks: Vec::new(),
            global_sequence: None,
            range_tombstones: Vec::new(),
            fragments: Fragments::default(),
        }
    }

    fn load_meta(&mut self, in_manifest: Option<u64>) -> Result<()> {
        let handle = self.footer.metaindex;
        let metaindex = self.read_entries(&handle, Values::Plain)?;
        for i in 0..metaindex.count() {
            let name = String::from_utf8_lossy(metaindex.key(i)).into_owned();
            let handle = metaindex.handle(i).ok_or_else(|| self.broken(&handle, "metaindex"))?;
            self.meta.push((name, handle));
        }
        self.check_meta()?;
        if self.meta.iter().any(|(name, _)| name.starts_with("rocksdb.")) {
            self.footer.engine = Engine::RocksDb;
        }
        if self.footer.engine == Engine::LevelDb {
            return Ok(());
        }
        if let Some(handle) = self.properties_block() {
            let block = self.read_entries(&handle, Values::Plain)?;
            self.properties = (0..block.count())
                .map(|i| {
                    let name = String::from_utf8_lossy(block.key(i)).into_owned();
                    (name, block.value(i).to_vec())
                })
                .collect();
        }
        let dictionary = self.meta_block("rocksdb.compression_dict");
        if let Some(handle) = dictionary.filter(|handle| handle.size > 0) {
            let (path, detail) = (&self.name, "blocks need it");
            return Err(Error::unsupported(path, handle.offset, "compression dictionary", detail));
        }
        let sequence = self.property(GLOBAL_SEQUENCE_NAME);
        let version = self.property("rocksdb.external_sst_file.version");
        let version = version.and_then(|v| u32_at(v, 0)).unwrap_or(0);
        if version < 2 {
            return Ok(());
        }
        let sequence = sequence.and_then(|s| u64_at(s, 0)).filter(|&s| s > 0);
        if let Some((expected, found)) = in_manifest.zip(sequence).filter(|(a, b)| a != b) {
            let (path, what) = (&self.name, "sequence number of a table made outside");
            return Err(Error::corruption(path, 0, what, expected, found));
        }
        self.global_sequence = sequence.or(in_manifest);
        Ok(())
    }

    pub(crate) fn meta_block(&self, name: &str) -> Option<BlockHandle> {
        self.meta.iter().find(|(n, _)| n == name).map(|(_, handle)| *handle)
    }

    /// The block of properties, by its name or the one that it had first.
    pub(crate) fn properties_block(&self) -> Option<BlockHandle> {
        self.meta_block("rocksdb.properties").or_else(|| self.meta_block("rocksdb.stats"))
    }

    /// Refuses meta blocks that lie over each other: many names for one large block would make
    /// work without end.
    fn check_meta(&self) -> Result<()> {
        let mut handles: Vec<_> = self.meta.iter().map(|(_, handle)| *handle).collect();
        handles.retain(|handle| handle.size > 0);
        handles.sort_by_key(|handle| handle.offset);
        let mut end = 0;
        handles.iter().try_for_each(|handle| self.follow(handle, &mut end))
    }

    /// Checks that the block at `handle` begins at or after `end`, and moves `end` past it. Both
    /// engines write blocks in the order of their index, so an index that goes back is a loop.
    fn follow(&self, handle: &BlockHandle, end: &mut u64) -> Result<()> {
        let expected = format_args!("a block at or after byte {end}");
        match handle.end().filter(|_| handle.offset >= *end) {
            Some(after) => {
                *end = after;
                Ok(())
            }
            None => {
                let found = format_args!("{} bytes at {}", handle.size, handle.offset);
                let (path, at) = (&self.name, handle.offset);
                Err(Error::corruption(path, at, "order of blocks", expected, found))
            }
        }
    }

    /// The order in which a table's keys lie that does not name one: the reverse if they fall
    /// from the first block to the last, or within the only one.
    fn guess_comparator(&self) -> Result<Comparator> {
        let falls = match &self.index[..] {
            [] => false,
            [(_, only)] => {
                let block = self.read_entries(only, Values::Plain)?;
                let user_key = |i| split(block.key(i)).map(|(key, ..)| key);
                let last = block.count().checked_sub(1);
                last.is_some_and(|last| user_key(0) > user_key(last))
            }
            [(first, _), .., (last, _)] => first > last,
        };
        Ok(if falls { Comparator::Reverse } else { Comparator::Bytewise })
    }

    pub(crate) fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|(n, _)| n == name).map(|(_, value)| &value[..])
    }

    /// A property that is a number of variable length.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.property(name).and_then(|value| Reader(value).varint())
    }

    fn choose_comparator(&self, chosen: Option<Comparator>) -> Result<Comparator> {
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
        let Some(name) = self.property("rocksdb.comparator") else {
            return Ok(Comparator::default());
        };
        let name = String::from_utf8_lossy(name);
        Comparator::by_name(&name).ok_or_else(|| {
            let detail = format_args!("\"{name}\"; choose one, or raw order");
            Error::unsupported(&self.name, 0, "comparator", detail)
        })
    }

    fn load_index(&mut self) -> Result<()> {
        let index = self.footer.index.or_else(|| self.meta_block("rocksdb.index"));
        let Some(top) = index else {
            let metaindex = self.footer.metaindex;
            return Err(self.broken(&metaindex, "metaindex without an index"));
        };
        let kind = self.property("rocksdb.block.based.table.index.type");
        let kind = kind.and_then(|kind| u32_at(kind, 0)).unwrap_or(0);
        if kind == INDEX_WITH_FIRST_KEY {
            let detail = "an index with first keys";
            return Err(Error::unsupported(&self.name, top.offset, "index type", detail));
        }
        let delta = self.number("rocksdb.index.value.is.delta.encoded").unwrap_or(0) != 0;
        let user_keys = self.number("rocksdb.index.key.is.user.key").unwrap_or(0) != 0;
        let values = if delta { Values::DeltaHandles } else { Values::Plain };
        let mut pages = vec![top];
        if kind == TWO_LEVEL_INDEX {
            let block = self.read_entries(&top, values)?;
            pages = self.handles(&block, &top)?;
            self.index_blocks.push(top);
        }
        let (mut pages_end, mut blocks_end, mut key_bytes) = (0, 0, 0);
        let key_bytes_max = self.len.saturating_mul(INDEX_KEYS_FACTOR) + INDEX_KEYS_FREE;
        for page in pages {
            self.follow(&page, &mut pages_end)?;
            let block = self.read_entries(&page, values)?;
            let handles = self.handles(&block, &page)?;
            for (i, handle) in handles.into_iter().enumerate() {
                self.follow(&handle, &mut blocks_end)?;
                let key = block.key(i);
                key_bytes += key.len() as u64;
                if key_bytes > key_bytes_max {
                    return Err(self.broken(&page, "length of all index keys"));
                }
                let cut = if user_keys { 0 } else { TRAILER_LEN };
                let user_key = key.len().checked_sub(cut).map(|end| &key[..end]);
                let user_key = user_key.ok_or_else(|| self.broken(&page, "index key"))?;
                self.index.push((user_key.to_vec(), handle));
            }
            self.index_blocks.push(page);
        }
        self.load_filter_parts(values)
    }

    /// A filter in parts has an index of its own, of the same form.
    fn load_filter_parts(&mut self, values: Values) -> Result<()> {
        let parts = self.meta.iter().find(|(name, _)| name.starts_with("partitionedfilter."));
        if let Some((_, handle)) = parts {
            let handle = *handle;
            let block = self.read_entries(&handle, values)?;
            self.filter_blocks = self.handles(&block, &handle)?;
            let mut end = 0;
            self.filter_blocks.iter().try_for_each(|part| self.follow(part, &mut end))?;
        }
        Ok(())
    }

    fn handles(&self, block: &Block, at: &BlockHandle) -> Result<Vec<BlockHandle>> {
        let handle = |i| block.handle(i).ok_or_else(|| self.broken(at, "block handle"));
        (0..block.count()).map(handle).collect()
    }

    fn load_range_tombstones(&mut self) -> Result<()> {
        let Some(handle) = self.meta_block("rocksdb.range_del") else { return Ok(()) };
        let block = self.read_entries(&handle, Values::Plain)?;
        for i in 0..block.count() {
            let (start, sequence, kind) =
                split(block.key(i)).ok_or_else(|| self.broken(&handle, "range deletion"))?;
            if kind != ForeignKind::RangeTombstone {
                return Err(self.broken(&handle, "kind of a range deletion"));
            }
            let sequence = self.global_sequence.unwrap_or(sequence);
            let (start, end) = (start.to_vec(), block.value(i).to_vec());
            self.range_tombstones.push(RangeTombstone { start, end, sequence });
        }
        self.fragments = Fragments::new(&self.range_tombstones, self.comparator);
        Ok(())
    }

    /// Whether a range deletion hides `key` as of `sequence`.
    ///
    /// # Errors
    /// `Unsupported` in raw order, which does not know what lies in a range.
    pub(crate) fn is_range_deleted(&self, key: &[u8], sequence: u64) -> Result<bool> {
        let comparator = self.comparator;
        if self.range_tombstones.is_empty() {
            return Ok(false);
        }
        if comparator == Comparator::Raw {
            let at = self.meta_block("rocksdb.range_del").map_or(0, |handle| handle.offset);
            let detail = "raw order does not know what they delete; versions can be listed";
            return Err(Error::unsupported(&self.name, at, "range deletions", detail));
        }
        Ok(self.fragments.newest(key, comparator).is_some_and(|newest| newest > sequence))
    }
}
