//! The head of each file of the pool: which name it bears.
//!
//! A head has two places, written in turn, so that one of them is whole at any time. Each, at byte
//! 0 and at byte 2048 of the file:
//!
//! ```text
//! offset  size  field
//!      0     8  magic "eskerslt"
//!      8     4  CRC-32C of what follows, up to the end of the name
//!     12     4  bytes of the name; zero if the file is free
//!     16     8  generation: of two files with one name, the higher counts
//!     24        the name, UTF-8
//! ```

/// Bytes of a file before its content.
pub const HEAD_LEN: u64 = 4096;
/// Bytes of one place.
pub const PLACE_LEN: usize = 2048;

const MAGIC: &[u8; 8] = b"eskerslt";
const NAME_AT: usize = 24;
/// Most bytes of a name.
pub const NAME_LEN_MAX: usize = PLACE_LEN - NAME_AT;

/// What a place says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Rises with every head that is written.
    pub generation: u64,
    /// Empty for a free file.
    pub name: String,
}

impl Head {
    /// The bytes of one place.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(self.name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        let checksum = checksum(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What the bytes of a place say; `None` if they are none.
    pub fn decode(place: &[u8]) -> Option<Head> {
        let rest = place.strip_prefix(MAGIC)?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let covered = rest.get(..NAME_AT - 12 + len)?;
        let (generation, name) = tail.get(..8 + len)?.split_first_chunk::<8>()?;
        (checksum(covered) == u32::from_le_bytes(*sum)).then_some(())?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        Some(Head { generation: u64::from_le_bytes(*generation), name })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes)
}
