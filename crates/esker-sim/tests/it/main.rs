//! Crashes and failures of esker on a simulated machine.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod crash;
mod damage;
mod panics;
mod processes;
mod promises;
mod syncs;

use esker::{Db, Durability, Result, WriteBatch};
use esker_sim::SimVfs;
use esker_sim::engine;
use std::collections::BTreeMap;
use std::ops::Range;

/// Where databases are.
const DIRECTORY: &str = engine::DIRECTORY;

/// All keys with their values.
type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(vfs: &SimVfs) -> Result<Db> {
    Db::open(DIRECTORY, engine::settings(vfs, 3))
}

fn key(number: u32) -> Vec<u8> {
    format!("key{number:04}").into_bytes()
}

/// Writes a key each, durably.
fn fill(db: &Db, content: &mut Content, keys: Range<u32>) {
    for number in keys {
        let value = format!("{number} {}", "v".repeat(number as usize % 90)).into_bytes();
        put(db, &key(number), &value).unwrap();
        content.insert(key(number), value);
    }
}

/// Writes one key, durably.
fn put(db: &Db, key: &[u8], value: &[u8]) -> Result<()> {
    let mut batch = WriteBatch::new();
    batch.put(key, value)?;
    db.write(&batch, Durability::Power)
}

fn content(db: &Db) -> Result<Content> {
    db.iter().collect()
}
