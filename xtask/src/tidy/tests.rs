//! Each rule fails on a sample that breaks it, and on nothing else.

use super::*;

const PATH: &str = "crates/esker/src/block/view.rs";

fn messages(path: &str, text: &str) -> String {
    let mut wrong = layers::check(path, text);
    wrong.extend(rules::check(path, text, ""));
    wrong.join("\n")
}

#[test]
fn a_good_file_passes() {
    assert_eq!(messages(PATH, "//! Good.\nuse crate::base::key::Entry;\nfn f() {}\n"), "");
}

#[test]
fn layers_point_down() {
    let up = messages(PATH, "//! Up.\nuse crate::table::Table;\n");
    assert_eq!(up, format!("{PATH}:2: block (layer 1) imports table (layer 3)"));
    let side = messages(PATH, "//! Side.\nuse crate::filter::build;\n");
    assert_eq!(side, format!("{PATH}:2: block (layer 1) imports filter (layer 1)"));
    let none = messages("crates/esker/src/new.rs", "//! New.\n");
    assert_eq!(none, "crates/esker/src/new.rs: new has no layer");
}

#[test]
fn files_open_with_a_header_and_stay_small() {
    assert!(messages(PATH, "fn f() {}\n").contains("does not open with"));
    let long = format!("//! Long.\n{}", "\n".repeat(600));
    assert!(messages(PATH, &long).contains("601 lines, at most 600"));
    let allowed = rules::check(PATH, &long, &format!("{PATH} 601\n"));
    assert!(allowed.is_empty(), "{allowed:?}");
    let wide = format!("//! {}\n", "x".repeat(100));
    assert!(messages(PATH, &wide).contains("columns"));
    let function = format!("//! F.\nfn f() {{\n{}}}\n", "    x\n".repeat(70));
    assert!(messages(PATH, &function).contains("function of 72 lines"));
}

#[test]
fn seams_hold() {
    assert!(messages(PATH, "//! F.\nuse std::fs;\n").contains("std::fs outside vfs"));
    assert!(messages(PATH, "//! U.\n#![allow(unsafe_code)]\n").contains("unsafe outside"));
    assert!(messages(PATH, "//! C.\nconst END_MAGIC: u8 = 1;\n").contains("on-disk constant"));
    assert_eq!(messages("crates/esker/src/block/format.rs", "//! C.\nconst A_AT: u8 = 1;\n"), "");
}

#[test]
fn words_anchors_and_statuses() {
    let word = format!("//! W.\n// FIX{}\n", "ME");
    assert!(messages(PATH, &word).contains("holds FIX"));
    let format = "# Title\n## Table file\n";
    assert!(rules::anchors("a/format.rs", "//! docs/format.md#table-file\n", format).is_empty());
    assert_eq!(rules::anchors("crates/a.rs", "//! docs/format.md#no\n", format).len(), 1);
    assert_eq!(rules::anchors("crates/esker/src/x/format.rs", "//! none\n", format).len(), 1);
    assert!(rules::rfc("r", "# R\nStatus: accepted\n").is_empty());
    assert_eq!(rules::rfc("r", "# R\nStatus: maybe\n").len(), 1);
}
