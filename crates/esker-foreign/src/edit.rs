//! Records of a manifest: changes of the set of tables (LevelDB `doc/impl.md` and
//! `db/version_edit.cc`; RocksDB wiki *MANIFEST*, and `db/version_edit.h` for its tags).
//!
//! A record is a row of fields, each a tag and what belongs to it. RocksDB's tags are LevelDB's
//! and more, so that one decoder reads both.

use crate::coding::{Reader, u64_at};
use crate::entry::{ForeignKind, split};
use crate::footer::Engine;

/// Most levels that either engine can be set to have.
const LEVELS_MAX: usize = 256;
/// Tags with this bit hold their length, and may be passed over.
const IGNORABLE: usize = 1 << 13;
/// Fields of tables with this bit must be known.
const NOT_IGNORABLE: usize = 1 << 6;

/// One change, as a manifest records it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) comparator: Option<String>,
    pub(crate) log_number: Option<u64>,
    pub(crate) previous_log: Option<u64>,
    pub(crate) next_file: Option<u64>,
    pub(crate) last_sequence: Option<u64>,
    /// Tables that go: level and number.
    pub(crate) removed: Vec<(usize, u64)>,
    /// Tables that come, with their level.
    pub(crate) added: Vec<(usize, FileMeta)>,
    /// Number of the column family that this is about.
    pub(crate) family: u32,
    /// The family is new, and has this name.
    pub(crate) new_family: Option<String>,
    pub(crate) drops_family: bool,
    /// This is one of several changes that count together; how many are to come.
    pub(crate) to_come: Option<u32>,
    /// Whether LevelDB would not know a tag.
    pub(crate) is_rocksdb: bool,
}

/// One end of a table's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableBound {
    pub(crate) key: Vec<u8>,
    pub(crate) sequence: u64,
    /// The key itself is not in the table: a range deletion ends before it.
    pub(crate) is_excluded: bool,
}

/// A table, as a manifest names it.
#[derive(Clone, Debug)]
pub(crate) struct FileMeta {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) smallest: TableBound,
    pub(crate) largest: TableBound,
    /// The largest sequence number in the table, where the record names it.
    pub(crate) largest_sequence: Option<u64>,
}

/// Why a record cannot be read, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EditFault {
    /// Its bytes are no such record.
    Corrupt(&'static str, usize),
    /// It has a thing that is not read.
    Unsupported(&'static str, usize),
}

impl Edit {
    /// The engine that made the record, as far as it shows.
    pub(crate) fn engine(&self) -> Engine {
        if self.is_rocksdb { Engine::RocksDb } else { Engine::LevelDb }
    }

    /// Takes a record apart.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Edit, EditFault> {
        let mut edit = Edit::default();
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let at = bytes.len() - reader.0.len();
            let tag = reader.varint32().ok_or(EditFault::Corrupt("manifest tag", at))?;
            edit.is_rocksdb |= tag > 9;
            match edit.field(tag, &mut reader) {
                Some(Ok(())) => {}
                Some(Err(what)) => return Err(EditFault::Unsupported(what, at)),
                None => return Err(EditFault::Corrupt(field_name(tag), at)),
            }
        }
        Ok(edit)
    }

    /// Reads what belongs to `tag`; `None` if it cannot be, an error's text if it is not read.
    fn field(&mut self, tag: usize, reader: &mut Reader<'_>) -> Option<Result<(), &'static str>> {
        match tag {
            1 => self.comparator = Some(text(reader)?),
            2 => self.log_number = Some(reader.varint()?),
            3 => self.next_file = Some(reader.varint()?),
            4 => self.last_sequence = Some(reader.varint()?),
            // Where a compaction would go on: nothing to readers.
            5 => drop((level(reader)?, slice(reader)?)),
            6 => self.removed.push((level(reader)?, reader.varint()?)),
            7 | 100 | 102 | 103 => {
                let level = level(reader)?;
                match FileMeta::decode(tag, reader)? {
                    Ok(file) => self.added.push((level, file)),
                    Err(what) => return Some(Err(what)),
                }
            }
            9 => self.previous_log = Some(reader.varint()?),
            // The oldest log that two-phase commits need.
            10 => drop(reader.varint()?),
            200 => self.family = reader.varint32()? as u32,
            201 => self.new_family = Some(text(reader)?),
            202 => self.drops_family = true,
            203 => drop(reader.varint32()?),
            300 => self.to_come = Some(reader.varint32()? as u32),
            400 | 401 | 8194 | 8195 => return Some(Err("blob files")),
            // Logs noted in the manifest, in a form without a length.
            8196 => noted_log(reader)?,
            8197 => drop(reader.varint()?),
            tag if tag & IGNORABLE != 0 => drop(slice(reader)?),
            _ => return None,
        }
        Some(Ok(()))
    }
}

impl FileMeta {
    /// Reads what follows a new table's level, in the form that `tag` has.
    fn decode(tag: usize, reader: &mut Reader<'_>) -> Option<Result<FileMeta, &'static str>> {
        const OTHER_PATH: &str = "a table in another folder than the database's";
        let number = reader.varint()?;
        if tag == 102 && reader.varint32()? != 0 {
            return Some(Err(OTHER_PATH));
        }
        let bytes = reader.varint()?;
        let (smallest, largest) = (bound(reader)?, bound(reader)?);
        let mut largest_sequence = None;
        if tag != 7 {
            let _smallest_sequence = reader.varint()?;
            largest_sequence = Some(reader.varint()?);
        }
        let file = FileMeta { number, bytes, smallest, largest, largest_sequence };
        if tag != 103 {
            return Some(Ok(file));
        }
        loop {
            let field = reader.varint32()?;
            if field == 1 {
                return Some(Ok(file));
            }
            let value = slice(reader)?;
            match field {
                65 if value != [0] => return Some(Err(OTHER_PATH)),
                65 => {}
                field if field & NOT_IGNORABLE != 0 => {
                    return Some(Err("a field of a table that must be known"));
                }
                _ => {}
            }
        }
    }
}

fn slice<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = reader.varint32()?;
    reader.bytes(len)
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    Some(String::from_utf8_lossy(slice(reader)?).into_owned())
}

fn level(reader: &mut Reader<'_>) -> Option<usize> {
    reader.varint32().filter(|&level| level < LEVELS_MAX)
}

fn bound(reader: &mut Reader<'_>) -> Option<TableBound> {
    let key = slice(reader)?;
    let (user_key, sequence, kind) = split(key)?;
    // The end of a range deletion stands with the highest number that there is.
    let highest = u64_at(key, user_key.len())? >> 8 == u64::MAX >> 8;
    let is_excluded = highest && kind == ForeignKind::RangeTombstone;
    Some(TableBound { key: user_key.to_vec(), sequence, is_excluded })
}

fn noted_log(reader: &mut Reader<'_>) -> Option<()> {
    reader.varint()?;
    loop {
        match reader.varint32()? {
            1 => return Some(()),
            2 => drop(reader.varint()?),
            _ => return None,
        }
    }
}

/// What stands under `tag`, for errors.
fn field_name(tag: usize) -> &'static str {
    match tag {
        1 => "comparator in a manifest",
        2 | 9 => "log number in a manifest",
        3 => "next file number in a manifest",
        4 => "last sequence number in a manifest",
        5 => "compaction pointer in a manifest",
        6 => "removed table in a manifest",
        7 | 100 | 102 | 103 => "new table in a manifest",
        200..=203 => "column family in a manifest",
        300 => "group in a manifest",
        tag if tag & IGNORABLE != 0 => "field to pass over in a manifest",
        _ => "manifest tag",
    }
}
