#![no_main]
//! Any bytes as the blocks of a RocksDB table, framed with right checksums; and as a whole file.

use libfuzzer_sys::fuzz_target;

#[path = "foreign.rs"]
mod foreign;

const MAGIC: u64 = 0x88e2_41b7_85f4_cff7;
const CRC32C: u8 = 1;

fuzz_target!(|data: &[u8]| {
    foreign::read(data.to_vec());
    let version = data.first().map_or(0, |byte| byte % 6);
    let (file, metaindex, index) = foreign::frame(data);
    let mut footer = vec![CRC32C];
    foreign::handle(&mut footer, metaindex);
    foreign::handle(&mut footer, index);
    footer.resize(41, 0);
    footer.extend_from_slice(&u32::from(version).to_le_bytes());
    footer.extend_from_slice(&MAGIC.to_le_bytes());
    foreign::read([file, footer].concat());
});
