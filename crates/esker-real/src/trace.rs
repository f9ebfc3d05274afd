//! What strace tells of a program: its calls on files, as events.

use std::collections::HashMap;

/// Something that happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was opened, and made if there was none.
    Create(String),
    /// Bytes were written to it, or its length was changed.
    Write(String),
    /// Its content was made durable.
    Sync(String),
    /// It has another name.
    Rename(String, String),
    /// A name was removed.
    Remove(String),
    /// A line was said on standard output.
    Say(String),
}

/// The events of a trace that `strace -f -y` wrote, in order; a call counts when it ends, but a
/// write when it begins.
pub fn parse(text: &str) -> Vec<Event> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut events = Vec::new();
    for line in text.lines() {
        let (process, rest) = line.split_once(' ').unwrap_or(("", line));
        let rest = rest.trim_start();
        let (call, is_begin, is_end) = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(process, start.to_string());
            (start.to_string(), true, false)
        } else if rest.starts_with("<...") {
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            (begun.remove(process).unwrap_or_default() + end, false, true)
        } else {
            (rest.to_string(), true, true)
        };
        events.extend(event(&call, is_begin, is_end));
    }
    events
}

fn event(call: &str, is_begin: bool, is_end: bool) -> Option<Event> {
    let (name, rest) = call.split_once('(')?;
    if name.contains("write") || name == "ftruncate" || name == "fallocate" {
        let file = path_of(rest)?;
        let is_output = rest.starts_with("1<");
        return match (is_begin, is_output) {
            (true, true) => Some(Event::Say(quoted(rest).next()?.replace("\\n", ""))),
            (true, false) => Some(Event::Write(file)),
            (false, _) => None,
        };
    }
    let has_failed = call.rsplit_once(" = ").is_none_or(|(_, result)| result.starts_with('-'));
    if !is_end || has_failed {
        return None;
    }
    match name {
        "openat" if rest.contains("O_CREAT") => Some(Event::Create(quoted(rest).next()?)),
        "fsync" | "fdatasync" => path_of(rest).map(Event::Sync),
        "rename" | "renameat" | "renameat2" => {
            let mut names = quoted(rest);
            Some(Event::Rename(names.next()?, names.next()?))
        }
        "unlink" | "unlinkat" => quoted(rest).next().map(Event::Remove),
        _ => None,
    }
}

/// The path that strace shows in angles behind a descriptor.
fn path_of(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once('<')?;
    rest.split_once('>').map(|(path, _)| path.to_string())
}

/// What stands in quotation marks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(String::from)
}
