//! fjall 3.
//!
//! - `max_memtable_size` is the write buffer; its journal may be 512 MiB, its own default.
//! - Filters are its default: 10 bits a key, more in level 0.
//! - Each write goes to the journal and to the operating system before it returns (its default).
//! - `none`: no compression of blocks, nor of large entries of the journal; `lz4`: its defaults,
//!   which leave the two upper levels uncompressed.
//! - Bulk load is its ingestion.

use super::{BACKGROUND_THREADS, Codec, Engine, Kind, Reader, Result, Setup, Start, Visit};
use crate::data::{Key, Sum};
use crate::process::wait_until_idle;
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

pub const KIND: Kind = Kind {
    name: "fjall",
    note: "3.1",
    compresses: true,
    open: |setup| Ok(Box::new(Fjall::open(setup)?)),
};

struct Fjall {
    db: Database,
    keyspace: Keyspace,
    is_durable: bool,
}

impl Fjall {
    fn open(setup: &Setup) -> Result<Fjall> {
        let mut builder = Database::builder(&setup.directory)
            .cache_size(setup.cache_bytes as u64)
            .worker_threads(BACKGROUND_THREADS);
        if setup.codec == Codec::None {
            builder = builder.journal_compression(CompressionType::None);
        }
        let db = builder.open()?;
        let keyspace = db.keyspace("bench", || {
            let options =
                KeyspaceCreateOptions::default().max_memtable_size(setup.write_buffer_bytes as u64);
            match setup.codec {
                Codec::Lz4 => options,
                Codec::None => options
                    .data_block_compression_policy(CompressionPolicy::all(CompressionType::None)),
            }
        })?;
        Ok(Fjall { db, keyspace, is_durable: setup.is_durable })
    }

    fn persist(&self) -> Result<()> {
        if self.is_durable {
            self.db.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        self.persist()
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.keyspace.remove(key)?;
        self.persist()
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = self.db.batch();
        for (key, value) in entries {
            batch.insert(&self.keyspace, &key[..], *value);
        }
        batch.commit()?;
        self.persist()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(FjallReader(self)))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        let mut ingestion = self.keyspace.start_ingestion()?;
        for (key, value) in entries {
            ingestion.write(&key[..], value)?;
        }
        Ok(ingestion.finish()?)
    }

    fn settle(&self) -> Result<()> {
        wait_until_idle();
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }
}

struct FjallReader<'e>(&'e Fjall);

impl Reader for FjallReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let value = self.0.keyspace.get(key)?;
        if let Some(value) = &value {
            sum.add(value);
        }
        Ok(value.is_some())
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        use fjall::Readable;
        let snapshot = self.0.db.snapshot();
        let mut found = 0;
        for key in keys {
            if let Some(value) = snapshot.get(&self.0.keyspace, key)? {
                sum.add(&value);
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let keyspace = &self.0.keyspace;
        let mut iter = match start {
            Start::At(key) => keyspace.range(key..),
            _ => keyspace.iter(),
        };
        let is_reverse = matches!(start, Start::Last);
        while let Some(guard) = if is_reverse { iter.next_back() } else { iter.next() } {
            let (key, value) = guard.into_inner()?;
            if !visit.entry(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}
