//! Record files: rows of checksummed records that are only appended to, and may end in the middle
//! of one.
//!
//! Each record's checksum binds its offset and the number of its file, so neither a record left
//! over from the file's earlier life nor one moved to another place is taken for a record.

mod format;
#[cfg(test)]
mod tests;

pub use format::{FILE_HEADER_LEN, LOG_MAGIC, MANIFEST_MAGIC};

use crate::base::checksum::{checksum_at, checksum_in, checksum_of_tail};
use crate::base::coding::{u32_at, u64_at};
use crate::base::error::{Error, Result};
use crate::base::prefix_sums::PrefixSums;
use format::*;
use std::cmp::Ordering;
use std::path::Path;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Number of the file.
    pub number: u64,
    /// Of a log: the last sequence number in the log before it.
    pub previous: u64,
}

impl FileHeader {
    /// The first bytes of a file of the kind that `magic` names.
    pub fn encode(&self, magic: [u8; 8]) -> [u8; FILE_HEADER_LEN] {
        self.encode_as(FORMAT_VERSION, magic)
    }

    /// As [`FileHeader::encode`], of any format version: tests play builds of other ones.
    pub fn encode_as(&self, version: u32, magic: [u8; 8]) -> [u8; FILE_HEADER_LEN] {
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[..VERSION_AT].copy_from_slice(&magic);
        bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&version.to_le_bytes());
        bytes[NUMBER_AT..PREVIOUS_AT].copy_from_slice(&self.number.to_le_bytes());
        bytes[PREVIOUS_AT..HEADER_SUM_AT].copy_from_slice(&self.previous.to_le_bytes());
        let sum = checksum_at(&bytes[..HEADER_SUM_AT], 0);
        bytes[HEADER_SUM_AT..HEADER_SUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of the file `bytes` at `path`.
    ///
    /// # Errors
    /// `Corruption` if it is not whole and sound, `Unsupported` if another version wrote it.
    pub fn decode(bytes: &[u8], magic: [u8; 8], path: &Path) -> Result<FileHeader> {
        let header: &[u8; FILE_HEADER_LEN] = bytes.first_chunk().ok_or_else(|| {
            let expected = format_args!("{FILE_HEADER_LEN} bytes");
            Error::corruption(path, bytes.len() as u64, "file header", expected, bytes.len())
        })?;
        if header[..VERSION_AT] != magic {
            let (expected, found) = (magic.escape_ascii(), header[..VERSION_AT].escape_ascii());
            return Err(Error::corruption(path, 0, "magic", expected, found));
        }
        let number = |at| u64_at(header, at).unwrap_or_default();
        let small = |at| u32_at(header, at).unwrap_or_default();
        let computed = checksum_at(&header[..HEADER_SUM_AT], 0);
        if computed != small(HEADER_SUM_AT) {
            let (expected, found) = (small(HEADER_SUM_AT), computed);
            let what = "header checksum";
            return Err(Error::corruption(path, HEADER_SUM_AT as u64, what, expected, found));
        }
        check_version(small(VERSION_AT), path)?;
        Ok(FileHeader { number: number(NUMBER_AT), previous: number(PREVIOUS_AT) })
    }
}

fn check_version(version: u32, path: &Path) -> Result<()> {
    let advice = match version.cmp(&FORMAT_VERSION) {
        Ordering::Equal => return Ok(()),
        Ordering::Less => "export it with the esker that wrote it, then import it with this one",
        Ordering::Greater => "use a newer esker",
    };
    let detail = format!("version {version}; this build reads {FORMAT_VERSION}: {advice}");
    Err(Error::unsupported(path, VERSION_AT as u64, "file format", detail))
}

/// Appends a record to `out` for the file `number`, where it will stand at `offset`; `payload`
/// appends the payload.
pub fn append_record(
    out: &mut Vec<u8>,
    number: u64,
    offset: u64,
    payload: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER_LEN]);
    payload(out);
    let len = (out.len() - start - RECORD_HEADER_LEN) as u32;
    out[start + LEN_AT..start + STAMP_AT].copy_from_slice(&len.to_le_bytes());
    out[start + STAMP_AT..start + RECORD_HEADER_LEN].copy_from_slice(&stamp_of(number));
    let sum = checksum_of_tail(out, start + LEN_AT, offset, number);
    out[start..start + LEN_AT].copy_from_slice(&sum.to_le_bytes());
}

/// The stamp of the records of the file `number`.
fn stamp_of(number: u64) -> [u8; RECORD_HEADER_LEN - STAMP_AT] {
    (number as u32).wrapping_mul(STAMP_FACTOR).to_le_bytes()
}

/// What stands after the last record: no record begins like this, so that what a file held in an
/// earlier life is not taken for a torn record.
pub const END: [u8; RECORD_HEADER_LEN] = [0; RECORD_HEADER_LEN];

/// Walks the records of a file.
#[derive(Debug)]
pub struct RecordReader<'a> {
    bytes: &'a [u8],
    number: u64,
    at: usize,
    /// Behind damage, where bytes of values may look like the headers of many long records, the
    /// sums are made of these: the time for one does not grow with its record.
    sums: Option<PrefixSums<'a>>,
}

impl<'a> RecordReader<'a> {
    /// The records of the file `number`, whose whole content is `bytes`.
    pub fn new(bytes: &'a [u8], number: u64) -> RecordReader<'a> {
        RecordReader { bytes, number, at: FILE_HEADER_LEN, sums: None }
    }

    /// The payload of the record at the current place, with its offset; `None`, and no move, if
    /// there is no sound record there.
    pub fn next(&mut self) -> Option<(u64, &'a [u8])> {
        let at = self.at;
        let record = self.record_at(at)?;
        if !self.is_sound(at, record) {
            return None;
        }
        self.at += record.len();
        Some((at as u64, &record[RECORD_HEADER_LEN..]))
    }

    /// What is the record at `at` by its header; `None` if none can begin there.
    fn record_at(&self, at: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(at..)?;
        let header: &[u8; RECORD_HEADER_LEN] = rest.first_chunk()?;
        let len = u32_at(header, LEN_AT)? as usize;
        if len == 0 || header[STAMP_AT..] != stamp_of(self.number) {
            return None;
        }
        rest.get(..RECORD_HEADER_LEN.checked_add(len)?)
    }

    /// Whether the `record` at `at` has the checksum that it says.
    fn is_sound(&self, at: usize, record: &[u8]) -> bool {
        let (offset, number) = (at as u64, self.number);
        let sum = match &self.sums {
            Some(sums) => sums.checksum_in(at + LEN_AT..at + record.len(), offset, number),
            None => checksum_in(&record[LEN_AT..], offset, number),
        };
        u32_at(record, 0) == Some(sum)
    }

    /// Where the next record would stand.
    pub fn offset(&self) -> u64 {
        self.at as u64
    }

    /// Whether the row of records ends here: at the end of the file, or at [`END`].
    pub fn is_at_end(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter().take(END.len()).all(|&byte| byte == 0)
    }

    /// Goes on to the next sound record past one that is not; false if there is none.
    pub fn resync(&mut self) -> bool {
        let stamp = stamp_of(self.number);
        let mut at = self.at + 1;
        // By its first byte: a search for all four makes the browser's program 2 KiB larger.
        while let Some(rest) = self.bytes.get(at + STAMP_AT..)
            && let Some(distance) = memchr::memchr(stamp[0], rest)
        {
            at += distance;
            if let Some(record) = self.record_at(at) {
                self.sums.get_or_insert_with(|| PrefixSums::new(self.bytes));
                if self.is_sound(at, record) {
                    self.at = at;
                    return true;
                }
            }
            at += 1;
        }
        false
    }
}
