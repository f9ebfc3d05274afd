//! Takes what logs hold into memory: whole batches or nothing of them.

use crate::batch::{self, BatchFault, Operation};
use crate::database::LogInfo;
use crate::entry::ForeignKind;
use crate::footer::Engine;
use crate::log::{LogEnd, LogReader};
use crate::memory::Memory;
use crate::open::ForeignTable;
use crate::opening::{HeldLog, torn};
use esker::{Error, Result};
use std::path::Path;

/// What is read of logs, and where it goes.
pub(crate) struct Replay<'a> {
    pub(crate) engine: Engine,
    /// Number of the column family that is wanted.
    pub(crate) family: u32,
    pub(crate) memory: &'a mut Memory,
    pub(crate) memory_bytes_max: usize,
}

impl Replay<'_> {
    /// Reads `logs` in order. Only the last that holds anything may end with a cut record.
    pub(crate) fn logs(
        &mut self,
        logs: &[HeldLog],
        notices: &mut Vec<String>,
    ) -> Result<Vec<LogInfo>> {
        let mut infos = Vec::new();
        let mut cut: Option<(&Path, u64)> = None;
        // A notice that the first batch of the next log can make needless.
        let mut unclear: Option<String> = None;
        let mut last_sequence = None;
        for log in logs {
            let path = &log.path;
            let mut reader = LogReader::new(&*log.source, path, log.number)?;
            reader.last_sequence = last_sequence;
            let bytes = reader.len();
            if let Some((earlier, at)) = cut.filter(|_| bytes > 0) {
                let expected = "a whole record, as a later log goes on";
                return Err(Error::corruption(earlier, at, "log record", expected, "a cut one"));
            }
            let path_held = path.clone();
            let mut info =
                LogInfo { path: path_held, bytes, batches: 0, entries: 0, is_reused: false };
            while let Some((at, record)) = reader.next()? {
                let (first, count) = self.batch(record, path, at)?;
                let goes_on = reader.last_sequence.is_some_and(|last| last + 1 == first);
                notices.extend(unclear.take().filter(|_| !goes_on));
                info.batches += 1;
                info.entries += u64::from(count);
                reader.last_sequence = Some((first + u64::from(count)).saturating_sub(1));
            }
            last_sequence = reader.last_sequence;
            info.is_reused = reader.is_reused();
            match reader.end() {
                LogEnd::Torn(at) => {
                    notices.push(torn(path, at, bytes));
                    cut = Some((path, at));
                }
                LogEnd::Reused(0) => {
                    notices.push(format!("{}: holds records of other logs only", path.display()));
                }
                LogEnd::Unclear(at) => {
                    notices.extend(unclear.replace(format!(
                        "{}: an older log's file, used again: whether what stands from byte {at} \
                         on is left of that, or a damaged record, cannot be told",
                        path.display()
                    )));
                }
                LogEnd::Reused(_) | LogEnd::Clean => {}
            }
            infos.push(info);
        }
        notices.extend(unclear);
        Ok(infos)
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
