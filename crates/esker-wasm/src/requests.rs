//! What each request does.

use crate::database::{self, Folder};
use crate::files::{Page, Seen};
use crate::look;
use crate::session::{Item, Scan, Session, Store, memory_path};
use crate::wire::{NUMBER_LEN, Request, put_entry, put_number, set_number};
use esker::vfs::{MemVfs, Vfs};
use esker::{Compression, Db, Durability, Error, Result, Settings, WriteBatch};
use esker_foreign::Database;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

/// Bytes of entries after which a reply to a scan ends.
const SCAN_BYTES: usize = 64 << 10;
/// Bytes of replies after which a row of reads ends, the rest undone.
const READS_BYTES: usize = 1 << 20;

/// Numbers of requests; `web/package/engine.js` has the same.
mod code {
    pub const OPEN_IN_MEMORY: u32 = 1;
    pub const OPEN: u32 = 2;
    pub const CLOSE: u32 = 3;
    pub const PUT: u32 = 4;
    pub const DELETE: u32 = 5;
    pub const GET: u32 = 6;
    pub const HAS: u32 = 7;
    pub const WRITE: u32 = 8;
    pub const SCAN: u32 = 9;
    pub const NEXT: u32 = 10;
    pub const SNAPSHOT: u32 = 11;
    pub const FLUSH: u32 = 12;
    pub const COMPACT: u32 = 13;
    pub const SYNC: u32 = 14;
    pub const SEGMENTS: u32 = 15;
    pub const ENTRIES: u32 = 16;
    pub const STATS: u32 = 17;
    pub const EXPLAIN: u32 = 18;
    pub const FILES: u32 = 19;
    pub const READ_FILE: u32 = 20;
    pub const LOOK: u32 = 21;
    pub const LOOK_INFO: u32 = 22;
    pub const LOOK_ENTRIES: u32 = 23;
    pub const LOOK_GET: u32 = 24;
    pub const LOOK_BLOCK: u32 = 25;
    pub const FOLDER: u32 = 26;
    pub const ADD_FILE: u32 = 27;
    pub const OPEN_FOLDER: u32 = 28;
    pub const READS: u32 = 29;
}

/// Does one request.
pub fn call(
    session: &mut Session,
    code: u32,
    target: u32,
    request: &mut Request<'_>,
    reply: &mut Vec<u8>,
) -> Result<()> {
    match code {
        code::OPEN_IN_MEMORY => {
            let vfs = Arc::new(MemVfs::default());
            open(session, vfs, memory_path(), request, reply)
        }
        code::OPEN => {
            let files = session.files.clone();
            let vfs = files.ok_or_else(|| Error::invalid_input("files", "there are none"))?;
            open(session, Arc::new(vfs), memory_path(), request, reply)
        }
        code::CLOSE => {
            session.close(target);
            Ok(())
        }
        code::LOOK | code::SCAN | code::SNAPSHOT | code::FOLDER | code::OPEN_FOLDER => {
            let item = make(session, code, target, request)?;
            put_number(reply, session.add(item) as usize);
            Ok(())
        }
        code::READS => reads(session, request, reply),
        _ => on_item(session.item(target)?, code, request, reply),
    }
}

/// A row of `GET` and `HAS`: a byte for which, its target, the key with its length. The reply: how
/// many bytes of the row were done, then for each a zero byte, the reply's length, and the reply.
fn reads(session: &mut Session, row: &mut Request<'_>, reply: &mut Vec<u8>) -> Result<()> {
    let all = row.len();
    put_number(reply, 0);
    while !row.is_empty() && reply.len() < READS_BYTES {
        let (code, target, key) = (u32::from(row.byte()?), row.number()?, row.bytes()?);
        if !matches!(code, code::GET | code::HAS) {
            return Err(unknown(code));
        }
        reply.push(0);
        let at = reply.len();
        put_number(reply, 0);
        on_item(session.item(target as u32)?, code, &mut Request::new(key), reply)?;
        let len = reply.len() - at - NUMBER_LEN;
        set_number(reply, at, len);
    }
    set_number(reply, 0, all - row.len());
    Ok(())
}

/// What a request opens, alone or from the thing number `target`.
fn make(session: &mut Session, code: u32, target: u32, request: &mut Request<'_>) -> Result<Item> {
    Ok(match code {
        code::LOOK => {
            let (name, bytes) = (request.text()?, request.rest());
            Item::Seen(Box::new(Seen::open(name, bytes.to_vec())?))
        }
        code::SCAN => scan(session, target, request)?,
        code::SNAPSHOT => Item::Snapshot(session.store(target)?.db.snapshot(), target),
        code::FOLDER => Item::Folder(Folder::new(request.text()?)?),
        _ => match session.item(target)? {
            Item::Folder(folder) => Item::Database(folder.open(request)?),
            _ => return Err(unknown(code)),
        },
    })
}

fn on_item(
    item: &mut Item,
    code: u32,
    request: &mut Request<'_>,
    reply: &mut Vec<u8>,
) -> Result<()> {
    match item {
        Item::Store(store) => on_store(store, code, request, reply),
        Item::Snapshot(snapshot, _) if code == code::GET => {
            put_value(reply, snapshot.get(request.rest())?.as_deref());
            Ok(())
        }
        Item::Snapshot(snapshot, _) if code == code::HAS => {
            reply.push(u8::from(snapshot.has(request.rest())?));
            Ok(())
        }
        Item::Scan(scan, _) if code == code::NEXT => next(scan, request, reply),
        Item::Folder(folder) if code == code::ADD_FILE => {
            folder.add(request.text()?, request.rest())
        }
        Item::Snapshot(..) | Item::Scan(..) | Item::Folder(_) => Err(unknown(code)),
        Item::Seen(seen) => on_seen(seen, code, request, reply),
        Item::Database(database) => on_database(database, code, request, reply),
    }
}

fn unknown(code: u32) -> Error {
    Error::invalid_input("request", format_args!("number {code} is not known here"))
}

fn on_store(
    store: &Store,
    code: u32,
    request: &mut Request<'_>,
    reply: &mut Vec<u8>,
) -> Result<()> {
    let db = &store.db;
    match code {
        code::PUT => put(db, request)?,
        code::DELETE => {
            let durability = durability(request.byte()?);
            let mut batch = WriteBatch::new();
            batch.delete(request.rest())?;
            db.write(&batch, durability)?;
        }
        code::GET => put_value(reply, db.get(request.rest())?.as_deref()),
        code::HAS => reply.push(u8::from(db.has(request.rest())?)),
        code::WRITE => write(db, request)?,
        code::FLUSH => db.flush()?,
        code::COMPACT => {
            let (start, end) = bounds(request)?;
            db.compact_range::<Vec<u8>>((start, end))?;
        }
        code::SYNC => db.sync()?,
        code::SEGMENTS => *reply = look::segments(db),
        code::ENTRIES => look::entries(db, request.number()?, reply)?,
        code::STATS => *reply = look::stats(db),
        code::EXPLAIN => *reply = look::explain(db, request.rest())?,
        code::FILES => *reply = look::files(store)?,
        code::READ_FILE => look::read_file(store, request, reply)?,
        _ => return Err(unknown(code)),
    }
    Ok(())
}

fn on_seen(seen: &Seen, code: u32, request: &mut Request<'_>, reply: &mut Vec<u8>) -> Result<()> {
    match code {
        code::LOOK_INFO => *reply = seen.info()?,
        code::LOOK_ENTRIES => {
            let mut page = Page::new(request.number()?, reply);
            seen.entries(request.rest(), &mut page)?;
        }
        code::LOOK_GET => {
            put_value(reply, seen.get(request.rest())?.as_deref());
        }
        code::LOOK_BLOCK => *reply = seen.block(request.number()?)?,
        _ => return Err(unknown(code)),
    }
    Ok(())
}

fn on_database(
    database: &Database,
    code: u32,
    request: &mut Request<'_>,
    reply: &mut Vec<u8>,
) -> Result<()> {
    match code {
        code::LOOK_INFO => *reply = database::info(database),
        code::LOOK_ENTRIES => {
            let mut page = Page::new(request.number()?, reply);
            database::entries(database, request.rest(), &mut page)?;
        }
        code::GET => put_value(reply, database.get(request.rest())?.as_deref()),
        code::HAS => reply.push(u8::from(database.get(request.rest())?.is_some())),
        code::EXPLAIN => *reply = database::explain(database, request.rest())?,
        _ => return Err(unknown(code)),
    }
    Ok(())
}

fn put_value(reply: &mut Vec<u8>, value: Option<&[u8]>) {
    if let Some(value) = value {
        reply.push(1);
        reply.extend_from_slice(value);
    }
}

fn open(
    session: &mut Session,
    vfs: Arc<dyn Vfs>,
    path: &Path,
    request: &mut Request<'_>,
    reply: &mut Vec<u8>,
) -> Result<()> {
    let settings = settings(vfs.clone(), request)?;
    let db = Db::open(path, settings)?;
    let recovered = db.recovery().writes;
    put_number(reply, session.add(Item::Store(Store { db, vfs })) as usize);
    put_number(reply, recovered as usize);
    Ok(())
}

/// Settings from a row of numbers, of which zero means the default.
fn settings(vfs: Arc<dyn Vfs>, request: &mut Request<'_>) -> Result<Settings> {
    let mut settings = Settings::default();
    settings.vfs = vfs;
    settings.background_threads = 0;
    settings.memory_budget_bytes = 64 << 20;
    settings.table_size_bytes = 8 << 20;
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = request.number()?;
    }
    let [memory, memtable, table, block, level_0, is_plain] = numbers;
    let set = |setting: &mut usize, number: usize| {
        if number > 0 {
            *setting = number;
        }
    };
    set(&mut settings.memory_budget_bytes, memory);
    set(&mut settings.block_size_bytes, block);
    set(&mut settings.level_0_tables, level_0);
    if memtable > 0 {
        settings.memtable_size_bytes = Some(memtable);
    }
    if table > 0 {
        settings.table_size_bytes = table as u64;
    }
    if is_plain > 0 {
        settings.compression = Compression::None;
    }
    Ok(settings)
}

fn durability(byte: u8) -> Durability {
    match byte {
        0 => Durability::None,
        1 => Durability::Process,
        _ => Durability::Power,
    }
}

fn put(db: &Db, request: &mut Request<'_>) -> Result<()> {
    let durability = durability(request.byte()?);
    let key = request.bytes()?;
    if durability == Durability::Process {
        return db.put(key, request.rest());
    }
    let mut batch = WriteBatch::new();
    batch.put(key, request.rest())?;
    db.write(&batch, durability)
}

/// A batch: for each write whether it is a put, the key, and for a put the value.
fn write(db: &Db, request: &mut Request<'_>) -> Result<()> {
    let durability = durability(request.byte()?);
    let mut batch = WriteBatch::new();
    while !request.is_empty() {
        match request.byte()? {
            0 => batch.delete(request.bytes()?)?,
            _ => batch.put(request.bytes()?, request.bytes()?)?,
        }
    }
    db.write(&batch, durability)
}

type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Two bounds: each a byte, 0 none, 1 inclusive, 2 exclusive, and unless it is 0 the key.
fn bounds(request: &mut Request<'_>) -> Result<Bounds> {
    let mut bound = || {
        Ok(match request.byte()? {
            0 => Bound::Unbounded,
            1 => Bound::Included(request.bytes()?.to_vec()),
            _ => Bound::Excluded(request.bytes()?.to_vec()),
        })
    };
    Ok((bound()?, bound()?))
}

fn scan(session: &mut Session, target: u32, request: &mut Request<'_>) -> Result<Item> {
    let is_reverse = request.byte()? != 0;
    let prefix = match request.byte()? {
        0 => None,
        _ => Some(request.bytes()?),
    };
    let bounds =
        if prefix.is_none() { bounds(request)? } else { (Bound::Unbounded, Bound::Unbounded) };
    let (range, of): (Box<dyn DoubleEndedIterator<Item = _>>, u32) =
        match (session.item(target)?, prefix) {
            (Item::Store(store), None) => (Box::new(store.db.range::<Vec<u8>>(bounds)), target),
            (Item::Store(store), Some(prefix)) => (Box::new(store.db.prefix(prefix)), target),
            (Item::Snapshot(snapshot, store), None) => {
                (Box::new(snapshot.range::<Vec<u8>>(bounds)), *store)
            }
            (Item::Snapshot(snapshot, store), Some(prefix)) => {
                (Box::new(snapshot.prefix(prefix)), *store)
            }
            (Item::Database(database), None) => {
                (Box::new(database.range(bounds.0, bounds.1)), target)
            }
            (Item::Database(database), Some(prefix)) => (Box::new(database.prefix(prefix)), target),
            _ => return Err(Error::invalid_input("handle", "nothing that can be scanned")),
        };
    Ok(Item::Scan(Scan { range, is_reverse }, of))
}

/// The next entries of a scan, at most as many as asked; none at its end.
fn next(scan: &mut Scan, request: &mut Request<'_>, reply: &mut Vec<u8>) -> Result<()> {
    let mut left = request.number()?;
    while left > 0 && reply.len() < SCAN_BYTES {
        let entry = if scan.is_reverse { scan.range.next_back() } else { scan.range.next() };
        let Some(entry) = entry else { break };
        let (key, value) = entry?;
        put_entry(reply, &key, Some(&value));
        left -= 1;
    }
    Ok(())
}
