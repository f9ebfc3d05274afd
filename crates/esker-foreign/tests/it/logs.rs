//! Logs and manifests made here, byte by byte: every form that engines write, and hostile ones.

use crate::directories::listing;
use esker::ErrorKind;
use esker_foreign::{Database, DatabaseSettings};
use std::path::Path;

const BLOCK: usize = 32 << 10;

/// Appends `record` to `log` as the engines do; with `number`, as to a file used again.
pub(crate) fn append(log: &mut Vec<u8>, record: &[u8], number: Option<u32>) {
    let header = if number.is_some() { 11 } else { 7 };
    let (mut rest, mut is_first) = (record, true);
    loop {
        let left = BLOCK - log.len() % BLOCK;
        if left < header {
            log.resize(log.len() + left, 0);
            continue;
        }
        let (part, after) = rest.split_at(rest.len().min(left - header));
        let kind = match (is_first, after.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        let mut covered = vec![if number.is_some() { kind + 4 } else { kind }];
        covered.extend(number.map(u32::to_le_bytes).into_iter().flatten());
        covered.extend_from_slice(part);
        fragment(log, &covered, part.len());
        (rest, is_first) = (after, false);
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends a header with the right checksum, then `covered` from the type on.
fn fragment(log: &mut Vec<u8>, covered: &[u8], len: usize) {
    let crc = crc_fast::crc32_iscsi(covered).rotate_right(15).wrapping_add(0xa282_ead8);
    log.extend_from_slice(&crc.to_le_bytes());
    log.extend_from_slice(&(len as u16).to_le_bytes());
    log.extend_from_slice(covered);
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn slice(bytes: &[u8]) -> Vec<u8> {
    [&varint(bytes.len())[..], bytes].concat()
}

/// A batch of `operations`, as they are.
pub(crate) fn batch(sequence: u64, operations: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = sequence.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(operations.len() as u32).to_le_bytes());
    bytes.extend(operations.concat());
    bytes
}

pub(crate) fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[1][..], &slice(key), &slice(value)].concat()
}

/// The fields that every manifest has, and `more`.
pub(crate) fn manifest(more: &[u8]) -> Vec<u8> {
    let name = slice(b"leveldb.BytewiseComparator");
    let fields = [&[1][..], &name, &[2, 0, 9, 0, 3, 9, 4, 0], more].concat();
    let mut log = Vec::new();
    append(&mut log, &fields, None);
    log
}

/// A database with this manifest and these logs.
pub(crate) fn database(manifest: &[u8], logs: &[(u64, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("CURRENT"), "MANIFEST-000001\n").unwrap();
    std::fs::write(folder.path().join("MANIFEST-000001"), manifest).unwrap();
    for (number, log) in logs {
        std::fs::write(folder.path().join(format!("{number:06}.log")), log).unwrap();
    }
    folder
}

fn open(folder: &Path) -> esker::Result<(usize, usize)> {
    let database = Database::open(folder)?;
    Ok((listing(&database)?.0, database.notices().len()))
}

/// RocksDB's mark: the largest number of a column family.
const ROCKSDB: &[u8] = &[0xcb, 1, 0];

#[test]
fn records_over_many_blocks_are_whole_or_refused() {
    let mut log = Vec::new();
    for (i, len) in [10, 40_000, 0, 32_748, 5, 100_000, 32_760 * 2, 1].into_iter().enumerate() {
        let key = format!("key{i}");
        append(&mut log, &batch(1 + i as u64, &[put(key.as_bytes(), &vec![b'v'; len])]), None);
    }
    let folder = database(&manifest(&[]), &[(3, &log)]);
    assert_eq!(open(folder.path()).unwrap(), (8, 0));
    let path = folder.path().join("000003.log");
    for at in (0..log.len()).step_by(509).chain((0..log.len()).filter(|at| at % BLOCK < 8)) {
        let mut broken = log.clone();
        broken[at] ^= 0x10;
        std::fs::write(&path, &broken).unwrap();
        match open(folder.path()) {
            Ok(found) => assert!(found == (8, 0) || found.1 > 0, "byte {at}: {found:?}"),
            Err(error) => assert!(error.offset().unwrap() <= at as u64, "{error}"),
        }
    }
    for len in (0..log.len()).step_by(1009) {
        std::fs::write(&path, &log[..len]).unwrap();
        open(folder.path()).unwrap();
    }
    log.resize(log.len() + 3 * BLOCK, 0);
    std::fs::write(&path, &log).unwrap();
    assert_eq!(open(folder.path()).unwrap(), (8, 0), "zeros behind the log are no loss");
}

#[test]
fn only_the_last_log_may_be_cut() {
    let mut first = Vec::new();
    append(&mut first, &batch(1, &[put(b"a", b"1")]), None);
    let mut second = Vec::new();
    append(&mut second, &batch(2, &[put(b"b", b"2")]), None);
    let cut = &first[..first.len() - 1];
    let folder = database(&manifest(&[]), &[(3, cut), (4, b"")]);
    assert_eq!(open(folder.path()).unwrap(), (0, 1));
    let folder = database(&manifest(&[]), &[(3, cut), (4, &second)]);
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.path().unwrap().ends_with("000003.log"), "{error}");
}

#[test]
fn a_file_used_again_ends_where_the_older_log_begins() {
    let mut old = Vec::new();
    for i in 0..2000 {
        append(&mut old, &batch(1 + i, &[put(b"old", &[b'o'; 37])]), Some(3));
    }
    let mut new = Vec::new();
    for i in 0..1000 {
        let key = format!("{i:04}");
        append(&mut new, &batch(5000 + i, &[put(key.as_bytes(), b"newer")]), Some(7));
    }
    let log = [&new[..], &old[new.len()..]].concat();
    let manifest = manifest(ROCKSDB);
    assert_eq!(open(database(&manifest, &[(7, &log)]).path()).unwrap(), (1000, 1));
    let mut next = Vec::new();
    append(&mut next, &batch(6000, &[put(b"next", b"")]), Some(8));
    let folder = database(&manifest, &[(7, &log), (8, &next)]);
    assert_eq!(open(folder.path()).unwrap(), (1001, 0), "the next log goes on where it ended");
    let mut later = Vec::new();
    append(&mut later, &batch(6001, &[put(b"next", b"")]), Some(8));
    let folder = database(&manifest, &[(7, &log), (8, &later)]);
    assert_eq!(open(folder.path()).unwrap(), (1001, 1), "something is missing between them");
    for at in (0..new.len() - 100).step_by(97) {
        let mut broken = log.clone();
        broken[at] ^= 1;
        let error = open(database(&manifest, &[(7, &broken)]).path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "byte {at}: {error}");
    }
    let zeros = [&new[..], &[0; 500], &old[new.len() + 500..]].concat();
    assert_eq!(open(database(&manifest, &[(7, &zeros)]).path()).unwrap(), (1000, 1));
    assert_eq!(open(database(&manifest, &[(9, &log)]).path()).unwrap(), (0, 1), "another log's");
}

#[test]
fn what_is_not_read_in_logs_is_named() {
    let one = |operation: &[u8]| {
        let mut log = Vec::new();
        append(&mut log, &batch(1, &[operation.to_vec()]), None);
        open(database(&manifest(ROCKSDB), &[(3, &log)]).path())
    };
    for (operation, name) in [
        (&b"\x09"[..], "two phases"),
        (b"\x0a\x01x", "two phases"),
        (b"\x0b\x01x", "two phases"),
        (b"\x02\x01k\x01v", "merge"),
        (b"\x11\x01k\x01v", "blob"),
        (b"\x16\x01k\x01v", "entity"),
        (b"\x18\x01k\x01v", "other"),
    ] {
        let error = one(operation).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(one(b"\x05\x07\x01k\x01v").unwrap(), (0, 0), "of a family that is not asked for");
    for broken in [&b"\x01\x01k"[..], b"\x01\x01k\x02v", b"\x7f", b"\x01\xff\xff\xff\xff\xff"] {
        let error = one(broken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    }
    // The same in LevelDB, which knows two operations.
    let mut log = Vec::new();
    append(&mut log, &batch(1, &[b"\x07\x01k".to_vec()]), None);
    let error = open(database(&manifest(&[]), &[(3, &log)]).path()).unwrap_err();
    assert!(error.to_string().contains("write batch tag"), "{error}");
    for (kind, name) in [(9, "compressed"), (10, "timestamps")] {
        let mut log = Vec::new();
        fragment(&mut log, &[kind, 7], 1);
        let error = open(database(&manifest(ROCKSDB), &[(3, &log)]).path()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for (kind, is_passed_over) in [(33, true), (63, true), (12, false), (64, false)] {
        let mut log = Vec::new();
        fragment(&mut log, &[kind, 7], 1);
        append(&mut log, &batch(1, &[put(b"a", b"1")]), None);
        let found = open(database(&manifest(ROCKSDB), &[(3, &log)]).path());
        assert_eq!(found.is_ok(), is_passed_over, "type {kind}");
    }
}

#[test]
fn batches_count_what_they_hold() {
    for (count, is_sound) in [(0u32, false), (1, true), (2, false), (u32::MAX, false)] {
        let mut record = batch(1, &[put(b"a", b"1")]);
        record[8..12].copy_from_slice(&count.to_le_bytes());
        let mut log = Vec::new();
        append(&mut log, &record, None);
        let found = open(database(&manifest(&[]), &[(3, &log)]).path());
        assert_eq!(found.is_ok(), is_sound, "count {count}");
    }
    for record in [&[][..], &[0; 11], &[0xff; 12]] {
        let mut log = Vec::new();
        append(&mut log, record, None);
        open(database(&manifest(&[]), &[(3, &log)]).path()).unwrap_err();
    }
}

#[test]
fn memory_is_bounded() {
    let mut log = Vec::new();
    append(&mut log, &batch(1, &vec![put(b"", b""); 100_000]), None);
    let folder = database(&manifest(&[]), &[(3, &log)]);
    assert_eq!(open(folder.path()).unwrap(), (1, 0));
    let mut settings = DatabaseSettings::default();
    settings.memory_bytes_max = 1 << 20;
    let error = Database::open_with(folder.path(), &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
}

#[test]
fn fields_of_manifests_are_known_passed_over_or_named() {
    let mut log = Vec::new();
    append(&mut log, &batch(1, &[put(b"a", b"1")]), None);
    let with = |more: &[u8]| open(database(&manifest(more), &[(3, &log)]).path());
    let key = b"\x09k\x01\0\0\0\0\0\0\0";
    let table = |fields: &[u8]| {
        let tag = varint(103);
        [&tag[..], &[0, 5, 10], key, key, &[1, 1], fields].concat()
    };
    for sound in [&[][..], ROCKSDB, b"\x0a\x05", b"\x05\x01\x08\0\0\0\0\0\0\0\0"] {
        assert_eq!(with(sound).unwrap(), (1, 0), "{}", sound.escape_ascii());
    }
    let ignorable = [&varint(8192 + 77)[..], &slice(b"whatever")].concat();
    assert_eq!(with(&ignorable).unwrap(), (1, 0));
    let noted = [&varint(8196)[..], &[3, 2, 9, 1], &varint(8197), &[3]].concat();
    assert_eq!(with(&noted).unwrap(), (1, 0));
    for (more, name) in [
        ([&varint(400)[..], &[1, 1, 1, 0, 0, 1]].concat(), "blob files"),
        (table(&[65, 1, 1]), "another folder"),
        (table(&[70, 1, 1, 1]), "must be known"),
    ] {
        let error = with(&more).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for broken in [
        varint(99),
        varint(8192 + 77),
        vec![2],
        vec![1, 200, 1],
        vec![7, 0, 5, 10, 3, b'k', b'k', b'k'],
        vec![6, 0xff, 0xff, 3, 1],
        [&varint(200)[..], &[9]].concat(),
        [1].into_iter().chain(slice(b"another.Comparator")).collect(),
        table(&[]),
    ] {
        // The second comparator stands in a record of its own: in one, the last counts.
        let mut bytes = manifest(&[]);
        append(&mut bytes, &broken, None);
        let error = open(database(&bytes, &[(3, &log)]).path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        assert!(error.path().unwrap().ends_with("MANIFEST-000001"), "{error}");
    }
    let error = with(&table(&[5, 1, 1, 6, 1, 1, 1])).unwrap_err();
    assert!(error.to_string().contains("000005.ldb or 000005.sst"), "{error}");
}

#[test]
fn a_group_of_changes_counts_together() {
    let table = [7, 0, 5, 10].iter().chain(b"\x09k\x01\0\0\0\0\0\0\0\x09k\x01\0\0\0\0\0\0\0");
    let table: Vec<u8> = table.copied().collect();
    let group = |to_come: u8| [&varint(300)[..], &[to_come], &table].concat();
    let mut bytes = manifest(&[]);
    append(&mut bytes, &group(1), None);
    let found = open(database(&bytes, &[(3, b"")]).path()).unwrap();
    assert_eq!(found, (0, 1), "the rest of the group is missing: nothing of it counts");
    append(&mut bytes, &group(0), None);
    let error = open(database(&bytes, &[(3, b"")]).path()).unwrap_err();
    assert!(error.to_string().contains("000005"), "whole, it names a table: {error}");
}
