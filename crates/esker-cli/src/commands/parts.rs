//! Prints the parts of a database on several threads, in their order.

use crate::failure::{Failure, Result};
use crate::output::{BUFFER_BYTES, Layout, Printer, Sink};
use crate::source::Lent;
use esker_foreign::Database;
use std::io::{self, Write};
use std::ops::Bound;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes of tables that make one part.
const PART_BYTES: u64 = 2 << 20;
/// Most threads that print.
const THREADS_MAX: usize = 8;
/// Pages that a thread may be ahead of what is written.
const PAGES_AHEAD: usize = 16;

/// A stretch of keys.
pub type Part = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What a thread hands on.
enum Handed {
    /// Some of what it printed.
    Page(Vec<u8>),
    /// How the part under way ended.
    End(Result<()>),
}

/// The parts of `database` to print on several threads; nothing where that is not worth it.
pub fn of(database: &Database) -> Vec<Part> {
    if threads() < 2 {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let mut start = Bound::Unbounded;
    for cut in database.cuts(PART_BYTES) {
        parts.push((start, Bound::Excluded(cut.clone())));
        start = Bound::Included(cut);
    }
    parts.push((start, Bound::Unbounded));
    if parts.len() > 1 { parts } else { Vec::new() }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// Prints `parts` of `database` to `out`, one after the other; thread n of t prints every t-th from
/// the n-th on, and waits when it is too far ahead.
pub fn print(
    database: &Database,
    parts: &[Part],
    layout: &Layout,
    out: &mut impl Write,
) -> Result<()> {
    let count = threads();
    thread::scope(|scope| {
        let start = |first: usize| {
            let (hand, handed) = sync_channel(PAGES_AHEAD);
            let (give_back, written) = channel();
            let pages = Pages { hand, written };
            let own = parts.iter().skip(first).step_by(count);
            let run = move || print_own(database, own, layout, pages);
            let spawned = thread::Builder::new().spawn_scoped(scope, run);
            let failed = |e| Failure::input(format_args!("cannot start a thread: {e}"));
            spawned.map(|_| (handed, give_back)).map_err(failed)
        };
        let threads: Vec<_> = (0..count).map(start).collect::<Result<_>>()?;
        // A failure lets go of the threads' ends: they stop when they next hand something on.
        let mut turns = threads.iter().cycle();
        parts.iter().try_for_each(|_| {
            turns.next().map_or(Ok(()), |(handed, give_back)| write(handed, give_back, out))
        })
    })
}

/// Writes what one thread hands on of one part.
fn write(
    handed: &Receiver<Handed>,
    give_back: &Sender<Vec<u8>>,
    out: &mut impl Write,
) -> Result<()> {
    loop {
        match handed.recv() {
            Ok(Handed::Page(mut page)) => {
                out.take(&mut page)?;
                // Who has ended needs no more memory.
                let _ = give_back.send(page);
            }
            Ok(Handed::End(end)) => return end,
            Err(_) => return Err(Failure::input("a thread that prints has gone")),
        }
    }
}

/// Prints `parts`, until one fails or nobody takes what is handed on.
fn print_own<'p>(
    database: &Database,
    parts: impl Iterator<Item = &'p Part>,
    layout: &Layout,
    pages: Pages,
) {
    let mut printer = Printer::new(pages, layout.clone());
    for (start, end) in parts {
        let mut range = database.range(start.clone(), end.clone());
        let printed = range.visit(false, |key, value| {
            printer.print(&Lent::live(key, value))?;
            Ok(true)
        });
        // What was read before a fault is sound: let it be seen.
        let printed = printer.flush().map_err(Failure::from).and(printed);
        let is_failed = printed.is_err();
        if printer.sink.hand.send(Handed::End(printed)).is_err() || is_failed {
            return;
        }
    }
}

/// Hands pages on, and takes those back that were written.
struct Pages {
    hand: SyncSender<Handed>,
    written: Receiver<Vec<u8>>,
}

impl Sink for Pages {
    fn take(&mut self, page: &mut Vec<u8>) -> io::Result<()> {
        if page.len() > 2 * BUFFER_BYTES {
            // One of large values goes in pieces, so that few bytes wait and not only few pages.
            page.chunks(BUFFER_BYTES).try_for_each(|piece| self.hand(piece.to_vec()))?;
            page.clear();
            return Ok(());
        }
        let next = self.written.try_recv().unwrap_or_default();
        self.hand(std::mem::replace(page, next))
    }
}

impl Pages {
    fn hand(&self, page: Vec<u8>) -> io::Result<()> {
        self.hand.send(Handed::Page(page)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
