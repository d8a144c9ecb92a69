//! `POST /scheduled-jobs` over HTTP and a bare `PutItem` of the same item, 16 at a time, in turns on one table.
//! The API runs in a process of its own, as the store does; what is asked of them comes from this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::bail;
use shared::clock::{Clock, Stopwatch};
use shared::ids::TenantId;
use shared::token::{Scope, TokenRecord};
use tokio::task::JoinSet;

use crate::bare::Puts;
use crate::connection::Connection;
use crate::jobs::{self, TENANT};
use crate::process::Server;
use crate::report::{Finding, Series, Target};
use crate::roles::Place;

const CLIENTS: usize = 16;
const REQUESTS: usize = 10_000;
const TOKEN: &str = "sch_bench";

pub(crate) async fn compare(runs: u32) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (store, name) in
        [(Server::embedded().await?, "embedded store"), (Server::dynamodb_local().await?, "DynamoDB Local")]
    {
        let (ours, bare) = on(&store, runs).await?;
        findings.push(
            Finding::new(format!("`POST /scheduled-jobs`, 16 clients, {name}"), Series::new("requests/s", ours))
                .beside("bare `PutItem`", Series::new("requests/s", bare))
                .with_target(Target::AtLeastPercent(80.0)),
        );
    }
    Ok(findings)
}

async fn on(store: &Server, runs: u32) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let place = Place::new(&store.ready, &format!("create{run}-"));
        jobs::seed(&place, "http://127.0.0.1:9", 1).await?;
        let tenant = TenantId::parse(TENANT).map_err(anyhow::Error::msg)?;
        let token = TokenRecord::new(TOKEN, tenant, vec![Scope::Write], None, Clock::System.now());
        place.tenants().put_token(token).await?;
        let mut role = vec!["api"];
        let flags = place.flags();
        role.extend(flags);
        let api = Server::start(&role).await?;
        for posts in [run % 2 == 0, run % 2 != 0] {
            let rate = if posts { post(&api.ready).await? } else { put(&place).await? };
            eprintln!("bench: {} {rate:.0}/s", if posts { "POST" } else { "PutItem" });
            if run > 0 {
                if posts { &mut ours } else { &mut bare }.push(rate);
            }
        }
        drop(api);
        jobs::clear(&place).await?;
    }
    Ok((ours, bare))
}

async fn post(api: &str) -> anyhow::Result<f64> {
    let address = api.trim_start_matches("http://").to_owned();
    let body = jobs::body("http://127.0.0.1:9");
    let request = format!(
        "POST /scheduled-jobs HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    rate(|left| post_all(address.clone(), request.clone(), left)).await
}

async fn post_all(address: String, request: String, left: Left) -> anyhow::Result<()> {
    let mut connection = Connection::open(&address).await?;
    while left.take() {
        let status = connection.ask(request.as_bytes()).await?;
        if status != "201" {
            bail!("the API answered {status}");
        }
    }
    Ok(())
}

async fn put(place: &Place) -> anyhow::Result<f64> {
    let puts = Puts::like_those_in(place).await?;
    rate(|left| put_all(puts.clone(), left)).await
}

async fn put_all(puts: Puts, left: Left) -> anyhow::Result<()> {
    while left.take() {
        puts.put().await?;
    }
    Ok(())
}

/// The requests that nobody has taken yet.
#[derive(Clone, Debug, Default)]
struct Left {
    taken: Arc<AtomicUsize>,
}

impl Left {
    fn take(&self) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed) < REQUESTS
    }
}

/// Requests a second, with so many clients at a time.
async fn rate<F>(client: impl Fn(Left) -> F) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let left = Left::default();
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(left.clone()));
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(f64::from(u32::try_from(REQUESTS)?) / watch.elapsed().as_secs_f64())
}
