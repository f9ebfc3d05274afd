//! What the harness asks of a store.

use crate::SimVfs;
use esker::Result;

/// What a write's acknowledgement promises to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing, before the next flush.
    None,
    /// The end of the process.
    Process,
    /// The end of the power.
    Power,
}

impl Level {
    /// All of them.
    pub const ALL: &[Level] = &[Level::None, Level::Process, Level::Power];
}

/// Keys with their new values, or none where the key goes; applied as one, in order.
pub type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// All keys with their values, in order of key.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Something that can be read.
pub trait View {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Everything, from the first key on, or from the last one back.
    fn scan(&self, reverse: bool) -> Result<Pairs>;
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A place among the keys of one moment.
pub trait Place {
    /// Goes to the first key that is at least `key`.
    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair>>;
    /// Goes one key on, or back.
    fn step(&mut self, is_back: bool) -> Result<Option<Pair>>;
}

/// One that reads beside the store: sees what was there when it was opened or last refreshed.
pub trait Reader: View {
    /// Goes on to what is there now.
    fn refresh(&self) -> Result<()>;
}

/// An open store.
pub trait Store: View {
    /// Applies `batch`; returns once what `level` promises holds.
    fn write(&mut self, batch: &Batch, level: Level) -> Result<()>;
    /// The content as it is now, whatever is written later.
    fn snapshot(&self) -> Result<Box<dyn View>>;
    /// Makes all that was written survive the end of the power.
    fn flush(&mut self) -> Result<()>;
    /// Rewrites what is stored.
    fn compact(&mut self) -> Result<()>;
    /// Does what the store does when nobody writes.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }
    /// Begins to rewrite what is stored, beside what follows if the store can.
    fn compact_aside(&mut self) -> Result<()> {
        self.compact()
    }
    /// Checks what is stored.
    fn verify(&self) -> Result<()>;
    /// Applies `batch`, in which no key comes twice, from a table made elsewhere.
    fn ingest(&mut self, batch: &Batch) -> Result<()> {
        self.write(batch, Level::Power)
    }
    /// Makes a copy and gives what it holds, if the store can.
    fn copy(&mut self) -> Result<Option<Pairs>> {
        Ok(None)
    }
    /// A place among the keys as they are now, if the store has such.
    fn place(&self) -> Option<Box<dyn Place>> {
        None
    }
    /// Opens the store once more, for reading beside this one, if that can be.
    fn reader(&self) -> Result<Option<Box<dyn Reader>>> {
        Ok(None)
    }
    /// The number of the last write, if writes have numbers: it never goes back.
    fn sequence(&self) -> Option<u64> {
        None
    }
    /// What is wrong with the files in the store's directory: unknown ones, missing ones.
    fn check_files(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Opens stores of one kind.
pub trait Opener {
    /// Opens the store on `vfs`, creating it if there is none, with the settings numbered
    /// `variant`.
    fn open(&self, vfs: &SimVfs, variant: u64) -> Result<Box<dyn Store>>;
}
