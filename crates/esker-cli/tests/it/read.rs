//! get, has, scan, dump, info, verify on our own tables.

use crate::{Place, languages};

#[test]
fn get_and_has_tell_by_status() {
    let place = Place::with_fruit();
    assert_eq!(place.ok("get t.sstable apple"), "red\n");
    assert_eq!(place.ok("get t.sstable apple --map"), "red\n");
    assert_eq!(place.ok("get t.sstable hex:ff01"), "odd\n");
    assert_eq!(place.ok("get t.sstable base64:/wE= --raw"), "odd");
    assert_eq!(place.ok("get t.sstable plum --format hex"), "626c75652c6f7220726564\n");
    assert_eq!(
        place.ok("get t.sstable lime --format json"),
        "{\"key\":\"lime\",\"value\":\"green\"}\n"
    );
    assert_eq!(place.ok("has t.sstable lime"), "");
    let missing = place.run("get t.sstable pear");
    assert_eq!((missing.status, &missing.out[..], &missing.err[..]), (1, "", ""));
    assert_eq!(place.run("has t.sstable pear").status, 1);
}

#[test]
fn explain_tells_on_standard_error() {
    let place = Place::with_fruit();
    let ran = place.run("get t.sstable apple --explain");
    assert_eq!((ran.status, &ran.out[..]), (0, "red\n"));
    for part in ["filter", "index", "data block", "a value of 3 bytes", "µs"] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    let ran = place.run("get t.sstable pear --explain");
    assert!(ran.status == 1 && ran.err.contains("no: the table has no such key"), "{}", ran.err);
}

#[test]
fn scans() {
    let place = Place::with_fruit();
    let all = "apple,red\nlime,green\nplum,blue,or red\nhex:ff01,odd\n";
    assert_eq!(place.ok("dump t.sstable"), all);
    assert_eq!(place.ok("scan t.sstable --start b --end plum"), "lime,green\n");
    assert_eq!(place.ok("scan t.sstable --prefix pl"), "plum,blue,or red\n");
    assert_eq!(place.ok("scan t.sstable --reverse --limit 2 --keys-only"), "hex:ff01\nplum\n");
    assert_eq!(place.ok("scan t.sstable --limit 1 --versions"), "apple,0,put,red\n");
    assert_eq!(place.ok("scan t.sstable --reverse --end b --versions"), "apple,0,put,red\n");
    assert_eq!(
        place.ok("scan t.sstable --start q --format json"),
        "{\"key_hex\":\"ff01\",\"value\":\"odd\"}\n"
    );
    assert_eq!(place.ok("scan t.sstable --limit 1 --format hex -d :"), "6170706c65:726564\n");
    assert_eq!(place.ok("scan t.sstable --start zz --end aa"), "");
}

#[test]
fn a_dump_builds_the_same_table_again() {
    let place = Place::with_fruit();
    let dump = place.ok("dump t.sstable");
    let ran = place.run_with("build - -o again.sstable --decode", dump.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(place.ok("dump again.sstable"), dump);
    assert_eq!(place.ok("get again.sstable hex:ff01"), "odd\n");
}

#[test]
fn info_and_verify() {
    let place = Place::new();
    place.ok(&format!("build {} -o t.sstable", languages().display()));
    let info = place.ok("info t.sstable");
    for part in ["esker table", "entries                9277", "D data", "F filter", "[D"] {
        assert!(info.contains(part), "{part} in {info}");
    }
    assert!(!info.contains('\x1b'), "no colours in a pipe");
    assert!(place.ok("info t.sstable --color always").contains('\x1b'));
    let json: serde_json::Value = serde_json::from_str(&place.ok("info t.sstable --json")).unwrap();
    assert_eq!(json["properties"]["entries"], 9277);
    let blocks = json["blocks"].as_array().unwrap();
    assert!(blocks.len() > 40);
    let listed = place.ok("info t.sstable --blocks");
    let rows = listed.lines().skip_while(|line| !line.contains("offset")).skip(1).count();
    assert_eq!(rows, blocks.len());
    assert!(place.ok("verify t.sstable").contains("sound"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    place.ok(&format!("build {} -o t.sstable", languages().display()));
    let esker = env!("CARGO_BIN_EXE_esker");
    let script = format!("'{esker}' dump t.sstable | head -1; echo ${{PIPESTATUS[0]}}");
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.ends_with(")\n0\n"), "{out}");
    assert!(output.stderr.is_empty());
}

#[test]
fn manual_and_completions_come_from_one_definition() {
    let place = Place::new();
    assert!(place.ok("man").contains(".TH esker"));
    assert!(place.ok("completions bash").contains("verify"));
    place.ok("man --dir .");
    assert!(place.path("esker-build.1").exists());
    assert!(place.ok("scan --help").contains("--prefix"));
}

#[test]
fn a_dump_is_read_back_whatever_the_delimiter() {
    let place = Place::new();
    let keys = "hex:613a,1\n,2\nhex:ff,3\na::b,4\n";
    assert_eq!(place.run_with("build - -o t.sstable --decode", keys.as_bytes()).status, 0);
    let expected = place.ok("dump t.sstable --format hex");
    for delimiter in ["::", "|", "hex:fe", "base64:/w==", "e,", "hex:09"] {
        let dump = std::process::Command::new(env!("CARGO_BIN_EXE_esker"))
            .args(["dump", "t.sstable", "-d", delimiter])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert!(dump.status.success(), "{delimiter}: {dump:?}");
        let line = format!("build - -o again.sstable --force --decode -d {delimiter}");
        let ran = place.run_with(&line, &dump.stdout);
        assert_eq!(ran.status, 0, "{delimiter}: {}", ran.err);
        assert_eq!(place.ok("dump again.sstable --format hex"), expected, "{delimiter}");
    }
    for delimiter in [":", "f", "hex"] {
        let ran = place.run(&format!("dump t.sstable -d {delimiter}"));
        assert!(ran.status == 2 && ran.err.contains("cannot be told"), "{delimiter}: {ran:?}");
    }
    assert_eq!(place.run("dump t.sstable -d=").status, 2);
    for line in ["build -d hex:00 -o n.sstable", "build -d hex:0a -o n.sstable"] {
        let ran = place.run_with(line, b"a,1\n");
        assert!(ran.status == 2 && ran.err.contains("ends a record"), "{line}: {ran:?}");
    }
}

#[test]
fn json_keeps_keys_and_texts_that_look_like_numbers() {
    let place = Place::new();
    let ran = place.run_with("build - -o t.sstable --description 0123", b"007,x\n42,y\n");
    assert_eq!(ran.status, 0);
    let json: serde_json::Value = serde_json::from_str(&place.ok("info t.sstable --json")).unwrap();
    let properties = &json["properties"];
    assert_eq!(properties["smallest_key"], "007");
    assert_eq!(properties["largest_key"], "42");
    assert_eq!(properties["description"], "0123");
    assert!(properties["digest"].is_string());
    assert_eq!(properties["entries"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_changes_no_status() {
    let place = Place::with_fruit();
    for (line, status) in [("get nowhere a", 2), ("get t.sstable apple --explain", 0)] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_esker"))
            .args(line.split(' '))
            .current_dir(place.path(""))
            .stderr(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(status), "{line}");
    }
}
