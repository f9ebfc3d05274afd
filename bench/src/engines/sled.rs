//! sled 0.34.
//!
//! Its log is in memory and written every 500 ms, or when a segment is full: a killed process may
//! lose that much, less than the others promise. It has no bulk load and no compaction.

use super::{Engine, Kind, NotOffered, Reader, Result, Start, Visit};
use crate::data::{Key, Sum};
use crate::process::wait_until_idle;
use sled::{Config, Db, Mode};

pub const KIND: Kind = Kind {
    name: "sled",
    note: "0.34; its log is written every 500 ms: a killed process loses up to that; its sync \
           leaves the disk's own cache alone",
    compresses: false,
    open: |setup| {
        let config = Config::new()
            .path(setup.directory.join("db"))
            .mode(Mode::HighThroughput)
            .cache_capacity(setup.cache_bytes as u64);
        Ok(Box::new(Sled { db: config.open()?, is_durable: setup.is_durable }))
    },
};

struct Sled {
    db: Db,
    is_durable: bool,
}

impl Sled {
    fn persist(&self) -> Result<()> {
        if self.is_durable {
            self.db.flush()?;
        }
        Ok(())
    }
}

impl Engine for Sled {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        self.persist()
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.db.remove(key)?;
        self.persist()
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(&key[..], *value);
        }
        self.db.apply_batch(batch)?;
        self.persist()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(SledReader(&self.db)))
    }

    fn bulk_load(&self, _: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        Err(NotOffered.into())
    }

    fn settle(&self) -> Result<()> {
        wait_until_idle();
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        Err(NotOffered.into())
    }
}

struct SledReader<'e>(&'e Db);

impl Reader for SledReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let value = self.0.get(key)?;
        if let Some(value) = &value {
            sum.add(value);
        }
        Ok(value.is_some())
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        // There are no snapshots: the keys may be of different moments.
        keys.iter().try_fold(0, |found, key| Ok(found + u64::from(self.get(key, sum)?)))
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let mut iter = match start {
            Start::At(key) => self.0.range(key..),
            _ => self.0.iter(),
        };
        let is_reverse = matches!(start, Start::Last);
        while let Some(entry) = if is_reverse { iter.next_back() } else { iter.next() } {
            let (key, value) = entry?;
            if !visit.entry(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}
