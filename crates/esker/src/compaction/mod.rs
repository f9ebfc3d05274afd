//! Compaction: merging tables downwards, so that reads have few to ask and space comes back.
//!
//! `picker` decides, `retention` says which versions stay; both are pure. `job` does the work.

mod job;
mod merge;
mod picker;
mod retention;
#[cfg(test)]
mod tests;

pub use job::{JobContext, JobOutput, Outputs, Part, RunPart, parts, run, write_memtable};
pub use picker::{
    Compaction, PickSettings, pick, pick_at_rest, pick_range, pick_with_memtables, scores,
};
pub use retention::Boundaries;
