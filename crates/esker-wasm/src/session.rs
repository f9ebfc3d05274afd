//! What is open, by number: stores, snapshots, scans, files that are looked at.

use crate::database::Folder;
use crate::files::Seen;
use crate::pool::PoolVfs;
use crate::requests;
use crate::wire::Request;
use esker::vfs::Vfs;
use esker::{Db, Error, Result, Snapshot};
use esker_foreign::{Database, KeyValue};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// An open store with its files.
pub struct Store {
    pub db: Db,
    pub vfs: Arc<dyn Vfs>,
}

/// A scan of live keys, from one of its ends.
pub struct Scan {
    pub range: Box<dyn DoubleEndedIterator<Item = Result<KeyValue>>>,
    pub is_reverse: bool,
}

/// One thing that is open.
pub enum Item {
    Store(Store),
    /// A snapshot and the number of its store.
    Snapshot(Snapshot, u32),
    /// A scan and the number of its store or database.
    Scan(Scan, u32),
    /// A table from outside.
    Seen(Box<Seen>),
    /// The files of a directory from outside.
    Folder(Folder),
    /// A database from outside.
    Database(Database),
}

/// Everything that is open on one side of the border.
#[derive(Default)]
pub struct Session {
    items: HashMap<u32, Item>,
    last: u32,
    /// The files of persistent stores.
    pub(crate) files: Option<PoolVfs>,
}

impl Session {
    /// Does request number `code` on the thing number `target`, and fills `reply`.
    ///
    /// # Errors
    /// `InvalidInput` for a request that is none; whatever the engine says.
    pub fn call(
        &mut self,
        code: u32,
        target: u32,
        bytes: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<()> {
        requests::call(self, code, target, &mut Request::new(bytes), reply)
    }

    /// Gives the persistent stores their files.
    pub fn set_files(&mut self, files: PoolVfs) {
        self.files = Some(files);
    }

    pub(crate) fn add(&mut self, item: Item) -> u32 {
        self.last += 1;
        self.items.insert(self.last, item);
        self.last
    }

    /// Closes the thing number `target`, and what was taken from it if it is a store or database.
    /// No error if it is closed.
    pub(crate) fn close(&mut self, target: u32) {
        if let Some(Item::Store(_) | Item::Database(_)) = self.items.remove(&target) {
            let is_of = |item: &Item| match item {
                Item::Snapshot(_, of) | Item::Scan(_, of) => *of == target,
                _ => false,
            };
            self.items.retain(|_, item| !is_of(item));
        }
    }

    pub(crate) fn item(&mut self, target: u32) -> Result<&mut Item> {
        self.items.get_mut(&target).ok_or_else(|| Error::invalid_input("handle", "it is closed"))
    }

    pub(crate) fn store(&mut self, target: u32) -> Result<&Store> {
        match self.item(target)? {
            Item::Store(store) => Ok(store),
            _ => Err(Error::invalid_input("handle", "not a store")),
        }
    }
}

/// Where stores in memory lie.
pub fn memory_path() -> &'static Path {
    Path::new("store")
}
