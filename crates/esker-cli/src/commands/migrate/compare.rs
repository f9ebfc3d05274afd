//! Two streams of entries, in the order of their bytes, side by side.

use crate::source::{Entries, Shown};
use std::cmp::Ordering;
use std::iter::Peekable;

/// What two streams have under one key.
pub enum Pair {
    /// The same.
    Same(Shown),
    /// A value in the first alone.
    OnlyA(Shown),
    /// A value in the second alone.
    OnlyB(Shown),
    /// A value in each, and not the same one.
    Differs(Shown, Shown),
}

/// Two streams, key by key. After an error there is nothing more.
pub struct Comparison {
    a: Peekable<Entries>,
    b: Peekable<Entries>,
    is_failed: bool,
}

impl Comparison {
    /// Compares `a` with `b`; both are in the order of their bytes.
    pub fn new(a: Entries, b: Entries) -> Comparison {
        Comparison { a: a.peekable(), b: b.peekable(), is_failed: false }
    }

    fn pair(&mut self) -> esker::Result<Option<Pair>> {
        let order = match (self.a.peek(), self.b.peek()) {
            (Some(Ok(a)), Some(Ok(b))) => a.key.cmp(&b.key),
            // An error comes out where it stands.
            (Some(Err(_)), _) | (_, None) => Ordering::Less,
            (_, Some(Err(_))) | (None, _) => Ordering::Greater,
        };
        let a = if order.is_le() { self.a.next().transpose()? } else { None };
        let b = if order.is_ge() { self.b.next().transpose()? } else { None };
        Ok(match (a, b) {
            (Some(a), Some(b)) if a.value == b.value => Some(Pair::Same(a)),
            (Some(a), Some(b)) => Some(Pair::Differs(a, b)),
            (Some(a), None) => Some(Pair::OnlyA(a)),
            (None, Some(b)) => Some(Pair::OnlyB(b)),
            (None, None) => None,
        })
    }
}

impl Iterator for Comparison {
    type Item = esker::Result<Pair>;

    fn next(&mut self) -> Option<esker::Result<Pair>> {
        if self.is_failed {
            return None;
        }
        let pair = self.pair();
        self.is_failed = pair.is_err();
        pair.transpose()
    }
}
