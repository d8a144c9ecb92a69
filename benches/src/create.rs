//! `POST /scheduled-jobs` over HTTP and a bare `PutItem` of the same item, by 1, 16 and 64 clients in turns on one table.
//! The API runs in a process of its own, as the store does; what is asked of them comes from this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::bail;
use shared::clock::Stopwatch;
use tokio::task::JoinSet;

use crate::bare::Puts;
use crate::connection::Connection;
use crate::jobs::{self, TOKEN};
use crate::process::{Server, whole};
use crate::report::{Finding, Series, Target, percentile};
use crate::roles::Place;
use crate::turns;

/// Nothing listens there; nothing is called either.
const NOWHERE: &str = "http://127.0.0.1:9";

/// How many clients ask, and how often in all.
type Crowd = (usize, usize);
const CROWDS: [Crowd; 3] = [(1, 1_500), (16, 6_000), (64, 6_000)];

#[derive(Clone, Copy, Debug)]
enum Who {
    Post,
    PutItem,
}

/// What one run gave.
#[derive(Clone, Debug)]
struct Rush {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(crate) async fn compare(runs: u32) -> anyhow::Result<Vec<Finding>> {
    let embedded = Server::embedded().await?;
    let mut findings = on(&embedded, "embedded store", &CROWDS, runs).await?;
    drop(embedded);
    // Its own time is most of what is measured there, so that one crowd is enough.
    findings.extend(on(&Server::dynamodb_local().await?, "DynamoDB Local", &[(16, 6_000)], runs).await?);
    Ok(findings)
}

async fn on(store: &Server, name: &str, crowds: &[Crowd], runs: u32) -> anyhow::Result<Vec<Finding>> {
    let place = Place::new(&store.ready, "create-");
    jobs::seed(&place, NOWHERE, 1).await?;
    jobs::let_in(&place).await?;
    let mut role = vec!["api"];
    role.extend(place.flags());
    let api = Server::start(&role).await?;
    let run = async |(who, crowd): (Who, Crowd), _| match who {
        Who::Post => post(&api.ready, crowd).await,
        Who::PutItem => put(&place, crowd).await,
    };
    // One that warms everything up and is not counted.
    turns::take(&[(Who::Post, (16, 3_000)), (Who::PutItem, (16, 3_000))], 1, run).await?;
    let mut findings = Vec::new();
    for crowd in crowds {
        let results = turns::take(&[(Who::Post, *crowd), (Who::PutItem, *crowd)], runs, run).await?;
        let [ours, bare] = results.as_slice() else { bail!("not everybody ran") };
        let clients = if crowd.0 == 1 { "1 client".to_owned() } else { format!("{} clients", crowd.0) };
        let series = |runs: &[Rush], unit, figure: fn(&Rush) -> f64| Series::new(unit, runs.iter().map(figure));
        let finding = |what: &str, unit, figure: fn(&Rush) -> f64| {
            Finding::new(format!("{what}, {clients}, {name}"), series(ours, unit, figure))
                .beside("bare `PutItem`", series(bare, unit, figure))
        };
        findings.push(
            finding("`POST /scheduled-jobs`", "requests/s", |run| run.per_second)
                .with_target(Target::AtLeastPercent(85.0)),
        );
        findings.push(finding("its latency, p50", "ms", |run| run.p50_ms));
        findings.push(finding("its latency, p99", "ms", |run| run.p99_ms));
    }
    drop(api);
    jobs::clear(&place).await?;
    Ok(findings)
}

async fn post(api: &str, crowd: Crowd) -> anyhow::Result<Rush> {
    let address = api.trim_start_matches("http://").to_owned();
    let body = jobs::body(NOWHERE);
    let request = format!(
        "POST /scheduled-jobs HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    rush(crowd, |left| post_all(address.clone(), request.clone(), left)).await
}

async fn post_all(address: String, request: String, left: Left) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(&address).await?;
    let mut latencies = Vec::new();
    while left.take() {
        let watch = Stopwatch::start();
        let status = connection.ask(request.as_bytes()).await?;
        latencies.push(1e3 * watch.elapsed().as_secs_f64());
        if status != "201" {
            bail!("the API answered {status}");
        }
    }
    Ok(latencies)
}

async fn put(place: &Place, crowd: Crowd) -> anyhow::Result<Rush> {
    let puts = Puts::like_those_in(place).await?;
    rush(crowd, |left| put_all(puts.clone(), left)).await
}

async fn put_all(puts: Puts, left: Left) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    while left.take() {
        let watch = Stopwatch::start();
        puts.put().await?;
        latencies.push(1e3 * watch.elapsed().as_secs_f64());
    }
    Ok(latencies)
}

/// The requests that nobody has taken yet.
#[derive(Clone, Debug)]
struct Left {
    taken: Arc<AtomicUsize>,
    of: usize,
}

impl Left {
    fn take(&self) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed) < self.of
    }
}

/// So many clients, each waiting for an answer before it asks again.
async fn rush<F>((clients, requests): Crowd, client: impl Fn(Left) -> F) -> anyhow::Result<Rush>
where
    F: Future<Output = anyhow::Result<Vec<f64>>> + Send + 'static,
{
    let left = Left { taken: Arc::default(), of: requests };
    let watch = Stopwatch::start();
    let mut crowd = JoinSet::new();
    for _ in 0..clients {
        crowd.spawn(client(left.clone()));
    }
    let mut latencies = Vec::new();
    while let Some(done) = crowd.join_next().await {
        latencies.extend(done??);
    }
    let per_second = whole(u64::try_from(requests)?) / watch.elapsed().as_secs_f64();
    Ok(Rush { per_second, p50_ms: percentile(&latencies, 50), p99_ms: percentile(&latencies, 99) })
}
