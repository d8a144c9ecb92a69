//! `make soak`: a steady load for half an hour, and whether anything but the history grows. API, poller and store are
//! processes of their own, so that what each holds is told apart; the load and the receivers are this one, which nobody
//! watches. It writes docs/soak.md and its plots. Neighbours: a file for each part, `roles` what is watched.

mod check;
mod ledger;
mod load;
mod page;
mod plan;
mod receivers;
mod sample;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use shared::clock::Stopwatch;
use shared::store::local_client;
use shared::store::table;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::jobs;
use crate::machine;
use crate::process::Server;
use crate::report::Found;
use crate::roles::Place;
use check::{Stored, problem};
use ledger::Ledger;
use load::Load;
use plan::{Kind, Planned};
use sample::{Sample, Sampler};

/// Unlike /tmp it is never in memory.
const ON_DISK: &str = "/var/tmp";
/// Between two samples.
const APART: Duration = Duration::from_secs(5);
/// The API is asked for its count of open jobs with each so many samples: it reads them all.
const ASKED: usize = 6;
/// What the last created jobs may take to end: the second attempt of a job that was due after a minute, and room.
const PATIENCE: Duration = Duration::from_secs(360);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long jobs are created.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Creations a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Between two polls.
    #[arg(long, default_value_t = 5)]
    poll_seconds: u64,
    /// The same one makes the same jobs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What was seen.
struct Soak {
    samples: Vec<Sample>,
    ledger: Arc<Ledger>,
    ends: Ends,
    /// The sums of the poller's own summaries.
    poller: BTreeMap<String, u64>,
}

/// What became of the jobs.
#[derive(Default)]
struct Ends {
    /// How many of each kind, and how many of them ended as they must.
    kinds: HashMap<Kind, [u64; 2]>,
    stored: u64,
    problems: Vec<String>,
}

/// The page, and what must not be.
pub(crate) async fn run(options: &Options) -> anyhow::Result<(Found, Vec<String>)> {
    let machine = machine::describe_without_java()?;
    let soak = soak(options).await?;
    let mut wrong = soak.ends.problems.clone();
    {
        let pages = soak.ledger.pages();
        wrong.extend(pages.wrongs.iter().cloned());
        let rest = pages.counts.wrong.saturating_sub(u64::try_from(pages.wrongs.len())?);
        wrong.extend((rest > 0).then(|| format!("{rest} more of the kind")));
    }
    for sum in ["storeFailures", "leasesLost"] {
        let count = soak.poller.get(sum).copied().unwrap_or(u64::MAX);
        wrong.extend((count > 0).then(|| format!("the poller tells of {count} {sum}")));
    }
    Ok((page::page(&machine, options, &soak, &wrong), wrong))
}

async fn soak(options: &Options) -> anyhow::Result<Soak> {
    let folder = TempDir::with_prefix_in("soak-", ON_DISK)?;
    let data = folder.path().join("store.sqlite");
    let store = Server::start(&["store", "--data", &data.display().to_string()]).await?;
    let place = Place::new(&store.ready, "soak-");
    table::create_missing(&local_client(&place.endpoint), &place.settings()?.tables).await?;
    jobs::let_in(&place).await?;
    let [endpoint, endpoint_is, tables, tables_are] = place.flags();
    let api = Server::start(&["api", endpoint, endpoint_is, tables, tables_are]).await?;
    let seconds = options.poll_seconds.to_string();
    let poller = ["steady-poller", "--poll-seconds", &seconds, endpoint, endpoint_is, tables, tables_are];
    let poller = Server::start(&poller).await?;
    let ledger = Arc::new(Ledger::default());
    let receivers = receivers::start(options.seed, &ledger).await?;
    let load = Arc::new(Load::new(&api.ready, receivers, ledger.clone())?);
    let length = Duration::from_secs(60 * options.minutes);
    eprintln!("soak: {} creations a second for {} minutes", options.rate, options.minutes);
    let running = tokio::spawn(load.clone().run(options.seed, options.rate, length));
    let pids = [api.pid()?, poller.pid()?, store.pid()?];
    let samples = watch(&mut Sampler::new(pids, &data), &load, &ledger, running, length).await?;
    eprintln!("soak: every job is looked at");
    let ends = ends(options.seed, &ledger, &load.stored().await?);
    Ok(Soak { samples, ledger, ends, poller: poller.last_word().await? })
}

/// Until the load has ended and nothing is open, or patience has.
async fn watch(
    sampler: &mut Sampler<'_>,
    load: &Load,
    ledger: &Ledger,
    running: JoinHandle<()>,
    length: Duration,
) -> anyhow::Result<Vec<Sample>> {
    let watch = Stopwatch::start();
    let mut timer = tokio::time::interval(APART);
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut samples = Vec::new();
    loop {
        timer.tick().await;
        let is_asked = samples.len() % ASKED == 0;
        let open = if is_asked { note_open(load, ledger).await } else { None };
        let minute = watch.elapsed().as_secs_f64() / 60.0;
        let sample = sampler.take(minute, ledger, open)?;
        if is_asked {
            eprintln!("soak: minute {minute:.1}, {} created, {} called", sample.counts.created, sample.counts.calls);
        }
        samples.push(sample);
        let is_over = running.is_finished() && open == Some(0);
        if is_over || watch.elapsed() > length + PATIENCE {
            running.abort();
            return Ok(samples);
        }
    }
}

async fn note_open(load: &Load, ledger: &Ledger) -> Option<u64> {
    match load.open().await {
        Ok((open, is_exact)) => is_exact.then_some(open),
        Err(error) => {
            ledger.note_wrong(format!("/stats/jobs: {error:#}"));
            None
        }
    }
}

fn ends(seed: u64, ledger: &Ledger, stored: &HashMap<u64, Vec<Stored>>) -> Ends {
    let pages = ledger.pages();
    let mut ends = Ends { stored: stored.values().map(|jobs| jobs.len() as u64).sum(), ..Ends::default() };
    // One whose creation was not answered is wrong already, and may be there or not.
    for (number, entry) in pages.entries.iter().filter(|(_, entry)| entry.is_created) {
        let planned = Planned::new(seed, *number);
        let jobs = stored.get(number).map(Vec::as_slice).unwrap_or_default();
        let [count, right] = ends.kinds.entry(planned.kind).or_default();
        *count += 1;
        match problem(&planned, entry, jobs) {
            None => *right += 1,
            Some(problem) => ends.problems.push(problem),
        }
    }
    ends
}
