//! 5,000 due jobs, drained by the poller and by the bare loop in turns, each run in a process of its own.
//! Neighbours: `roles` is what runs, `bare` the loop.

use crate::jobs;
use crate::process::{self, Drain, Server};
use crate::report::{Finding, Series, Target};
use crate::roles::Place;

const JOBS: usize = 5_000;
/// Each gets the 32 deliveries at a time that one host may have by default; together they are the default of 256.
pub(crate) const RECEIVERS: &str = "8";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Embedded,
    DynamoDbLocal,
}

pub(crate) async fn compare(kind: Kind, runs: u32) -> anyhow::Result<Vec<Finding>> {
    let (store, name) = match kind {
        Kind::Embedded => (Server::embedded().await?, "embedded store"),
        Kind::DynamoDbLocal => (Server::dynamodb_local().await?, "DynamoDB Local"),
    };
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS]).await?;
    let (mut ours, mut bare, mut created) = (Vec::new(), Vec::new(), 0.0);
    // Run 0 warms the store up and is not counted; who goes first alternates.
    for run in 0..=runs {
        for poller in [run % 2 == 0, run % 2 != 0] {
            let place = Place::new(&store.ready, &format!("drain{run}{poller}-"));
            let units = jobs::seed(&place, &receiver.ready, JOBS).await?;
            let drain = if poller { by_the_poller(&place, JOBS).await? } else { by_the_loop(&place).await? };
            jobs::clear(&place).await?;
            eprintln!("bench: {} {drain:?}", if poller { "poller" } else { "bare loop" });
            if run > 0 {
                if poller { &mut ours } else { &mut bare }.push(drain);
                created = per_job(units);
            }
        }
    }
    let rate = |drain: &Drain| whole(drain.jobs) / drain.seconds;
    let cpu = |drain: &Drain| 1e6 * drain.cpu_seconds / whole(drain.jobs);
    let mut findings = vec![
        Finding::new(format!("drain of 5,000 due jobs, {name}"), Series::new("jobs/s", ours.iter().map(rate)))
            .beside("bare loop", Series::new("jobs/s", bare.iter().map(rate)))
            .with_target(Target::AtLeastPercent(80.0)),
        Finding::new(format!("processor time per 1,000 callbacks, {name}"), Series::new("ms", ours.iter().map(cpu)))
            .beside("bare loop", Series::new("ms", bare.iter().map(cpu))),
    ];
    let units = ours.iter().map(|drain| created + whole(drain.write_units) / whole(drain.jobs));
    findings.push(
        Finding::new(format!("write units from creation to `Done`, {name}"), Series::new("units a job", units))
            .with_target(Target::AtMost(8.0)),
    );
    Ok(findings)
}

pub(crate) async fn by_the_poller(place: &Place, jobs: usize) -> anyhow::Result<Drain> {
    let jobs = jobs.to_string();
    let mut role = vec!["poller", "--jobs", &jobs];
    role.extend(place.flags());
    process::drain(&role).await
}

async fn by_the_loop(place: &Place) -> anyhow::Result<Drain> {
    let mut role = vec!["bare"];
    role.extend(place.flags());
    process::drain(&role).await
}

fn per_job(units: u64) -> f64 {
    whole(units) / whole(u64::try_from(JOBS).unwrap_or(u64::MAX))
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of jobs and units are far below 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}
