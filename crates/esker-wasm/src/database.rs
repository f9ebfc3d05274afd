//! Databases of other engines, from the files of a directory that were handed over.

use crate::files::{Page, engine_name};
use crate::json::Json;
use crate::look::{file, steps};
use crate::wire::Request;
use esker::vfs::{MemVfs, Vfs};
use esker::{Error, Result, Settings, is_database};
use esker_foreign::{Comparator, Database, DatabaseSettings};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a directory, as they come in.
pub struct Folder {
    vfs: MemVfs,
    path: PathBuf,
}

impl Folder {
    /// An empty directory called `name`.
    pub fn new(name: &str) -> Result<Folder> {
        let (vfs, path) = (MemVfs::default(), PathBuf::from(name));
        vfs.create_directory(&path)?;
        Ok(Folder { vfs, path })
    }

    /// Takes in the file called `name`.
    pub fn add(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::invalid_input("name", format_args!("\"{name}\" names no file")));
        }
        let path = self.path.join(name);
        let mut file = self.vfs.create(&path)?;
        file.write_all(bytes).map_err(|e| Error::io("write", &path, e))
    }

    /// Opens the database in it: the name of the order and the column family, both empty for
    /// what the database says itself.
    pub fn open(&self, request: &mut Request<'_>) -> Result<Database> {
        let (order, family) = (request.text()?, request.text()?);
        let mut settings = DatabaseSettings::default();
        if !order.is_empty() {
            let parsed = order.parse::<Comparator>();
            settings.comparator = Some(parsed.map_err(|e| Error::invalid_input("comparator", e))?);
        }
        settings.column_family = (!family.is_empty()).then(|| family.to_string());
        if self.is_own()? {
            let detail = "it is a database of esker; its tables can be opened one by one";
            return Err(Error::invalid_input("directory", detail));
        }
        Database::open_in(Arc::new(self.vfs.clone()), &self.path, &settings)
    }

    fn is_own(&self) -> Result<bool> {
        let mut settings = Settings::default();
        settings.vfs = Arc::new(self.vfs.clone());
        is_database(&self.path, &settings)
    }
}

/// What the database is: engine, order, column families, files, and what readers should know.
pub fn info(database: &Database) -> Vec<u8> {
    let mut json = Json::default();
    json.object(|json| {
        json.field("engine").text(engine_name(database.engine()));
        json.field("comparator").text(order_name(database.comparator()));
        match database.comparator_name() {
            Some(name) => json.field("comparatorName").text(name),
            None => json.field("comparatorName").null(),
        }
        json.field("columnFamily").text(database.column_family());
        json.field("columnFamilies").list(database.column_families(), |json, name| json.text(name));
        json.field("notices").list(database.notices(), |json, notice| json.text(notice));
        json.field("logs").list(database.logs(), |json, log| {
            json.object(|json| {
                part(json, &log.path, log.bytes);
                json.field("batches").plain(log.batches);
                json.field("entries").plain(log.entries);
            });
        });
        json.field("tables").list(database.tables(), |json, table| {
            json.object(|json| {
                part(json, &table.path, table.bytes);
                json.field("level").plain(table.level);
                json.field("smallest").hex(&table.smallest);
                json.field("largest").hex(&table.largest);
            });
        });
    });
    json.into_bytes()
}

fn order_name(order: Comparator) -> &'static str {
    match order {
        Comparator::Bytewise => "bytewise",
        Comparator::Reverse => "reverse",
        _ => "raw",
    }
}

fn part(json: &mut Json, path: &Path, bytes: u64) {
    file(json, Some(path));
    json.field("bytes").plain(bytes);
}

/// The next entries from `start` on, as a page: all versions, deletes too.
pub fn entries(database: &Database, start: &[u8], page: &mut Page<'_>) -> Result<()> {
    let mut cursor = database.cursor();
    let mut entry = if start.is_empty() { cursor.first() } else { cursor.seek(start) }?;
    while let Some(found) = entry {
        if !page.add_foreign(&found) {
            break;
        }
        entry = cursor.next()?;
    }
    Ok(())
}

/// The way of a look-up for `key`, step by step.
pub fn explain(database: &Database, key: &[u8]) -> Result<Vec<u8>> {
    let mut json = Json::default();
    steps(&mut json, &database.explain(key)?);
    Ok(json.into_bytes())
}
