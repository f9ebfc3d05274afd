//! What a power cut does to that which was not synced.

use std::fmt;

/// What becomes of unsynced writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFate {
    /// None reaches the disk.
    Lost,
    /// All reach the disk.
    Kept,
    /// Each file is cut off in one of its writes, at any byte.
    Torn,
    /// Each sector of each write is lost or kept by itself.
    Sectors,
    /// The length reaches the disk, the data does not: zeros.
    Zeroed,
    /// The length reaches the disk, the data does not: what removed files held at that place, or
    /// noise.
    Stale,
    /// Each write by itself, any of the others; some files as one.
    Mixed,
}

impl DataFate {
    /// The fates a single write can have.
    pub(super) const EACH: &[DataFate] = &[
        DataFate::Lost,
        DataFate::Kept,
        DataFate::Torn,
        DataFate::Sectors,
        DataFate::Zeroed,
        DataFate::Stale,
    ];

    /// All of them.
    pub const ALL: &[DataFate] = &[
        DataFate::Lost,
        DataFate::Kept,
        DataFate::Torn,
        DataFate::Sectors,
        DataFate::Zeroed,
        DataFate::Stale,
        DataFate::Mixed,
    ];
}

/// What becomes of unsynced changes of names: files created, renamed, removed, linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesFate {
    /// None reaches the disk.
    Lost,
    /// All reach the disk.
    Kept,
    /// Those up to some moment, as on a file system with one journal.
    Prefix,
    /// Each by itself.
    Mixed,
}

impl NamesFate {
    /// All of them.
    pub const ALL: &[NamesFate] =
        &[NamesFate::Lost, NamesFate::Kept, NamesFate::Prefix, NamesFate::Mixed];
}

/// How the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// What becomes of data.
    pub data: DataFate,
    /// What becomes of names.
    pub names: NamesFate,
    /// Decides what the two leave open.
    pub seed: u64,
}

impl PowerCut {
    /// Any outcome, each write and each name by itself.
    pub fn any(seed: u64) -> PowerCut {
        PowerCut { data: DataFate::Mixed, names: NamesFate::Mixed, seed }
    }

    /// Every pair of fates, with `seed`.
    pub fn every(seed: u64) -> impl Iterator<Item = PowerCut> {
        let pairs = DataFate::ALL.iter().flat_map(|d| NamesFate::ALL.iter().map(move |n| (*d, *n)));
        pairs.map(move |(data, names)| PowerCut { data, names, seed })
    }
}

impl fmt::Display for PowerCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?} {:?}", self.data, self.names).to_lowercase();
        write!(f, "{text} {}", self.seed)
    }
}

impl PowerCut {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<PowerCut> {
        let mut words = text.split_whitespace();
        let is = |word: &str, name: String| word == name.to_lowercase();
        let data = words.next()?;
        let data = *DataFate::ALL.iter().find(|fate| is(data, format!("{fate:?}")))?;
        let names = words.next()?;
        let names = *NamesFate::ALL.iter().find(|fate| is(names, format!("{fate:?}")))?;
        Some(PowerCut { data, names, seed: words.next()?.parse().ok()? })
    }
}
