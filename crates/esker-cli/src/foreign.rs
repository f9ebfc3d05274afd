//! What the commands show of other engines' tables and databases.

use crate::args::Reading;
use crate::failure::{Failure, Result};
use crate::source::{Block, Entries, Selection, Shown, Summary, comparator, live};
use crate::style;
use esker::ErrorKind;
use esker_foreign::{
    Comparator, Database, DatabaseSettings, Engine, ForeignEntry, ForeignTable, Loss,
    detect_directory,
};
use std::io::{self, Write};
use std::ops::Bound;
use std::path::Path;

/// Opens the database in the directory at `path`, and tells on standard error what readers should
/// know of it.
pub fn open(path: &Path, reading: &Reading) -> Result<Database> {
    let mut settings = DatabaseSettings::default();
    settings.comparator = comparator(reading)?;
    settings.column_family.clone_from(&reading.column_family);
    settings.obfuscation = reading.obfuscation.clone();
    settings.accept_loss = reading.accept_loss;
    let is_known = detect_directory(path)?.is_some();
    let database = match Database::open_with(path, &settings) {
        // What nothing shows to be one of these is not a broken one.
        Err(error) if !is_known => {
            return Err(Failure::input(format_args!(
                "{}: no database that esker knows: looked for CURRENT with a MANIFEST of LevelDB \
                 or RocksDB, and for their tables (.ldb, .sst) and logs (.log) by number; {error}",
                path.display()
            )));
        }
        Err(error) => return Err(with_losses(error, path, settings)),
        Ok(database) => database,
    };
    database.notices().iter().for_each(|notice| tell("note", notice));
    Ok(database)
}

/// A failure to open a database, with what would be lost if that were accepted.
fn with_losses(error: esker::Error, path: &Path, mut settings: DatabaseSettings) -> Failure {
    settings.accept_loss = true;
    let is_damage = error.kind() == ErrorKind::Corruption;
    let losses = match is_damage.then(|| Database::open_with(path, &settings)) {
        Some(Ok(database)) => database.losses(),
        _ => Vec::new(),
    };
    let lost = losses.iter().map(|loss| format!("{}: {}", name(&loss.path), loss.what));
    let lost: Vec<String> = lost.collect();
    match lost.is_empty() {
        true => error.into(),
        false => {
            let lost = lost.join("; ");
            Failure::Advised(error, format!("--accept-loss reads the rest, and leaves out {lost}"))
        }
    }
}

/// A failure to read, with what to do about damage.
pub fn advised(failure: Failure, reading: &Reading) -> Failure {
    match failure {
        Failure::Esker(error) if error.kind() == ErrorKind::Corruption && !reading.accept_loss => {
            let advice = "--accept-loss leaves out what is damaged, and tells what";
            Failure::Advised(error, advice.into())
        }
        other => other,
    }
}

/// Tells on standard error what was damaged and left out.
pub fn tell_losses(losses: &[Loss]) {
    losses.iter().for_each(|loss| tell("lost", loss));
}

fn tell(heading: &str, message: impl std::fmt::Display) {
    let heading = style::error_heading(&format!("{heading}:"));
    // Who does not listen still gets the entries.
    let _ = writeln!(io::stderr(), "{heading} {message}");
}

/// The entries of a database that `selection` names.
pub fn entries(database: &Database, selection: Selection) -> Entries {
    if selection.versions {
        return database_versions(database, selection);
    }
    let range = database.range(selection.start, selection.end);
    if selection.reverse { live(range.rev()) } else { live(range) }
}

/// What moves a cursor: those of tables and of databases have the same moves.
macro_rules! mover {
    ($cursor:ident) => {
        move |step| {
            let entry = match step {
                Step::Seek(key) => $cursor.seek(key),
                Step::SeekBefore(key) => $cursor.seek_before(key),
                Step::Next => $cursor.next(),
                Step::Prev => $cursor.prev(),
            };
            Ok(entry?.map(shown))
        }
    };
}

/// Every version of the keys of `selection`, then the range deletions that reach into it.
pub fn table_versions(table: &ForeignTable, selection: Selection) -> Entries {
    let order = table.comparator();
    let ranges = table.range_tombstones().map(|(start, end, sequence)| {
        let (key, value) = (start.to_vec(), end.to_vec());
        Shown { key, value, sequence, kind: "range-tombstone" }
    });
    let ranges = reaching(ranges, &selection, order);
    let mut cursor = table.cursor();
    versions(order, selection, ranges, mover!(cursor))
}

fn database_versions(database: &Database, selection: Selection) -> Entries {
    // In raw order a database is sorted byte by byte.
    let order = match database.comparator() {
        Comparator::Reverse => Comparator::Reverse,
        _ => Comparator::Bytewise,
    };
    let ranges = match database.range_tombstones() {
        Ok(ranges) => ranges,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    let ranges = ranges.into_iter().map(|range| {
        let (key, value, sequence) = (range.start, range.end, range.sequence);
        Shown { key, value, sequence, kind: "range-tombstone" }
    });
    let ranges = reaching(ranges, &selection, order);
    let mut cursor = database.cursor();
    versions(order, selection, ranges, mover!(cursor))
}

/// A move of a cursor.
enum Step<'a> {
    Seek(&'a [u8]),
    SeekBefore(&'a [u8]),
    Next,
    Prev,
}

fn shown(entry: ForeignEntry<'_>) -> Shown {
    let (key, value) = (entry.key.to_vec(), entry.value.to_vec());
    Shown { key, value, sequence: entry.sequence, kind: entry.kind.name() }
}

/// Whether `a` comes before `b`; raw order is compared byte by byte.
fn is_before(order: Comparator, a: &[u8], b: &[u8]) -> bool {
    if order == Comparator::Reverse { b < a } else { a < b }
}

/// Whether `key` lies before `selection`, and whether after.
fn outside(order: Comparator, selection: &Selection, key: &[u8]) -> (bool, bool) {
    let before = match &selection.start {
        Bound::Included(start) => is_before(order, key, start),
        Bound::Excluded(start) => !is_before(order, start, key),
        Bound::Unbounded => false,
    };
    let after = match &selection.end {
        Bound::Included(end) => is_before(order, end, key),
        Bound::Excluded(end) => !is_before(order, key, end),
        Bound::Unbounded => false,
    };
    (before, after)
}

/// The range deletions that reach into `selection`.
fn reaching(
    ranges: impl Iterator<Item = Shown>,
    selection: &Selection,
    order: Comparator,
) -> Vec<Shown> {
    let reaches = |range: &Shown| {
        let ends_before = match &selection.start {
            Bound::Included(key) | Bound::Excluded(key) => !is_before(order, key, &range.value),
            Bound::Unbounded => false,
        };
        !ends_before && !outside(order, selection, &range.key).1
    };
    ranges.filter(reaches).collect()
}

/// The entries that `step` moves over, as far as they are in `selection`, then `ranges`.
fn versions(
    order: Comparator,
    selection: Selection,
    ranges: Vec<Shown>,
    mut step: impl FnMut(Step<'_>) -> esker::Result<Option<Shown>> + 'static,
) -> Entries {
    let mut is_first = true;
    let mut done = false;
    let entries = std::iter::from_fn(move || {
        while !done {
            // A table in raw order cannot be searched.
            let seeks = std::mem::take(&mut is_first) && order != Comparator::Raw;
            let moved = match (selection.reverse, &selection.start, &selection.end) {
                (false, Bound::Included(key) | Bound::Excluded(key), _) if seeks => {
                    step(Step::Seek(key))
                }
                (true, _, Bound::Excluded(key)) if seeks => step(Step::SeekBefore(key)),
                (false, ..) => step(Step::Next),
                (true, ..) => step(Step::Prev),
            };
            let entry = match moved {
                Ok(entry) => entry?,
                Err(error) => {
                    done = true;
                    return Some(Err(error));
                }
            };
            let (before, after) = outside(order, &selection, &entry.key);
            if !before && !after {
                return Some(Ok(entry));
            }
            let is_passed = if selection.reverse { before } else { after };
            done = is_passed && order != Comparator::Raw;
        }
        None
    });
    Box::new(entries.chain(ranges.into_iter().map(Ok)))
}

/// Checks a whole database; what was found sound, with numbers.
pub fn verify(
    database: &Database,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<(&'static str, u64)>> {
    let report = database.verify(progress)?;
    Ok(vec![
        ("tables", report.tables),
        ("logs", report.logs),
        ("blocks", report.blocks),
        ("entries", report.entries),
        ("tombstones", report.tombstones),
        ("bytes", report.bytes),
        ("notices", database.notices().len() as u64),
    ])
}

/// What is known of a database.
pub fn summary(database: &Database) -> Summary {
    let engine = if database.engine() == Engine::RocksDb { "RocksDB" } else { "LevelDB" };
    let comparator = database.comparator_name().unwrap_or("not named");
    let mut facts = vec![("comparator".to_string(), comparator.to_string())];
    let mut fact = |name: &str, value: String| facts.push((name.to_string(), value));
    fact("column family", database.column_family().to_string());
    fact("column families", database.column_families().join(", "));
    if let Some(manifest) = database.manifest() {
        fact("manifest", name(&manifest.path));
        fact("manifest edits", manifest.edits.to_string());
        fact("last sequence in it", manifest.last_sequence.to_string());
    }
    let tables = database.tables();
    let last = tables.iter().map(|table| table.level).max().unwrap_or(0);
    for level in 0..=last {
        let count = tables.iter().filter(|table| table.level == level).count();
        if count > 0 {
            fact(&format!("tables of level {level}"), count.to_string());
        }
    }
    fact("logs", database.logs().len().to_string());
    fact("operations in logs", database.logs().iter().map(|l| l.entries).sum::<u64>().to_string());
    for (number, notice) in database.notices().iter().enumerate() {
        fact(&format!("notice {}", number + 1), notice.clone());
    }
    for (number, loss) in database.losses().iter().enumerate() {
        fact(&format!("loss {}", number + 1), loss.to_string());
    }
    let file_bytes = files(database).iter().map(|file| file.stored_bytes).sum();
    Summary { format: format!("{engine} database"), file_bytes, facts }
}

/// The files of a database, one behind the other: manifest, tables by level, logs. Their names
/// stand where blocks have codecs.
pub fn files(database: &Database) -> Vec<Block> {
    const LEVELS: [&str; 8] = [
        "0 (level)",
        "1 (level)",
        "2 (level)",
        "3 (level)",
        "4 (level)",
        "5 (level)",
        "6 (level)",
        "7+ (level)",
    ];
    let mut files: Vec<Block> = Vec::new();
    let mut add = |kind, path: &Path, bytes, entries, first_key: Vec<u8>| {
        let offset = files.last().map_or(0, |file| file.offset + file.stored_bytes);
        let (stored_bytes, raw_bytes, codec) = (bytes, bytes, name(path));
        files.push(Block { kind, offset, stored_bytes, raw_bytes, codec, entries, first_key });
    };
    if let Some(manifest) = database.manifest() {
        add("manifest", &manifest.path, manifest.bytes, manifest.edits, Vec::new());
    }
    for table in database.tables() {
        let kind = LEVELS.get(table.level).or(LEVELS.last()).copied().unwrap_or("level");
        add(kind, &table.path, table.bytes, 0, table.smallest);
    }
    for log in database.logs() {
        add("log", &log.path, log.bytes, log.entries, Vec::new());
    }
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
