//! Threads that take turns, for machines that are simulated.

use std::io;
use std::thread::{JoinHandle, ThreadId};

/// Threads of which one at a time goes on, chosen by whoever implements this: so what all of them
/// do together can follow from a seed. Each wait of the engine gives the turn to another.
pub trait Turns: Send + Sync {
    /// Starts a thread, whose turn is to come.
    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

    /// Gives the turn away: a lock is not free.
    fn pass(&self);

    /// Waits until `signal` is raised. With `is_timed`, also until nobody else can go on, and says
    /// whether that was so.
    fn wait(&self, signal: usize, is_timed: bool) -> bool;

    /// Lets those who wait for `signal` go on.
    fn raise(&self, signal: usize);

    /// Waits until `thread` has ended.
    fn join(&self, thread: ThreadId);
}
