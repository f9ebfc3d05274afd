//! What a manifest adds up to: column families, their levels, their tables.

use crate::edit::{Edit, EditFault, FileMeta};
use crate::footer::Engine;
use crate::log::{LogEnd, LogReader};
use esker::vfs::ReadAt;
use esker::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The family that every database has, and its number.
pub(crate) const DEFAULT_FAMILY: &str = "default";

/// The state that a manifest describes.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) engine: Engine,
    pub(crate) families: BTreeMap<u32, Family>,
    pub(crate) previous_log: u64,
    pub(crate) last_sequence: u64,
    /// Records read.
    pub(crate) edits: u64,
    /// Bytes of the file, and how it ended.
    pub(crate) bytes: u64,
    pub(crate) end: LogEnd,
}

/// One column family.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) name: String,
    /// The name of the order of its keys; LevelDB's first manifests may leave it out.
    pub(crate) comparator: Option<String>,
    /// Logs from this number on are not in tables.
    pub(crate) log_number: u64,
    pub(crate) levels: BTreeMap<usize, BTreeMap<u64, FileMeta>>,
}

/// What of a manifest must be there.
#[derive(Default)]
struct Seen {
    log_number: bool,
    next_file: bool,
    last_sequence: bool,
}

impl Version {
    /// Reads the manifest in `source`, called `path` in errors.
    ///
    /// # Errors
    /// `Corruption` or `Unsupported`, with the place in the manifest.
    pub(crate) fn read(source: &dyn ReadAt, path: &Path) -> Result<Version> {
        let mut reader = LogReader::new(source, path, 0)?;
        let default = Family { name: DEFAULT_FAMILY.into(), ..Family::default() };
        let mut version = Version {
            engine: Engine::LevelDb,
            families: BTreeMap::from([(0, default)]),
            previous_log: 0,
            last_sequence: 0,
            edits: 0,
            bytes: reader.len(),
            end: LogEnd::Clean,
        };
        let mut seen = Seen::default();
        let mut group: Vec<Edit> = Vec::new();
        let mut group_at = None;
        while let Some((at, bytes)) = reader.next()? {
            let edit = Edit::decode(bytes).map_err(|fault| match fault {
                EditFault::Corrupt(what, inside) => {
                    let found = format_args!("another, {inside} bytes into the record");
                    Error::corruption(path, at, what, "a sound field", found)
                }
                EditFault::Unsupported(detail, _) => {
                    Error::unsupported(path, at, "manifest", detail)
                }
            })?;
            version.edits += 1;
            let to_come = edit.to_come.unwrap_or(0);
            group.push(edit);
            group_at = Some(group_at.unwrap_or(at));
            if to_come > 0 {
                continue;
            }
            group_at = None;
            for edit in group.drain(..) {
                version.apply(edit, &mut seen).map_err(|(what, expected)| {
                    Error::corruption(path, at, what, expected, "another")
                })?;
            }
        }
        version.end = match (group_at, reader.end()) {
            (Some(at), _) => LogEnd::Torn(at),
            (None, end) => end,
        };
        for (what, is_there) in [
            ("log number", seen.log_number),
            ("next file number", seen.next_file),
            ("last sequence number", seen.last_sequence),
        ] {
            if !is_there {
                let expected = format_args!("a {what}");
                return Err(Error::corruption(path, version.bytes, "manifest", expected, "none"));
            }
        }
        Ok(version)
    }

    /// Applies one change; what is wrong with it, and what should be, if it cannot be.
    fn apply(&mut self, edit: Edit, seen: &mut Seen) -> Result<(), (&'static str, String)> {
        if edit.is_rocksdb {
            self.engine = edit.engine();
        }
        seen.log_number |= edit.log_number.is_some();
        seen.next_file |= edit.next_file.is_some();
        seen.last_sequence |= edit.last_sequence.is_some();
        self.previous_log = edit.previous_log.unwrap_or(self.previous_log);
        self.last_sequence = edit.last_sequence.unwrap_or(self.last_sequence);
        if let Some(name) = edit.new_family {
            if edit.family != 0 && self.families.contains_key(&edit.family) {
                let expected = format!("a number other than {}", edit.family);
                return Err(("new column family in a manifest", expected));
            }
            self.families.insert(edit.family, Family { name, ..Family::default() });
        }
        if edit.drops_family {
            self.families.remove(&edit.family);
            return Ok(());
        }
        let Some(family) = self.families.get_mut(&edit.family) else {
            let expected = format!("one of {} known families", self.families.len());
            return Err(("column family in a manifest", expected));
        };
        if let Some(name) = edit.comparator {
            if family.comparator.as_ref().is_some_and(|before| *before != name) {
                let expected = family.comparator.clone().unwrap_or_default();
                return Err(("comparator in a manifest", expected));
            }
            family.comparator = Some(name);
        }
        family.log_number = edit.log_number.unwrap_or(family.log_number);
        for (level, number) in edit.removed {
            family.levels.entry(level).or_default().remove(&number);
        }
        for (level, file) in edit.added {
            family.levels.entry(level).or_default().insert(file.number, file);
        }
        Ok(())
    }
}
