//! Bytes that are kept for long.
//!
//! Those that are many have pages of their own, as a [`Chunk`](super::chunk::Chunk) has: among what
//! comes and goes in a heap they would leave holes as large as themselves.

use std::ops::Deref;

/// Fewest bytes that are worth pages of their own.
const OWN_PAGES_MIN: usize = 64 << 10;

/// Bytes that do not change, apart from the allocator if they are many.
#[derive(Debug)]
pub struct Lasting(Memory);

#[derive(Debug)]
enum Memory {
    Allocated(Box<[u8]>),
    #[cfg(unix)]
    Own(memmap2::MmapMut),
}

impl Lasting {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Lasting {
        Lasting::in_own_pages(bytes).unwrap_or_else(|| Lasting(Memory::Allocated(bytes.into())))
    }

    #[cfg(unix)]
    fn in_own_pages(bytes: &[u8]) -> Option<Lasting> {
        if bytes.len() < OWN_PAGES_MIN {
            return None;
        }
        let mut memory = memmap2::MmapMut::map_anon(bytes.len()).ok()?;
        memory.copy_from_slice(bytes);
        Some(Lasting(Memory::Own(memory)))
    }

    #[cfg(not(unix))]
    fn in_own_pages(_: &[u8]) -> Option<Lasting> {
        None
    }
}

impl Default for Lasting {
    fn default() -> Lasting {
        Lasting(Memory::Allocated(Box::default()))
    }
}

impl Deref for Lasting {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Allocated(bytes) => bytes,
            #[cfg(unix)]
            Memory::Own(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_wherever_they_stand() {
        for len in [0, 1, OWN_PAGES_MIN - 1, OWN_PAGES_MIN, OWN_PAGES_MIN + 1] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let lasting = Lasting::new(&bytes);
            assert_eq!(*lasting, bytes);
            let is_own = !matches!(lasting.0, Memory::Allocated(_));
            assert_eq!(is_own, cfg!(unix) && len >= OWN_PAGES_MIN, "{len}");
        }
    }
}
