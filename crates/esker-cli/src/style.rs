//! Colours, and when to leave them out.

use crate::args::Color;
use std::io::IsTerminal;
use std::sync::OnceLock;

static CHOICE: OnceLock<Color> = OnceLock::new();

/// Sets what the user asked for; the first call counts.
pub fn set_color(color: Color) {
    CHOICE.get_or_init(|| color);
}

fn wanted(is_terminal: bool) -> bool {
    match CHOICE.get().copied().unwrap_or(Color::Auto) {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

fn paint(text: &str, code: &str, is_terminal: bool) -> String {
    if wanted(is_terminal) { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

/// For the name in front of an error message.
pub fn error(text: &str) -> String {
    paint(text, "1;31", std::io::stderr().is_terminal())
}

/// For headings on standard error.
pub fn error_heading(text: &str) -> String {
    paint(text, "1", std::io::stderr().is_terminal())
}

/// For headings on standard output.
pub fn heading(text: &str) -> String {
    paint(text, "1", std::io::stdout().is_terminal())
}

/// For what is sound, on standard output.
pub fn good(text: &str) -> String {
    paint(text, "32", std::io::stdout().is_terminal())
}

/// For a part of a picture, in one of six colours.
pub fn part(text: &str, number: usize) -> String {
    let code = ["34", "33", "35", "32", "36", "31"][number % 6];
    paint(text, code, std::io::stdout().is_terminal())
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in units {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}
