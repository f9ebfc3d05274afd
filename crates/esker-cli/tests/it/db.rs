//! Databases of esker through the command.

use crate::{Place, Ran, languages};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

impl Place {
    /// A database `db` of three fruits, one deleted again and one overwritten, in log and tables.
    fn with_database() -> Place {
        let place = Place::new();
        let ran = place.run_with("load db", b"lime,green\napple,red\npear,yellow\n");
        assert_eq!(ran.status, 0, "{}", ran.err);
        for line in ["put db apple ruby", "delete db pear", "put db hex:ff01 base64:b2Rk"] {
            assert_eq!(place.ok(line), "");
        }
        place
    }

    /// Runs `line`, which must fail with `status`, tell `part`, and change no file of `db`.
    fn refuses(&self, line: &str, status: i32, part: &str) {
        let before = self.files("db");
        let ran = self.run(line);
        assert_eq!(ran.status, status, "{line}: {ran:?}");
        assert!(ran.err.contains(part), "{line}: {part:?} in {:?}", ran.err);
        assert!(self.files("db") == before, "{line}: it changed a file");
    }

    /// Names and contents of the files of a directory, but for the lock: it names its last holder.
    fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.path(name)) else { return Vec::new() };
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), bytes)
        };
        let mut files: Vec<_> = entries.map(file).filter(|file| file.0 != "LOCK").collect();
        files.sort();
        files
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Starts a writer that holds `db`, and waits for its first acknowledgement.
    fn writer(&self) -> (Child, BufReader<std::process::ChildStdout>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
            .args(["put", "db", "--input", "-"])
            .current_dir(self.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(b"held,1\n").unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // It reads a whole buffer or to the end: give it the rest of one.
        let filler = "filler,0\n".repeat(200_000);
        let mut stdin = child.stdin.take().unwrap();
        let pipe = std::thread::spawn(move || {
            let _ = stdin.write_all(filler.as_bytes());
            stdin
        });
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        drop(pipe);
        (child, out)
    }
}

#[test]
fn get_has_and_scan_see_the_newest() {
    let place = Place::with_database();
    assert_eq!(place.ok("get db apple"), "ruby\n");
    assert_eq!(place.ok("get db lime --format json"), "{\"key\":\"lime\",\"value\":\"green\"}\n");
    assert_eq!(place.ok("get db base64:/wE= --raw"), "odd");
    assert_eq!(place.ok("has db lime"), "");
    for line in ["get db pear", "has db pear", "get db fig"] {
        let expected = Ran { status: 1, out: String::new(), err: String::new() };
        assert_eq!(place.run(line), expected, "{line}");
    }
    assert_eq!(place.ok("dump db"), "apple,ruby\nlime,green\nhex:ff01,odd\n");
    assert_eq!(place.ok("scan db --start b --end m"), "lime,green\n");
    assert_eq!(place.ok("scan db --prefix ap --keys-only"), "apple\n");
    assert_eq!(
        place.ok("scan db --reverse --limit 2 --format hex -d :"),
        "ff01:6f6464\n6c696d65:677265656e\n"
    );
    let ran = place.run("get db apple --explain");
    assert!(ran.err.contains("memtable") && ran.err.contains("sequence 2"), "{}", ran.err);
    let ran = place.run("get db pear --explain");
    assert!(ran.status == 1 && ran.err.contains("a tombstone"), "{}", ran.err);
    let ran = place.run("get db lime --explain");
    assert!(ran.err.contains("level 6, 0"), "{}", ran.err);
    place.refuses("dump db --versions", 2, "the newest alone");
}

#[test]
fn durabilities_and_records_put_one_by_one() {
    let place = Place::new();
    for durability in ["none", "process", "power"] {
        assert_eq!(place.ok(&format!("put db {durability} 1 --durability {durability}")), "");
        assert_eq!(place.ok(&format!("get db {durability}")), "1\n");
        assert_eq!(place.ok(&format!("delete db {durability} --durability {durability}")), "");
    }
    assert_eq!(place.ok("dump db"), "");
    let ran = place.run_with("put db --input - --csv --key-column 2", b"1,b\n2,\"a,c\"\nbare\n");
    assert_eq!(
        (ran.status, &ran.out[..]),
        (2, "b\nhex:612c63\n".replace("hex:612c63", "a,c").as_str())
    );
    assert!(ran.err.contains("line 3: no column 2"), "{}", ran.err);
    assert_eq!(place.ok("get db b"), "1\n", "what was acknowledged is there");
    assert_eq!(place.run("put db lonely").status, 2);
    assert_eq!(place.run("put db a b --durability maybe").status, 2);
}

#[test]
fn loads() {
    let place = Place::new();
    let report = place.ok(&format!("load db {}", languages().display()));
    assert!(report.contains("records     9277") && report.contains("tables      1\n"), "{report}");
    place.ok(&format!("build {} -o t.sstable", languages().display()));
    assert_eq!(place.ok("dump db"), place.ok("dump t.sstable"));
    let ran = place.run_with("load db --jsonl id", b"{\"id\":\"language/eu\"}\n{\"id\":7}\n");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(place.ok("get db language/eu"), "{\"id\":\"language/eu\"}\n", "it is the newest");
    let table: std::collections::BTreeMap<_, _> =
        (0..100_000u32).map(|n| (format!("{:08x}", n.wrapping_mul(0x9e37_79b9)), n)).collect();
    let lines: String =
        (0..100_000u32).map(|n| format!("{:08x},{n}\n", n.wrapping_mul(0x9e37_79b9))).collect();
    let ran = place.run_with("load big --memory 1MiB --table-size 256KiB", lines.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let number = |name: &str| -> u64 {
        ran.out.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    assert!(number("runs") > 2 && number("tables") > 2, "{}", ran.out);
    let expected: String = table.iter().map(|(key, n)| format!("{key},{n}\n")).collect();
    assert!(place.ok("dump big") == expected, "contents differ");
    let names = place.files("big").into_iter().map(|file| file.0);
    assert!(names.filter(|name| name.ends_with(".tmp")).count() == 0, "nothing temporary stays");
    assert!(place.ok("verify big").contains("sound"));
    let info = place.ok("info big");
    let bar = info.split(['[', ']']).nth(1).unwrap();
    assert!(bar.matches('▒').count() > 5 && bar.matches('█').count() > 5, "{bar}");
}

#[test]
fn a_load_takes_all_or_nothing() {
    let place = Place::with_database();
    let before = place.ok("dump db");
    let ran = place.run_with("load db", b"fig,1\nbare\n");
    assert!(ran.status == 2 && ran.err.contains("line 2: no delimiter"), "{ran:?}");
    let ran = place.run_with("load db --strict", b"fig,1\nfig,2\n");
    assert!(ran.status == 2 && ran.err.contains("duplicate key"), "{ran:?}");
    assert_eq!(place.ok("dump db"), before);
    assert_eq!(place.run_with("load new", b"bare\n").status, 2);
    assert!(!place.path("new").exists(), "nothing stays");
    assert_eq!(place.run("load new nowhere.csv").status, 2);
    assert!(!place.path("new").exists());
}

#[test]
fn flush_and_compact_move_what_they_say() {
    let place = Place::with_database();
    let levels = |place: &Place| -> Vec<(u64, u64)> {
        let json = place.json("info db --json");
        let level = |level: &serde_json::Value| {
            (level["tables"].as_u64().unwrap(), level["tombstones"].as_u64().unwrap())
        };
        json["levels"].as_array().unwrap().iter().map(level).collect()
    };
    assert_eq!(place.json("stats db --json")["log_writes"], 1);
    assert!(place.ok("flush db").contains("writes      1 from the log to tables"));
    assert_eq!(place.json("stats db --json")["log_writes"], 0);
    assert_eq!(levels(&place)[0].0, 3);
    let dump = place.ok("dump db");
    assert!(place.ok("compact db --start zebra").contains("tables"));
    assert!(place.ok("compact db").contains("after       1 tables"));
    let levels = levels(&place);
    assert_eq!(levels.iter().map(|level| level.0).sum::<u64>(), 1);
    assert_eq!(levels.iter().map(|level| level.1).sum::<u64>(), 0, "the tombstone has gone");
    assert_eq!(place.ok("dump db"), dump);
}

#[test]
fn info_stats_and_space_show_it() {
    let place = Place::with_database();
    let info = place.ok("info db");
    for part in ["esker database, 3 tables", "  log ", "  level 0 ", "  level 6 ", "[█", "apple"]
    {
        assert!(info.contains(part), "{part} in {info}");
    }
    assert!(info.contains("000003.sstable") && !info.contains('\x1b'), "{info}");
    let json = place.json("info db --json");
    assert_eq!(json["sequence"], 4);
    let segments = json["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 4);
    assert_eq!(
        (&segments[0]["level"], &segments[0]["smallest_hex"]),
        (&serde_json::Value::Null, &"ff01".into())
    );
    assert_eq!((&segments[3]["level"], &segments[3]["largest"]), (&6.into(), &"pear".into()));
    let stats = place.ok("stats db");
    assert!(stats.contains("last write      4") && stats.contains("writes in logs  1"), "{stats}");
    place.write("db/load.stray.tmp", "left behind");
    let space = place.json("space db --json");
    assert_eq!(space["orphaned_bytes"], 11);
    assert_eq!(space["live_bytes"], "appleruby".len() + "limegreen".len() + "xxodd".len());
    assert_eq!(space["shadowed_bytes"], "applered".len() + "pearyellow".len());
    assert_eq!(space["read_runs"], 4);
    assert!(place.ok("space db").contains("orphaned"));
    place.ok("flush db");
    assert!(!place.path("db/load.stray.tmp").exists());
    let empty = Place::new();
    empty.run_with("load db", b"");
    assert!(empty.ok("info db").contains("it is empty"));
}

#[test]
fn stats_can_be_watched() {
    let place = Place::with_database();
    let mut child = Command::new(env!("CARGO_BIN_EXE_esker"))
        .args(["stats", "db", "--watch", "--json"])
        .current_dir(place.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"sequence\":4,"));
    place.ok("put db fig purple");
    let sees = lines.map(|line| line.unwrap()).take(5).any(|line| line.contains("\"sequence\":5,"));
    assert!(sees);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_checkpoint_is_a_database_of_its_own() {
    let place = Place::with_database();
    assert!(place.ok("checkpoint db copy").contains("shared"));
    let dump = place.ok("dump db");
    place.ok("put db fig purple");
    assert_eq!(place.ok("dump copy"), dump);
    place.ok("put copy fig green");
    assert_eq!(place.ok("get db fig"), "purple\n");
    let ran = place.run("checkpoint db copy");
    assert!(ran.status == 2 && ran.err.contains("directory in use"), "{}", ran.err);
}

#[test]
fn damage_is_found_and_what_is_sound_is_saved() {
    let place = Place::with_database();
    assert!(place.ok("verify db").contains("sound"));
    assert!(place.ok("repair db --preview").contains("opens as it is"));
    let dump = place.ok("dump db");
    let mut table = std::fs::read(place.path("db/000003.sstable")).unwrap();
    table[90] ^= 1;
    place.write("db/000003.sstable", &table);
    place.refuses("verify db", 3, "000003.sstable: corrupt");
    place.refuses("dump db", 3, "000003.sstable: corrupt");
    table[90] ^= 1;
    place.write("db/000003.sstable", &table);
    std::fs::remove_file(place.path("db/CURRENT")).unwrap();
    for line in ["get db apple", "put db a b", "load db nothing.csv", "info db", "compact db"] {
        let status = if line.starts_with("load") { 2 } else { 3 };
        let part =
            if line.starts_with("load") { "cannot read" } else { "esker repair db --preview" };
        place.refuses(line, status, part);
    }
    let preview = place.ok("repair db --preview");
    assert!(
        preview.contains("does not open: db/CURRENT") && preview.contains("3 that are sound"),
        "{preview}"
    );
    assert!(place.ok("repair db --to saved").contains("saved to saved"));
    assert_eq!(place.ok("dump saved"), dump);
    assert_eq!(place.run("repair db --to saved").status, 2, "a directory in use");
    assert_eq!(place.run("repair db").status, 2);
    assert_eq!(place.run("repair db --preview --to x").status, 2);
}

#[test]
fn a_torn_end_is_sound_and_a_hole_in_the_log_is_not() {
    let place = Place::with_database();
    let (name, log) = place.files("db").into_iter().find(|file| file.0.ends_with(".log")).unwrap();
    let name = format!("db/{name}");
    let end = log.iter().rposition(|byte| *byte != 0).unwrap();
    place.write(&name, &log[..end]);
    let verified = place.ok("verify db");
    assert!(verified.contains("sound") && verified.contains("torn at byte"), "{verified}");
    assert_eq!(place.ok("get db hex:ff01"), "odd\n");
    let mut hole = log.clone();
    hole[60] ^= 1;
    place.write(&name, &hole);
    place.refuses("verify db", 3, "which were on disk");
    place.refuses("put db a b", 3, "esker repair db --preview");
}

#[test]
fn destroyed_databases_are_gone_and_nothing_else_is() {
    let place = Place::with_database();
    place.refuses("destroy db", 2, "--yes");
    assert_eq!(place.ok("destroy db --yes"), "");
    assert!(!place.path("db").exists());
    place.refuses("destroy db --yes", 2, "no database there");
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let place = Place::new();
    std::fs::create_dir(place.path("db")).unwrap();
    for line in ["delete db a", "flush db", "compact db", "stats db", "checkpoint db c"] {
        place.refuses(line, 2, "db: no database there; `esker put` and `esker load` make one");
    }
    place.write("db/notes.txt", "mine");
    for line in ["put db a b", "load db", "destroy db --yes", "repair db --preview", "space db"] {
        place.refuses(line, 2, "db: no database, but it holds notes.txt");
    }
    std::fs::remove_file(place.path("db/notes.txt")).unwrap();
    place.write("db/CURRENT", "MANIFEST-000002\n");
    place.write("db/MANIFEST-000002", "of another engine");
    place.write("db/000003.log", "of another engine");
    for line in ["put db a b", "load db", "destroy db --yes", "repair db --preview", "compact db"] {
        place.refuses(line, 2, "db: a database of LevelDB or RocksDB, which esker does not change");
    }
    place.write("file", "x");
    place.refuses("put file a b", 2, "file: a file; a database is a directory");
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn another_format_is_told() {
    let place = Place::with_database();
    let (name, mut manifest) =
        place.files("db").into_iter().find(|file| file.0.starts_with("MANIFEST")).unwrap();
    for (version, advice) in
        [(9, "use a newer esker"), (1, "export it with the esker that wrote it")]
    {
        manifest[8] = version;
        place.write(&format!("db/{name}"), &manifest);
        place.refuses("get db apple", 3, "corrupt header checksum");
        let header = [&manifest[..32], &0u64.to_le_bytes()].concat();
        manifest[32..36].copy_from_slice(&crc(&header).to_le_bytes());
        place.write(&format!("db/{name}"), &manifest);
        for line in ["get db apple", "put db a b", "compact db", "info db"] {
            let told = format!("version {version}; this build reads 2: {advice}");
            place.refuses(line, 2, &told);
        }
    }
}

#[test]
fn readers_stand_beside_a_writer_and_a_second_writer_does_not() {
    let place = Place::with_database();
    let (mut child, out) = place.writer();
    let pid = format!("locked by process {}", child.id());
    for line in ["put db a b", "delete db a", "flush db", "checkpoint db c", "destroy db --yes"] {
        let ran = place.run(line);
        assert_eq!(ran.status, 2, "{line}: {ran:?}");
        assert!(ran.err.contains(&pid) && ran.err.contains("work beside it"), "{}", ran.err);
    }
    assert_eq!(place.ok("get db held"), "1\n");
    assert!(place.ok("info db").contains("esker database"));
    assert!(place.ok("verify db").contains("sound"));
    child.kill().unwrap();
    child.wait().unwrap();
    let acknowledged = out.lines().count();
    assert_eq!(place.ok("get db held"), "1\n");
    assert!(acknowledged == 0 || place.ok("get db filler") == "0\n");
    assert_eq!(place.ok("put db a b"), "");
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_database();
    let set = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(place.path("db"), permissions.clone()).unwrap();
        std::fs::set_permissions(place.path("db/LOCK"), permissions).unwrap();
    };
    set(0o555);
    // The superuser may write all the same.
    if std::fs::write(place.path("db/probe.tmp"), "").is_err() {
        for line in ["put db a b", "flush db", "destroy db --yes"] {
            place.refuses(line, 2, "the directory may not be written to");
        }
    }
    assert_eq!(place.ok("get db apple"), "ruby\n");
    set(0o755);
}
