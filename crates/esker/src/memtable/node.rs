//! Nodes of the tree: eight-byte key heads in one row, the keys themselves in the arena.
//!
//! A node is read without a lock: a reader notes its version, reads, and throws the result away
//! if the version has changed (optimistic lock coupling: Leis, Haubenschild and Neumann 2019).
//! Every field that changes is an atomic, read with relaxed order between the two looks at the
//! version.
//!
//! # Invariants
//! - **N1** `version` is odd while the one writer changes the node, and grows with each change.
//! - **N2** Nodes lie in the arena of the memtable and are never reused for another purpose, so a
//!   stale address is that of some node of the same tree. They own nothing and need no drop.
//! - **N3** `is_leaf` never changes; exactly the nodes without it are the first field of an
//!   [`Inner`].
#![allow(unsafe_code)]

use super::arena::Arena;
use super::record::{KeyLink, KeyRef};
use crate::base::key::{common_prefix_len, key_head};
use crate::base::prefetch::prefetch_at;
use crate::base::sync::memory::{AtomicPtr, AtomicU32, AtomicU64, fence, spin_loop};
use std::cmp::Ordering as KeyOrder;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

const _: () = assert!(align_of::<Inner>() == crate::base::chunk::LINE);

/// Keys of a node.
pub(super) const FANOUT: usize = if cfg!(all(test, esker_loom)) { 4 } else { 32 };
/// Words of the common prefix that a node keeps; a longer one is cut to this.
const PREFIX_WORDS: usize = if cfg!(all(test, esker_loom)) { 1 } else { 5 };
const PREFIX_BYTES: usize = PREFIX_WORDS * size_of::<u64>();

/// The part that leaves and inner nodes have in common.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(super) struct Node {
    version: AtomicU64,
    count: AtomicU32,
    prefix_len: AtomicU32,
    prefix: [AtomicU64; PREFIX_WORDS],
    is_leaf: bool,
    heads: [AtomicU64; FANOUT],
    keys: [KeyLink; FANOUT],
}

/// A node above the leaves: child `i` holds the keys from key `i` on, child 0 also those below.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Inner {
    node: Node,
    children: [NodeLink; FANOUT],
}

/// A place that holds the address of a node.
#[repr(transparent)]
#[derive(Debug, Default)]
pub(super) struct NodeLink(AtomicPtr<Node>);

impl NodeLink {
    /// The node; `'a` must not outlive the tree, which the callers' own borrow makes sure of.
    #[inline]
    pub(super) fn load(&self) -> Option<&Node> {
        // SAFETY: by N2 any address that was ever stored is that of a live node.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    pub(super) fn store(&self, node: NonNull<Node>) {
        self.0.store(node.as_ptr(), Ordering::Release);
    }
}

/// A new, empty leaf.
pub(super) fn new_leaf(arena: &mut Arena) -> NonNull<Node> {
    let memory = arena.allocate(size_of::<Node>(), align_of::<Node>()).cast::<Node>();
    // SAFETY: by A2 the memory is ours, aligned and long enough.
    unsafe { memory.write(Node { is_leaf: true, ..Node::default() }) };
    memory
}

/// A new inner node without children.
pub(super) fn new_inner(arena: &mut Arena) -> NonNull<Node> {
    let memory = arena.allocate(size_of::<Inner>(), align_of::<Inner>()).cast::<Inner>();
    // SAFETY: by A2 the memory is ours, aligned and long enough.
    unsafe { memory.write(Inner::default()) };
    memory.cast()
}

impl Node {
    /// Whether the node has no children.
    #[inline]
    pub(super) fn is_leaf(&self) -> bool {
        self.is_leaf
    }

    /// The links to the children; none for a leaf.
    #[inline]
    fn children(&self) -> &[NodeLink] {
        if self.is_leaf {
            return &[];
        }
        // SAFETY: by N3 the node is the first field of an `Inner`, which is `repr(C)`.
        unsafe { &(*std::ptr::from_ref(self).cast::<Inner>()).children }
    }

    /// Child number `i`; `None` if a change is under way.
    #[inline]
    pub(super) fn child(&self, i: usize) -> Option<&Node> {
        let child = self.children().get(i)?.load()?;
        // What a search in it reads: the version with count and prefix, and the heads.
        prefetch_at(child, 1 + FANOUT * size_of::<u64>() / crate::base::chunk::LINE);
        Some(child)
    }

    /// Puts `child` with its first `key` at number `at` of an inner node that is locked and has
    /// room.
    pub(super) fn insert_child(&self, at: usize, key: KeyRef<'_>, child: NonNull<Node>) {
        let children = self.children();
        for i in (at..self.count()).rev() {
            children[i + 1].0.store(children[i].0.load(Ordering::Relaxed), Ordering::Release);
        }
        children[at].store(child);
        self.insert(at, key);
    }

    /// The version, once no change is under way.
    #[inline]
    pub(super) fn read_version(&self) -> u64 {
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                return version;
            }
            spin_loop();
        }
    }

    /// Whether nothing has changed since `version` was read.
    #[inline]
    pub(super) fn is_still(&self, version: u64) -> bool {
        fence(Ordering::Acquire);
        self.version.load(Ordering::Relaxed) == version
    }

    /// Begins a change. For the one writer.
    pub(super) fn lock(&self) {
        self.version.store(self.version.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Ends a change.
    pub(super) fn unlock(&self) {
        self.version.store(self.version.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Number of keys.
    #[inline]
    pub(super) fn count(&self) -> usize {
        (self.count.load(Ordering::Relaxed) as usize).min(FANOUT)
    }

    /// Key number `i`; `None` if a change is under way.
    #[inline]
    pub(super) fn key(&self, i: usize) -> Option<KeyRef<'_>> {
        self.keys.get(i)?.load(Ordering::Acquire)
    }

    fn prefix(&self) -> [u8; PREFIX_BYTES] {
        let mut bytes = [0; PREFIX_BYTES];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(&self.prefix) {
            *place = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        bytes
    }

    /// The first key from number `from` on that is above `key`, or with `equal` at least `key`; the
    /// count if there is none. `None` if a change is under way.
    #[inline]
    pub(super) fn bound(&self, from: usize, key: &[u8], equal: bool) -> Option<usize> {
        let count = self.count();
        let prefix_len = (self.prefix_len.load(Ordering::Relaxed) as usize).min(PREFIX_BYTES);
        let mut rest = key;
        if prefix_len > 0 {
            let bytes = self.prefix();
            let prefix = &bytes[..prefix_len];
            match key.strip_prefix(prefix) {
                Some(stripped) => rest = stripped,
                None => return Some(if key < prefix { from } else { count }),
            }
        }
        let head = key_head(rest);
        let mut at = from + self.heads_below(from, count, head);
        while at < count && self.heads[at].load(Ordering::Relaxed) == head {
            match self.key(at)?.key().cmp(key) {
                KeyOrder::Greater => break,
                KeyOrder::Equal if equal => break,
                _ => at += 1,
            }
        }
        Some(at)
    }

    /// How many of the heads `from..count` are below `head`, without a branch on the outcome.
    #[inline]
    fn heads_below(&self, from: usize, count: usize, head: u64) -> usize {
        let heads = self.heads.get(from..count).unwrap_or_default();
        let mut base = 0;
        let mut size = heads.len();
        while size > 1 {
            let half = size / 2;
            let below = heads[base + half - 1].load(Ordering::Relaxed) < head;
            base += if below { half } else { 0 };
            size -= half;
        }
        base + usize::from(size == 1 && heads[base].load(Ordering::Relaxed) < head)
    }

    /// Puts `key` at number `at`, which must not be past the count, in a node that is locked and
    /// has room.
    pub(super) fn insert(&self, at: usize, key: KeyRef<'_>) {
        let count = self.count();
        for i in (at..count).rev() {
            self.move_key(i, i + 1);
        }
        self.keys[at].store(Some(key), Ordering::Release);
        self.count.store(count as u32 + 1, Ordering::Relaxed);
        let prefix_len = self.prefix_len.load(Ordering::Relaxed) as usize;
        match key.key().strip_prefix(&self.prefix()[..prefix_len]) {
            Some(rest) if count > 2 => self.heads[at].store(key_head(rest), Ordering::Relaxed),
            _ => self.renew_heads(),
        }
    }

    fn move_key(&self, from: usize, to: usize) {
        self.heads[to].store(self.heads[from].load(Ordering::Relaxed), Ordering::Relaxed);
        self.keys[to].store(self.keys[from].load(Ordering::Relaxed), Ordering::Release);
    }

    /// Moves the keys from number `at` on to `right`, which is empty and not yet reachable.
    pub(super) fn split(&self, at: usize, right: &Node) {
        let count = self.count();
        for i in at..count {
            right.keys[i - at].store(self.keys[i].load(Ordering::Relaxed), Ordering::Release);
        }
        for (left, right) in self.children().iter().skip(at).zip(right.children()) {
            right.0.store(left.0.load(Ordering::Relaxed), Ordering::Release);
        }
        right.count.store((count - at) as u32, Ordering::Relaxed);
        self.count.store(at as u32, Ordering::Relaxed);
        self.renew_heads();
        right.renew_heads();
    }

    /// Sets the prefix to what the keys have in common, and the heads to what follows it.
    fn renew_heads(&self) {
        let count = self.count();
        // An inner node's first key is not compared: the keys below it may be smaller.
        let from = usize::from(!self.is_leaf);
        let (Some(first), Some(last)) = (self.key(from), self.key(count.saturating_sub(1))) else {
            return self.prefix_len.store(0, Ordering::Relaxed);
        };
        let common = if from < count { common_prefix_len(first.key(), last.key()) } else { 0 };
        let prefix_len = common.min(PREFIX_BYTES);
        let mut bytes = [0; PREFIX_BYTES];
        bytes[..prefix_len].copy_from_slice(&first.key()[..prefix_len]);
        for (word, bytes) in self.prefix.iter().zip(bytes.as_chunks().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.prefix_len.store(prefix_len as u32, Ordering::Relaxed);
        for i in from..count {
            if let Some(key) = self.key(i) {
                let rest = key.key().get(prefix_len..).unwrap_or_default();
                self.heads[i].store(key_head(rest), Ordering::Relaxed);
            }
        }
    }
}
