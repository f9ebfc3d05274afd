//! A small store that is right, and the same store with one mistake at a time: what the harness
//! must let pass, and what it must catch.
//!
//! A generation `n` is a table `table-n` with everything up to the last flush, and a log `log-n`
//! with what came later; `CURRENT` names the generation.

use super::model::State;
use super::store::{Batch, Level, Opener, Pairs, Store, View};
use crate::SimVfs;
use esker::vfs::{AppendFile, FileLock, Vfs};
use esker::{Error, Result};
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Nothing.
    None,
    /// `Power` does not sync the log.
    LogNotSynced,
    /// A table is named before it is synced.
    TableNotSynced,
    /// `CURRENT` is renamed before it is synced.
    CurrentNotSynced,
    /// The directory is not synced once the new files are there.
    NamesNotSynced,
    /// The old files go before the new `CURRENT` is durable.
    OldRemovedTooEarly,
    /// The store's own directory is not made durable.
    DirectoryNotSynced,
    /// Records of the log are not checked.
    NoChecksum,
    /// Records do not say to which log they belong.
    RecordsNotBound,
    /// A failed sync is tried again, and believed.
    SyncTriedAgain,
    /// A batch is as many records as it has changes.
    BatchInParts,
    /// `Process` leaves its bytes in memory.
    ProcessInMemory,
    /// After a failed write of the log it goes on behind the torn record.
    WriteErrorPassedOver,
    /// Old files stay.
    OrphansStay,
    /// A snapshot shows what is written later.
    SnapshotMoves,
    /// Deletions are lost by a flush.
    DeletionsReturn,
}

impl Mistake {
    /// All that are wrong.
    pub const ALL: &[Mistake] = &[
        Mistake::LogNotSynced,
        Mistake::TableNotSynced,
        Mistake::CurrentNotSynced,
        Mistake::NamesNotSynced,
        Mistake::OldRemovedTooEarly,
        Mistake::DirectoryNotSynced,
        Mistake::NoChecksum,
        Mistake::RecordsNotBound,
        Mistake::SyncTriedAgain,
        Mistake::BatchInParts,
        Mistake::ProcessInMemory,
        Mistake::WriteErrorPassedOver,
        Mistake::OrphansStay,
        Mistake::SnapshotMoves,
        Mistake::DeletionsReturn,
    ];
}

/// Opens toys with one mistake.
pub struct ToyOpener(pub Mistake);

const DIRECTORY: &str = "/toy";

type Shared = std::rc::Rc<std::cell::RefCell<State>>;

struct Toy {
    vfs: SimVfs,
    mistake: Mistake,
    _lock: Box<dyn FileLock>,
    generation: u64,
    log: Box<dyn AppendFile>,
    /// Records not yet handed to the log.
    buffer: Vec<u8>,
    state: Shared,
    writes: u64,
    poisoned: bool,
}

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// The checksum of `bytes` in the file that `place` stands for.
fn checksum(place: u64, bytes: &[u8]) -> u64 {
    let place = place.to_le_bytes();
    place.iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The place of files of which there is one.
const CURRENT: u64 = 0;

fn frame(place: u64, body: &[u8]) -> Vec<u8> {
    let mut record = (body.len() as u32).to_le_bytes().to_vec();
    record.extend(checksum(place, body).to_le_bytes());
    record.extend(body);
    record
}

/// The body of the record at the beginning of `bytes`, and what follows it.
fn unframe(place: u64, bytes: &[u8], checked: bool) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let is_sound = !checked || u64::from_le_bytes(*sum) == checksum(place, body);
    (is_sound && !body.is_empty()).then_some((body, rest))
}

/// Logs and tables of a generation differ: a table's bytes are no log.
fn log_place(mistake: Mistake, generation: u64) -> u64 {
    match mistake {
        Mistake::RecordsNotBound => u64::MAX,
        _ => u64::MAX - generation,
    }
}

fn encode<'a>(changes: impl IntoIterator<Item = (&'a Vec<u8>, Option<&'a Vec<u8>>)>) -> Vec<u8> {
    let mut body = vec![b'B'];
    for (key, value) in changes {
        body.push(u8::from(value.is_some()));
        for part in [Some(key), value].into_iter().flatten() {
            body.extend((part.len() as u32).to_le_bytes());
            body.extend(part);
        }
    }
    body
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(part)
}

fn decode_into(state: &mut State, body: &[u8]) -> Option<()> {
    let mut rest = body.strip_prefix(b"B")?;
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        let key = part(&mut rest)?.to_vec();
        match kind {
            0 => drop(state.remove(&key)),
            _ => drop(state.insert(key, part(&mut rest)?.to_vec())),
        }
    }
    Some(())
}

fn read(vfs: &SimVfs, name: &str) -> Result<Vec<u8>> {
    let failed = |e| Error::io("read", path(name), e);
    let file = vfs.open(&path(name))?;
    let mut bytes = vec![0; file.len().map_err(failed)? as usize];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    Ok(bytes)
}

fn bad(name: &str) -> Error {
    Error::corruption(path(name), 0, "toy", "a record", "none")
}

/// A new file, in place of one that a crash left.
fn create(vfs: &SimVfs, name: &str) -> Result<Box<dyn AppendFile>> {
    match vfs.create(&path(name)) {
        Err(e) if e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::AlreadyExists) => {
            vfs.remove(&path(name))?;
            vfs.create(&path(name))
        }
        created => created,
    }
}

fn write_file(vfs: &SimVfs, name: &str, bytes: &[u8], synced: bool) -> Result<()> {
    let mut file = create(vfs, name)?;
    file.write_all(bytes).map_err(|e| Error::io("write", path(name), e))?;
    if synced { file.sync().map_err(|e| Error::io("sync", path(name), e)) } else { Ok(()) }
}

impl Opener for ToyOpener {
    fn open(&self, vfs: &SimVfs, _: u64) -> Result<Box<dyn Store>> {
        let mistake = self.0;
        vfs.create_directory(Path::new(DIRECTORY))?;
        if mistake != Mistake::DirectoryNotSynced {
            vfs.sync_directory(Path::new("/"))?;
        }
        let lock = vfs.lock(&path("LOCK"))?;
        let mut state = State::new();
        let mut generation = 0;
        if vfs.list(Path::new(DIRECTORY))?.iter().any(|name| name == "CURRENT") {
            let current = read(vfs, "CURRENT")?;
            let (number, _) = unframe(CURRENT, &current, true).ok_or_else(|| bad("CURRENT"))?;
            let number = number.try_into().map_err(|_| bad("CURRENT"))?;
            generation = u64::from_le_bytes(number);
            let table = read(vfs, &format!("table-{generation}"))?;
            let body = unframe(generation, &table, true).ok_or_else(|| bad("table"))?.0;
            decode_into(&mut state, body).ok_or_else(|| bad("table"))?;
            let log = read(vfs, &format!("log-{generation}"))?;
            let mut rest = &log[..];
            let place = log_place(mistake, generation);
            let checked = mistake != Mistake::NoChecksum;
            while let Some((body, after)) = unframe(place, rest, checked) {
                decode_into(&mut state, body).ok_or_else(|| bad("log"))?;
                rest = after;
            }
        }
        let mut toy = Toy {
            vfs: vfs.clone(),
            mistake,
            _lock: lock,
            generation,
            log: create(vfs, "nothing")?,
            buffer: Vec::new(),
            state: Shared::new(state.into()),
            writes: 0,
            poisoned: false,
        };
        toy.next_generation()?;
        Ok(Box::new(toy))
    }
}

impl Toy {
    /// Writes everything to a new table, begins a new log, and lets `CURRENT` name them.
    fn next_generation(&mut self) -> Result<()> {
        let (vfs, mistake) = (&self.vfs, self.mistake);
        let directory = Path::new(DIRECTORY);
        let generation = self.generation + 1;
        let table = {
            let state = self.state.borrow();
            frame(generation, &encode(state.iter().map(|(key, value)| (key, Some(value)))))
        };
        let name = format!("table-{generation}");
        write_file(vfs, &name, &table, mistake != Mistake::TableNotSynced)?;
        let log = create(vfs, &format!("log-{generation}"))?;
        if mistake != Mistake::NamesNotSynced {
            vfs.sync_directory(directory)?;
        }
        let current = frame(CURRENT, &generation.to_le_bytes());
        write_file(vfs, "CURRENT.new", &current, mistake != Mistake::CurrentNotSynced)?;
        vfs.rename(&path("CURRENT.new"), &path("CURRENT"))?;
        if mistake != Mistake::OldRemovedTooEarly {
            vfs.sync_directory(directory)?;
        }
        let keep = [format!("table-{generation}"), format!("log-{generation}")];
        for name in vfs.list(directory)? {
            let is_old = name.contains('-') || name == "nothing";
            if is_old && !keep.contains(&name) && mistake != Mistake::OrphansStay {
                vfs.remove(&path(&name))?;
            }
        }
        if mistake == Mistake::OldRemovedTooEarly {
            vfs.sync_directory(directory)?;
        }
        self.generation = generation;
        self.log = log;
        self.buffer.clear();
        Ok(())
    }

    fn hand_over(&mut self, level: Level) -> io::Result<()> {
        let memory = level == Level::Process && self.mistake == Mistake::ProcessInMemory;
        if level == Level::None || memory {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.log.write_all(&buffer)?;
        if level == Level::Power && self.mistake != Mistake::LogNotSynced {
            let synced = self.log.sync();
            if synced.is_err() && self.mistake == Mistake::SyncTriedAgain {
                return self.log.sync();
            }
            return synced;
        }
        Ok(())
    }
}

impl Store for Toy {
    fn write(&mut self, batch: &Batch, level: Level) -> Result<()> {
        let log = path(&format!("log-{}", self.generation));
        if self.poisoned {
            return Err(Error::poisoned(log, "an earlier error"));
        }
        let place = log_place(self.mistake, self.generation);
        let each = batch.iter().map(|(key, value)| (key, value.as_ref()));
        match self.mistake {
            Mistake::BatchInParts => {
                each.for_each(|one| self.buffer.extend(frame(place, &encode([one]))));
            }
            _ => self.buffer.extend(frame(place, &encode(each))),
        }
        if let Err(error) = self.hand_over(level) {
            self.poisoned = self.mistake != Mistake::WriteErrorPassedOver;
            return Err(Error::io("write", log, error));
        }
        let mut state = self.state.borrow_mut();
        for (key, value) in batch {
            match value {
                Some(value) => drop(state.insert(key.clone(), value.clone())),
                None => drop(state.remove(key)),
            }
        }
        self.writes += 1;
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn View>> {
        let state = match self.mistake {
            Mistake::SnapshotMoves => self.state.clone(),
            _ => Shared::new(self.state.borrow().clone().into()),
        };
        Ok(Box::new(ToyView(state)))
    }

    fn flush(&mut self) -> Result<()> {
        if self.poisoned {
            return Err(Error::poisoned(DIRECTORY, "an earlier error"));
        }
        if self.mistake == Mistake::DeletionsReturn {
            let table = read(&self.vfs, &format!("table-{}", self.generation))?;
            let mut old = State::new();
            unframe(self.generation, &table, true)
                .and_then(|(body, _)| decode_into(&mut old, body));
            let mut state = self.state.borrow_mut();
            old.into_iter().for_each(|(key, value)| {
                state.entry(key).or_insert(value);
            });
        }
        let done = self.next_generation();
        self.poisoned = done.is_err();
        done
    }

    fn compact(&mut self) -> Result<()> {
        self.flush()
    }

    fn verify(&self) -> Result<()> {
        let name = format!("table-{}", self.generation);
        unframe(self.generation, &read(&self.vfs, &name)?, true).map(drop).ok_or_else(|| bad(&name))
    }

    fn sequence(&self) -> Option<u64> {
        Some(self.generation)
    }

    fn check_files(&self) -> Result<(), String> {
        let names = self.vfs.list(Path::new(DIRECTORY)).map_err(|e| e.to_string())?;
        let (log, table) =
            (format!("log-{}", self.generation), format!("table-{}", self.generation));
        let expected = ["CURRENT", "LOCK", &log, &table];
        if names == expected { Ok(()) } else { Err(format!("files {names:?}")) }
    }
}

impl View for Toy {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        ToyView(self.state.clone()).get(key)
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        ToyView(self.state.clone()).scan(reverse)
    }
}

/// What a toy holds, or held.
struct ToyView(Shared);

impl View for ToyView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn scan(&self, reverse: bool) -> Result<Pairs> {
        let state = self.0.borrow();
        let mut pairs: Pairs = state.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        if reverse {
            pairs.reverse();
        }
        Ok(pairs)
    }
}
