//! A row of cells that shows where in the space of keys the tables of a level lie.

use esker::Segment;

/// Cells of a row.
const CELLS: usize = 48;

/// Bytes of a key that its place goes by, after what all keys have in common.
const PLACED_BYTES: usize = 12;

/// The space of keys between the smallest and the largest.
pub struct Span {
    first: Vec<u8>,
    last: Vec<u8>,
    /// Bytes that all keys begin with.
    common: usize,
    /// The smallest and the largest byte at each place after those: digits are spread as evenly as
    /// letters are.
    bytes: [(u8, u8); PLACED_BYTES],
}

impl Span {
    /// The span of `segments`; none if there is no key.
    pub fn of(segments: &[&Segment]) -> Option<Span> {
        let ends = || segments.iter().flat_map(|segment| [&segment.smallest, &segment.largest]);
        let (first, last) = (ends().min()?.clone(), ends().max()?.clone());
        let common = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
        let bytes = std::array::from_fn(|i| {
            let at = || ends().filter_map(|key| key.get(common + i).copied());
            (at().min().unwrap_or_default(), at().max().unwrap_or_default())
        });
        Some(Span { first, last, common, bytes })
    }

    /// The smallest key.
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The largest key.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// Where `key` lies, as a number from 0 to 1 that grows with it.
    fn number(&self, key: &[u8]) -> f64 {
        let rest = key.get(self.common..).unwrap_or_default();
        let (mut number, mut scale) = (0.0, 1.0);
        for (i, (low, high)) in self.bytes.iter().enumerate() {
            // The end of a key comes before every byte.
            scale /= f64::from(high - low) + 2.0;
            let Some(byte) = rest.get(i) else { break };
            number += scale * (f64::from(byte.clamp(low, high) - low) + 1.0);
        }
        number
    }

    /// Where `key` lies, in cells.
    fn place(&self, key: &[u8]) -> f64 {
        let (first, last) = (self.number(&self.first), self.number(&self.last));
        let share = (self.number(key) - first) / (last - first).max(f64::MIN_POSITIVE);
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
