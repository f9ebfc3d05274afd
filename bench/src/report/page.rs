//! One page with plots, which needs nothing else.

use super::summary::{Cell, Summary, Verdict, is_ours};
use super::table::{count, text, time};
use crate::workloads::WORKLOADS;
use std::fmt::Write;

const STYLE: &str = "
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;
  color:#1c1c1c;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1.2rem}
figure{margin:0}figcaption{font-weight:600}figcaption small{font-weight:400;color:#666}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#1c1c1c}
.lost{color:#b00020}.won{color:#1b6e3a}.split{color:#8a5a00}
pre{font-size:12px;overflow-x:auto;background:#f6f6f4;padding:1rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#16181a}svg text{fill:#ddd}
  pre{background:#202326}figcaption small{color:#999}.lost{color:#ff7b8a}.won{color:#6fcf97}}
";

/// The page.
pub fn html(summary: &Summary) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\">");
    let _ = write!(out, "<title>esker and its peers</title><style>{STYLE}</style>");
    let _ = write!(out, "<h1>esker and its peers</h1><p>{}</p>", escape(&summary.title));
    lists(summary, &mut out);
    out.push_str("<h2>Operations a second</h2><p>Longer is better. A thin line goes from the ");
    out.push_str("slowest to the fastest run.</p><div class=\"plots\">");
    for workload in &summary.workloads {
        rates(summary, workload, &mut out);
    }
    out.push_str("</div><h2>Latency</h2><p>Half, 99 % and 99.9 % of the calls took no longer; ");
    out.push_str("the scale is logarithmic.</p><div class=\"plots\">");
    for workload in &summary.workloads {
        latencies(summary, workload, &mut out);
    }
    out.push_str("</div>");
    for size in SIZES {
        sizes(summary, size, &mut out);
    }
    memory(summary, &mut out);
    let _ = write!(out, "<h2>All figures</h2><pre>{}</pre>", escape(&text(summary)));
    out.push_str("</html>\n");
    out
}

/// A size that is plotted for some workloads.
struct Size {
    title: &'static str,
    about: &'static str,
    /// How the names of the workloads begin.
    of: &'static [&'static str],
    number: fn(&Cell) -> f64,
    digits: usize,
}

const SIZES: &[Size] = &[
    Size {
        title: "Write amplification",
        about: "Bytes written to files for each byte of keys and values put or deleted, \
                background work included.",
        of: &["fill", "over", "dele", "bulk"],
        number: |c| c.written_per_byte,
        digits: 2,
    },
    Size {
        title: "Space amplification",
        about: "Bytes on disk for each byte of keys and values, once settled.",
        of: &["fillr", "fillseq", "fillb", "over", "comp", "bulk"],
        number: |c| c.disk_per_byte,
        digits: 2,
    },
    Size {
        title: "Read amplification",
        about: "Bytes that the storage read for each byte of keys and values found, from \
                opening on, with none of the files in memory; what the system reads ahead counts.",
        of: &["readrandom_disk", "seekrandom_disk", "readseq_disk"],
        number: |c| c.read_per_byte,
        digits: 1,
    },
    Size {
        title: "Memory at most",
        about: "MiB resident, mapped files included.",
        of: &["fill", "over", "comp", "dele", "bulk", "rww_read"],
        number: |c| c.peak_bytes / (1 << 20) as f64,
        digits: 0,
    },
];

fn sizes(summary: &Summary, size: &Size, out: &mut String) {
    let (title, about) = (size.title, size.about);
    let _ = write!(out, "<h2>{title}</h2><p>{about} Shorter is better.</p><div class=\"plots\">");
    let is_of_interest = |w: &&String| size.of.iter().any(|start| w.starts_with(start));
    for workload in summary.workloads.iter().filter(is_of_interest) {
        let cells = summary.labels.iter().filter_map(|label| {
            let number = (size.number)(summary.cell(workload, label)?);
            Some(Bar { label, number, range: None, text: format!("{number:.*}", size.digits) })
        });
        bars(&summary.labels, workload, "", &cells.collect::<Vec<_>>(), out);
    }
    out.push_str("</div>");
}

fn memory(summary: &Summary, out: &mut String) {
    if summary.memory.is_empty() {
        return;
    }
    out.push_str("<h2>Memory over time</h2><p>MiB resident, mapped files included, in the first ");
    out.push_str("run, workload after workload; each has the same width, whatever its time. ");
    for label in &summary.labels {
        let (colour, label) = (colour(&summary.labels, label), escape(label));
        let _ = write!(out, "<b style=\"color:{colour}\">{label}</b> ");
    }
    out.push_str("</p>");
    for set in &summary.memory {
        set.plot(&summary.labels, out);
    }
}

fn lists(summary: &Summary, out: &mut String) {
    for (verdict, title) in Verdict::ALL {
        let some: Vec<_> = summary.ratios.iter().filter(|r| r.verdict() == verdict).collect();
        let (class, count) = (class(verdict), some.len());
        let _ = write!(out, "<h2 class=\"{class}\">{title}: {count}</h2><ul>");
        for ratio in some {
            let (workload, text) = (escape(&ratio.workload), escape(&ratio.text()));
            let _ = write!(out, "<li>{workload}: {text}</li>");
        }
        out.push_str("</ul>");
    }
    if !summary.warnings.is_empty() {
        out.push_str("<h2>Warnings</h2><ul>");
        for warning in &summary.warnings {
            let _ = write!(out, "<li>{}</li>", escape(warning));
        }
        out.push_str("</ul>");
    }
}

/// The style of a verdict.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Lost => "lost",
        Verdict::Split => "split",
        Verdict::Won => "won",
    }
}

struct Bar<'l> {
    label: &'l str,
    number: f64,
    range: Option<(f64, f64)>,
    text: String,
}

fn rates(summary: &Summary, workload: &str, out: &mut String) {
    let cells = summary.labels.iter().filter_map(|label| {
        let cell = summary.cell(workload, label)?;
        let range = (cell.runs > 1).then_some((cell.rate_min, cell.rate_max));
        Some(Bar { label, number: cell.rate, range, text: count(cell.rate) })
    });
    let about = WORKLOADS.iter().find(|w| w.name == workload).map_or("", |w| w.about);
    let ratio = summary.ratio(workload).map(|r| {
        let class = class(r.verdict());
        format!("<span class=\"{class}\">{:.2}x</span> ", r.ratio)
    });
    let note = format!("{}{}", ratio.unwrap_or_default(), escape(about));
    bars(&summary.labels, workload, &note, &cells.collect::<Vec<_>>(), out);
}

/// The colour of an engine: ours is like no other.
pub fn colour(labels: &[String], label: &str) -> &'static str {
    const PEERS: [&str; 7] =
        ["#3b7dd8", "#2e9e6b", "#c98a00", "#8a63c9", "#3aa5b5", "#9a7b5b", "#7d8794"];
    let place = labels.iter().filter(|l| !is_ours(l)).position(|l| l == label);
    place.filter(|_| !is_ours(label)).map_or("#d1495b", |place| PEERS[place % PEERS.len()])
}

/// Bars, side by side with their names and numbers.
fn bars(labels: &[String], title: &str, note: &str, bars: &[Bar<'_>], out: &mut String) {
    const HEIGHT: usize = 20;
    const LEFT: f64 = 105.0;
    const WIDTH: f64 = 190.0;
    let top = |bar: &Bar<'_>| bar.range.map_or(bar.number, |range| range.1);
    let longest = bars.iter().map(top).fold(f64::MIN_POSITIVE, f64::max);
    let scaled = |number: f64| number / longest * WIDTH;
    let _ = write!(out, "<figure><figcaption>{} <small>{note}</small></figcaption>", escape(title));
    let _ = write!(out, "<svg viewBox=\"0 0 350 {}\" role=\"img\">", bars.len() * HEIGHT);
    for (at, bar) in bars.iter().enumerate() {
        let y = at * HEIGHT;
        let (label, colour, width) =
            (escape(bar.label), colour(labels, bar.label), scaled(bar.number));
        let _ = write!(
            out,
            "<text x=\"100\" y=\"{}\" text-anchor=\"end\">{label}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>",
            y + 14,
            y + 3,
        );
        if let Some((low, high)) = bar.range {
            let (from, to) = (LEFT + scaled(low), LEFT + scaled(high));
            let middle = y + 10;
            let _ = write!(
                out,
                "<path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"#888\" fill=\"none\"/>"
            );
        }
        let right = LEFT + scaled(top(bar)) + 5.0;
        let _ = write!(out, "<text x=\"{right:.1}\" y=\"{}\">{}</text>", y + 14, bar.text);
    }
    out.push_str("</svg></figure>");
}

/// Three points a line, on a logarithmic scale.
fn latencies(summary: &Summary, workload: &str, out: &mut String) {
    const HEIGHT: usize = 20;
    let cell = |label: &String| summary.cell(workload, label).filter(|c| c.p50_ns > 0.0);
    let labels: Vec<_> = summary.labels.iter().filter(|l| cell(l).is_some()).collect();
    if labels.is_empty() {
        return;
    }
    let all = || labels.iter().filter_map(|l| cell(l));
    let low = all().map(|c| c.p50_ns).fold(f64::INFINITY, f64::min).ln() - 0.1;
    let high = all().map(|c| c.p999_ns).fold(0.0, f64::max).ln() + 0.1;
    let x = |ns: f64| 105.0 + (ns.ln() - low) / (high - low) * 140.0;
    let _ = write!(out, "<figure><figcaption>{}</figcaption>", escape(workload));
    let _ = write!(out, "<svg viewBox=\"0 0 350 {}\" role=\"img\">", labels.len() * HEIGHT);
    for (at, label) in labels.iter().enumerate() {
        let Some(cell) = cell(label) else { continue };
        let (y, colour, name) = (at * HEIGHT + 10, colour(&summary.labels, label), escape(label));
        let (p50, p99, p999) = (x(cell.p50_ns), x(cell.p99_ns), x(cell.p999_ns));
        let times = [cell.p50_ns, cell.p99_ns, cell.p999_ns].map(time).join(" ");
        let _ = write!(
            out,
            "<text x=\"100\" y=\"{0}\" text-anchor=\"end\">{name}</text>\
             <path d=\"M{p50:.1} {y}H{p999:.1}\" stroke=\"{colour}\"/>\
             <circle cx=\"{p50:.1}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>\
             <circle cx=\"{p99:.1}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>\
             <circle cx=\"{p999:.1}\" cy=\"{y}\" r=\"2\" fill=\"{colour}\"/>\
             <text x=\"{1:.1}\" y=\"{0}\" style=\"font-size:8px\">{times}</text>",
            y + 4,
            p999 + 6.0,
        );
    }
    out.push_str("</svg></figure>");
}

/// Text as it stands in a page.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
