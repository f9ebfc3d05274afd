//! How threads share processors.
//!
//! # Invariants
//! - **P1** Only the calling thread's priority changes.
#![allow(unsafe_code)]

/// Steps down to which a thread of the background goes: beside one that does not it gets a tenth
/// of a processor.
#[cfg(all(target_os = "linux", not(esker_shuttle)))]
const STEPS_DOWN: i32 = 10;

/// Lets other threads go before the calling one, if there are not enough processors for all. On
/// Linux, where a thread has a priority of its own; elsewhere nothing changes.
pub fn step_back() {
    // Under a model checker all threads are one.
    #[cfg(all(target_os = "linux", not(esker_shuttle)))]
    // SAFETY: by P1, a call with plain numbers. If it is refused, all threads are equal.
    let _ = unsafe { libc::nice(STEPS_DOWN) };
}
