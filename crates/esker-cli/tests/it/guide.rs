//! The examples of `docs/foreign.md` give what stands there.

use crate::Place;
use std::path::Path;

fn copy(place: &Place, set: &str, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../esker-foreign/testdata").join(set);
    std::fs::create_dir(place.path(name)).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(file.path(), place.path(name).join(file.file_name())).unwrap();
    }
}

/// Whether `text` is `pattern`, in which `…` stands for anything in a line.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern.split_once('…') {
        None => text == pattern,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

/// Checks the lines of `found` against `expected`, in which a line `…` stands for any lines.
fn check(command: &str, found: &str, expected: &[&str]) {
    let mut lines = found.lines();
    let mut may_skip = false;
    for pattern in expected {
        if *pattern == "…" {
            may_skip = true;
            continue;
        }
        let is_there = match may_skip {
            true => lines.any(|line| fits(line, pattern)),
            false => lines.next().is_some_and(|line| fits(line, pattern)),
        };
        assert!(is_there, "{command}: expected \"{pattern}\" in\n{found}");
        may_skip = false;
    }
    let rest = lines.next();
    assert!(may_skip || rest.is_none(), "{command}: not in the guide: {rest:?}");
}

#[test]
fn the_examples_of_the_guide_give_what_stands_there() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/foreign.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let place = Place::new();
    copy(&place, "leveldb-log", "profile");
    copy(&place, "leveldb-log", "damaged");
    copy(&place, "rocksdb-families", "state");
    let log = place.path("damaged/000003.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[60] ^= 1;
    std::fs::write(log, bytes).unwrap();
    let mut commands = 0;
    for block in guide.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for example in block.split("$ esker ").skip(1) {
            let (line, expected) = example.split_once('\n').unwrap();
            let ran = place.run(line);
            // What goes to standard error comes first.
            let expected: Vec<&str> = expected.lines().collect();
            check(line, &format!("{}{}", ran.err, ran.out), &expected);
            commands += 1;
        }
    }
    assert!(commands > 12, "{commands} commands");
}
