//! One file: what is on the disk, what the page cache holds, and the writes between them.

use super::coverage::{Fault, Site};
use super::cut::DataFate;
use crate::random::Random;

/// Bytes that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// A write that was not synced.
#[derive(Clone, Debug)]
struct Pending {
    offset: usize,
    bytes: Vec<u8>,
    site: Site,
}

/// A file's content, twice.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    /// What processes read.
    cached: Vec<u8>,
    /// What the disk holds.
    durable: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<Pending>,
}

/// Writes `bytes` at `offset`, with zeros before it where the file ends earlier.
fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// What happened to a write, if `fate` did anything: one that only lets the file be longer needs
/// `is_longer`.
fn fault_of(fate: DataFate, is_longer: bool) -> Option<Fault> {
    Some(match fate {
        DataFate::Lost => Fault::Lost,
        DataFate::Kept => Fault::Kept,
        DataFate::Torn | DataFate::Mixed => Fault::Torn,
        DataFate::Sectors => Fault::Sectors,
        DataFate::Zeroed if is_longer => Fault::Zeroed,
        DataFate::Stale if is_longer => Fault::Stale,
        DataFate::Zeroed | DataFate::Stale => return None,
    })
}

impl Inode {
    pub fn cached(&self) -> &[u8] {
        &self.cached
    }

    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    pub fn write(&mut self, offset: usize, bytes: &[u8], site: Site) {
        if bytes.is_empty() {
            return;
        }
        overwrite(&mut self.cached, offset, bytes);
        self.pending.push(Pending { offset, bytes: bytes.to_vec(), site });
    }

    /// The pending writes reach the disk. What a failed sync dropped is not among them.
    pub fn sync(&mut self) {
        for write in self.pending.drain(..) {
            overwrite(&mut self.durable, write.offset, &write.bytes);
        }
    }

    /// A sync that fails: each pending write may have reached the disk, in part; none is tried
    /// again. The cache keeps showing them, unless the system has let the pages go.
    pub fn fail_sync(&mut self, are_gone: bool, random: &mut Random) {
        self.settle(DataFate::Mixed, &[], random, &mut |_, _| {});
        if are_gone {
            self.cached = self.durable.clone();
        }
    }

    /// The power goes: pending writes fare as `fate` says, and the cache is gone.
    /// `tell` is told what became of the writes of each site.
    pub fn cut(
        &mut self,
        fate: DataFate,
        stale: &[Vec<u8>],
        random: &mut Random,
        tell: &mut dyn FnMut(Site, Fault),
    ) {
        self.settle(fate, stale, random, tell);
        self.cached = self.durable.clone();
    }

    /// Changes the content on disk and in the cache alike: damage at rest.
    pub fn damage(&mut self, change: impl Fn(&mut Vec<u8>)) {
        change(&mut self.cached);
        change(&mut self.durable);
    }

    fn settle(
        &mut self,
        fate: DataFate,
        stale: &[Vec<u8>],
        random: &mut Random,
        tell: &mut dyn FnMut(Site, Fault),
    ) {
        // Often a whole file fares one way while its neighbour fares another.
        let fate = match fate {
            DataFate::Mixed if random.chance(1, 4) => DataFate::Lost,
            DataFate::Mixed if random.chance(1, 3) => DataFate::Kept,
            other => other,
        };
        // In a torn file the writes before the tear are whole and those after it are lost.
        let torn_at = random.index(self.pending.len());
        for (number, write) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let fate = match fate {
                DataFate::Mixed => random.pick(DataFate::EACH),
                DataFate::Torn if number < torn_at => DataFate::Kept,
                DataFate::Torn if number > torn_at => DataFate::Lost,
                other => other,
            };
            let is_longer = write.offset + write.bytes.len() > self.durable.len();
            self.settle_one(&write, fate, stale, random);
            fault_of(fate, is_longer).into_iter().for_each(|fault| tell(write.site, fault));
        }
    }

    fn settle_one(
        &mut self,
        write: &Pending,
        fate: DataFate,
        stale: &[Vec<u8>],
        random: &mut Random,
    ) {
        let (offset, bytes) = (write.offset, &write.bytes);
        match fate {
            DataFate::Lost => {}
            DataFate::Kept => overwrite(&mut self.durable, offset, bytes),
            DataFate::Torn | DataFate::Mixed => {
                let length = random.index(bytes.len() + 1);
                overwrite(&mut self.durable, offset, &bytes[..length]);
            }
            DataFate::Sectors => {
                let end = offset + bytes.len();
                let mut at = offset;
                while at < end {
                    let next = end.min((at / SECTOR + 1) * SECTOR);
                    if random.chance(1, 2) {
                        overwrite(&mut self.durable, at, &bytes[at - offset..next - offset]);
                    }
                    at = next;
                }
            }
            DataFate::Zeroed => self.extend(offset + bytes.len(), |_| 0),
            DataFate::Stale => {
                let old = stale.get(random.index(stale.len()));
                let mut noise = random.clone();
                random.bits();
                self.extend(offset + bytes.len(), |at| match old.and_then(|old| old.get(at)) {
                    Some(byte) => *byte,
                    None => noise.bits() as u8,
                });
            }
        }
    }

    /// The file's length reached the disk, its new blocks did not: they hold what `byte` says.
    /// Blocks that the file had before are not touched.
    fn extend(&mut self, end: usize, mut byte: impl FnMut(usize) -> u8) {
        while self.durable.len() < end {
            let next = byte(self.durable.len());
            self.durable.push(next);
        }
    }
}
