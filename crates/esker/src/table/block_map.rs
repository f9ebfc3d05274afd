//! Every frame of a table's file, for those who want to look.

use super::Table;
use super::index::{TableIndex, read_index};
use crate::base::error::Result;
use crate::frame::FrameKind;
use crate::index::Handle;

/// One frame of a table's file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockInfo {
    /// What the frame holds.
    pub kind: FrameKind,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Bytes in the file, the frame's header included.
    pub stored_bytes: u64,
    /// Bytes of the block, decompressed.
    pub raw_bytes: u64,
    /// Codec of the block: `none`, `lz4` or `zstd`.
    pub compression: &'static str,
    /// Entries of a block, keys of a filter; zero for the properties.
    pub entries: u32,
    /// The fence: a short key not above the block's first and above all before it. Empty where
    /// there is none.
    pub fence: Vec<u8>,
}

impl Table {
    /// Every frame of the file, in the order in which they stand.
    ///
    /// Reads sixteen bytes of each frame.
    ///
    /// # Errors
    /// `Corruption` or `Io` if a frame's header cannot be read.
    pub fn blocks(&self) -> Result<Vec<BlockInfo>> {
        let frames = self.frames()?;
        frames.into_iter().map(|(kind, handle, fence)| self.describe(kind, handle, fence)).collect()
    }

    /// The block in the frame at byte `offset`, decompressed; `None` if no frame begins there.
    ///
    /// # Errors
    /// `Corruption` or `Io` if the frame cannot be read.
    pub fn block_bytes(&self, offset: u64) -> Result<Option<Vec<u8>>> {
        let frames = self.frames()?;
        let found = frames.into_iter().find(|(_, handle, _)| handle.offset == offset);
        found.map(|(kind, handle, _)| self.0.read_meta(&handle, kind)).transpose()
    }

    /// Kind, handle and fence of every frame, in the order in which they stand.
    pub(super) fn frames(&self) -> Result<Vec<(FrameKind, Handle, Vec<u8>)>> {
        let inner = &*self.0;
        let footer = &inner.footer;
        let mut frames = vec![(FrameKind::Properties, footer.properties, Vec::new())];
        for (directory, kind) in
            [(footer.index, FrameKind::Index), (footer.filters, FrameKind::Filter)]
        {
            if directory.frame_len == 0 {
                continue;
            }
            frames.push((FrameKind::Index, directory, Vec::new()));
            let pages = read_index(inner, &directory)?;
            for (i, page) in pages.handles().enumerate() {
                frames.push((kind, page, pages.fence(i).unwrap_or_default()));
                if kind == FrameKind::Index {
                    let index = read_index(inner, &page)?;
                    frames.extend(index.handles().enumerate().map(|(i, data)| {
                        (FrameKind::Data, data, index.fence(i).unwrap_or_default())
                    }));
                }
            }
        }
        frames.sort_by_key(|(_, handle, _)| handle.offset);
        Ok(frames)
    }

    fn describe(&self, kind: FrameKind, handle: Handle, fence: Vec<u8>) -> Result<BlockInfo> {
        let header = self.0.frame_header(&handle)?;
        Ok(BlockInfo {
            kind,
            offset: handle.offset,
            stored_bytes: handle.frame_len.into(),
            raw_bytes: header.raw_len.into(),
            compression: header.codec_name(),
            entries: handle.entries,
            fence,
        })
    }

    /// Whether the whole index is in memory, or only its directory.
    pub fn is_index_resident(&self) -> bool {
        matches!(self.0.index, TableIndex::Resident(_))
    }
}
