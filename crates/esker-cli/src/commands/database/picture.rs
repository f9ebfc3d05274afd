//! A row of cells that shows where in the space of keys the tables of a level lie.

use esker::Segment;

/// Cells of a row.
const CELLS: usize = 48;

/// The space of keys between the smallest and the largest.
pub struct Span {
    first: Vec<u8>,
    last: Vec<u8>,
    /// Bytes that all keys begin with.
    common: usize,
}

impl Span {
    /// The span of `segments`; none if there is no key.
    pub fn of(segments: &[&Segment]) -> Option<Span> {
        let first = segments.iter().map(|segment| &segment.smallest).min()?.clone();
        let last = segments.iter().map(|segment| &segment.largest).max()?.clone();
        let common = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
        Some(Span { first, last, common })
    }

    /// The smallest key.
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The largest key.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// The eight bytes of `key` after what all have in common, as a number.
    fn number(&self, key: &[u8]) -> f64 {
        let rest = key.get(self.common..).unwrap_or_default();
        let byte = |i| rest.get(i).copied().unwrap_or_default();
        u64::from_be_bytes(std::array::from_fn(byte)) as f64
    }

    /// Where `key` lies, in cells.
    fn place(&self, key: &[u8]) -> f64 {
        let (first, last) = (self.number(&self.first), self.number(&self.last));
        let share = (self.number(key) - first) / (last - first).max(1.0);
        share.clamp(0.0, 1.0) * CELLS as f64
    }
}

/// The row of `segments`, which are in order of their smallest keys.
///
/// A cell whose middle one table covers is drawn full, in two shades by turns; one that several
/// cover has their number; one that is only touched, a bar.
pub fn bar(span: &Span, segments: &[&Segment]) -> String {
    let places: Vec<(f64, f64)> =
        segments.iter().map(|s| (span.place(&s.smallest), span.place(&s.largest))).collect();
    let cell = |cell: usize| {
        let (low, middle, high) = (cell as f64, cell as f64 + 0.5, cell as f64 + 1.0);
        let covers = |(from, to): &(f64, f64)| *from <= middle && middle <= *to;
        // What lies at the very end touches the last cell.
        let touches = |(from, to): &(f64, f64)| from.min(CELLS as f64 - 0.1) < high && low <= *to;
        match places.iter().filter(|place| covers(place)).count() {
            0 if places.iter().any(touches) => '|',
            0 => '·',
            1 => match places.iter().position(covers) {
                Some(number) if number % 2 == 1 => '▒',
                _ => '█',
            },
            count => u32::try_from(count).ok().and_then(|n| char::from_digit(n, 10)).unwrap_or('+'),
        }
    };
    (0..CELLS).map(cell).collect()
}
