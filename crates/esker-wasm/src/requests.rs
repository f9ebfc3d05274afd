//! What each request does.

use crate::files::Seen;
use crate::look;
use crate::session::{Item, Scan, Session, Store, memory_path};
use crate::wire::{Request, put_entry, put_number};
use esker::vfs::{MemVfs, Vfs};
use esker::{Compression, Db, DbRange, Durability, Error, Result, Settings, WriteBatch};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

/// Bytes of entries after which a reply to a scan ends.
const SCAN_BYTES: usize = 64 << 10;

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
        code::LOOK => {
            let (name, bytes) = (request.text()?, request.rest());
            let seen = Box::new(Seen::open(name, bytes.to_vec())?);
            let number = session.add(Item::Seen(seen));
            put_number(reply, number as usize);
            Ok(())
        }
        code::SCAN => {
            let scan = scan(session, target, request)?;
            put_number(reply, session.add(scan) as usize);
            Ok(())
        }
        code::SNAPSHOT => {
            let snapshot = session.store(target)?.db.snapshot();
            put_number(reply, session.add(Item::Snapshot(snapshot, target)) as usize);
            Ok(())
        }
        _ => match session.item(target)? {
            Item::Store(store) => on_store(store, code, request, reply),
            Item::Snapshot(snapshot, _) => match code {
                code::GET => {
                    put_value(reply, snapshot.get(request.rest())?.as_deref());
                    Ok(())
                }
                code::HAS => {
                    reply.push(u8::from(snapshot.has(request.rest())?));
                    Ok(())
                }
                _ => Err(unknown(code)),
            },
            Item::Scan(scan, _) if code == code::NEXT => next(scan, request, reply),
            Item::Scan(..) => Err(unknown(code)),
            Item::Seen(seen) => on_seen(seen, code, request, reply),
        },
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
            let count = request.number()?;
            seen.entries(count, request.rest(), reply)?;
        }
        code::LOOK_GET => {
            put_value(reply, seen.get(request.rest())?.as_deref());
        }
        code::LOOK_BLOCK => *reply = seen.block(request.number()?)?,
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
    let (range, store): (DbRange, u32) = match (session.item(target)?, prefix) {
        (Item::Store(store), None) => (store.db.range::<Vec<u8>>(bounds), target),
        (Item::Store(store), Some(prefix)) => (store.db.prefix(prefix), target),
        (Item::Snapshot(snapshot, store), None) => (snapshot.range::<Vec<u8>>(bounds), *store),
        (Item::Snapshot(snapshot, store), Some(prefix)) => (snapshot.prefix(prefix), *store),
        _ => return Err(Error::invalid_input("handle", "not a store or snapshot")),
    };
    Ok(Item::Scan(Box::new(Scan { range, is_reverse }), store))
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
