//! Tables from outside, of esker, LevelDB and RocksDB, as one kind of thing to look at.

use crate::json::Json;
use crate::wire::put_entry;
use esker::vfs::ReadAt;
use esker::{Error, FrameKind, ReadSettings, Result, Table, ValueKind, is_table};
use esker_foreign::{Engine, ForeignEntry, ForeignKind, ForeignTable, OpenSettings};
use std::sync::Arc;

/// Bytes of entries after which a reply ends.
const ENTRIES_BYTES: usize = 256 << 10;

/// A reply of so many entries at most, and not of too many bytes.
pub struct Page<'a> {
    left: usize,
    reply: &'a mut Vec<u8>,
}

impl Page<'_> {
    pub fn new(count: usize, reply: &mut Vec<u8>) -> Page<'_> {
        Page { left: count, reply }
    }

    /// Adds an entry, a delete without a value; `false` if the page was full before.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        if self.left == 0 || self.reply.len() >= ENTRIES_BYTES {
            return false;
        }
        put_entry(self.reply, key, value);
        self.left -= 1;
        true
    }

    /// As [`Page::add`], for an entry of another engine.
    pub fn add_foreign(&mut self, entry: &ForeignEntry<'_>) -> bool {
        let is_gone = matches!(entry.kind, ForeignKind::Tombstone | ForeignKind::SingleTombstone);
        self.add(entry.key, (!is_gone).then_some(entry.value))
    }
}

/// How people write the name of an engine.
pub fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::LevelDb => "LevelDB",
        _ => "RocksDB",
    }
}

/// A table that is looked at.
pub enum Seen {
    /// One of ours.
    Own(Table),
    /// One of LevelDB or RocksDB.
    Foreign(ForeignTable),
}

impl Seen {
    /// Opens the table in `bytes`, called `name` in errors.
    pub fn open(name: &str, bytes: Vec<u8>) -> Result<Seen> {
        let is_own = is_table(&bytes);
        let source: Arc<dyn ReadAt> = Arc::new(bytes);
        if is_own {
            return Table::from_reader(source, name, &ReadSettings::default()).map(Seen::Own);
        }
        ForeignTable::from_reader(source, name, &OpenSettings::default()).map(Seen::Foreign)
    }

    /// What it is: engine, size, blocks, properties.
    pub fn info(&self) -> Result<Vec<u8>> {
        let mut json = Json::default();
        match self {
            Seen::Own(table) => own(&mut json, table)?,
            Seen::Foreign(table) => foreign(&mut json, table)?,
        }
        Ok(json.into_bytes())
    }

    /// The entries whose keys are at least `start`, as a page: all versions, deletes too.
    pub fn entries(&self, start: &[u8], page: &mut Page<'_>) -> Result<()> {
        match self {
            Seen::Own(table) => {
                let mut cursor = table.cursor();
                let mut entry = if start.is_empty() { cursor.first() } else { cursor.seek(start) }?;
                while let Some(found) = entry {
                    let value = (found.kind == ValueKind::Put).then_some(found.value);
                    if !page.add(found.key, value) {
                        break;
                    }
                    entry = cursor.next()?;
                }
            }
            Seen::Foreign(table) => {
                let mut cursor = table.cursor();
                let mut entry = if start.is_empty() { cursor.first() } else { cursor.seek(start) }?;
                while let Some(found) = entry {
                    if !page.add_foreign(&found) {
                        break;
                    }
                    entry = cursor.next()?;
                }
            }
        }
        Ok(())
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Seen::Own(table) => Ok(table.get(key)?.map(|value| value.into_vec())),
            Seen::Foreign(table) => table.get(key),
        }
    }

    /// The block at byte `offset`, decompressed.
    pub fn block(&self, offset: usize) -> Result<Vec<u8>> {
        let Seen::Own(table) = self else {
            return Err(Error::invalid_input("block", "only esker's own blocks are shown"));
        };
        let block = table.block_bytes(offset as u64)?;
        block.ok_or_else(|| Error::invalid_input("block", "no block begins there"))
    }
}

fn own(json: &mut Json, table: &Table) -> Result<()> {
    let blocks = table.blocks()?;
    let properties = table.properties();
    json.object(|json| {
        json.field("engine").text("esker");
        json.field("bytes").plain(table.file_bytes());
        json.field("blocks").list(&blocks, |json, block| {
            json.object(|json| {
                json.field("kind").text(kind_name(block.kind));
                json.field("offset").plain(block.offset);
                json.field("storedBytes").plain(block.stored_bytes);
                json.field("rawBytes").plain(block.raw_bytes);
                json.field("codec").text(block.compression);
                json.field("entries").plain(block.entries);
                json.field("key").hex(&block.fence);
            });
        });
        json.field("properties").list(
            [
                ("entries", properties.entries),
                ("keys", properties.keys),
                ("tombstones", properties.tombstones),
                ("raw_key_bytes", properties.raw_key_bytes),
                ("raw_value_bytes", properties.raw_value_bytes),
            ],
            |json, (name, number)| pair(json, name, &number.to_string()),
        );
    });
    Ok(())
}

fn kind_name(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Data => "data",
        FrameKind::Index => "index",
        FrameKind::Filter => "filter",
        FrameKind::Properties => "properties",
        _ => "other",
    }
}

fn foreign(json: &mut Json, table: &ForeignTable) -> Result<()> {
    let blocks = table.blocks()?;
    json.object(|json| {
        json.field("engine").text(engine_name(table.engine()));
        json.field("bytes").plain(table.file_bytes());
        json.field("blocks").list(&blocks, |json, block| {
            json.object(|json| {
                json.field("kind").text(block.kind);
                json.field("offset").plain(block.offset);
                json.field("storedBytes").plain(block.stored_bytes);
                json.field("rawBytes").plain(block.raw_bytes);
                json.field("codec").text(block.codec);
                json.field("entries").null();
                json.field("key").hex(&block.last_key);
            });
        });
        json.field("properties").list(table.properties(), |json, (name, value)| {
            pair(json, &name, &value);
        });
    });
    Ok(())
}

fn pair(json: &mut Json, name: &str, value: &str) {
    json.object(|json| {
        json.field("name").text(name);
        json.field("value").text(value);
    });
}
