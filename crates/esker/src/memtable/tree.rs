//! The order of the keys: a B+-tree with one writer at a time and readers that take no lock.
//!
//! Keys are added and never removed; nodes are split and never joined. So a key that once parted
//! two nodes parts them for ever, and a reader that has left a leaf finds its way on by the key
//! that bounds it.
//!
//! # Invariants
//! - **T1** Every address that the writer keeps is of a node in the arena of the memtable, which
//!   lives as long as the writer; nodes consist of atomics, so any thread may be the writer.
//! - **T2** Keys live in the arena of the memtable, which lives as long as the tree.
#![allow(unsafe_code)]

use super::arena::Arena;
use super::node::{FANOUT, Node, NodeLink, new_inner, new_leaf};
use super::record::KeyRef;
use crate::base::sync::memory::spin_loop;
use std::ptr::NonNull;

/// Where to go in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'k> {
    /// The smallest key.
    Start,
    /// The first key that is this or above.
    AtLeast(&'k [u8]),
    /// The first key above this.
    Above(&'k [u8]),
    /// The last key below this.
    Below(&'k [u8]),
    /// The largest key.
    End,
}

impl Target<'_> {
    /// Which child of `node` to go on with.
    fn child(self, node: &Node) -> Option<usize> {
        let parted = match self {
            Target::Start => return Some(0),
            Target::End => node.count(),
            Target::AtLeast(key) | Target::Above(key) => node.bound(1, key, false)?,
            Target::Below(key) => node.bound(1, key, true)?,
        };
        parted.checked_sub(1)
    }

    /// The keys of `leaf` on this side of the target.
    fn keys(self, leaf: &Node) -> Option<std::ops::Range<usize>> {
        let count = leaf.count();
        Some(match self {
            Target::Start | Target::End => 0..count,
            Target::AtLeast(key) => leaf.bound(0, key, true)?..count,
            Target::Above(key) => leaf.bound(0, key, false)?..count,
            Target::Below(key) => 0..leaf.bound(0, key, true)?,
        })
    }

    fn is_forward(self) -> bool {
        matches!(self, Target::Start | Target::AtLeast(_) | Target::Above(_))
    }
}

/// The keys of a leaf from a target on, and the key that bounds the leaf on that side.
pub(super) struct Run<'a> {
    keys: [Option<KeyRef<'a>>; FANOUT],
    count: usize,
    /// The first key past the leaf, or going down the first of the leaf; `None` at the tree's end.
    pub(super) fence: Option<KeyRef<'a>>,
}

impl<'a> Run<'a> {
    /// The keys, in ascending order.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = Option<KeyRef<'a>>> {
        self.keys[..self.count].iter().copied()
    }
}

/// The tree as readers see it.
#[derive(Debug)]
pub(super) struct Tree {
    root: NodeLink,
}

/// What the one writer keeps.
#[derive(Debug)]
pub(super) struct TreeWriter {
    root: NonNull<Node>,
    /// The leaf with the largest keys.
    last: NonNull<Node>,
}

// SAFETY: by T1.
unsafe impl Send for TreeWriter {}

/// More levels than a tree of FANOUT / 2 children a node can have.
const DEPTH_MAX: usize = 16;

impl Tree {
    /// An empty tree in `arena`, which must live as long, and its writer.
    pub(super) fn new(arena: &mut Arena) -> (Tree, TreeWriter) {
        let root = new_leaf(arena);
        let tree = Tree { root: NodeLink::default() };
        tree.root.store(root);
        (tree, TreeWriter { root, last: root })
    }

    /// The keys from `target` on, a leaf's worth of them; empty at the end of the tree.
    pub(super) fn run(&self, target: Target<'_>) -> Run<'_> {
        let mut run = self.leaf_run(target);
        while run.count == 0
            && let Some(fence) = run.fence
        {
            run = match target.is_forward() {
                true => self.leaf_run(Target::AtLeast(fence.key())),
                false => self.leaf_run(Target::Below(fence.key())),
            };
        }
        run
    }

    fn leaf_run(&self, target: Target<'_>) -> Run<'_> {
        loop {
            if let Some(run) = self.try_leaf_run(target) {
                return run;
            }
            spin_loop();
        }
    }

    /// As [`Tree::leaf_run`]; `None` if the writer came between.
    fn try_leaf_run(&self, target: Target<'_>) -> Option<Run<'_>> {
        let mut fence = None;
        let mut node = self.root.load()?;
        let mut version = node.read_version();
        if !std::ptr::eq(self.root.load()?, node) {
            return None;
        }
        while !node.is_leaf() {
            let at = target.child(node)?;
            if target.is_forward() {
                if at + 1 < node.count() {
                    fence = Some(node.key(at + 1)?);
                }
            } else if at > 0 {
                fence = Some(node.key(at)?);
            }
            let child = node.child(at)?;
            let child_version = child.read_version();
            if !node.is_still(version) {
                return None;
            }
            (node, version) = (child, child_version);
        }
        let mut run = Run { keys: [None; FANOUT], count: 0, fence };
        for i in target.keys(node)? {
            run.keys[run.count] = Some(node.key(i)?);
            run.count += 1;
        }
        node.is_still(version).then_some(run)
    }
}

impl TreeWriter {
    fn node(&self, node: NonNull<Node>) -> &Node {
        // SAFETY: by T1.
        unsafe { node.as_ref() }
    }

    /// Adds `key`, which the tree must not have yet.
    pub(super) fn insert(&mut self, arena: &mut Arena, tree: &Tree, key: KeyRef<'_>) {
        let last = self.node(self.last);
        let count = last.count();
        let is_new_last = count
            .checked_sub(1)
            .and_then(|i| last.key(i))
            .is_some_and(|largest| key.key() > largest.key());
        if is_new_last && count < FANOUT {
            return change(last, || last.insert(count, key));
        }
        self.insert_below_root(arena, tree, key);
    }

    fn insert_below_root(&mut self, arena: &mut Arena, tree: &Tree, key: KeyRef<'_>) {
        let mut path = [(self.root, 0); DEPTH_MAX];
        let mut depth = 0;
        let mut node = self.root;
        loop {
            let here = self.node(node);
            if here.is_leaf() {
                let at = here.bound(0, key.key(), true).unwrap_or_default();
                path[depth] = (node, at);
                break;
            }
            let at = Target::AtLeast(key.key()).child(here).unwrap_or_default();
            path[depth] = (node, at);
            depth += 1;
            let Some(child) = here.child(at) else { return };
            node = NonNull::from(child);
        }
        let (leaf, at) = path[depth];
        let leaf = self.node(leaf);
        if leaf.count() < FANOUT {
            return change(leaf, || leaf.insert(at, key));
        }
        self.split_and_insert(arena, tree, &path[..=depth], key);
    }

    /// Splits the full nodes at the end of `path` and adds `key`. All nodes that change stay
    /// locked until the last change, so that no reader sees half of a split.
    fn split_and_insert(
        &mut self,
        arena: &mut Arena,
        tree: &Tree,
        path: &[(NonNull<Node>, usize)],
        key: KeyRef<'_>,
    ) {
        let full = path.iter().rev().take_while(|(node, _)| self.node(*node).count() == FANOUT);
        let first_changed = path.len() - full.count();
        let changed = &path[first_changed.saturating_sub(1)..];
        for (node, _) in changed {
            self.node(*node).lock();
        }
        // What goes up from level to level: a new right neighbour and its first key.
        let mut up: Option<(NonNull<Node>, KeyRef<'_>)> = None;
        for &(node, at) in path[first_changed..].iter().rev() {
            up = Some(self.split_one(arena, node, at, up, key));
        }
        if let Some((right, first)) = up {
            match first_changed.checked_sub(1) {
                Some(parent) => {
                    let (parent, at) = path[parent];
                    self.node(parent).insert_child(at + 1, first, right);
                }
                None => self.grow(arena, tree, right, first),
            }
        }
        for (node, _) in changed {
            self.node(*node).unlock();
        }
    }

    /// Splits `node`, which is full and locked, and adds at number `at` either `key` (a leaf) or
    /// after it the child `up`. Returns the new right neighbour and its first key.
    fn split_one<'k>(
        &mut self,
        arena: &mut Arena,
        node: NonNull<Node>,
        at: usize,
        up: Option<(NonNull<Node>, KeyRef<'k>)>,
        key: KeyRef<'k>,
    ) -> (NonNull<Node>, KeyRef<'k>) {
        let is_leaf = self.node(node).is_leaf();
        let right = if is_leaf { new_leaf(arena) } else { new_inner(arena) };
        let is_last = self.last == node || (!is_leaf && at + 1 == FANOUT);
        // Ascending keys fill a node before they leave it.
        let middle = if is_last && at + usize::from(!is_leaf) == FANOUT {
            FANOUT - usize::from(!is_leaf)
        } else {
            FANOUT / 2
        };
        let (left_node, right_node) = (self.node(node), self.node(right));
        left_node.split(middle, right_node);
        let (side, place) = match up {
            None if at < middle || (at == middle && middle < FANOUT) => (left_node, at),
            None => (right_node, at - middle),
            Some(_) if at < middle => (left_node, at + 1),
            Some(_) => (right_node, at - middle + 1),
        };
        match up {
            None => side.insert(place, key),
            Some((child, first)) => side.insert_child(place, first, child),
        }
        if is_leaf && self.last == node {
            self.last = right;
        }
        (right, self.first_key(right).unwrap_or(key))
    }

    fn first_key<'k>(&self, node: NonNull<Node>) -> Option<KeyRef<'k>> {
        let first = self.node(node).key(0)?.address();
        // SAFETY: by T2.
        Some(unsafe { KeyRef::from_address(first) })
    }

    /// Makes a new root above the old one and its new right neighbour.
    fn grow(&mut self, arena: &mut Arena, tree: &Tree, right: NonNull<Node>, first: KeyRef<'_>) {
        let root = new_inner(arena);
        if let Some(smallest) = self.first_key(self.root) {
            self.node(root).insert_child(0, smallest, self.root);
        }
        self.node(root).insert_child(1, first, right);
        self.root = root;
        tree.root.store(root);
    }
}

/// Does `change` to `node`, locked meanwhile.
fn change(node: &Node, change: impl FnOnce()) {
    node.lock();
    change();
    node.unlock();
}
