//! Input formats: streams of bytes into keys with values.

mod delimited;
mod lines;
mod structured;
#[cfg(test)]
mod tests;

pub use delimited::{Delimited, Tabbed};
pub use lines::Lines;
pub use structured::{Csv, JsonLines};

/// A key with its value, the end of the input, or what is wrong with it.
pub type Record<'r> = Result<Option<(&'r [u8], &'r [u8])>, String>;

/// A source of records.
pub trait Records {
    /// The next key and value, borrowed until the next call; `None` at the end of the input.
    ///
    /// # Errors
    /// What is wrong, with the number of the line or record.
    fn next(&mut self) -> Record<'_>;

    /// Bytes of the input that were taken so far.
    fn taken_bytes(&self) -> u64;
}
