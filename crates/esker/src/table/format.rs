//! Bytes at both ends of a table file. Normative text: `docs/format.md#table-file`.
//!
//! ```text
//! header, at the start                       footer, at the end
//! offset  size  field                        offset  size  field
//!      0     8  HEADER_MAGIC                      0    20  handle of the index directory
//!      8     4  format version                   20    20  handle of the filter directory
//!     12     4  CRC-32C of bytes 0..12           40    20  handle of the properties
//!               (and of offset 0)                60     4  zero
//!                                                64     8  length of the file
//!                                                72     8  digest of all frame checksums
//!                                                80     4  format version
//!                                                84     4  CRC-32C of bytes 0..84 (and offset)
//!                                                88     8  FOOTER_MAGIC
//! ```

use crate::base::checksum::checksum_at;
use crate::base::coding::{u32_at, u64_at};
use crate::base::error::{Error, Result};
use crate::index::Handle;
use std::path::Path;

/// First eight bytes of every table.
const HEADER_MAGIC: [u8; 8] = *b"eskertbl";
/// Last eight bytes of every table; last, so that a file cut short is told by its end.
const FOOTER_MAGIC: [u8; 8] = *b"endesker";
/// Version of the format that this code writes, and the newest that it reads.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 16;
/// Bytes of the footer.
pub(super) const FOOTER_LEN: usize = 96;

const HANDLE_LEN: usize = 20;
const FILE_LEN_AT: usize = 64;
const DIGEST_AT: usize = 72;
const VERSION_AT: usize = 80;
const CHECKSUM_AT: usize = 84;
const MAGIC_AT: usize = 88;
const _: () = assert!(3 * HANDLE_LEN + size_of::<u32>() == FILE_LEN_AT);
const _: () = assert!(FOOTER_LEN == MAGIC_AT + size_of_val(&FOOTER_MAGIC));

/// Data blocks of one index block: what a reader of a table too large to index in memory reads
/// to find a block.
pub(super) const INDEX_BLOCK_ENTRIES: usize = 512;

/// Keys of one filter: bounds the writer's memory, as a filter's size must be known at its start.
pub(super) const FILTER_KEYS: usize = 1 << 20;

/// Whether a file that begins with `start` is an esker table, or was one before it was damaged.
///
/// # Examples
/// ```
/// assert!(!esker::is_table(b"PK\x03\x04"));
/// ```
pub fn is_table(start: &[u8]) -> bool {
    start.starts_with(&HEADER_MAGIC)
}

/// What the footer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) index: Handle,
    pub(super) filters: Handle,
    pub(super) properties: Handle,
    pub(super) file_len: u64,
    pub(super) digest: u64,
}

/// The bytes that every table begins with.
pub(super) fn encode_header() -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&HEADER_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let checksum = checksum_at(&bytes[..12], 0);
    bytes[12..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Checks the first bytes of the file at `path`.
pub(super) fn check_header(bytes: &[u8; HEADER_LEN], path: &Path) -> Result<()> {
    check_magic(&bytes[..8], &HEADER_MAGIC, "table magic", path, 0)?;
    let stored = u32_at(bytes, 12).unwrap_or_default();
    check_sum(checksum_at(&bytes[..12], 0), stored, "header checksum", path, 12)?;
    check_version(u32_at(bytes, 8).unwrap_or_default(), path, 8)
}

impl Footer {
    /// The bytes of the footer, which will stand just before `self.file_len`.
    pub(super) fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        for (at, handle) in [(0, self.index), (20, self.filters), (40, self.properties)] {
            bytes[at..at + HANDLE_LEN].copy_from_slice(&handle.encode());
        }
        bytes[FILE_LEN_AT..DIGEST_AT].copy_from_slice(&self.file_len.to_le_bytes());
        bytes[DIGEST_AT..VERSION_AT].copy_from_slice(&self.digest.to_le_bytes());
        bytes[VERSION_AT..CHECKSUM_AT].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let checksum = checksum_at(&bytes[..CHECKSUM_AT], self.file_len - FOOTER_LEN as u64);
        bytes[CHECKSUM_AT..MAGIC_AT].copy_from_slice(&checksum.to_le_bytes());
        bytes[MAGIC_AT..].copy_from_slice(&FOOTER_MAGIC);
        bytes
    }

    /// Reads the last bytes of the file at `path`, which has `file_len` bytes.
    pub(super) fn decode(bytes: &[u8; FOOTER_LEN], path: &Path, file_len: u64) -> Result<Footer> {
        let at = file_len - FOOTER_LEN as u64;
        check_magic(&bytes[MAGIC_AT..], &FOOTER_MAGIC, "footer magic", path, at + MAGIC_AT as u64)?;
        let stored = u32_at(bytes, CHECKSUM_AT).unwrap_or_default();
        let computed = checksum_at(&bytes[..CHECKSUM_AT], at);
        check_sum(computed, stored, "footer checksum", path, at + CHECKSUM_AT as u64)?;
        let version = u32_at(bytes, VERSION_AT).unwrap_or_default();
        check_version(version, path, at + VERSION_AT as u64)?;
        let handle = |at: usize| Handle::decode(&bytes[at..at + HANDLE_LEN]).unwrap_or_default();
        let footer = Footer {
            index: handle(0),
            filters: handle(20),
            properties: handle(40),
            file_len: u64_at(bytes, FILE_LEN_AT).unwrap_or_default(),
            digest: u64_at(bytes, DIGEST_AT).unwrap_or_default(),
        };
        if footer.file_len != file_len {
            let at = at + FILE_LEN_AT as u64;
            return Err(Error::corruption(path, at, "file length", footer.file_len, file_len));
        }
        Ok(footer)
    }
}

fn check_magic(
    found: &[u8],
    expected: &[u8; 8],
    what: &'static str,
    path: &Path,
    at: u64,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (expected.escape_ascii(), found.escape_ascii());
    Err(Error::corruption(
        path,
        at,
        what,
        format_args!("\"{expected}\""),
        format_args!("\"{found}\""),
    ))
}

fn check_sum(computed: u32, stored: u32, what: &'static str, path: &Path, at: u64) -> Result<()> {
    if computed == stored {
        return Ok(());
    }
    let (expected, found) = (format!("{stored:#010x}"), format!("{computed:#010x}"));
    Err(Error::corruption(path, at, what, expected, found))
}

fn check_version(version: u32, path: &Path, at: u64) -> Result<()> {
    if (1..=FORMAT_VERSION).contains(&version) {
        return Ok(());
    }
    let detail = format!("version {version}; this build reads 1 to {FORMAT_VERSION}");
    Err(Error::unsupported(path, at, "table format", detail))
}
