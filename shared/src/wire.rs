//! A job as every endpoint returns it (CONTRACT §4). Here `planned_at` becomes `fireAtUtc`.
//! It never decides anything. Neighbours: `request` reads what clients send, `store::item` what is stored.

use std::borrow::Cow;
use std::io;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::format_instant;
use crate::job::{Attempt, Job, Payload, State, Status};
use crate::schedule::{Recurrence, number_from_weekday};

/// A job: one call that was, is or will be made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
pub struct JobBody<'a> {
    pub id: Uuid,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub name: Option<&'a str>,
    /// As it was given; the instant that counts is `fireAtUtc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delay_seconds: Option<f64>,
    /// The planned instant of this occurrence, never moved by retries.
    #[schema(value_type = String, format = DateTime)]
    pub fire_at_utc: String,
    #[schema(value_type = String)]
    pub callback_url: &'a str,
    #[schema(value_type = String)]
    pub method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>, nullable = false)]
    pub headers: Option<Headers<'a>>,
    /// The JSON that is sent, byte for byte as it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub payload: Option<Box<RawValue>>,
    /// The number of attempts before `DeadLetter`.
    pub max_retries: u32,
    pub timeout_seconds: u64,
    /// The key that the callbacks of this occurrence carry.
    #[schema(value_type = String)]
    pub idempotency_key: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recurrence_seconds: Option<u32>,
    /// Wall-clock times, `HH:mm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub schedule_times: Option<Vec<String>>,
    /// 0 = Sunday … 6 = Saturday; absent means every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub schedule_days_of_week: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub time_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub end_at_utc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max_occurrences: Option<u32>,
    /// When the next attempt is due; `null` unless `Pending`.
    #[schema(format = DateTime, required)]
    pub next_attempt_at_utc: Option<String>,
    /// When somebody asked to run it at once; absent when nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub run_now_at_utc: Option<String>,
    /// Attempts made so far.
    pub attempts: u32,
    /// The same for all occurrences of a recurring job; `null` for a one-shot.
    #[schema(required)]
    pub series_id: Option<Uuid>,
    /// From 1; `null` for a one-shot.
    #[schema(required)]
    pub occurrence_number: Option<u32>,
    /// What the receiver answered last.
    #[schema(required)]
    pub last_status_code: Option<u16>,
    /// Why the last attempt failed; `null` when it did not.
    #[schema(value_type = Option<String>, required)]
    pub last_error: Option<&'a str>,
    /// The last ten attempts, oldest first; only when one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempt_log: Option<Vec<AttemptBody<'a>>>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at_utc: String,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at_utc: String,
    #[schema(format = DateTime, required)]
    pub completed_at_utc: Option<String>,
    /// When the clean-up removes a job that has ended.
    #[schema(format = DateTime, required)]
    pub expires_at_utc: Option<String>,
}

/// One call of the receiver.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
pub struct AttemptBody<'a> {
    /// From 1.
    pub number: u32,
    /// `null` when the poller died during the attempt.
    #[schema(format = DateTime, required)]
    pub started_at_utc: Option<String>,
    #[schema(required)]
    pub duration_ms: Option<u64>,
    #[schema(required)]
    pub status_code: Option<u16>,
    /// `null` means success.
    #[schema(value_type = Option<String>, required)]
    pub error: Option<&'a str>,
    /// The beginning of the answer's body, at most 1 KiB.
    #[schema(value_type = Option<String>, required)]
    pub response_snippet: Option<&'a str>,
}

/// Header names and values in the order they were given, as a JSON object.
#[derive(Debug)]
pub struct Headers<'a>(&'a [(String, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> JobBody<'a> {
    /// The job without its attempt log, as lists and changes return it.
    #[must_use]
    pub fn new(job: &'a Job) -> Self {
        let spec = job.spec.as_ref();
        let schedule = spec.schedule.as_ref();
        let (every, calendar) = match schedule.map(|schedule| &schedule.recurrence) {
            Some(Recurrence::Interval { every_seconds }) => (Some(*every_seconds), None),
            Some(Recurrence::Calendar(calendar)) => (None, Some(calendar)),
            None => (None, None),
        };
        let ended = job.state.ended();
        let last = job.last_attempt();
        Self {
            id: job.id.0,
            status: job.state.status(),
            name: spec.name.as_deref(),
            delay_seconds: spec.delay_seconds,
            fire_at_utc: format_instant(job.planned_at),
            callback_url: &spec.callback.url,
            method: &spec.callback.method,
            headers: (!spec.callback.headers.is_empty()).then_some(Headers(&spec.callback.headers)),
            payload: spec.callback.payload.as_ref().and_then(Payload::text).and_then(raw_json),
            max_retries: spec.max_retries,
            timeout_seconds: spec.callback.timeout.as_secs(),
            idempotency_key: job.idempotency_key().into(),
            correlation_id: spec.correlation_id.as_deref(),
            recurrence_seconds: every,
            schedule_times: calendar.map(|c| c.times.iter().map(|time| time.format("%H:%M").to_string()).collect()),
            schedule_days_of_week: calendar
                .filter(|c| !c.days.is_empty())
                .map(|c| c.days.iter().map(|day| number_from_weekday(*day)).collect()),
            time_zone: calendar.map(|c| c.zone.name()),
            end_at_utc: schedule.and_then(|s| s.end_at).map(format_instant),
            max_occurrences: schedule.and_then(|s| s.max_occurrences),
            next_attempt_at_utc: match &job.state {
                State::Pending { due_at } => Some(format_instant(*due_at)),
                State::Firing { .. } | State::Done(_) | State::Cancelled(_) | State::DeadLetter(_) => None,
            },
            run_now_at_utc: job.run_now_at.map(format_instant),
            attempts: job.attempts,
            series_id: job.occurrence.map(|o| o.series.0),
            occurrence_number: job.occurrence.map(|o| o.number),
            last_status_code: last.and_then(|attempt| attempt.status_code),
            last_error: last.and_then(|attempt| attempt.error.as_deref()),
            attempt_log: None,
            created_at_utc: format_instant(job.created_at),
            updated_at_utc: format_instant(job.updated_at),
            completed_at_utc: ended.map(|ended| format_instant(ended.completed_at)),
            expires_at_utc: ended.map(|ended| format_instant(ended.expires_at)),
        }
    }

    /// The bytes that it takes in an answer of Lambda's, where the body is text in a JSON string: what JSON has to escape
    /// is escaped once more.
    #[must_use]
    pub fn bytes_escaped(&self) -> usize {
        let mut escaped = Escaped(0);
        // What cannot be written fails where it is answered, and counting cannot.
        drop(serde_json::to_writer(&mut escaped, self));
        escaped.0
    }

    /// The job with its attempt log.
    #[must_use]
    pub fn detailed(job: &'a Job) -> Self {
        Self { attempt_log: Some(job.log.iter().map(AttemptBody::new).collect()), ..Self::new(job) }
    }
}

/// Counts the bytes of a JSON text inside a JSON string. Of the control characters a JSON text has only white space, for which
/// there are escapes of two bytes.
struct Escaped(usize);

impl io::Write for Escaped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let escapes = bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t')).count();
        self.0 += bytes.len() + escapes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> AttemptBody<'a> {
    fn new(attempt: &'a Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at_utc: attempt.started_at.map(format_instant),
            duration_ms: attempt.duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            status_code: attempt.status_code,
            error: attempt.error.as_deref(),
            response_snippet: attempt.response_snippet.as_deref(),
        }
    }
}

fn raw_json(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}
