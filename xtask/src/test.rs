//! `cargo xtask test`: every check of the project, in the order in which they fail fastest.

use crate::steps::{install as install_packages, root, run as step, succeeds};
use crate::{tidy, web};

/// Seconds that each fuzz target runs here.
const FUZZ_SECONDS: &str = "20";

/// The fuzz targets, in `fuzz/fuzz_targets`.
const FUZZ_TARGETS: &[&str] = &[
    "esker_table",
    "table_roundtrip",
    "leveldb_table",
    "rocksdb_table",
    "foreign_log",
    "foreign_manifest",
    "foreign_directory",
];

/// Where npm's LevelDB is installed.
const CLASSIC_LEVEL: &str = "target/peers";

/// What of other engines the tests ask, from Debian: what shows that it is there, and packages.
const PEER_PACKAGES: &[(&str, &str)] = &[
    ("ldb --version", "rocksdb-tools"),
    ("python3 -m pip --version", "python3-pip"),
    ("npm --version", "nodejs npm"),
];

/// The same from Python's and npm's registries: what shows that it is there, and what brings it.
const PEERS: &[(&str, &str)] = &[
    (
        "python3 -m pip show plyvel rocksdict",
        "python3 -m pip install --break-system-packages plyvel rocksdict",
    ),
    (
        "ls target/peers/node_modules/classic-level",
        "npm install --no-audit --no-fund --prefix target/peers classic-level@3",
    ),
];

/// What is needed from Debian, with the command that shows that it is there.
const PACKAGES: &[(&str, &str)] = &[("cc --version", "gcc libc6-dev"), ("c++ --version", "g++")];

/// rustc's own triple; the sanitizer needs it named.
const HOST: &str = "x86_64-unknown-linux-gnu";

pub fn run() -> Result<(), String> {
    install()?;
    step("cargo fmt --all --check", &[])?;
    println!("\n$ cargo xtask tidy");
    tidy::run()?;
    step("cargo clippy --workspace --all-targets -- -D warnings", &[])?;
    step("cargo clippy --workspace --all-targets --all-features -- -D warnings", &[])?;
    let classic_level = root().join(CLASSIC_LEVEL).display().to_string();
    let peers = [("ESKER_CLASSIC_LEVEL", &*classic_level)];
    step("cargo test --workspace", &peers)?;
    // What the features change; the other crates have none.
    let featured = "--package esker --package esker-foreign --package esker-cli";
    step(&format!("cargo test {featured} --lib --bins --tests --all-features"), &peers)?;
    step("cargo doc --workspace --no-deps", &[("RUSTDOCFLAGS", "-D warnings")])?;
    web::test()?;
    models()?;
    sanitizer()?;
    fuzz(FUZZ_SECONDS)
}

/// Installs what the checks need and a plain machine lacks.
fn install() -> Result<(), String> {
    install_packages(PACKAGES)?;
    // Without a peer the tests that ask it say that they are skipped.
    let skipped = |message| println!("{message}: the tests that need it will be skipped");
    install_packages(PEER_PACKAGES).unwrap_or_else(skipped);
    for (present, line) in PEERS {
        if !succeeds(present) {
            step(line, &[]).unwrap_or_else(skipped);
        }
    }
    if !succeeds("cargo fuzz --version") {
        step("cargo install --locked cargo-fuzz", &[])?;
    }
    Ok(())
}

/// The models of what threads do together, under loom and under shuttle; see `base/sync.rs`.
pub fn models() -> Result<(), String> {
    for (cfg, models) in [("esker_loom", "memtable::models"), ("esker_shuttle", "::models::")] {
        let flags = format!("--cfg {cfg}");
        let target = format!("target/{cfg}");
        let environment = [("RUSTFLAGS", flags.as_str()), ("CARGO_TARGET_DIR", target.as_str())];
        step(&format!("cargo test --package esker --lib {models}"), &environment)?;
    }
    Ok(())
}

/// The tests of the modules with `unsafe`, and of what uses them most, under the address sanitizer,
/// in a target folder of their own.
fn sanitizer() -> Result<(), String> {
    let environment = [
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address"),
        ("CARGO_TARGET_DIR", "target/asan"),
        // The map guard answers SIGBUS itself.
        ("ASAN_OPTIONS", "handle_sigbus=0:allow_user_segv_handler=1"),
    ];
    let packages = "--package esker --package esker-foreign --lib";
    step(&format!("cargo test {packages} --target {HOST}"), &environment)
}

/// Runs each fuzz target for `seconds`, from its corpus.
pub fn fuzz(seconds: &str) -> Result<(), String> {
    for target in FUZZ_TARGETS {
        let limits = "-rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20 -print_final_stats=1";
        let line = format!(
            "cargo fuzz run --target {HOST} {target} fuzz/corpus/{target} fuzz/seeds/{target} -- \
             -max_total_time={seconds} {limits}"
        );
        // A target may have no seeds.
        step(&format!("mkdir -p fuzz/corpus/{target} fuzz/seeds/{target}"), &[])?;
        step(&line, &[("RUSTC_BOOTSTRAP", "1")])?;
    }
    Ok(())
}
