//! Tables of LevelDB and RocksDB through the same commands.

use crate::Place;
use std::path::Path;

fn foreign(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../esker-foreign/testdata");
    folder.join(name).display().to_string()
}

#[test]
fn every_command_reads_them() {
    let place = Place::new();
    for name in ["leveldb-snappy.ldb", "leveldb-versions.ldb", "rocksdb-lz4-fv5.sst"] {
        let file = foreign(name);
        assert!(place.ok(&format!("verify {file}")).contains("sound"));
        let dump = place.ok(&format!("dump {file} --format hex"));
        let keys: Vec<&str> = dump.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert!(keys.len() > 50 && keys.is_sorted(), "{name}");
        let mut reversed: Vec<_> = place
            .ok(&format!("scan {file} --reverse --format hex"))
            .lines()
            .map(String::from)
            .collect();
        reversed.reverse();
        assert!(dump.lines().eq(reversed.iter().map(String::as_str)));
        let (key, value) = dump.lines().nth(20).unwrap().split_once(',').unwrap();
        assert_eq!(place.ok(&format!("get {file} hex:{key} --format hex")).trim(), value);
        let ran = place.run(&format!("get {file} hex:{key} --explain"));
        assert!(ran.err.contains("data block"), "{}", ran.err);
        assert!(place.ok(&format!("info {file}")).contains("data"));
        assert_eq!(place.run(&format!("has {file} no-such-key-at-all")).status, 1);
    }
}

#[test]
fn versions_show_sequence_numbers_and_tombstones() {
    let place = Place::new();
    let file = foreign("leveldb-versions.ldb");
    let versions = place.ok(&format!("dump {file} --versions"));
    assert!(versions.contains(",put,") && versions.contains(",tombstone,"));
    assert!(versions.lines().count() > place.ok(&format!("dump {file}")).lines().count());
    let ranges = place.ok(&format!("dump {} --versions", foreign("rocksdb-rangedel.sst")));
    assert!(ranges.contains("range-tombstone"), "{ranges}");
    let file = foreign("rocksdb-rangedel.sst");
    assert_eq!(place.ok(&format!("scan {file} --versions --start zzzz")), "");
    let part = place.ok(&format!("scan {file} --versions --start key000550 --end key000560"));
    assert!(part.contains("range-tombstone"), "{part}");
}

#[test]
fn they_become_tables_of_ours() {
    let place = Place::new();
    let dump = place.ok(&format!("dump {}", foreign("rocksdb-snappy-fv2.sst")));
    let ran = place.run_with("build - -o ours.sstable --decode", dump.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(place.ok("dump ours.sstable"), dump);
}

#[test]
fn a_flipped_bit_is_corruption() {
    let place = Place::new();
    let mut bytes = std::fs::read(foreign("leveldb-snappy.ldb")).unwrap();
    bytes[100] ^= 1;
    place.write("flipped.ldb", &bytes);
    let ran = place.run("verify flipped.ldb");
    assert_eq!(ran.status, 3);
    assert!(ran.err.contains("flipped.ldb: corrupt block checksum at byte 0"), "{}", ran.err);
}
