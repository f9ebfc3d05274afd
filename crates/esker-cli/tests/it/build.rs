//! build: input formats, output, duplicates, input larger than its memory.

use crate::{Place, languages};

#[test]
fn the_real_data() {
    let place = Place::new();
    let report = place.ok(&format!("build {} -o t.sstable", languages().display()));
    assert!(report.contains("t.sstable") && report.contains("records     9277"), "{report}");
    let mut source: Vec<_> =
        std::fs::read_to_string(languages()).unwrap().lines().map(String::from).collect();
    let dumped = place.ok("dump t.sstable");
    let mut found: Vec<_> = dumped.lines().map(String::from).collect();
    assert!(found.windows(2).all(|pair| pair[0].split(',').next() < pair[1].split(',').next()));
    source.sort();
    found.sort();
    assert_eq!(source, found);
}

#[test]
fn the_last_value_of_a_key_wins_unless_strict() {
    let place = Place::new();
    let input = b"a,1\nb,2\na,3\n";
    let ran = place.run_with("build", input);
    assert_eq!(ran.status, 0);
    assert!(
        ran.out.starts_with("table.sstable\n") && ran.out.contains("duplicates  1"),
        "{}",
        ran.out
    );
    assert_eq!(place.ok("dump table.sstable"), "a,3\nb,2\n");
    let ran = place.run_with("build --strict -o s.sstable", input);
    assert!(ran.status == 2 && ran.err.contains("duplicate key: \"a\""), "{}", ran.err);
    assert!(!place.path("s.sstable").exists());
}

#[test]
fn formats() {
    let place = Place::new();
    let dump = |line: &str, input: &str| {
        let ran = place.run_with(&format!("build - -o f.sstable --force {line}"), input.as_bytes());
        assert_eq!(ran.status, 0, "{line}: {}", ran.err);
        place.ok("dump f.sstable")
    };
    assert_eq!(dump("--csv --key-column 2", "1,\"b,x\"\n2,a\n"), "a,2\nhex:622c78,1\n");
    assert_eq!(dump("--tsv --header", "k\tv\nb\t1\t2\na\t\n"), "a,\nb,1\t2\n");
    assert_eq!(dump("--jsonl id", "{\"id\":\"x\"}\n"), "x,{\"id\":\"x\"}\n");
    assert_eq!(dump("-d ::", "a::b::c\n"), "a,b::c\n");
    assert_eq!(dump("--records nul", "b,1\n\0a,2\0"), "a,2\nb,hex:310a\n");
    assert_eq!(dump("--decode", "hex:00,base64:aGk=\n"), "hex:00,hi\n");
    assert_eq!(dump("", "b,1\na,2\0c,3\n"), "a,2\nb,1\n");
    assert_eq!(dump("--compression none --filter-bits 0 --block-size 256", "a,1\n"), "a,1\n");
    assert_eq!(dump("", ""), "");
    assert!(place.ok("verify f.sstable").contains("sound"));
    assert_eq!(place.run("get f.sstable a").status, 1);
}

#[test]
fn input_larger_than_the_memory_for_sorting() {
    let place = Place::new();
    let number = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let lines: String = (0..200_000).map(|n| format!("{:08},{n}\n", number(n))).collect();
    let ran = place.run_with("build - -o big.sstable --memory 2MiB", lines.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let runs = ran.out.lines().find_map(|line| line.strip_prefix("runs")).unwrap().trim();
    assert!(runs.parse::<u32>().unwrap() > 2, "{}", ran.out);
    let model: std::collections::BTreeMap<_, _> =
        (0..200_000).map(|n| (format!("{:08}", number(n)), n)).collect();
    let expected: String = model.iter().map(|(key, n)| format!("{key},{n}\n")).collect();
    assert!(place.ok("dump big.sstable") == expected, "contents differ");
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 1, "runs are gone");
}
