//! Keys and their versions as they lie in the arena.
//!
//! ```text
//! key record:  newest version | next in hash bucket | hash (32) | length (32) | key bytes
//! version:     older version  | sequence << 8 | kind | length (32) | value bytes
//! ```
//! Both begin at a multiple of eight. A key's first version stands right after it.
//!
//! # Invariants
//! - **R1** A link holds null or the address of a whole record in the arena of its memtable, which
//!   by A1 stays where it is for as long as the memtable lives.
//! - **R2** A record's bytes are written before its address is first stored in a link, with release
//!   order, and never again; only `newest` and `next` of a key record change, both atomics.
//! - **R3** A [`KeyRef`] or [`VersionRef`] is made only from a link, or by the writer from fresh
//!   memory that it has filled; its lifetime is that of a borrow of the memtable.
//! - **R4** A [`KeyTable`] is `count` whole links in the arena of its memtable, which lives as
//!   long.
#![allow(unsafe_code)]

use super::arena::Arena;
use crate::base::key::ValueKind;
use crate::base::sync::memory::AtomicPtr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

#[repr(C)]
pub(super) struct KeyHeader {
    newest: AtomicPtr<VersionHeader>,
    next: AtomicPtr<KeyHeader>,
    hash: u32,
    len: u32,
}

#[repr(C)]
pub(super) struct VersionHeader {
    older: *const VersionHeader,
    sequence_and_kind: u64,
    len: u32,
}

/// Where the value begins: right after the length, without the padding of the struct.
const VALUE_START: usize = std::mem::offset_of!(VersionHeader, len) + size_of::<u32>();
const KEY_START: usize = size_of::<KeyHeader>();
const TOMBSTONE: u64 = 1;

/// A key in the arena.
#[derive(Clone, Copy)]
pub(super) struct KeyRef<'a> {
    at: NonNull<KeyHeader>,
    arena: PhantomData<&'a KeyHeader>,
}

/// One version of a key.
#[derive(Clone, Copy)]
pub(super) struct VersionRef<'a> {
    at: NonNull<VersionHeader>,
    arena: PhantomData<&'a VersionHeader>,
}

/// A place that holds the address of a key record, or none.
#[repr(transparent)]
#[derive(Debug, Default)]
pub(super) struct KeyLink(AtomicPtr<KeyHeader>);

impl KeyLink {
    /// The key; `'a` must not outlive the memtable, which the callers' own borrow makes sure of.
    #[inline]
    pub(super) fn load<'a>(&'a self, order: Ordering) -> Option<KeyRef<'a>> {
        NonNull::new(self.0.load(order)).map(|at| KeyRef { at, arena: PhantomData })
    }

    #[inline]
    pub(super) fn store(&self, key: Option<KeyRef<'_>>, order: Ordering) {
        self.0.store(key.map_or(ptr::null_mut(), |key| key.at.as_ptr()), order);
    }
}

/// A row of links: the hash table of a memtable.
#[derive(Debug)]
pub(super) struct KeyTable {
    links: NonNull<KeyLink>,
    count: usize,
}

// SAFETY: links are atomics, and by R4 they live as long as the table.
unsafe impl Send for KeyTable {}
// SAFETY: as above.
unsafe impl Sync for KeyTable {}

impl KeyTable {
    /// `count` links without keys, in `arena`, which must live as long.
    pub(super) fn new(arena: &mut Arena, count: usize) -> KeyTable {
        let bytes = count * size_of::<KeyLink>();
        let links = arena.allocate(bytes, align_of::<KeyLink>()).cast::<KeyLink>();
        for i in 0..count {
            // SAFETY: by A2 the memory is ours, aligned, and long enough.
            unsafe { links.add(i).write(KeyLink::default()) };
        }
        KeyTable { links, count }
    }

    /// The links.
    #[inline]
    pub(super) fn links(&self) -> &[KeyLink] {
        // SAFETY: by R4.
        unsafe { std::slice::from_raw_parts(self.links.as_ptr(), self.count) }
    }
}

/// What a version says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub(super) sequence: u64,
    pub(super) kind: ValueKind,
    pub(super) value: &'a [u8],
}

/// Makes a record for `key` with its first version.
pub(super) fn new_key<'a>(
    arena: &mut Arena,
    key: &[u8],
    hash: u32,
    next: Option<KeyRef<'a>>,
    write: Write<'_>,
) -> KeyRef<'a> {
    let version_at = (KEY_START + key.len()).next_multiple_of(align_of::<VersionHeader>());
    let bytes = version_at + VALUE_START + write.value.len();
    let memory = arena.allocate(bytes, align_of::<KeyHeader>());
    let at = memory.cast::<KeyHeader>();
    // SAFETY: by A2 the memory is ours, aligned, and long enough for both records.
    unsafe {
        let version = fill_version(memory.add(version_at), ptr::null(), write);
        let next = next.map_or(ptr::null_mut(), |key| key.at.as_ptr());
        at.write(KeyHeader {
            newest: AtomicPtr::new(version.as_ptr()),
            next: AtomicPtr::new(next),
            hash,
            len: key.len() as u32,
        });
        memory.add(KEY_START).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
    }
    KeyRef { at, arena: PhantomData }
}

/// Fills `memory` with a version.
///
/// # Safety
/// `memory` is aligned to eight, long enough for the version, and the caller's alone.
unsafe fn fill_version(
    memory: NonNull<u8>,
    older: *const VersionHeader,
    write: Write<'_>,
) -> NonNull<VersionHeader> {
    let kind = if write.kind == ValueKind::Tombstone { TOMBSTONE } else { 0 };
    let header = VersionHeader {
        older,
        sequence_and_kind: write.sequence << 8 | kind,
        len: write.value.len() as u32,
    };
    let at = memory.cast::<VersionHeader>();
    // SAFETY: the caller promises room. The fields are written one by one, since the padding of
    // the struct is where the value begins, and may lie outside the memory.
    unsafe {
        (&raw mut (*at.as_ptr()).older).write(header.older);
        (&raw mut (*at.as_ptr()).sequence_and_kind).write(header.sequence_and_kind);
        (&raw mut (*at.as_ptr()).len).write(header.len);
        let value = NonNull::from(write.value).cast();
        memory.add(VALUE_START).copy_from_nonoverlapping(value, write.value.len());
    }
    at
}

impl<'a> KeyRef<'a> {
    #[inline]
    fn header(self) -> &'a KeyHeader {
        // SAFETY: by R1 and R3 the record is whole and lives for 'a.
        unsafe { self.at.as_ref() }
    }

    /// The key.
    #[inline]
    pub(super) fn key(self) -> &'a [u8] {
        let len = self.header().len as usize;
        // SAFETY: by R2 that many bytes follow the header and are never written again.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr().cast::<u8>().add(KEY_START), len) }
    }

    /// The upper half of the key's hash.
    #[inline]
    pub(super) fn hash(self) -> u32 {
        self.header().hash
    }

    /// The next key of the same hash bucket.
    #[inline]
    pub(super) fn next(self) -> Option<KeyRef<'a>> {
        let next = self.header().next.load(Ordering::Acquire);
        NonNull::new(next).map(|at| KeyRef { at, arena: PhantomData })
    }

    /// The newest version.
    #[inline]
    pub(super) fn newest(self) -> Option<VersionRef<'a>> {
        let newest = self.header().newest.load(Ordering::Acquire);
        NonNull::new(newest).map(|at| VersionRef { at, arena: PhantomData })
    }

    /// The newest version whose sequence number is at most `sequence`.
    #[inline]
    pub(super) fn visible(self, sequence: u64) -> Option<VersionRef<'a>> {
        let mut version = self.newest()?;
        while version.sequence() > sequence {
            version = version.older()?;
        }
        Some(version)
    }

    /// Puts a version before the newest. For the one writer.
    #[inline]
    pub(super) fn push(self, arena: &mut Arena, write: Write<'_>) {
        let bytes = VALUE_START + write.value.len();
        let memory = arena.allocate(bytes, align_of::<VersionHeader>());
        let newest = &self.header().newest;
        // SAFETY: by A2 the memory is ours, aligned, and long enough.
        let version = unsafe { fill_version(memory, newest.load(Ordering::Relaxed), write) };
        newest.store(version.as_ptr(), Ordering::Release);
    }

    /// The address, to be kept across borrows; see [`KeyRef::from_address`].
    #[inline]
    pub(super) fn address(self) -> NonNull<KeyHeader> {
        self.at
    }

    /// The key at an address that [`KeyRef::address`] gave.
    ///
    /// # Safety
    /// The memtable that the address came from lives for `'a`.
    #[inline]
    pub(super) unsafe fn from_address(at: NonNull<KeyHeader>) -> KeyRef<'a> {
        KeyRef { at, arena: PhantomData }
    }
}

impl<'a> VersionRef<'a> {
    #[inline]
    fn sequence_and_kind(self) -> u64 {
        // SAFETY: by R1 and R3 the record is whole and lives for 'a; by R2 it does not change.
        unsafe { (&raw const (*self.at.as_ptr()).sequence_and_kind).read() }
    }

    /// The sequence number.
    #[inline]
    pub(super) fn sequence(self) -> u64 {
        self.sequence_and_kind() >> 8
    }

    /// Whether the version sets or deletes the key.
    #[inline]
    pub(super) fn kind(self) -> ValueKind {
        match self.sequence_and_kind() & 0xff {
            TOMBSTONE => ValueKind::Tombstone,
            _ => ValueKind::Put,
        }
    }

    /// The value; empty for a tombstone.
    #[inline]
    pub(super) fn value(self) -> &'a [u8] {
        let at = self.at.as_ptr();
        // SAFETY: as above; by R2 that many bytes follow the length.
        unsafe {
            let len = (&raw const (*at).len).read() as usize;
            std::slice::from_raw_parts(at.cast::<u8>().add(VALUE_START), len)
        }
    }

    /// The version before this one.
    #[inline]
    pub(super) fn older(self) -> Option<VersionRef<'a>> {
        // SAFETY: as above.
        let older = unsafe { (&raw const (*self.at.as_ptr()).older).read() };
        NonNull::new(older.cast_mut()).map(|at| VersionRef { at, arena: PhantomData })
    }

    /// The address, to be kept across borrows; see [`VersionRef::from_address`].
    #[inline]
    pub(super) fn address(self) -> NonNull<VersionHeader> {
        self.at
    }

    /// The version at an address that [`VersionRef::address`] gave.
    ///
    /// # Safety
    /// The memtable that the address came from lives for `'a`.
    #[inline]
    pub(super) unsafe fn from_address(at: NonNull<VersionHeader>) -> VersionRef<'a> {
        VersionRef { at, arena: PhantomData }
    }
}
