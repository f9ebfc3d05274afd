//! Checks a whole table: every byte, every order, every count.

use super::Table;
use super::bytes::BlockBytes;
use super::format::{FOOTER_LEN, HEADER_LEN};
use super::index::read_filter;
use super::properties::Properties;
use super::read::Inner;
use crate::base::error::{Error, Result};
use crate::base::hash::{hash_tag, key_hash};
use crate::base::key::Entry;
use crate::block::BlockView;
use crate::cache::KeptBlocks;
use crate::filter;
use crate::frame::FrameKind;
use crate::index::Handle;
use xxhash_rust::xxh3::Xxh3;

/// What was checked and found sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Frames whose checksum and place are right.
    pub frames: u64,
    /// Entries that are in order and decode.
    pub entries: u64,
    /// Keys that the filters know.
    pub filtered_keys: u64,
    /// Bytes of the file, all of them covered by a checksum.
    pub bytes: u64,
}

impl Table {
    /// Reads the whole table and checks it: that the frames fill the file without a gap, every
    /// checksum, the order of keys and versions, fences against keys, filters against keys, and
    /// all counts. `progress` is told the bytes done and the bytes in all, from time to time.
    ///
    /// # Errors
    /// The first thing wrong, as `Corruption` with its place.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        self.verify_keeping(progress, &mut KeptBlocks::default())
    }

    /// As [`Table::verify`]; puts the data blocks into `kept`.
    pub(crate) fn verify_keeping(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        kept: &mut KeptBlocks,
    ) -> Result<VerifyReport> {
        let frames = self.frames()?;
        let mut check = Check::new(&self.0, &frames);
        check.tiling()?;
        let total = self.file_bytes();
        for (number, (kind, handle, fence)) in frames.iter().enumerate() {
            match kind {
                FrameKind::Data => kept.push(check.data(handle, fence)?, self.0.properties.home()),
                _ => drop(self.0.read_meta(handle, *kind)?),
            }
            check.report.frames += 1;
            if number % 256 == 0 {
                progress(handle.end(), total);
            }
        }
        check.counts()?;
        check.report.bytes = total;
        progress(total, total);
        Ok(check.report)
    }
}

struct Check<'t> {
    table: &'t Inner,
    frames: &'t [(FrameKind, Handle, Vec<u8>)],
    last_key: Vec<u8>,
    last_sequence: u64,
    counted: Properties,
    report: VerifyReport,
    /// The data block at hand.
    block: BlockBytes,
    /// The filter for the keys at hand, with the fences and handles of all.
    filter: BlockBytes,
    filters: std::vec::IntoIter<(Vec<u8>, Handle)>,
}

impl<'t> Check<'t> {
    fn new(table: &'t Inner, frames: &'t [(FrameKind, Handle, Vec<u8>)]) -> Check<'t> {
        let filters = frames.iter().filter(|(kind, ..)| *kind == FrameKind::Filter);
        let mut filters: Vec<_> = filters.map(|(_, h, fence)| (fence.clone(), *h)).collect();
        filters.sort_by(|a, b| a.0.cmp(&b.0));
        Check {
            table,
            frames,
            last_key: Vec::new(),
            last_sequence: 0,
            counted: Properties::default(),
            report: VerifyReport::default(),
            block: BlockBytes::default(),
            filter: BlockBytes::default(),
            filters: filters.into_iter(),
        }
    }

    fn corrupt(&self, at: u64, what: &'static str, expected: u64, found: u64) -> Error {
        Error::corruption(&self.table.name, at, what, expected, found)
    }

    /// Frames stand one after another from the header to the footer, and their checksums give
    /// the footer's digest.
    fn tiling(&self) -> Result<()> {
        let mut digest = Xxh3::new();
        let mut end = HEADER_LEN as u64;
        for (_, handle, _) in self.frames {
            if handle.offset != end {
                return Err(self.corrupt(end, "frame place", end, handle.offset));
            }
            end = handle.end();
            digest.update(&handle.checksum.to_le_bytes());
        }
        let footer_at = self.table.footer.file_len - FOOTER_LEN as u64;
        if end != footer_at {
            return Err(self.corrupt(end, "end of frames", footer_at, end));
        }
        let (expected, found) = (self.table.footer.digest, digest.digest());
        if expected != found {
            return Err(self.corrupt(footer_at, "table digest", expected, found));
        }
        Ok(())
    }

    /// Checks a data block, and lends it.
    fn data(&mut self, handle: &Handle, fence: &[u8]) -> Result<&[u8]> {
        let reuse = std::mem::take(&mut self.block);
        let block = self.table.read_frame(handle, FrameKind::Data, reuse)?;
        let layout = self.table.layout(&block, handle)?;
        let view = BlockView::new(self.table.bytes(&block), &layout);
        let at = handle.offset;
        if view.count() != handle.entries as usize {
            let (expected, found) = (handle.entries.into(), view.count() as u64);
            return Err(self.corrupt(at, "block entry count", expected, found));
        }
        let next_fence = self.filters.as_slice().first().map(|(fence, _)| fence);
        if next_fence.is_some_and(|next| next == fence)
            && let Some((_, handle)) = self.filters.next()
        {
            self.filter = read_filter(self.table, &handle)?;
        }
        if self.counted.entries > 0 && fence <= &self.last_key[..] {
            let error = ("fence above the key before", self.counted.entries);
            return Err(self.table.corrupt(handle, error));
        }
        let mut buffer = Vec::new();
        view.write_prefix(&mut buffer);
        for i in 0..view.count() {
            let broken = || self.table.corrupt(handle, ("block entry", i as u64));
            let key_len = view.write_key(i, &mut buffer).ok_or_else(broken)?;
            let key = buffer.get(..key_len).ok_or_else(broken)?;
            let (sequence, kind) = view.meta(i).ok_or_else(broken)?;
            let value = view.value(i).ok_or_else(broken)?;
            let entry = Entry { key, value, sequence, kind };
            entry.check().map_err(|_| broken())?;
            if i == 0 && key < fence {
                return Err(self.table.corrupt(handle, ("fence not above the first key", 0)));
            }
            let hash = key_hash(key);
            if view.tag(i).is_some_and(|tag| tag != hash_tag(hash)) {
                return Err(self.table.corrupt(handle, ("block tag", i as u64)));
            }
            self.entry(entry, hash, handle)?;
        }
        self.counted.data_blocks += 1;
        self.block = block;
        Ok(self.table.bytes(&self.block))
    }

    fn entry(&mut self, entry: Entry<'_>, hash: u64, handle: &Handle) -> Result<()> {
        let is_first = self.counted.entries == 0;
        let order = entry.key.cmp(&self.last_key);
        let is_new_key = is_first || order.is_ne();
        let is_next_version = order.is_eq() && entry.sequence < self.last_sequence;
        if !is_first && !order.is_gt() && !is_next_version {
            return Err(self.table.corrupt(handle, ("entry order", self.counted.entries)));
        }
        let filter = self.table.bytes(&self.filter);
        if is_new_key && !filter.is_empty() {
            if !filter::may_contain(filter, hash) {
                return Err(self.table.corrupt(handle, ("filter for key", self.counted.entries)));
            }
            self.report.filtered_keys += 1;
        }
        self.counted.count(entry, is_new_key);
        self.report.entries += 1;
        if is_new_key {
            self.last_key.clear();
            self.last_key.extend_from_slice(entry.key);
        }
        self.last_sequence = entry.sequence;
        Ok(())
    }

    /// What was counted is what the properties say.
    fn counts(&self) -> Result<()> {
        let at = self.table.footer.properties.offset;
        let (said, counted) = (&self.table.properties, &self.counted);
        for (what, expected, found) in [
            ("property entries", said.entries, counted.entries),
            ("property keys", said.keys, counted.keys),
            ("property tombstones", said.tombstones, counted.tombstones),
            ("property raw_key_bytes", said.raw_key_bytes, counted.raw_key_bytes),
            ("property raw_value_bytes", said.raw_value_bytes, counted.raw_value_bytes),
            ("property tombstone_bytes", said.tombstone_bytes, counted.tombstone_bytes),
            ("property data_blocks", said.data_blocks, counted.data_blocks),
            ("property smallest_sequence", said.smallest_sequence, counted.smallest_sequence),
            ("property largest_sequence", said.largest_sequence, counted.largest_sequence),
        ] {
            if expected != found {
                return Err(self.corrupt(at, what, expected, found));
            }
        }
        for (what, said, found) in [
            ("property smallest_key", &said.smallest_key, &counted.smallest_key),
            ("property largest_key", &said.largest_key, &self.last_key),
        ] {
            if said != found {
                let (said, found) = (said.escape_ascii(), found.escape_ascii());
                return Err(Error::corruption(&self.table.name, at, what, said, found));
            }
        }
        Ok(())
    }
}
