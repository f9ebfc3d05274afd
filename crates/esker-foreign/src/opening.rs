//! Opens a database's directory: manifest, tables, logs, as of one moment.
//!
//! A living process may add and remove files meanwhile. Files are held open first; then the
//! manifest is looked at again, and if it changed, everything begins anew.

use crate::comparator::Comparator;
use crate::database::{DatabaseSettings, Inner, LogInfo, ManifestInfo};
use crate::directory::{CURRENT, Listing, current, detect_directory_in};
use crate::edit::FileMeta;
use crate::footer::Engine;
use crate::living;
use crate::log::LogEnd;
use crate::losses::Losses;
use crate::memory::Memory;
use crate::open::Reading;
use crate::replay::Replay;
use crate::space::Needed;
use crate::tables::{HELD_MAX, Slot, Tables, open_table};
use crate::version::{DEFAULT_FAMILY, Family, Version};
use esker::vfs::{ReadAt, Vfs};
use esker::{Error, ErrorKind, Result};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a directory that changes is looked at anew.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// A log, held open.
pub(crate) struct HeldLog {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) source: Arc<dyn ReadAt>,
}

/// The files of a column family as of one moment.
struct Gathered {
    engine: Engine,
    family_number: u32,
    family: Family,
    families: Vec<String>,
    runs: Vec<Vec<Slot>>,
    logs: Vec<HeldLog>,
    manifest: Option<ManifestInfo>,
    notices: Vec<String>,
    needed: Needed,
}

/// Opens the database at `path`.
pub(crate) fn open(vfs: &Arc<dyn Vfs>, path: &Path, settings: &DatabaseSettings) -> Result<Inner> {
    for _ in 0..ATTEMPTS {
        let before = Listing::read(&**vfs, path)?;
        let losses = Losses::new(settings.accept_loss);
        let opened = match gather(&**vfs, path, settings, &losses) {
            Ok(Some(gathered)) => finish(vfs, path, gathered, settings, &losses),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match opened {
            Ok(Some(inner)) => return Ok(inner),
            // An error while files came and went may be of a file that went.
            Err(error) if Listing::read(&**vfs, path)? == before => return Err(error),
            Ok(None) | Err(_) => vfs.sleep(PAUSE),
        }
    }
    let error = std::io::Error::other("its files change all the time");
    Err(Error::io("read", path, error))
}

/// The manifest that `CURRENT` names, open, and what it adds up to.
fn read_manifest(vfs: &dyn Vfs, path: &Path) -> Result<(PathBuf, Arc<dyn ReadAt>, Version)> {
    let manifest = current(vfs, path)?;
    let source = vfs.open(&manifest)?;
    let version = Version::read(&*source, &manifest)?;
    Ok((manifest, source, version))
}

/// Gathers the files; `None` if the manifest changed meanwhile.
fn gather(
    vfs: &dyn Vfs,
    path: &Path,
    settings: &DatabaseSettings,
    losses: &Losses,
) -> Result<Option<Gathered>> {
    let listing = Listing::read(vfs, path)?;
    if !listing.has_current {
        return gather_without_manifest(vfs, path, &listing, settings, losses).map(Some);
    }
    let (manifest, source, mut version) = match read_manifest(vfs, path) {
        Ok(read) => read,
        // A manifest that is damaged is as none, where loss is accepted.
        Err(error) => {
            let what = "what it says: tables and logs are read by number";
            losses.accept(&path.join(CURRENT), 0, error, what)?;
            return gather_without_manifest(vfs, path, &listing, settings, losses).map(Some);
        }
    };
    let listing = Listing::read(vfs, path)?;
    let families: Vec<String> = version.families.values().map(|f| f.name.clone()).collect();
    let needed = needed(&version);
    let wanted = settings.column_family.as_deref().unwrap_or(DEFAULT_FAMILY);
    let number = version.families.iter().find(|(_, f)| f.name == wanted).map(|(n, _)| *n);
    let family = number.and_then(|number| version.families.remove(&number));
    let Some((family_number, mut family)) = number.zip(family) else {
        let detail = format_args!("\"{wanted}\" is none of {}", families.join(", "));
        return Err(Error::invalid_input("column family", detail));
    };
    let runs = hold_tables(vfs, &mut family, &listing, &manifest, losses)?;
    let is_wanted = |number: &u64| {
        *number >= family.log_number
            || (version.previous_log != 0 && *number == version.previous_log)
    };
    let mut notices = Vec::new();
    let logs = hold_logs(vfs, listing.logs.iter().filter(|(number, _)| is_wanted(number)))?;
    if logs.is_empty() && family.log_number > 0 {
        notices.push(format!(
            "{}: no log from number {} on is there; what was only in logs is missing",
            path.display(),
            family.log_number
        ));
    }
    let len = source.len().map_err(|e| Error::io("examine", &manifest, e))?;
    if len != version.bytes || current(vfs, path)? != manifest {
        return Ok(None);
    }
    notices.extend(in_use(path, &manifest, version.edits));
    if let LogEnd::Torn(at) | LogEnd::Unclear(at) | LogEnd::Reused(at) = version.end {
        notices.push(torn(&manifest, at, version.bytes));
    }
    let is_rocksdb = listing.has_rocksdb_files || version.engine == Engine::RocksDb;
    Ok(Some(Gathered {
        engine: if is_rocksdb { Engine::RocksDb } else { Engine::LevelDb },
        family_number,
        family,
        families,
        runs,
        logs,
        manifest: Some(ManifestInfo {
            path: manifest,
            bytes: version.bytes,
            edits: version.edits,
            last_sequence: version.last_sequence,
        }),
        notices,
        needed,
    }))
}

fn needed(version: &Version) -> Needed {
    let families = version.families.values();
    let tables =
        families.clone().flat_map(|family| family.levels.values().flat_map(BTreeMap::keys));
    Needed {
        tables: Some(tables.copied().collect()),
        first_log: families.map(|family| family.log_number).min().unwrap_or(0),
        previous_log: version.previous_log,
    }
}

/// A notice of the process that has the database open.
fn in_use(path: &Path, manifest: &Path, edits: u64) -> Option<String> {
    let process = living::process(path)?;
    Some(format!(
        "{}: process {process} has the database open; it is read as of change {edits} of this \
         manifest, and what was in the logs then",
        manifest.display()
    ))
}

/// What a notice says of a file whose last record is cut.
pub(crate) fn torn(path: &Path, at: u64, len: u64) -> String {
    let lost = len.saturating_sub(at);
    format!("{}: the last record, at byte {at}, is cut: {lost} bytes left out", path.display())
}

/// Opens the tables of `family`, the newest run first.
fn hold_tables(
    vfs: &dyn Vfs,
    family: &mut Family,
    listing: &Listing,
    manifest: &Path,
    losses: &Losses,
) -> Result<Vec<Vec<Slot>>> {
    let count: usize = family.levels.values().map(|level| level.len()).sum();
    let mut runs = Vec::new();
    for (level, files) in std::mem::take(&mut family.levels) {
        let mut slots = Vec::new();
        for (number, meta) in files.into_iter().rev() {
            let Some(path) = listing.tables.get(&number) else {
                let expected = format_args!("{number:06}.ldb or {number:06}.sst");
                let error = Error::corruption(manifest, 0, "table", expected, "no such file");
                losses.accept(manifest, number, error, format_args!("table {number}"))?;
                continue;
            };
            let file = if count <= HELD_MAX { Some(vfs.open(path)?) } else { None };
            slots.push(Slot { number, path: path.clone(), meta: Some(meta), level, file });
        }
        if level == 0 {
            runs.extend(slots.into_iter().map(|slot| vec![slot]));
        } else {
            runs.push(slots);
        }
    }
    Ok(runs)
}

fn hold_logs<'a>(
    vfs: &dyn Vfs,
    logs: impl Iterator<Item = (&'a u64, &'a PathBuf)>,
) -> Result<Vec<HeldLog>> {
    logs.map(|(&number, path)| Ok(HeldLog { number, path: path.clone(), source: vfs.open(path)? }))
        .collect()
}

/// Gathers the files of a directory that has no manifest: every table and every log.
fn gather_without_manifest(
    vfs: &dyn Vfs,
    path: &Path,
    listing: &Listing,
    settings: &DatabaseSettings,
    losses: &Losses,
) -> Result<Gathered> {
    if let Some(manifest) =
        listing.manifests.values().next_back().filter(|_| !losses.are_accepted())
    {
        let name = manifest.file_name().unwrap_or_default().to_string_lossy();
        let expected = format_args!("a file that names the manifest, as {name} is there");
        let path = path.join(CURRENT);
        return Err(Error::corruption(path, 0, "name of the manifest", expected, "no such file"));
    }
    let engine = match detect_directory_in(vfs, path)? {
        Some(engine) => engine,
        None => {
            let looked = "no CURRENT, and no tables (.ldb, .sst) or logs (.log) by number that \
                          LevelDB or RocksDB made";
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, looked);
            return Err(Error::io("open", path, error));
        }
    };
    if settings.column_family.as_deref().is_some_and(|name| name != DEFAULT_FAMILY) {
        let detail = "without a manifest only the default one is known";
        return Err(Error::invalid_input("column family", detail));
    }
    let mut notices = vec![format!(
        "{}: no manifest: tables and logs are read by number; what the database had given up may \
         be among them",
        path.display()
    )];
    let mut runs = Vec::new();
    for (&number, file) in listing.tables.iter().rev() {
        let path = file.clone();
        let slot = Slot { number, path, meta: None, level: 0, file: Some(vfs.open(file)?) };
        match open_table(vfs, &slot, raw(&Losses::default())) {
            Ok(table)
                if !matches!(table.0.number("rocksdb.column.family.id"), Some(1..=0xffff_fffe)) =>
            {
                runs.push(vec![slot]);
            }
            Ok(_) => notices.push(format!("{}: of another column family", file.display())),
            Err(error) if error.kind() == ErrorKind::Corruption => {
                notices.push(format!("left out: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Gathered {
        engine,
        family_number: 0,
        family: Family { name: DEFAULT_FAMILY.into(), ..Family::default() },
        families: vec![DEFAULT_FAMILY.into()],
        runs,
        logs: hold_logs(vfs, listing.logs.iter())?,
        manifest: None,
        notices,
        needed: Needed::default(),
    })
}

/// Makes the database of its files; `None` if a log became another one meanwhile.
fn finish(
    vfs: &Arc<dyn Vfs>,
    path: &Path,
    mut gathered: Gathered,
    settings: &DatabaseSettings,
    losses: &Losses,
) -> Result<Option<Inner>> {
    let comparator = choose_comparator(&**vfs, path, &mut gathered, settings, losses)?;
    // In raw order everything is sorted byte by byte, in memory.
    let is_raw = comparator == Comparator::Raw;
    let order = if is_raw { Comparator::Bytewise } else { comparator };
    let mut memory = Memory::default();
    let mut replay = Replay {
        engine: gathered.engine,
        family: gathered.family_number,
        memory: &mut memory,
        memory_bytes_max: settings.memory_bytes_max,
        losses: losses.clone(),
    };
    let logs: Vec<LogInfo> = replay.logs(&gathered.logs, &mut gathered.notices)?;
    // A file is renamed before it is used again: under its old name, it was what it was.
    if logs.iter().any(|log| log.is_reused && vfs.open(&log.path).is_err()) {
        return Ok(None);
    }
    if is_raw {
        for slot in gathered.runs.iter().flatten() {
            replay.table(&open_table(&**vfs, slot, raw(losses))?)?;
        }
    } else {
        check_bounds(&gathered.runs, comparator)?;
        sort_runs(&mut gathered.runs, order);
    }
    memory.sort(order);
    let table_order = if is_raw { Comparator::Raw } else { order };
    Ok(Some(Inner {
        path: path.to_path_buf(),
        engine: gathered.engine,
        comparator,
        comparator_name: gathered.family.comparator,
        family: gathered.family.name,
        families: gathered.families,
        tables: Arc::new(Tables::new(vfs.clone(), gathered.runs, table_order, losses.clone())),
        memory: Arc::new(memory),
        logs,
        manifest: gathered.manifest,
        notices: gathered.notices,
        needed: gathered.needed,
    }))
}

/// How a table is read whatever its order.
fn raw(losses: &Losses) -> Reading {
    let (comparator, losses) = (Some(Comparator::Raw), losses.clone());
    Reading { comparator, losses, ..Reading::default() }
}

/// The order of the keys: the one that the manifest names, or the one that was asked for.
fn choose_comparator(
    vfs: &dyn Vfs,
    path: &Path,
    gathered: &mut Gathered,
    settings: &DatabaseSettings,
    losses: &Losses,
) -> Result<Comparator> {
    let Some(name) = &gathered.family.comparator else {
        return guess_comparator(vfs, gathered, settings, losses);
    };
    let known = Comparator::by_name(name);
    let shown = path.display();
    match (settings.comparator, known) {
        (None, Some(known)) => Ok(known),
        (None, None) => {
            let at = gathered.manifest.as_ref().map_or(path, |manifest| &manifest.path);
            let detail = format_args!("\"{name}\"; choose one, or raw order");
            Err(Error::unsupported(at, 0, "comparator", detail))
        }
        (Some(Comparator::Raw), _) => {
            gathered.notices.push(format!(
                "{shown}: keys are listed byte by byte, not in the order of \"{name}\""
            ));
            Ok(Comparator::Raw)
        }
        (Some(chosen), Some(known)) if chosen != known => {
            Err(Error::invalid_input("comparator", format_args!("the database's is \"{name}\"")))
        }
        (Some(chosen), Some(_)) => Ok(chosen),
        (Some(chosen), None) => {
            gathered.notices.push(format!(
                "{shown}: its order is \"{name}\"; it is read as if that were {}",
                chosen.name()
            ));
            Ok(chosen)
        }
    }
}

/// The order of a database whose manifest does not name it: the one that all tables show.
fn guess_comparator(
    vfs: &dyn Vfs,
    gathered: &mut Gathered,
    settings: &DatabaseSettings,
    losses: &Losses,
) -> Result<Comparator> {
    if let Some(chosen) = settings.comparator {
        return Ok(chosen);
    }
    let mut found = None;
    for slot in gathered.runs.iter().flatten() {
        let table =
            open_table(vfs, slot, Reading { losses: losses.clone(), ..Reading::default() })?;
        let shows = table.engine() == Engine::RocksDb || table.shows_order()?;
        if shows && *found.get_or_insert(table.comparator()) != table.comparator() {
            let detail = "tables have different orders; choose raw order";
            return Err(Error::unsupported(&slot.path, 0, "comparator", detail));
        }
    }
    Ok(found.unwrap_or_default())
}

/// Refuses an order in which tables would end before they begin.
fn check_bounds(runs: &[Vec<Slot>], comparator: Comparator) -> Result<()> {
    let falls = |meta: &FileMeta| comparator.is_before(&meta.largest.key, &meta.smallest.key);
    let wrong = runs.iter().flatten().find(|slot| slot.meta.as_ref().is_some_and(falls));
    wrong.map_or(Ok(()), |slot| {
        let detail = format_args!(
            "{} is not in the order {}: its largest key comes before its smallest",
            slot.path.display(),
            comparator.name()
        );
        Err(Error::invalid_input("comparator", detail))
    })
}

/// Puts the tables of each run in the order of their keys.
fn sort_runs(runs: &mut [Vec<Slot>], order: Comparator) {
    for run in runs {
        run.sort_by(|a, b| match (&a.meta, &b.meta) {
            (Some(a), Some(b)) => {
                let keys = order.compare(&a.smallest.key, &b.smallest.key);
                keys.unwrap_or(Ordering::Equal).then(b.smallest.sequence.cmp(&a.smallest.sequence))
            }
            _ => Ordering::Equal,
        });
    }
}
