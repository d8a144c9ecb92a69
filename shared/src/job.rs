//! What a job is: what was asked for, and the state that it is in. Data only.
//! It never changes itself: transitions are in `lifecycle`. Neighbours: `request` makes the specification,
//! `wire` shows a job, `store::item` stores it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::{JobId, PayloadId, SeriesId, TenantId, WriteId};
use crate::schedule::Schedule;

/// Terminal jobs are removed this long after they ended.
pub const RETENTION: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// Attempts kept in the log of a job.
pub const ATTEMPT_LOG_LENGTH: usize = 10;

/// What was asked for; valid by construction (`request::parse`), the same for all occurrences of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    pub name: Option<String>,
    pub callback: Callback,
    /// The number of attempts before `DeadLetter`.
    pub max_retries: u32,
    /// As given or generated; occurrence n > 1 sends [`Job::idempotency_key`].
    pub idempotency_key: String,
    pub correlation_id: Option<String>,
    /// As given, to be shown again; the planned instant already has it.
    pub delay_seconds: Option<f64>,
    pub schedule: Option<Schedule>,
}

/// The HTTP request to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// As it was given; known to parse as an absolute `http` or `https` URL.
    pub url: String,
    /// One of the seven of CONTRACT §4, upper case.
    pub method: String,
    /// In the order given; names and values are valid for HTTP.
    pub headers: Vec<(String, String)>,
    pub payload: Option<Payload>,
    pub timeout: Duration,
}

/// A JSON text, byte for byte as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Kept with the job.
    Within(String),
    /// Kept in an item of its own, which the occurrences of a series share. `text` is `None` until that is read, and
    /// when it is gone.
    Apart { id: PayloadId, text: Option<String> },
}

/// One occurrence: a one-shot job, or the n-th of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub tenant: TenantId,
    pub spec: Arc<JobSpec>,
    pub occurrence: Option<Occurrence>,
    /// The planned instant, never moved by retries (`fireAtUtc` on the wire).
    pub planned_at: Timestamp,
    /// Attempts begun so far.
    pub attempts: u32,
    /// The last [`ATTEMPT_LOG_LENGTH`] attempts, oldest first.
    pub log: Vec<Attempt>,
    pub state: State,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// How often it was retried out of `DeadLetter`. Then the occurrence after it has been put already, and may have been
    /// removed since: it never puts one again.
    pub redrives: u32,
    /// When somebody first asked to run it now. The planned instant does not move.
    pub run_now_at: Option<Timestamp>,
    /// SHA-256 of the body that created it, when an `Idempotency-Key` header came with it.
    pub request_hash: Option<String>,
}

/// The place of a job in its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub series: SeriesId,
    /// From 1.
    pub number: u32,
}

/// Where a job stands; what only exists in one state lives in it.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Pending { due_at: Timestamp },
    Firing { due_at: Timestamp, lease: Lease },
    Done(Ended),
    Cancelled(Ended),
    DeadLetter(Ended),
}

/// The right of one poller to deliver a job and record the outcome, until it runs out.
/// It is not a lock on the receiver: a slow call may outlive it, and then the job is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub id: WriteId,
    pub until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub completed_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The name of a state: the five of CONTRACT §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub enum Status {
    Pending,
    Firing,
    Done,
    Cancelled,
    DeadLetter,
}

/// One call of the receiver, or one that was cut off before its outcome could be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// `None` when the poller died during the attempt and the start went with it.
    pub started_at: Option<Timestamp>,
    pub duration: Option<Duration>,
    pub status_code: Option<u16>,
    /// `None` means success.
    pub error: Option<String>,
    pub response_snippet: Option<String>,
}

impl Callback {
    /// `GET` and `HEAD` have no body (CONTRACT §4).
    #[must_use]
    pub fn sends_payload(&self) -> bool {
        self.payload.is_some() && !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

impl Payload {
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Within(text) => Some(text),
            Self::Apart { text, .. } => text.as_deref(),
        }
    }
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Firing, Self::Done, Self::Cancelled, Self::DeadLetter];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Firing => "Firing",
            Self::Done => "Done",
            Self::Cancelled => "Cancelled",
            Self::DeadLetter => "DeadLetter",
        }
    }

    /// `None` for anything but the exact name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Firing { .. } => Status::Firing,
            Self::Done(_) => Status::Done,
            Self::Cancelled(_) => Status::Cancelled,
            Self::DeadLetter(_) => Status::DeadLetter,
        }
    }

    /// When a poller should next look at the job; `None` once it has ended.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { due_at } | Self::Firing { due_at, .. } => Some(*due_at),
            Self::Done(_) | Self::Cancelled(_) | Self::DeadLetter(_) => None,
        }
    }

    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        match self {
            Self::Done(ended) | Self::Cancelled(ended) | Self::DeadLetter(ended) => Some(*ended),
            Self::Pending { .. } | Self::Firing { .. } => None,
        }
    }
}

impl Ended {
    #[must_use]
    pub fn at(completed_at: Timestamp) -> Self {
        Self { completed_at, expires_at: completed_at + RETENTION }
    }
}

impl Job {
    /// The key that its callbacks carry: as given for a one-shot or first occurrence, `{key}:{n}` after (CONTRACT §6).
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        match self.occurrence {
            Some(Occurrence { number, .. }) if number > 1 => format!("{}:{number}", self.spec.idempotency_key),
            _ => self.spec.idempotency_key.clone(),
        }
    }

    #[must_use]
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.log.last()
    }

    /// Past its `expiresAt`: to be treated as gone, though the store may not have removed it yet.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state.ended().is_some_and(|ended| ended.expires_at <= now)
    }
}
