//! What a table knows of itself.

use crate::base::coding::u64_at;
use crate::base::key::Entry;
use crate::base::key::ValueKind;
use crate::block::{BlockBuilder, BlockView, Layout};

/// Counts, sizes and bounds of a table, gathered when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// Entries, tombstones and older versions included.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// Bytes of all keys, one for each entry.
    pub raw_key_bytes: u64,
    /// Bytes of all values.
    pub raw_value_bytes: u64,
    /// Bytes of the keys of tombstones.
    pub tombstone_bytes: u64,
    /// Data blocks.
    pub data_blocks: u64,
    /// Bytes of the data blocks before compression.
    pub data_raw_bytes: u64,
    /// Bytes of the data blocks' frames in the file.
    pub data_stored_bytes: u64,
    /// Bytes of the index, all levels.
    pub index_bytes: u64,
    /// Bytes of the filters.
    pub filter_bytes: u64,
    /// Filter bits for each key; zero if there is no filter.
    pub filter_bits_per_key: u64,
    /// Smallest key; empty if there is none.
    pub smallest_key: Vec<u8>,
    /// Largest key; empty if there is none.
    pub largest_key: Vec<u8>,
    /// Smallest sequence number; zero if there is no entry.
    pub smallest_sequence: u64,
    /// Largest sequence number; zero if there is no entry.
    pub largest_sequence: u64,
    /// Name of the compression that the writer was set to: `none`, `lz4` or `zstd`.
    pub compression: String,
    /// What the writer was told of the table's origin.
    pub description: String,
    /// Time of creation in seconds since 1970; zero if not told.
    pub created_unix_seconds: u64,
}

impl Properties {
    /// Counts `entry`, which has another key than the one before it if `is_new_key`.
    pub(super) fn count(&mut self, entry: Entry<'_>, is_new_key: bool) {
        let is_tombstone = entry.kind == ValueKind::Tombstone;
        if self.entries == 0 {
            self.smallest_key = entry.key.to_vec();
            self.smallest_sequence = entry.sequence;
        }
        self.entries += 1;
        self.keys += u64::from(is_new_key);
        self.tombstones += u64::from(is_tombstone);
        self.raw_key_bytes += entry.key.len() as u64;
        self.raw_value_bytes += entry.value.len() as u64;
        self.tombstone_bytes += if is_tombstone { entry.key.len() as u64 } else { 0 };
        self.smallest_sequence = self.smallest_sequence.min(entry.sequence);
        self.largest_sequence = self.largest_sequence.max(entry.sequence);
    }

    fn numbers(&mut self) -> [(&'static str, &mut u64); 15] {
        [
            ("created_unix_seconds", &mut self.created_unix_seconds),
            ("data_blocks", &mut self.data_blocks),
            ("data_raw_bytes", &mut self.data_raw_bytes),
            ("data_stored_bytes", &mut self.data_stored_bytes),
            ("entries", &mut self.entries),
            ("filter_bits_per_key", &mut self.filter_bits_per_key),
            ("filter_bytes", &mut self.filter_bytes),
            ("index_bytes", &mut self.index_bytes),
            ("keys", &mut self.keys),
            ("largest_sequence", &mut self.largest_sequence),
            ("raw_key_bytes", &mut self.raw_key_bytes),
            ("raw_value_bytes", &mut self.raw_value_bytes),
            ("smallest_sequence", &mut self.smallest_sequence),
            ("tombstone_bytes", &mut self.tombstone_bytes),
            ("tombstones", &mut self.tombstones),
        ]
    }

    /// The block of the properties; see `docs/format.md#properties`.
    pub(super) fn encode(mut self) -> Vec<u8> {
        let mut all = vec![
            ("compression", std::mem::take(&mut self.compression).into_bytes()),
            ("description", std::mem::take(&mut self.description).into_bytes()),
            ("largest_key", std::mem::take(&mut self.largest_key)),
            ("smallest_key", std::mem::take(&mut self.smallest_key)),
        ];
        for (name, number) in self.numbers() {
            all.push((name, number.to_le_bytes().to_vec()));
        }
        all.sort();
        let mut builder = BlockBuilder::default();
        for (name, value) in &all {
            builder.push(Entry::put(name.as_bytes(), value), None);
        }
        let mut block = Vec::new();
        builder.finish(&mut block);
        block
    }

    /// Reads what [`Properties::encode`] made; names that it does not know are passed over.
    ///
    /// # Errors
    /// What is wrong, with the value found.
    pub(super) fn decode(block: &[u8]) -> Result<Properties, (&'static str, u64)> {
        let layout = Layout::parse(block)?;
        let view = BlockView::new(block, &layout);
        let mut properties = Properties::default();
        for i in 0..view.count() {
            let broken = ("property", i as u64);
            let (name, value) = (view.key(i).ok_or(broken)?, view.value(i).ok_or(broken)?);
            let text = || String::from_utf8(value.to_vec()).map_err(|_| broken);
            match &name[..] {
                b"smallest_key" => properties.smallest_key = value.to_vec(),
                b"largest_key" => properties.largest_key = value.to_vec(),
                b"compression" => properties.compression = text()?,
                b"description" => properties.description = text()?,
                _ => properties.set_number(&name, value).ok_or(broken)?,
            }
        }
        Ok(properties)
    }

    fn set_number(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let mut numbers = self.numbers();
        if let Some((_, number)) = numbers.iter_mut().find(|(known, _)| known.as_bytes() == name) {
            **number = u64_at(value, 0).filter(|_| value.len() == 8)?;
        }
        Some(())
    }
}
