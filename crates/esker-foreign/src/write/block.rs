//! Blocks as LevelDB writes them (LevelDB `doc/table_format.md`, `table/block_builder.cc`).
//!
//! ```text
//! entry     shared length, unshared length, value length, each a varint; rest of the key; value
//! ...
//! restarts  offsets of the entries that share nothing, u32 le each
//! count     of the restarts, u32 le
//! ```
//! What is stored is the block, or its compressed form, then a byte that tells which, then the
//! masked CRC-32C of both.

use super::table::LevelDbCompression;
use crate::checksum::crc32c_masked;
use crate::coding::put_varint;
use crate::footer::BlockHandle;
use esker::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Entries from one restart to the next in blocks of data.
pub(super) const RESTART_INTERVAL: usize = 16;

/// Numbers of the codecs.
const RAW: u8 = 0;
const SNAPPY: u8 = 1;

/// Gathers the entries of one block.
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    interval: usize,
    /// Entries since the last restart.
    since_restart: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// A block with a restart at every entry whose number `interval` divides.
    pub(super) fn new(interval: usize) -> BlockBuilder {
        BlockBuilder {
            bytes: Vec::new(),
            restarts: vec![0],
            interval,
            since_restart: 0,
            last_key: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of the block if it ended now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    /// The key added last; empty if there is none.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Appends `key`, which comes after those before it, with `value`.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut shared = 0;
        if self.since_restart == self.interval {
            self.restarts.push(self.bytes.len() as u32);
            self.since_restart = 0;
        } else {
            shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        }
        put_varint(&mut self.bytes, shared as u64);
        put_varint(&mut self.bytes, (key.len() - shared) as u64);
        put_varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(&key[shared..]);
        self.bytes.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.since_restart += 1;
    }

    /// Ends the block, which can be begun anew once [`BlockBuilder::clear`] is called.
    pub(super) fn finish(&mut self) -> &[u8] {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        &self.bytes
    }

    /// Begins the next block.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.restarts.truncate(1);
        self.since_restart = 0;
        self.last_key.clear();
    }
}

/// A file under way: where it ends, and what it is called in errors.
pub(super) struct BlockFile<'a, W> {
    pub(super) out: &'a mut W,
    pub(super) offset: &'a mut u64,
    pub(super) name: &'a Path,
}

impl<W: Write> BlockFile<'_, W> {
    /// Writes `raw`, compressed if that saves an eighth of it, with its trailer.
    pub(super) fn store(&mut self, raw: &[u8], codec: LevelDbCompression) -> Result<BlockHandle> {
        let mut stored = Vec::new();
        let mut kind = RAW;
        if codec == LevelDbCompression::Snappy {
            let packed = snap::raw::Encoder::new().compress_vec(raw);
            let refused = |e| Error::invalid_input("block to compress", e);
            let packed = packed.map_err(refused)?;
            if packed.len() < raw.len() - raw.len() / 8 {
                (stored, kind) = (packed, SNAPPY);
            }
        }
        if kind == RAW {
            stored.extend_from_slice(raw);
        }
        let handle = BlockHandle { offset: *self.offset, size: stored.len() as u64 };
        stored.push(kind);
        let checksum = crc32c_masked(&stored);
        stored.extend_from_slice(&checksum.to_le_bytes());
        self.write(&stored)?;
        Ok(handle)
    }

    /// Writes `bytes` as they are.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::io("write", self.name, e))?;
        *self.offset += bytes.len() as u64;
        Ok(())
    }
}
