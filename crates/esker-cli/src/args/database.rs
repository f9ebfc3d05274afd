//! Arguments of the commands that are for databases alone.

use super::{Durability, Formats, Reading, Sorting, parse_size};
use crate::bytes::Bytes;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Put {
    /// Directory of the database; made if there is none.
    pub directory: PathBuf,
    /// The key: text, hex:… or base64:…
    #[arg(required_unless_present = "input")]
    pub key: Option<Bytes>,
    /// The value, in the same forms.
    #[arg(required_unless_present = "input")]
    pub value: Option<Bytes>,
    /// Put the records of this file, or of standard input (`-`), one by one, and print each key
    /// when its write is acknowledged. `load` is faster, but takes all or nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "value"])]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub formats: Formats,
    /// What a write survives once it is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Process)]
    pub durability: Durability,
}

#[derive(Debug, Args)]
pub struct Delete {
    /// Directory of the database.
    pub directory: PathBuf,
    /// The key: text, hex:… or base64:…
    pub key: Bytes,
    /// What the deletion survives once it is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Process)]
    pub durability: Durability,
}

#[derive(Debug, Args)]
pub struct Load {
    /// Directory of the database; made if there is none.
    pub directory: PathBuf,
    /// File of records; `-` for standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,
    #[command(flatten)]
    pub formats: Formats,
    #[command(flatten)]
    pub sorting: Sorting,
    /// Bytes of a table at which the next is begun.
    #[arg(long, value_name = "BYTES", default_value = "32MiB", value_parser = parse_size)]
    pub table_size: usize,
}

#[derive(Debug, Args)]
pub struct Flush {
    /// Directory of the database.
    pub directory: PathBuf,
}

#[derive(Debug, Args)]
pub struct Compact {
    /// Directory of the database.
    pub directory: PathBuf,
    /// First key.
    #[arg(long, value_name = "KEY")]
    pub start: Option<Bytes>,
    /// Key to end before.
    #[arg(long, value_name = "KEY")]
    pub end: Option<Bytes>,
}

#[derive(Debug, Args)]
pub struct Checkpoint {
    /// Directory of the database.
    pub directory: PathBuf,
    /// Directory for the copy: new or empty, on the same file system.
    pub target: PathBuf,
}

#[derive(Debug, Args)]
pub struct Repair {
    /// Directory of the database; it stays as it is.
    pub directory: PathBuf,
    /// Only tell what can be saved.
    #[arg(long, required_unless_present = "to", conflicts_with = "to")]
    pub preview: bool,
    /// Directory for a new database with what can be saved: new or empty.
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Destroy {
    /// Directory of the database.
    pub directory: PathBuf,
    /// Remove it; without this, only tell what would be removed.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Stats {
    /// Directory of the database.
    pub directory: PathBuf,
    /// Look again once a second, until interrupted.
    #[arg(long)]
    pub watch: bool,
    /// Print JSON, for programs: an object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Space {
    /// Directory of the database: of esker, LevelDB or RocksDB.
    pub directory: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON object, for programs.
    #[arg(long)]
    pub json: bool,
}
