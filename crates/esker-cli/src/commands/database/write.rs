//! `esker put` and `esker delete`: single writes.

use crate::args::Durability;
use crate::args::database::{Delete, Put};
use crate::bytes::encode;
use crate::database;
use crate::failure::Result;
use crate::input::Input;
use crate::output::stdout;
use esker::{Db, WriteBatch};
use std::io::Write;
use std::path::Path;

fn durability(chosen: Durability) -> esker::Durability {
    match chosen {
        Durability::None => esker::Durability::None,
        Durability::Process => esker::Durability::Process,
        Durability::Power => esker::Durability::Power,
    }
}

pub fn put(arguments: &Put) -> Result<()> {
    if let Some(input) = &arguments.input {
        return put_all(arguments, input);
    }
    let mut batch = WriteBatch::new();
    if let (Some(key), Some(value)) = (&arguments.key, &arguments.value) {
        batch.put(&key.0, &value.0)?;
    }
    let db = database::open_or_make(&arguments.directory)?;
    Ok(db.write(&batch, durability(arguments.durability))?)
}

/// Puts records one by one; each key is printed when its write is acknowledged, not before.
fn put_all(arguments: &Put, input: &Path) -> Result<()> {
    let input = Input::open(input, &arguments.formats)?;
    let db: Db = database::open_or_make(&arguments.directory)?;
    let durability = durability(arguments.durability);
    let mut batch = WriteBatch::new();
    let mut out = stdout();
    input.each(|key, value| {
        batch.clear();
        batch.put(key, value)?;
        db.write(&batch, durability)?;
        writeln!(out, "{}", encode(key, None))?;
        Ok(out.flush()?)
    })?;
    Ok(())
}

pub fn delete(arguments: &Delete) -> Result<()> {
    let mut batch = WriteBatch::new();
    batch.delete(&arguments.key.0)?;
    let db = database::open(&arguments.directory)?;
    Ok(db.write(&batch, durability(arguments.durability))?)
}
