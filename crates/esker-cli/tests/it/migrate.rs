//! `import`, `export` and `diff`: between engines, and back.

use crate::Place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../esker-foreign/testdata").join(name)
}

/// The databases that the project ships, with what they want to be read.
const SHIPPED: [(&str, &str); 4] = [
    ("leveldb-log", ""),
    ("rocksdb-ranges", ""),
    ("rocksdb-ingested", ""),
    ("rocksdb-families", "--column-family alpha"),
];

/// Names, bytes and times of the files of a directory.
pub(crate) fn state(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let state = |path: PathBuf| {
        let modified = path.metadata().unwrap().modified().unwrap();
        (path.clone(), (std::fs::read(&path).unwrap(), modified))
    };
    files.map(state).collect()
}

impl Place {
    /// Names in the folder.
    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A LevelDB database `ldb` of `count` entries, and the same as lines in `all.txt`.
    fn with_leveldb(count: u32) -> Place {
        let place = Place::new();
        let value = |i: u32| format!("{:08x}", i.wrapping_mul(0x9e37_79b9)).repeat(12);
        let lines = (0..count).map(|i| format!("key{i:07},{}\n", value(i)));
        place.write("all.txt", lines.collect::<String>());
        place.ok("build all.txt -o all.sstable");
        place.ok("export all.sstable --to leveldb -o ldb");
        place
    }
}

#[test]
fn imports_hold_what_the_source_holds_and_leave_it_alone() {
    for (name, options) in SHIPPED {
        let place = Place::new();
        let source = testdata(name);
        let before = state(&source);
        let source = source.display().to_string();
        let report = place.ok(&format!("import {source} new {options}"));
        let dump = place.ok(&format!("dump {source} {options} --format json"));
        let entries = dump.lines().count();
        assert!(report.contains("every entry as in the source"), "{report}");
        assert!(report.contains(&format!("entries     {entries}\n")), "{report}");
        assert_eq!(report.contains("column family alpha alone"), !options.is_empty(), "{report}");
        assert_eq!(place.ok("export new --to ndjson"), dump, "{name}");
        assert!(place.ok(&format!("diff {source} new {options}")).is_empty());
        assert!(state(&testdata(name)) == before, "{name}: nothing in it changes");
        assert_eq!(place.names(), ["new"], "nothing is left behind");
    }
}

#[test]
fn every_form_of_export_brings_the_entries_back() {
    for (name, options) in SHIPPED {
        let place = Place::new();
        let source = testdata(name).display().to_string();
        let before = state(&testdata(name));
        let dump = place.ok(&format!("dump {source} {options}"));
        place.ok(&format!("export {source} {options} --to sstable -o a.sstable"));
        assert_eq!(place.ok("dump a.sstable"), dump);
        place.ok(&format!("export {source} {options} --to leveldb -o ldb"));
        place.ok("export ldb --to leveldb -o plain --uncompressed --filter-bits 0");
        for folder in ["ldb", "plain"] {
            assert_eq!(place.ok(&format!("dump {folder}")), dump);
            assert!(place.ok(&format!("verify {folder}")).contains("sound"));
            let same = format!("diff {source} {folder} {options} --column-family-b default");
            assert!(place.ok(&same).is_empty());
        }
        place.ok("export a.sstable --to csv -o a.csv");
        place.ok("build a.csv --csv --header --decode -o b.sstable");
        assert_eq!(place.ok("scan b.sstable --keys-only"), place.ok("scan a.sstable --keys-only"));
        place.ok("export ldb --to ndjson -o a.ndjson");
        let json = std::fs::read_to_string(place.path("a.ndjson")).unwrap();
        assert_eq!(json, place.ok("dump ldb --format json"));
        assert!(state(&testdata(name)) == before, "{name}: nothing in it changes");
    }
}

#[test]
fn csv_quotes_what_it_must() {
    let place = Place::new();
    place.write("in.txt", "a,plain\nb,with \"quotes\"\nc,x,y\nd\u{1},\n");
    place.ok("build in.txt -o t.sstable");
    let csv = place.ok("export t.sstable --to csv");
    assert_eq!(csv, "key,value\na,plain\nb,\"with \"\"quotes\"\"\"\nc,\"x,y\"\nhex:6401,\n");
}

#[test]
fn an_interrupted_import_goes_on() {
    let place = Place::with_leveldb(60_000);
    let words = "import ldb new --table-size 16KiB";
    let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
        .args(words.split(' '))
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let third = place.path("new.import/000003.sstable");
    while !third.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(third.exists() && !place.path("new").exists(), "killed while it wrote tables");
    let first = place.path("new.import/000001.sstable").metadata().unwrap().modified().unwrap();
    // What a kill leaves of a table that is not complete.
    place.write("new.import/999999.sstable.0.tmp", "half");

    let refused = place.run("import all.sstable new");
    assert_eq!(refused.status, 2, "{}", refused.err);
    let report = place.ok(words);
    assert!(report.contains("resumed     behind table "), "{report}");
    assert!(report.contains("entries     60000\n"), "{report}");
    assert!(place.ok("diff all.txt new").is_empty());
    assert!(!place.path("new.import").exists());
    let kept = |path: PathBuf| path.metadata().unwrap().modified().unwrap() == first;
    let tables = std::fs::read_dir(place.path("new")).unwrap().map(|e| e.unwrap().path());
    assert!(tables.into_iter().any(kept), "the first table is the one from before the kill");

    let again = place.run(words);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("new is there already"), "{}", again.err);
}

/// The states that a kill can leave between the last table and the end.
#[test]
fn an_import_goes_on_from_every_step() {
    let place = Place::with_leveldb(3000);
    let words = "import ldb new --table-size 16KiB";
    // A source that changes makes an import stop before it is done.
    place.ok(words);
    std::fs::rename(place.path("new"), place.path("whole")).unwrap();

    // Tables and no database; then a database that has nothing; then all, not compared.
    let stage = |place: &Place| {
        let ldb = std::fs::canonicalize(place.path("ldb")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
            .args(words.split(' '))
            .current_dir(place.path(""))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let plan = place.path("new.import/PLAN");
        while !plan.exists() && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(plan.exists(), "killed at its start");
        assert!(std::fs::read_to_string(plan).unwrap().contains(&*ldb.to_string_lossy()));
    };
    stage(&place);
    let _ = std::fs::remove_dir_all(place.path("new"));
    place.ok(&format!("{words} --restart"));
    for name in ["ldb", "whole", "all.txt"] {
        assert!(place.ok(&format!("diff {name} new")).is_empty());
    }

    // The database is complete, the comparison is not: nothing is ingested twice.
    let files = |name: &str| std::fs::read_dir(place.path(name)).unwrap().count();
    std::fs::rename(place.path("new"), place.path("done")).unwrap();
    stage(&place);
    let _ = std::fs::remove_dir_all(place.path("new"));
    std::fs::rename(place.path("done"), place.path("new")).unwrap();
    let before = files("new");
    place.ok(words);
    assert!(files("new") <= before + 1);
    assert!(place.ok("diff all.txt new").is_empty());

    // Another state of the source is refused.
    std::fs::rename(place.path("new"), place.path("done")).unwrap();
    stage(&place);
    let _ = std::fs::remove_dir_all(place.path("new"));
    std::fs::remove_dir_all(place.path("ldb")).unwrap();
    place.write("more.txt", "a,1\nb,2\n");
    place.ok("build more.txt -o more.sstable");
    place.ok("export more.sstable --to leveldb -o ldb");
    let ran = place.run(words);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("another state of it") && ran.err.contains("--restart"),
        "{}",
        ran.err
    );
    place.ok(&format!("{words} --restart"));
    assert_eq!(place.ok("export new --to ndjson").lines().count(), 2);
}

#[test]
fn what_cannot_be_imported_is_refused() {
    let place = Place::with_leveldb(100);
    for folder in ["full", "other.import"] {
        std::fs::create_dir(place.path(folder)).unwrap();
        place.write(&format!("{folder}/notes.txt"), "mine");
    }
    place.ok("put db a 1");
    let before = state(&place.path("ldb"));
    for (words, said) in [
        ("import ldb full", "full is there already"),
        ("import ldb ldb/new", "where nothing may change"),
        ("export ldb --to leveldb -o ldb/new", "where nothing may change"),
        ("export ldb --to sstable", "--output must say"),
        ("export ldb --to csv -o all.txt", "all.txt is there already"),
        ("export ldb --to leveldb -o full", "it holds notes.txt"),
        ("import full new", "no database that esker knows"),
        ("import ldb .", "no name of its own"),
        ("import db new", "`esker checkpoint` copies it"),
        ("diff - -", "not both"),
        ("diff ldb gone", "gone"),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.status, 2, "{words}: {}", ran.err);
        assert!(ran.err.contains(said), "{words}: {}", ran.err);
    }
    assert!(state(&place.path("ldb")) == before);
    assert!(!place.path("new").exists());
    // Nothing of another's in a directory that has the name by chance.
    let ran = place.run("import ldb other");
    assert!(ran.status == 2 && ran.err.contains("no directory of an import"), "{}", ran.err);
    assert!(place.path("other.import/notes.txt").exists());
}

#[test]
fn diffs_name_every_difference() {
    let place = Place::new();
    place.write("a.txt", "apple,red\nlime,green\nplum,blue\n");
    place.write("b.txt", "plum,violet\napple,red\nquince,yellow\n");
    place.ok("build a.txt -o a.sstable");
    place.ok("build b.txt -o b.sstable");
    place.ok("export b.sstable --to leveldb -o b.ldb");
    place.ok("import b.ldb b.db");
    let expected = "- lime,green\n< plum,blue\n> plum,violet\n+ quince,yellow\n";
    for a in ["a.txt", "a.sstable"] {
        for b in ["b.txt", "b.sstable", "b.ldb", "b.db"] {
            let ran = place.run(&format!("diff {a} {b}"));
            assert_eq!((ran.status, ran.out.as_str()), (1, expected), "{a} {b}: {}", ran.err);
            assert!(ran.err.contains("only in A         1\n"), "{}", ran.err);
            assert_eq!(place.run(&format!("diff {b} {b}")).status, 0);
        }
    }
    let ran = place.run("diff a.txt b.db --json --limit 2");
    assert_eq!(
        ran.out,
        "{\"in\":\"a\",\"key\":\"lime\",\"a\":\"green\"}\n\
         {\"in\":\"both\",\"key\":\"plum\",\"a\":\"blue\",\"b\":\"violet\"}\n"
    );
    assert!(ran.err.contains("only in B         1\n"), "all are counted: {}", ran.err);
    let ran = place.run("diff a.txt b.db --keys-only");
    assert_eq!(ran.out, "- lime\n< plum\n> plum\n+ quince\n");
    assert_eq!(place.run("diff a.txt b.db --quiet").out, "");
    let ran = place.run_with("diff - a.sstable", b"lime,green\nplum,blue\napple,red\n");
    assert_eq!((ran.status, ran.out.as_str()), (0, ""));
    let ran = place.run_with("diff - b.db --csv", b"apple,red\nplum,violet\nquince,\"yel\"\n");
    assert_eq!(ran.out, "< quince,yel\n> quince,yellow\n");
}

#[test]
fn orders_that_fall_or_are_not_known_are_compared_byte_by_byte() {
    let place = Place::new();
    let table = testdata("leveldb-reverse.ldb").display().to_string();
    place.ok(&format!("export {table} --to sstable -o t.sstable"));
    for options in ["", "--comparator reverse", "--comparator raw"] {
        assert!(place.ok(&format!("diff {table} t.sstable {options}")).is_empty(), "{options}");
    }
    let falling = place.ok(&format!("dump {table} --format json"));
    let rising = place.ok("export t.sstable --to ndjson");
    assert!(falling.lines().rev().eq(rising.lines()));
}

#[test]
fn damage_ends_an_import_and_an_export() {
    let place = Place::with_leveldb(5000);
    let table = place.path("ldb/000004.ldb");
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    for words in ["import ldb new", "export ldb --to csv -o t.csv", "export ldb --to sstable -o t"]
    {
        let ran = place.run(words);
        assert_eq!(ran.status, 3, "{words}: {}", ran.err);
        assert!(ran.err.contains("000004.ldb: corrupt block checksum"), "{}", ran.err);
    }
    let import = place.path("new.import");
    assert!(!import.exists() && !place.path("new").exists(), "no table was complete");
    assert!(
        !place.path("t.csv").exists()
            && !place.path("t").exists()
            && !place.path("t.csv.tmp").exists()
    );
    assert_eq!(place.run("diff ldb all.sstable").status, 3);
    place.write("cut.sstable", "a,1\n");
    let ran = place.run("diff cut.sstable all.txt");
    assert!(ran.status == 2 && ran.err.contains("not a table"), "no records: {}", ran.err);
}
