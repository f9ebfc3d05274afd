//! The threads of one process, of which one at a time goes on. Which one follows from the seed: the
//! turn changes at calls of the machine and where the engine waits.
//!
//! # Invariants
//! - **T1** Of the threads that were started here, and the one that began, only the one whose turn
//!   it is runs. Others that call do not take part.
//! - **T2** Who waits for a signal goes on when it is raised. Only if nobody else can does one go
//!   on whose wait is timed: that is counted, for an engine without faults needs it never.

use super::fault::SimulatedPanic;
use crate::random::Random;
use esker::vfs::Turns;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId, current, panicking};

/// Turns given away without a call in between after which nobody gets on.
const IDLE_TURNS_MAX: u64 = 1_000_000;

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ready,
    Waiting { signal: usize, is_timed: bool },
    Joining(ThreadId),
    Ended,
}

struct Task {
    thread: ThreadId,
    status: Status,
    /// Whether its last wait ended because nobody else could go on.
    is_overdue: bool,
}

struct Inner {
    tasks: Vec<Task>,
    /// Whose turn it is.
    now: usize,
    random: Random,
    overdue: u64,
    /// Turns given away since the last call of the machine.
    idle: u64,
    /// Why nobody can go on.
    stuck: Option<String>,
}

/// The turns of one process.
#[derive(Clone)]
pub struct SimTurns(Arc<(Mutex<Inner>, Condvar)>);

impl SimTurns {
    /// The calling thread has the first turn.
    pub fn new(seed: u64) -> SimTurns {
        let first = Task { thread: current().id(), status: Status::Ready, is_overdue: false };
        let inner = Inner {
            tasks: vec![first],
            now: 0,
            random: Random::new(seed),
            overdue: 0,
            idle: 0,
            stuck: None,
        };
        SimTurns(Arc::new((Mutex::new(inner), Condvar::new())))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn may change here: before a call of the machine.
    pub fn before_call(&self) {
        let mut inner = self.inner();
        inner.idle = 0;
        let others = inner.tasks.iter().filter(|task| task.status == Status::Ready).count();
        if others > 1 && inner.random.chance(1, 3) {
            self.change(inner, Status::Ready);
        }
    }

    /// Waits that ended because nobody else could go on.
    pub fn overdue(&self) -> u64 {
        self.inner().overdue
    }

    /// The calling thread is at `status` from now on; returns with its next turn, and says whether
    /// it is overdue.
    fn change(&self, mut inner: MutexGuard<'_, Inner>, status: Status) -> bool {
        let thread = current().id();
        let Some(own) = inner.tasks.iter().position(|task| task.thread == thread) else {
            return false;
        };
        inner.tasks[own].status = status;
        inner.next();
        self.0.1.notify_all();
        if status == Status::Ended {
            return false;
        }
        while inner.now != own && inner.stuck.is_none() {
            inner = self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(why) = &inner.stuck {
            let why = why.clone();
            drop(inner);
            if !panicking() {
                resume_unwind(Box::new(why));
            }
            return true;
        }
        std::mem::take(&mut inner.tasks[own].is_overdue)
    }

    /// Waits for the first turn of a thread that was just started.
    fn first_turn(&self, own: usize) {
        let mut inner = self.inner();
        inner.tasks[own].thread = current().id();
        self.0.1.notify_all();
        while inner.now != own && inner.stuck.is_none() {
            inner = self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    /// Gives the turn to one that can go on.
    fn next(&mut self) {
        let has_ended = |thread| {
            let of = |task: &&Task| task.thread == thread;
            self.tasks.iter().find(of).is_none_or(|task| task.status == Status::Ended)
        };
        let can_go = |task: &Task| match task.status {
            Status::Ready => true,
            Status::Joining(thread) => has_ended(thread),
            Status::Waiting { .. } | Status::Ended => false,
        };
        let number = |(number, _): (usize, &Task)| number;
        let tasks = || self.tasks.iter().enumerate();
        let mut able: Vec<usize> = tasks().filter(|(_, task)| can_go(task)).map(number).collect();
        if able.is_empty() {
            let is_timed =
                |task: &Task| matches!(task.status, Status::Waiting { is_timed: true, .. });
            able = tasks().filter(|(_, task)| is_timed(task)).map(number).collect();
            self.overdue += u64::from(!able.is_empty());
            for task in able.iter() {
                self.tasks[*task].is_overdue = true;
            }
        }
        let is_over = self.tasks.iter().all(|task| task.status == Status::Ended);
        if able.is_empty() && !is_over {
            let statuses: Vec<Status> = self.tasks.iter().map(|task| task.status).collect();
            self.stuck = Some(format!("nobody can go on: {statuses:?}"));
            return;
        }
        if !able.is_empty() {
            self.now = self.random.pick(&able);
            self.tasks[self.now].status = Status::Ready;
        }
    }
}

/// What a panic says.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_string()));
    text.unwrap_or_else(|| "a panic".into())
}

impl Turns for SimTurns {
    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        let mut inner = self.inner();
        let own = inner.tasks.len();
        // Its own name for itself comes with the thread.
        let thread = current().id();
        inner.tasks.push(Task { thread, status: Status::Ready, is_overdue: false });
        let turns = self.clone();
        let started = std::thread::Builder::new().name(name).spawn(move || {
            turns.first_turn(own);
            let done = catch_unwind(AssertUnwindSafe(work));
            let mut inner = turns.inner();
            if let Err(payload) = &done
                && inner.stuck.is_none()
                && !payload.is::<SimulatedPanic>()
            {
                inner.stuck = Some(format!("a thread panicked: {}", message(&**payload)));
            }
            turns.change(inner, Status::Ended);
        })?;
        while inner.tasks[own].thread == thread {
            inner = self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(started)
    }

    fn pass(&self) {
        let mut inner = self.inner();
        inner.idle += 1;
        if inner.idle > IDLE_TURNS_MAX {
            inner.stuck = Some("nobody gets on: a lock is never free".into());
        }
        self.change(inner, Status::Ready);
    }

    fn wait(&self, signal: usize, is_timed: bool) -> bool {
        self.change(self.inner(), Status::Waiting { signal, is_timed })
    }

    fn raise(&self, signal: usize) {
        for task in &mut self.inner().tasks {
            if matches!(task.status, Status::Waiting { signal: its, .. } if its == signal) {
                task.status = Status::Ready;
            }
        }
    }

    fn join(&self, thread: ThreadId) {
        self.change(self.inner(), Status::Joining(thread));
    }
}
