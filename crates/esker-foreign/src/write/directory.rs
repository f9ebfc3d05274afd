//! Whole databases as LevelDB makes them (LevelDB `doc/impl.md`, `db/filename.cc`).
//!
//! The tables lie side by side in one level, the first whose size holds them all, so that LevelDB
//! finds nothing to compact. `CURRENT` comes last: before it the directory is no database.

use super::record::{Contents, one_record};
use super::table::{LevelDbSettings, LevelDbTable, LevelDbTableSummary};
use crate::directory::CURRENT;
use esker::vfs::{AppendFile, OsVfs, Vfs};
use esker::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Numbers of the files.
const MANIFEST_NUMBER: u64 = 2;
const LOG_NUMBER: u64 = 3;
const FIRST_TABLE_NUMBER: u64 = 4;
/// All entries stand as written at one moment: no key comes twice.
const SEQUENCE: u64 = 1;
const COMPARATOR: &str = "leveldb.BytewiseComparator";
/// Bytes of level 1; each level after it holds ten times as much, up to the last.
const LEVEL_1_BYTES: u64 = 10 << 20;
const LAST_LEVEL: u64 = 6;
const BUFFER_BYTES: usize = 256 << 10;

/// What a finished database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelDbSummary {
    /// Entries in it.
    pub entries: u64,
    /// Tables that hold them.
    pub tables: u64,
    /// Bytes of the tables.
    pub bytes: u64,
}

/// Writes a LevelDB database into a directory, from entries in the order of their keys, byte by
/// byte. LevelDB opens it as its own, with its default comparator.
///
/// Dropped before [`LevelDbWriter::finish`], it leaves tables and no database.
///
/// # Examples
/// ```
/// use esker_foreign::{Database, LevelDbSettings, LevelDbWriter};
/// let directory = tempfile::tempdir().unwrap();
/// let mut writer = LevelDbWriter::create(directory.path(), LevelDbSettings::default())?;
/// writer.put(b"apple", b"red")?;
/// writer.put(b"lime", b"green")?;
/// writer.finish()?;
/// let database = Database::open(directory.path())?;
/// assert_eq!(database.get(b"apple")?.as_deref(), Some(&b"red"[..]));
/// # Ok::<(), esker::Error>(())
/// ```
pub struct LevelDbWriter {
    path: PathBuf,
    settings: LevelDbSettings,
    table: Option<LevelDbTable<BufWriter<Box<dyn AppendFile>>>>,
    tables: Vec<(u64, LevelDbTableSummary)>,
    last_key: Option<Vec<u8>>,
}

impl LevelDbWriter {
    /// Starts the database that will be in the directory at `path`, which is made if there is none.
    ///
    /// # Errors
    /// `InvalidInput` if the directory is not empty or a setting is out of its range; `Io`.
    pub fn create(path: impl AsRef<Path>, settings: LevelDbSettings) -> Result<LevelDbWriter> {
        let path = path.as_ref().to_path_buf();
        settings.validate()?;
        OsVfs.create_directory(&path)?;
        if let Some(name) = OsVfs.list(&path)?.first() {
            let detail = format_args!("{}: it holds {name}", path.display());
            return Err(Error::invalid_input("directory for a database", detail));
        }
        Ok(LevelDbWriter { path, settings, table: None, tables: Vec::new(), last_key: None })
    }

    /// Appends `key` with `value`.
    ///
    /// # Errors
    /// `InvalidInput` if the key is not after the one before, or one of them is too long; `Io`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(table) = &mut self.table {
            table.put(key, SEQUENCE, value)?;
        } else {
            // Within a table, the table sees to the order.
            if self.last_key.as_deref().is_some_and(|last| last >= key) {
                let detail = format_args!("\"{}\" is not after the last", key.escape_ascii());
                return Err(Error::invalid_input("key of a database", detail));
            }
            let number = FIRST_TABLE_NUMBER + self.tables.len() as u64;
            let path = self.path.join(format!("{number:06}.ldb"));
            let file = BufWriter::with_capacity(BUFFER_BYTES, OsVfs.create(&path)?);
            let table = LevelDbTable::named(file, path, self.settings.clone())?;
            self.table.insert(table).put(key, SEQUENCE, value)?;
        }
        let written = self.table.as_ref().map_or(0, LevelDbTable::written_bytes);
        if written >= self.settings.table_size_bytes {
            self.end_table()?;
            self.last_key = Some(key.to_vec());
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<()> {
        let Some(table) = self.table.take() else { return Ok(()) };
        let name = table.name().to_path_buf();
        let (file, summary) = table.finish()?;
        let file = file.into_inner().map_err(|e| Error::io("write", &name, e.into_error()))?;
        sync(file, &name)?;
        self.tables.push((FIRST_TABLE_NUMBER + self.tables.len() as u64, summary));
        Ok(())
    }

    /// Completes the database and makes it durable.
    ///
    /// # Errors
    /// `Io`; then the directory is no database.
    pub fn finish(mut self) -> Result<LevelDbSummary> {
        self.end_table()?;
        let tables = &self.tables;
        let bytes = tables.iter().map(|(_, table)| table.bytes).sum();
        let record = Contents {
            comparator: COMPARATOR,
            log_number: LOG_NUMBER,
            next_file: FIRST_TABLE_NUMBER + tables.len() as u64,
            last_sequence: if tables.is_empty() { 0 } else { SEQUENCE },
            level: level_for(bytes),
            tables,
        };
        let manifest = format!("MANIFEST-{MANIFEST_NUMBER:06}");
        self.write(&format!("{LOG_NUMBER:06}.log"), b"")?;
        self.write(&manifest, &one_record(&record.encode()))?;
        OsVfs.sync_directory(&self.path)?;
        let temporary = "000001.dbtmp";
        self.write(temporary, format!("{manifest}\n").as_bytes())?;
        OsVfs.rename(&self.path.join(temporary), &self.path.join(CURRENT))?;
        OsVfs.sync_directory(&self.path)?;
        OsVfs.sync_directory(self.path.parent().unwrap_or(Path::new("")))?;
        let entries = tables.iter().map(|(_, table)| table.entries).sum();
        Ok(LevelDbSummary { entries, tables: tables.len() as u64, bytes })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let mut file = OsVfs.create(&path)?;
        file.write_all(bytes).map_err(|e| Error::io("write", &path, e))?;
        sync(file, &path)
    }
}

fn sync(mut file: Box<dyn AppendFile>, path: &Path) -> Result<()> {
    file.sync().map_err(|e| Error::io("sync", path, e))
}

/// The first level that `bytes` of tables do not make too large.
fn level_for(bytes: u64) -> u64 {
    let holds = |level: &u64| bytes <= LEVEL_1_BYTES * 10u64.pow(*level as u32 - 1);
    (1..LAST_LEVEL).find(holds).unwrap_or(LAST_LEVEL)
}
