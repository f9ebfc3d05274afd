//! Tables that can be read: esker's own, or those of other engines, told apart by their magic.

use crate::args::Reading;
use crate::failure::{Failure, Result};
use esker::{FrameKind, ReadSettings, Table, ValueKind};
use std::ops::Bound;
use std::path::Path;

/// An open table.
pub enum Source {
    /// One of ours.
    Esker(Table),
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
    /// Opens the table at `path`, of whichever engine.
    pub fn open(path: &Path, reading: &Reading) -> Result<Source> {
        let mut settings = ReadSettings::default();
        settings.mapped = reading.map;
        match Table::open_with(path, &settings) {
            Ok(table) => Ok(Source::Esker(table)),
            Err(error) if error.offset() == Some(0) && is_other(path) => {
                let path = path.display();
                Err(Failure::input(format_args!("{path}: not a table that esker knows ({error})")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Source::Esker(table) => Ok(table.get(key)?.map(esker::Value::into_vec)),
        }
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        match self {
            Source::Esker(table) => Ok(table.has(key)?),
        }
    }

    /// The entries that `selection` names.
    pub fn entries(&self, selection: Selection) -> Entries {
        match self {
            Source::Esker(table) if selection.versions => esker_versions(table, selection),
            Source::Esker(table) => {
                let (start, end) = (selection.start.as_ref(), selection.end.as_ref());
                let range =
                    table.range::<&[u8]>((start.map(|key| &key[..]), end.map(|key| &key[..])));
                let show = |entry: esker::Result<(Vec<u8>, Vec<u8>)>| {
                    let (key, value) = entry?;
                    Ok(Shown { key, value, sequence: 0, kind: "put" })
                };
                if selection.reverse {
                    Box::new(range.rev().map(show))
                } else {
                    Box::new(range.map(show))
                }
            }
        }
    }
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
            Source::Esker(table) => Ok(table.explain(key)?.steps),
        }
    }

    /// Checks the whole table; what was found sound, with numbers.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<(&'static str, u64)>> {
        match self {
            Source::Esker(table) => {
                let report = table.verify(progress)?;
                Ok(vec![
                    ("frames", report.frames),
                    ("entries", report.entries),
                    ("keys in filters", report.filtered_keys),
                    ("bytes", report.bytes),
                ])
            }
        }
    }

    /// Properties of the table.
    pub fn summary(&self) -> Result<Summary> {
        match self {
            Source::Esker(table) => Ok(Summary {
                format: "esker table, format version 1".into(),
                file_bytes: table.file_bytes(),
                facts: esker_facts(table),
            }),
        }
    }

    /// Every block of the table's file.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        match self {
            Source::Esker(table) => Ok(table.blocks()?.into_iter().map(esker_block).collect()),
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

/// Whether the file at `path` does not begin as our tables do.
fn is_other(path: &Path) -> bool {
    use std::io::Read;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut start));
    read.is_ok() && !esker::is_table(&start)
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
