//! A table of the database: what is known of it, its open file, and the end of that file.

use crate::base::error::{Error, Result};
use crate::cache::{BlockCache, KeptBlocks};
use crate::table::{ReadSettings, Table};
use crate::vfs::Vfs;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What the manifest knows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMeta {
    /// Number of the file.
    pub number: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Entries: versions of keys.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// The smallest key.
    pub smallest: Box<[u8]>,
    /// The largest key.
    pub largest: Box<[u8]>,
    /// The smallest sequence number.
    pub smallest_sequence: u64,
    /// The largest sequence number.
    pub largest_sequence: u64,
    /// Digest of the table, which its footer repeats.
    pub digest: u64,
    /// The sequence number that all entries count as, of a table that was made elsewhere.
    pub ingested_at: Option<u64>,
}

/// What all tables of a database share: where they are, what they may use.
pub struct TablePool {
    vfs: Arc<dyn Vfs>,
    cache: Arc<BlockCache>,
    directory: PathBuf,
    open_max: usize,
    open: AtomicUsize,
}

impl TablePool {
    /// The tables in `directory`, of which about `open_max` stay open at a time.
    pub fn new(
        vfs: Arc<dyn Vfs>,
        cache: Arc<BlockCache>,
        directory: PathBuf,
        open_max: usize,
    ) -> TablePool {
        TablePool { vfs, cache, directory, open_max, open: AtomicUsize::new(0) }
    }

    /// Number of tables that are open.
    pub fn open_tables(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A keeper for the blocks of a table under way.
    pub fn keeper(&self) -> KeptBlocks {
        KeptBlocks::new(self.cache.clone(), self.vfs.has_page_cache())
    }

    /// Path of table `number`.
    pub fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:06}.sstable"))
    }

    fn open(&self, meta: &TableMeta) -> Result<Table> {
        let path = self.path(meta.number);
        let source = self.vfs.open(&path)?;
        let mut table = Table::from_reader(source, path, &ReadSettings::default())?;
        if (table.file_bytes(), table.digest()) != (meta.file_bytes, meta.digest) {
            let show = |bytes: u64, digest: u64| format!("{bytes} bytes, digest {digest:#018x}");
            let expected = show(meta.file_bytes, meta.digest);
            let found = show(table.file_bytes(), table.digest());
            return Err(Error::corruption(table.name(), 0, "table", expected, found));
        }
        table.cache_in(&self.cache, self.vfs.has_page_cache());
        Ok(table)
    }
}

/// A table of the database. Its file goes when the last holder of an obsolete one lets go.
pub struct TableHandle {
    meta: TableMeta,
    pool: Arc<TablePool>,
    open: OnceLock<Table>,
    /// Whether it was written since the database was opened, and blocks of it were not kept.
    is_cold: AtomicBool,
    is_obsolete: AtomicBool,
}

impl TableHandle {
    /// The table that `meta` describes, not yet open.
    pub fn new(meta: TableMeta, pool: Arc<TablePool>) -> TableHandle {
        let (open, is_cold, is_obsolete) = (OnceLock::new(), false.into(), false.into());
        TableHandle { meta, pool, open, is_cold, is_obsolete }
    }

    /// What is known of the table.
    #[inline]
    pub fn meta(&self) -> &TableMeta {
        &self.meta
    }

    /// The table, opened if need be.
    ///
    /// # Errors
    /// As [`Table::open`]; `Corruption` if the file is another table than the manifest says.
    #[inline]
    pub fn table(&self) -> Result<Table> {
        match self.open.get() {
            Some(table) => Ok(table.clone()),
            None => self.open(),
        }
    }

    /// The table, if it is open and stays so: what look-ups use, which must not clone.
    #[inline]
    pub fn open_table(&self) -> Option<&Table> {
        self.open.get()
    }

    #[cold]
    fn open(&self) -> Result<Table> {
        let table = self.pool.open(&self.meta)?;
        let is_kept = self.pool.open_tables() < self.pool.open_max;
        if is_kept && self.open.set(table.clone()).is_ok() {
            self.pool.open.fetch_add(1, Ordering::Relaxed);
            self.pool.cache.charge(table.resident_bytes());
        }
        Ok(table)
    }

    /// Takes over blocks that were kept while the table was written; opens it if there are any, or
    /// if they were left until rest.
    pub fn warm(&self, kept: KeptBlocks) {
        self.is_cold.store(kept.is_left_cold(), Ordering::Relaxed);
        // A table that cannot be opened is an error of its first reader.
        if !kept.is_empty()
            && self.table().is_ok()
            && let Some(table) = self.open.get()
        {
            table.warm(kept);
        }
    }

    /// Brings blocks into memory that were not kept while the table was written, for as long as
    /// there is room and `goes_on` says so; false if some are left.
    pub fn warm_up(&self, goes_on: &dyn Fn() -> bool) -> bool {
        // Who comes beside leaves it to this one.
        if !self.is_cold.swap(false, Ordering::Relaxed) {
            return true;
        }
        // What cannot be read is an error of its first reader.
        let warm_up = |table: &Table| table.warm_up(goes_on).unwrap_or(true);
        let is_done = goes_on() && (self.table().is_err() || self.open.get().is_none_or(warm_up));
        if !is_done {
            self.is_cold.store(true, Ordering::Relaxed);
        }
        is_done
    }

    /// Path of the file.
    pub fn path(&self) -> PathBuf {
        self.pool.path(self.meta.number)
    }

    /// Lets the file go as soon as nobody reads it.
    pub fn set_obsolete(&self) {
        self.is_obsolete.store(true, Ordering::Release);
    }
}

impl Drop for TableHandle {
    fn drop(&mut self) {
        if let Some(table) = self.open.take() {
            self.pool.open.fetch_sub(1, Ordering::Relaxed);
            self.pool.cache.discharge(table.resident_bytes());
        }
        if self.is_obsolete.load(Ordering::Acquire) {
            // Left behind, it is an orphan, which the next open collects.
            let _ = self.pool.vfs.remove(&self.path());
        }
    }
}

impl fmt::Debug for TableHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meta.fmt(f)
    }
}
