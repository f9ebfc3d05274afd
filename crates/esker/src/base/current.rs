//! A value that is replaced as a whole while others read it, who take no lock.
//!
//! The work is arc-swap's, which has a flaw. A reader notes the address that it found, and looks
//! whether it is still there. If it is held up in between, what had the address may have gone,
//! something else may have it, and be replaced in its turn: then the reader gets that other thing,
//! rightly counted, of whatever place or even type it is (arc-swap 1.9.3,
//! `HybridProtection::attempt`, last arm; its issue 210). So each place has a number that no other
//! has, which what stands there says too. Blocks in memory do the same (`cache/block.rs`).
//!
//! # Invariants
//! - **U1** No address that arc-swap knows is of two types: those of an [`Arc`] are even, and each
//!   type of ours has an odd distance of its own from a multiple of 64, its [`Kind`].
//! - **U2** Nothing is read that is not of the place: another number means to look again.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;

use arc_swap::{ArcSwapAny, Guard, RefCnt};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What arc-swap lends, with what is added to its address, which is a multiple of [`ALIGN`]. Three
/// is an address that arc-swap has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block in memory.
    Block = 5,
    /// A view.
    View = 9,
    /// What a reader beside a writer sees.
    Seen = 13,
}

/// What those addresses are a multiple of without what is added.
pub const ALIGN: usize = 64;

/// Takes `count` numbers that nobody has; returns the first.
pub fn new_numbers(count: usize) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(count as u64, Ordering::Relaxed)
}

/// What can stand in a [`Current`]; aligned to 64 bytes.
pub trait Numbered {
    /// Its kind, which no other type has.
    const KIND: Kind;

    /// Number of the place that it is for.
    fn number(&self) -> u64;
}

/// The place of a value that is replaced.
#[derive(Debug)]
pub struct Current<T: Numbered> {
    number: u64,
    place: ArcSwapAny<Offset<T>>,
}

/// The value of a moment, held.
pub type Held<T> = Guard<Offset<T>>;

impl<T: Numbered> Current<T> {
    /// The place that `value` is for.
    pub fn new(value: Arc<T>) -> Current<T> {
        const { assert!(align_of::<T>() == ALIGN) };
        Current { number: value.number(), place: ArcSwapAny::new(Offset(value)) }
    }

    /// The value of now. A thread can hold only few like this that cost nothing.
    #[inline]
    pub fn load(&self) -> Held<T> {
        loop {
            let held = self.place.load();
            if held.number() == self.number {
                return held;
            }
        }
    }

    /// The value of now, to be held for long.
    pub fn load_full(&self) -> Arc<T> {
        Guard::into_inner(self.load()).0
    }

    /// Puts `value` there, which has its number.
    pub fn store(&self, value: Arc<T>) {
        // Who reads would look for one of this number for ever.
        assert_eq!(value.number(), self.number, "a value of another place");
        self.place.store(Offset(value));
    }
}

/// A counted value, of an address that no other type has.
#[derive(Debug)]
pub struct Offset<T>(Arc<T>);

impl<T> Clone for Offset<T> {
    fn clone(&self) -> Offset<T> {
        Offset(self.0.clone())
    }
}

impl<T: Numbered> Offset<T> {
    /// What is added to the address.
    const DISTANCE: usize = T::KIND as usize;
}

impl<T> Deref for Offset<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

// SAFETY: it is counted by the `Arc`, whose address is a constant away; by U1 it is the address of
// nothing else.
unsafe impl<T: Numbered> RefCnt for Offset<T> {
    type Base = T;

    fn into_ptr(value: Offset<T>) -> *mut T {
        Arc::into_raw(value.0).cast_mut().wrapping_byte_add(Self::DISTANCE)
    }

    fn as_ptr(value: &Offset<T>) -> *mut T {
        Arc::as_ptr(&value.0).cast_mut().wrapping_byte_add(Self::DISTANCE)
    }

    unsafe fn from_ptr(address: *const T) -> Offset<T> {
        // SAFETY: the address came from one of the above.
        Offset(unsafe { Arc::from_raw(address.wrapping_byte_sub(Self::DISTANCE)) })
    }
}
