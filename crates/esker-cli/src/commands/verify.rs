//! `esker verify`: is the table or the database sound?

use super::database::levels;
use crate::args::Verify;
use crate::failure::{Failure, Result};
use crate::output::stdout;
use crate::progress::Progress;
use crate::source::Source;
use crate::style;
use serde_json::{Map, Value, json};
use std::io::Write;

pub fn run(arguments: &Verify) -> Result<()> {
    if arguments.reading.accept_loss {
        return Err(Failure::input("verify accepts no loss: it is there to find it"));
    }
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let mut progress = Progress::new("verifying", true);
    let facts = source.verify(&mut |done, total| progress.tell(done, total))?;
    let seconds = progress.elapsed().as_secs_f64();
    drop(progress);
    let mut out = stdout();
    let name = arguments.file.display().to_string();
    if arguments.json {
        let mut object =
            Map::from_iter([("file".into(), json!(name)), ("sound".into(), json!(true))]);
        let facts = facts.iter().map(|(what, number)| (what.replace(' ', "_"), json!(number)));
        object.extend(facts);
        object.insert("seconds".into(), json!(seconds));
        writeln!(out, "{}", Value::from(object))?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{}: {}", style::heading(&name), style::good("sound"))?;
    for (what, number) in facts {
        writeln!(out, "{what:<16} {number}")?;
    }
    writeln!(out, "{:<16} {seconds:.3} s", "time")?;
    if let Source::Db(db) = &source {
        levels::tell_torn(&mut out, db)?;
    }
    Ok(out.flush()?)
}
