//! The write-ahead log: batches in commit order, until the memtable that holds them is flushed.
//!
//! A record says up to which sequence number everything was known to be on disk when it was
//! written. That tells a tail that was never promised from damage to what was: see
//! [`crate::db`]'s recovery.

mod format;
#[cfg(test)]
mod tests;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::SEQUENCE_MAX;
use crate::record::{END, FILE_HEADER_LEN, FileHeader, LOG_MAGIC, RecordReader, append_record};
use crate::vfs::{Vfs, WriteAt};
use format::push_head;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of unwritten records at which they are written, even if nobody asks.
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// Appends batches to one log file.
pub struct LogWriter {
    file: Arc<dyn WriteAt>,
    path: PathBuf,
    number: u64,
    /// Where the next record will stand.
    offset: u64,
    /// Records that are not yet with the file; they will stand just before `offset`.
    pending: Vec<u8>,
    /// A write failed: the file may hold what was taken back since, where its end should be.
    is_end_unsure: bool,
}

impl LogWriter {
    /// Begins the log `number` at `path`, whose file may hold anything: a recycled log. `previous`
    /// is the last sequence number in the log before it.
    ///
    /// # Errors
    /// `Io` if the file cannot be opened or written.
    pub fn create(vfs: &dyn Vfs, path: PathBuf, number: u64, previous: u64) -> Result<LogWriter> {
        let file = vfs.open_log(&path)?;
        let header = FileHeader { number, previous }.encode(LOG_MAGIC);
        let start = [&header[..], &END].concat();
        file.write_all_at(&start, 0).map_err(|e| Error::io("write", &path, e))?;
        let offset = FILE_HEADER_LEN as u64;
        Ok(LogWriter { file, path, number, offset, pending: Vec::new(), is_end_unsure: false })
    }

    /// Adds a batch of `count` writes, of which the first has the sequence number `first`. It
    /// reaches the file with the next [`LogWriter::write`], or before.
    ///
    /// # Errors
    /// `Io` if the buffer was full and could not be written: the batch is not in the log.
    pub fn append(
        &mut self,
        first: u64,
        durable: u64,
        count: u32,
        writes: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        if self.pending.len() >= BUFFER_BYTES_MAX {
            self.write()?;
        }
        let before = self.pending.len();
        append_record(&mut self.pending, self.number, self.offset, |out| {
            push_head(first, durable, count, out);
            writes(out);
        });
        self.offset += (self.pending.len() - before) as u64;
        Ok(())
    }

    /// Hands all records to the file.
    ///
    /// # Errors
    /// `Io`: what of the records is in the file is not known. They stay, and the next call begins
    /// where this one did.
    pub fn write(&mut self) -> Result<()> {
        if self.pending.is_empty() && !self.is_end_unsure {
            return Ok(());
        }
        let start = self.offset - self.pending.len() as u64;
        let len = self.pending.len();
        self.pending.extend_from_slice(&END);
        let written = self.file.write_all_at(&self.pending, start);
        self.pending.truncate(len);
        self.is_end_unsure = written.is_err();
        written.map_err(|e| Error::io("write", &self.path, e))?;
        self.pending.clear();
        self.pending.shrink_to(BUFFER_BYTES_MAX);
        Ok(())
    }

    /// Takes back the records of the last [`LogWriter::append`], which began at `offset` and are
    /// not yet written, or only in part.
    pub fn take_back(&mut self, offset: u64) {
        let start = self.offset - self.pending.len() as u64;
        let keep = offset.saturating_sub(start) as usize;
        self.pending.truncate(keep);
        self.offset = start + self.pending.len() as u64;
        // Puts the end back where it was; if it fails, the next write does.
        let _ = self.write();
    }

    /// Where the next record will stand; the length of the log.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether nothing was put in it.
    pub fn is_empty(&self) -> bool {
        self.offset == FILE_HEADER_LEN as u64
    }

    /// Number of the file.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file and its path, to make it durable without the writer.
    pub fn file(&self) -> (Arc<dyn WriteAt>, &Path) {
        (self.file.clone(), &self.path)
    }
}

/// One batch of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBatch<'a> {
    /// Sequence number of the first write.
    pub first: u64,
    /// Every write up to this number was on disk when the batch was written.
    pub durable: u64,
    /// Number of writes.
    pub count: u32,
    /// The writes, encoded.
    pub writes: &'a [u8],
}

impl<'a> LogBatch<'a> {
    /// Sequence number of the last write; of a mark, of the one before it.
    pub fn last(&self) -> u64 {
        (self.first + u64::from(self.count)).saturating_sub(1)
    }
}

/// How a log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// Where the last sound record of the unbroken row ends.
    pub offset: u64,
    /// Whether a record follows that is not sound.
    pub is_torn: bool,
    /// The largest durable mark of all sound records, those behind a broken one too.
    pub durable: u64,
    /// Sound records behind a broken one.
    pub records_after: u64,
}

/// Calls `visit` with each batch of the log `number`, whose whole content is `bytes`, up to the
/// first record that is not sound.
///
/// # Errors
/// `Unsupported` if another version wrote it; `Corruption` if a sound record makes no sense; the
/// first of `visit`.
pub fn replay<'a>(
    bytes: &'a [u8],
    number: u64,
    path: &Path,
    mut visit: impl FnMut(u64, LogBatch<'a>) -> Result<()>,
) -> Result<LogEnd> {
    check_version(bytes, path)?;
    let mut reader = RecordReader::new(bytes, number);
    let mut durable = 0;
    while let Some((offset, payload)) = reader.next() {
        let batch = decode_batch(payload, path, offset)?;
        durable = durable.max(batch.durable);
        visit(offset, batch)?;
    }
    let offset = reader.offset();
    // Every write ends with the mark of the end: without it the file was cut short.
    let is_torn = !reader.is_at_end() || (bytes.len() as u64) < offset + END.len() as u64;
    let mut records_after = 0;
    while reader.resync() {
        while let Some((offset, payload)) = reader.next() {
            durable = durable.max(decode_batch(payload, path, offset)?.durable);
            records_after += 1;
        }
    }
    Ok(LogEnd { offset, is_torn, durable, records_after })
}

/// Refuses a log of another version, whose records would look like torn ones. Any other fault of
/// the header is not for here: the records say more.
fn check_version(bytes: &[u8], path: &Path) -> Result<()> {
    match FileHeader::decode(bytes, LOG_MAGIC, path) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

fn decode_batch<'a>(payload: &'a [u8], path: &Path, offset: u64) -> Result<LogBatch<'a>> {
    let batch = LogBatch::decode(payload).ok_or_else(|| {
        let found = payload[..payload.len().min(30)].escape_ascii();
        let expected = "sequence number, what is durable, and count";
        Error::corruption(path, offset, "log record", expected, format_args!("\"{found}\""))
    })?;
    let after = batch.first.checked_add(u64::from(batch.count));
    if after.is_none_or(|after| after > SEQUENCE_MAX + 1) {
        let found = format_args!("{} writes from {} on", batch.count, batch.first);
        let expected = format_args!("sequence numbers up to {SEQUENCE_MAX}");
        return Err(Error::corruption(path, offset, "log record", expected, found));
    }
    Ok(batch)
}
