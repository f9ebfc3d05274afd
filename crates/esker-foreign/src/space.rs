//! What the bytes of a database are.

use crate::database::Database;
use crate::directory::Listing;
use crate::entry::ForeignKind;
use crate::tables::Cover;
use crate::visible::Store;
use esker::Result;
use esker::vfs::Vfs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the bytes of a database are, as of when it was opened; files as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseSpace {
    /// Keys that a reader sees.
    pub live_keys: u64,
    /// Bytes of them and of their values.
    pub live_bytes: u64,
    /// Bytes of versions that newer ones or range deletions hide.
    pub shadowed_bytes: u64,
    /// Tombstones, range deletions included.
    pub tombstones: u64,
    /// Bytes of their keys.
    pub tombstone_bytes: u64,
    /// Bytes of the tables of the column family, compressed.
    pub table_bytes: u64,
    /// Bytes of the tables of other column families.
    pub other_family_bytes: u64,
    /// Bytes of the logs that are read.
    pub log_bytes: u64,
    /// Bytes of the manifest that is read.
    pub manifest_bytes: u64,
    /// Tables, logs and manifests that the manifest does not need: left over, or too new for it.
    pub orphans: Vec<PathBuf>,
    /// Bytes of them.
    pub orphaned_bytes: u64,
    /// Sorted runs that a look-up asks at most: logs, tables of level 0, deeper levels.
    pub runs: usize,
}

/// What a manifest needs of a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needed {
    /// Tables of all column families; all that there are without a manifest.
    pub(crate) tables: Option<BTreeSet<u64>>,
    /// The first log, and one that may be before it.
    pub(crate) first_log: u64,
    pub(crate) previous_log: u64,
}

impl Database {
    /// Adds up what the bytes of the database are; reads every entry.
    ///
    /// # Errors
    /// `Corruption`, `Unsupported` or `Io` if a block or the directory cannot be read.
    pub fn space(&self) -> Result<DatabaseSpace> {
        let inner = &*self.0;
        let in_logs = usize::from(inner.memory.len() > 0);
        let mut space = DatabaseSpace {
            log_bytes: inner.logs.iter().map(|log| log.bytes).sum(),
            manifest_bytes: inner.manifest.as_ref().map_or(0, |manifest| manifest.bytes),
            runs: inner.tables.runs.len() + in_logs,
            ..DatabaseSpace::default()
        };
        self.add_entries(&mut space)?;
        for range in self.range_tombstones()? {
            space.tombstones += 1;
            space.tombstone_bytes += (range.start.len() + range.end.len()) as u64;
        }
        self.add_files(&mut space)?;
        Ok(space)
    }

    fn add_entries(&self, space: &mut DatabaseSpace) -> Result<()> {
        let (mut cursor, mut cover) = (self.cursor(), Cover::default());
        let mut last: Option<Vec<u8>> = None;
        while let Some(entry) = cursor.next()? {
            let bytes = (entry.key.len() + entry.value.len()) as u64;
            let is_newest = last.as_deref() != Some(entry.key);
            if is_newest {
                let last = last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(entry.key);
            }
            match entry.kind {
                ForeignKind::Tombstone | ForeignKind::SingleTombstone => {
                    space.tombstones += 1;
                    space.tombstone_bytes += bytes;
                }
                _ if is_newest
                    && !self.is_range_deleted(&mut cover, entry.key, entry.sequence)? =>
                {
                    space.live_keys += 1;
                    space.live_bytes += bytes;
                }
                _ => space.shadowed_bytes += bytes,
            }
        }
        Ok(())
    }

    fn add_files(&self, space: &mut DatabaseSpace) -> Result<()> {
        let inner = &*self.0;
        let vfs = &*inner.tables.vfs;
        let listing = Listing::read(vfs, &inner.path)?;
        let own: BTreeSet<u64> = inner.tables.all().map(|slot| slot.number).collect();
        for (number, path) in &listing.tables {
            let of_any = inner.needed.tables.as_ref().is_none_or(|all| all.contains(number));
            match (own.contains(number), of_any) {
                (true, _) => space.table_bytes += bytes(vfs, path),
                (false, true) => space.other_family_bytes += bytes(vfs, path),
                (false, false) => space.add_orphan(vfs, path),
            }
        }
        let is_needed =
            |number: u64| number >= inner.needed.first_log || number == inner.needed.previous_log;
        let logs = listing.logs.iter().filter(|(number, _)| !is_needed(**number));
        let current = inner.manifest.as_ref().map(|manifest| &manifest.path);
        let manifests = listing.manifests.iter().filter(|(_, path)| Some(*path) != current);
        logs.chain(manifests).for_each(|(_, path)| space.add_orphan(vfs, path));
        Ok(())
    }
}

impl DatabaseSpace {
    fn add_orphan(&mut self, vfs: &dyn Vfs, path: &Path) {
        self.orphans.push(path.to_path_buf());
        self.orphaned_bytes += bytes(vfs, path);
    }
}

/// Bytes of a file; none of one that is gone.
fn bytes(vfs: &dyn Vfs, path: &Path) -> u64 {
    vfs.open(path).ok().and_then(|file| file.len().ok()).unwrap_or(0)
}
