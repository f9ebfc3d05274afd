//! esker, this project.
//!
//! Its one memory budget holds write buffers, indexes, filters and blocks together: it gets the
//! cache and one write buffer, and nothing beside, where the peers keep a second write buffer,
//! indexes and filters outside of their cache.

use super::{BACKGROUND_THREADS, Codec, Engine, Kind, Reader, Result, Start, Visit};
use crate::data::{Key, Sum};
use esker::{Compression, Db, Durability, Settings, WriteBatch};

pub const KIND: Kind = Kind {
    name: "esker",
    note: "this project; cache and write buffer are one budget",
    compresses: true,
    open: |setup| {
        let mut settings = Settings::default();
        settings.memory_budget_bytes = setup.cache_bytes + setup.write_buffer_bytes;
        settings.memtable_size_bytes = Some(setup.write_buffer_bytes);
        settings.compression = compression(setup.codec);
        settings.background_threads = BACKGROUND_THREADS;
        let db = Db::open(setup.directory.join("db"), settings)?;
        let durability = if setup.is_durable { Durability::Power } else { Durability::Process };
        Ok(Box::new(Esker { db, durability }))
    },
};

struct Esker {
    db: Db,
    durability: Durability,
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
    }
}

impl Engine for Esker {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.durability == Durability::Process {
            return Ok(self.db.put(key, value)?);
        }
        let mut batch = WriteBatch::new();
        batch.put(key, value)?;
        Ok(self.db.write(&batch, self.durability)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete(key)?)
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (key, value) in entries {
            batch.put(key, value)?;
        }
        Ok(self.db.write(&batch, self.durability)?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(EskerReader(&self.db)))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        self.db.bulk_load(|load| {
            for (key, value) in entries {
                load.put(&key, value)?;
            }
            Ok::<_, esker::Error>(())
        })?;
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(self.db.settle()?)
    }

    fn compact(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.db.compact_range::<&[u8]>(..)?)
    }
}

struct EskerReader<'e>(&'e Db);

impl Reader for EskerReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let value = self.0.get(key)?;
        if let Some(value) = &value {
            sum.add(value);
        }
        Ok(value.is_some())
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        let mut found = 0;
        for value in self.0.multi_get(keys)?.iter().flatten() {
            sum.add(value);
            found += 1;
        }
        Ok(found)
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let mut cursor = self.0.cursor();
        if matches!(start, Start::Last) {
            let last = cursor.last()?;
            if last.is_some_and(|(key, value)| visit.entry(key, value)) {
                cursor.prev_while(|key, value| visit.entry(key, value))?;
            }
            return Ok(());
        }
        let first = match start {
            Start::At(key) => cursor.seek(key)?,
            _ => cursor.first()?,
        };
        if first.is_some_and(|(key, value)| visit.entry(key, value)) {
            cursor.next_while(|key, value| visit.entry(key, value))?;
        }
        Ok(())
    }
}
