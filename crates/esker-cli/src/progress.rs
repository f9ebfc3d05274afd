//! A progress bar for what takes longer than a second, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What takes shorter shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Progress of one task.
pub struct Progress {
    started: Instant,
    task: &'static str,
    /// Whether the numbers are bytes.
    bytes: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress of `task`, told in bytes or in entries.
    pub fn new(task: &'static str, bytes: bool) -> Progress {
        Progress { started: Instant::now(), task, bytes, bar: None }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// `done` of `total` are done; a total of zero is one that is not known.
    pub fn tell(&mut self, done: u64, total: u64) {
        if self.bar.is_none() && self.started.elapsed() > PATIENCE {
            self.bar = Some(self.start(total));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn start(&self, total: u64) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = match (self.bytes, total) {
            (true, 0) => "{msg} {bytes} ({bytes_per_sec})",
            (true, _) => "{msg} {wide_bar} {bytes} of {total_bytes} ({bytes_per_sec}, {eta} left)",
            (false, 0) => "{msg} {human_pos} ({per_sec})",
            (false, _) => "{msg} {wide_bar} {human_pos} of {human_len} ({per_sec}, {eta} left)",
        };
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.with_message(self.task).with_elapsed(self.started.elapsed())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
