//! Takes what logs hold into memory: whole batches or nothing of them.

use crate::batch::{self, BatchFault, Operation};
use crate::database::LogInfo;
use crate::entry::ForeignKind;
use crate::footer::Engine;
use crate::log::{LogEnd, LogReader};
use crate::losses::Losses;
use crate::memory::Memory;
use crate::open::ForeignTable;
use crate::opening::{HeldLog, torn};
use esker::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// What is read of logs, and where it goes.
pub(crate) struct Replay<'a> {
    pub(crate) engine: Engine,
    /// Number of the column family that is wanted.
    pub(crate) family: u32,
    pub(crate) memory: &'a mut Memory,
    pub(crate) memory_bytes_max: usize,
    pub(crate) losses: Losses,
}

/// What is known while one log after the other is read.
#[derive(Default)]
struct Course {
    notices: Vec<String>,
    /// Sequence number of the last operation.
    last_sequence: Option<u64>,
    /// A log whose last record is cut, and where.
    cut: Option<(PathBuf, u64)>,
    /// A notice that the first batch of the next log can make needless.
    unclear: Option<String>,
    /// What was passed over just now.
    gap: Option<Gap>,
}

/// Bytes of a log that were passed over, and why.
struct Gap {
    path: PathBuf,
    error: Error,
    bytes: (u64, u64),
    /// Sequence number of the last operation before.
    last: Option<u64>,
}

impl Course {
    /// Notes that the next batch begins with `first`.
    fn arrive(&mut self, first: u64, losses: &Losses) -> Result<()> {
        let goes_on = self.last_sequence.is_some_and(|last| last + 1 == first);
        let unclear = self.unclear.take().filter(|_| !goes_on);
        self.notices.extend(unclear);
        self.close_gap(Some(first), losses)
    }

    /// Tells what the last gap has lost, as the batch behind it, if there is one, begins with
    /// `next`.
    fn close_gap(&mut self, next: Option<u64>, losses: &Losses) -> Result<()> {
        let Some(gap) = self.gap.take() else { return Ok(()) };
        let operations = match (gap.last.map(|last| last + 1), next) {
            (Some(low), Some(next)) if low + 1 == next => format!("operation {low}"),
            (Some(low), Some(next)) if low < next => {
                format!("operations {low} to {}, {} in all", next - 1, next - low)
            }
            (Some(low), None) => format!("all operations from {low} on"),
            (None, Some(next)) => format!("operations before {next}"),
            (_, _) => "operations whose numbers are not known".into(),
        };
        let (from, to) = gap.bytes;
        let what = format_args!("bytes {from} to {to}, with {operations}");
        losses.accept(&gap.path, from, gap.error, what)
    }
}

impl Course {
    /// Notes how a log of `bytes` bytes ended.
    fn end(&mut self, end: LogEnd, path: &Path, bytes: u64) {
        match end {
            LogEnd::Torn(at) => {
                self.notices.push(torn(path, at, bytes));
                self.cut = Some((path.to_path_buf(), at));
            }
            LogEnd::Reused(0) => {
                self.notices.push(format!("{}: holds records of other logs only", path.display()));
            }
            LogEnd::Unclear(at) => {
                self.notices.extend(self.unclear.replace(format!(
                    "{}: an older log's file, used again: whether what stands from byte {at} \
                     on is left of that, or a damaged record, cannot be told",
                    path.display()
                )));
            }
            LogEnd::Reused(_) | LogEnd::Clean => {}
        }
    }
}

impl Replay<'_> {
    /// Reads `logs` in order. Only the last that holds anything may end with a cut record.
    pub(crate) fn logs(
        &mut self,
        logs: &[HeldLog],
        notices: &mut Vec<String>,
    ) -> Result<Vec<LogInfo>> {
        let mut course = Course::default();
        let infos = logs.iter().map(|log| self.log(log, &mut course)).collect();
        course.close_gap(None, &self.losses)?;
        notices.append(&mut course.notices);
        notices.extend(course.unclear);
        infos
    }

    /// Reads one log.
    fn log(&mut self, log: &HeldLog, course: &mut Course) -> Result<LogInfo> {
        let path = &log.path;
        let mut reader = LogReader::new(&*log.source, path, log.number)?;
        reader.last_sequence = course.last_sequence;
        let bytes = reader.len();
        if bytes > 0
            && let Some((earlier, at)) = course.cut.take()
        {
            let expected = "a whole record, as a later log goes on";
            let error = Error::corruption(&earlier, at, "log record", expected, "a cut one");
            self.losses.accept(&earlier, at, error, "its last record, which is cut")?;
        }
        let path_held = path.clone();
        let mut info = LogInfo { path: path_held, bytes, batches: 0, entries: 0, is_reused: false };
        loop {
            let taken = match reader.next() {
                Ok(None) => break,
                Ok(Some((at, record))) => self.batch(record, path, at),
                Err(error) => Err(error),
            };
            match taken {
                Ok((first, count)) => {
                    course.arrive(first, &self.losses)?;
                    info.batches += 1;
                    info.entries += u64::from(count);
                    reader.last_sequence = Some((first + u64::from(count)).saturating_sub(1));
                    course.last_sequence = reader.last_sequence;
                }
                Err(error) => self.pass_over(error, &mut reader, log, course)?,
            }
        }
        info.is_reused = reader.is_reused();
        course.end(reader.end(), path, bytes);
        Ok(info)
    }

    /// Goes on behind what is damaged, where that is accepted.
    fn pass_over(
        &self,
        error: Error,
        reader: &mut LogReader<'_>,
        log: &HeldLog,
        course: &mut Course,
    ) -> Result<()> {
        if !self.losses.are_accepted() || error.kind() != ErrorKind::Corruption {
            return Err(error);
        }
        course.close_gap(None, &self.losses)?;
        let (path, last) = (log.path.clone(), course.last_sequence);
        course.gap = Some(Gap { path, error, bytes: reader.resume()?, last });
        Ok(())
    }

    /// Takes one batch; its first sequence number and its count.
    fn batch(&mut self, record: &[u8], path: &Path, at: u64) -> Result<(u64, u32)> {
        let mut operations: Vec<Operation<'_>> = Vec::new();
        let wanted = self.family;
        let decoded = batch::decode(record, self.engine, |operation| {
            if operation.family == wanted {
                operations.push(operation);
            }
        });
        let taken = decoded.map_err(|fault| match fault {
            BatchFault::Corrupt(what, inside) => {
                let found = format_args!("another, {inside} bytes into the record");
                Error::corruption(path, at, what, "a sound batch", found)
            }
            BatchFault::Unsupported(detail, _) => {
                Error::unsupported(path, at, "operation in a log", detail)
            }
        })?;
        for operation in &operations {
            self.memory.add(operation);
        }
        self.check_memory(path, at)?;
        Ok(taken)
    }

    fn check_memory(&self, path: &Path, at: u64) -> Result<()> {
        if self.memory.taken_bytes() > self.memory_bytes_max {
            let detail =
                format_args!("more than {} bytes of entries to hold", self.memory_bytes_max);
            return Err(Error::unsupported(path, at, "amount of memory", detail));
        }
        Ok(())
    }

    /// Takes every entry of `table`.
    pub(crate) fn table(&mut self, table: &ForeignTable) -> Result<()> {
        let mut cursor = table.cursor();
        while let Some(entry) = cursor.next()? {
            let (key, value, sequence, kind) = (entry.key, entry.value, entry.sequence, entry.kind);
            self.memory.add(&Operation { family: self.family, kind, key, value, sequence });
            if self.memory.taken_bytes() > self.memory_bytes_max {
                return self.check_memory(&table.0.name, 0);
            }
        }
        for (key, value, sequence) in table.range_tombstones() {
            let kind = ForeignKind::RangeTombstone;
            self.memory.add(&Operation { family: self.family, kind, key, value, sequence });
        }
        Ok(())
    }
}
