//! Threads beside the caller, for as long as what it asked for takes.

use crate::base::error::{Error, Result};
use crate::base::sync::thread::{self, JoinHandle};

/// Does `run` with each of `items`, on at most `most` threads, of which this is one.
pub fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    most: usize,
    run: &(dyn Fn(&T) -> Result<R> + Sync),
) -> Vec<Result<R>> {
    let share = items.len().div_ceil(most.max(1)).max(1);
    let mut shares = items.chunks(share);
    let first = shares.next().unwrap_or_default();
    let run_all = move |share: &[T]| share.iter().map(run).collect::<Vec<_>>();
    thread::scope(|scope| {
        let start = |share| {
            let name = thread::Builder::new().name("esker-part".into());
            (share, name.spawn_scoped(scope, move || run_all(share)))
        };
        let threads: Vec<_> = shares.map(start).collect();
        let mut done = run_all(first);
        let panicked = |_| vec![Err(Error::invalid_input("part of a job", "a thread panicked"))];
        done.extend(threads.into_iter().flat_map(|(share, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(panicked),
            // The system has no thread to give.
            Err(_) => run_all(share),
        }));
        done
    })
}

/// Jobs beside the caller, each on a thread of its own; what they make is in the order in which
/// they began.
pub struct Beside<T> {
    jobs: Vec<std::io::Result<JoinHandle<Result<T>>>>,
}

impl<T: Send + 'static> Beside<T> {
    /// No jobs yet.
    pub fn new() -> Beside<T> {
        Beside { jobs: Vec::new() }
    }

    /// How many were begun.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Begins `job`. If the system has no thread for it, it goes, and its end is the error.
    pub fn start(&mut self, job: impl FnOnce() -> Result<T> + Send + 'static) {
        self.jobs.push(thread::Builder::new().name("esker-part".into()).spawn(job));
    }

    /// Waits for all jobs; there are none then.
    pub fn finish(&mut self) -> Vec<Result<T>> {
        let panicked = |_| Err(Error::invalid_input("part of a job", "a thread panicked"));
        let ended = |job: std::io::Result<JoinHandle<Result<T>>>| match job {
            Ok(thread) => thread.join().unwrap_or_else(panicked),
            Err(error) => Err(Error::io("start a thread for", "a job", error)),
        };
        self.jobs.drain(..).map(ended).collect()
    }
}
