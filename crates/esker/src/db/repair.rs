//! Repair: what can be read of a damaged database, into a new one.

use super::Db;
use super::open::{FileKind, file_kind};
use super::settings::{Durability, Settings};
use crate::base::error::{Error, Result};
use crate::base::key::{Entry, ValueKind};
use crate::batch::{WriteBatch, decode};
use crate::log::replay;
use crate::manifest::{ManifestState, read_current, read_manifest, read_whole};
use crate::table::{ReadSettings, Table};
use crate::vfs::Vfs;
use std::path::{Path, PathBuf};

/// What can be saved of a database, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Tables that can be read whole, with their entries.
    pub tables: Vec<(PathBuf, u64)>,
    /// Logs that can be read, with the writes up to their first damage.
    pub logs: Vec<(PathBuf, u64)>,
    /// Files that cannot be read, or only in part, with the reason.
    pub damaged: Vec<(PathBuf, String)>,
    /// Entries of damaged tables that were read before the damage.
    pub saved_entries: u64,
}

/// Looks through the files of the database in `path` and reports what can be saved; with `target`,
/// saves it there, as a new database. The old one is left as it is.
///
/// If a manifest can be read and its tables are there, what older files hold that it has let go
/// stays out. Else it goes by the files alone: what newer tables had already replaced may come back
/// then, since the last level does not keep sequence numbers.
///
/// # Errors
/// `Locked` if the database is open; `InvalidInput` if the target is in use; `Io`.
pub fn repair(
    path: impl AsRef<Path>,
    target: Option<&Path>,
    settings: &Settings,
) -> Result<RepairReport> {
    let path = path.as_ref();
    let vfs = &*settings.vfs;
    let names = vfs.list(path)?;
    let _lock = vfs.lock(&path.join("LOCK"))?;
    let db = match target {
        Some(target) => Some(begin(target, settings)?),
        None => None,
    };
    let mut report = RepairReport::default();
    let mut entries = Saved { known: known_state(vfs, path, &names), entries: Vec::new() };
    for name in &names {
        let file = path.join(name);
        let outcome = match file_kind(name) {
            Some(FileKind::Table(number)) => {
                read_table(settings, &file, number, &mut report, &mut entries)
            }
            Some(FileKind::Log(number)) => {
                read_log(settings, &file, number, &mut report, &mut entries)
            }
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            report.damaged.push((file, error.to_string()));
        }
    }
    let mut entries = entries.entries;
    // Oldest first: the newest write of a key comes last and wins.
    entries.sort_by_key(|entry| entry.1);
    if let Some(db) = db {
        for chunk in entries.chunks(1000) {
            let mut batch = WriteBatch::new();
            for (key, _, value) in chunk {
                match value {
                    Some(value) => batch.put(key, value)?,
                    None => batch.delete(key)?,
                }
            }
            db.write(&batch, Durability::None)?;
        }
        db.flush()?;
    }
    Ok(report)
}

fn begin(target: &Path, settings: &Settings) -> Result<Db> {
    settings.vfs.create_directory(target)?;
    if let Some(name) = settings.vfs.list(target)?.first() {
        let detail = format_args!("{}: it holds {name}", target.display());
        return Err(Error::invalid_input("repair into a directory in use", detail));
    }
    Db::open(target, settings.clone())
}

/// What a manifest says that can be relied on: it is the one in force, or without `CURRENT` the
/// newest, and its tables are all there.
fn known_state(vfs: &dyn Vfs, path: &Path, names: &[String]) -> Option<ManifestState> {
    let manifests = names.iter().filter_map(|name| match file_kind(name) {
        Some(FileKind::Manifest(number)) => Some(number),
        _ => None,
    });
    let number = read_current(vfs, path).ok().flatten().or(manifests.max())?;
    let state = read_manifest(vfs, path, number).ok()?;
    let is_there =
        |number: &u64| names.iter().any(|name| file_kind(name) == Some(FileKind::Table(*number)));
    state.tables.keys().all(is_there).then_some(state)
}

/// What was read so far.
struct Saved {
    known: Option<ManifestState>,
    /// Keys with sequence numbers, and values or tombstones.
    entries: Vec<(Vec<u8>, u64, Option<Vec<u8>>)>,
}

impl Saved {
    /// Takes an entry of table `table`, or of a log; false if it was let go.
    fn add(&mut self, table: Option<u64>, entry: Entry<'_>) -> bool {
        let mut sequence = entry.sequence;
        if let Some(state) = &self.known {
            match table.and_then(|number| state.tables.get(&number)) {
                Some((_, meta)) => sequence = meta.ingested_at.unwrap_or(sequence),
                // What is in tables is in those of the manifest.
                None if sequence <= state.last_sequence => return false,
                None => {}
            }
        }
        let value = (entry.kind == ValueKind::Put).then(|| entry.value.to_vec());
        self.entries.push((entry.key.to_vec(), sequence, value));
        true
    }
}

fn read_table(
    settings: &Settings,
    path: &Path,
    number: u64,
    report: &mut RepairReport,
    entries: &mut Saved,
) -> Result<()> {
    let source = settings.vfs.open(path)?;
    let table = Table::from_reader(source, path, &ReadSettings::default())?;
    let mut cursor = table.cursor();
    let mut count = 0;
    loop {
        match cursor.next() {
            Ok(Some(entry)) => {
                count += u64::from(entries.add(Some(number), entry));
            }
            Ok(None) => break,
            Err(error) => {
                report.saved_entries += count;
                return Err(error);
            }
        }
    }
    report.tables.push((path.into(), count));
    Ok(())
}

fn read_log(
    settings: &Settings,
    path: &Path,
    number: u64,
    report: &mut RepairReport,
    entries: &mut Saved,
) -> Result<()> {
    let bytes = read_whole(&*settings.vfs, path)?;
    let mut count = 0;
    let end = replay(&bytes, number, path, |_, batch| {
        let mut left = batch.writes;
        let mut sequence = batch.first;
        while let Some(entry) = decode(&mut left, sequence) {
            count += u64::from(entries.add(None, entry));
            sequence += 1;
        }
        Ok(())
    })?;
    report.logs.push((path.into(), count));
    if end.records_after > 0 {
        let lost =
            format!("damaged at byte {}: {} batches after it", end.offset, end.records_after);
        report.damaged.push((path.into(), lost));
    }
    Ok(())
}
