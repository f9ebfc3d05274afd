//! The manifest: which files make up the database, as a row of edits; and `CURRENT`, which names
//! the manifest in force.
//!
//! # Invariants
//! - **M1** When an edit is on disk, the content and the name of every file that it adds are.
//! - **M2** A file that an edit lets go is removed only when that edit is on disk.
//! - **M3** `CURRENT` is replaced in one step, when the manifest that it names is on disk; the old
//!   manifest goes only when the new `CURRENT` is on disk.
//!
//! So whichever edit is the last to survive, the files that it needs are there. An edit that was on
//! disk and is damaged later is found by what is missing: the tables and logs of the state before
//! it have gone, if losing it loses anything.

mod edit;
mod format;
#[cfg(test)]
mod tests;

pub use edit::Edit;
pub use format::CURRENT;

use crate::base::checksum::checksum_at;
use crate::base::error::{Error, Result};
use crate::record::{FILE_HEADER_LEN, FileHeader, MANIFEST_MAGIC, RecordReader, append_record};
use crate::version::TableMeta;
use crate::vfs::{Vfs, WriteAt};
use format::CURRENT_NEXT;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of edits after which a manifest is written anew, at the least.
const LONG_BYTES: u64 = 1 << 20;

/// The same where one goes on with it after an open, which reads all of it.
const RESUME_BYTES: u64 = 64 << 10;

/// The name of manifest `number`.
pub fn manifest_name(number: u64) -> String {
    format!("MANIFEST-{number:06}")
}

/// Appends edits to the manifest in force.
pub struct Manifest {
    file: Arc<dyn WriteAt>,
    path: PathBuf,
    number: u64,
    offset: u64,
    /// Bytes of the first edit, which says everything.
    whole_bytes: u64,
    /// What the edits have led to.
    state: ManifestState,
    is_broken: bool,
}

impl Manifest {
    /// Writes manifest `number` in `directory`, which says `state`, and puts it in force.
    ///
    /// # Errors
    /// `Io`: which manifest is in force then is not known, but either is whole.
    pub fn create(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        state: ManifestState,
    ) -> Result<Manifest> {
        let path = directory.join(manifest_name(number));
        let manifest = Manifest::begin(vfs, path.clone(), number, state).and_then(|manifest| {
            vfs.sync_directory(directory)?;
            prepare_current(vfs, directory, number)?;
            Ok(manifest)
        });
        let manifest = manifest.inspect_err(|_| {
            // Nothing names it yet. Left behind, it is an orphan.
            let _ = vfs.remove(&path);
        })?;
        vfs.rename(&directory.join(CURRENT_NEXT), &directory.join(CURRENT))?;
        vfs.sync_directory(directory)?;
        Ok(manifest)
    }

    /// Goes on with manifest `number` in `directory`, which is in force and says `state`; `None` if
    /// more follows its last sound edit than the end of the file, or if it is so long that a new
    /// one costs less in the end.
    ///
    /// Its last edit is written once more, and on disk then: whoever wrote it may have been killed
    /// before the sync, or the sync may have failed, and the next edit must not be there without
    /// it. Those before were synced before it was written.
    ///
    /// # Errors
    /// `Io`; it says what it said.
    pub fn resume(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        state: ManifestState,
    ) -> Result<Option<Manifest>> {
        let path = directory.join(manifest_name(number));
        let bytes = read_whole(vfs, &path)?;
        let mut reader = RecordReader::new(&bytes, number);
        let mut last = reader.next().map_or(0, |(offset, _)| offset);
        let whole_bytes = reader.offset();
        while let Some((offset, _)) = reader.next() {
            last = offset;
        }
        let offset = reader.offset();
        if offset != bytes.len() as u64 || offset > RESUME_BYTES.max(2 * whole_bytes) {
            return Ok(None);
        }
        let file = vfs.open_write(&path)?;
        let again = bytes.get(last as usize..).unwrap_or_default();
        file.write_all_at(again, last).map_err(|e| Error::io("write", &path, e))?;
        file.sync().map_err(|e| Error::io("sync", &path, e))?;
        Ok(Some(Manifest { file, path, number, offset, whole_bytes, state, is_broken: false }))
    }

    /// Writes manifest `number` at `path`, which says `state`.
    fn begin(vfs: &dyn Vfs, path: PathBuf, number: u64, state: ManifestState) -> Result<Manifest> {
        let file = vfs.open_write(&path)?;
        let header = FileHeader { number, previous: 0 }.encode(MANIFEST_MAGIC);
        file.write_all_at(&header, 0).map_err(|e| Error::io("write", &path, e))?;
        let whole = state.whole();
        let offset = FILE_HEADER_LEN as u64;
        let mut manifest =
            Manifest { file, path, number, offset, whole_bytes: 0, state, is_broken: false };
        manifest.write(&whole)?;
        manifest.whole_bytes = manifest.offset;
        Ok(manifest)
    }

    /// Makes `edit` durable: at the end of this manifest, or in a new one, with the number that
    /// `new_number` gives, if this one is long or broken.
    ///
    /// # Errors
    /// `Io`: whether the edit will be found is not known. The next one begins a new manifest.
    pub fn append(
        &mut self,
        vfs: &dyn Vfs,
        edit: &Edit,
        new_number: impl FnOnce() -> u64,
    ) -> Result<()> {
        let mut after = self.state.clone();
        after.apply(edit.clone(), &self.path, self.offset)?;
        if self.is_broken || self.offset > LONG_BYTES.max(4 * self.whole_bytes) {
            self.is_broken = true;
            let directory = self.path.parent().unwrap_or(Path::new(""));
            let manifest = Manifest::create(vfs, directory, new_number(), after)?;
            let old = std::mem::replace(self, manifest);
            // Left behind, it is an orphan, which the next open collects.
            let _ = vfs.remove(&old.path);
            return Ok(());
        }
        self.write(edit)?;
        self.state = after;
        Ok(())
    }

    fn write(&mut self, edit: &Edit) -> Result<()> {
        let mut record = Vec::new();
        append_record(&mut record, self.number, self.offset, |out| edit.encode(out));
        self.is_broken = true;
        self.file
            .write_all_at(&record, self.offset)
            .map_err(|e| Error::io("write", &self.path, e))?;
        self.file.sync().map_err(|e| Error::io("sync", &self.path, e))?;
        self.is_broken = false;
        self.offset += record.len() as u64;
        Ok(())
    }

    /// Whether an edit failed, so that the next one begins a new manifest.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// What the edits have led to.
    pub fn state(&self) -> &ManifestState {
        &self.state
    }

    /// Number of the manifest.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// Writes what `CURRENT` is to hold, so that it names manifest `number`.
fn prepare_current(vfs: &dyn Vfs, directory: &Path, number: u64) -> Result<()> {
    let next = directory.join(CURRENT_NEXT);
    if vfs.list(directory)?.iter().any(|name| name == CURRENT_NEXT) {
        vfs.remove(&next)?;
    }
    let name = manifest_name(number);
    let mut file = vfs.create(&next)?;
    let sum = checksum_at(name.as_bytes(), 0);
    writeln!(file, "{name} {sum:08x}").map_err(|e| Error::io("write", &next, e))?;
    file.sync().map_err(|e| Error::io("sync", &next, e))
}

/// The number of the manifest that `CURRENT` in `directory` names; `None` if there is no `CURRENT`.
///
/// # Errors
/// `Corruption` if it is not what [`Manifest::create`] writes.
pub fn read_current(vfs: &dyn Vfs, directory: &Path) -> Result<Option<u64>> {
    if !vfs.list(directory)?.iter().any(|name| name == CURRENT) {
        return Ok(None);
    }
    let path = directory.join(CURRENT);
    let bytes = read_whole(vfs, &path)?;
    let number = std::str::from_utf8(&bytes).ok().and_then(|text| {
        let (name, sum) = text.strip_suffix('\n')?.split_once(' ')?;
        let is_sound = format!("{:08x}", checksum_at(name.as_bytes(), 0)) == sum;
        name.strip_prefix("MANIFEST-").filter(|_| is_sound)?.parse().ok()
    });
    let expected = "the name of a manifest, its checksum and a newline";
    let found = bytes[..bytes.len().min(80)].escape_ascii();
    let wrong = || Error::corruption(&path, 0, "CURRENT", expected, format_args!("\"{found}\""));
    number.map(Some).ok_or_else(wrong)
}

/// What a manifest says in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestState {
    /// The oldest log that is still needed.
    pub log_number: u64,
    /// No file has this number or a larger one.
    pub next_number: u64,
    /// The last sequence number in any table.
    pub last_sequence: u64,
    /// The tables by number, with their levels.
    pub tables: BTreeMap<u64, (u8, TableMeta)>,
}

/// Reads manifest `number` in `directory`.
///
/// # Errors
/// `Corruption` if an edit is damaged that others follow, or the first; `Unsupported` if another
/// version wrote it; `Io`.
pub fn read_manifest(vfs: &dyn Vfs, directory: &Path, number: u64) -> Result<ManifestState> {
    let path = directory.join(manifest_name(number));
    let bytes = read_whole(vfs, &path).map_err(|error| match error.io_error() {
        Some(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let expected = format_args!("the file, since {CURRENT} names it");
            Error::corruption(&path, 0, "database", expected, "no such file")
        }
        _ => error,
    })?;
    let header = FileHeader::decode(&bytes, MANIFEST_MAGIC, &path)?;
    if header.number != number {
        return Err(Error::corruption(&path, 0, "manifest number", number, header.number));
    }
    let mut reader = RecordReader::new(&bytes, number);
    let mut state = None;
    while let Some((offset, payload)) = reader.next() {
        let edit = Edit::decode(payload).map_err(|at| {
            let detail = format!("field {:?}", payload.get(at));
            Error::unsupported(&path, offset + at as u64, "manifest edit", detail)
        })?;
        state.get_or_insert_with(ManifestState::default).apply(edit, &path, offset)?;
    }
    let stop = reader.offset();
    if reader.resync() {
        let found = format!("a damaged record, and a sound one at byte {}", reader.offset());
        return Err(Error::corruption(&path, stop, "manifest", "a sound record", found));
    }
    state.ok_or_else(|| {
        Error::corruption(&path, stop, "manifest", "a first edit", "none that is sound")
    })
}

impl ManifestState {
    fn apply(&mut self, edit: Edit, path: &Path, offset: u64) -> Result<()> {
        for (level, number) in edit.removed {
            if self.tables.remove(&number).is_none_or(|(at, _)| at != level) {
                let (expected, found) = ("a table that is there", number);
                return Err(Error::corruption(path, offset, "removed table", expected, found));
            }
        }
        for (level, table) in edit.added {
            let number = table.number;
            if self.tables.insert(number, (level, table)).is_some() {
                let (expected, found) = ("a table that is new", number);
                return Err(Error::corruption(path, offset, "added table", expected, found));
            }
        }
        self.log_number = edit.log_number.unwrap_or(self.log_number);
        self.next_number = edit.next_number.unwrap_or(self.next_number);
        self.last_sequence = self.last_sequence.max(edit.last_sequence.unwrap_or(0));
        Ok(())
    }

    /// The edit that says all of this.
    pub fn whole(&self) -> Edit {
        self.since(&ManifestState::default())
    }

    /// The edit that leads here from `before`, which has no table that this has not.
    pub fn since(&self, before: &ManifestState) -> Edit {
        let is_new = |number: &&u64| !before.tables.contains_key(number);
        let added = self.tables.keys().filter(is_new);
        Edit {
            log_number: Some(self.log_number),
            next_number: Some(self.next_number),
            last_sequence: Some(self.last_sequence),
            added: added.map(|number| self.tables[number].clone()).collect(),
            removed: Vec::new(),
        }
    }
}

/// The whole content of the file at `path`.
pub fn read_whole(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>> {
    let file = vfs.open(path)?;
    let read = |e| Error::io("read", path, e);
    let len = file.len().map_err(read)?;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0).map_err(read)?;
    Ok(bytes)
}
