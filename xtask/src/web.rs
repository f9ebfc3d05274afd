//! `cargo xtask web`: the browser store, from the engine's sources to the page.
//!
//! Debian's compiler for browsers comes with the sources of the standard library, which are built
//! with the engine. Its target folder is its own: two compilers must not share one.

use crate::steps::{install, root, run};
use std::fs;
use std::process::Command;

/// What is needed, with the command that shows that it is there.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/bin/rustc --version", "rustc-web cargo-web rust-web-src"),
    ("/usr/bin/wasm-ld --version", "lld"),
];

/// What its tests need beside that.
const TEST_PACKAGES: &[(&str, &str)] = &[
    ("node --version", "nodejs"),
    ("npm --version", "npm"),
    ("/usr/bin/chromium --version", "chromium"),
];

const TARGET: &str = "wasm32-unknown-unknown";

/// Files of the package that the page uses.
const PACKAGE_FILES: &[&str] = &[
    "esker.js",
    "engine.js",
    "reader.js",
    "memory.js",
    "database.js",
    "segments.js",
    "table.js",
    "channel.js",
    "client.js",
    "worker.js",
    "esker.wasm",
];

/// Most bytes of the package's files, gzipped.
const GZIP_BYTES_MAX: usize = 400 << 10;

/// Builds `web/package/esker.wasm`, and `web/dist` with the page and all that it needs.
pub fn build() -> Result<(), String> {
    install(PACKAGES)?;
    let environment = [
        ("RUSTC", "/usr/bin/rustc"),
        ("RUSTC_BOOTSTRAP", "1"),
        // Nobody sees the places of panics there.
        ("RUSTFLAGS", "-Zlocation-detail=none"),
        ("CARGO_TARGET_DIR", "target/web"),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "/usr/bin/wasm-ld"),
    ];
    let build = "/usr/bin/cargo build --locked --package esker-wasm --profile web";
    run(&format!("{build} --target {TARGET} -Zbuild-std=std,panic_abort"), &environment)?;
    assemble()
}

/// Puts the package and the page together in `web/dist`.
fn assemble() -> Result<(), String> {
    let root = root();
    let built = root.join(format!("target/web/{TARGET}/web/esker_wasm.wasm"));
    let (package, dist) = (root.join("web/package"), root.join("web/dist"));
    copy(&built, &package.join("esker.wasm"))?;
    fs::create_dir_all(dist.join("package")).map_err(|e| format!("{}: {e}", dist.display()))?;
    for name in PACKAGE_FILES {
        copy(&package.join(name), &dist.join("package").join(name))?;
    }
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root.join(name), &package.join(name))?;
    }
    let page = root.join("web/page");
    let entries = fs::read_dir(&page).map_err(|e| format!("{}: {e}", page.display()))?;
    for entry in entries.flatten() {
        copy(&entry.path(), &dist.join(entry.file_name()))?;
    }
    copy(&root.join("data/languages.csv"), &dist.join("languages.csv"))?;
    let format = root.join("docs/format.md");
    let text = fs::read_to_string(&format).map_err(|e| format!("{}: {e}", format.display()))?;
    let fields = dist.join("format.json");
    fs::write(&fields, fields_of(&text)).map_err(|e| format!("{}: {e}", fields.display()))?;
    state_size(&package)?;
    println!("web/dist is the page: node web/tests/server.js, then http://127.0.0.1:8080/");
    Ok(())
}

/// Says what the package's files take as a browser loads them, and holds them to the limit.
fn state_size(package: &std::path::Path) -> Result<(), String> {
    let mut total = 0;
    for name in PACKAGE_FILES {
        let output = Command::new("gzip").arg("-9c").arg(package.join(name)).output();
        total += output.map_err(|e| format!("gzip: {e}"))?.stdout.len();
    }
    println!("web/package: {total} bytes gzipped, of {GZIP_BYTES_MAX} at most");
    if total <= GZIP_BYTES_MAX { Ok(()) } else { Err("web/package is too large".into()) }
}

/// The tables of offset, size and field in `docs/format.md`, by heading, as JSON: what the page
/// names the bytes of a table with.
fn fields_of(format: &str) -> String {
    let mut headings: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut is_inside = false;
    for line in format.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            headings.push((heading.into(), Vec::new()));
        }
        let Some((_, tables)) = headings.last_mut() else { continue };
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells == ["offset", "size", "field"] {
            is_inside = true;
            tables.push(Vec::new());
        } else if !line.starts_with('|') {
            is_inside = false;
        } else if is_inside && !line.starts_with("|-") {
            let cells = cells.iter().map(|cell| format!("{cell:?}"));
            let row = format!("[{}]", cells.collect::<Vec<_>>().join(","));
            if let Some(rows) = tables.last_mut() {
                rows.push(row);
            }
        }
    }
    let list = |rows: &Vec<String>| format!("[{}]", rows.join(","));
    let fields = headings.iter().filter(|(_, tables)| !tables.is_empty()).map(|(name, tables)| {
        format!("{name:?}:[{}]", tables.iter().map(list).collect::<Vec<_>>().join(","))
    });
    format!("{{{}}}\n", fields.collect::<Vec<_>>().join(",\n"))
}

/// Builds, and runs the tests under node and in a browser.
pub fn test() -> Result<(), String> {
    install(TEST_PACKAGES)?;
    build()?;
    if !is_installed("playwright-core") || !is_installed("typescript") {
        run("npm --prefix web ci --no-audit --no-fund", &[])?;
    }
    run("node --test --test-reporter=spec web/tests/", &[])?;
    run("node web/tests/browser.js", &[])
}

fn is_installed(package: &str) -> bool {
    root().join("web/node_modules").join(package).exists()
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}
