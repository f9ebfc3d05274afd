//! The CRC-32C of any stretch of some bytes, however long, in nearly the same short time.
//!
//! A CRC is a remainder of polynomials, so sums can be computed with: that of two stretches in a
//! row is the first's, times x for each bit of the second, plus the second's. Where the sums of
//! beginnings are known, that of a stretch is its end's without its start's. (`crc-fast` joins two
//! sums, too, but is not in the browser's build.)

use super::checksum::{checksum, place_in};
use std::ops::Range;

/// Bytes between the beginnings whose sums are kept.
const STEP: usize = 512;
/// The polynomial, without its highest power; the bit of the lowest power is the highest.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// At place n, x to the power of the bits of 2^n bytes, modulo the polynomial.
const POWERS: [u32; usize::BITS as usize] = powers();

/// Sums of beginnings of some bytes.
#[derive(Debug)]
pub struct PrefixSums<'a> {
    bytes: &'a [u8],
    /// Of the first `STEP` bytes times the place.
    sums: Vec<u32>,
}

impl<'a> PrefixSums<'a> {
    /// Sums up `bytes` once.
    pub fn new(bytes: &'a [u8]) -> PrefixSums<'a> {
        let mut sums = Vec::with_capacity(bytes.len() / STEP + 1);
        let mut sum = 0;
        sums.push(sum);
        sums.extend(bytes.chunks_exact(STEP).map(|step| {
            sum = joined(sum, checksum(step), STEP);
            sum
        }));
        PrefixSums { bytes, sums }
    }

    /// [`checksum_in`](super::checksum::checksum_in) of the bytes of `stretch`.
    pub fn checksum_in(&self, stretch: Range<usize>, offset: u64, number: u64) -> u32 {
        let place = place_in(offset, number);
        let start = self.before(stretch.start);
        let sum = joined(start, self.before(stretch.end), stretch.len());
        joined(sum, checksum(&place), place.len())
    }

    /// The sum of the bytes before `at`.
    fn before(&self, at: usize) -> u32 {
        let step = at / STEP;
        joined(self.sums[step], checksum(&self.bytes[step * STEP..at]), at % STEP)
    }
}

/// The sum of a stretch with the sum `first` and one of `len` bytes behind it with the sum
/// `second`; or of the one behind alone, if `second` is that of both.
fn joined(first: u32, second: u32, len: usize) -> u32 {
    let powers = POWERS.iter().enumerate().filter(|(bit, _)| len >> bit & 1 == 1);
    powers.fold(first, |sum, (_, &power)| product(sum, power)) ^ second
}

/// The product of two polynomials, modulo that of the CRC.
const fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    let mut bit = u32::BITS;
    while bit > 0 {
        bit -= 1;
        sum ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ POLYNOMIAL & (b & 1).wrapping_neg();
    }
    sum
}

const fn powers() -> [u32; usize::BITS as usize] {
    let mut powers = [1 << (u32::BITS - 1 - 8); usize::BITS as usize];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = product(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    //! Sums of stretches are what they are when computed from the bytes.

    use super::*;
    use crate::base::checksum::checksum_in;

    #[test]
    fn sums_of_stretches_are_those_of_their_bytes() {
        let bytes: Vec<u8> = (0..3 * STEP as u32 + 7).map(|i| ((i * i) >> 3) as u8).collect();
        let sums = PrefixSums::new(&bytes);
        let ends = [0, 1, 2, 7, STEP - 1, STEP, STEP + 1, 2 * STEP, 3 * STEP, bytes.len()];
        for (start, end) in ends.iter().flat_map(|start| ends.map(|end| (*start, end))) {
            let Some(stretch) = bytes.get(start..end) else { continue };
            for (offset, number) in [(0, 0), (40, 7), (u64::MAX, 1 << 40)] {
                let expected = checksum_in(stretch, offset, number);
                let found = sums.checksum_in(start..end, offset, number);
                assert_eq!(found, expected, "{start}..{end} at {offset} in {number}");
            }
        }
    }
}
