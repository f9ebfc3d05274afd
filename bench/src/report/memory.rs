//! Memory over time, a plot for each set of workloads.

use super::page::{colour, escape};
use super::summary::side;
use crate::record::Record;
use crate::workloads::WORKLOADS;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Points of a line within a workload, at most: of those that fall together the highest is kept.
const POINTS: f64 = 40.0;

/// Width of a workload, and height of the plot.
const WIDTH: f64 = 88.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 45.0;
const TOP: f64 = 8.0;

/// The memory of all engines in one set.
pub struct Memory {
    set: &'static str,
    /// Workloads, which stand side by side.
    workloads: Vec<&'static str>,
    /// For each engine: its place among the workloads, the fraction being time, and MiB.
    lines: BTreeMap<String, Vec<(f64, u64)>>,
}

/// All sets of which there are samples, from the first run of each engine.
pub fn sets(records: &[Record]) -> Vec<Memory> {
    let mut sets: Vec<Memory> = Vec::new();
    let row = |record: &Record| side(&record.workload).unwrap_or(usize::MAX);
    let mut in_order: Vec<_> = records.iter().filter(|r| !r.memory.is_empty()).collect();
    in_order.sort_by_key(|record| row(record));
    let first_run = in_order.iter().map(|r| r.run).min();
    for record in in_order.into_iter().filter(|r| Some(r.run) == first_run) {
        let Some(workload) = WORKLOADS.get(row(record)) else { continue };
        if sets.last().is_none_or(|set| set.set != workload.set) {
            let (workloads, lines) = (Vec::new(), BTreeMap::new());
            sets.push(Memory { set: workload.set, workloads, lines });
        }
        let Some(set) = sets.last_mut() else { continue };
        if set.workloads.last() != Some(&workload.name) {
            set.workloads.push(workload.name);
        }
        let place = set.workloads.len() - 1;
        set.lines.entry(record.label()).or_default().extend(points(place, &record.memory));
    }
    sets
}

/// The samples of one workload, which takes the room from `place` to the next, whatever its time.
fn points(place: usize, samples: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let time = (last.0 - first.0).max(0.01);
    let mut points: Vec<(f64, u64)> = Vec::new();
    for &(seconds, mib) in samples {
        let at = place as f64 + ((seconds - first.0) / time * POINTS).floor() / POINTS;
        match points.last_mut() {
            Some(point) if point.0 == at => point.1 = point.1.max(mib),
            _ => points.push((at, mib)),
        }
    }
    points
}

impl Memory {
    /// The plot; `labels` are all engines, by which colours are given.
    pub fn plot(&self, labels: &[String], out: &mut String) {
        let values = self.lines.values().flatten().map(|point| point.1);
        let (step, high) = scale(values.max().unwrap_or(0));
        let right = LEFT + self.workloads.len() as f64 * WIDTH;
        let y = |mib: u64| TOP + HEIGHT - mib as f64 / high as f64 * HEIGHT;
        let (wide, tall, bottom) = (right + 5.0, TOP + HEIGHT + 30.0, TOP + HEIGHT);
        let _ = write!(
            out,
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {wide} {tall}\" \
             style=\"width:{wide}px;max-width:100%\" role=\"img\">",
            escape(self.set),
        );
        for mib in (0..=high).step_by(step as usize) {
            let (y, x) = (y(mib), LEFT - 5.0);
            let _ = write!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#888\" stroke-opacity=\".3\"/>\
                 <text x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{mib}</text>",
                y + 4.0,
            );
        }
        for (place, workload) in self.workloads.iter().enumerate() {
            let x = LEFT + place as f64 * WIDTH;
            let (middle, below) = (x + WIDTH / 2.0, bottom + 12.0 + (place % 2) as f64 * 11.0);
            let _ = write!(
                out,
                "<path d=\"M{x} {TOP}V{bottom}\" stroke=\"#888\" stroke-opacity=\".3\"/>\
                 <text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\" \
                 style=\"font-size:9px\">{}</text>",
                escape(workload),
            );
        }
        for (label, points) in &self.lines {
            let mut path = String::new();
            for (at, &(place, mib)) in points.iter().enumerate() {
                let letter = if at == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", LEFT + place * WIDTH, y(mib));
            }
            let _ = write!(
                out,
                "<path d=\"{path}\" stroke=\"{}\" fill=\"none\" stroke-width=\"1.5\">\
                 <title>{}</title></path>",
                colour(labels, label),
                escape(label),
            );
        }
        out.push_str("</svg></figure>");
    }
}

/// Steps of the scale of a plot, 1, 2 or 5 with zeros, of which there are at most five, and its end.
fn scale(highest: u64) -> (u64, u64) {
    let mut step = 1;
    for factor in [2, 5, 10].iter().cycle() {
        if step * 5 >= highest {
            break;
        }
        let power = 10_u64.pow(step.ilog10());
        step = power * factor;
    }
    (step, highest.div_ceil(step).max(1) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_few_round_steps() {
        let scales = [0, 3, 6, 47, 396, 654, 1_347, 24_000].map(scale);
        let expected = [
            (1, 1),
            (1, 3),
            (2, 6),
            (10, 50),
            (100, 400),
            (200, 800),
            (500, 1_500),
            (5_000, 25_000),
        ];
        assert_eq!(scales, expected);
    }

    #[test]
    fn samples_that_fall_together_keep_the_highest() {
        let samples = [(10.0, 1), (10.001, 7), (10.002, 3), (15.0, 4), (20.0, 5)];
        assert_eq!(points(2, &samples), [(2.0, 7), (2.5, 4), (3.0, 5)]);
        assert_eq!(points(0, &[(1.0, 9)]), [(0.0, 9)]);
    }

    #[test]
    fn sets_take_the_first_run_in_order_of_workloads() {
        let record = |workload: &str, engine: &str, run, mib| Record {
            workload: workload.into(),
            engine: engine.into(),
            compression: "none".into(),
            run,
            memory: vec![(0.0, mib), (1.0, mib + 1)],
            ..Record::default()
        };
        let silent = Record { memory: Vec::new(), ..record("rww_write", "a", 0, 0) };
        let records = [
            record("fillrandom", "a", 0, 10),
            record("rww_read", "a", 0, 20),
            silent,
            record("fillseq", "b", 0, 30),
            record("fillrandom", "b", 0, 40),
            record("fillrandom", "a", 1, 50),
        ];
        let sets = sets(&records);
        let names: Vec<_> = sets.iter().map(|s| (s.set, s.workloads.clone())).collect();
        let random = ("random", vec!["fillrandom", "readwhilewriting"]);
        assert_eq!(names, [random, ("sequential", vec!["fillseq"])]);
        assert_eq!(sets[0].lines["a/none"], [(0.0, 10), (1.0, 11), (1.0, 20), (2.0, 21)]);
        assert_eq!(sets[0].lines["b/none"], [(0.0, 40), (1.0, 41)]);
    }
}
