//! The engines, all behind one pair of traits.
//!
//! What is equal: the log is on and written, not synced, at each put (survives the end of the
//! process, not a power cut); 512 MiB of cache; 64 MiB of write buffer; filters of 10 bits a key where there
//! are filters; two background threads; the codec named on the command line. Everything else is as
//! the engine comes. Where one can not, or does less, its module and [`Kind::note`] say so.

mod esker;
#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "leveldb")]
mod leveldb;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sled")]
mod sled;
#[cfg(feature = "surrealkv")]
mod surrealkv;

use crate::data::{Key, Sum};
use std::path::PathBuf;

/// Whatever went wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result with any error.
pub type Result<T> = std::result::Result<T, Error>;

/// The error of an engine that has no such operation.
#[derive(Debug)]
pub struct NotOffered;

impl std::fmt::Display for NotOffered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not offered by this engine")
    }
}

impl std::error::Error for NotOffered {}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// LZ4, or Snappy where there is no LZ4.
    Lz4,
}

impl Codec {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Lz4 => "lz4",
        }
    }
}

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where; the directory exists.
    pub directory: PathBuf,
    /// How blocks are compressed.
    pub codec: Codec,
    /// Bytes of cache.
    pub cache_bytes: usize,
    /// Bytes at which the write buffer is flushed.
    pub write_buffer_bytes: usize,
    /// Whether every write shall survive a power cut.
    pub is_durable: bool,
    /// Bytes of keys and values that will be put, about.
    #[allow(dead_code, reason = "not every set of features has an engine that asks")]
    pub data_bytes: u64,
}

/// Background threads of engines that have such a setting.
#[allow(dead_code, reason = "not every set of features has an engine that asks")]
pub const BACKGROUND_THREADS: usize = 2;

/// Bytes of keys and values in each table that is made outside of an engine and taken in.
#[allow(dead_code, reason = "not every set of features has an engine that asks")]
pub const BULK_TABLE_BYTES: u64 = 64 << 20;

/// An open database. Dropping it closes it.
pub trait Engine: Sync {
    /// Sets `key` to `value`, durable as the setup says.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Deletes `key`.
    fn delete(&self, key: &[u8]) -> Result<()>;

    /// Puts all of `entries` at once.
    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()>;

    /// A reader for one thread, which sees each write before each of its calls.
    fn reader(&self) -> Result<Box<dyn Reader + '_>>;

    /// Fills the empty database from entries in order, the fastest way there is.
    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()>;

    /// Waits until background work is done.
    fn settle(&self) -> Result<()>;

    /// Compacts everything.
    fn compact(&self) -> Result<()>;
}

/// Reads of one thread.
pub trait Reader {
    /// Reads the value of `key`, if there is one, into `sum`.
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool>;

    /// Reads the values of `keys` as of one moment; returns how many there are.
    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64>;

    /// Reads entries in order with a new iterator.
    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()>;
}

/// Where a scan begins, and which way it goes.
#[derive(Clone, Copy)]
pub enum Start<'k> {
    /// At the first key, forward.
    First,
    /// At the first key that is not less, forward.
    At(&'k [u8]),
    /// At the last key, backward.
    Last,
}

/// What a scan gives its entries to.
pub struct Visit<'p> {
    /// Bytes of keys and values read.
    pub sum: Sum,
    /// Entries read.
    pub entries: u64,
    limit: u64,
    prefix: &'p [u8],
}

impl<'p> Visit<'p> {
    /// For `limit` entries that begin with `prefix`.
    pub fn new(limit: u64, prefix: &'p [u8]) -> Visit<'p> {
        Visit { sum: Sum::default(), entries: 0, limit, prefix }
    }

    /// Reads an entry; returns whether another is wanted.
    #[inline]
    pub fn entry(&mut self, key: &[u8], value: &[u8]) -> bool {
        if !self.prefix.is_empty() && !key.starts_with(self.prefix) {
            return false;
        }
        self.sum.add(key);
        self.sum.add(value);
        self.entries += 1;
        self.entries < self.limit
    }
}

/// An engine that can be measured.
pub struct Kind {
    /// Name on the command line.
    pub name: &'static str,
    /// Version, and what is not equal.
    pub note: &'static str,
    /// Whether it compresses; without, it runs only in the variant `none`.
    pub compresses: bool,
    /// Opens a database, or makes one.
    pub open: fn(&Setup) -> Result<Box<dyn Engine>>,
}

/// All engines of this build; ours first.
pub const KINDS: &[Kind] = &[
    esker::KIND,
    #[cfg(feature = "lmdb")]
    lmdb::KIND,
    #[cfg(feature = "fjall")]
    fjall::KIND,
    #[cfg(feature = "rocksdb")]
    rocksdb::KIND,
    #[cfg(feature = "leveldb")]
    leveldb::KIND,
    #[cfg(feature = "redb")]
    redb::KIND,
    #[cfg(feature = "sled")]
    sled::KIND,
    #[cfg(feature = "surrealkv")]
    surrealkv::KIND,
];

/// The engine called `name`.
pub fn kind(name: &str) -> Result<&'static Kind> {
    let known = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| format!("no engine {name} in this build; there are {}", known()).into())
}
