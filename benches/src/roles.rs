//! What the processes of a measurement do: the product's own parts as a program would start them, and their surroundings.
//! Nothing here measures but the drains, which measure themselves. Neighbours: `process` starts them, `bare` is the loop.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use dynoxide::Database;
use poller::{Poller, Window};
use shared::clock::{Clock, Stopwatch};
use shared::config::Settings;
use shared::egress::Guard;
use shared::store::tenants::Tenants;
use shared::store::{Store, TableNames, local_client};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use crate::bare;
use crate::process::{Drain, cpu_seconds, peak_kib, say};

/// As many as `scheduler dev` has.
const TICKS_AT_ONCE: usize = 4;

/// Where the jobs are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    #[arg(long)]
    pub(crate) endpoint: String,
    /// What the names of the tables begin with.
    #[arg(long)]
    pub(crate) tables: String,
}

impl Place {
    pub(crate) fn new(endpoint: &str, tables: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), tables: tables.to_owned() }
    }

    /// On the command line.
    pub(crate) fn flags(&self) -> [&str; 4] {
        ["--endpoint", &self.endpoint, "--tables", &self.tables]
    }

    /// The settings that users have unless they choose, but for the receivers, which are on loopback.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let loopback = Guard::parse_networks("127.0.0.0/8").map_err(anyhow::Error::msg)?;
        let tables = TableNames::with_prefix(&self.tables);
        Ok(Settings { tables, allowed_networks: Some(loopback), ..Settings::default() })
    }

    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        let settings = self.settings()?;
        Ok(Store::new(local_client(&self.endpoint), settings.tables, settings.shards))
    }

    pub(crate) fn tenants(&self) -> Tenants {
        Tenants::new(local_client(&self.endpoint), &TableNames::with_prefix(&self.tables))
    }
}

/// On a file, or in memory.
pub(crate) async fn store(data: Option<&Path>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&format!("http://{}", listener.local_addr()?))?;
    let database = match data {
        None => Database::memory()?,
        Some(file) => Database::new(file.to_str().context("the name of the data file is UTF-8")?)?,
    };
    dynoxide::server::serve_with_shutdown(listener, database, end_of_input()).await.map_err(anyhow::Error::msg)
}

pub(crate) async fn api(place: &Place) -> anyhow::Result<()> {
    // A limit that is looked at, but never reached.
    let settings = Settings { creations_per_minute: Some(10_000_000), ..place.settings()? };
    let router = api::router(&settings, place.store()?, place.tenants(), Clock::System);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&format!("http://{}", listener.local_addr()?))?;
    Ok(axum::serve(listener, router).with_graceful_shutdown(end_of_input()).await?)
}

/// Until every job has had its first attempt: a receiver that never answers has them wait for another one.
pub(crate) async fn poller(place: &Place, jobs: u64) -> anyhow::Result<()> {
    let poller = Poller::new(&place.settings()?, place.store()?, place.tenants(), Clock::System)?;
    drained(async || {
        let mut attempted = 0;
        while attempted < jobs {
            let summary = poller.tick(&Window::open()).await;
            if summary.delivered + summary.retried == 0 {
                bail!("{attempted} of {jobs} jobs are attempted, and then: {summary:?}");
            }
            attempted += summary.delivered + summary.retried;
        }
        Ok(attempted)
    })
    .await
}

/// A tick at once and then one each minute, as the schedule on AWS has it, until so many jobs are delivered.
pub(crate) async fn poller_each_minute(place: &Place, jobs: u64) -> anyhow::Result<()> {
    let poller = Poller::new(&place.settings()?, place.store()?, place.tenants(), Clock::System)?;
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut delivered = 0;
    while delivered < jobs {
        minute.tick().await;
        delivered += poller.tick(&Window::open()).await.delivered;
    }
    say(&delivered.to_string())
}

/// A tick at once and then one each interval that may overlap, as `scheduler dev` has them, until standard input ends.
/// Then it says the sums of what the ticks summed up.
pub(crate) async fn steady_poller(place: &Place, interval: Duration) -> anyhow::Result<()> {
    let poller = Poller::new(&place.settings()?, place.store()?, place.tenants(), Clock::System)?;
    let sums: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let room = Arc::new(Semaphore::new(TICKS_AT_ONCE));
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(end_of_input());
    say("polls")?;
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = timer.tick() => {}
        }
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let (poller, sums) = (poller.clone(), sums.clone());
        tokio::spawn(async move {
            let summary = serde_json::to_value(poller.tick(&Window::open()).await);
            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, figure) in summary.iter().filter_map(serde_json::Value::as_object).flatten() {
                *sums.entry(name.clone()).or_default() += figure.as_u64().unwrap_or_default();
            }
            drop(permit);
        });
    }
    // What is in flight ends before it is summed up.
    drop(room.acquire_many(u32::try_from(TICKS_AT_ONCE)?).await?);
    let sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
    say(&serde_json::to_string(&*sums)?)
}

pub(crate) async fn bare(place: &Place, posts: bool) -> anyhow::Result<()> {
    let bare = bare::Loop::new(place, posts)?;
    let ids = bare::due_ids(&place.store()?).await?;
    drained(async || bare.drain(ids).await).await
}

/// Runs a drain and says what it took.
async fn drained(work: impl AsyncFnOnce() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let cpu_before = cpu_seconds()?;
    let watch = Stopwatch::start();
    let jobs = work().await?;
    let seconds = watch.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds()? - cpu_before;
    let drain = Drain { jobs, seconds, cpu_seconds, peak_kib: peak_kib("self")? };
    say(&serde_json::to_string(&drain)?)
}

/// Whoever started this process holds its standard input open, and ends it by ending.
pub(crate) async fn end_of_input() {
    drop(tokio::io::stdin().read(&mut [0]).await);
}
