//! Keys, values and orders of access: all from seeds, so that every engine gets the same.

/// Bytes of every key: a decimal number, filled up with zeros.
pub const KEY_BYTES: usize = 16;

/// A key.
pub type Key = [u8; KEY_BYTES];

/// Scrambles a number: SplitMix64's finalizer.
pub fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The key with number `id`, somewhere among all keys.
///
/// Two of ten million ids share a key with a chance of one in two hundred.
pub fn spread_key(id: u64) -> Key {
    decimal(scramble(id) % 10_000_000_000_000_000)
}

/// The key with number `id`, after that of `id - 1`.
pub fn ordered_key(id: u64) -> Key {
    decimal(id)
}

fn decimal(mut number: u64) -> Key {
    let mut key = [b'0'; KEY_BYTES];
    for digit in key.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    key
}

/// Random numbers: SplitMix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(scramble(seed))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// The next number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks by Zipf's law with exponent 0.99, as YCSB draws them (Gray and others, 1994).
pub struct Zipf {
    items: f64,
    alpha: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    const THETA: f64 = 0.99;

    /// For ranks below `items`.
    pub fn new(items: u64) -> Zipf {
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-Zipf::THETA)).sum::<f64>();
        let n = items as f64;
        let all = zeta(items);
        let eta = (1.0 - (2.0 / n).powf(1.0 - Zipf::THETA)) / (1.0 - zeta(2) / all);
        Zipf { items: n, alpha: 1.0 / (1.0 - Zipf::THETA), zeta: all, eta }
    }

    /// A rank; 0 is the most frequent.
    pub fn rank(&self, random: &mut Random) -> u64 {
        let u = random.unit();
        let uz = u * self.zeta;
        if uz < 1.0 {
            return 0;
        }
        if uz < 1.0 + 0.5f64.powf(Zipf::THETA) {
            return 1;
        }
        let rank = self.items * (self.eta * u - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.items as u64 - 1)
    }
}

/// Values: pieces of one pool of bytes, half of which can be compressed away.
pub struct Values {
    pool: Vec<u8>,
    value_bytes: usize,
}

impl Values {
    const POOL_BYTES: usize = 1 << 20;

    /// For values of `value_bytes` each.
    pub fn new(value_bytes: usize) -> Values {
        let mut random = Random::new(7);
        let mut pool = Vec::with_capacity(Values::POOL_BYTES + value_bytes + 100);
        while pool.len() < Values::POOL_BYTES + value_bytes {
            let noise: [u8; 50] = std::array::from_fn(|_| random.next() as u8);
            pool.extend_from_slice(&noise);
            pool.extend_from_slice(&noise);
        }
        Values { pool, value_bytes }
    }

    /// The value that key `id` has after `generation` changes.
    pub fn value(&self, id: u64, generation: u64) -> &[u8] {
        let start = scramble(id ^ (generation << 48)) as usize % Values::POOL_BYTES;
        &self.pool[start..start + self.value_bytes]
    }
}

/// The sum of all bytes read: that an engine's values are read, and the same for all engines.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Sum {
    /// Reads `bytes`.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = self.0.wrapping_add(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.0 = self.0.wrapping_add(byte.into());
        }
    }
}
