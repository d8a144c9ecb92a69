//! `make bench`: measures the Scheduler beside bare loops on this machine, prints a table and writes BENCHMARKS.md.
//! It asserts nothing and runs in no test: a figure that falls short of its target is shown as such.
//! Neighbours: a file for each scenario, `roles` the processes that take part, `report` the page.

mod bare;
mod connection;
mod create;
mod drain;
mod jobs;
mod lambda;
mod machine;
mod memory;
mod process;
mod report;
mod roles;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use report::Finding;

/// The workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Debug, Parser)]
#[command(about = "Measures the Scheduler beside bare loops on this machine and writes BENCHMARKS.md")]
struct Arguments {
    /// Alternating runs of each pair.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only this; may be given several times. The page is printed then, but not written.
    #[arg(long, value_enum)]
    only: Vec<Scenario>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    DrainEmbedded,
    DrainDynamodbLocal,
    Create,
    Memory,
    Lambda,
}

/// What a process of this program does in a measurement.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Role {
    /// The embedded store in memory, until standard input ends.
    Store,
    /// A receiver that answers at once on several ports, until standard input ends.
    Receiver {
        #[arg(long)]
        ports: usize,
        /// Answer only when so many calls wait.
        #[arg(long)]
        hold: Option<usize>,
    },
    /// The API on one port, until standard input ends.
    Api(roles::Place),
    /// The poller, until so many jobs are delivered.
    Poller {
        #[command(flatten)]
        place: roles::Place,
        #[arg(long)]
        jobs: u64,
    },
    /// The loop that the poller is compared with.
    Bare(roles::Place),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(role) => Box::pin(play(role)).await,
        None => Box::pin(measure(arguments.runs, &arguments.only)).await,
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
        Role::Store => roles::store().await,
        Role::Receiver { ports, hold } => roles::receiver(ports, hold).await,
        Role::Api(place) => roles::api(&place).await,
        Role::Poller { place, jobs } => roles::poller(&place, jobs).await,
        Role::Bare(place) => roles::bare(&place).await,
    }
}

/// A scenario that cannot be measured here leaves the others standing, but not the page of the last whole run.
async fn measure(runs: u32, only: &[Scenario]) -> anyhow::Result<()> {
    let machine = machine::describe()?;
    let (mut findings, mut failed) = (Vec::new(), false);
    for scenario in Scenario::value_variants().iter().filter(|one| only.is_empty() || only.contains(one)) {
        match Box::pin(run(*scenario, runs)).await {
            Ok(found) => findings.extend(found),
            Err(error) => {
                eprintln!("bench: {scenario:?} could not be measured: {error:#}");
                failed = true;
            }
        }
    }
    let page = report::page(&machine, runs, &findings);
    process::say(&page)?;
    if failed {
        anyhow::bail!("not everything could be measured");
    }
    if only.is_empty() {
        std::fs::write(Path::new(ROOT).join("BENCHMARKS.md"), page)?;
    }
    Ok(())
}

async fn run(scenario: Scenario, runs: u32) -> anyhow::Result<Vec<Finding>> {
    eprintln!("bench: {scenario:?}");
    match scenario {
        Scenario::DrainEmbedded => drain::compare(drain::Kind::Embedded, runs).await,
        Scenario::DrainDynamodbLocal => drain::compare(drain::Kind::DynamoDbLocal, runs).await,
        Scenario::Create => create::compare(runs).await,
        Scenario::Memory => memory::compare(runs).await,
        Scenario::Lambda => lambda::measure().await,
    }
}
