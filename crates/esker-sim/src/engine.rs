//! esker itself as a store of the harness.

use crate::SimVfs;
use crate::harness::store::{Batch, Level, Opener, Pair, Pairs, Place, Reader, Store, View};
use crate::random::{Random, seed_of};
use esker::vfs::Vfs;
use esker::{
    BulkLoad, Compression, Db, DbCursor, DbRange, Durability, ReadOnlyDb, Result, Settings,
    Snapshot, TableFile, WriteBatch, WriteSettings,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tracing::debug_span;

/// Directory of the database.
pub const DIRECTORY: &str = "/store/db";

/// Opens databases.
pub struct EngineOpener;

/// Settings below this number have no threads: writers flush and compact. Those from it on have a
/// thread for flushes and two for compactions, which take turns with the writer.
pub const INLINE_VARIANTS: u64 = 64;

/// The settings numbered `variant`: small sizes, so that short histories flush and compact.
pub fn settings(vfs: &SimVfs, variant: u64) -> Settings {
    let mut random = Random::new(seed_of(variant % INLINE_VARIANTS, 1));
    let mut settings = Settings::default();
    settings.vfs = Arc::new(vfs.clone());
    settings.background_threads = 0;
    if variant >= INLINE_VARIANTS {
        settings.background_threads = 2;
    }
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
        if variant >= INLINE_VARIANTS {
            vfs.take_turns();
        }
        let db = Db::open(DIRECTORY, settings(vfs, variant))?;
        Ok(Box::new(Engine { db, vfs: vfs.clone(), variant, aside: Vec::new() }))
    }
}

/// An open database.
struct Engine {
    db: Db,
    vfs: SimVfs,
    variant: u64,
    /// Threads that compact by hand.
    aside: Vec<JoinHandle<()>>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        for thread in self.aside.drain(..) {
            if let Some(turns) = self.vfs.turns() {
                turns.join(thread.thread().id());
            }
            let _ = thread.join();
        }
    }
}

/// What a range gives, both ways.
fn pairs(range: DbRange, reverse: bool) -> Result<Pairs> {
    if reverse { range.rev().collect() } else { range.collect() }
}

impl View for Engine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _span = debug_span!("read").entered();
        Ok(self.db.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        let _span = debug_span!("read").entered();
        pairs(self.db.iter(), reverse)
    }
}

impl View for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _span = debug_span!("read").entered();
        Ok(Snapshot::get(self, key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        let _span = debug_span!("read").entered();
        pairs(self.iter(), reverse)
    }
}

impl View for ReadOnlyDb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _span = debug_span!("read beside").entered();
        Ok(ReadOnlyDb::get(self, key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        let _span = debug_span!("read beside").entered();
        pairs(self.iter(), reverse)
    }
}

impl Reader for ReadOnlyDb {
    fn refresh(&self) -> Result<()> {
        let _span = debug_span!("read beside").entered();
        ReadOnlyDb::refresh(self)
    }
}

/// What a cursor lends, owned.
fn owned(found: Option<(&[u8], &[u8])>) -> Option<Pair> {
    found.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

impl Place for DbCursor {
    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair>> {
        let _span = debug_span!("read").entered();
        DbCursor::seek(self, key).map(owned)
    }

    fn step(&mut self, is_back: bool) -> Result<Option<Pair>> {
        let _span = debug_span!("read").entered();
        if is_back { self.prev().map(owned) } else { self.next().map(owned) }
    }
}

impl Engine {
    /// A path beside the database that nothing has.
    fn fresh_path(&self, stem: &str, end: &str) -> PathBuf {
        format!("/store/{stem}-{}{end}", self.vfs.calls()).into()
    }

    fn make_table(&self, path: &Path, batch: &Batch) -> Result<()> {
        let vfs = Arc::new(self.vfs.clone());
        let mut table = TableFile::create_in(vfs, path, WriteSettings::default())?;
        for (key, value) in batch {
            match value {
                Some(value) => table.put(key, value)?,
                None => table.delete(key)?,
            }
        }
        table.finish().map(drop)
    }

    fn bulk_load(&self, batch: &Batch) -> Result<()> {
        let mut sorted = batch.clone();
        sorted.sort();
        let fill = |load: &mut BulkLoad<'_>| {
            sorted.iter().try_for_each(|(key, value)| match value {
                Some(value) => load.put(key, value),
                None => load.delete(key),
            })
        };
        self.db.bulk_load(fill).map(drop)
    }
}

impl Store for Engine {
    fn write(&mut self, batch: &Batch, level: Level) -> Result<()> {
        let _span = debug_span!("write").entered();
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
        let _span = debug_span!("flush all").entered();
        self.db.flush()
    }

    fn compact(&mut self) -> Result<()> {
        let _span = debug_span!("compact all").entered();
        self.db.compact_range::<&[u8]>(..)
    }

    fn rest(&mut self) -> Result<()> {
        let _span = debug_span!("rest").entered();
        self.db.settle()
    }

    fn compact_aside(&mut self) -> Result<()> {
        let Some(turns) = self.vfs.turns() else { return self.compact() };
        let db = self.db.clone();
        let work = move || {
            let _span = debug_span!("compact all").entered();
            // What fails changes nothing.
            let _ = db.compact_range::<&[u8]>(..);
        };
        let thread = turns.spawn("aside".into(), Box::new(work));
        self.aside.extend(thread);
        Ok(())
    }

    fn verify(&self) -> Result<()> {
        let _span = debug_span!("verify").entered();
        self.db.verify().map(drop)
    }

    fn ingest(&mut self, batch: &Batch) -> Result<()> {
        // Half of them the other way, which has the same result.
        if batch.len() % 2 == 1 {
            let _span = debug_span!("ingest").entered();
            return self.bulk_load(batch);
        }
        let path = self.fresh_path("made", ".sstable");
        {
            let _span = debug_span!("make table").entered();
            let mut sorted = batch.clone();
            sorted.sort();
            self.make_table(&path, &sorted)?;
        }
        let _span = debug_span!("ingest").entered();
        self.db.ingest(std::slice::from_ref(&path))?;
        // The database has its own name for it.
        let _ = self.vfs.remove(&path);
        Ok(())
    }

    fn copy(&mut self) -> Result<Option<Pairs>> {
        let target = self.fresh_path("copy", "");
        {
            let _span = debug_span!("checkpoint").entered();
            self.db.checkpoint(&target)?;
        }
        let copy = Db::open(&target, settings(&self.vfs, self.variant))?;
        let _span = debug_span!("read").entered();
        let found = pairs(copy.iter(), false)?;
        Ok(Some(found))
    }

    fn place(&self) -> Option<Box<dyn Place>> {
        Some(Box::new(self.db.cursor()))
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>> {
        let _span = debug_span!("read beside").entered();
        let mut settings = settings(&self.vfs, self.variant);
        // A table that is open can be read when the writer has removed it.
        settings.open_tables_max = 100_000;
        Ok(Some(Box::new(Db::open_read_only(DIRECTORY, settings)?)))
    }

    fn sequence(&self) -> Option<u64> {
        Some(self.db.stats().sequence)
    }

    fn check_files(&self) -> Result<(), String> {
        // A thread may be about to remove what it no longer needs.
        let mut looked = self.look_at_files();
        for _ in 0..TURNS_MAX {
            let (Some(turns), Err(_)) = (self.vfs.turns(), &looked) else { break };
            turns.pass();
            looked = self.look_at_files();
        }
        looked
    }
}

/// Turns in which threads must have come to rest.
const TURNS_MAX: usize = 3000;

impl Engine {
    fn look_at_files(&self) -> Result<(), String> {
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
