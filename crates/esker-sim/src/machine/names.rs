//! The names of files and directories, as processes see them and as the disk holds them.

use super::coverage::{Fault, Site};
use super::cut::NamesFate;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// The file with this number.
    File(usize),
}

impl Node {
    /// The number of the file.
    pub fn file(self) -> Option<usize> {
        match self {
            Node::File(inode) => Some(inode),
            Node::Directory => None,
        }
    }
}

/// A change of names that was not synced. Each is atomic.
#[derive(Clone, Debug)]
struct Change {
    /// The name that goes, with what it stood for.
    gone: Option<(PathBuf, Node)>,
    /// The name that comes.
    come: Option<(PathBuf, Node)>,
    /// Where it was made.
    site: Site,
}

impl Change {
    /// The directory whose sync makes the change durable: the one where the name comes.
    fn directory(&self) -> Option<&Path> {
        self.come.as_ref().or(self.gone.as_ref()).and_then(|(path, _)| path.parent())
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        if let Some((path, node)) = &self.gone
            && names.get(path) == Some(node)
        {
            names.remove(path);
        }
        if let Some((path, node)) = &self.come {
            names.insert(path.clone(), *node);
        }
    }
}

/// All names, twice.
#[derive(Clone, Debug, Default)]
pub struct Names {
    cached: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    pending: Vec<Change>,
    /// Where changes were made.
    changed: BTreeSet<Site>,
}

/// Whether `path` is one that always exists: the root, or where relative paths begin.
fn is_root(path: &Path) -> bool {
    path.parent().is_none() || path == Path::new(".")
}

impl Names {
    pub fn get(&self, path: &Path) -> Option<Node> {
        if is_root(path) { Some(Node::Directory) } else { self.cached.get(path).copied() }
    }

    /// Whether there is a directory for a file at `path`.
    pub fn has_parent(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| self.get(parent) == Some(Node::Directory))
    }

    pub fn insert(&mut self, path: &Path, node: Node, site: Site) {
        self.change(Change { gone: None, come: Some((path.into(), node)), site });
    }

    pub fn remove(&mut self, path: &Path, node: Node, site: Site) {
        self.change(Change { gone: Some((path.into(), node)), come: None, site });
    }

    pub fn rename(&mut self, from: &Path, to: &Path, node: Node, site: Site) {
        let (gone, come) = (Some((from.into(), node)), Some((to.into(), node)));
        self.change(Change { gone, come, site });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.changed.insert(change.site);
        self.pending.push(change);
    }

    /// Takes the sites that have changed names.
    pub fn take_changed(&mut self) -> BTreeSet<Site> {
        std::mem::take(&mut self.changed)
    }

    /// The changes in `directory` reach the disk.
    pub fn sync(&mut self, directory: &Path) {
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let stays = change.directory() != Some(directory);
            if !stays {
                change.apply(durable);
            }
            stays
        });
    }

    /// The power goes. `tell` is told what became of the changes of each site.
    pub fn cut(&mut self, fate: NamesFate, random: &mut Random, tell: &mut dyn FnMut(Site, Fault)) {
        let until = random.index(self.pending.len() + 1);
        for (number, change) in self.pending.drain(..).enumerate() {
            let kept = match fate {
                NamesFate::Lost => false,
                NamesFate::Kept => true,
                NamesFate::Prefix => number < until,
                NamesFate::Mixed => random.chance(1, 2),
            };
            tell(change.site, if kept { Fault::NameKept } else { Fault::NameLost });
            if kept {
                change.apply(&mut self.durable);
            }
        }
        let durable = &self.durable;
        let reachable = |path: &PathBuf| {
            let mut above = path.ancestors().skip(1);
            above.all(|path| is_root(path) || durable.get(path) == Some(&Node::Directory))
        };
        let cached = durable.iter().filter(|(path, _)| reachable(path));
        self.cached = cached.map(|(path, node)| (path.clone(), *node)).collect();
        self.durable = self.cached.clone();
    }

    /// The files that have a name, on the disk or for processes, or may get one back by a cut.
    pub fn files(&self) -> BTreeSet<usize> {
        let changed = self.pending.iter().filter_map(|change| change.come.as_ref());
        let nodes = self.cached.values().chain(self.durable.values());
        let nodes = nodes.chain(changed.map(|(_, node)| node));
        nodes.filter_map(|node| node.file()).collect()
    }

    /// Names in the directory at `path`.
    pub fn below(&self, path: &Path) -> impl Iterator<Item = (&PathBuf, Node)> {
        let all = self.cached.iter().map(|(name, node)| (name, *node));
        all.filter(move |(name, _)| name.parent() == Some(path))
    }

    /// All names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&PathBuf, Node)> {
        self.cached.iter().map(|(name, node)| (name, *node))
    }
}
