//! What a job is created from. It checks nothing that the Scheduler checks: that one names all wrong fields at once.
//! Neighbour: `client` sends it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Error;

/// A job to be created, or previewed. Only the URL is required; without a time it is due at once.
///
/// ```
/// use scheduler_client::CreateJob;
///
/// let weekdays_at_nine = CreateJob::new("https://example.org/report")
///     .daily_at(["09:00"])
///     .on_days([1, 2, 3, 4, 5])
///     .time_zone("Europe/Rome");
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "it is only a request until `Client::create`"]
pub struct CreateJob {
    callback_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fire_at_utc: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recurrence_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_times: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_days_of_week: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_at_utc: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_occurrences: Option<u32>,
}

impl CreateJob {
    /// A call of this URL, at once unless a time is given.
    pub fn new(callback_url: impl Into<String>) -> Self {
        Self { callback_url: callback_url.into(), ..Self::default() }
    }

    /// For people who look for it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// So long from now.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay_seconds = Some(delay.as_secs_f64());
        self
    }

    /// At this instant; with [`Self::daily_at`], not before it. Wins over [`Self::after`].
    pub fn at(mut self, instant: DateTime<Utc>) -> Self {
        self.fire_at_utc = Some(instant);
        self
    }

    /// `POST` unless given.
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// A header of the call, beside the Scheduler's own.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The body of the call: any JSON, `null` too.
    pub fn payload(self, payload: impl Into<serde_json::Value>) -> Self {
        // A `Value` always is JSON, and so is its text.
        let text = payload.into().to_string();
        Self { payload: RawValue::from_string(text).ok(), ..self }
    }

    /// The body of the call, from anything that serde can write.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn payload_of(self, payload: &impl Serialize) -> crate::Result<Self> {
        let payload = serde_json::value::to_raw_value(payload);
        let payload = payload.map_err(|error| Error::Argument(format!("the payload cannot be written: {error}")))?;
        Ok(Self { payload: Some(payload), ..self })
    }

    /// The body of the call as JSON text, which goes out byte for byte, whatever its spaces and digits.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn payload_text(self, text: impl Into<String>) -> crate::Result<Self> {
        let payload = RawValue::from_string(text.into());
        let payload = payload.map_err(|error| Error::Argument(format!("the payload is not JSON: {error}")))?;
        Ok(Self { payload: Some(payload), ..self })
    }

    /// How many attempts are made before the job is a dead letter: 5 unless given.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.max_retries = Some(attempts);
        self
    }

    /// How long one attempt may take, in whole seconds: 30 s unless given.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = Some(timeout.as_secs());
        self
    }

    /// The key by which receivers know a repeated call; made by the Scheduler unless given.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sent along with each call.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Again and again at this interval, in whole seconds, from a minute on.
    pub fn every(mut self, interval: Duration) -> Self {
        self.recurrence_seconds = Some(interval.as_secs());
        self
    }

    /// Again and again at these wall-clock times, `HH:mm`.
    pub fn daily_at<T: Into<String>>(mut self, times: impl IntoIterator<Item = T>) -> Self {
        self.schedule_times = Some(times.into_iter().map(Into::into).collect());
        self
    }

    /// Only on these days, 0 (Sunday) to 6; with [`Self::daily_at`].
    pub fn on_days(mut self, days: impl IntoIterator<Item = u8>) -> Self {
        self.schedule_days_of_week = Some(days.into_iter().collect());
        self
    }

    /// The IANA zone of [`Self::daily_at`]; the Scheduler's default is Europe/Rome.
    pub fn time_zone(mut self, zone: impl Into<String>) -> Self {
        self.time_zone = Some(zone.into());
        self
    }

    /// No occurrence after this instant.
    pub fn until(mut self, instant: DateTime<Utc>) -> Self {
        self.end_at_utc = Some(instant);
        self
    }

    /// So many occurrences at most.
    pub fn times(mut self, occurrences: u32) -> Self {
        self.max_occurrences = Some(occurrences);
        self
    }
}
