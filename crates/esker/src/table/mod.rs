//! One sorted table in one file: its writer and its reader.
//!
//! The bytes are in `format`. [`TableWriter`] takes entries in order, [`Table`] reads them back:
//! by key ([`Table::get`]), in order ([`Table::range`], [`Table::cursor`]), for what it knows of
//! itself ([`Table::properties`], [`Table::blocks`]) and for its soundness ([`Table::verify`]).

mod ahead;
mod block_map;
mod bytes;
mod cursor;
mod explain;
mod fetch_next;
mod file;
mod format;
mod index;
mod properties;
mod range;
mod read;
mod scratch;
mod settings;
#[cfg(test)]
mod tests;
mod value;
mod verify;
mod warm;
mod writer;

pub use block_map::BlockInfo;
pub use cursor::TableCursor;
pub use explain::{Explanation, Step};
pub use file::TableFile;
pub use format::is_table;
pub use properties::Properties;
pub use range::TableRange;
pub(crate) use read::Fill;
pub use read::Table;
pub use settings::{ReadSettings, WriteSettings};
pub use value::Value;
pub use verify::VerifyReport;
pub use writer::{TableSummary, TableWriter};
