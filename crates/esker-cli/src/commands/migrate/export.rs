//! `esker export`: all entries, in the order of their keys' bytes, in another form.
//!
//! A file appears under its name only when it is complete; a LevelDB database has its `CURRENT`
//! only then.

use super::side::Side;
use super::{refuse_inside, with_suffix};
use crate::args::Format;
use crate::args::migrate::{Export, Form};
use crate::bytes::encode;
use crate::failure::{Failure, Result};
use crate::output::{Layout, Printer, stdout};
use crate::progress::Progress;
use crate::source::Lent;
use crate::style;
use esker::vfs::{OsVfs, Vfs};
use esker::{Compression, TableFile, WriteSettings};
use esker_foreign::{LevelDbCompression, LevelDbSettings, LevelDbWriter};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Entries between two looks at the clock.
const ENTRIES_PER_TELL: u64 = 1024;
const BUFFER_BYTES: usize = 256 << 10;
/// The order in which LevelDB's databases are written.
const BYTEWISE: &str = "leveldb.BytewiseComparator";

pub fn run(arguments: &Export) -> Result<()> {
    let output = arguments.output.as_deref().filter(|path| *path != Path::new("-"));
    if let Some(output) = output {
        refuse_inside(&arguments.source, output)?;
        if output.exists() && !(arguments.to == Form::Leveldb && output.is_dir()) {
            return Err(Failure::input(format_args!("{} is there already", output.display())));
        }
    }
    let side = Side::open(&arguments.source, &arguments.reading, None)?;
    match (arguments.to, output) {
        (Form::Ndjson | Form::Csv, None) => {
            let mut out = stdout();
            write_text(&mut out, &side, arguments.to)?;
            Ok(out.flush()?)
        }
        (Form::Ndjson | Form::Csv, Some(output)) => text_file(output, &side, arguments.to),
        (Form::Sstable, Some(output)) => table(output, &side, arguments),
        (Form::Leveldb, Some(output)) => leveldb(output, &side, arguments),
        (Form::Sstable | Form::Leveldb, None) => {
            Err(Failure::input("--output must say where to write that"))
        }
    }
}

/// Gives every entry of `side` to `take`; how many there were.
fn each(side: &Side, mut take: impl FnMut(&Lent<'_>) -> Result<()>) -> Result<u64> {
    let mut progress = Progress::new("exporting", false);
    let mut count = 0;
    let done = side.each(|entry| {
        take(&entry)?;
        count += 1;
        if count % ENTRIES_PER_TELL == 0 {
            progress.tell(count, 0);
        }
        Ok(())
    });
    drop(progress);
    side.tell_losses();
    done.map(|()| count)
}

fn write_text(out: &mut impl Write, side: &Side, form: Form) -> Result<u64> {
    if form == Form::Csv {
        let mut columns = csv::Writer::from_writer(&mut *out);
        let failed = |e: csv::Error| Failure::Output(e.into());
        columns.write_record(["key", "value"]).map_err(failed)?;
        return each(side, |entry| {
            let (key, value) = (encode(entry.key, None), encode(entry.value, None));
            columns.write_record([&*key, &*value]).map_err(failed)
        });
    }
    let (format, delimiter) = (Format::Json, Vec::new());
    let layout = Layout { format, delimiter, keys_only: false, versions: false };
    let mut printer = Printer::new(&mut *out, layout);
    let count = each(side, |entry| printer.print(entry));
    // What was read before a fault is sound: let it be seen.
    let flushed = printer.flush();
    let count = count?;
    flushed?;
    Ok(count)
}

/// Writes a file under another name, which it changes when it is complete.
fn text_file(output: &Path, side: &Side, form: Form) -> Result<()> {
    let temporary = with_suffix(output, ".tmp")?;
    let failed = |e: io::Error| Failure::input(format_args!("{}: {e}", temporary.display()));
    let file = File::create_new(&temporary).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let written = write_text(&mut out, side, form).and_then(|count| {
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        OsVfs.rename(&temporary, output)?;
        OsVfs.sync_directory(output.parent().unwrap_or(Path::new("")))?;
        Ok(count)
    });
    match written {
        Ok(count) => tell(output, count),
        Err(failure) => {
            // The failure matters more than what stays.
            let _ = std::fs::remove_file(&temporary);
            return Err(failure);
        }
    }
    Ok(())
}

fn table(output: &Path, side: &Side, arguments: &Export) -> Result<()> {
    let mut settings = WriteSettings::default();
    settings.filter_bits_per_key = arguments.filter_bits;
    if arguments.uncompressed {
        settings.compression = Compression::None;
    }
    let name = arguments.source.file_name().unwrap_or_default();
    settings.description = format!("export of {}", name.to_string_lossy());
    let mut table = TableFile::create(output, settings)?;
    let count = each(side, |entry| Ok(table.put(entry.key, entry.value)?))?;
    table.finish()?;
    tell(output, count);
    Ok(())
}

fn leveldb(output: &Path, side: &Side, arguments: &Export) -> Result<()> {
    let mut settings = LevelDbSettings::default();
    settings.filter_bits_per_key = arguments.filter_bits;
    if arguments.uncompressed {
        settings.compression = LevelDbCompression::None;
    }
    if let Some(order) = side.order_name().filter(|name| *name != BYTEWISE) {
        let note = style::error_heading("note:");
        // Who does not listen still gets the entries.
        let _ = writeln!(
            io::stderr(),
            "{note} the keys of the source are in the order {order}; in what is written they are \
             in that of {BYTEWISE}, and what asks for {order} will not open it"
        );
    }
    let mut writer = LevelDbWriter::create(output, settings)?;
    let count = each(side, |entry| Ok(writer.put(entry.key, entry.value)?))?;
    writer.finish()?;
    tell(output, count);
    Ok(())
}

/// Says on standard error what has been written.
fn tell(output: &Path, count: u64) {
    let name = style::error_heading(&output.display().to_string());
    // It is written, whether anybody listens or not.
    let _ = writeln!(io::stderr(), "{name}: {count} entries");
}
