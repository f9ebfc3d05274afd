//! Integers in byte slices, of fixed width and little-endian or of variable length, read without a
//! panic.

/// The two bytes of `bytes` at `at`, as an integer.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The four bytes of `bytes` at `at`, as an integer.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The eight bytes of `bytes` at `at`, as an integer.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Appends `number` as a varint: seven bits a byte, lowest first, the eighth bit set on all but the
/// last byte.
#[inline]
pub fn push_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a varint off `bytes`; `None` if it is not whole, not below 2^64, or longer than needed.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    match bytes.split_first()? {
        (&byte, rest) if byte < 0x80 => {
            *bytes = rest;
            Some(byte.into())
        }
        _ => take_long_varint(bytes),
    }
}

/// As [`take_varint`], of at least two bytes.
fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        if byte < 0x80 {
            let is_whole = number >> shift == bits;
            return (is_whole && byte != 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_in_as_few_bytes_as_hold_them() {
        let edges = (0..u64::BITS).flat_map(|bits| [(1 << bits) - 1, 1 << bits]).chain([u64::MAX]);
        for number in edges {
            let mut bytes = Vec::new();
            push_varint(number, &mut bytes);
            assert_eq!(bytes.len() as u32, (u64::BITS - number.leading_zeros()).max(1).div_ceil(7));
            for cut in 0..bytes.len() {
                assert_eq!(take_varint(&mut &bytes[..cut]), None, "{number} cut at {cut}");
            }
            bytes.push(0xff);
            let mut left = &bytes[..];
            assert_eq!((take_varint(&mut left), left), (Some(number), &[0xff][..]));
        }
    }

    #[test]
    fn what_no_writer_makes_is_no_varint() {
        let long = [0xff; 20];
        let wrong: [&[u8]; 5] = [
            &[],
            &[0x80, 0],
            &[0x81, 0x80, 0],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2],
            &long,
        ];
        for bytes in wrong {
            assert_eq!(take_varint(&mut &bytes[..]), None, "{bytes:?}");
        }
    }
}
