//! Batches come back in order; the end of a log is told from damage.

use super::*;
use crate::vfs::MemVfs;

const PATH: &str = "000001.log";

fn write(vfs: &MemVfs, batches: &[(u64, u64, &[u8])]) {
    let mut log = LogWriter::create(vfs, PATH.into(), 1, 0).unwrap();
    for (first, durable, writes) in batches {
        log.append(*first, *durable, 1, |out| out.extend_from_slice(writes)).unwrap();
    }
    log.write().unwrap();
}

fn content(vfs: &MemVfs) -> Vec<u8> {
    let file = vfs.open(Path::new(PATH)).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> (Vec<u64>, LogEnd) {
    let mut firsts = Vec::new();
    let end = replay(bytes, 1, Path::new(PATH), |_, batch| {
        firsts.push(batch.first);
        Ok(())
    });
    (firsts, end.unwrap())
}

#[test]
fn batches_come_back() {
    let vfs = MemVfs::default();
    write(&vfs, &[(1, 0, b"a"), (2, 1, b"bb"), (3, 1, b"")]);
    let (firsts, end) = read(&content(&vfs));
    assert_eq!(firsts, [1, 2, 3]);
    assert_eq!((end.is_torn, end.durable, end.records_after), (false, 1, 0));
}

#[test]
fn what_is_behind_a_broken_record_still_says_what_was_durable() {
    let vfs = MemVfs::default();
    write(&vfs, &[(1, 0, b"a"), (2, 1, b"b"), (3, 2, b"c")]);
    let mut bytes = content(&vfs);
    bytes[FILE_HEADER_LEN + 45] ^= 1;
    let (firsts, end) = read(&bytes);
    assert_eq!(firsts, [1]);
    assert_eq!((end.is_torn, end.durable, end.records_after), (true, 2, 1));
}

#[test]
fn what_was_taken_back_is_not_written() {
    let vfs = MemVfs::default();
    let mut log = LogWriter::create(&vfs, PATH.into(), 1, 0).unwrap();
    log.append(1, 0, 1, |out| out.push(1)).unwrap();
    let offset = log.offset();
    log.append(2, 0, 1, |out| out.push(2)).unwrap();
    log.take_back(offset);
    log.append(2, 0, 1, |out| out.push(3)).unwrap();
    log.write().unwrap();
    let mut writes = Vec::new();
    replay(&content(&vfs), 1, Path::new(PATH), |_, batch| {
        writes.extend_from_slice(batch.writes);
        Ok(())
    })
    .unwrap();
    assert_eq!(writes, [1, 3]);
}

#[test]
fn sequence_numbers_that_no_writer_gives_are_damage() {
    for (first, count) in [(u64::MAX, 1), (SEQUENCE_MAX, 2), (u64::MAX, 0)] {
        let vfs = MemVfs::default();
        let mut log = LogWriter::create(&vfs, PATH.into(), 1, 0).unwrap();
        log.append(first, 0, count, |_| {}).unwrap();
        log.write().unwrap();
        let end = replay(&content(&vfs), 1, Path::new(PATH), |_, batch| {
            batch.last();
            Ok(())
        });
        assert!(end.is_err(), "{first} and {count}");
    }
}
