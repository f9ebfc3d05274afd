//! How threads share processors.
#![allow(unsafe_code)]

/// Steps down to which a thread of the background goes: beside one that does not it gets a quarter
/// of a processor.
#[cfg(target_os = "linux")]
const STEPS_DOWN: i32 = 5;

/// Lets other threads go before the calling one, if there are not enough processors for all. On
/// Linux, where a thread has a priority of its own; elsewhere nothing changes.
pub fn step_back() {
    #[cfg(target_os = "linux")]
    // SAFETY: a call with plain numbers. If it is refused, all threads are equal.
    let _ = unsafe { libc::nice(STEPS_DOWN) };
}
