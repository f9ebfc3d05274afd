//! What the targets of foreign tables share: blocks framed with right checksums, and a reader
//! that tries everything.

use esker_foreign::ForeignTable;

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// Cuts `data` into blocks, each with two bytes in front for its length and one for its codec,
/// and frames them; returns the file so far, and the places of the last two blocks.
pub fn frame(data: &[u8]) -> (Vec<u8>, (usize, usize), (usize, usize)) {
    let mut file = Vec::new();
    let mut places = vec![(0, 0), (0, 0)];
    let mut rest = data;
    while let [low, high, codec, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]) & 0x7ff).min(tail.len());
        let (block, after) = tail.split_at(len);
        places.push((file.len(), len));
        let start = file.len();
        file.extend_from_slice(block);
        file.push(codec % 8);
        let crc = crc32c(&file[start..]);
        file.extend_from_slice(&crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
        rest = after;
    }
    let index = places.pop().unwrap_or_default();
    let metaindex = places.pop().unwrap_or_default();
    (file, metaindex, index)
}

/// Appends a block handle.
pub fn handle(out: &mut Vec<u8>, (offset, size): (usize, usize)) {
    for mut number in [offset, size] {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
}

/// Tries everything on the table in `bytes`.
pub fn read(bytes: Vec<u8>) {
    let Ok(table) = ForeignTable::from_bytes(bytes) else { return };
    let _ = table.verify(&mut |_, _| {});
    let _ = (table.properties(), table.blocks());
    let mut keys = Vec::new();
    let mut cursor = table.cursor();
    for _ in 0..2000 {
        let Ok(Some(entry)) = cursor.next() else { break };
        if keys.len() < 4 {
            keys.push(entry.key.to_vec());
        }
    }
    for _ in 0..2000 {
        if !matches!(cursor.prev(), Ok(Some(_))) {
            break;
        }
    }
    for key in &keys {
        let _ = (table.get(key), table.explain(key));
        let _ = cursor.seek_before(key);
    }
    let _ = table.visible().take(2000).count();
}
