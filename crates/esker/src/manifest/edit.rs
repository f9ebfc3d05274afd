//! Edits: what changes in a database, and the bytes of it.

use super::format::*;
use crate::base::coding::{u32_at, u64_at};
use crate::version::TableMeta;

/// What changes. A manifest begins with one that says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The oldest log that is still needed.
    pub log_number: Option<u64>,
    /// No file has this number or a larger one.
    pub next_number: Option<u64>,
    /// The last sequence number in any table.
    pub last_sequence: Option<u64>,
    /// Tables that come, with their levels.
    pub added: Vec<(u8, TableMeta)>,
    /// Tables that go: levels and numbers.
    pub removed: Vec<(u8, u64)>,
}

impl Edit {
    /// Appends the bytes of the edit.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let numbers = [
            (TAG_LOG, self.log_number),
            (TAG_NEXT_NUMBER, self.next_number),
            (TAG_LAST_SEQUENCE, self.last_sequence),
        ];
        for (tag, number) in numbers {
            if let Some(number) = number {
                out.push(tag);
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        for (level, number) in &self.removed {
            out.extend_from_slice(&[TAG_REMOVED, *level]);
            out.extend_from_slice(&number.to_le_bytes());
        }
        for (level, table) in &self.added {
            out.extend_from_slice(&[TAG_ADDED, *level]);
            for number in numbers_of(table) {
                out.extend_from_slice(&number.to_le_bytes());
            }
            for key in [&table.smallest, &table.largest] {
                out.extend_from_slice(&(key.len() as u32).to_le_bytes());
                out.extend_from_slice(key);
            }
        }
    }

    /// Reads an edit.
    ///
    /// # Errors
    /// Where in `bytes` it stops making sense.
    pub(super) fn decode(bytes: &[u8]) -> Result<Edit, usize> {
        let mut fields = Fields { bytes, at: 0 };
        let mut edit = Edit::default();
        while fields.at < bytes.len() {
            let at = fields.at;
            fields.field(&mut edit).ok_or(at)?;
        }
        Ok(edit)
    }
}

fn numbers_of(table: &TableMeta) -> [u64; 8] {
    [
        table.number,
        table.file_bytes,
        table.entries,
        table.tombstones,
        table.smallest_sequence,
        table.largest_sequence,
        table.digest,
        table.ingested_at.map_or(0, |at| at + 1),
    ]
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let number = u64_at(self.bytes, self.at)?;
        self.at += size_of::<u64>();
        Some(number)
    }

    fn key(&mut self) -> Option<Box<[u8]>> {
        let len = u32_at(self.bytes, self.at)? as usize;
        let start = self.at + size_of::<u32>();
        let key = self.bytes.get(start..start.checked_add(len)?)?;
        self.at = start + len;
        Some(key.into())
    }

    fn field(&mut self, edit: &mut Edit) -> Option<()> {
        match self.byte()? {
            TAG_LOG => edit.log_number = Some(self.number()?),
            TAG_NEXT_NUMBER => edit.next_number = Some(self.number()?),
            TAG_LAST_SEQUENCE => edit.last_sequence = Some(self.number()?),
            TAG_REMOVED => {
                let level = self.byte()?;
                edit.removed.push((level, self.number()?));
            }
            TAG_ADDED => {
                let level = self.byte()?;
                edit.added.push((level, self.table()?));
            }
            _ => return None,
        }
        Some(())
    }

    fn table(&mut self) -> Option<TableMeta> {
        Some(TableMeta {
            number: self.number()?,
            file_bytes: self.number()?,
            entries: self.number()?,
            tombstones: self.number()?,
            smallest_sequence: self.number()?,
            largest_sequence: self.number()?,
            digest: self.number()?,
            ingested_at: self.number()?.checked_sub(1),
            smallest: self.key()?,
            largest: self.key()?,
        })
    }
}
