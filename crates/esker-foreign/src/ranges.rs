//! Range deletions, cut where they overlap, so that one search finds what hides a key.

use crate::comparator::Comparator;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A range deletion: all keys from `start` to before `end`, as of `sequence`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeTombstone {
    /// The first key.
    pub start: Vec<u8>,
    /// The key after the last.
    pub end: Vec<u8>,
    /// The sequence number: entries with lower ones are deleted.
    pub sequence: u64,
}

/// Range deletions of one table or one set of logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    /// Where the newest range deletion changes, in order, and its sequence number from there on.
    points: Vec<(Vec<u8>, Option<u64>)>,
}

impl Fragments {
    /// Cuts `ranges`, which lie in the order `comparator`; in raw order there is none.
    pub(crate) fn new(ranges: &[RangeTombstone], comparator: Comparator) -> Fragments {
        // Where a range begins (true) or ends, with its sequence number.
        let mut changes: Vec<(&[u8], bool, u64)> = ranges
            .iter()
            .filter(|range| comparator.is_before(&range.start, &range.end))
            .flat_map(|r| [(&r.start[..], true, r.sequence), (&r.end[..], false, r.sequence)])
            .collect();
        changes.sort_by(|a, b| comparator.compare(a.0, b.0).unwrap_or(Ordering::Equal));
        let mut open: BTreeMap<u64, usize> = BTreeMap::new();
        let mut points: Vec<(Vec<u8>, Option<u64>)> = Vec::new();
        for same in changes.chunk_by(|a, b| a.0 == b.0) {
            for &(_, begins, sequence) in same {
                let count = open.entry(sequence).or_default();
                *count = if begins { *count + 1 } else { count.wrapping_sub(1) };
            }
            open.retain(|_, count| *count != 0);
            let newest = open.last_key_value().map(|(sequence, _)| *sequence);
            let before = points.last().and_then(|(_, newest)| *newest);
            if let Some((key, ..)) = same.first().filter(|_| newest != before) {
                points.push((key.to_vec(), newest));
            }
        }
        Fragments { points }
    }

    /// The newest range deletion over `key`, if there is one.
    pub(crate) fn newest(&self, key: &[u8], comparator: Comparator) -> Option<u64> {
        let at = self.points.partition_point(|(point, _)| !comparator.is_before(key, point));
        self.points.get(at.checked_sub(1)?)?.1
    }
}
