//! Says which system libraries the chosen engines need.

fn main() {
    for (feature, library) in [("ROCKSDB", "rocksdb"), ("LEVELDB", "leveldb")] {
        if std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some() {
            println!("cargo::rustc-link-lib=dylib={library}");
        }
        println!("cargo::rerun-if-env-changed={feature}_LIB_DIR");
        if let Some(folder) = std::env::var_os(format!("{feature}_LIB_DIR")) {
            println!("cargo::rustc-link-search=native={}", folder.display());
        }
    }
}
