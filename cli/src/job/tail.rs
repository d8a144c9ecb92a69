//! `scheduler job tail`: follows deliveries as they happen. It asks for what changed again and again, and by no clock
//! but the Scheduler's: a virtual one is followed as well. Neighbours: `show` words a delivery.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use futures_util::{StreamExt as _, stream};
use scheduler_client::{Attempt, Client, Error, Job, JobFilter, JobStatus, Order};
use serde::Serialize;

use super::show;
use super::times::read_duration;
use crate::exit::words_of;
use crate::say;

const PAGE: u32 = 200;
/// Pages of one status that are looked at in a round, as long as they bring something new.
const MOST_PAGES: usize = 20;
/// Jobs whose attempts are asked for at a time.
const AT_A_TIME: usize = 16;
/// The outcome of an attempt is recorded within this, or was tried to be.
const RECORDED_WITHIN: TimeDelta = TimeDelta::seconds(30);
/// More are not remembered than these.
const MOST_REMEMBERED: usize = 200_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often it asks.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = read_pace)]
    every: Duration,
    /// Only attempts that failed.
    #[arg(long)]
    failed: bool,
    /// End after so many.
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
}

/// What has been told, so that nothing is told twice.
struct Follower<'a> {
    client: &'a Client,
    /// When each job that was seen had last changed.
    seen: HashMap<String, DateTime<Utc>>,
    /// The last attempt of each job that was told.
    told: HashMap<String, (u32, Option<DateTime<Utc>>)>,
    /// The last change there was at the start: what is older is history.
    start: Option<DateTime<Utc>>,
}

/// One line for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    job_id: &'a str,
    job_name: Option<&'a str>,
    job_status: JobStatus,
    callback_url: &'a str,
    #[serde(flatten)]
    attempt: &'a Attempt,
}

fn read_pace(text: &str) -> Result<Duration, String> {
    let pace = read_duration(text)?;
    if pace >= Duration::from_millis(100) { Ok(pace) } else { Err("it must be 100 ms or more".to_owned()) }
}

pub(crate) async fn run(options: &Options, client: &Client, json: bool) -> anyhow::Result<()> {
    let mut follower = Follower { client, seen: HashMap::new(), told: HashMap::new(), start: None };
    let history = follower.changes(true).await?;
    follower.start = history.iter().map(|job| job.updated_at_utc).max();
    eprintln!("following {}; Ctrl-C ends it", client.base_url());
    let mut pace = tokio::time::interval(options.every);
    let mut left = options.count.unwrap_or(usize::MAX);
    while left > 0 {
        pace.tick().await;
        // Who follows goes on when the Scheduler is back; only what will not pass ends it.
        let deliveries = match follower.round().await {
            Ok(deliveries) => deliveries,
            Err(error) if matches!(error.status(), None | Some(429 | 500..)) => {
                eprintln!("scheduler: {}", words_of(&error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let wanted = deliveries.iter().filter(|(_, attempt)| !options.failed || attempt.error.is_some());
        for (job, attempt) in wanted.take(left) {
            left -= 1;
            say(&if json { json_of(job, attempt)? } else { show::delivery(job, attempt) })?;
        }
    }
    Ok(())
}

fn json_of(job: &Job, attempt: &Attempt) -> anyhow::Result<String> {
    let delivery = Delivery {
        job_id: &job.id,
        job_name: job.name.as_deref(),
        job_status: job.status,
        callback_url: &job.callback_url,
        attempt,
    };
    Ok(serde_json::to_string(&delivery)?)
}

impl Follower<'_> {
    /// The attempts since the round before, in the order in which they began.
    async fn round(&mut self) -> Result<Vec<(Job, Attempt)>, Error> {
        let mut deliveries = Vec::new();
        let changes = self.changes(false).await?;
        let client = self.client;
        let jobs = changes.iter().map(|job| async { (job.updated_at_utc, client.get(&job.id).await) });
        let mut jobs = stream::iter(jobs).buffered(AT_A_TIME);
        while let Some((updated_at, job)) = jobs.next().await {
            let job = match job {
                Ok(job) => job,
                // Removed since.
                Err(error) if error.status() == Some(404) => continue,
                Err(error) => return Err(error),
            };
            let attempts = self.untold(&job);
            self.seen.insert(job.id.clone(), updated_at);
            if let Some(last) = attempts.last() {
                self.told.insert(job.id.clone(), (last.number, last.started_at_utc));
            }
            deliveries.extend(attempts.into_iter().map(|attempt| (job.clone(), attempt)));
        }
        if self.told.len() > MOST_REMEMBERED {
            self.told.clear();
            self.seen.clear();
            self.start = deliveries.iter().map(|(job, _)| job.updated_at_utc).max().or(self.start);
        }
        deliveries.sort_by_key(|(_, attempt)| attempt.started_at_utc);
        Ok(deliveries)
    }

    fn untold(&self, job: &Job) -> Vec<Attempt> {
        let log = job.attempt_log.as_deref().unwrap_or_default();
        let is_told = |attempt: &Attempt| self.told.get(&job.id) == Some(&(attempt.number, attempt.started_at_utc));
        let from = match (log.iter().rposition(is_told), self.start) {
            (Some(last), _) => last + 1,
            (None, None) => 0,
            // A job that is seen for the first time may have been at it before the start.
            (None, Some(start)) => {
                let is_new = |attempt: &Attempt| ended(attempt).is_some_and(|at| at > start || is_recorded(job, at));
                log.iter().position(is_new).unwrap_or(log.len())
            }
        };
        log.iter().skip(from).cloned().collect()
    }

    /// The jobs that have changed since they were seen, and have been attempted: the newest of those that ended, and the
    /// oldest of those that wait, which are the ones that are due or tried again.
    async fn changes(&mut self, at_the_start: bool) -> Result<Vec<Job>, Error> {
        let mut changes = Vec::new();
        for (status, order) in [
            (JobStatus::Done, Order::Descending),
            (JobStatus::DeadLetter, Order::Descending),
            (JobStatus::Pending, Order::Ascending),
        ] {
            let mut pages = self.client.pages(JobFilter::new().status(status).order(order).limit(PAGE));
            for number in 1.. {
                let Some(page) = pages.next().await else { break };
                let before = changes.len();
                changes.extend(page?.items.into_iter().filter(|job| self.is_news(job)));
                if changes.len() == before || at_the_start {
                    break;
                }
                if number == MOST_PAGES {
                    eprintln!("scheduler: too much at a time: not every delivery is told");
                    break;
                }
            }
        }
        if at_the_start {
            self.seen.extend(changes.iter().map(|job| (job.id.clone(), job.updated_at_utc)));
        }
        Ok(changes)
    }

    fn is_news(&self, job: &Job) -> bool {
        let is_history = self.start.is_some_and(|start| job.updated_at_utc < start);
        let is_seen = self.seen.get(&job.id).is_some_and(|at| *at == job.updated_at_utc);
        (job.attempts > 0 || job.last_error.is_some()) && !is_history && !is_seen
    }
}

/// When it ended, as far as that is known.
fn ended(attempt: &Attempt) -> Option<DateTime<Utc>> {
    Some(attempt.started_at_utc? + Duration::from_millis(attempt.duration_ms?))
}

/// Whether the job's last change is the record of an attempt that ended then.
fn is_recorded(job: &Job, ended_at: DateTime<Utc>) -> bool {
    job.updated_at_utc - ended_at < RECORDED_WITHIN
}
