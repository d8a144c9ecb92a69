//! docs/soak.md and its plots: what came of the jobs, what grows and what does not, with the figures of each.
//! It measures nothing and fails nothing. Neighbours: `soak.md` is the prose, `verdict` what flat means.

use super::plan::{End, Kind};
use super::sample::{Sample, Spread, WATCHED};
use super::verdict::{Allowance, Points, Verdict};
use super::{Options, Soak};
use crate::plot::{self, Line, Plot};
use crate::process::whole;
use crate::report::{Found, number, percentile};

const MIB: f64 = 1024.0 * 1024.0;
/// So many of what must not be are told; their number is.
const MOST_WORDS: usize = 20;

/// One line of the table.
struct Curve {
    name: String,
    unit: &'static str,
    allowed: Allowance,
    points: Points,
}

pub(super) fn page(machine: &str, options: &Options, soak: &Soak, wrong: &[String]) -> Found {
    let minutes = whole(options.minutes);
    let steady: Vec<&Sample> = soak.samples.iter().filter(|sample| sample.minute <= minutes).collect();
    let curves = curves(&steady);
    let mut page = include_str!("../soak.md").to_owned();
    page += &format!(
        "{machine}\n- {} creations a second for {} minutes, seed {}\n\n",
        options.rate, options.minutes, options.seed
    );
    page += &jobs(options, soak, wrong);
    page += &growth(&curves, &steady);
    let plots = plots(&soak.samples, minutes);
    for Plot { name, .. } in &plots {
        page += &format!("\n![{name}](plots/{name}.svg)\n");
    }
    Found { plots, pages: vec![("docs/soak.md", page)], ..Found::default() }
}

fn jobs(options: &Options, soak: &Soak, wrong: &[String]) -> String {
    let (minutes, aim) = (whole(options.minutes), whole(options.poll_seconds) + 2.0);
    let mut page = "## What came of the jobs\n\n| kind | created | ended as they must |\n|---|---|---|\n".to_owned();
    let mut kinds: Vec<_> = soak.ends.kinds.iter().map(|(kind, counts)| (name(*kind), *counts)).collect();
    kinds.sort_unstable();
    let mut all = [0, 0];
    for (name, [count, right]) in kinds {
        page += &format!("| {name} | {} | {} |\n", number(whole(count)), number(whole(right)));
        all = [all[0] + count, all[1] + right];
    }
    let [count, right] = all.map(whole);
    page += &format!("| **all** | **{}** | **{}** |\n\n", number(count), number(right));
    let pages = soak.ledger.pages();
    let counts = pages.counts;
    let of = |count: u64| number(whole(count));
    let late = Spread::of(&pages.late);
    let answers = Spread::of(&pages.answers);
    page += &format!(
        "- {} creations in {} minutes: {} a second; sent after the timetable by {} ms (p99), at most {} ms\n\
         - {} repeated, {} read, {} pages of lists, {} cancellations; {} jobs in the list afterwards, later occurrences included\n\
         - {} calls, of which {} were duplicates\n\
         - late by {} s (p50), {} s (p99), {} s (max); earliest {} s; the aim is a poll interval and two seconds, {} s: {}\n\
         - creations answered after {} ms (p50), {} ms (p99), {} ms (max)\n",
        of(counts.created),
        number(minutes),
        number(whole(counts.created) / 60.0 / minutes),
        number(percentile(&pages.lags, 99)),
        number(percentile(&pages.lags, 100)),
        of(counts.repeated),
        of(counts.read),
        of(counts.listed),
        of(counts.cancelled),
        of(soak.ends.stored),
        of(counts.calls),
        of(counts.duplicates),
        number(late.p50),
        number(late.p99),
        number(late.max),
        number(percentile(&pages.late, 0)),
        number(aim),
        if late.max <= aim { "met" } else { "**missed**" },
        number(answers.p50),
        number(answers.p99),
        number(answers.max),
    );
    page += &format!("- **{} lost or wrong**\n\n", wrong.len());
    for wrong in wrong.iter().take(MOST_WORDS) {
        page += &format!("  - {wrong}\n");
    }
    page
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Once => "delivered at the first attempt".to_owned(),
        Kind::Retried => "delivered at the second".to_owned(),
        Kind::Dead { attempts } => format!("dead letter after {attempts}"),
        Kind::Cancelled => "cancelled".to_owned(),
        Kind::Series { is_calendar, end } => {
            let what = if is_calendar { "calendar" } else { "interval" };
            let end = match end {
                End::Count => "`maxOccurrences`",
                End::Cancel => "`DELETE`",
            };
            format!("series by {what}, ended by {end}")
        }
    }
}

fn growth(curves: &[Curve], steady: &[&Sample]) -> String {
    let mut page = "## What grows, and what does not\n\nMedians of the three thirds of the time in which jobs were created, and the slope over the last two of them.\n\n\
        | what | unit | first third | middle | last | slope, an hour | may rise by | flat |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for Curve { name, unit, allowed, points } in curves {
        let Verdict { thirds: [first, middle, last], slope, is_flat } = Verdict::of(points, *allowed);
        let flat = if is_flat { "yes" } else { "**no**" };
        let Allowance { percent, absolute } = allowed;
        page += &format!(
            "| {name} | {unit} | {} | {} | {} | {} | {} % or {} | {flat} |\n",
            signed(first),
            signed(middle),
            signed(last),
            signed(slope),
            number(*percent),
            number(*absolute),
        );
    }
    let thirds: Vec<f64> = steady.chunks(steady.len().div_ceil(3).max(1)).map(bytes_per_job).collect();
    let per_job: Vec<String> = thirds.iter().map(|bytes| number(*bytes)).collect();
    let is_steady = matches!(thirds.as_slice(), [_, middle, last] if (last / middle - 1.0).abs() <= 0.1);
    page += &format!(
        "\nThe history grows, as it must, until its thirty days are over: the data file has {} MiB in the end. For each \
         creation it grew by {} bytes in the thirds of the time, payload included: {}.\n",
        steady.last().map_or_else(String::new, |sample| number(whole(sample.data_bytes) / MIB)),
        per_job.join(", "),
        if is_steady {
            "a job costs the same late as in the middle"
        } else {
            "**a job does not cost the same throughout**"
        },
    );
    page
}

fn bytes_per_job(samples: &[&Sample]) -> f64 {
    let [Some(first), Some(last)] = [samples.first(), samples.last()] else { return f64::NAN };
    let grown = whole(last.data_bytes.saturating_sub(first.data_bytes));
    grown / whole(last.counts.created.saturating_sub(first.counts.created))
}

fn curves(samples: &[&Sample]) -> Vec<Curve> {
    let mut curves = Vec::new();
    let mut add = |name: String, unit, absolute, figure: &dyn Fn(&Sample) -> f64| {
        let allowed = Allowance { percent: 10.0, absolute };
        let points = samples.iter().map(|sample| (sample.minute, figure(sample))).collect();
        curves.push(Curve { name, unit, allowed, points });
    };
    let of = |sample: &Sample, at: usize| sample.processes.get(at).copied();
    for (at, who) in WATCHED.into_iter().enumerate() {
        add(format!("memory, {who}"), "MiB", 4.0, &|s| of(s, at).map_or(f64::NAN, |p| p.memory_mib));
        add(format!("file handles, {who}"), "handles", 8.0, &|s| of(s, at).map_or(f64::NAN, |p| whole(p.handles)));
        add(format!("threads, {who}"), "threads", 4.0, &|s| of(s, at).map_or(f64::NAN, |p| whole(p.threads)));
    }
    add("lateness, p50".to_owned(), "s", 0.1, &|sample| sample.late.p50);
    add("lateness, p99".to_owned(), "s", 0.1, &|sample| sample.late.p99);
    add("lateness, the latest".to_owned(), "s", 0.1, &|sample| sample.late.max);
    add("creation, p50".to_owned(), "ms", 1.0, &|sample| sample.answers.p50);
    add("creation, p99".to_owned(), "ms", 1.0, &|sample| sample.answers.p99);
    add("open jobs".to_owned(), "jobs", 100.0, &|sample| sample.open.map_or(f64::NAN, whole));
    add("write-ahead log of the store".to_owned(), "MiB", 4.0, &|sample| whole(sample.log_bytes) / MIB);
    for (at, who) in WATCHED.into_iter().enumerate() {
        let points = processor(samples, at);
        let allowed = Allowance { percent: 10.0, absolute: 2.0 };
        curves.push(Curve { name: format!("processor, {who}"), unit: "% of a core", allowed, points });
    }
    curves
}

/// Percent of a core between one sample and the next.
fn processor(samples: &[&Sample], at: usize) -> Points {
    let percent = |pair: &[&Sample]| match pair {
        [before, after] => {
            let used = after.processes.get(at)?.cpu_seconds - before.processes.get(at)?.cpu_seconds;
            Some((after.minute, 100.0 * used / 60.0 / (after.minute - before.minute)))
        }
        _ => None,
    };
    samples.windows(2).filter_map(percent).collect()
}

fn plots(samples: &[Sample], minutes: f64) -> Vec<Plot> {
    let line = |label: &str, figure: &dyn Fn(&Sample) -> f64| -> Line {
        let points = samples.iter().map(|sample| (sample.minute, figure(sample)));
        (label.to_owned(), points.filter(|(_, figure)| figure.is_finite()).collect())
    };
    let each = |figure: &dyn Fn(&super::sample::Process) -> f64| -> Vec<Line> {
        let of = |at: usize| move |sample: &Sample| sample.processes.get(at).map_or(f64::NAN, figure);
        WATCHED.into_iter().enumerate().map(|(at, who)| line(who, &of(at))).collect()
    };
    let spread = |of: &dyn Fn(&Sample) -> Spread| {
        vec![
            line("the worst", &|sample| of(sample).max),
            line("p99", &|sample| of(sample).p99),
            line("p50", &|sample| of(sample).p50),
        ]
    };
    let store = [
        line("data file", &|sample| whole(sample.data_bytes) / MIB),
        line("write-ahead log", &|sample| whole(sample.log_bytes) / MIB),
    ];
    let open = [line("open jobs", &|sample| sample.open.map_or(f64::NAN, whole))];
    let across = format!("minutes; creations end after {}", number(minutes));
    let plot = |name, title: &str, up, lines: &[Line]| plot::lines(name, title, [&across, up], false, lines);
    vec![
        plot("soak-memory", "Memory", "resident, MiB", &each(&|process| process.memory_mib)),
        plot("soak-handles", "Open file handles", "handles", &each(&|process| whole(process.handles))),
        plot("soak-lateness", "From due to the call, each five seconds", "s", &spread(&|sample| sample.late)),
        plot(
            "soak-answers",
            "From the timetable to the answer of a creation, each five seconds",
            "ms",
            &spread(&|s| s.answers),
        ),
        plot("soak-open", "Open jobs", "jobs", &open),
        plot("soak-store", "The store's files: the history", "MiB", &store),
    ]
}

/// With a sign where it is negative.
fn signed(figure: f64) -> String {
    let text = number(figure.abs());
    if figure < 0.0 && text != "0" { format!("−{text}") } else { text }
}
