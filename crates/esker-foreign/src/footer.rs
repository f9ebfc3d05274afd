//! The last bytes of a table: which engine made it, and where its index is.

use crate::checksum::{ChecksumKind, context_modifier};
use crate::coding::{Reader, u32_at, u64_at};
use esker::{Error, Result};
use std::path::Path;

/// The engine that made a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// LevelDB and its forks.
    LevelDb,
    /// RocksDB, block-based. Its format version 0 ends as LevelDB's tables do: [`detect`] cannot
    /// tell them apart, an open table does, by the names of its properties.
    RocksDb,
}

pub(crate) const LEVELDB_MAGIC: u64 = 0xdb47_7524_8b80_fb57;
const ROCKSDB_MAGIC: u64 = 0x88e2_41b7_85f4_cff7;
/// RocksDB's plain and cuckoo tables, each in an old and a new form.
const OTHER_MAGICS: [u64; 3] =
    [0x4f34_18eb_7a8f_13b8, 0x8242_2296_63bf_9564, 0x9267_89d0_c5f1_7873];

/// Bytes of LevelDB's footer, and of RocksDB's.
pub(crate) const LEVELDB_FOOTER_LEN: usize = 48;
const ROCKSDB_FOOTER_LEN: usize = 53;
/// Bytes after each block: codec and checksum.
pub(crate) const TRAILER_LEN: u64 = 5;
/// Newest format version that is read.
const VERSION_MAX: u32 = 6;
/// What stands where format version 5 had its handles.
const EXTENDED_MAGIC: u32 = 0x007a_003e;

/// The engine whose table ends with `end`; at least the last eight bytes of the file.
///
/// # Examples
/// ```
/// assert_eq!(esker_foreign::detect(b"no table at all"), None);
/// ```
pub fn detect(end: &[u8]) -> Option<Engine> {
    match u64_at(end, end.len().checked_sub(8)?)? {
        LEVELDB_MAGIC => Some(Engine::LevelDb),
        ROCKSDB_MAGIC => Some(Engine::RocksDb),
        _ => None,
    }
}

/// Where a block stands: without the five bytes after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHandle {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl BlockHandle {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<BlockHandle> {
        Some(BlockHandle { offset: reader.varint()?, size: reader.varint()? })
    }

    /// Offset of the first byte after the block and its trailer.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.size)?.checked_add(TRAILER_LEN)
    }
}

impl Default for Footer {
    /// That of a table without blocks.
    fn default() -> Footer {
        Footer {
            engine: Engine::LevelDb,
            version: 0,
            checksum: ChecksumKind::Crc32c,
            context: 0,
            metaindex: BlockHandle::default(),
            index: None,
            offset: 0,
        }
    }
}

/// What the footer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footer {
    pub(crate) engine: Engine,
    pub(crate) version: u32,
    pub(crate) checksum: ChecksumKind,
    /// Mixed into checksums for their place; zero before format version 6.
    pub(crate) context: u32,
    pub(crate) metaindex: BlockHandle,
    /// The index; from format version 6 on it is in the metaindex.
    pub(crate) index: Option<BlockHandle>,
    /// Where the footer begins: blocks end before.
    pub(crate) offset: u64,
}

/// Bytes that hold any footer.
pub(crate) const FOOTER_LEN_MAX: usize = ROCKSDB_FOOTER_LEN;

/// Reads the footer from `end`, the last bytes of the file at `path` with `len` bytes.
pub(crate) fn parse(end: &[u8], path: &Path, len: u64) -> Result<Footer> {
    let magic_at = len.saturating_sub(8);
    let magic = end.len().checked_sub(8).and_then(|at| u64_at(end, at)).unwrap_or(0);
    if OTHER_MAGICS.contains(&magic) {
        let detail = "a plain or cuckoo table of RocksDB; block-based ones are read";
        return Err(Error::unsupported(path, magic_at, "table format", detail));
    }
    let expected = format_args!("{LEVELDB_MAGIC:#x} or {ROCKSDB_MAGIC:#x}");
    let Some(engine) = detect(end) else {
        let found = format_args!("{magic:#x}");
        return Err(Error::corruption(path, magic_at, "table magic", expected, found));
    };
    let footer_len = match engine {
        Engine::LevelDb => LEVELDB_FOOTER_LEN,
        Engine::RocksDb => ROCKSDB_FOOTER_LEN,
    };
    let Some(start) = end.len().checked_sub(footer_len) else {
        return Err(Error::corruption(path, len, "file length", footer_len, len));
    };
    let (footer, offset) = (&end[start..], len - footer_len as u64);
    let broken = || Error::corruption(path, offset, "footer", "two block handles", "none");
    match engine {
        Engine::LevelDb => leveldb(footer, offset).ok_or_else(broken),
        Engine::RocksDb => rocksdb(footer, offset, path)?.ok_or_else(broken),
    }
}

fn leveldb(footer: &[u8], offset: u64) -> Option<Footer> {
    let mut reader = Reader(footer.get(..40)?);
    Some(Footer {
        engine: Engine::LevelDb,
        version: 0,
        checksum: ChecksumKind::Crc32c,
        context: 0,
        metaindex: BlockHandle::read(&mut reader)?,
        index: Some(BlockHandle::read(&mut reader)?),
        offset,
    })
}

fn rocksdb(footer: &[u8], offset: u64, path: &Path) -> Result<Option<Footer>> {
    let version = u32_at(footer, 41).unwrap_or(0);
    if version > VERSION_MAX {
        let detail = format_args!("format version {version}; up to {VERSION_MAX} are read");
        return Err(Error::unsupported(path, offset + 41, "table format", detail));
    }
    let byte = footer.first().copied().unwrap_or(0);
    let Some(checksum) = ChecksumKind::from_byte(byte) else {
        return Err(Error::unsupported(path, offset, "checksum type", byte));
    };
    if version >= 6 {
        return extended(footer, offset, checksum, version, path).map(Some);
    }
    let mut reader = Reader(footer.get(1..41).unwrap_or_default());
    let handles = BlockHandle::read(&mut reader).zip(BlockHandle::read(&mut reader));
    Ok(handles.map(|(metaindex, index)| Footer {
        engine: Engine::RocksDb,
        version,
        checksum,
        context: 0,
        metaindex,
        index: Some(index),
        offset,
    }))
}

/// The footer of format version 6, which has a checksum of its own.
fn extended(
    footer: &[u8],
    offset: u64,
    checksum: ChecksumKind,
    version: u32,
    path: &Path,
) -> Result<Footer> {
    let field = |at| u32_at(footer, at).unwrap_or(0);
    if field(1) != EXTENDED_MAGIC {
        let (expected, found) = (format_args!("{EXTENDED_MAGIC:#x}"), format!("{:#x}", field(1)));
        return Err(Error::corruption(path, offset + 1, "footer magic", expected, found));
    }
    let (stored, context, metaindex_size) = (field(5), field(9), u64::from(field(13)));
    let mut covered = footer.to_vec();
    covered[5..9].fill(0);
    if let Some(computed) = checksum.of(&covered) {
        let computed = computed.wrapping_add(context_modifier(context, offset));
        if computed != stored {
            let (expected, found) = (format!("{stored:#010x}"), format!("{computed:#010x}"));
            return Err(Error::corruption(path, offset + 5, "footer checksum", expected, found));
        }
    }
    let Some(at) = offset.checked_sub(metaindex_size + TRAILER_LEN) else {
        return Err(Error::corruption(path, offset + 13, "metaindex size", offset, metaindex_size));
    };
    let metaindex = BlockHandle { offset: at, size: metaindex_size };
    let engine = Engine::RocksDb;
    Ok(Footer { engine, version, checksum, context, metaindex, index: None, offset })
}
