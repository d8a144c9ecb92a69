//! A job as DynamoDB attributes and back. Names are those of the wire where there is one.
//! It never sends anything; `write` does. `planned_at` and `due_at` become `plannedAtId` and `fireAt` here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{StoreError, shard_of};
use crate::clock::{Timestamp, format_instant, parse_instant};
use crate::ids::{JobId, PayloadId, SeriesId, TenantId, WriteId};
use crate::job::{Attempt, Callback, Ended, Job, JobSpec, Lease, Occurrence, Payload, State, Status};
use crate::lifecycle::seconds_up;
use crate::schedule::{Calendar, Recurrence, Schedule, number_from_weekday, weekday_from_number};

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// All attributes of an item of the jobs table.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: JobId,
    tenant: TenantId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_shard: Option<String>,
    tenant_status: String,
    planned_at_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fire_at: Option<String>,
    callback_host: String,
    write_id: WriteId,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempt_log: Vec<AttemptItem>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    series_id: Option<SeriesId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrence_number: Option<u32>,
    #[serde(default, skip_serializing_if = "is_zero")]
    redrives: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_now_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_hash: Option<String>,
    #[serde(flatten)]
    spec: SpecItem,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    callback_url: String,
    method: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_id: Option<PayloadId>,
    timeout_seconds: u64,
    max_retries: u32,
    idempotency_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recurrence_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_times: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_days_of_week: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_occurrences: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptItem {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_snippet: Option<String>,
}

/// The item of a job that nothing holds a lease on, stamped with the write that puts it there.
pub(super) fn encode(job: &Job, write: WriteId, shards: u32) -> Result<Attributes, StoreError> {
    let ended = job.state.ended();
    let item = Item {
        id: job.id,
        tenant: job.tenant.clone(),
        status: job.state.status(),
        status_shard: ended.is_none().then(|| status_shard(shard_of(job.id, shards))),
        tenant_status: tenant_status(&job.tenant, job.state.status()),
        planned_at_id: planned_at_id(job.planned_at, job.id),
        fire_at: job.state.due_at().map(format_instant),
        callback_host: callback_host(&job.spec.callback.url),
        write_id: write,
        lease_until: None,
        attempts: job.attempts,
        attempt_log: job.log.iter().map(AttemptItem::from).collect(),
        created_at: format_instant(job.created_at),
        updated_at: format_instant(job.updated_at),
        completed_at: ended.map(|ended| format_instant(ended.completed_at)),
        expires_at: ended.map(expires_at_seconds),
        series_id: job.occurrence.map(|o| o.series),
        occurrence_number: job.occurrence.map(|o| o.number),
        redrives: job.redrives,
        run_now_at: job.run_now_at.map(format_instant),
        request_hash: job.request_hash.clone(),
        spec: SpecItem::from(job.spec.as_ref()),
    };
    serde_dynamo::to_item(item).map_err(|e| corrupt(job.id, &e))
}

/// The job that an item of the jobs table holds.
///
/// # Errors
/// `Corrupt`, with the id if there is one, when an attribute is missing or makes no sense.
pub fn decode(attributes: Attributes) -> Result<Job, StoreError> {
    let id = attributes.get(super::table::attribute::ID).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
    let item: Item = serde_dynamo::from_item(attributes).map_err(|e| corrupt(&id, &e))?;
    item.into_job().ok_or_else(|| corrupt(&id, &"an instant, a status or a schedule does not fit"))
}

/// The id of the last write, if the item has one.
pub(super) fn write_id(attributes: &Attributes) -> Option<WriteId> {
    attributes.get("writeId")?.as_s().ok()?.parse().ok().map(WriteId)
}

impl Item {
    fn into_job(self) -> Option<Job> {
        let state = self.state()?;
        let (planned_at, _) = self.planned_at_id.split_once('#')?;
        let occurrence = self.series_id.zip(self.occurrence_number);
        Some(Job {
            id: self.id,
            tenant: self.tenant,
            occurrence: occurrence.map(|(series, number)| Occurrence { series, number }),
            planned_at: parse_instant(planned_at)?,
            attempts: self.attempts,
            log: self.attempt_log.into_iter().map(Attempt::from).collect(),
            state,
            created_at: parse_instant(&self.created_at)?,
            updated_at: parse_instant(&self.updated_at)?,
            redrives: self.redrives,
            run_now_at: match self.run_now_at {
                Some(text) => Some(parse_instant(&text)?),
                None => None,
            },
            request_hash: self.request_hash,
            spec: Arc::new(self.spec.into_spec()?),
        })
    }

    fn state(&self) -> Option<State> {
        let due_at = || self.fire_at.as_deref().and_then(parse_instant);
        let ended = || self.completed_at.as_deref().and_then(parse_instant).map(Ended::at);
        Some(match self.status {
            Status::Pending => State::Pending { due_at: due_at()? },
            Status::Firing => {
                let until = DateTime::from_timestamp(self.lease_until?, 0)?;
                State::Firing { due_at: due_at()?, lease: Lease { id: self.write_id, until } }
            }
            Status::Done => State::Done(ended()?),
            Status::Cancelled => State::Cancelled(ended()?),
            Status::DeadLetter => State::DeadLetter(ended()?),
        })
    }
}

impl From<&JobSpec> for SpecItem {
    fn from(spec: &JobSpec) -> Self {
        let schedule = spec.schedule.as_ref();
        let calendar = schedule.and_then(|s| match &s.recurrence {
            Recurrence::Calendar(calendar) => Some(calendar),
            Recurrence::Interval { .. } => None,
        });
        let (payload, payload_id) = match &spec.callback.payload {
            None => (None, None),
            Some(Payload::Within(text)) => (Some(text.clone()), None),
            Some(Payload::Apart { id, .. }) => (None, Some(*id)),
        };
        Self {
            name: spec.name.clone(),
            callback_url: spec.callback.url.clone(),
            method: spec.callback.method.clone(),
            headers: spec.callback.headers.clone(),
            payload,
            payload_id,
            timeout_seconds: spec.callback.timeout.as_secs(),
            max_retries: spec.max_retries,
            idempotency_key: spec.idempotency_key.clone(),
            correlation_id: spec.correlation_id.clone(),
            delay_seconds: spec.delay_seconds,
            recurrence_seconds: schedule.and_then(|s| match s.recurrence {
                Recurrence::Interval { every_seconds } => Some(every_seconds),
                Recurrence::Calendar(_) => None,
            }),
            schedule_times: calendar.map(|c| c.times.iter().map(|t| t.format("%H:%M").to_string()).collect()),
            schedule_days_of_week: calendar.map(|c| c.days.iter().map(|d| number_from_weekday(*d)).collect()),
            time_zone: calendar.map(|c| c.zone.name().to_owned()),
            end_at: schedule.and_then(|s| s.end_at).map(format_instant),
            max_occurrences: schedule.and_then(|s| s.max_occurrences),
        }
    }
}

impl SpecItem {
    fn into_spec(self) -> Option<JobSpec> {
        let recurrence = match (self.recurrence_seconds, self.schedule_times) {
            (Some(every_seconds), None) => Some(Recurrence::Interval { every_seconds }),
            (None, Some(times)) => Some(Recurrence::Calendar(Calendar {
                times: times.iter().map(|t| NaiveTime::parse_from_str(t, "%H:%M").ok()).collect::<Option<_>>()?,
                days: self
                    .schedule_days_of_week
                    .unwrap_or_default()
                    .into_iter()
                    .map(weekday_from_number)
                    .collect::<Option<_>>()?,
                zone: self.time_zone?.parse().ok()?,
            })),
            (None, None) => None,
            (Some(_), Some(_)) => return None,
        };
        let payload = match self.payload_id {
            Some(id) => Some(Payload::Apart { id, text: None }),
            None => self.payload.map(Payload::Within),
        };
        let end_at = match self.end_at {
            Some(text) => Some(parse_instant(&text)?),
            None => None,
        };
        Some(JobSpec {
            name: self.name,
            callback: Callback {
                url: self.callback_url,
                method: self.method,
                headers: self.headers,
                payload,
                timeout: Duration::from_secs(self.timeout_seconds),
            },
            max_retries: self.max_retries,
            idempotency_key: self.idempotency_key,
            correlation_id: self.correlation_id,
            delay_seconds: self.delay_seconds,
            schedule: recurrence.map(|recurrence| Schedule {
                recurrence,
                end_at,
                max_occurrences: self.max_occurrences,
            }),
        })
    }
}

impl From<&Attempt> for AttemptItem {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at.map(format_instant),
            duration_ms: attempt.duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            status_code: attempt.status_code,
            error: attempt.error.clone(),
            response_snippet: attempt.response_snippet.clone(),
        }
    }
}

impl From<AttemptItem> for Attempt {
    fn from(item: AttemptItem) -> Self {
        Self {
            number: item.number,
            started_at: item.started_at.as_deref().and_then(parse_instant),
            duration: item.duration_ms.map(Duration::from_millis),
            status_code: item.status_code,
            error: item.error,
            response_snippet: item.response_snippet,
        }
    }
}

pub(super) fn attempt_log(job: &Job) -> Result<AttributeValue, StoreError> {
    let log: Vec<AttemptItem> = job.log.iter().map(AttemptItem::from).collect();
    serde_dynamo::to_attribute_value(log).map_err(|e| corrupt(job.id, &e))
}

/// The bytes of an item as DynamoDB charges for them: the UTF-8 of its names and texts, and what numbers and
/// containers take, rounded up ("DynamoDB item sizes and formats" in its developer's guide).
pub(super) fn weight(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + weight_of(value)).sum()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are not in an item of ours, and new ones may come")]
fn weight_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + weight_of(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + weight_of(value)).sum::<usize>(),
        _ => 1,
    }
}

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn status_shard(shard: u32) -> String {
    format!("Open#{shard:02}")
}

/// `Pending` and `Firing` share a partition, so that a claim moves nothing.
pub(super) fn tenant_status(tenant: &TenantId, status: Status) -> String {
    let partition = match status {
        Status::Pending | Status::Firing => "Open",
        Status::Done | Status::Cancelled | Status::DeadLetter => status.as_str(),
    };
    format!("{tenant}#{partition}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn planned_at_id(planned_at: Timestamp, id: JobId) -> String {
    format!("{}#{id}", format_instant(planned_at))
}

/// DynamoDB's TTL wants whole seconds: the first one at which the job has expired.
pub(super) fn expires_at_seconds(ended: Ended) -> i64 {
    seconds_up(ended.expires_at).timestamp()
}

fn callback_host(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return String::new() };
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn corrupt(id: impl ToString, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { id: id.to_string(), cause: cause.to_string() }
}
