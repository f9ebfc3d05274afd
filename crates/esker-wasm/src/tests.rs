//! The pool under crashes at any write; the requests against what they promise.

use crate::pool::{Device, PoolVfs};
use crate::session::Session;
use crate::slot::Head;
use esker::vfs::Vfs;
use esker::{Db, Settings};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A row of files in memory, of which only so many more writes happen.
#[derive(Clone)]
struct Row {
    files: Arc<Mutex<Vec<Vec<u8>>>>,
    writes_left: Arc<Mutex<usize>>,
}

impl Row {
    fn new(files: usize) -> Row {
        let files = Arc::new(Mutex::new(vec![Vec::new(); files]));
        Row { files, writes_left: Arc::new(Mutex::new(usize::MAX)) }
    }

    fn spend(&self) -> io::Result<()> {
        let mut left = self.writes_left.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("crashed"))?;
        Ok(())
    }

    fn allow(&self, writes: usize) {
        *self.writes_left.lock().unwrap() = writes;
    }
}

impl Device for Row {
    fn count(&self) -> usize {
        self.files.lock().unwrap().len()
    }

    fn len(&self, slot: usize) -> io::Result<u64> {
        Ok(self.files.lock().unwrap()[slot].len() as u64)
    }

    fn read(&self, slot: usize, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let files = self.files.lock().unwrap();
        let rest = files[slot].get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write(&self, slot: usize, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.spend()?;
        let file = &mut self.files.lock().unwrap()[slot];
        let end = offset as usize + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&self, slot: usize, len: u64) -> io::Result<()> {
        self.spend()?;
        self.files.lock().unwrap()[slot].resize(len as usize, 0);
        Ok(())
    }

    fn flush(&self, _: usize) -> io::Result<()> {
        self.spend()
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

fn pool(row: &Row) -> PoolVfs {
    PoolVfs::open(Box::new(row.clone())).unwrap()
}

fn small(vfs: PoolVfs) -> Settings {
    let mut settings = Settings::default();
    settings.vfs = Arc::new(vfs);
    settings.background_threads = 0;
    settings.memory_budget_bytes = 1 << 20;
    settings.memtable_size_bytes = Some(4 << 10);
    settings
}

#[test]
fn heads_are_read_as_written_and_nothing_else_is() {
    let head = Head { generation: 7, name: "store/CURRENT".into() };
    let mut bytes = head.encode();
    assert_eq!(Head::decode(&bytes), Some(head));
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert_eq!(Head::decode(&bytes), None, "byte {at}");
        bytes[at] ^= 1;
        assert_eq!(Head::decode(&bytes[..at]), None, "cut at {at}");
    }
}

#[test]
fn files_keep_their_names_and_readers() {
    let row = Row::new(4);
    let vfs = pool(&row);
    let path = Path::new;
    vfs.create(path("d/a")).unwrap().write_all(b"one").unwrap();
    vfs.create(path("d/b")).unwrap().write_all(b"two").unwrap();
    assert!(vfs.create(path("d/a")).is_err());
    let old = vfs.open(path("d/b")).unwrap();
    vfs.rename(path("d/a"), path("d/b")).unwrap();
    assert_eq!(vfs.list(path("d")).unwrap(), ["b"]);
    let mut bytes = [0; 3];
    old.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"two", "who reads a replaced file reads on");
    assert_eq!(vfs.free_and_used(), (2, 1));
    drop(old);
    assert_eq!(vfs.free_and_used(), (3, 1));
    let again = pool(&row);
    again.open(path("d/b")).unwrap().read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"one");
    assert_eq!(again.free_and_used(), (3, 1));
    for name in ["x", "y", "z"] {
        again.create(path(name)).unwrap();
    }
    let full = again.create(path("more")).err().unwrap();
    assert!(full.to_string().contains("no free file in the pool"), "{full}");
    row.files.lock().unwrap().push(Vec::new());
    again.create(path("more")).unwrap();
}

#[test]
fn every_crash_leaves_what_was_acknowledged() {
    let mut survived = 0;
    for writes in (0..400).step_by(7) {
        let row = Row::new(24);
        row.allow(writes);
        let mut acknowledged = 0;
        if let Ok(vfs) = PoolVfs::open(Box::new(row.clone()))
            && let Ok(db) = Db::open("store", small(vfs))
        {
            for i in 0..300u32 {
                let put = db.put(&i.to_be_bytes(), &[b'v'; 100]);
                if put.is_err() {
                    break;
                }
                acknowledged = i + 1;
            }
        }
        row.allow(usize::MAX);
        let db = Db::open("store", small(pool(&row))).unwrap();
        for i in 0..acknowledged {
            assert!(db.has(&i.to_be_bytes()).unwrap(), "write {i} after {writes} writes");
        }
        assert!(db.iter().count() as u32 <= acknowledged + 1);
        survived += acknowledged;
    }
    assert!(survived > 1000, "{survived}");
}

fn call(session: &mut Session, code: u32, target: u32, request: &[u8]) -> Vec<u8> {
    let mut reply = Vec::new();
    session.call(code, target, request, &mut reply).unwrap();
    reply
}

#[test]
fn requests_do_what_they_say_and_refuse_nonsense() {
    let mut session = Session::default();
    let opened = call(&mut session, 1, 0, &[0; 24]);
    let store = u32::from_le_bytes(opened[..4].try_into().unwrap());
    call(&mut session, 4, store, b"\x01\x01\0\0\0kvalue");
    assert_eq!(call(&mut session, 6, store, b"k"), b"\x01value");
    assert_eq!(call(&mut session, 6, store, b"x"), b"");
    let snapshot = call(&mut session, 11, store, b"");
    let snapshot = u32::from_le_bytes(snapshot[..4].try_into().unwrap());
    call(&mut session, 5, store, b"\x01k");
    call(&mut session, 12, store, b"");
    assert_eq!(call(&mut session, 7, store, b"k"), [0]);
    assert_eq!(call(&mut session, 7, snapshot, b"k"), [1]);
    let text = String::from_utf8(call(&mut session, 15, store, b"")).unwrap();
    assert!(text.contains("\"tombstones\":1"), "{text}");
    for code in 0..40 {
        for target in [0, store, snapshot] {
            for request in [&b""[..], b"\x01", b"\xff\xff\xff\xff\xff", &[0; 9]] {
                let _ = session.call(code, target, request, &mut Vec::new());
            }
        }
    }
    call(&mut session, 3, store, b"");
    assert!(session.call(6, snapshot, b"k", &mut Vec::new()).is_err(), "it went with its store");
}

/// One read of a row of reads.
fn read(code: u8, target: u32, key: &[u8]) -> Vec<u8> {
    let head = [&[code][..], &target.to_le_bytes(), &(key.len() as u32).to_le_bytes()].concat();
    [&head, key].concat()
}

#[test]
fn a_row_of_reads_is_done_in_order_and_stops_at_a_large_reply() {
    let mut session = Session::default();
    let opened = call(&mut session, 1, 0, &[0; 24]);
    let store = u32::from_le_bytes(opened[..4].try_into().unwrap());
    let large = vec![b'v'; 2 << 20];
    call(&mut session, 4, store, b"\x01\x01\0\0\0kvalue");
    call(&mut session, 4, store, &[b"\x01\x01\0\0\0l", &large[..]].concat());
    let small = [read(6, store, b"k"), read(7, store, b"k"), read(6, store, b"x")].concat();
    let row = [&small[..], &read(6, store, b"l")].concat();
    let expected = [&b"\0\x06\0\0\0\x01value"[..], b"\0\x01\0\0\0\x01", b"\0\0\0\0\0"].concat();
    let done = |bytes: usize| (bytes as u32).to_le_bytes().to_vec();
    assert_eq!(call(&mut session, 29, 0, &small), [done(small.len()), expected.clone()].concat());
    let more = [&row[..], &small].concat();
    let reply = call(&mut session, 29, 0, &more);
    assert_eq!(reply[..4], done(row.len()), "what follows the large value is left");
    assert_eq!(reply[4..4 + expected.len()], expected);
    assert_eq!(reply.len(), 4 + expected.len() + 5 + 1 + large.len());
    for wrong in [read(4, store, b"k"), read(6, 99, b"k"), small[..small.len() - 1].to_vec()] {
        let row = [&small[..], &wrong].concat();
        assert!(session.call(29, 0, &row, &mut Vec::new()).is_err());
    }
}

#[test]
fn a_pool_that_runs_out_of_files_loses_nothing_and_goes_on_with_more() {
    let row = Row::new(6);
    let vfs = pool(&row);
    let mut settings = small(vfs.clone());
    settings.table_size_bytes = 4 << 10;
    let db = Db::open("store", settings.clone()).unwrap();
    let mut refused = 0;
    for i in 0..2000u32 {
        while let Err(error) = db.put(&(i % 700).to_be_bytes(), &i.to_le_bytes().repeat(20)) {
            assert!(error.to_string().contains("no free file in the pool"), "{error}");
            refused += 1;
            row.files.lock().unwrap().push(Vec::new());
        }
    }
    assert!(refused > 0);
    drop(db);
    // As the worker does before it opens.
    let more = row.count() + 16;
    row.files.lock().unwrap().resize(more, Vec::new());
    let db = Db::open("store", settings).unwrap();
    for i in 1300..2000u32 {
        let found = db.get(&(i % 700).to_be_bytes()).unwrap();
        assert_eq!(found.as_deref(), Some(&i.to_le_bytes().repeat(20)[..]), "write {i}");
    }
    assert_eq!(db.iter().count(), 700);
    let (free, used) = vfs.free_and_used();
    assert_eq!(free + used, row.count(), "no file is lost");
}
