//! Readers of the files of other engines: LevelDB and RocksDB.
