#![no_main]
//! Any bytes as a manifest of a foreign database: as they are, and as fragments with right
//! checksums behind a first record that every manifest has.

use libfuzzer_sys::fuzz_target;

#[path = "directory.rs"]
mod directory;

fuzz_target!(|data: &[u8]| {
    directory::read(data, b"");
    let fields = b"\x01\x1aleveldb.BytewiseComparator\x02\x00\x03\x09\x04\x00";
    let mut manifest = Vec::new();
    directory::fragment(&mut manifest, 1, fields, 0);
    manifest.extend_from_slice(&directory::frame(data, 0));
    directory::read(&manifest, b"");
});
