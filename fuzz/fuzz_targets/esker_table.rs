#![no_main]
//! Any bytes as a table, with its checksums mended so that the fuzzer gets past them: opening,
//! checking and reading gives answers or errors, in bounded memory and time.

use esker::Table;
use libfuzzer_sys::fuzz_target;

const FRAME_HEADER: usize = 16;
const FOOTER: usize = 96;
const HANDLE: usize = 20;

/// CRC-32C, bit by bit: slow, and written apart from the code under test.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
}

/// Gives the frame at `offset` its right checksum, and returns it with the frame's length.
fn mend_frame(file: &mut [u8], offset: usize, len: usize) -> Option<u32> {
    let end = offset.checked_add(len).filter(|&end| end <= file.len() && len >= FRAME_HEADER)?;
    let sum = crc32c(&[&file[offset + 4..end], &(offset as u64).to_le_bytes()]);
    file[offset..offset + 4].copy_from_slice(&sum.to_le_bytes());
    Some(sum)
}

/// Mends the frame that the handle at `at` names, and the checksum in the handle.
fn mend_handle(file: &mut [u8], at: usize) -> Option<()> {
    let (offset, len) = (u32_at(file, at), u32_at(file, at + 8));
    let sum = mend_frame(file, offset, len)?;
    file.get_mut(at + 12..at + 16)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// Mends what hangs on the index block at `offset`, `depth` levels down: its values are the last
/// bytes of the block.
fn mend_index(file: &mut [u8], offset: usize, len: usize, depth: usize) -> Option<()> {
    let count = u32_at(file, offset + FRAME_HEADER).min(64);
    let start = (offset + len).checked_sub(count * HANDLE)?;
    for i in 0..count {
        let at = start + i * HANDLE;
        let (child, child_len) = (u32_at(file, at), u32_at(file, at + 8));
        if depth > 0 && child > offset.min(child_len) / 64 {
            mend_index(file, child, child_len, depth - 1);
        }
        mend_handle(file, at);
    }
    Some(())
}

fn mend(file: &mut [u8]) -> Option<()> {
    let footer = file.len().checked_sub(FOOTER)?;
    for (at, depth) in [(footer, Some(1)), (footer + HANDLE, Some(0)), (footer + 2 * HANDLE, None)]
    {
        let (offset, len) = (u32_at(file, at), u32_at(file, at + 8));
        if let Some(depth) = depth.filter(|_| offset + len <= footer && len > FRAME_HEADER) {
            mend_index(file, offset, len, depth);
        }
        mend_handle(file, at);
    }
    let header = crc32c(&[&file[..12], &0u64.to_le_bytes()]);
    file[12..16].copy_from_slice(&header.to_le_bytes());
    let sum = crc32c(&[&file[footer..footer + 84], &(footer as u64).to_le_bytes()]);
    file[footer + 84..footer + 88].copy_from_slice(&sum.to_le_bytes());
    Some(())
}

fuzz_target!(|data: &[u8]| {
    let _ = read(data.to_vec());
    let mut mended = data.to_vec();
    mend(&mut mended);
    let _ = read(mended);
});

fn read(bytes: Vec<u8>) -> esker::Result<()> {
    let table = Table::from_bytes(bytes)?;
    let sound = table.verify(&mut |_, _| {}).is_ok();
    let _ = table.blocks();
    let mut keys = Vec::new();
    let mut cursor = table.cursor();
    let mut count = 0;
    while let Ok(Some(entry)) = cursor.next() {
        count += 1;
        if keys.len() < 8 {
            keys.push(entry.key.to_vec());
        }
        if count > 10_000 {
            break;
        }
    }
    let mut back = 0;
    let mut cursor = table.cursor();
    while back < 10_000 && matches!(cursor.prev(), Ok(Some(_))) {
        back += 1;
    }
    for key in &keys {
        let found = table.get_entry(key, esker::SEQUENCE_MAX);
        let _ = table.explain(key);
        let _ = table.cursor().seek_before(key);
        assert!(!sound || found.is_ok_and(|entry| entry.is_some()), "a sound table denies a key");
    }
    assert!(!sound || count.min(10_000) == back.min(10_000), "both ways differ");
    let _ = table.range(..b"m".to_vec()).take(1000).count();
    let _ = table.prefix(b"a").rev().take(1000).count();
    Ok(())
}
