//! The client of the soak: so many creations a second whatever the answers take, and for each job what its kind wants
//! after that: repetitions, reads, lists, cancellations. It judges answers alone. Neighbours: `plan`, `ledger`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shared::clock::{Clock, Timestamp};
use shared::store::LARGEST_COUNT;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::check::Stored;
use super::ledger::{Cancel, Ledger};
use super::plan::{APART, End, Kind, OCCURRENCES, Planned};
use crate::jobs::TOKEN;
use crate::receiver::wait;

/// After the last occurrence that is wanted, until the next one must be there.
const PATIENCE: TimeDelta = TimeDelta::seconds(120);
const PAUSE: Duration = Duration::from_secs(1);
/// One job in so many is followed by a page of a list.
const LISTED: u64 = 100;
const LISTS: [&str; 4] = ["?limit=50", "?status=Pending&order=asc", "?status=DeadLetter&limit=20", "?status=Done"];

#[derive(Clone, Debug)]
pub(crate) struct Load {
    api: String,
    receivers: Vec<String>,
    http: reqwest::Client,
    ledger: Arc<Ledger>,
}

/// What is read of a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    status: String,
    attempts: u32,
    correlation_id: Option<String>,
    series_id: Option<String>,
    occurrence_number: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Job>,
    next_cursor: Option<String>,
}

/// Of `/stats/jobs`.
#[derive(Debug, Deserialize)]
struct Counts {
    open: u64,
}

impl Load {
    pub(crate) fn new(api: &str, receivers: Vec<String>, ledger: Arc<Ledger>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { api: api.to_owned(), receivers, http, ledger })
    }

    /// Creates jobs at this rate for so long, then waits until each has had what its kind wants of a client.
    pub(crate) async fn run(self: Arc<Self>, seed: u64, per_second: u32, length: Duration) {
        let mut lives = JoinSet::new();
        // One that is behind catches up: the rate is that of the timetable.
        let mut timetable = tokio::time::interval(Duration::from_secs(1) / per_second);
        for number in 0..u64::from(per_second) * length.as_secs() {
            let at = timetable.tick().await;
            lives.spawn(self.clone().see_through(Planned::new(seed, number), at));
            while lives.try_join_next().is_some() {}
        }
        while lives.join_next().await.is_some() {}
    }

    async fn see_through(self: Arc<Self>, planned: Planned, at: Instant) {
        if let Err(error) = self.live(&planned, at).await {
            self.ledger.note_wrong(format!("job {} ({:?}): {error:#}", planned.number, planned.kind));
        }
    }

    async fn live(&self, planned: &Planned, at: Instant) -> anyhow::Result<()> {
        let now = Clock::System.now();
        let due = planned.due(now);
        let receiver = self.receivers.get(planned.host).context("each host has a receiver")?;
        let body = planned.body(receiver, due);
        self.ledger.begin(planned.number, due, at.elapsed().as_secs_f64() * 1e3);
        let Job { id, series_id, .. } = self.create(planned, &body, 201).await?;
        self.ledger.note_created(planned.number, at.elapsed().as_secs_f64() * 1e3);
        if planned.is_repeated {
            wait(PAUSE).await;
            let again = self.create(planned, &body, 200).await?;
            if again.id != id {
                bail!("repeated, it made {} beside {id}", again.id);
            }
            self.ledger.pages().counts.repeated += 1;
        }
        if planned.is_read {
            self.get::<Job>(&format!("/{id}")).await?;
            self.ledger.pages().counts.read += 1;
        }
        if planned.number.is_multiple_of(LISTED) {
            let list = LISTS.iter().cycle().nth(usize::try_from(planned.number / LISTED % 4)?).copied();
            self.get::<Page>(list.unwrap_or_default()).await?;
            self.ledger.pages().counts.listed += 1;
        }
        match planned.kind {
            Kind::Once | Kind::Retried | Kind::Dead { .. } | Kind::Series { end: End::Count, .. } => {}
            Kind::Cancelled => {
                wait(Duration::from_millis(u64::try_from(planned.delay_ms)?) / 2).await;
                self.ledger.note_cancel(planned.number, self.cancel(&id).await?);
            }
            Kind::Series { end: End::Cancel, .. } => {
                let series = series_id.context("a recurring job has a series")?;
                self.cancel_series(planned.number, &series, due).await?;
            }
        }
        Ok(())
    }

    /// Once its last wanted occurrence is called, the one after it is cancelled.
    async fn cancel_series(&self, number: u64, series: &str, due: Timestamp) -> anyhow::Result<()> {
        let latest = due + APART * i32::try_from(OCCURRENCES)? + PATIENCE;
        while Clock::System.now() < latest {
            wait(PAUSE).await;
            if !self.ledger.has_call(number, OCCURRENCES) {
                continue;
            }
            let page: Page = self.get(&format!("?seriesId={series}&status=Pending")).await?;
            // Until the outcome of the last one is recorded there is none; or it is being delivered.
            if let Some(next) = page.items.first()
                && self.cancel(&next.id).await? == Cancel::Done
            {
                self.ledger.note_cancel(number, Cancel::Done);
                return Ok(());
            }
        }
        bail!("its series had nothing to cancel")
    }

    async fn cancel(&self, id: &str) -> anyhow::Result<Cancel> {
        let (status, answer) = self.ask(Method::DELETE, &format!("/{id}"), None, None).await?;
        match status {
            200 => Ok(Cancel::Done),
            409 => Ok(Cancel::TooLate),
            _ => bail!("DELETE was answered {status} {}", words(&answer)),
        }
    }

    async fn create(&self, planned: &Planned, body: &str, expected: u16) -> anyhow::Result<Job> {
        let key = planned.has_key.then(|| planned.name());
        let (status, answer) = self.ask(Method::POST, "", Some(body.to_owned()), key).await?;
        if status != expected {
            bail!("POST was answered {status} {}, not {expected}", words(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (status, answer) = self.ask(Method::GET, path, None, None).await?;
        if status != 200 {
            bail!("{path} was answered {status} {}", words(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<String>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut request = self.http.request(method, format!("{}/scheduled-jobs{path}", self.api)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await?.into()))
    }

    /// How many jobs the API counts as open, and whether it counted all.
    pub(crate) async fn open(&self) -> anyhow::Result<(u64, bool)> {
        let answer = self.http.get(format!("{}/stats/jobs", self.api)).bearer_auth(TOKEN).send().await?;
        let Counts { open } = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
        Ok((open, open < u64::from(LARGEST_COUNT)))
    }

    /// Every job that the list shows, under its number.
    pub(crate) async fn stored(&self) -> anyhow::Result<HashMap<u64, Vec<Stored>>> {
        let mut found: HashMap<u64, Vec<Stored>> = HashMap::new();
        let mut path = "?limit=200&order=asc".to_owned();
        loop {
            let page: Page = self.get(&path).await?;
            for job in page.items {
                let name = job.correlation_id.unwrap_or_default();
                let number = Planned::number_in(&name).with_context(|| format!("nobody asked for {}", job.id))?;
                let occurrence = job.occurrence_number.unwrap_or(1);
                let Job { status, attempts, .. } = job;
                found.entry(number).or_default().push(Stored { status, attempts, occurrence });
            }
            let Some(cursor) = page.next_cursor else { return Ok(found) };
            path = format!("?limit=200&order=asc&cursor={cursor}");
        }
    }
}

/// The beginning of an answer.
fn words(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).chars().take(300).collect()
}
