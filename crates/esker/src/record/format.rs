//! Bytes of a record file: the log and the manifest. Normative text: `docs/format.md#record-file`.
//!
//! ```text
//! header, at the start                       record, behind the header or the one before
//! offset  size  field                        offset  size  field
//!      0     8  magic of the kind                 0     4  CRC-32C of the rest of the record, of
//!      8     4  format version                            its offset and of the file's number
//!     12     4  zero                              4     4  len: bytes of the payload, at least 1
//!     16     8  number of the file                8     4  stamp of the file
//!     24     8  previous: see the kind           12   len  payload
//!     32     4  CRC-32C of bytes 0..32
//!               (and of offset 0)
//!     36     4  zero
//! ```

/// First eight bytes of a log.
pub const LOG_MAGIC: [u8; 8] = *b"eskerlog";
/// First eight bytes of a manifest.
pub const MANIFEST_MAGIC: [u8; 8] = *b"eskerman";
/// Version of both that this code writes, and the only one that it reads.
pub(super) const FORMAT_VERSION: u32 = 2;

pub(super) const VERSION_AT: usize = 8;
pub(super) const NUMBER_AT: usize = 16;
pub(super) const PREVIOUS_AT: usize = 24;
pub(super) const HEADER_SUM_AT: usize = 32;
/// Bytes of the header of the file.
pub const FILE_HEADER_LEN: usize = 40;

pub(super) const LEN_AT: usize = 4;
pub(super) const STAMP_AT: usize = 8;
/// What the number of the file is multiplied with for the stamp.
pub(super) const STAMP_FACTOR: u32 = 0x9e37_79b1;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER_LEN: usize = 12;
