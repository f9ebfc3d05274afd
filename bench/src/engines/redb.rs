//! redb 4.
//!
//! - Each put is a transaction of durability `None`, so that it is seen at once; every 100,000th is
//!   `Immediate`, which frees pages. A killed process loses all since the last `Immediate` one:
//!   less than the others promise.
//! - Each read begins a transaction and opens the table, as one must to see new writes.
//! - Bulk load is in transactions of 100,000, in order. It does not compress.

use super::{Engine, Kind, NotOffered, Reader, Result, Start, Visit};
use crate::data::{Key, Sum};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::sync::atomic::{AtomicU64, Ordering};

pub const KIND: Kind = Kind {
    name: "redb",
    note: "4.4; durability None with a sync every 100,000 puts: a killed process loses up to that",
    compresses: false,
    open: |setup| {
        let path = setup.directory.join("db.redb");
        let db = Database::builder().set_cache_size(setup.cache_bytes).create(path)?;
        let txn = db.begin_write()?;
        txn.open_table(TABLE)?;
        txn.commit()?;
        Ok(Box::new(Redb { db, is_durable: setup.is_durable, commits: AtomicU64::new(0) }))
    },
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

struct Redb {
    db: Database,
    is_durable: bool,
    commits: AtomicU64,
}

impl Redb {
    fn write(
        &self,
        work: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>) -> Result<()>,
    ) -> Result<()> {
        let mut txn = self.db.begin_write()?;
        let commits = self.commits.fetch_add(1, Ordering::Relaxed);
        if !self.is_durable && commits % 100_000 != 99_999 {
            txn.set_durability(Durability::None)?;
        }
        work(&mut txn.open_table(TABLE)?)?;
        Ok(txn.commit()?)
    }
}

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|table| {
            table.insert(key, value)?;
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|table| {
            table.remove(key)?;
            Ok(())
        })
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        self.write(|table| {
            for (key, value) in entries {
                table.insert(&key[..], *value)?;
            }
            Ok(())
        })
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(RedbReader(&self.db)))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            self.write(|table| {
                for (key, value) in entries.by_ref().take(100_000) {
                    table.insert(&key[..], value)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        // It shrinks the file, and needs the database for itself; reads are as before.
        Err(NotOffered.into())
    }
}

struct RedbReader<'e>(&'e Database);

impl Reader for RedbReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let value = self.0.begin_read()?.open_table(TABLE)?.get(key)?;
        if let Some(value) = &value {
            sum.add(value.value());
        }
        Ok(value.is_some())
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut found = 0;
        for key in keys {
            if let Some(value) = table.get(&key[..])? {
                sum.add(value.value());
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut range = match start {
            Start::At(key) => table.range(key..)?,
            _ => table.range::<&[u8]>(..)?,
        };
        let is_reverse = matches!(start, Start::Last);
        while let Some(entry) = if is_reverse { range.next_back() } else { range.next() } {
            let (key, value) = entry?;
            if !visit.entry(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }
}
