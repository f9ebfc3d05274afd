//! Logs: records in blocks of 32 KiB, of LevelDB's form and of RocksDB's for files used again
//! (LevelDB `doc/log_format.md`; RocksDB wiki, *Write Ahead Log File Format*).
//!
//! ```text
//! offset  size  field of a fragment
//!      0     4  masked CRC-32C of all that follows the length, u32 le
//!      4     2  length of the payload, u16 le
//!      6     1  type: 1 full, 2 first, 3 middle, 4 last; 5 to 8 the same with a log number
//!      7     4  low bits of the log's number, u32 le; types 5 to 8 only
//! ```
//! A writer that dies leaves a fragment that the end of the file cuts: that is the end of the log.
//! A flipped bit in a length looks the same, so a cut is believed only if no sound record stands
//! behind it in its block.

use crate::checksum::crc32c_masked;
use crate::coding::{u32_at, u64_at};
use esker::vfs::ReadAt;
use esker::{Error, Result};
use std::path::Path;

pub(crate) const BLOCK_LEN: usize = 32 << 10;
pub(crate) const HEADER_LEN: usize = 7;
/// Header of a fragment with a log number.
const NUMBERED_HEADER_LEN: usize = 11;
/// Most bytes of one record.
const RECORD_LEN_MAX: usize = 1 << 30;
/// How far ahead of the last batch the sequence number of the next may be, to be taken for it.
const SEQUENCE_GAP_MAX: u64 = 1 << 24;
/// Most bytes of a block under checksums that are tried in search of a sound record: a hostile log
/// could ask for one at every byte.
const SEARCHED_BYTES_MAX: usize = 16 << 20;
/// Types with this bit may be passed over by readers that do not know them.
const IGNORABLE: u8 = 1 << 5;
const COMPRESSION_TYPE: u8 = 9;
const TIMESTAMP_SIZES: [u8; 2] = [10, 11];

/// Reads the records of one log, first to last.
pub(crate) struct LogReader<'a> {
    source: &'a dyn ReadAt,
    path: &'a Path,
    len: u64,
    /// What fragments with a number must name.
    number: u32,
    block: Vec<u8>,
    block_at: u64,
    /// Where in the block the next fragment begins.
    at: usize,
    /// Whether the file was another log before.
    is_reused: bool,
    record: Vec<u8>,
    /// Offset of the first fragment of the record under way.
    first: Option<u64>,
    /// Sequence number of the last batch, for logs of batches.
    pub(crate) last_sequence: Option<u64>,
    end: Option<LogEnd>,
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// At the end of the file, or with zeros to the end.
    Clean,
    /// With what another log left in the file, from this offset on.
    Reused(u64),
    /// With a record that is cut; its offset. Nothing sound stands behind it.
    Torn(u64),
    /// At this offset, in a file that was another log before: with what that left, or with a
    /// record that is damaged.
    Unclear(u64),
}

/// A fragment's place in the block, and what it says.
struct Fragment {
    kind: u8,
    payload: std::ops::Range<usize>,
}

/// Why there is no fragment where one should be.
enum Fault {
    /// It goes past the end of the file.
    Cut { length: usize },
    /// Its bytes are not those that were written.
    Checksum { stored: u32, computed: u32 },
    /// It says that it belongs to another log.
    Foreign,
    /// It goes past the end of its block, which the file goes on after.
    Length { length: usize },
    /// All of its header is zero.
    Zeros,
}

impl<'a> LogReader<'a> {
    /// A reader of the log `number` in `source`, called `path` in errors.
    pub(crate) fn new(
        source: &'a dyn ReadAt,
        path: &'a Path,
        number: u64,
    ) -> Result<LogReader<'a>> {
        let len = source.len().map_err(|e| Error::io("examine", path, e))?;
        Ok(LogReader {
            source,
            path,
            len,
            number: number as u32,
            block: Vec::new(),
            block_at: 0,
            at: 0,
            is_reused: false,
            record: Vec::new(),
            first: None,
            last_sequence: None,
            end: None,
        })
    }

    /// How the log ended, once [`LogReader::next`] gave `None`.
    pub(crate) fn end(&self) -> LogEnd {
        self.end.unwrap_or(LogEnd::Clean)
    }

    /// Whether fragments have the form for files that are used again.
    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused || matches!(self.end, Some(LogEnd::Reused(_) | LogEnd::Unclear(_)))
    }

    /// Bytes of the file, as they were when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The next record with its offset.
    ///
    /// # Errors
    /// `Corruption` for damage that no dying writer leaves, `Unsupported` for compressed logs.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        self.record.clear();
        while self.end.is_none() {
            let offset = self.block_at + self.at as u64;
            if self.is_block_done() {
                self.next_block(offset)?;
                continue;
            }
            let fragment = match self.fragment(self.at) {
                Ok(fragment) => fragment,
                Err(fault) => {
                    self.stop(fault, offset)?;
                    continue;
                }
            };
            let Some(is_last) = self.place(&fragment, offset)? else {
                self.at = fragment.payload.end;
                continue;
            };
            self.at = fragment.payload.end;
            let payload = self.block.get(fragment.payload).unwrap_or_default();
            if self.record.len() + payload.len() > RECORD_LEN_MAX {
                let expected = format_args!("at most {RECORD_LEN_MAX} bytes");
                return Err(Error::corruption(self.path, offset, "log record", expected, "more"));
            }
            self.record.extend_from_slice(payload);
            if is_last {
                let first = self.first.take().unwrap_or(offset);
                return Ok(Some((first, &self.record)));
            }
        }
        Ok(None)
    }

    /// After an error: goes on to where a sound record begins, at the fault or behind it; to the
    /// end of the file if none does. Returns the bytes passed over: from, to.
    ///
    /// # Errors
    /// `Io` if the file cannot be read.
    pub(crate) fn resume(&mut self) -> Result<(u64, u64)> {
        let fault = self.block_at + self.at as u64;
        let from = self.first.take().unwrap_or(fault);
        loop {
            if let Some(at) = self.sound_start() {
                self.at = at;
                break;
            }
            self.at = self.block.len();
            let start = self.block_at + self.block.len() as u64;
            if start >= self.len {
                break;
            }
            self.load(start)?;
        }
        Ok((from, self.block_at + self.at as u64))
    }

    /// Where in this block, from the place under way on, a sound record begins.
    fn sound_start(&self) -> Option<usize> {
        let mut at = self.at;
        let mut covered_bytes = 0;
        while covered_bytes < SEARCHED_BYTES_MAX {
            let header = self.block.get(at..at + HEADER_LEN)?;
            let [_, _, _, _, low, high, kind] = *header else { return None };
            if !(1..=8).contains(&kind) {
                at += 1;
                continue;
            }
            match self.fragment(at) {
                Ok(fragment) if matches!(fragment.kind, 1 | 2 | 5 | 6) => return Some(at),
                Ok(fragment) => at = fragment.payload.end,
                Err(_) => {
                    covered_bytes += usize::from(u16::from_le_bytes([low, high]));
                    at += 1;
                }
            }
        }
        None
    }

    /// Whether what is left of the block is too short for a header.
    fn is_block_done(&self) -> bool {
        let rest = self.block.get(self.at..).unwrap_or_default();
        let is_short = self.is_reused && rest.len() < NUMBERED_HEADER_LEN;
        rest.len() < HEADER_LEN
            || is_short && self.block.len() == BLOCK_LEN && rest.iter().all(|&byte| byte == 0)
    }

    /// Checks the fragment at `offset` against those before it; says whether it ends its record,
    /// or `None` if it is of a type to pass over.
    fn place(&mut self, fragment: &Fragment, offset: u64) -> Result<Option<bool>> {
        let kind = fragment.kind;
        let is_numbered = (5..=8).contains(&kind);
        if is_numbered {
            self.is_reused = true;
        }
        let plain = if is_numbered { kind - 4 } else { kind };
        match (plain, self.first) {
            (1, None) => Ok(Some(true)),
            (2, None) => {
                self.first = Some(offset);
                Ok(Some(false))
            }
            (3 | 4, Some(_)) => Ok(Some(plain == 4)),
            (1..=4, before) => {
                let expected =
                    if before.is_some() { "the rest of a record" } else { "the start of a record" };
                let found = format_args!("a fragment of type {kind}");
                Err(Error::corruption(self.path, offset, "log record", expected, found))
            }
            (COMPRESSION_TYPE, _) if self.block.get(fragment.payload.clone()) != Some(&[0]) => {
                let detail = "its records are compressed";
                Err(Error::unsupported(self.path, offset, "log", detail))
            }
            _ if TIMESTAMP_SIZES.contains(&kind) && !fragment.payload.is_empty() => {
                let detail = "its keys have timestamps of users";
                Err(Error::unsupported(self.path, offset, "log", detail))
            }
            _ if kind == COMPRESSION_TYPE
                || TIMESTAMP_SIZES.contains(&kind)
                || kind & IGNORABLE != 0 =>
            {
                Ok(None)
            }
            _ => {
                let expected = "a type from 1 to 8";
                Err(Error::corruption(self.path, offset, "log record type", expected, kind))
            }
        }
    }

    /// The fragment at `at` in the block.
    fn fragment(&self, at: usize) -> std::result::Result<Fragment, Fault> {
        let header = self.block.get(at..at + HEADER_LEN).unwrap_or_default();
        let [c0, c1, c2, c3, low, high, kind] = *header else { return Err(Fault::Zeros) };
        if header.iter().all(|&byte| byte == 0) {
            return Err(Fault::Zeros);
        }
        let length = usize::from(u16::from_le_bytes([low, high]));
        let is_numbered = matches!(kind, 5..=8 | 11 | 34);
        let header_len = if is_numbered { NUMBERED_HEADER_LEN } else { HEADER_LEN };
        let payload = at + header_len..at + header_len + length;
        let Some(covered) = self.block.get(at + HEADER_LEN - 1..payload.end) else {
            let is_cut = self.block.len() < BLOCK_LEN;
            return Err(if is_cut { Fault::Cut { length } } else { Fault::Length { length } });
        };
        let stored = u32::from_le_bytes([c0, c1, c2, c3]);
        let computed = crc32c_masked(covered);
        if stored != computed {
            return Err(Fault::Checksum { stored, computed });
        }
        if is_numbered && u32_at(covered, 1) != Some(self.number) {
            return Err(Fault::Foreign);
        }
        Ok(Fragment { kind, payload })
    }

    /// Ends the log at `offset`, or says that it is damaged there; unless a living process has
    /// written there since the block was read.
    fn stop(&mut self, fault: Fault, offset: u64) -> Result<()> {
        let (start, at) = (self.block_at, self.at);
        let stopped = self.judge(fault, offset);
        if stopped.is_err() {
            self.load(start)?;
            self.at = at;
            if self.fragment(at).is_ok() {
                return Ok(());
            }
        }
        stopped
    }

    /// Ends the log at `offset`, or says what is damaged there.
    fn judge(&mut self, fault: Fault, offset: u64) -> Result<()> {
        let kind = self.block.get(self.at + HEADER_LEN - 1).copied().unwrap_or(0);
        let is_reused = self.is_reused || (5..=8).contains(&kind);
        let path = self.path;
        let damaged = |what, expected: String, found: String| {
            Err(Error::corruption(path, offset, what, expected, found))
        };
        let follows = matches!(fault, Fault::Cut { .. } | Fault::Length { .. }) || is_reused;
        let follows = follows && (self.is_sound_behind() || is_reused && self.goes_on_behind()?);
        match fault {
            Fault::Zeros if !is_reused => {
                if let Some(at) = self.first_byte_behind(offset)? {
                    let found = format!("more at byte {at}");
                    return damaged("log record", "zeros to the end".into(), found);
                }
                self.finish(LogEnd::Clean);
            }
            Fault::Checksum { stored, computed } if !is_reused || follows => {
                let (expected, found) = (format!("{stored:#010x}"), format!("{computed:#010x}"));
                return damaged("log record checksum", expected, found);
            }
            Fault::Foreign if !follows => self.finish(LogEnd::Reused(offset)),
            Fault::Foreign => {
                let expected = format!("one of log {}", self.number);
                return damaged("log record", expected, "one of another, with more behind".into());
            }
            Fault::Length { length } if !is_reused || follows => {
                let expected = "one that its block holds".into();
                return damaged("log record length", expected, length.to_string());
            }
            Fault::Zeros if follows => {
                let expected = format!("one of log {}, as more stand behind", self.number);
                return damaged("log record", expected, "zeros".into());
            }
            Fault::Cut { length } if follows => {
                let expected = format!("one before the sound record behind byte {offset}");
                return damaged("log record length", expected, length.to_string());
            }
            Fault::Zeros | Fault::Cut { .. } | Fault::Length { .. } | Fault::Checksum { .. } => {
                let end = if is_reused { LogEnd::Unclear } else { LogEnd::Torn };
                self.finish(end(offset));
            }
        }
        Ok(())
    }

    /// Ends the log with `end`, or at the record that was begun and not ended.
    fn finish(&mut self, end: LogEnd) {
        self.end = Some(self.first.take().map_or(end, LogEnd::Torn));
    }

    /// Goes to the block after the one under way; what is left of that, up to `offset`, is too
    /// short for a header.
    fn next_block(&mut self, offset: u64) -> Result<()> {
        let start = self.block_at + self.block.len() as u64;
        let left = self.len.saturating_sub(start).min(BLOCK_LEN as u64) as usize;
        if left == 0 {
            let rest = self.block.get(self.at..).unwrap_or_default();
            let is_cut = self.block.len() < BLOCK_LEN && rest.iter().any(|&byte| byte != 0);
            self.finish(if is_cut { LogEnd::Torn(offset) } else { LogEnd::Clean });
            return Ok(());
        }
        self.load(start)
    }

    /// Loads the block at `start`, or what the file has of it.
    fn load(&mut self, start: u64) -> Result<()> {
        let left = self.len.saturating_sub(start).min(BLOCK_LEN as u64) as usize;
        self.block.resize(left, 0);
        let read = self.source.read_exact_at(&mut self.block, start);
        read.map_err(|e| Error::io("read", self.path, e))?;
        (self.block_at, self.at) = (start, 0);
        Ok(())
    }

    /// Whether a later block begins with a sound fragment of this log. Ends the reading: the
    /// block under way is given up.
    fn goes_on_behind(&mut self) -> Result<bool> {
        let mut start = self.block_at + self.block.len() as u64;
        while start < self.len {
            self.load(start)?;
            if self.fragment(0).is_ok() {
                return Ok(true);
            }
            start += self.block.len() as u64;
        }
        Ok(false)
    }

    /// Whether a sound record begins in this block behind the fragment under way: a whole one or
    /// the first part of one and, in a log of batches, one that can come next.
    fn is_sound_behind(&self) -> bool {
        (self.at + 1..self.block.len()).any(|at| {
            let kind = self.block.get(at + HEADER_LEN - 1).copied().unwrap_or(0);
            let is_start = matches!(kind, 1 | 2 | 5 | 6);
            let Some(fragment) = is_start.then(|| self.fragment(at).ok()).flatten() else {
                return false;
            };
            let payload = self.block.get(fragment.payload).unwrap_or_default();
            let Some(last) = self.last_sequence else { return !payload.is_empty() };
            let next = last + 1..=last.saturating_add(SEQUENCE_GAP_MAX);
            u64_at(payload, 0).is_some_and(|sequence| next.contains(&sequence))
        })
    }

    /// Offset of the first byte at or after `offset` that is not zero.
    fn first_byte_behind(&mut self, offset: u64) -> Result<Option<u64>> {
        let mut at = offset;
        let mut bytes = vec![0; BLOCK_LEN];
        while at < self.len {
            let len = (self.len - at).min(BLOCK_LEN as u64) as usize;
            let part = bytes.get_mut(..len).unwrap_or_default();
            let read = self.source.read_exact_at(part, at);
            read.map_err(|e| Error::io("read", self.path, e))?;
            if let Some(i) = part.iter().position(|&byte| byte != 0) {
                return Ok(Some(at + i as u64));
            }
            at += len as u64;
        }
        Ok(None)
    }
}
