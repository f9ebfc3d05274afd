//! Bad input: a message that says what and where, the right status, nothing left behind.

use crate::{Place, languages};

/// Runs `line` and checks its status and that its message holds `part`.
fn fails(place: &Place, line: &str, input: &[u8], status: i32, part: &str) {
    let ran = place.run_with(line, input);
    assert_eq!(ran.status, status, "{line}: {} {}", ran.out, ran.err);
    assert!(ran.err.contains(part), "{line}: {part:?} in {:?}", ran.err);
}

#[test]
fn records() {
    let place = Place::new();
    let o = "build - -o x.sstable";
    fails(&place, o, b"a,1\nbare\n", 2, "-: line 2: no delimiter \",\" in \"bare\"");
    fails(&place, &format!("{o} --csv --key-column 3"), b"a,b\n", 2, "line 1: no column 3");
    fails(&place, &format!("{o} --jsonl id"), b"{}\n", 2, "line 1: no field \"id\"");
    fails(&place, &format!("{o} --decode"), b"hex:0,1\n", 2, "record 1: encoded bytes");
    let long = [vec![b'k'; 70_000], b",1\n".to_vec()].concat();
    fails(&place, o, &long, 2, "record 1: key too long: 70000 bytes, at most 65536");
    fails(&place, "build nowhere.csv", b"", 2, "cannot read nowhere.csv");
    fails(&place, "build .", b"", 2, "is a directory");
    fails(&place, &format!("{o} --block-size 1"), b"", 2, "block_size_bytes: 1, not in");
    fails(&place, &format!("{o} --memory 1parsec"), b"", 2, "no unit of bytes");
    fails(&place, "build - -o no/such/x.sstable", b"a,1\n", 2, "cannot create");
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "nothing stays");
    place.write("there.sstable", "precious");
    fails(&place, "build - -o there.sstable", b"a,1\n", 2, "--force replaces it");
    assert_eq!(std::fs::read(place.path("there.sstable")).unwrap(), b"precious");
}

#[test]
fn files() {
    let place = Place::with_fruit();
    place.write("archive.zip", b"PK\x03\x04 and more");
    place.write("empty", b"");
    fails(&place, "info archive.zip", b"", 2, "not a table that esker knows");
    fails(&place, "dump empty", b"", 2, "not a table that esker knows");
    fails(&place, "get nowhere a", b"", 2, "cannot read nowhere");
    fails(&place, "get t.sstable hex:0", b"", 2, "even number");
    fails(&place, "frobnicate", b"", 2, "unrecognized subcommand");
    let bytes = std::fs::read(place.path("t.sstable")).unwrap();
    place.write("cut.sstable", &bytes[..bytes.len() - 10]);
    fails(&place, "verify cut.sstable", b"", 3, "corrupt footer magic at byte");
}

#[test]
fn corruption_names_its_place_after_what_was_sound() {
    let place = Place::new();
    place.ok(&format!("build {} -o t.sstable", languages().display()));
    let mut bytes = std::fs::read(place.path("t.sstable")).unwrap();
    bytes[60_000] ^= 4;
    place.write("t.sstable", &bytes);
    fails(&place, "verify t.sstable", b"", 3, "t.sstable: corrupt frame checksum at byte");
    fails(&place, "dump t.sstable", b"", 3, "expected 0x");
    let dumped = place.run("dump t.sstable").out;
    assert!(dumped.lines().count() > 1000, "what stands before is printed");
    assert_eq!(place.run("get t.sstable extlang/aao").status, 0, "other blocks are read");
}
