//! docs/scaling.md: what was simulated as tables and curves, between the prose of `scaling.md`. It computes nothing but
//! what a figure is shown as. Neighbour: `experiments` brings the figures.

use anyhow::bail;

use super::experiments::{Part, Run};
use super::scenario::{Outcome, Scenario, Shape};
use crate::plot::{Line, Plot, lines};
use crate::process::whole;
use crate::report::number;

/// What the product promises: one poll interval and two seconds.
const PROMISE: f64 = 62.0;

/// The page with its figures.
///
/// # Errors
/// When the prose asks for a figure that there is not.
pub(super) fn page(runs: &[Run], how: &str) -> anyhow::Result<String> {
    let of = |part: Part| runs.iter().filter(move |run| run.experiment.part == part).collect::<Vec<_>>();
    let mut page = include_str!("scaling.md").to_owned();
    for (mark, text) in [
        ("{{how}}", how.to_owned()),
        ("{{even}}", sizes(&of(Part::Even))),
        ("{{spike}}", sizes(&of(Part::Spike))),
        ("{{shards}}", deployments(&of(Part::Shards))),
        ("{{workers}}", deployments(&of(Part::Workers))),
        ("{{ramp}}", ramp_row(&of(Part::Ramp))),
        ("{{tenants}}", tenants(&of(Part::Tenants))),
        ("{{one-tenant}}", sizes(&of(Part::OneTenant))),
        ("{{others}}", sizes(&of(Part::Others))),
        ("{{samples}}", samples(runs)),
    ] {
        page = page.replace(mark, text.trim_end());
    }
    if let Some(at) = page.find("{{") {
        bail!("scaling.md asks for {:?}, which nothing fills", page.get(at..).unwrap_or_default().get(..20));
    }
    Ok(page)
}

pub(super) fn plots(runs: &[Run]) -> Vec<Plot> {
    let of = |part: Part| runs.iter().filter(move |run| run.experiment.part == part);
    let over = |part: Part, across: fn(&Scenario) -> u32| -> Vec<Line> {
        let line = |name: &str, figure: fn(&Outcome) -> f64| {
            let point = |run: &Run| (f64::from(across(&run.experiment.scenario)), figure(&run.outcome));
            (name.to_owned(), of(part).map(point).collect())
        };
        let promise = of(part).map(|run| (f64::from(across(&run.experiment.scenario)), PROMISE)).collect();
        vec![
            line("p50", |outcome| outcome.p50),
            line("p99", |outcome| outcome.p99),
            line("largest", |outcome| outcome.max),
            ("poll interval + 2 s".to_owned(), promise),
        ]
    };
    let repeated = |name: &str, count: fn(&Outcome) -> usize| -> Line {
        let point =
            |run: &Run| (f64::from(run.experiment.scenario.tenants), percent(count(&run.outcome), &run.outcome));
        (name.to_owned(), of(Part::Tenants).map(point).collect())
    };
    let over_tenants =
        [repeated("called again", |outcome| outcome.repeated), repeated("not recorded", |outcome| outcome.left)];
    let by_minute = |run: &Run| (0u32..).map(f64::from).zip(run.outcome.by_minute.iter().copied()).collect();
    let ramp = of(Part::Ramp).map(|run| ("largest".to_owned(), by_minute(run))).collect::<Vec<Line>>();
    let hundred = "100 million jobs an hour";
    vec![
        lines(
            "scaling-shards",
            &format!("Lateness over shards, {hundred}, a worker for each"),
            ["SHARD_COUNT", "seconds"],
            false,
            &over(Part::Shards, |scenario| scenario.shards),
        ),
        lines(
            "scaling-workers",
            &format!("Lateness over workers, {hundred}, 96 shards"),
            ["FANOUT_MAX", "seconds"],
            false,
            &over(Part::Workers, |scenario| scenario.workers),
        ),
        lines(
            "scaling-tenants",
            "Callbacks sent again over tenants, 10 million jobs an hour",
            ["tenants with equal shares", "% of the jobs"],
            false,
            &over_tenants,
        ),
        lines(
            "scaling-new-table",
            "Lateness with a new table, 10 million jobs an hour",
            ["minute in which the job was due", "seconds"],
            false,
            &ramp,
        ),
    ]
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

/// As people say it.
fn millions(jobs: f64) -> String {
    if jobs < 1e6 { number(jobs) } else { format!("{} M", number(jobs / 1e6)) }
}

fn seconds(outcome: &Outcome) -> Vec<String> {
    [outcome.p50, outcome.p99, outcome.max].map(number).to_vec()
}

fn keeps_up(outcome: &Outcome) -> String {
    let kept = outcome.max <= PROMISE && outcome.left == 0 && outcome.repeated == 0;
    if kept { "yes" } else { "**no**" }.to_owned()
}

/// Calls refused for each hundred deliveries, and by what.
fn throttled(outcome: &Outcome) -> String {
    let simulated = whole(u64::try_from(outcome.simulated.max(1)).unwrap_or(u64::MAX));
    let [table, queue, lists] = outcome.throttled;
    let causes =
        [(outcome.throttled_by_table, "the whole"), (table, "the table"), (queue, "the queue"), (lists, "the lists")];
    let said: Vec<String> = causes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", number(100.0 * whole(*count) / simulated)))
        .collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

/// Of a hundred jobs, those that were called more than once, and those whose outcome was not recorded in the end.
fn again(outcome: &Outcome) -> Vec<String> {
    [outcome.repeated, outcome.left].map(|count| number(percent(count, outcome))).to_vec()
}

fn percent(count: usize, outcome: &Outcome) -> f64 {
    let of = |count: usize| whole(u64::try_from(count).unwrap_or(u64::MAX));
    100.0 * of(count) / of(outcome.simulated.max(1))
}

fn money(outcome: &Outcome) -> String {
    format!("${:.2}", outcome.dollars_a_million)
}

fn sizes(runs: &[&Run]) -> String {
    let first = |run: &Run| {
        let Scenario { jobs, shards, workers, .. } = run.experiment.scenario;
        vec![millions(jobs), run.experiment.label.to_owned(), shards.to_string(), workers.to_string()]
    };
    outcomes(&["jobs in the hour", "deployment", "shards", "workers"], first, runs, true)
}

fn deployments(runs: &[&Run]) -> String {
    let first = |run: &Run| {
        let Scenario { shards, workers, .. } = run.experiment.scenario;
        vec![shards.to_string(), workers.to_string()]
    };
    outcomes(&["shards", "workers"], first, runs, true)
}

fn tenants(runs: &[&Run]) -> String {
    outcomes(&["tenants"], |run| vec![run.experiment.scenario.tenants.to_string()], runs, false)
}

/// A row a run: what it was by `first`, then what came of it, with or without its price.
fn outcomes(head: &[&str], first: impl Fn(&Run) -> Vec<String>, runs: &[&Run], priced: bool) -> String {
    let came = ["p50, s", "p99, s", "largest, s", "called again, %", "not recorded, %", "kept", "refused calls, %, by"];
    let price: &[&str] = if priced { &["$ a million"] } else { &[] };
    let row = |run: &&Run| {
        let outcome = &run.outcome;
        let mut row = [first(run), seconds(outcome), again(outcome)].concat();
        row.extend([keeps_up(outcome), throttled(outcome)]);
        row.extend(priced.then(|| money(outcome)));
        row
    };
    table(&[head, &came, price].concat(), runs.iter().map(row))
}

fn ramp_row(runs: &[&Run]) -> String {
    let say = |run: &&Run| {
        let minutes = &run.outcome.by_minute;
        let (worst, most) = minutes
            .iter()
            .enumerate()
            .fold((0, 0.0), |most, (minute, lateness)| if *lateness > most.1 { (minute, *lateness) } else { most });
        let [again, left] = [run.outcome.repeated, run.outcome.left].map(|count| number(percent(count, &run.outcome)));
        format!(
            "The largest lateness is {} s, of a job that was due in minute {worst}. {again} % of the callbacks were made again, and \
             {left} % were not recorded when it ended, three polls after the last of {} minutes.",
            number(most),
            minutes.len()
        )
    };
    runs.iter().map(say).collect::<Vec<_>>().join("\n")
}

/// What was simulated of each, and what was counted on the way.
fn samples(runs: &[Run]) -> String {
    let head = [
        "run",
        "of",
        "jobs simulated",
        "not recorded at the end",
        "called again",
        "failed conditions",
        "splits",
        "invocations",
        "new environments",
        "most at a time",
        "write units an hour",
        "read units an hour",
        "$ an hour",
    ];
    let row = |run: &Run| {
        let (scenario, outcome) = (&run.experiment.scenario, &run.outcome);
        let stretch = match scenario.shape {
            Shape::Even => format!("1/{}, {} min", scenario.of, scenario.minutes),
            Shape::Spike => format!("1/{}", scenario.of),
        };
        let count = |count: u64| number(whole(count));
        let size = |size: usize| number(whole(u64::try_from(size).unwrap_or(u64::MAX)));
        vec![
            format!(
                "{:?}, {}, {} shards, {} workers, {} tenants",
                run.experiment.part,
                millions(scenario.jobs),
                scenario.shards,
                scenario.workers,
                number(f64::from(scenario.tenants))
            ),
            stretch,
            size(outcome.simulated),
            size(outcome.left),
            size(outcome.repeated),
            count(outcome.failed_conditions),
            count(outcome.splits),
            count(outcome.bill.invocations),
            count(outcome.bill.cold_starts),
            size(outcome.bill.most_at_once),
            number(outcome.writes),
            number(outcome.reads),
            number(outcome.dollars),
        ]
    };
    table(&head, runs.iter().map(row))
}
