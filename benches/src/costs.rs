//! What one million callbacks cost on AWS: the capacity units of everything that touches the store, from creation over
//! HTTP to `Done`, the time of both functions, and money by `prices`. It writes docs/costs.md.
//! Neighbours: `meter` counts the units, `lambda` runs the functions.

use anyhow::bail;
use poller::{FanOut, Poller, Window};
use shared::clock::Clock;
use shared::config::Settings;

use crate::connection::Connection;
use crate::copies::{self, Item};
use crate::drain::RECEIVERS;
use crate::jobs::{self, TOKEN};
use crate::lambda::{self, Time};
use crate::meter::{Meter, Usage, writes};
use crate::prices::{self, RIVALS};
use crate::process::{Server, whole};
use crate::report::{Finding, Found, Series, Target, number};
use crate::roles::Place;

const PAYLOADS: [(usize, &str); 3] = [(200, "200 B"), (2_048, "2 KB"), (20_480, "20 KB")];
const JOBS: u32 = 1_000;
const MILLION: f64 = 1e6;
/// What a call of DynamoDB takes on AWS, where it is assumed and not measured.
const DYNAMODB_MS: f64 = 5.0;
/// The stack's defaults.
const API_MB: f64 = 512.0;
const POLLER_MB: f64 = 1024.0;
/// Ticks in a month of 30 days.
const TICKS: f64 = 30.0 * 24.0 * 60.0;
/// What DynamoDB adds to an item, and what the list's index holds of one that has ended.
const OVERHEAD_BYTES: f64 = 100.0 + 240.0;

/// The units of all jobs, and of one tick with nothing due.
struct Units {
    created: Usage,
    delivered: Usage,
    idle: Usage,
    /// Of what is stored of a job in the end.
    bytes: f64,
}

pub(crate) async fn measure() -> anyhow::Result<Found> {
    let (local, embedded) = (Server::dynamodb_local().await?, Server::embedded().await?);
    let mut found = Found::default();
    let mut page = include_str!("costs.md").to_owned();
    let mut all = Vec::new();
    for (payload, name) in PAYLOADS {
        let units = units(&local, payload).await?;
        let other = self::units(&embedded, payload).await?;
        // To the tenth: the counters of usage are told every ten seconds, not for each job.
        let per_job =
            |units: &Units| (10.0 * (of(&units.created, writes) + of(&units.delivered, writes))).round() / 10.0;
        let finding = Finding::new(format!("write units a callback, payload of {name}"), one(per_job(&units)))
            .beside("embedded store", one(per_job(&other)));
        found.findings.push(match payload {
            200 => finding.with_target(Target::AtMost(8.0)),
            20_480 => finding.with_target(Target::AtMost(30.0)),
            _ => finding,
        });
        let times = lambda::times(&embedded, payload).await?;
        all.push((payload, name, units, times));
    }
    write_page(&mut page, &all);
    found.pages.push(("docs/costs.md", page));
    Ok(found)
}

fn one(figure: f64) -> Series {
    Series::new("units", [figure])
}

/// Units a job, of the operations that match.
fn of(usage: &Usage, matches: impl Fn(&str) -> bool) -> f64 {
    usage.iter().filter(|(operation, _)| matches(operation)).map(|(_, used)| used.units).sum::<f64>() / f64::from(JOBS)
}

async fn units(store: &Server, payload: usize) -> anyhow::Result<Units> {
    let meter = Meter::before(&store.ready).await?;
    let place = Place::new(&meter.url, &format!("costs{payload}-"));
    jobs::create(&place, std::iter::empty()).await?;
    jobs::let_in(&place).await?;
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS]).await?;
    let mut role = vec!["api"];
    role.extend(place.flags());
    let api = Server::start(&role).await?;
    meter.take();
    post_all(&api, &receiver, payload).await?;
    let created = meter.take();
    // Units are the same however many are in flight; a store on a busy machine answers few in good time.
    let settings = Settings { concurrency: 16, ..place.settings()? };
    let poller = Poller::new(&settings, place.store()?, place.tenants(), Clock::System)?;
    let nobody = async |_: &[u32]| Err::<(), _>("there is one poller");
    let summary = poller.coordinate(&Window::open(), FanOut::of(&settings), nobody).await;
    if summary.delivered != u64::from(JOBS) || summary.claims_lost > 0 {
        bail!("not each of {JOBS} jobs was delivered at once: {summary:?}");
    }
    let delivered = meter.take();
    poller.coordinate(&Window::open(), FanOut::of(&settings), nobody).await;
    let idle = meter.take();
    let items = copies::originals(&place).await?;
    // One page of them: where a job has more than one item, their mean says the same.
    let mean = items.iter().map(bytes).sum::<f64>() / whole(u64::try_from(items.len())?);
    let per_job = created.get("PutItem").map_or(1.0, |puts| puts.calls / f64::from(JOBS));
    jobs::clear(&Place::new(&store.ready, &place.tables)).await?;
    Ok(Units { created, delivered, idle, bytes: mean * per_job.max(1.0) + OVERHEAD_BYTES })
}

async fn post_all(api: &Server, receiver: &Server, payload: usize) -> anyhow::Result<()> {
    let address = api.ready.trim_start_matches("http://");
    let mut connection = Connection::open(address).await?;
    for (to, _) in receiver.ready.split(' ').cycle().zip(0..JOBS) {
        let body = jobs::body_with(&format!("{to}/hook"), payload, "");
        let request = format!(
            "POST /scheduled-jobs HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = connection.ask(request.as_bytes()).await?;
        if status != "201" {
            bail!("the API answered {status}");
        }
    }
    Ok(())
}

/// The names and the values that are text or bytes; the few others weigh next to nothing.
fn bytes(item: &Item) -> f64 {
    let of = |name: &String, value: &aws_sdk_dynamodb::types::AttributeValue| {
        let text = value.as_s().map_or(8, String::len);
        name.len() + value.as_b().map_or(text, |blob| blob.as_ref().len())
    };
    item.iter().map(|(name, value)| whole(of(name, value).try_into().unwrap_or(u64::MAX))).sum()
}

/// Dollars for a million callbacks.
struct Money {
    writes: f64,
    reads: f64,
    api: f64,
    poller: f64,
    storage: f64,
}

impl Money {
    fn of(units: &Units, times: &Time) -> Self {
        let both = |matches: fn(&str) -> bool| of(&units.created, matches) + of(&units.delivered, matches);
        let calls: f64 = units.created.values().map(|used| used.calls).sum::<f64>() / f64::from(JOBS);
        let api_ms = billed_ms(times.api_ms, times.api_cpu_ms, API_MB) + calls * DYNAMODB_MS;
        let poller_ms = billed_ms(times.poller_ms, times.poller_cpu_ms, POLLER_MB);
        Self {
            writes: MILLION * both(writes) * prices::WRITE_UNITS,
            reads: MILLION * both(|operation| !writes(operation)) * prices::READ_UNITS,
            api: MILLION
                * (prices::HTTP_API_REQUEST
                    + prices::LAMBDA_REQUEST
                    + api_ms.ceil() / 1e3 * API_MB * prices::LAMBDA_MB_SECOND),
            poller: MILLION * poller_ms / 1e3 * POLLER_MB * prices::LAMBDA_MB_SECOND,
            storage: MILLION * units.bytes * prices::STORED_BYTES_MONTH,
        }
    }

    fn sum(&self) -> f64 {
        self.writes + self.reads + self.api + self.poller + self.storage
    }
}

/// As long as it took here, or as long as its share of a processor needs for the same work.
fn billed_ms(wall_ms: f64, cpu_ms: f64, memory_mb: f64) -> f64 {
    wall_ms.max(cpu_ms / (memory_mb / prices::MB_A_PROCESSOR))
}

type Measured = (usize, &'static str, Units, Time);

fn write_page(page: &mut String, all: &[Measured]) {
    let mut row = |cells: &[String]| page.push_str(&format!("| {} |\n", cells.join(" | ")));
    let head =
        |first: &str| [vec![first.to_owned()], all.iter().map(|(_, name, ..)| (*name).to_owned()).collect()].concat();
    let line = |first: &str, figure: &dyn Fn(&Measured) -> String| {
        [vec![first.to_owned()], all.iter().map(figure).collect()].concat()
    };
    let rule = vec!["---".to_owned(); all.len() + 1];
    let plain = |figure: f64| number(figure);
    let dollars = |figure: f64| format!("${figure:.2}");

    row(&head("a callback takes"));
    row(&rule);
    row(&line("write units to create", &|(_, _, units, _)| plain(of(&units.created, writes))));
    row(&line("write units to claim and settle", &|(_, _, units, _)| plain(of(&units.delivered, writes))));
    row(&line("read units to create", &|(_, _, units, _)| plain(of(&units.created, |o| !writes(o)))));
    row(&line("read units to find and deliver", &|(_, _, units, _)| plain(of(&units.delivered, |o| !writes(o)))));
    row(&line("bytes stored for 30 days", &|(_, _, units, _)| plain(units.bytes)));
    row(&line("API function, ms (processor, ms)", &|(_, _, _, t)| {
        format!("{} ({})", plain(t.api_ms), plain(t.api_cpu_ms))
    }));
    row(&line("poller, ms (processor, ms)", &|(_, _, _, t)| {
        format!("{} ({})", plain(t.poller_ms), plain(t.poller_cpu_ms))
    }));
    row(&[String::new()]);
    row(&head("a million of them cost"));
    row(&rule);
    let money = |figure: fn(&Money) -> f64| move |m: &Measured| dollars(figure(&Money::of(&m.2, &m.3)));
    row(&line("DynamoDB, writes", &money(|m| m.writes)));
    row(&line("DynamoDB, reads", &money(|m| m.reads)));
    row(&line("DynamoDB, 30 days of history", &money(|m| m.storage)));
    row(&line("API Gateway and the API function", &money(|m| m.api)));
    row(&line("poller", &money(|m| m.poller)));
    row(&line("**the Scheduler**", &money(Money::sum)));
    for rival in RIVALS {
        row(&line(rival.name, &|(payload, ..)| dollars((rival.dollars)(*payload))));
    }
    let text = page.replace("|  |\n", "\n");
    *page = text;
    notes(page, all);
}

fn notes(page: &mut String, all: &[Measured]) {
    let mut say = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    say("");
    for rival in RIVALS {
        say(&format!("- {}: {}.", rival.name, rival.how));
    }
    if let Some((_, _, units, times)) = all.first() {
        // Half a unit for a query that finds nothing is an assumption: the local store does not tell.
        let reads = units.idle.iter().filter(|(operation, _)| !writes(operation));
        let reads = reads.map(|(_, used)| used.units.max(0.5 * used.calls)).sum::<f64>();
        let a_tick = reads * prices::READ_UNITS
            + prices::LAMBDA_REQUEST
            + billed_ms(times.idle_ms + 2.0 * DYNAMODB_MS, times.idle_cpu_ms, POLLER_MB).ceil() / 1e3
                * POLLER_MB
                * prices::LAMBDA_MB_SECOND;
        say(&format!(
            "\nA minute with nothing due takes {} read units and {} ms of the poller; a month of them costs ${:.2}.",
            number(reads),
            number(times.idle_ms),
            TICKS * a_tick
        ));
    }
    say("\n## Where the prices come from\n\n| price | seen |\n|---|---|");
    say(prices::SOURCES.trim_end());
    say("\n## By operation\n");
    for (_, name, units, _) in all {
        for (when, usage) in [("to create", &units.created), ("to deliver", &units.delivered)] {
            let list: Vec<String> = usage
                .iter()
                .map(|(operation, used)| {
                    let each = f64::from(JOBS);
                    format!("{operation} {} calls, {} units", number(used.calls / each), number(used.units / each))
                })
                .collect();
            say(&format!("- {name}, {when}, a job: {}", list.join("; ")));
        }
    }
}
