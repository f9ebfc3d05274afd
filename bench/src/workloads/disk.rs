//! Reads from the storage: of files that are nowhere in memory.

use super::{Context, read};
use crate::engines::Result;
use crate::measure::Outcome;
use crate::process;

/// Operations at most: few, so that indexes and blocks that are kept do not hide what a read costs.
const READS: u64 = 5_000;

/// Gets keys drawn evenly.
pub fn random(context: &mut Context) -> Result<Vec<Outcome>> {
    from_storage(context, |c| read::random(c, "readrandom_disk"))
}

/// Seeks and reads a few.
pub fn seek(context: &mut Context) -> Result<Vec<Outcome>> {
    from_storage(context, |c| read::seek(c, "seekrandom_disk"))
}

/// Reads everything in order.
pub fn all(context: &mut Context) -> Result<Vec<Outcome>> {
    from_storage(context, |c| read::all(c, "readseq_disk"))
}

/// Closes the database, has its files forgotten, opens it again and does `work`.
fn from_storage(
    context: &mut Context,
    work: impl FnOnce(&mut Context) -> Result<Vec<Outcome>>,
) -> Result<Vec<Outcome>> {
    context.engine = None;
    process::forget(&context.setup.directory)?;
    let before = process::read_bytes();
    context.engine = Some((context.kind.open)(&context.setup)?);
    let opening = process::read_bytes() - before;
    let reads = context.reads;
    context.reads = reads.min(READS);
    let outcomes = work(context);
    context.reads = reads;
    let mut outcomes = outcomes?;
    // Some engines read everything when they are opened.
    outcomes.iter_mut().for_each(|outcome| outcome.read_bytes += opening);
    Ok(outcomes)
}
