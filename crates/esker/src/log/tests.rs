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
    let record = (bytes.len() - FILE_HEADER_LEN - END.len()) / 3;
    bytes[FILE_HEADER_LEN + 2 * record - 1] ^= 1;
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

/// A log whose only record has `payload`.
fn log_of(payload: &[u8]) -> Vec<u8> {
    let mut bytes = FileHeader { number: 1, previous: 0 }.encode(LOG_MAGIC).to_vec();
    append_record(&mut bytes, 1, FILE_HEADER_LEN as u64, |out| out.extend_from_slice(payload));
    bytes.extend_from_slice(&END);
    bytes
}

#[test]
fn the_numbers_of_a_batch_come_back_in_few_bytes() {
    let far = 1 << 56;
    // First, durable, count; bytes before the writes.
    let cases = [
        (1, 0, 1, 3),
        (1, 0, 0, 3),
        (2, 1, 0, 3),
        (128, 127, 127, 4),
        (200, 0, 128, 6),
        (1 << 20, (1 << 20) - 1, 1, 5),
        (1 << 21, 0, 1, 9),
        (1 << 40, 1 << 39, u32::MAX, 17),
        (far - 1, 0, 1, 17),
        (far - 1, far - 2, 1, 10),
        (far, far - 1, 0, 11),
    ];
    for (first, durable, count, len) in cases {
        let vfs = MemVfs::default();
        let mut log = LogWriter::create(&vfs, PATH.into(), 1, 0).unwrap();
        log.append(first, durable, count, |out| out.push(7)).unwrap();
        log.write().unwrap();
        let header = log_of(&[7]).len() - 1;
        let bytes = content(&vfs);
        assert_eq!(bytes.len() - header, len + 1, "{first} {durable} {count}");
        let mut found = Vec::new();
        replay(&bytes, 1, Path::new(PATH), |_, batch| {
            found.push(batch);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [LogBatch { first, durable, count, writes: &[7] }]);
    }
}

#[test]
fn a_put_takes_what_the_format_says() {
    let vfs = MemVfs::default();
    let mut log = LogWriter::create(&vfs, PATH.into(), 1, 0).unwrap();
    for (first, bytes) in [((1 << 21) - 1, 138), (1 << 21, 140), (SEQUENCE_MAX, 138 + 10)] {
        let before = log.offset();
        let entry = crate::Entry::put(&[1; 16], &[2; 100]);
        log.append(first, 0, 1, |out| crate::batch::encode(entry, out)).unwrap();
        assert_eq!(log.offset() - before, bytes, "{first}");
    }
}

#[test]
fn payloads_that_no_writer_makes_are_damage() {
    let huge = [0xff; 12];
    let wrong: [&[u8]; 10] = [
        // Cut short.
        &[1],
        &[1, 1],
        &[0x80],
        &[1, 1, 0x80],
        // More durable before the first number than there are numbers.
        &[1, 2, 1],
        // Durable before it was written.
        &[1, 0, 1],
        // More writes than a batch has.
        &[1, 1, 0x80, 0x80, 0x80, 0x80, 0x10],
        // Longer than need be.
        &[0x81, 0, 1, 1],
        // Above 2^64.
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 1],
        &huge,
    ];
    for payload in wrong {
        let error = replay(&log_of(payload), 1, Path::new(PATH), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{payload:?}");
    }
}

#[test]
fn what_records_say_is_known_without_the_header() {
    let vfs = MemVfs::default();
    write(&vfs, &[(1 << 30, 1 << 29, b"a")]);
    let mut bytes = content(&vfs);
    bytes[..FILE_HEADER_LEN].fill(0);
    let (firsts, end) = read(&bytes);
    assert_eq!((firsts, end.durable), (vec![1 << 30], 1 << 29));
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
