//! Integers in byte slices, of fixed width and little-endian or of variable length, read without a
//! panic.

/// The `N` bytes of `bytes` at `at`.
#[inline]
pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    // One comparison fewer than that of what is left from `at` on.
    bytes.get(at..at.checked_add(N)?)?.first_chunk()
}

/// The two bytes of `bytes` at `at`, as an integer.
#[inline]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).copied().map(u16::from_le_bytes)
}

/// The four bytes of `bytes` at `at`, as an integer.
#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).copied().map(u32::from_le_bytes)
}

/// The eight bytes of `bytes` at `at`, as an integer.
#[inline]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).copied().map(u64::from_le_bytes)
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
    fn integers_are_read_within_the_slice_only() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(u64_at(&bytes, 1), Some(0x0908_0706_0504_0302));
        assert_eq!((u32_at(&bytes, 5), u16_at(&bytes, 7)), (Some(0x0908_0706), Some(0x0908)));
        for past in [8, 9, 10, usize::MAX - 1, usize::MAX] {
            assert_eq!((u16_at(&bytes, past), array_at::<8>(&bytes, past)), (None, None));
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
