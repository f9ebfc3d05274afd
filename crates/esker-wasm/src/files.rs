//! Tables from outside, of esker, LevelDB and RocksDB, as one kind of thing to look at.

use crate::json::Json;
use crate::wire::put_entry;
use esker::vfs::ReadAt;
use esker::{Error, FrameKind, ReadSettings, Result, Table, ValueKind, is_table};
use esker_foreign::{Engine, ForeignKind, ForeignTable, OpenSettings};
use std::sync::Arc;

/// Bytes of entries after which a reply ends.
const ENTRIES_BYTES: usize = 256 << 10;

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

    /// At most `count` entries whose keys are at least `start`: all versions, deletes too.
    pub fn entries(&self, count: usize, start: &[u8], reply: &mut Vec<u8>) -> Result<()> {
        let is_room = |reply: &Vec<u8>, done| done < count && reply.len() < ENTRIES_BYTES;
        let mut done = 0;
        match self {
            Seen::Own(table) => {
                let mut cursor = table.cursor();
                let mut entry = if start.is_empty() { cursor.first() } else { cursor.seek(start) }?;
                while let Some(found) = entry.filter(|_| is_room(reply, done)) {
                    let value = (found.kind == ValueKind::Put).then_some(found.value);
                    put_entry(reply, found.key, value);
                    done += 1;
                    entry = cursor.next()?;
                }
            }
            Seen::Foreign(table) => {
                let mut cursor = table.cursor();
                let mut entry = if start.is_empty() { cursor.first() } else { cursor.seek(start) }?;
                while let Some(found) = entry.filter(|_| is_room(reply, done)) {
                    let is_gone =
                        matches!(found.kind, ForeignKind::Tombstone | ForeignKind::SingleTombstone);
                    put_entry(reply, found.key, (!is_gone).then_some(found.value));
                    done += 1;
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
        json.field("engine").text(match table.engine() {
            Engine::LevelDb => "LevelDB",
            _ => "RocksDB",
        });
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
