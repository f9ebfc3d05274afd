//! Settings of the writer and of the reader.

use crate::base::error::{Error, Result};
use crate::frame::Compression;

/// How a table is written.
///
/// # Examples
/// ```
/// use esker::{Compression, WriteSettings};
/// let mut settings = WriteSettings::default();
/// settings.compression = Compression::None;
/// assert_eq!(settings.block_size_bytes, 8 << 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteSettings {
    /// Bytes of keys and values at which a block is closed. An entry is never split: one larger
    /// than this has a block to itself, and all versions of one key share a block.
    ///
    /// Larger: smaller index, better compression; more to read and decompress for one look-up.
    /// Default 8 KiB. Range 256 bytes to 16 MiB.
    pub block_size_bytes: usize,
    /// How blocks are compressed. Default LZ4.
    pub compression: Compression,
    /// Filter bits for each key: 10 lets 1.3 % of absent keys through to the index, 14 lets
    /// 0.4 %. Zero writes no filter. Default 10. Range 0 to 64.
    pub filter_bits_per_key: u32,
    /// What the table says of its origin, any text of up to 64 KiB. Default empty.
    pub description: String,
    /// Time of creation to write down, in seconds since 1970; none by default, so that equal
    /// input gives equal bytes.
    pub created_unix_seconds: Option<u64>,
}

impl Default for WriteSettings {
    fn default() -> WriteSettings {
        WriteSettings {
            block_size_bytes: 8 << 10,
            compression: Compression::default(),
            filter_bits_per_key: 10,
            description: String::new(),
            created_unix_seconds: None,
        }
    }
}

impl WriteSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) naming the setting.
    pub fn validate(&self) -> Result<()> {
        let range = |what, found: usize, range: std::ops::RangeInclusive<usize>| {
            if range.contains(&found) {
                return Ok(());
            }
            let (low, high) = (range.start(), range.end());
            Err(Error::invalid_input(what, format_args!("{found}, not in {low} to {high}")))
        };
        range("block_size_bytes", self.block_size_bytes, 256..=16 << 20)?;
        range("filter_bits_per_key", self.filter_bits_per_key as usize, 0..=64)?;
        range("length of description", self.description.len(), 0..=64 << 10)
    }
}

/// How a table is read.
///
/// # Examples
/// ```
/// let mut settings = esker::ReadSettings::default();
/// settings.mapped = true;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadSettings {
    /// Whether to map the file into memory instead of reading it at positions.
    ///
    /// A map is faster: uncompressed blocks are read in place, and each block is checked against
    /// its checksum only the first time. If another process cuts the file short, the pages that
    /// are lost read as zeros, and every operation from then on reports the loss (Unix; a value
    /// borrowed before it is not protected). Default false.
    pub mapped: bool,
    /// Most bytes of memory for index and filters. An index that needs more is read from the file
    /// block by block, and filters that do not fit beside it are left unused (mapped filters take
    /// no memory). Default 64 MiB. Any value.
    pub resident_bytes_max: usize,
}

impl Default for ReadSettings {
    fn default() -> ReadSettings {
        ReadSettings { mapped: false, resident_bytes_max: 64 << 20 }
    }
}
