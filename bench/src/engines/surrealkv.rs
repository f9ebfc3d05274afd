//! surrealkv 1.
//!
//! - Durability `Eventual`: a commit is with the operating system, as with the others.
//! - Each put is a transaction of writes only; commits are asynchronous, and each is waited for.
//! - Blocks of 64 KiB, filters of 10 bits: its defaults. `lz4` means Snappy.
//! - Bulk load is in transactions of 10,000, in order.

use super::{BACKGROUND_THREADS, Codec, Engine, Kind, Reader, Result, Setup, Start, Visit};
use crate::data::{Key, Sum};
use crate::process::wait_until_idle;
use surrealkv::{
    CompactRangeOptions, CompressionType, Durability, LSMIterator, Mode, Transaction, Tree,
    TreeBuilder,
};
use tokio::runtime::{Builder, Runtime};

pub const KIND: Kind = Kind {
    name: "surrealkv",
    note: "1.2; Snappy in place of LZ4",
    compresses: true,
    open: |setup| Ok(Box::new(Surreal::open(setup)?)),
};

struct Surreal {
    tree: Tree,
    runtime: Runtime,
    durability: Durability,
}

impl Surreal {
    fn open(setup: &Setup) -> Result<Surreal> {
        let runtime =
            Builder::new_multi_thread().worker_threads(BACKGROUND_THREADS).enable_all().build()?;
        let entered = runtime.enter();
        let mut options = surrealkv::Options::new()
            .with_path(setup.directory.join("db"))
            .with_max_memtable_size(setup.write_buffer_bytes)
            .with_block_cache_capacity(setup.cache_bytes as u64);
        options = match setup.codec {
            Codec::None => options.without_compression(),
            Codec::Lz4 => {
                options.with_compression_per_level(vec![CompressionType::SnappyCompression])
            }
        };
        let tree = TreeBuilder::with_options(options).build()?;
        drop(entered);
        let durability =
            if setup.is_durable { Durability::Immediate } else { Durability::Eventual };
        Ok(Surreal { tree, runtime, durability })
    }

    fn write(&self, work: impl FnOnce(&mut Transaction) -> Result<()>) -> Result<()> {
        let mut txn = self.tree.begin_with_mode(Mode::WriteOnly)?;
        txn.set_durability(self.durability);
        work(&mut txn)?;
        Ok(self.runtime.block_on(txn.commit())?)
    }
}

impl Drop for Surreal {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.tree.close()) {
            eprintln!("surrealkv: {error}");
        }
    }
}

impl Engine for Surreal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|txn| Ok(txn.set(key, value)?))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|txn| Ok(txn.delete(key)?))
    }

    fn put_batch(&self, entries: &[(Key, &[u8])]) -> Result<()> {
        self.write(|txn| {
            for (key, value) in entries {
                txn.set(&key[..], *value)?;
            }
            Ok(())
        })
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(SurrealReader(self)))
    }

    fn bulk_load(&self, entries: &mut dyn Iterator<Item = (Key, &'_ [u8])>) -> Result<()> {
        loop {
            let batch: Vec<_> = entries.take(10_000).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.put_batch(&batch)?;
        }
    }

    fn settle(&self) -> Result<()> {
        wait_until_idle();
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        Ok(self.tree.compact_range(None, None, &CompactRangeOptions::default())?)
    }
}

struct SurrealReader<'e>(&'e Surreal);

impl Reader for SurrealReader<'_> {
    fn get(&mut self, key: &[u8], sum: &mut Sum) -> Result<bool> {
        let value = self.0.tree.begin_with_mode(Mode::ReadOnly)?.get(key)?;
        if let Some(value) = &value {
            sum.add(value);
        }
        Ok(value.is_some())
    }

    fn multi_get(&mut self, keys: &[Key], sum: &mut Sum) -> Result<u64> {
        let txn = self.0.tree.begin_with_mode(Mode::ReadOnly)?;
        let mut found = 0;
        for key in keys {
            if let Some(value) = txn.get(&key[..])? {
                sum.add(&value);
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, start: Start<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let txn = self.0.tree.begin_with_mode(Mode::ReadOnly)?;
        match start {
            Start::First => walk(&mut txn.scan(..)?, false, visit),
            Start::Last => walk(&mut txn.scan(..)?, true, visit),
            Start::At(key) => walk(&mut txn.scan(key..)?, false, visit),
        }
    }
}

fn walk(iterator: &mut impl LSMIterator, is_reverse: bool, visit: &mut Visit<'_>) -> Result<()> {
    let mut is_on = if is_reverse { iterator.seek_last()? } else { iterator.seek_first()? };
    while is_on && visit.entry(iterator.key().user_key(), &iterator.value_ref()?) {
        is_on = if is_reverse { iterator.prev()? } else { iterator.next()? };
    }
    Ok(())
}
