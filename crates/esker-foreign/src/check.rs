//! Checks a whole database, and tells how a key is found.

use crate::comparator::Comparator;
use crate::database::Database;
use crate::open::{ForeignTable, Reading};
use crate::tables::{Slot, Tables, open_table};
use esker::{Error, Result, Step};

/// What of a database was checked and found sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseReport {
    /// Tables: their checksums, orders and counts, and their places among each other.
    pub tables: u64,
    /// Blocks of tables.
    pub blocks: u64,
    /// Entries of tables, and operations of logs.
    pub entries: u64,
    /// Tombstones of tables, range deletions included.
    pub tombstones: u64,
    /// Logs, read from end to end.
    pub logs: u64,
    /// Bytes of tables, logs and manifest.
    pub bytes: u64,
}

impl Database {
    /// Reads every table and checks it, alone and against what the manifest says of it: length,
    /// smallest and largest key, no overlap within a level. Manifest and logs were checked when
    /// the database was opened. `progress` is told the bytes done and the bytes in all.
    ///
    /// # Errors
    /// The first thing wrong, with its place.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<DatabaseReport> {
        let inner = &*self.0;
        let mut report = DatabaseReport {
            logs: inner.logs.len() as u64,
            entries: inner.logs.iter().map(|log| log.entries).sum(),
            bytes: inner.logs.iter().map(|log| log.bytes).sum(),
            ..DatabaseReport::default()
        };
        report.bytes += inner.manifest.as_ref().map_or(0, |manifest| manifest.bytes);
        let in_tables = |slot: &Slot| slot.meta.as_ref().map_or(0, |meta| meta.bytes);
        let total = report.bytes + inner.tables.all().map(in_tables).sum::<u64>();
        for run in &inner.tables.runs {
            for slot in run {
                let comparator = Some(inner.tables.order);
                let table = open_table(
                    &*inner.tables.vfs,
                    slot,
                    Reading { comparator, ..Reading::default() },
                )?;
                let found = table.verify(&mut |_, _| {})?;
                check_bounds(&table, slot)?;
                report.tables += 1;
                report.blocks += found.blocks;
                report.entries += found.entries;
                report.tombstones += found.tombstones;
                report.bytes += found.bytes;
                progress(report.bytes, total.max(report.bytes));
            }
            if !self.is_raw() {
                check_overlap(run, &inner.tables)?;
            }
        }
        Ok(report)
    }

    /// What a look-up of `key` reads, step by step.
    ///
    /// # Errors
    /// As [`Database::get`].
    pub fn explain(&self, key: &[u8]) -> Result<Vec<Step>> {
        let inner = &*self.0;
        let held = inner.memory.newest(key);
        let verdict = held.map_or_else(
            || format!("none of {} entries (in memory)", inner.memory.len()),
            |entry| format!("a {} with sequence number {}", entry.kind.name(), entry.sequence),
        );
        let mut steps = vec![Step::new("logs", None, 0, verdict)];
        if held.is_some() || self.is_raw() {
            return Ok(steps);
        }
        for slot in inner.tables.covering(key) {
            let table = inner.tables.open(slot)?;
            let name = slot.path.file_name().unwrap_or_default().to_string_lossy();
            let found = table.newest(key)?;
            let verdict = found.as_ref().map_or_else(
                || "no such key".into(),
                |(sequence, kind, _)| format!("a {} with sequence number {sequence}", kind.name()),
            );
            let block = table.explain_block(key);
            let (offset, bytes) = block.map_or((None, 0), |(at, bytes)| (Some(at), bytes));
            let verdict = format!("{name}, level {}: {verdict}", slot.level);
            steps.push(Step::new("table", offset, bytes, verdict));
            if found.is_some() && inner.manifest.is_some() {
                break;
            }
        }
        Ok(steps)
    }
}

/// Checks that the keys of `table` lie where the manifest says.
fn check_bounds(table: &ForeignTable, slot: &Slot) -> Result<()> {
    let Some(meta) = &slot.meta else { return Ok(()) };
    let order = table.comparator();
    if order == Comparator::Raw {
        return Ok(());
    }
    let mut cursor = table.cursor();
    let wrong = |what, expected: &[u8], found: &[u8]| {
        let (expected, found) = (expected.escape_ascii(), found.escape_ascii());
        Error::corruption(&slot.path, 0, what, format_args!("\"{expected}\""), found)
    };
    if let Some(first) = cursor.first()?
        && order.is_before(first.key, &meta.smallest.key)
    {
        return Err(wrong("smallest key", &meta.smallest.key, first.key));
    }
    if let Some(last) = cursor.last()?
        && order.is_before(&meta.largest.key, last.key)
    {
        return Err(wrong("largest key", &meta.largest.key, last.key));
    }
    Ok(())
}

/// Checks that no table of a run begins before the one in front of it ends.
fn check_overlap(run: &[Slot], tables: &Tables) -> Result<()> {
    for pair in run.windows(2) {
        let [before, after] = pair else { continue };
        if let Some((low, high)) = before.meta.as_ref().zip(after.meta.as_ref())
            && tables.order.is_before(&high.smallest.key, &low.largest.key)
        {
            let expected = format_args!("keys behind those of {}", before.path.display());
            let found = format_args!("\"{}\"", high.smallest.key.escape_ascii());
            let what = "smallest key of a table in a level";
            return Err(Error::corruption(&after.path, 0, what, expected, found));
        }
    }
    Ok(())
}
