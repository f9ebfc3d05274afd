//! Writers of LevelDB's files: its tables, and whole databases that it opens as its own.
//!
//! - `block`: entries with shared prefixes, and how a block is stored.
//! - `filter`: the Bloom filters of a table.
//! - `table`: blocks, filters, index and footer ([`LevelDbTable`]).
//! - `record`: the fragments of logs and manifests, and the one record that a manifest gets.
//! - `directory`: tables, manifest, `CURRENT` and an empty log ([`LevelDbWriter`]).

mod block;
mod directory;
mod filter;
mod record;
mod table;

pub use directory::{LevelDbSummary, LevelDbWriter};
pub use table::{LevelDbCompression, LevelDbSettings, LevelDbTable, LevelDbTableSummary};
