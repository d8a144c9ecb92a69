//! The client: a function for each endpoint. It never interprets what a job means.
//! Neighbours: `transport` sends, `request` and `list` are what is asked for.

use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::list::instant;
use crate::transport::{Call, ClientBuilder, Transport};
use crate::{
    CreateJob, DeadLetterFilter, Error, Job, JobCounts, JobFilter, JobPage, JobStatus, Preview, Result,
    RetriedDeadLetters, RetriedPage, Stats, TokenOwner, UpcomingJobs,
};

const JOBS: &str = "scheduled-jobs";

/// The Scheduler, as one tenant sees it. Cheap to clone, and safe to share.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// For the Scheduler at this address, which may have a path of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] when the address is no `http` or `https` URL, or the token empty or no header's text.
    pub fn new(base_url: &str, token: &str) -> Result<Self> {
        Self::builder(base_url, token).build()
    }

    /// The same with choices.
    pub fn builder(base_url: &str, token: &str) -> ClientBuilder {
        ClientBuilder::new(base_url, token)
    }

    /// The same connections with another token, such as a JWT that takes the place of one that expires.
    ///
    /// # Errors
    /// [`Error::Argument`] when the token is empty or no header's text.
    pub fn with_token(&self, token: &str) -> Result<Self> {
        Ok(Self { transport: self.transport.with_token(token)? })
    }

    /// Where the Scheduler is.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        self.transport.base_url()
    }

    /// Schedules a job. Tried again when the answer is lost, and never makes two jobs of one call.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn create(&self, request: &CreateJob) -> Result<Job> {
        self.create_once(request, &random_key()?).await
    }

    /// Schedules a job under this `Idempotency-Key`: the same key with the same request makes one job, also from another
    /// process.
    ///
    /// # Errors
    /// As every call: see [`Error`]. 409 when the key was used with another request.
    pub async fn create_once(&self, request: &CreateJob, request_key: &str) -> Result<Job> {
        let call = Call {
            body: Some(written(request)?),
            idempotency_key: Some(request_key.to_owned()),
            repeatable: true,
            ..Call::post(&[JOBS])
        };
        self.transport.send(call).await
    }

    /// When a job would fire; `count` occurrences of it, 10 unless given. Nothing is created.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn preview(&self, request: &CreateJob, count: Option<u32>) -> Result<Preview> {
        let query = vec![("count", count.map(|count| count.to_string()))];
        let body = Some(written(request)?);
        self.transport.send(Call { query, body, repeatable: true, ..Call::post(&[JOBS, "preview"]) }).await
    }

    /// One job with its last attempts.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn get(&self, id: &str) -> Result<Job> {
        self.transport.send(Call::get(&[JOBS, id])).await
    }

    /// Cancels a job that waits, and the series it belongs to. One whose cancellation went through but whose answer was
    /// lost is a success.
    ///
    /// # Errors
    /// As every call: see [`Error`]. 409 when it does not wait.
    pub async fn cancel(&self, id: &str) -> Result<Job> {
        let path = [JOBS, id];
        let call = Call { method: Method::DELETE, ..Call::get(&path) };
        match self.transport.send(call).await {
            Err(Error::Problem(problem))
                if problem.may_have_been_done
                    && problem.status == 409
                    && problem.job_status == Some(JobStatus::Cancelled) =>
            {
                let mut job = self.get(id).await?;
                job.attempt_log = None;
                Ok(job)
            }
            other => other,
        }
    }

    /// Gives a dead letter all its attempts again, the first at once.
    ///
    /// # Errors
    /// As every call: see [`Error`]. 409 when it is none. Not repeated when its answer is lost.
    pub async fn retry(&self, id: &str) -> Result<Job> {
        self.transport.send(Call::post(&[JOBS, id, "retry"])).await
    }

    /// Makes a job that waits due at once; a series keeps its plan.
    ///
    /// # Errors
    /// As every call: see [`Error`]. 409 when it does not wait. Not repeated when its answer is lost.
    pub async fn run_now(&self, id: &str) -> Result<Job> {
        self.transport.send(Call::post(&[JOBS, id, "run-now"])).await
    }

    /// A page of jobs.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn list(&self, filter: &JobFilter) -> Result<JobPage> {
        self.transport.send(Call { query: filter.query(), ..Call::get(&[JOBS]) }).await
    }

    /// Page after page, each asked for when it is wanted.
    pub fn pages(&self, filter: JobFilter) -> BoxStream<'_, Result<JobPage>> {
        let walk = stream::try_unfold(Some(filter), async |filter| {
            let Some(filter) = filter else { return Ok::<_, Error>(None) };
            let page = self.list(&filter).await?;
            let next = page.next_cursor.clone().map(|cursor| filter.cursor(cursor));
            Ok(Some((page, next)))
        });
        walk.boxed()
    }

    /// The jobs of all pages, each page asked for when it is wanted.
    pub fn jobs(&self, filter: JobFilter) -> BoxStream<'_, Result<Job>> {
        self.pages(filter).map_ok(|page| stream::iter(page.items.into_iter().map(Ok))).try_flatten().boxed()
    }

    /// Gives some dead letters their attempts again: what one call does, at most 200.
    ///
    /// # Errors
    /// As every call: see [`Error`]. Not repeated when its answer is lost.
    pub async fn retry_dead_letters(&self, filter: &DeadLetterFilter) -> Result<RetriedPage> {
        #[derive(Serialize)]
        struct Body<'a> {
            status: JobStatus,
            #[serde(flatten)]
            filter: &'a DeadLetterFilter,
        }
        let body = Some(written(&Body { status: JobStatus::DeadLetter, filter })?);
        self.transport.send(Call { body, ..Call::post(&[JOBS, "retry"]) }).await
    }

    /// The same, call after call until there are no more.
    ///
    /// # Errors
    /// As every call: see [`Error`]. What was retried before stays so.
    pub async fn retry_all_dead_letters(&self, filter: &DeadLetterFilter) -> Result<RetriedDeadLetters> {
        let (mut sum, mut filter) = (RetriedDeadLetters::default(), filter.clone());
        loop {
            let page = self.retry_dead_letters(&filter).await?;
            sum.matched += page.matched;
            sum.retried += page.retried;
            match page.next_cursor {
                Some(cursor) => filter = filter.cursor(cursor),
                None => return Ok(sum),
            }
        }
    }

    /// What happened, by the hour; the last 24 hours unless given.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn stats(&self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<Stats> {
        self.transport.send(Call { query: range(from, to), ..Call::get(&["stats"]) }).await
    }

    /// How many jobs there are, planned within these bounds.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn job_counts(&self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<JobCounts> {
        self.transport.send(Call { query: range(from, to), ..Call::get(&["stats", "jobs"]) }).await
    }

    /// Whose the token is, what it may do, and what time it is at the Scheduler.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn whoami(&self) -> Result<TokenOwner> {
        self.transport.send(Call::get(&["whoami"])).await
    }

    /// What comes within 24 hours.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn upcoming(&self) -> Result<UpcomingJobs> {
        self.transport.send(Call::get(&["stats", "upcoming"])).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base_url())
    }
}

fn range(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Vec<(&'static str, Option<String>)> {
    vec![("from", from.map(instant)), ("to", to.map(instant))]
}

fn written(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Error::Argument(format!("the request cannot be written: {error}")))
}

/// A request key that nobody else makes: 128 random bits.
fn random_key() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Argument(format!("there is no randomness: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
