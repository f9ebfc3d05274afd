//! Arguments of the commands that move data between engines, and compare it.

use super::{Codec, Formats, Reading, parse_size};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Take a LevelDB or RocksDB database into a new one, and check every entry
    ///
    /// What it writes first goes to the directory NEWDB.import, which goes away at the end. If it
    /// is interrupted, the same command goes on where it was. Nothing in DIR is changed.
    Import(Import),
    /// Write all keys and values of a table or database in another form
    Export(Export),
    /// Compare two tables, databases or files of records, key by key
    ///
    /// Each line begins with a sign and a space: `-` for a key that only A has, `+` for one that
    /// only B has, `<` and `>` for the values that A and B have under one key. The summary goes to
    /// standard error.
    ///
    /// Exit status: 0 equal, 1 different, 2 bad input, 3 corrupt.
    Diff(Diff),
}

#[derive(Debug, Args)]
pub struct Import {
    /// Directory of the LevelDB or RocksDB database; nothing in it is changed.
    #[arg(value_name = "DIR")]
    pub source: PathBuf,
    /// Directory of the database to make.
    #[arg(value_name = "NEWDB")]
    pub database: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
    /// Bytes of a table at which the next is begun.
    #[arg(long, value_name = "BYTES", default_value = "32MiB", value_parser = parse_size)]
    pub table_size: usize,
    /// How blocks are compressed.
    #[arg(long, value_enum, default_value_t = Codec::Lz4)]
    pub compression: Codec,
    /// Bytes of keys and values at which a block is closed.
    #[arg(long, value_name = "BYTES", default_value = "8KiB", value_parser = parse_size)]
    pub block_size: usize,
    /// Filter bits for each key; 0 for no filter.
    #[arg(long, value_name = "BITS", default_value_t = 10)]
    pub filter_bits: u32,
    /// Give up what an interrupted import has written, and begin anew.
    #[arg(long)]
    pub restart: bool,
    /// Print the report as one JSON object, for programs.
    #[arg(long)]
    pub json: bool,
}

/// What an export writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One JSON object a line; `key_hex` and `value_hex` for what is not UTF-8.
    Ndjson,
    /// Columns `key` and `value` with quotes (RFC 4180); hex:… for what is not plain text.
    Csv,
    /// A table of esker.
    Sstable,
    /// A database that LevelDB opens, in the order of its default comparator.
    Leveldb,
}

#[derive(Debug, Args)]
pub struct Export {
    /// A table of esker, LevelDB or RocksDB, or the directory of a database of one of them.
    #[arg(value_name = "DIR")]
    pub source: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    pub to: Form,
    /// File to write, or the directory for `leveldb`; must not be there, or be empty [default:
    /// standard output, for ndjson and csv].
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Do not compress what is written as a table or database; without this, tables of esker are
    /// compressed with LZ4, those of LevelDB with Snappy.
    #[arg(long)]
    pub uncompressed: bool,
    /// Filter bits for each key of a table or database; 0 for no filter.
    #[arg(long, value_name = "BITS", default_value_t = 10)]
    pub filter_bits: u32,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// A table, the directory of a database (of esker, LevelDB or RocksDB), or a file of records,
    /// which is sorted first; `-` for records from standard input.
    pub a: PathBuf,
    /// The same.
    pub b: PathBuf,
    #[command(flatten)]
    pub formats: Formats,
    /// Print one JSON object for each difference: `in` is `a`, `b` or `both`.
    #[arg(long)]
    pub json: bool,
    /// Print no values.
    #[arg(long)]
    pub keys_only: bool,
    /// Most differences to print; all are counted.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print the summary alone.
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub reading: Reading,
    /// The same as --comparator, for B alone.
    #[arg(long, value_name = "ORDER")]
    pub comparator_b: Option<String>,
    /// The same as --column-family, for B alone.
    #[arg(long, value_name = "NAME")]
    pub column_family_b: Option<String>,
}
