//! Directories of LevelDB and RocksDB through the same commands.

use crate::Place;
use std::path::Path;

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../esker-foreign/testdata");
    folder.join(name).display().to_string()
}

#[test]
fn every_command_reads_them() {
    let place = Place::new();
    for name in ["leveldb-log", "rocksdb-ranges", "rocksdb-ingested", "rocksdb-families"] {
        let folder = shipped(name);
        assert!(place.ok(&format!("verify {folder}")).contains("sound"));
        let dump = place.ok(&format!("dump {folder} --format hex"));
        let lines: Vec<&str> = dump.lines().collect();
        assert!(lines.len() >= 8 && lines.is_sorted(), "{name}");
        let reversed = place.ok(&format!("scan {folder} --reverse --format hex"));
        assert!(reversed.lines().rev().eq(lines.iter().copied()));
        let (key, value) = lines[lines.len() / 2].split_once(',').unwrap();
        assert_eq!(place.ok(&format!("get {folder} hex:{key} --format hex")).trim(), value);
        assert_eq!(place.run(&format!("has {folder} hex:{key}")).status, 0);
        assert_eq!(place.run(&format!("has {folder} no-such-key-at-all")).status, 1);
        let ran = place.run(&format!("get {folder} hex:{key} --explain"));
        assert!(ran.err.contains("logs"), "{}", ran.err);
        let engine = if name.starts_with("rocksdb") { "RocksDB" } else { "LevelDB" };
        let info = place.ok(&format!("info {folder}"));
        assert!(info.contains(&format!("{engine} database")), "{info}");
        let json = place.ok(&format!("info {folder} --json"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["properties"]["comparator"], "leveldb.BytewiseComparator");
        assert!(json["blocks"].as_array().unwrap().len() > 1);
    }
}

#[test]
fn a_dump_in_parts_is_as_one() {
    let place = Place::new();
    let lines = (0..40_000u32).map(|i| format!("key{i:06},{}\n", format!("{i:08}").repeat(30)));
    let text: String = lines.collect();
    std::fs::write(place.path("all.txt"), &text).unwrap();
    place.ok("load db all.txt");
    place.ok("export db --to leveldb --uncompressed -o back");
    assert!(place.ok("dump back") == text, "all, in order");
    let keys = place.ok("scan back --keys-only");
    assert!(keys.lines().eq(text.lines().map(|line| &line[..9])));
    let json = place.ok("dump back --format json");
    assert_eq!(json.lines().count(), 40_000);
    let ran = place.run("dump back --delimiter 0");
    assert!(ran.status == 2 && ran.out.is_empty() && ran.err.contains("delimiter"), "{}", ran.err);

    // What stands before damage is printed, and no more than by a scan that begins somewhere.
    let tables = std::fs::read_dir(place.path("back")).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<_> = tables.filter(|p| p.extension().is_some_and(|e| e == "ldb")).collect();
    tables.sort();
    assert!(tables.len() > 4);
    let table = &tables[tables.len() / 2];
    let mut bytes = std::fs::read(table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(table, bytes).unwrap();
    let (dump, scan) = (place.run("dump back"), place.run("scan back --start k"));
    assert_eq!((dump.status, scan.status), (3, 3));
    assert!(dump.out.len() > text.len() / 4 && text.starts_with(&dump.out), "{}", dump.out.len());
    assert_eq!(dump.err, scan.err);
    assert!(dump.out == scan.out, "{} and {} bytes", dump.out.len(), scan.out.len());
    let lost = place.run("dump back --accept-loss");
    assert!(lost.status == 0 && lost.err.contains("lost: "), "{}", lost.err);
    let missing = 40_000 - lost.out.lines().count();
    assert!(missing > 0 && missing < 100 && lost.out.ends_with(&text[text.len() - 100..]));
}

#[test]
fn versions_show_all_that_is_kept() {
    let place = Place::new();
    let folder = shipped("leveldb-log");
    let versions = place.ok(&format!("dump {folder} --versions"));
    assert!(versions.contains("k7,12,tombstone,"), "{versions}");
    assert!(versions.contains("k3,10,put,new\nk3,4,put,vvv\n"), "{versions}");
    let part = place.ok(&format!("scan {folder} --versions --start k3 --end k4"));
    assert_eq!(part, "k3,10,put,new\nk3,4,put,vvv\n");
    let part = place.ok(&format!("scan {folder} --versions --start k3 --end k4 --reverse"));
    assert_eq!(part, "k3,4,put,vvv\nk3,10,put,new\n");
    let folder = shipped("rocksdb-families");
    let part = place.ok(&format!("scan {folder} --versions --prefix d05 --format json"));
    let ranges: Vec<&str> = part.lines().filter(|l| l.contains("range-tombstone")).collect();
    assert_eq!(ranges.len(), 1, "{part}");
    assert_eq!(place.ok(&format!("scan {folder} --prefix d05 --keys-only")), "d055\n");
}

#[test]
fn prefixes_are_found_in_every_order() {
    let place = Place::new();
    let table = shipped("leveldb-reverse.ldb");
    let all = place.ok(&format!("scan {table} --keys-only"));
    let prefix = &all.lines().nth(100).unwrap()[..5];
    let expected: Vec<&str> = all.lines().filter(|key| key.starts_with(prefix)).collect();
    assert!(expected.len() > 2);
    let found = place.ok(&format!("scan {table} --keys-only --prefix {prefix}"));
    assert!(found.lines().eq(expected.iter().copied()), "{found}");
    let found = place.ok(&format!("scan {table} --keys-only --prefix {prefix} --reverse"));
    assert!(found.lines().eq(expected.iter().rev().copied()), "{found}");
    let found = place.ok(&format!("scan {table} --keys-only --prefix {prefix} --versions"));
    assert!(found.lines().count() >= expected.len(), "{found}");
    let raw = format!("scan {table} --keys-only --prefix {prefix} --comparator raw");
    assert!(place.ok(&raw).lines().eq(expected), "in raw order every key is looked at");
}

#[test]
fn column_families_are_asked_for_by_name() {
    let place = Place::new();
    let folder = shipped("rocksdb-families");
    let alpha = place.ok(&format!("scan {folder} --column-family alpha --keys-only"));
    assert!(alpha.lines().all(|key| key.starts_with('a')) && alpha.contains("a900"), "{alpha}");
    let ran = place.run(&format!("dump {folder} --column-family gone"));
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("default, alpha, beta"), "{}", ran.err);
}

#[test]
fn what_is_left_out_is_told_and_damage_is_corruption() {
    let place = Place::new();
    let read = |name: &str| std::fs::read(Path::new(&shipped("leveldb-log")).join(name)).unwrap();
    std::fs::create_dir(place.path("db")).unwrap();
    for name in ["CURRENT", "MANIFEST-000002"] {
        place.write(&format!("db/{name}"), read(name));
    }
    let log = read("000003.log");
    place.write("db/000003.log", &log[..log.len() - 1]);
    let ran = place.run("dump db");
    assert_eq!(ran.status, 0);
    assert!(ran.err.contains("000003.log: the last record, at byte 278, is cut"), "{}", ran.err);
    assert!(!ran.out.contains("end,"), "{}", ran.out);

    let mut flipped = log.clone();
    flipped[60] ^= 1;
    place.write("db/000003.log", flipped);
    let ran = place.run("dump db");
    assert_eq!((ran.status, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("corrupt log record checksum at byte 49"), "{}", ran.err);

    place.write("db/CURRENT", "no manifest\n");
    assert_eq!(place.run("dump db").status, 3);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.write("empty/notes.txt", "nothing");
    let ran = place.run("info empty");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("looked for CURRENT"), "{}", ran.err);
}

#[test]
fn they_become_tables_of_ours() {
    let place = Place::new();
    let dump = place.ok(&format!("dump {}", shipped("rocksdb-ranges")));
    let ran = place.run_with("build - -o ours.sstable --decode", dump.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(place.ok("dump ours.sstable"), dump);
}
