//! Which tables make up the database at one moment: immutable, shared, searched by key.
//!
//! # Invariants
//! - **V1** The tables of level 0 stand newest first; of two that hold the same key, the one before
//!   holds its newer versions.
//! - **V2** The tables of a level from 1 on have disjoint key ranges and stand in their order.
//! - **V3** Of two levels that hold the same key, the upper one (of the smaller number) holds its
//!   newer versions.

mod handle;
mod level;
#[cfg(test)]
mod tests;

pub use handle::{TableHandle, TableMeta, TablePool};
pub use level::Level;

use crate::base::error::{Error, Result};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Number of levels.
pub const LEVELS: usize = 7;

/// The tables of the database at one moment, by level.
#[derive(Clone, Debug, Default)]
pub struct Version {
    levels: [Level; LEVELS],
    /// Numbers of the levels from 1 on that have tables.
    sorted: Vec<usize>,
}

/// What changes from one version to the next.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Tables that come, with their levels.
    pub added: Vec<(usize, Arc<TableHandle>)>,
    /// Numbers of the tables that go, with their levels.
    pub removed: Vec<(usize, u64)>,
}

impl Version {
    /// The levels, from 0 on.
    pub fn levels(&self) -> &[Level; LEVELS] {
        &self.levels
    }

    /// Level number `number`; one past the last is empty.
    #[inline]
    pub fn level(&self, number: usize) -> &Level {
        static EMPTY: Level = Level::EMPTY;
        self.levels.get(number).unwrap_or(&EMPTY)
    }

    /// The numbers of the levels from 1 on that have tables.
    #[inline]
    pub fn sorted_levels(&self) -> &[usize] {
        &self.sorted
    }

    /// All tables with their levels.
    pub fn tables(&self) -> impl Iterator<Item = (usize, &Arc<TableHandle>)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(number, level)| level.tables().iter().map(move |table| (number, table)))
    }

    /// The version after `change`, for the database at `path`.
    ///
    /// # Errors
    /// `Corruption` if the change does not fit: a level or table that is not there, ranges that
    /// overlap.
    pub fn apply(&self, change: &Change, path: &Path) -> Result<Version> {
        let wrong = |what, expected: &str, found: u64| {
            Err(Error::corruption(path, 0, what, expected, found))
        };
        let mut tables = self.levels.each_ref().map(|level| level.tables().to_vec());
        let mut removed: HashSet<(usize, u64)> = change.removed.iter().copied().collect();
        for (level, tables) in tables.iter_mut().enumerate() {
            tables.retain(|table| !removed.remove(&(level, table.meta().number)));
        }
        if let Some(&(_, number)) = removed.iter().next() {
            return wrong("removed table", "one of the level", number);
        }
        for (number, table) in &change.added {
            let Some(level) = tables.get_mut(*number) else {
                return wrong("level", "0 to 6", *number as u64);
            };
            level.push(table.clone());
        }
        let changed = |number: usize| {
            change.added.iter().map(|added| added.0).any(|level| level == number)
                || change.removed.iter().any(|removed| removed.0 == number)
        };
        let mut version = self.clone();
        for (number, tables) in tables.into_iter().enumerate() {
            if changed(number) {
                version.levels[number] = Level::new(number, tables);
            }
            if number > 0
                && let Some(overlap) = version.levels[number].first_overlap()
            {
                return wrong("table", "ranges that are disjoint", overlap);
            }
        }
        let has_tables = |&number: &usize| !version.level(number).tables().is_empty();
        version.sorted = (1..LEVELS).filter(has_tables).collect();
        Ok(version)
    }
}
