//! `make bench`: measures the Scheduler beside bare loops and beside others of its kind on this machine, prints a table
//! and writes BENCHMARKS.md, docs/costs.md and the plots.
//! It asserts nothing and runs in no test: a figure that falls short of its target is shown as such.
//! Neighbours: a file for each scenario, `roles` the processes that take part, `report` the page.

mod bare;
mod connection;
mod copies;
mod costs;
mod create;
mod drain;
mod jobs;
mod lambda;
mod lateness;
mod list;
mod machine;
mod meter;
mod peers;
mod plot;
mod prices;
mod process;
mod receiver;
mod report;
mod roles;
#[cfg(any(test, feature = "simulation"))]
mod simulation;
mod soak;
mod stores;
mod turns;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use mimalloc::MiMalloc;
use shared::clock::Stopwatch;

use report::Found;

/// The workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Debug, Parser)]
#[command(
    about = "Measures the Scheduler beside others on this machine; writes BENCHMARKS.md, docs/costs.md and plots"
)]
struct Arguments {
    /// Alternating runs of each pair.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only this; may be given several times. The page is printed then, but not written.
    #[arg(long, value_enum)]
    only: Vec<Scenario>,
    /// With --only: write the plots and further pages of what was measured, though not BENCHMARKS.md.
    #[arg(long, requires = "only")]
    keep: bool,
    /// Jobs in the largest list that is filled, which takes some minutes.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    largest_list: u32,
    #[command(subcommand)]
    role: Option<Role>,
}

/// In the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    DrainEmbedded,
    DrainDynamodbLocal,
    SlowReceivers,
    Backlog,
    Peers,
    Create,
    List,
    Lambda,
    Costs,
    /// Runs beside the others.
    Lateness,
}

/// What a process of this program does in a measurement.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Role {
    /// Not a part but a measurement of its own: a steady load, and whether anything grows that should not.
    Soak(soak::Options),
    /// `make simulate`: what more jobs than this machine could deliver would take; writes docs/scaling.md.
    #[cfg(any(test, feature = "simulation"))]
    Simulate(simulation::Options),
    /// The embedded store, in memory or on a file, until standard input ends.
    Store {
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// A receiver on several ports, until standard input ends.
    Receiver(receiver::Manner),
    /// The API on one port, until standard input ends.
    Api(roles::Place),
    /// The poller, until so many jobs are delivered.
    Poller {
        #[command(flatten)]
        place: roles::Place,
        #[arg(long)]
        jobs: u64,
    },
    /// The poller each minute, until so many jobs are delivered.
    PollerEachMinute {
        #[command(flatten)]
        place: roles::Place,
        #[arg(long)]
        jobs: u64,
    },
    /// The poller at this interval, until standard input ends.
    SteadyPoller {
        #[command(flatten)]
        place: roles::Place,
        #[arg(long)]
        poll_seconds: u64,
    },
    /// The loop that the poller is compared with.
    Bare {
        #[command(flatten)]
        place: roles::Place,
        #[arg(long)]
        without_post: bool,
    },
}

/// Where hundreds of calls come and go, the system's own takes longer and holds on to more (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(role) => Box::pin(play(role)).await,
        None => Box::pin(measure(&arguments)).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Soak(options) => soak(&options).await,
        #[cfg(any(test, feature = "simulation"))]
        Role::Simulate(options) => simulation::simulate(&options),
        Role::Store { data } => roles::store(data.as_deref()).await,
        Role::Receiver(manner) => receiver::serve(manner).await,
        Role::Api(place) => roles::api(&place).await,
        Role::Poller { place, jobs } => roles::poller(&place, jobs).await,
        Role::PollerEachMinute { place, jobs } => roles::poller_each_minute(&place, jobs).await,
        Role::SteadyPoller { place, poll_seconds } => {
            roles::steady_poller(&place, Duration::from_secs(poll_seconds)).await
        }
        Role::Bare { place, without_post } => roles::bare(&place, !without_post).await,
    }
}

/// The page is written whatever came of it; what must not be is an error.
async fn soak(options: &soak::Options) -> anyhow::Result<()> {
    let (found, wrong) = soak::run(options).await?;
    write(&found)?;
    for (path, page) in &found.pages {
        process::say(&format!("{page}\nwritten to {path}"))?;
    }
    anyhow::ensure!(wrong.is_empty(), "{} calls or answers are lost or wrong", wrong.len());
    Ok(())
}

/// A scenario that cannot be measured here leaves the others standing, but not the page of the last whole run.
async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { runs, only, keep, largest_list, role: _ } = arguments;
    let machine = machine::describe()?;
    let chosen = |scenario: &Scenario| only.is_empty() || only.contains(scenario);
    // Its poll of 600 jobs takes a second of each minute; one run in ten of another is disturbed by it, no median.
    let lateness = chosen(&Scenario::Lateness).then(|| tokio::spawn(lateness::measure()));
    let (mut found, mut failed) = (Found::default(), false);
    let in_turn = Scenario::value_variants().iter().filter(|scenario| **scenario != Scenario::Lateness);
    for scenario in in_turn.filter(|scenario| chosen(scenario)) {
        let watch = Stopwatch::start();
        failed |= !take(&mut found, *scenario, Box::pin(run(*scenario, *runs, *largest_list)).await);
        eprintln!("bench: {scenario:?} took {:.0} s", watch.elapsed().as_secs_f64());
    }
    if let Some(lateness) = lateness {
        failed |= !take(&mut found, Scenario::Lateness, lateness.await?);
    }
    let page = report::page(&machine, *runs, &found);
    process::say(&page)?;
    if failed {
        anyhow::bail!("not everything could be measured");
    }
    if *keep || only.is_empty() {
        write(&found)?;
    }
    if only.is_empty() {
        fs::write(Path::new(ROOT).join("BENCHMARKS.md"), page)?;
    }
    Ok(())
}

/// Whether there is something to take.
fn take(found: &mut Found, scenario: Scenario, result: anyhow::Result<Found>) -> bool {
    match result {
        Ok(more) => {
            found.findings.extend(more.findings);
            found.plots.extend(more.plots);
            found.pages.extend(more.pages);
            true
        }
        Err(error) => {
            eprintln!("bench: {scenario:?} could not be measured: {error:#}");
            false
        }
    }
}

fn write(found: &Found) -> anyhow::Result<()> {
    let plots = Path::new(ROOT).join("docs/plots");
    fs::create_dir_all(&plots)?;
    for plot in &found.plots {
        fs::write(plots.join(format!("{}.svg", plot.name)), &plot.svg)?;
    }
    for (path, page) in &found.pages {
        fs::write(Path::new(ROOT).join(path), page)?;
    }
    Ok(())
}

async fn run(scenario: Scenario, runs: u32, largest_list: u32) -> anyhow::Result<Found> {
    eprintln!("bench: {scenario:?}");
    Ok(match scenario {
        Scenario::DrainEmbedded => drain::compare(drain::Kind::Embedded, runs).await?.into(),
        Scenario::DrainDynamodbLocal => drain::compare(drain::Kind::DynamoDbLocal, runs).await?.into(),
        Scenario::SlowReceivers => drain::slow_receivers(runs).await?.into(),
        Scenario::Backlog => drain::backlog(runs).await?.into(),
        Scenario::Peers => peers::compare(runs).await?,
        Scenario::Create => create::compare(runs).await?.into(),
        Scenario::List => list::measure(runs, largest_list).await?,
        Scenario::Lambda => lambda::measure().await?.into(),
        Scenario::Costs => costs::measure().await?,
        Scenario::Lateness => lateness::measure().await?,
    })
}
