//! Due jobs, drained by the poller and by the bare loop in turns, each run in a process of its own: 5,000 of them at
//! receivers that answer at once, after 50 ms or, one in a hundred, never; and 50,000.
//! Neighbours: `roles` is what runs, `bare` the loop, `peers` the same jobs drained by others.

use crate::jobs;
use crate::process::{self, Drain, Server};
use crate::report::{Finding, Series, Target, mebibytes};
use crate::roles::Place;
use crate::turns;

pub(crate) const JOBS: usize = 5_000;
/// Each gets the 32 deliveries at a time that one host may have by default; together they are the default of 256.
pub(crate) const RECEIVERS: &str = "8";
/// A hundredth of a backlog goes to one that never answers.
const HUNDRED: &str = "100";
const FEW: usize = 1_000;
const MANY: usize = 50_000;
const TARGET: Target = Target::AtLeastPercent(95.0);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Embedded,
    DynamoDbLocal,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Poller,
    Bare,
    /// The bare loop without its calls.
    Updates,
}

pub(crate) async fn compare(kind: Kind, runs: u32) -> anyhow::Result<Vec<Finding>> {
    let (store, name) = match kind {
        Kind::Embedded => (Server::embedded().await?, "embedded store"),
        Kind::DynamoDbLocal => (Server::dynamodb_local().await?, "DynamoDB Local"),
    };
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS]).await?;
    let run = async |who, number| one(&store, &receiver, who, JOBS, number).await;
    // One that warms the store up and is not counted.
    turns::take(&[Who::Poller], 1, run).await?;
    let [ours, bare] = take([Who::Poller, Who::Bare], runs, run).await?;
    let mut findings = vec![
        Finding::new(format!("drain of 5,000 due jobs, {name}"), rates(&ours))
            .beside("bare loop", rates(&bare))
            .with_target(TARGET),
        Finding::new(format!("processor time per 1,000 callbacks, {name}"), cpu(&ours)).beside("bare loop", cpu(&bare)),
    ];
    if matches!(kind, Kind::Embedded) {
        let [updates] = take([Who::Updates], runs, run).await?;
        findings.push(Finding::new("the same updates alone, embedded store", rates(&updates)));
    }
    Ok(findings)
}

/// Receivers that take their time, on the embedded store.
pub(crate) async fn slow_receivers(runs: u32) -> anyhow::Result<Vec<Finding>> {
    let store = Server::embedded().await?;
    let slow = Server::start(&["receiver", "--ports", RECEIVERS, "--delay-ms", "50"]).await?;
    let run = async |who, number| one(&store, &slow, who, JOBS, number).await;
    let [ours, bare] = take([Who::Poller, Who::Bare], runs, run).await?;
    let all = Server::start(&["receiver", "--ports", HUNDRED]).await?;
    let but_one = Server::start(&["receiver", "--ports", HUNDRED, "--silent", "1"]).await?;
    let run = async |is_silent: bool, number| {
        let receivers = if is_silent { &but_one.ready } else { &all.ready };
        let place = Place::new(&store.ready, &format!("silent{number}{is_silent}-"));
        let bodies = receivers.split(' ').map(|to| jobs::body_with(to, 200, r#""timeoutSeconds":1,"#));
        jobs::seed_with(&place, bodies.collect(), JOBS).await?;
        let drain = by_the_poller(&place, JOBS).await?;
        jobs::clear(&place).await?;
        Ok(drain)
    };
    let [one_silent, none_silent] = take([true, false], runs, run).await?;
    Ok(vec![
        Finding::new("drain of 5,000 due jobs, receivers that answer after 50 ms", rates(&ours))
            .beside("bare loop", rates(&bare))
            .with_target(TARGET),
        Finding::new(
            "drain of 5,000 due jobs, 1 of 100 receivers never answers (`timeoutSeconds` 1)",
            rates(&one_silent),
        )
        .beside("all 100 answer", rates(&none_silent)),
    ])
}

/// A backlog ten times as long; pages of the queue are streamed, never collected, so memory must not grow with it.
pub(crate) async fn backlog(runs: u32) -> anyhow::Result<Vec<Finding>> {
    let store = Server::embedded().await?;
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS]).await?;
    let run = async |(who, jobs), number| one(&store, &receiver, who, jobs, number).await;
    // Long runs that differ by little: three of each.
    let sides = [(Who::Poller, MANY), (Who::Bare, MANY), (Who::Poller, FEW)];
    let [many, bare, few] = take(sides, runs.min(3), run).await?;
    let peaks = |runs: &[Drain]| Series::new("MiB", runs.iter().map(|run| mebibytes(run.peak_kib)));
    Ok(vec![
        Finding::new("drain of 50,000 due jobs, embedded store", rates(&many)).beside("bare loop", rates(&bare)),
        Finding::new("processor time per 1,000 callbacks of 50,000", cpu(&many)).beside("bare loop", cpu(&bare)),
        Finding::new("peak memory of the poller with 50,000 due jobs", peaks(&many))
            .beside("with 1,000 due", peaks(&few))
            .with_target(Target::WithinPercent(10.0)),
    ])
}

async fn one(store: &Server, receiver: &Server, who: Who, jobs: usize, number: u32) -> anyhow::Result<Drain> {
    let place = Place::new(&store.ready, &format!("drain{number}-{jobs}{who:?}-"));
    jobs::seed(&place, &receiver.ready, jobs).await?;
    let drain = match who {
        Who::Poller => by_the_poller(&place, jobs).await?,
        Who::Bare => by_the_loop(&place, &[]).await?,
        Who::Updates => by_the_loop(&place, &["--without-post"]).await?,
    };
    jobs::clear(&place).await?;
    Ok(drain)
}

pub(crate) async fn by_the_poller(place: &Place, jobs: usize) -> anyhow::Result<Drain> {
    let jobs = jobs.to_string();
    let mut role = vec!["poller", "--jobs", &jobs];
    role.extend(place.flags());
    process::drain(&role).await
}

async fn by_the_loop(place: &Place, flags: &[&str]) -> anyhow::Result<Drain> {
    let mut role = vec!["bare"];
    role.extend(place.flags());
    role.extend(flags);
    process::drain(&role).await
}

/// As many lists of runs as there are participants.
async fn take<W: Copy + std::fmt::Debug, const N: usize>(
    who: [W; N],
    runs: u32,
    run: impl AsyncFn(W, u32) -> anyhow::Result<Drain>,
) -> anyhow::Result<[Vec<Drain>; N]> {
    let results = turns::take(&who, runs, run).await?;
    results.try_into().map_err(|_| anyhow::anyhow!("not every participant ran"))
}

fn rates(runs: &[Drain]) -> Series {
    Series::new("jobs/s", runs.iter().map(|run| run.per_second()))
}

fn cpu(runs: &[Drain]) -> Series {
    Series::new("ms", runs.iter().map(|run| run.cpu_ms_per_1000()))
}
