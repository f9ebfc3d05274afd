//! Other engines' directories: no command changes one, damaged or not; hostile ones take little.

use crate::Place;
use crate::migrate::{state, testdata};

const SHIPPED: [&str; 5] =
    ["leveldb-log", "rocksdb-ranges", "rocksdb-ingested", "rocksdb-families", "rocksdb-blobs"];

/// Every command that reads such a directory, `DIR` being it and `N` a number of its own.
const COMMANDS: [&str; 25] = [
    "info DIR",
    "info DIR --json --blocks",
    "get DIR k3",
    "get DIR k3 --explain",
    "has DIR k3",
    "scan DIR",
    "scan DIR --reverse --limit 3",
    "scan DIR --prefix k --versions",
    "scan DIR --comparator raw",
    "dump DIR",
    "dump DIR --format json --versions",
    "dump DIR --obfuscation 0102",
    "dump DIR --accept-loss",
    "verify DIR",
    "verify DIR --json",
    "space DIR",
    "space DIR --json",
    "space DIR --accept-loss",
    "export DIR --to ndjson",
    "export DIR --to csv -o N.csv",
    "export DIR --to sstable -o N.sstable",
    "export DIR --to leveldb -o N.ldb",
    "import DIR N.db --accept-loss --json",
    "diff DIR DIR",
    // Those for databases of ours refuse it.
    "put DIR key value",
];

#[test]
fn no_command_changes_a_directory_of_another_engine() {
    let place = Place::new();
    let mut number = 0;
    for name in SHIPPED {
        for is_damaged in [false, true] {
            let folder = format!("{name}-{is_damaged}");
            std::fs::create_dir(place.path(&folder)).unwrap();
            for (path, (mut bytes, _)) in state(&testdata(name)) {
                let is_log = path.extension().is_some_and(|e| e == "log");
                if let Some(byte) = bytes.get_mut(60).filter(|_| is_damaged && is_log) {
                    *byte ^= 1;
                }
                let file = path.file_name().unwrap().to_string_lossy();
                place.write(&format!("{folder}/{file}"), bytes);
            }
            let before = state(&place.path(&folder));
            for command in COMMANDS {
                number += 1;
                let line = command.replace("DIR", &folder).replace("N.", &format!("{number}."));
                let ran = place.run(&line);
                assert!((0..=3).contains(&ran.status), "{line}: {}", ran.err);
                assert!(state(&place.path(&folder)) == before, "{line} changes something");
            }
        }
    }
}

#[test]
fn a_loss_that_is_accepted_is_told_and_one_that_is_not_is_an_error() {
    let place = Place::new();
    std::fs::create_dir(place.path("db")).unwrap();
    for (path, (mut bytes, _)) in state(&testdata("leveldb-log")) {
        if path.extension().is_some_and(|e| e == "log") {
            bytes[60] ^= 1;
        }
        place.write(&format!("db/{}", path.file_name().unwrap().to_string_lossy()), bytes);
    }
    for line in
        ["dump db", "scan db", "get db k3", "import db new", "export db --to csv", "space db"]
    {
        let ran = place.run(line);
        assert_eq!((ran.status, ran.out.as_str()), (3, ""), "{line}");
        assert!(ran.err.contains("at byte 49") && ran.err.contains("operation 3"), "{}", ran.err);
        let ran = place.run(&format!("{line} --accept-loss"));
        assert_eq!(ran.status, 0, "{line}: {}", ran.err);
        let told = format!("{}{}", ran.err, ran.out);
        assert!(told.contains("operation 3"), "{line}: {told}");
    }
    let ran = place.run("verify db --accept-loss");
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(place.run("diff db new --accept-loss").err.contains("operation 3"));
    let ran = place.run("import db other");
    assert_eq!(ran.status, 3, "{}", ran.err);
}

#[test]
fn masked_values_come_out_plain_and_travel_so() {
    let place = Place::new();
    // The mask 0101…, and under `a` what it makes of `gdmmn`.
    place.write("in.txt", "hex:0e006f62667573636174655f6b6579,hex:080101010101010101\na,fekko\n");
    place.ok("build in.txt -o t.sstable --decode");
    place.ok("export t.sstable --to leveldb -o coins");
    let ran = place.run("get coins a");
    assert_eq!(ran.out, "gdjjn\n");
    assert!(ran.err.contains("XORed"), "{}", ran.err);
    assert_eq!(place.ok("get coins a --obfuscation none"), "fekko\n");
    assert_eq!(place.ok("get coins a --obfuscation 00"), "fekko\n");
    assert_eq!(place.ok("get coins/000004.ldb a --obfuscation 0101"), "gdjjn\n");
    assert!(place.ok("dump coins --versions").contains("put,gdjjn"));
    assert!(place.ok("import coins db").contains("XORed"));
    assert_eq!(place.ok("get db a"), "gdjjn\n");
    assert_eq!(place.run("get coins a --obfuscation xyz").status, 2);
}

/// Directories that ask for much memory get little: each is refused, or read within the bound.
#[cfg(target_os = "linux")]
#[test]
fn hostile_directories_take_little_memory() {
    use crate::memory::peak;
    use std::process::{Command, Stdio};
    let place = Place::new();
    let fragment = |kind: u8, payload: &[u8]| {
        let covered = [&[kind][..], payload].concat();
        let mut crc = u32::MAX;
        for byte in &covered {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 });
        }
        let masked = (!crc).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
        [&masked[..], &(payload.len() as u16).to_le_bytes(), &covered].concat()
    };
    let manifest =
        fragment(1, b"\x01\x1aleveldb.BytewiseComparator\x02\x00\x09\x00\x03\x09\x04\x00");
    // A batch that claims four thousand million operations, and values of four gigabytes.
    let claims =
        [&[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], b"\x01\x01k\xff\xff\xff\xff\x0f"];
    // A record that never ends, in parts of a block each.
    let mut endless = fragment(2, &vec![1; (32 << 10) - 7]);
    (0..200).for_each(|_| endless.extend(fragment(3, &vec![1; (32 << 10) - 7])));
    // A table that names a block of 2^60 bytes.
    let mut table = vec![0; 100];
    table.extend([
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    table.resize(100 + 40, 0);
    table.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
    for (name, log) in
        [("claims", fragment(1, &claims.concat())), ("endless", endless), ("table", Vec::new())]
    {
        std::fs::create_dir(place.path(name)).unwrap();
        place.write(&format!("{name}/000003.log"), &log);
        match name {
            "table" => place.write("table/000005.ldb", &table),
            _ => {
                place.write(&format!("{name}/CURRENT"), "MANIFEST-000001\n");
                place.write(&format!("{name}/MANIFEST-000001"), &manifest);
            }
        }
        for words in [&["dump"][..], &["dump", "--accept-loss"], &["space", "--json"]] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
                .args(words)
                .arg(place.path(name))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut most = 0;
            while child.try_wait().unwrap().is_none() {
                most = most.max(peak(child.id()).unwrap_or(0));
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            assert!(child.wait().unwrap().code().is_some(), "{name}: no signal ends it");
            assert!(most < 64 << 20, "{name}, {words:?}: {most} bytes");
        }
    }
}
