//! Settings of a database.

use crate::base::error::{Error, Result};
use crate::compaction::PickSettings;
use crate::frame::Compression;
use crate::vfs::{OsVfs, Vfs};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How a database is opened.
///
/// # Examples
/// ```
/// let mut settings = esker::Settings::default();
/// settings.memory_budget_bytes = 64 << 20;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Bytes of memory that the database may use: memtables, indexes, filters, blocks and the
    /// buffers of jobs together. The process needs up to 64 MiB beside it, for its code, the
    /// windows of logs and what the allocator keeps.
    ///
    /// Default 512 MiB. Range 1 MiB to 1 TiB.
    pub memory_budget_bytes: usize,
    /// Bytes of memory at which the memtable is sealed and flushed to a table: keys and values
    /// with what they take beside them, some 80 bytes for each entry.
    ///
    /// Larger: fewer flushes, less compaction; longer recovery, more memory. Default `None`: a
    /// tenth of the budget, at most 64 MiB. Range 4 KiB to 4 GiB, and at most a quarter of the
    /// budget.
    pub memtable_size_bytes: Option<usize>,
    /// How blocks of tables are compressed. Default LZ4.
    pub compression: Compression,
    /// Bytes of keys and values at which a block is closed. Default 8 KiB. Range 256 bytes to
    /// 16 MiB.
    pub block_size_bytes: usize,
    /// Filter bits for each key; zero for no filter. Default 10. Range 0 to 64.
    pub filter_bits_per_key: u32,
    /// Bytes of a table at which compaction begins the next. Default 32 MiB. Range 4 KiB to 4 GiB.
    pub table_size_bytes: u64,
    /// Tables of level 0 at which they are compacted. Default 12. Range 1 to 1000.
    ///
    /// They are merged with each level below, as a whole, that has at most four times their bytes,
    /// at rest ten times, and at most those of four times as many memtables: 2.4 GiB by default.
    /// Until it is done such a merge needs as much space on disk again; after one that failed, less
    /// is merged at a time.
    pub level_0_tables: usize,
    /// Tables that are kept open at a time. Default 512. Range 1 to 1,000,000.
    pub open_tables_max: usize,
    /// Threads for compaction, beside one for flushes. Zero: there is no thread at all, and writers
    /// do the background work themselves, in between. Default: the processors, at most 4. Range 0
    /// to 256.
    pub background_threads: usize,
    /// Whether to make the database if there is none. Default true.
    pub create_if_missing: bool,
    /// Where files are. Default the operating system's file system.
    pub vfs: Arc<dyn Vfs>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            memory_budget_bytes: 512 << 20,
            memtable_size_bytes: None,
            compression: Compression::default(),
            block_size_bytes: 8 << 10,
            filter_bits_per_key: 10,
            table_size_bytes: 32 << 20,
            level_0_tables: 12,
            open_tables_max: 512,
            background_threads: super::background::processors().min(4),
            create_if_missing: true,
            vfs: Arc::new(OsVfs),
        }
    }
}

impl Settings {
    /// The size of a memtable that these settings mean.
    pub(super) fn memtable_bytes(&self) -> usize {
        let tenth = (self.memory_budget_bytes / 10).min(64 << 20);
        self.memtable_size_bytes.unwrap_or(tenth)
    }

    /// What the choice of compactions goes by.
    pub(super) fn pick_settings(&self) -> PickSettings {
        let memtable = self.memtable_bytes() as u64;
        PickSettings {
            level_0_tables: self.level_0_tables,
            base_bytes: 4 * memtable,
            whole_bytes: 4 * memtable * self.level_0_tables as u64,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// `InvalidInput` naming all that are out of their range.
    pub fn validate(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut check = |name: &str, found: u64, range: RangeInclusive<u64>| {
            if !range.contains(&found) {
                let (low, high) = (range.start(), range.end());
                wrong.push(format!("{name} is {found}, not in {low} to {high}"));
            }
        };
        let budget = self.memory_budget_bytes as u64;
        let memtable = self.memtable_bytes() as u64;
        check("memory_budget_bytes", budget, 1 << 20..=1 << 40);
        check("memtable_size_bytes", memtable, 4 << 10..=(4 << 30).min((budget / 4).max(4 << 10)));
        check("block_size_bytes", self.block_size_bytes as u64, 256..=16 << 20);
        check("filter_bits_per_key", self.filter_bits_per_key.into(), 0..=64);
        check("table_size_bytes", self.table_size_bytes, 4 << 10..=4 << 30);
        check("level_0_tables", self.level_0_tables as u64, 1..=1000);
        check("open_tables_max", self.open_tables_max as u64, 1..=1_000_000);
        check("background_threads", self.background_threads as u64, 0..=256);
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid_input("settings", wrong.join("; "))),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("memory_budget_bytes", &self.memory_budget_bytes)
            .field("memtable_size_bytes", &self.memtable_bytes())
            .field("compression", &self.compression)
            .field("background_threads", &self.background_threads)
            .finish_non_exhaustive()
    }
}

/// What a write survives once it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Nothing but the program's own course: the write is in memory, and reaches the log with a
    /// later one, or its table with the next flush. For data that can be made again.
    None,
    /// The end of the process, however sudden: the write is with the operating system.
    #[default]
    Process,
    /// A power cut: the write is on disk.
    Power,
}
