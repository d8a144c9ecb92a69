//! How long a page of `GET /scheduled-jobs` takes with 1,000, 100,000 and 1,000,000 jobs stored, with each filter.
//! The jobs are copies, put there before; the API is the product's own. Neighbours: `copies`, `connection`.

use anyhow::{Context as _, bail};
use chrono::{TimeDelta, Timelike as _};
use serde_json::Value;
use shared::clock::{Clock, Stopwatch, Timestamp, format_instant};
use shared::job::Status;

use crate::connection::Connection;
use crate::copies;
use crate::jobs::{self, TOKEN};
use crate::plot;
use crate::process::Server;
use crate::report::{Finding, Found, Series, Target, median, percentile};
use crate::roles::Place;
use crate::turns;

const SIZES: [(u32, &str); 3] = [(1_000, "1,000"), (100_000, "100,000"), (1_000_000, "1,000,000")];
/// Of each filter at each size, in every run.
const PAGES: usize = 100;
/// A page that looks for a status which few of the open jobs have ends when its time is over: seconds each.
const SLOW_PAGES: usize = 2;

/// A store of so many jobs, and the API before it.
struct Stored {
    jobs: u32,
    api: Server,
    /// What the filters ask for here, in their order.
    targets: Vec<String>,
}

/// What a page may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filter {
    name: &'static str,
    pages: usize,
    /// Whether it must stay flat; a filter that reads past what it does not want cannot.
    is_flat: bool,
}

const fn flat(name: &'static str) -> Filter {
    Filter { name, pages: PAGES, is_flat: true }
}

/// In the order of [`targets`].
const FILTERS: [Filter; 9] = [
    flat("no filter"),
    flat("`status=Pending`"),
    flat("`status=Done`"),
    flat("`status=Cancelled`"),
    flat("`status=DeadLetter`"),
    flat("`from` and `to`"),
    flat("`status=Done`, `from` and `to`, `order=asc`"),
    flat("`to` and `cursor`, from the middle on"),
    Filter { name: "`status=Firing`, which none is", pages: SLOW_PAGES, is_flat: false },
];

/// The percentiles of one run.
#[derive(Clone, Copy, Debug)]
struct Pages {
    p50_ms: f64,
    p99_ms: f64,
}

/// With `largest` jobs stored at most.
pub(crate) async fn measure(runs: u32, largest: u32) -> anyhow::Result<Found> {
    let store = Server::embedded().await?;
    let mut stored = Vec::new();
    for (jobs, _) in SIZES.into_iter().filter(|(jobs, _)| *jobs <= largest) {
        let watch = Stopwatch::start();
        stored.push(fill(&store, jobs).await?);
        eprintln!("bench: {jobs} jobs are stored after {:.0} s", watch.elapsed().as_secs_f64());
    }
    let mut found = Found::default();
    let mut lines = Vec::new();
    for (place, filter) in FILTERS.iter().enumerate() {
        let sizes: Vec<usize> = (0..stored.len()).collect();
        let runs = if filter.is_flat { runs } else { 1 };
        let run = async |size: usize, _| {
            let stored = stored.get(size).context("a size that is there")?;
            pages(stored, stored.targets.get(place).context("each filter has a target")?, filter.pages).await
        };
        let results = turns::take(&sizes, runs, run).await?;
        let [few, more @ ..] = results.as_slice() else { bail!("no size was asked") };
        for (results, (_, size)) in more.iter().zip(SIZES.iter().skip(1)) {
            found.findings.extend(findings(*filter, size, results, few));
        }
        let p99 = |pages: &[Pages]| median(pages.iter().map(|pages| pages.p99_ms));
        let points = stored.iter().zip(&results).map(|(stored, pages)| (f64::from(stored.jobs), p99(pages)));
        if filter.is_flat {
            lines.push((filter.name.replace('`', "").chars().take(30).collect(), points.collect()));
        }
    }
    let title = "The slowest page of a hundred, by the jobs stored";
    found.plots.push(plot::lines("list", title, ["jobs stored", "p99, ms"], true, &lines));
    Ok(found)
}

fn findings(filter: Filter, size: &str, ours: &[Pages], few: &[Pages]) -> Vec<Finding> {
    let series = |pages: &[Pages], figure: fn(&Pages) -> f64| Series::new("ms", pages.iter().map(figure));
    let finding = |what: &str, figure: fn(&Pages) -> f64| {
        Finding::new(format!("{what} of a page of 50 of {size} jobs, {}", filter.name), series(ours, figure))
            .beside("of 1,000", series(few, figure))
    };
    let p99 = finding("p99", |pages| pages.p99_ms);
    let p99 = if filter.is_flat { p99.with_target(Target::AtMostPercent(150.0)) } else { p99 };
    vec![finding("p50", |pages| pages.p50_ms), p99]
}

async fn pages(stored: &Stored, target: &str, count: usize) -> anyhow::Result<Pages> {
    let request = request(&stored.api, "GET", target);
    let mut connection = Connection::open(address(&stored.api)).await?;
    let mut latencies = Vec::new();
    // The first tells the process what it has to know of the token.
    for page in 0..=count {
        let watch = Stopwatch::start();
        let status = connection.ask(&request).await?;
        if page > 0 {
            latencies.push(1e3 * watch.elapsed().as_secs_f64());
        }
        if status != "200" {
            bail!("the API answered {status} to {target}");
        }
    }
    Ok(Pages { p50_ms: percentile(&latencies, 50), p99_ms: percentile(&latencies, 99) })
}

/// One in ten waits, one in twenty is cancelled, one in twenty is dead, the others are done. They lie a minute apart.
async fn fill(store: &Server, count: u32) -> anyhow::Result<Stored> {
    let place = Place::new(&store.ready, &format!("list{count}-"));
    let soon = Clock::System.now() + TimeDelta::days(1);
    let soon = soon.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(soon);
    let body = jobs::body_with("http://127.0.0.1:9/hook", 200, &format!(r#""fireAtUtc":"{}","#, format_instant(soon)));
    jobs::create(&place, std::iter::repeat_n(body, 2)).await?;
    jobs::let_in(&place).await?;
    let mut role = vec!["api"];
    role.extend(place.flags());
    let api = Server::start(&role).await?;
    let page = ask(&api, "GET", "/scheduled-jobs").await?;
    let id = page.pointer("/items/0/id").and_then(Value::as_str).context("a job has an id")?;
    ask(&api, "DELETE", &format!("/scheduled-jobs/{id}")).await?;
    let originals = copies::originals(&place).await?;
    let of = |waits: bool| originals.iter().find(|item| item.contains_key("statusShard") == waits);
    let (waiting, ended) = (of(true).context("one waits")?, of(false).context("one has ended")?);
    let copies = (1..count - 1).map(|number| {
        let at = instant(soon, count, number);
        match number % 20 {
            0 | 10 => copies::planned(waiting, at, None),
            5 => copies::planned(ended, at, Some(Status::Cancelled)),
            15 => copies::planned(ended, at, Some(Status::DeadLetter)),
            _ => copies::planned(ended, at, Some(Status::Done)),
        }
    });
    copies::put_all(&place, copies).await?;
    let targets = targets(&api, soon, count).await?;
    Ok(Stored { jobs: count, api, targets })
}

/// Half of them in the past, half to come.
fn instant(soon: Timestamp, count: u32, number: u32) -> Timestamp {
    soon + TimeDelta::minutes(i64::from(number) - i64::from(count / 2))
}

fn address(api: &Server) -> &str {
    api.ready.trim_start_matches("http://")
}

fn request(api: &Server, method: &str, target: &str) -> Vec<u8> {
    let host = address(api);
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").into_bytes()
}

async fn ask(api: &Server, method: &str, target: &str) -> anyhow::Result<Value> {
    let mut connection = Connection::open(address(api)).await?;
    let status = connection.ask(&request(api, method, target)).await?;
    if status != "200" {
        bail!("the API answered {status} to {method} {target}");
    }
    Ok(serde_json::from_slice(connection.body())?)
}

/// What the [`FILTERS`] ask for. The bounds hold the middle tenth of the jobs.
async fn targets(api: &Server, soon: Timestamp, count: u32) -> anyhow::Result<Vec<String>> {
    let from = instant(soon, count, count / 2 - count / 20);
    let to = instant(soon, count, count / 2 + count / 20);
    let (from, to) = (format!("from={}", format_instant(from)), format!("to={}", format_instant(to)));
    let bounds = format!("{from}&{to}");
    let list = |query: &str| format!("/scheduled-jobs?{query}");
    let first = ask(api, "GET", &list(&to)).await?;
    let cursor = first.get("nextCursor").and_then(Value::as_str).context("there is a second page")?;
    Ok(vec![
        "/scheduled-jobs".to_owned(),
        list("status=Pending"),
        list("status=Done"),
        list("status=Cancelled"),
        list("status=DeadLetter"),
        list(&bounds),
        list(&format!("status=Done&{bounds}&order=asc")),
        list(&format!("{to}&cursor={cursor}")),
        list("status=Firing"),
    ])
}
