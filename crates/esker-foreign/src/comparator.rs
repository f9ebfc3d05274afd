//! Orders of keys, by the names that the engines give them.

use std::cmp::Ordering;
use std::str::FromStr;

/// The order of the keys of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparator {
    /// Byte by byte: `leveldb.BytewiseComparator`. The default.
    #[default]
    Bytewise,
    /// Byte by byte, falling: `rocksdb.ReverseBytewiseComparator`.
    Reverse,
    /// Whatever order the file has: entries are listed as they stand, and a look-up walks them.
    Raw,
}

impl Comparator {
    /// The order with the name that a table gives; `None` if it is not known.
    pub(crate) fn by_name(name: &str) -> Option<Comparator> {
        match name {
            "leveldb.BytewiseComparator" => Some(Comparator::Bytewise),
            "rocksdb.ReverseBytewiseComparator" => Some(Comparator::Reverse),
            _ => None,
        }
    }

    /// The word that [`Comparator::from_str`] reads.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Comparator::Bytewise => "bytewise",
            Comparator::Reverse => "reverse",
            Comparator::Raw => "raw",
        }
    }

    /// How user keys `a` and `b` stand to each other; equal only for equal keys in `Raw`.
    #[inline]
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> Option<Ordering> {
        match self {
            Comparator::Bytewise => Some(compare_bytes(a, b)),
            Comparator::Reverse => Some(compare_bytes(b, a)),
            Comparator::Raw if a == b => Some(Ordering::Equal),
            Comparator::Raw => None,
        }
    }

    /// Whether `a` comes before `b`; not in `Raw`, which does not know.
    #[inline]
    pub(crate) fn is_before(self, a: &[u8], b: &[u8]) -> bool {
        self.compare(a, b) == Some(Ordering::Less)
    }
}

/// `a` beside `b`, byte by byte; eight at a time, for keys are too short to be worth a call.
#[inline]
fn compare_bytes(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while let (Some((x, a_rest)), Some((y, b_rest))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        if x != y {
            return u64::from_be_bytes(*x).cmp(&u64::from_be_bytes(*y));
        }
        (a, b) = (a_rest, b_rest);
    }
    if a.is_empty() || b.is_empty() { a.len().cmp(&b.len()) } else { a.cmp(b) }
}

impl FromStr for Comparator {
    type Err = String;

    /// Reads `bytewise`, `reverse` or `raw`.
    fn from_str(name: &str) -> Result<Comparator, String> {
        match name {
            "bytewise" => Ok(Comparator::Bytewise),
            "reverse" => Ok(Comparator::Reverse),
            "raw" => Ok(Comparator::Raw),
            _ => Err(format!("{name}: no order; bytewise, reverse and raw are")),
        }
    }
}
