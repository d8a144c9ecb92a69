//! Requests with good defaults: a test names only what it is about.
//! It never checks anything: a test may well build nonsense. Neighbours: `conversation` sends them.

use serde_json::{Map, Value};

/// The body of a `POST /scheduled-jobs` under construction.
#[derive(Clone, Debug)]
pub struct JobRequest(Map<String, Value>);

/// A one-shot job, due at once, to a port where nobody listens.
pub fn a_job() -> JobRequest {
    JobRequest(Map::new()).to("http://127.0.0.1:9/")
}

impl JobRequest {
    #[must_use]
    pub fn to(self, url: &str) -> Self {
        self.with("callbackUrl", url)
    }

    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// `delaySeconds`; whole numbers are sent without a fraction.
    #[must_use]
    pub fn in_seconds(self, seconds: impl Into<serde_json::Number>) -> Self {
        self.with("delaySeconds", seconds.into())
    }

    /// `fireAtUtc`.
    #[must_use]
    pub fn at(self, instant: &str) -> Self {
        self.with("fireAtUtc", instant)
    }

    /// `recurrenceSeconds`.
    #[must_use]
    pub fn every(self, seconds: u32) -> Self {
        self.with("recurrenceSeconds", seconds)
    }

    /// `scheduleTimes`, such as `["02:30"]`.
    #[must_use]
    pub fn daily_at<const N: usize>(self, times: [&str; N]) -> Self {
        self.with("scheduleTimes", times.map(Value::from).to_vec())
    }

    /// `scheduleDaysOfWeek`; 0 is Sunday.
    #[must_use]
    pub fn on_days<const N: usize>(self, days: [u8; N]) -> Self {
        self.with("scheduleDaysOfWeek", days.map(Value::from).to_vec())
    }

    #[must_use]
    pub fn in_zone(self, zone: &str) -> Self {
        self.with("timeZone", zone)
    }

    /// `endAtUtc`.
    #[must_use]
    pub fn until(self, instant: &str) -> Self {
        self.with("endAtUtc", instant)
    }

    /// `maxOccurrences`.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        self.with("maxOccurrences", count)
    }

    /// `maxRetries`: attempts in all before `DeadLetter`.
    #[must_use]
    pub fn attempts(self, count: u32) -> Self {
        self.with("maxRetries", count)
    }

    #[must_use]
    pub fn method(self, method: &str) -> Self {
        self.with("method", method)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.0.entry("headers").or_insert_with(|| Map::new().into());
        headers.as_object_mut().expect("headers are an object").insert(name.to_owned(), value.into());
        self
    }

    /// For payloads whose bytes matter use `Conversation::post_raw`.
    #[must_use]
    pub fn payload(self, payload: Value) -> Self {
        self.with("payload", payload)
    }

    /// `idempotencyKey`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.with("idempotencyKey", key)
    }

    /// `correlationId`.
    #[must_use]
    pub fn correlation(self, id: &str) -> Self {
        self.with("correlationId", id)
    }

    #[must_use]
    pub fn timeout_seconds(self, seconds: u32) -> Self {
        self.with("timeoutSeconds", seconds)
    }

    /// Any field, right or wrong.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.0.remove(field);
        self
    }
}

impl From<JobRequest> for Value {
    fn from(request: JobRequest) -> Self {
        Self::Object(request.0)
    }
}
