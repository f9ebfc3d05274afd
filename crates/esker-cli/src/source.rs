//! What can be read: esker's databases, its tables, and those of other engines, told apart by their
//! magic.

use crate::args::Reading;
use crate::database;
use crate::failure::{Failure, Result};
use crate::foreign;
use esker::{FrameKind, ReadOnlyDb, ReadSettings, Table, ValueKind, prefix_end};
use esker_foreign::{Comparator, Database, Engine, ForeignBlock, ForeignTable, OpenSettings};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Bound;
use std::path::Path;

/// An open table or database.
pub enum Source {
    /// A database of ours.
    Db(ReadOnlyDb),
    /// One of ours.
    Esker(Table),
    /// LevelDB's or RocksDB's.
    Foreign(ForeignTable),
    /// LevelDB's or RocksDB's directory.
    Database(Database),
}

/// An entry to show.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The key.
    pub key: Vec<u8>,
    /// The value; empty for a tombstone.
    pub value: Vec<u8>,
    /// The sequence number; zero where it is not asked for.
    pub sequence: u64,
    /// The kind: `put`, `tombstone`, or another engine's name for it.
    pub kind: &'static str,
}

/// An entry to show, lent.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
    /// The sequence number; zero where it is not asked for.
    pub sequence: u64,
    /// The kind, by name.
    pub kind: &'static str,
}

impl<'a> Lent<'a> {
    /// A live entry.
    pub fn live(key: &'a [u8], value: &'a [u8]) -> Lent<'a> {
        Lent { key, value, sequence: 0, kind: "put" }
    }
}

impl Shown {
    /// The entry, lent.
    pub fn lent(&self) -> Lent<'_> {
        let Shown { key, value, sequence, kind } = self;
        Lent { key, value, sequence: *sequence, kind }
    }
}

/// What of a table to show.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Where to begin.
    pub start: Bound<Vec<u8>>,
    /// Where to end.
    pub end: Bound<Vec<u8>>,
    /// From the end to the start.
    pub reverse: bool,
    /// All versions and tombstones.
    pub versions: bool,
}

/// Entries in order, or the error that ended them.
pub type Entries = Box<dyn Iterator<Item = esker::Result<Shown>>>;

impl Source {
    /// Opens the table at `path`, or the database in the directory there, of whichever engine.
    pub fn open(path: &Path, reading: &Reading) -> Result<Source> {
        if database::is_ours(path) {
            return database::read(path).map(Source::Db);
        }
        if path.is_dir() {
            return foreign::open(path, reading).map(Source::Database);
        }
        match magic(path)? {
            Magic::Esker => {
                let mut settings = ReadSettings::default();
                settings.mapped = reading.map;
                Ok(Source::Esker(Table::open_with(path, &settings)?))
            }
            Magic::Foreign => {
                let mut settings = OpenSettings::default();
                settings.comparator = comparator(reading)?;
                settings.obfuscation = reading.obfuscation.clone();
                settings.accept_loss = reading.accept_loss;
                Ok(Source::Foreign(ForeignTable::open_with(path, &settings)?))
            }
            Magic::Other(start) => {
                let (path, start) = (path.display(), start.escape_ascii().to_string());
                Err(Failure::input(format_args!(
                    "{path}: not a table that esker knows: expected the magic number of esker, \
                     LevelDB or RocksDB, found \"{start}\" at byte 0"
                )))
            }
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Source::Db(db) => Ok(db.get(key)?.map(esker::Value::into_vec)),
            Source::Esker(table) => Ok(table.get(key)?.map(esker::Value::into_vec)),
            Source::Foreign(table) => Ok(table.get(key)?),
            Source::Database(database) => Ok(database.get(key)?),
        }
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        match self {
            Source::Db(db) => Ok(db.has(key)?),
            Source::Esker(table) => Ok(table.has(key)?),
            Source::Foreign(table) => Ok(table.get(key)?.is_some()),
            Source::Database(database) => Ok(database.get(key)?.is_some()),
        }
    }

    /// The bounds of the keys that begin with `prefix`; none where the order is not known.
    pub fn prefix(&self, prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let order = match self {
            Source::Foreign(table) if table.comparator() == Comparator::Raw => {
                return (Bound::Unbounded, Bound::Unbounded);
            }
            Source::Foreign(table) => table.comparator(),
            Source::Database(database) => database.comparator(),
            Source::Db(_) | Source::Esker(_) => Comparator::Bytewise,
        };
        let (first, after) = (
            Bound::Included(prefix.to_vec()),
            prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        );
        if order == Comparator::Reverse { (after, first) } else { (first, after) }
    }

    /// Lends each entry that `selection` names to `take`, until that gives `false`.
    pub fn each(
        &self,
        selection: Selection,
        mut take: impl FnMut(Lent<'_>) -> Result<bool>,
    ) -> Result<()> {
        let Selection { start, end, reverse, versions } = selection;
        match self {
            Source::Foreign(table) if !versions => {
                table.range(start, end).visit(reverse, |key, value| take(Lent::live(key, value)))
            }
            Source::Database(database) if !versions => {
                database.range(start, end).visit(reverse, |key, value| take(Lent::live(key, value)))
            }
            _ => {
                for entry in self.entries(Selection { start, end, reverse, versions }) {
                    if !take(entry?.lent())? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Tells on standard error what was damaged and left out.
    pub fn tell_losses(&self) {
        match self {
            Source::Foreign(table) => foreign::tell_losses(&table.losses()),
            Source::Database(database) => foreign::tell_losses(&database.losses()),
            Source::Db(_) | Source::Esker(_) => {}
        }
    }

    /// Whether its keys come in the reverse of the order of their bytes.
    pub fn is_reversed(&self) -> bool {
        match self {
            Source::Foreign(table) => table.comparator() == Comparator::Reverse,
            Source::Database(database) => database.comparator() == Comparator::Reverse,
            Source::Db(_) | Source::Esker(_) => false,
        }
    }

    /// Whether it is another engine's.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Source::Foreign(_) | Source::Database(_))
    }

    /// The entries that `selection` names.
    pub fn entries(&self, selection: Selection) -> Entries {
        match self {
            Source::Db(_) if selection.versions => {
                let detail = "a database shows the newest alone; its tables show theirs";
                Box::new(std::iter::once(Err(esker::Error::invalid_input("versions", detail))))
            }
            Source::Db(db) => {
                let range = db.range::<Vec<u8>>((selection.start, selection.end));
                if selection.reverse { live(range.rev()) } else { live(range) }
            }
            Source::Esker(table) if selection.versions => esker_versions(table, selection),
            Source::Esker(table) => {
                let bound = |bound: &Bound<Vec<u8>>| bound.clone();
                let range =
                    table.range::<Vec<u8>>((bound(&selection.start), bound(&selection.end)));
                if selection.reverse { live(range.rev()) } else { live(range) }
            }
            Source::Foreign(table) if selection.versions => {
                foreign::table_versions(table, selection)
            }
            Source::Foreign(table) => {
                let range = table.range(selection.start, selection.end);
                if selection.reverse { live(range.rev()) } else { live(range) }
            }
            Source::Database(database) => foreign::entries(database, selection),
        }
    }
}

/// The order of keys that was asked for.
pub fn comparator(reading: &Reading) -> Result<Option<Comparator>> {
    let order = reading.comparator.as_deref().map(str::parse::<Comparator>);
    order.transpose().map_err(Failure::Input)
}

/// Live entries, to show.
pub fn live(entries: impl Iterator<Item = esker::Result<(Vec<u8>, Vec<u8>)>> + 'static) -> Entries {
    Box::new(entries.map(|entry| {
        let (key, value) = entry?;
        Ok(Shown { key, value, sequence: 0, kind: "put" })
    }))
}

/// One block of a table's file.
pub struct Block {
    /// What it holds.
    pub kind: &'static str,
    /// Where it stands.
    pub offset: u64,
    /// Its bytes in the file.
    pub stored_bytes: u64,
    /// Its bytes, decompressed.
    pub raw_bytes: u64,
    /// Its codec.
    pub codec: String,
    /// Its entries, where they are known.
    pub entries: u64,
    /// A key that it begins at or after.
    pub first_key: Vec<u8>,
}

/// What is known of a table.
pub struct Summary {
    /// Name of the format.
    pub format: String,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Properties, with names.
    pub facts: Vec<(String, String)>,
}

impl Source {
    /// What a look-up of `key` reads, step by step.
    pub fn explain(&self, key: &[u8]) -> Result<Vec<esker::Step>> {
        match self {
            // `commands::database` shows the layers.
            Source::Db(_) => Ok(Vec::new()),
            Source::Esker(table) => Ok(table.explain(key)?.steps),
            Source::Foreign(table) => Ok(table.explain(key)?),
            Source::Database(database) => Ok(database.explain(key)?),
        }
    }

    /// Checks the whole table; what was found sound, with numbers.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<(&'static str, u64)>> {
        match self {
            Source::Db(db) => {
                let report = db.verify(progress)?;
                let recovery = db.recovery();
                Ok(vec![
                    ("tables", report.tables),
                    ("entries", report.entries),
                    ("bytes", report.bytes),
                    ("writes in logs", recovery.writes),
                    ("bytes of logs", recovery.log_bytes),
                ])
            }
            Source::Esker(table) => {
                let report = table.verify(progress)?;
                Ok(vec![
                    ("frames", report.frames),
                    ("entries", report.entries),
                    ("keys in filters", report.filtered_keys),
                    ("bytes", report.bytes),
                ])
            }
            Source::Foreign(table) => {
                let report = table.verify(progress)?;
                Ok(vec![
                    ("blocks", report.blocks),
                    ("entries", report.entries),
                    ("tombstones", report.tombstones),
                    ("bytes", report.bytes),
                ])
            }
            Source::Database(database) => foreign::verify(database, progress),
        }
    }

    /// Properties of the table.
    pub fn summary(&self) -> Result<Summary> {
        match self {
            Source::Db(_) => Err(Failure::input("a database has no properties of a table")),
            Source::Esker(table) => Ok(Summary {
                format: "esker table, format version 1".into(),
                file_bytes: table.file_bytes(),
                facts: esker_facts(table),
            }),
            Source::Foreign(table) => Ok(Summary {
                format: match table.engine() {
                    Engine::RocksDb => {
                        format!("RocksDB table, format version {}", table.format_version())
                    }
                    _ => "LevelDB table".into(),
                },
                file_bytes: table.file_bytes(),
                facts: table.properties(),
            }),
            Source::Database(database) => Ok(foreign::summary(database)),
        }
    }

    /// Every block of the table's file.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        match self {
            Source::Db(_) => Ok(Vec::new()),
            Source::Esker(table) => Ok(table.blocks()?.into_iter().map(esker_block).collect()),
            Source::Foreign(table) => Ok(table.blocks()?.into_iter().map(foreign_block).collect()),
            Source::Database(database) => Ok(foreign::files(database)),
        }
    }
}

fn esker_block(block: esker::BlockInfo) -> Block {
    Block {
        kind: match block.kind {
            FrameKind::Data => "data",
            FrameKind::Index => "index",
            FrameKind::Filter => "filter",
            FrameKind::Properties => "properties",
            _ => "unknown",
        },
        offset: block.offset,
        stored_bytes: block.stored_bytes,
        raw_bytes: block.raw_bytes,
        codec: block.compression.into(),
        entries: block.entries.into(),
        first_key: block.fence,
    }
}

fn foreign_block(block: ForeignBlock) -> Block {
    Block {
        kind: block.kind,
        offset: block.offset,
        stored_bytes: block.stored_bytes,
        raw_bytes: block.raw_bytes,
        codec: block.codec.into(),
        entries: 0,
        first_key: block.last_key,
    }
}

fn esker_facts(table: &Table) -> Vec<(String, String)> {
    let p = table.properties();
    let key = |key: &[u8]| crate::bytes::encode(key, None).into_owned();
    let facts = [
        ("entries", p.entries.to_string()),
        ("keys", p.keys.to_string()),
        ("tombstones", p.tombstones.to_string()),
        ("smallest key", key(&p.smallest_key)),
        ("largest key", key(&p.largest_key)),
        ("smallest sequence", p.smallest_sequence.to_string()),
        ("largest sequence", p.largest_sequence.to_string()),
        ("raw key bytes", p.raw_key_bytes.to_string()),
        ("raw value bytes", p.raw_value_bytes.to_string()),
        ("data blocks", p.data_blocks.to_string()),
        ("data raw bytes", p.data_raw_bytes.to_string()),
        ("data stored bytes", p.data_stored_bytes.to_string()),
        ("index bytes", p.index_bytes.to_string()),
        ("filter bytes", p.filter_bytes.to_string()),
        ("filter bits per key", p.filter_bits_per_key.to_string()),
        ("memory of readers", table.resident_bytes().to_string()),
        ("compression", p.compression.clone()),
        ("digest", format!("{:016x}", table.digest())),
        ("description", p.description.clone()),
        ("created unix seconds", p.created_unix_seconds.to_string()),
    ];
    facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// What a file's magic number says.
enum Magic {
    Esker,
    Foreign,
    /// None that is known; the first bytes.
    Other(Vec<u8>),
}

/// Whether the file at `path` is a table of a known engine, by its magic number.
pub fn is_table(path: &Path) -> Result<bool> {
    Ok(!matches!(magic(path)?, Magic::Other(_)))
}

fn magic(path: &Path) -> Result<Magic> {
    let failed = |e| Failure::input(format_args!("cannot read {}: {e}", path.display()));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start).map_err(failed)?;
    if esker::is_table(&start) {
        return Ok(Magic::Esker);
    }
    let len = file.metadata().map_err(failed)?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(len.saturating_sub(8))).map_err(failed)?;
    file.take(8).read_to_end(&mut end).map_err(failed)?;
    Ok(if esker_foreign::detect(&end).is_some() { Magic::Foreign } else { Magic::Other(start) })
}

/// Every version of the keys of `selection`.
fn esker_versions(table: &Table, selection: Selection) -> Entries {
    let mut cursor = table.cursor();
    let mut is_first = true;
    Box::new(std::iter::from_fn(move || {
        let Selection { start, end, reverse, .. } = &selection;
        let moved = match (is_first, reverse, start, end) {
            (true, false, Bound::Included(key) | Bound::Excluded(key), _) => cursor.seek(key),
            (true, true, _, Bound::Included(key) | Bound::Excluded(key)) => cursor.seek_before(key),
            (_, false, ..) => cursor.next(),
            (_, true, ..) => cursor.prev(),
        };
        is_first = false;
        let entry = match moved {
            Ok(entry) => entry?,
            Err(error) => return Some(Err(error)),
        };
        let inside = match (reverse, start, end) {
            (false, _, Bound::Excluded(key)) => entry.key < &key[..],
            (true, Bound::Included(key), _) => entry.key >= &key[..],
            _ => true,
        };
        let kind = match entry.kind {
            ValueKind::Put => "put",
            ValueKind::Tombstone => "tombstone",
            _ => "unknown",
        };
        inside.then(|| {
            let (key, value) = (entry.key.to_vec(), entry.value.to_vec());
            Ok(Shown { key, value, sequence: entry.sequence, kind })
        })
    }))
}
