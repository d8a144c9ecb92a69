//! A job as the API answers it. It decides nothing: what a later version adds is left out, not refused.
//! Neighbour: `request` is how one is asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JobStatus {
    /// Waits to fire, or for its next attempt.
    Pending,
    /// A delivery is in progress.
    Firing,
    /// Delivered.
    Done,
    /// Cancelled while it waited.
    Cancelled,
    /// All attempts failed.
    DeadLetter,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl JobStatus {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Firing => "Firing",
            Self::Done => "Done",
            Self::Cancelled => "Cancelled",
            Self::DeadLetter => "DeadLetter",
            Self::Unknown => "Unknown",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One call that was, is or will be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Job {
    /// A UUID.
    pub id: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As it was given; the instant that counts is `fire_at_utc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<f64>,
    /// The planned instant of this occurrence, never moved by retries.
    #[serde(serialize_with = "instant::required")]
    pub fire_at_utc: DateTime<Utc>,
    /// What is called.
    pub callback_url: String,
    /// The method of the call.
    pub method: String,
    /// The headers of the call beside the Scheduler's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// The JSON that is sent, byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// Attempts before `DeadLetter`.
    pub max_retries: u32,
    /// How long an attempt may take.
    pub timeout_seconds: u64,
    /// The key that the callbacks of this occurrence carry.
    pub idempotency_key: String,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The interval, if it recurs by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrence_seconds: Option<u32>,
    /// Wall-clock times `HH:mm`, if it recurs by the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_times: Option<Vec<String>>,
    /// 0 (Sunday) to 6; `None` is every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_days_of_week: Option<Vec<u8>>,
    /// The IANA zone of `schedule_times`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// No occurrence comes after it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant::optional")]
    pub end_at_utc: Option<DateTime<Utc>>,
    /// How many occurrences there are at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_occurrences: Option<u32>,
    /// When the next attempt is due; `None` unless `Pending`.
    #[serde(serialize_with = "instant::optional")]
    pub next_attempt_at_utc: Option<DateTime<Utc>>,
    /// When somebody asked to run it at once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant::optional")]
    pub run_now_at_utc: Option<DateTime<Utc>>,
    /// Attempts made so far.
    pub attempts: u32,
    /// The same for all occurrences of a recurring job; `None` for a one-shot.
    pub series_id: Option<String>,
    /// From 1; `None` for a one-shot.
    pub occurrence_number: Option<u32>,
    /// What the receiver answered last.
    pub last_status_code: Option<u16>,
    /// Why the last attempt failed; `None` when it did not.
    pub last_error: Option<String>,
    /// The last ten attempts, oldest first; only where one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_log: Option<Vec<Attempt>>,
    /// When it was created.
    #[serde(serialize_with = "instant::required")]
    pub created_at_utc: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "instant::required")]
    pub updated_at_utc: DateTime<Utc>,
    /// When it ended.
    #[serde(serialize_with = "instant::optional")]
    pub completed_at_utc: Option<DateTime<Utc>>,
    /// When the clean-up removes it.
    #[serde(serialize_with = "instant::optional")]
    pub expires_at_utc: Option<DateTime<Utc>>,
}

/// One call of the receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// `None` when the poller died during the attempt.
    #[serde(serialize_with = "instant::optional")]
    pub started_at_utc: Option<DateTime<Utc>>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// What the receiver answered.
    pub status_code: Option<u16>,
    /// `None` means success.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub response_snippet: Option<String>,
}

/// Instants as the API writes them: with milliseconds always, so that the order of texts is that of time.
mod instant {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Serialize as _, Serializer};

    fn text(at: &DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    pub(super) fn required<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        text(at).serialize(serializer)
    }

    pub(super) fn optional<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        at.as_ref().map(text).serialize(serializer)
    }
}
