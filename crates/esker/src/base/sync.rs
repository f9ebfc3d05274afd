//! Locks, atomics and threads, where a model checker can take the place of the machine's.
//!
//! Built as usual, these are the machine's own. In tests that are built with `--cfg esker_shuttle`,
//! the locks, atomics and threads of the database are those of shuttle, which runs it under many
//! schedules; with `--cfg esker_loom`, the atomics of the memtable are those of loom, which tries
//! all schedules and all values that a load may see.

#[cfg(not(all(test, esker_shuttle)))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, esker_shuttle)))]
pub use std::sync::atomic;
#[cfg(not(all(test, esker_shuttle)))]
pub use std::thread;

#[cfg(all(test, esker_shuttle))]
pub use shuttle::sync::atomic;
#[cfg(all(test, esker_shuttle))]
pub use shuttled::{Condvar, Mutex, MutexGuard, lose_wake_ups};

/// Threads of the model.
#[cfg(all(test, esker_shuttle))]
pub mod thread {
    pub use shuttle::thread::{JoinHandle, Scope, ScopedJoinHandle, current, scope};
    use std::io::Result;
    pub use std::thread::{available_parallelism, panicking};

    /// Starts threads; their names are not kept.
    pub struct Builder;

    impl Builder {
        pub fn new() -> Builder {
            Builder
        }

        pub fn name(self, _: String) -> Builder {
            self
        }

        pub fn spawn<T: Send + 'static>(
            self,
            run: impl FnOnce() -> T + Send + 'static,
        ) -> Result<JoinHandle<T>> {
            Ok(shuttle::thread::spawn(run))
        }

        pub fn spawn_scoped<'scope, T: Send + 'scope>(
            self,
            scope: &'scope Scope<'scope, '_>,
            run: impl FnOnce() -> T + Send + 'scope,
        ) -> Result<ScopedJoinHandle<'scope, T>> {
            Ok(scope.spawn(run))
        }
    }
}

/// What the memtable's records and nodes are made of.
pub mod memory {
    #[cfg(all(test, esker_loom))]
    pub use super::fences::fence;
    #[cfg(all(test, esker_loom))]
    pub use loom::{
        hint::spin_loop,
        sync::atomic::{AtomicPtr, AtomicU32, AtomicU64},
    };
    #[cfg(not(all(test, esker_loom)))]
    pub use std::{
        hint::spin_loop,
        sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence},
    };
}

/// Fences of the model, which a test can take away.
#[cfg(all(test, esker_loom))]
pub mod fences {
    use std::cell::Cell;
    use std::sync::atomic::Ordering;

    thread_local! {
        static LEFT_OUT: Cell<Option<Ordering>> = const { Cell::new(None) };
    }

    pub fn fence(order: Ordering) {
        if LEFT_OUT.get() != Some(order) {
            loom::sync::atomic::fence(order);
        }
    }

    /// Plants a mistake: from now on there is no fence with this `order`.
    pub fn leave_out(order: Ordering) {
        LEFT_OUT.set(Some(order));
    }
}

/// The face of `parking_lot` over shuttle's locks.
#[cfg(all(test, esker_shuttle))]
mod shuttled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Duration;

    thread_local! {
        static LOSES_WAKE_UPS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// Plants a mistake: from now on nobody is woken.
    pub fn lose_wake_ups() {
        LOSES_WAKE_UPS.set(true);
    }

    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// Holds the lock; not while its thread waits.
    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        inner: Option<shuttle::sync::MutexGuard<'a, T>>,
    }

    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    pub struct WaitTimeoutResult(bool);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard {
                mutex: self,
                inner: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)),
            }
        }

        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|inner| MutexGuard { mutex: self, inner: Some(inner) })
        }
    }

    impl<T> MutexGuard<'_, T> {
        pub fn unlocked<R>(guard: &mut Self, run: impl FnOnce() -> R) -> R {
            guard.inner = None;
            let result = run();
            guard.inner = Some(guard.mutex.0.lock().unwrap_or_else(PoisonError::into_inner));
            result
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.inner.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub fn new() -> Condvar {
            Condvar::default()
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.inner.take().unwrap();
            guard.inner = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
        }

        /// Waits for ever: who counts on the end of the time has lost a wake-up.
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> WaitTimeoutResult {
            self.wait(guard);
            WaitTimeoutResult(false)
        }

        pub fn notify_all(&self) {
            if !LOSES_WAKE_UPS.get() {
                self.0.notify_all();
            }
        }
    }

    impl WaitTimeoutResult {
        pub fn timed_out(&self) -> bool {
            self.0
        }
    }
}

/// Runs `model` under so many schedules: half of them drawn at random, half with few changes of
/// threads, but at any place.
#[cfg(all(test, esker_shuttle))]
pub fn check(schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    config.silence_warnings = true;
    let model = std::sync::Arc::new(model);
    let (random, few) = (model.clone(), model);
    let scheduler = shuttle::scheduler::RandomScheduler::new(schedules / 2);
    shuttle::Runner::new(scheduler, config.clone()).run(move || random());
    let scheduler = shuttle::scheduler::PctScheduler::new(3, schedules / 2);
    shuttle::Runner::new(scheduler, config).run(move || few());
}
