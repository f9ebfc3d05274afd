//! Which versions of a key must stay: a pure function of the snapshots.

use crate::base::key::ValueKind;

/// The sequence numbers at which someone may look: each snapshot's, and the newest. Ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundaries(Vec<u64>);

impl Boundaries {
    /// Of the `snapshots`, ascending, and the `newest` sequence number that anyone sees.
    pub fn new(snapshots: impl IntoIterator<Item = u64>, newest: u64) -> Boundaries {
        let mut all: Vec<u64> = snapshots.into_iter().collect();
        all.push(newest);
        all.dedup();
        Boundaries(all)
    }

    /// Number of the first boundary from which `sequence` is seen.
    #[inline]
    fn stratum(&self, sequence: u64) -> usize {
        match &self.0[..] {
            [only] => usize::from(sequence > *only),
            all => all.partition_point(|&boundary| boundary < sequence),
        }
    }
}

/// What becomes of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays, with its sequence number.
    Keep,
    /// It stays, and its sequence number may become zero: everyone sees it, and nothing is older.
    KeepAsOldest,
    /// Nobody can see it.
    Drop,
}

/// Walks the versions of one key after another, newest first.
#[derive(Debug)]
pub struct Retention<'a> {
    boundaries: &'a Boundaries,
    /// Stratum of the version before, of the same key.
    newer: Option<usize>,
}

impl Retention<'_> {
    /// Decides by `boundaries`.
    pub fn new(boundaries: &Boundaries) -> Retention<'_> {
        Retention { boundaries, newer: None }
    }

    /// The fate of a version. `is_bottom` tells whether nothing older of its key can lie deeper.
    #[inline]
    pub fn decide(
        &mut self,
        is_new_key: bool,
        sequence: u64,
        kind: ValueKind,
        is_bottom: impl FnOnce() -> bool,
    ) -> Fate {
        if is_new_key {
            self.newer = None;
        }
        let stratum = self.boundaries.stratum(sequence);
        if self.newer == Some(stratum) {
            return Fate::Drop;
        }
        self.newer = Some(stratum);
        if stratum > 0 || !is_bottom() {
            return Fate::Keep;
        }
        match kind {
            ValueKind::Tombstone => Fate::Drop,
            ValueKind::Put => Fate::KeepAsOldest,
        }
    }
}
