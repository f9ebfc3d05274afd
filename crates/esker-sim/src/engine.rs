//! esker itself as a store of the harness.

use crate::SimVfs;
use crate::harness::store::{Batch, Level, Opener, Pairs, Store, View};
use crate::random::{Random, seed_of};
use esker::vfs::Vfs;
use esker::{Compression, Db, DbRange, Durability, Result, Settings, Snapshot, WriteBatch};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Directory of the database.
pub const DIRECTORY: &str = "/store/db";

/// Opens databases.
pub struct EngineOpener;

/// The settings numbered `variant`: small sizes, so that short histories flush and compact; no
/// threads, so that a seed says everything.
pub fn settings(vfs: &SimVfs, variant: u64) -> Settings {
    let mut random = Random::new(seed_of(variant, 1));
    let mut settings = Settings::default();
    settings.vfs = Arc::new(vfs.clone());
    settings.background_threads = 0;
    settings.memory_budget_bytes = random.pick(&[1 << 20, 8 << 20]);
    settings.memtable_size_bytes = Some(random.pick(&[4 << 10, 8 << 10, 64 << 10]));
    settings.compression = random.pick(&[Compression::None, Compression::Lz4]);
    settings.block_size_bytes = random.pick(&[256, 1024, 8192]);
    settings.filter_bits_per_key = random.pick(&[0, 10]);
    settings.table_size_bytes = random.pick(&[4 << 10, 16 << 10, 1 << 20]);
    settings.level_0_tables = random.pick(&[1, 2, 4]);
    settings.open_tables_max = random.pick(&[1, 3, 512]);
    settings
}

impl Opener for EngineOpener {
    fn open(&self, vfs: &SimVfs, variant: u64) -> Result<Box<dyn Store>> {
        let db = Db::open(DIRECTORY, settings(vfs, variant))?;
        Ok(Box::new(Engine { db, vfs: vfs.clone() }))
    }
}

/// An open database.
struct Engine {
    db: Db,
    vfs: SimVfs,
}

/// What a range gives, both ways.
fn pairs(range: DbRange, reverse: bool) -> Result<Pairs> {
    if reverse { range.rev().collect() } else { range.collect() }
}

impl View for Engine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.db.get(key)?.map(|value| value.to_vec());
        Ok(found)
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        pairs(self.db.iter(), reverse)
    }
}

impl View for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(Snapshot::get(self, key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        pairs(self.iter(), reverse)
    }
}

impl Store for Engine {
    fn write(&mut self, batch: &Batch, level: Level) -> Result<()> {
        let mut writes = WriteBatch::new();
        for (key, value) in batch {
            match value {
                Some(value) => writes.put(key, value)?,
                None => writes.delete(key)?,
            }
        }
        let durability = match level {
            Level::None => Durability::None,
            Level::Process => Durability::Process,
            Level::Power => Durability::Power,
        };
        self.db.write(&writes, durability)
    }

    fn snapshot(&self) -> Result<Box<dyn View>> {
        Ok(Box::new(self.db.snapshot()))
    }

    fn flush(&mut self) -> Result<()> {
        self.db.flush()
    }

    fn compact(&mut self) -> Result<()> {
        self.db.compact_range::<&[u8]>(..)
    }

    fn verify(&self) -> Result<()> {
        self.db.verify().map(drop)
    }

    fn sequence(&self) -> Option<u64> {
        Some(self.db.stats().sequence)
    }

    fn check_files(&self) -> Result<(), String> {
        let listed = self.vfs.list(Path::new(DIRECTORY)).map_err(|e| e.to_string())?;
        let segments = self.db.segments();
        let tables = segments.iter().filter_map(|segment| segment.path.as_ref()?.file_name());
        let tables: BTreeSet<&str> = tables.filter_map(|name| name.to_str()).collect();
        let names = || listed.iter().map(|name| &**name);
        let there: BTreeSet<&str> = names().filter(|name| name.ends_with(".sstable")).collect();
        let manifests = names().filter(|name| name.starts_with("MANIFEST-")).count();
        let logs = names().filter(|name| name.ends_with(".log")).count();
        let known = ["LOCK", "CURRENT"];
        let rest = listed.len() - there.len() - manifests - logs;
        let is_known = known.iter().all(|name| names().any(|there| there == *name));
        if there == tables && manifests == 1 && logs == 1 && is_known && rest == known.len() {
            return Ok(());
        }
        Err(format!("the directory holds {listed:?}, the tables are {tables:?}"))
    }
}
