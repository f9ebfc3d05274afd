//! The tables for a terminal.

use super::summary::{Cell, Summary, Verdict};
use std::fmt::Write;

/// A number of things, short.
pub fn count(number: f64) -> String {
    match number {
        n if n >= 99.95e6 => format!("{:.0}M", n / 1e6),
        n if n >= 999.5e3 => format!("{:.2}M", n / 1e6),
        n if n >= 9_995.0 => format!("{:.0}k", n / 1e3),
        n if n >= 100.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// A time in nanoseconds, short.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n >= 1e9 => format!("{:.2} s", n / 1e9),
        n if n >= 1e6 => format!("{:.1} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.1} us", n / 1e3),
        n => format!("{n:.0} ns"),
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0}", bytes / f64::from(1 << 20))
}

/// All tables.
pub fn text(summary: &Summary) -> String {
    let mut out = format!("\n{}\n", summary.title);
    rates(summary, &mut out);
    scores(summary, &mut out);
    let has_latency = |c: &Cell| c.p50_ns > 0.0;
    grid(summary, "latency p50 / p99 / p99.9", &mut out, |cell| {
        let times = [cell.p50_ns, cell.p99_ns, cell.p999_ns].map(time).join(" / ");
        has_latency(cell).then_some(times)
    });
    grid(summary, "processor time for an operation, all threads", &mut out, |cell| {
        (cell.processor_ns > 0.0).then(|| time(cell.processor_ns))
    });
    grid(summary, "written MiB (for each byte put or deleted)", &mut out, |cell| {
        let (mib, per_byte) = (mebibytes(cell.written_bytes), cell.written_per_byte);
        (cell.written_bytes > 16e6).then(|| format!("{mib} ({per_byte:.1})"))
    });
    grid(summary, "read from the storage, MiB (for each byte found)", &mut out, |cell| {
        let (mib, per_byte) = (mebibytes(cell.read_bytes), cell.read_per_byte);
        (cell.read_bytes > 1e6).then(|| format!("{mib} ({per_byte:.1})"))
    });
    grid(summary, "seconds until the background is done", &mut out, |cell| {
        (cell.settle_seconds > 0.5).then(|| format!("{:.1}", cell.settle_seconds))
    });
    grid(summary, "MiB on disk", &mut out, |cell| Some(mebibytes(cell.disk_bytes)));
    grid(summary, "MiB of memory at most (and not mapped, at the end)", &mut out, |cell| {
        Some(format!("{} ({})", mebibytes(cell.peak_bytes), mebibytes(cell.anonymous_bytes)))
    });
    if !summary.warnings.is_empty() {
        out.push_str("\nwarnings\n");
        summary.warnings.iter().for_each(|warning| out.push_str(&format!("  {warning}\n")));
    }
    out
}

fn rates(summary: &Summary, out: &mut String) {
    out.push_str(
        "\noperations a second; * the best; last: ours to the best peer \
                  (by processor time, all threads)\n",
    );
    let _ = write!(out, "{:22}", "");
    summary.labels.iter().for_each(|label| out.push_str(&format!("{label:>15}")));
    out.push('\n');
    for workload in &summary.workloads {
        let _ = write!(out, "{workload:22}");
        let rate = |label: &String| summary.cell(workload, label).map(|cell| cell.rate);
        let best = summary.labels.iter().filter_map(rate).fold(0.0, f64::max);
        for label in &summary.labels {
            let shown = rate(label).map_or("-".into(), |rate| {
                format!("{}{}", if rate == best { "*" } else { "" }, count(rate))
            });
            let _ = write!(out, "{shown:>15}");
        }
        if let Some(ratio) = summary.ratio(workload) {
            let mark = match ratio.verdict() {
                Verdict::Lost => "  LOST",
                Verdict::Split => "  ?",
                Verdict::Won => "",
            };
            let by_processor = match ratio.processor_ratio {
                r if r.is_finite() => format!("({r:.2}x)"),
                _ => "".into(),
            };
            let _ = write!(out, "{:>9.2}x {by_processor:>9}{mark}", ratio.ratio);
        }
        out.push('\n');
    }
}

/// Losses first, as loud as wins.
fn scores(summary: &Summary, out: &mut String) {
    if summary.ratios.is_empty() {
        return;
    }
    for (verdict, title) in Verdict::ALL {
        let some: Vec<_> = summary.ratios.iter().filter(|r| r.verdict() == verdict).collect();
        let _ = writeln!(out, "\n{}: {}", title.to_uppercase(), some.len());
        for ratio in some {
            let _ = writeln!(out, "  {:22} {}", ratio.workload, ratio.text());
        }
    }
}

fn grid(summary: &Summary, title: &str, out: &mut String, show: impl Fn(&Cell) -> Option<String>) {
    let shown = |workload: &str, label: &str| summary.cell(workload, label).and_then(&show);
    let rows: Vec<_> = summary
        .workloads
        .iter()
        .filter(|w| summary.labels.iter().any(|l| shown(w, l).is_some()))
        .collect();
    if rows.is_empty() {
        return;
    }
    let widest = |label: &String| {
        let cells = rows.iter().filter_map(|w| shown(w, label)).map(|s| s.len());
        cells.max().unwrap_or(0).max(label.len()) + 2
    };
    let widths: Vec<_> = summary.labels.iter().map(widest).collect();
    let _ = write!(out, "\n{title}\n{:22}", "");
    for (label, width) in summary.labels.iter().zip(&widths) {
        let _ = write!(out, "{label:>width$}");
    }
    out.push('\n');
    for workload in rows {
        let _ = write!(out, "{workload:22}");
        for (label, width) in summary.labels.iter().zip(&widths) {
            let cell = shown(workload, label).unwrap_or_else(|| "-".into());
            let _ = write!(out, "{cell:>width$}");
        }
        out.push('\n');
    }
}
