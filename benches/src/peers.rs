//! The same jobs drained by others: db-scheduler on PostgreSQL and BullMQ on Redis, each with as many calls in flight as
//! our poller and to the same receivers. What they are and how they are set stands in `benches/peers/`; they measure
//! themselves, as our poller does. Neighbours: `stores` are their databases, `drain` our own loops.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::ROOT;
use crate::drain::{JOBS, RECEIVERS, by_the_poller};
use crate::jobs;
use crate::plot;
use crate::process::{self, Drain, Server, cpu_seconds_of_family, whole};
use crate::report::{Finding, Found, Series, Target, mebibytes, median};
use crate::roles::Place;
use crate::stores::{self, Postgres};
use crate::turns;

/// Jobs that a peer drains before those that count: its compiler needs them, our program does not.
const WARM_UP: usize = 3_000;
/// Jobs spread over some seconds, to see how late they are called.
const SPREAD_JOBS: usize = 200;
const SPREAD_SECONDS: &str = "10";
const ANSWERS: [(&str, &str); 2] =
    [("0", "receivers that answer at once"), ("50", "receivers that answer after 50 ms")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ours,
    DbScheduler,
    BullMqEverySecond,
    BullMqAlways,
}

const PEERS: [Who; 3] = [Who::DbScheduler, Who::BullMqEverySecond, Who::BullMqAlways];
const ALL: [Who; 4] = [Who::Ours, Who::DbScheduler, Who::BullMqEverySecond, Who::BullMqAlways];

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "Scheduler, embedded store",
            Self::DbScheduler => "db-scheduler",
            Self::BullMqEverySecond => "BullMQ, AOF everysec",
            Self::BullMqAlways => "BullMQ, AOF always",
        }
    }
}

#[derive(Clone, Debug)]
struct Run {
    drain: Drain,
    /// Of the store's processes, for each 1,000 jobs that were drained, a peer's warm-up included.
    store_cpu_ms: f64,
}

/// All stores there are, so that the runs can take turns.
struct Stores {
    embedded: Server,
    postgres: Postgres,
    redis_everysec: Server,
    redis_always: Server,
}

impl Stores {
    async fn start() -> anyhow::Result<Self> {
        Ok(Self {
            embedded: Server::embedded().await?,
            postgres: Postgres::start().await?,
            redis_everysec: stores::redis("everysec").await?,
            redis_always: stores::redis("always").await?,
        })
    }

    fn of(&self, who: Who) -> &Server {
        match who {
            Who::Ours => &self.embedded,
            Who::DbScheduler => &self.postgres.server,
            Who::BullMqEverySecond => &self.redis_everysec,
            Who::BullMqAlways => &self.redis_always,
        }
    }
}

pub(crate) async fn compare(runs: u32) -> anyhow::Result<Found> {
    let stores = Stores::start().await?;
    let mut found = Found::default();
    let (mut speeds, mut processor) = (Vec::new(), Vec::new());
    for (delay_ms, answers) in ANSWERS {
        let receiver = Server::start(&["receiver", "--ports", RECEIVERS, "--delay-ms", delay_ms]).await?;
        let run = async |who, number| one(&stores, &receiver, who, number).await;
        let results = turns::take(&ALL, runs, run).await?;
        let [ours, peers @ ..] = results.as_slice() else { bail!("not everybody ran") };
        for (who, theirs) in PEERS.iter().zip(peers) {
            found.findings.extend(beside(*who, answers, ours, theirs));
        }
        let bars = |figure: fn(&Run) -> f64| results.iter().map(|runs| median(runs.iter().map(figure))).collect();
        speeds.push((answers, bars(|run| run.drain.per_second())));
        processor.push((answers, bars(|run| run.drain.cpu_ms_per_1000())));
    }
    let names = ALL.map(Who::name);
    found.plots.push(plot::bars("peers-drain", "Callbacks a second, 256 in flight", "callbacks/s", &names, &speeds));
    let title = "Processor time of the scheduler's own process per 1,000 callbacks";
    found.plots.push(plot::bars("peers-processor", title, "ms", &names, &processor));
    for who in [Who::DbScheduler, Who::BullMqEverySecond] {
        found.findings.push(lateness(&stores, who).await?);
    }
    Ok(found)
}

fn beside(who: Who, answers: &str, ours: &[Run], theirs: &[Run]) -> Vec<Finding> {
    let cpu = |runs: &[Run]| Series::new("ms", runs.iter().map(|run| run.drain.cpu_ms_per_1000()));
    let store_cpu = |runs: &[Run]| Series::new("ms", runs.iter().map(|run| run.store_cpu_ms));
    let peak = |runs: &[Run]| Series::new("MiB", runs.iter().map(|run| mebibytes(run.drain.peak_kib)));
    let name = who.name();
    let mut findings = vec![
        Finding::new(format!("drain of 5,000 due jobs, {answers}"), rates(ours))
            .beside(name, rates(theirs))
            .with_target(Target::AtLeastPercent(100.0)),
        Finding::new(format!("processor time per 1,000 callbacks, {answers}"), cpu(ours))
            .beside(name, cpu(theirs))
            .with_target(Target::AtMostPercent(100.0)),
    ];
    // How soon the receiver answers changes little about these.
    if answers == ANSWERS[0].1 {
        findings.extend([
            Finding::new("processor time of the store per 1,000 callbacks", store_cpu(ours))
                .beside(name, store_cpu(theirs)),
            Finding::new("peak memory of the scheduler's own process", peak(ours)).beside(name, peak(theirs)),
        ]);
    }
    findings
}

fn rates(runs: &[Run]) -> Series {
    Series::new("jobs/s", runs.iter().map(|run| run.drain.per_second()))
}

async fn one(stores: &Stores, receiver: &Server, who: Who, number: u32) -> anyhow::Result<Run> {
    let store = stores.of(who);
    let urls: Vec<&str> = receiver.ready.split(' ').collect();
    let (drain, store_cpu, drained) = match who {
        Who::Ours => {
            let place = Place::new(&store.ready, &format!("peers{number}-"));
            jobs::seed(&place, &receiver.ready, JOBS).await?;
            let before = cpu_seconds_of_family(store.pid()?)?;
            let drain = by_the_poller(&place, JOBS).await?;
            let store_cpu = cpu_seconds_of_family(store.pid()?)? - before;
            jobs::clear(&place).await?;
            (drain, store_cpu, JOBS)
        }
        Who::DbScheduler | Who::BullMqEverySecond | Who::BullMqAlways => {
            seed(who, store, WARM_UP + JOBS, "0", &urls).await?;
            let before = cpu_seconds_of_family(store.pid()?)?;
            let drain = drain(who, store, WARM_UP, JOBS).await?;
            (drain, cpu_seconds_of_family(store.pid()?)? - before, WARM_UP + JOBS)
        }
    };
    Ok(Run { drain, store_cpu_ms: 1e6 * store_cpu / whole(u64::try_from(drained)?) })
}

/// How late a peer calls jobs that are spread over some seconds.
async fn lateness(stores: &Stores, who: Who) -> anyhow::Result<Finding> {
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS, "--lateness"]).await?;
    let urls: Vec<&str> = receiver.ready.split(' ').collect();
    seed(who, stores.of(who), SPREAD_JOBS, SPREAD_SECONDS, &urls).await?;
    drain(who, stores.of(who), 0, SPREAD_JOBS).await?;
    let late: Vec<f64> = receiver.last_word().await?;
    let what = format!("median lateness of {SPREAD_JOBS} jobs spread over {SPREAD_SECONDS} s");
    Ok(Finding::new(what, Series::none()).beside(who.name(), Series::new("ms", [median(late.into_iter())])))
}

async fn seed(who: Who, store: &Server, count: usize, spread_seconds: &str, urls: &[&str]) -> anyhow::Result<()> {
    let mut command = program(who)?;
    command.args(["seed", &store.ready, &count.to_string(), spread_seconds]).args(urls);
    let status = command.kill_on_drop(true).status().await?;
    if !status.success() {
        bail!("{} could not take {count} jobs: {status}", who.name());
    }
    Ok(())
}

async fn drain(who: Who, store: &Server, warm_up: usize, count: usize) -> anyhow::Result<Drain> {
    let mut command = program(who)?;
    command.args(["drain", &store.ready, &warm_up.to_string(), &count.to_string()]);
    process::word_of(&mut command).await
}

/// A peer's program, without its role.
fn program(who: Who) -> anyhow::Result<Command> {
    let tools = Path::new(ROOT).join(".tools/bench-peers");
    if who == Who::DbScheduler {
        let built = installed(tools.join("db-scheduler"))?;
        let mut java = Command::new("java");
        // On two cores the serial collector takes the least; the heap is what it needs and some. As many connections
        // are kept open to each receiver as it gets calls at a time.
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-Dhttp.maxConnections=32", "-cp"])
            .arg(format!("{0}/lib/*:{0}/db-scheduler-peer-1.jar", built.display()))
            .arg("DbSchedulerPeer");
        Ok(java)
    } else {
        let mut node = Command::new("node");
        node.arg(installed(tools.join("bullmq"))?.join("peer.mjs")).env("NODE_ENV", "production");
        Ok(node)
    }
}

fn installed(folder: PathBuf) -> anyhow::Result<PathBuf> {
    let missing = || format!("{} is missing: scripts/install-bench-needs makes it", folder.display());
    folder.exists().then(|| folder.clone()).with_context(missing)
}
