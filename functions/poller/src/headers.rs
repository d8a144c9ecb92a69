//! The headers of one callback: those of the job, then ours, each exactly once.
//! It never sends them and never reads a secret from the store. Neighbours: `deliver` does both,
//! `shared::signature` signs, `shared::request` says which names a job may set.

use http::Method;
use http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, USER_AGENT,
};
use shared::clock::Timestamp;
use shared::job::Job;
use shared::request::is_reserved_header;
use shared::signature::SigningSecrets;

const PRODUCT: &str = concat!("Scheduler/", env!("CARGO_PKG_VERSION"));

/// Of the Standard Webhooks specification; their names are the same whatever the prefix.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The names of our own headers in this deployment.
#[derive(Debug)]
pub(crate) struct CallbackHeaders {
    prefix: String,
    idempotency_key: HeaderName,
    correlation_id: HeaderName,
    signature: HeaderName,
    job_id: HeaderName,
    attempt: HeaderName,
}

impl CallbackHeaders {
    pub(crate) fn with_prefix(prefix: &str) -> Result<Self, InvalidHeaderName> {
        let name = |suffix: &str| HeaderName::try_from(format!("{prefix}{suffix}"));
        Ok(Self {
            prefix: prefix.to_owned(),
            idempotency_key: name("Idempotency-Key")?,
            correlation_id: name("Correlation-Id")?,
            signature: name("Signature")?,
            job_id: name("Job-Id")?,
            attempt: name("Attempt")?,
        })
    }

    /// All of one attempt at `now` that sends `body`, but for what the connection itself decides.
    pub(crate) fn of(&self, job: &Job, body: Option<&str>, secrets: &SigningSecrets, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let expects_body =
            [Method::POST, Method::PUT, Method::PATCH].iter().any(|m| m == job.spec.callback.method.as_str());
        if body.is_none_or(str::is_empty) && expects_body {
            // A body is expected with these (RFC 9110 §8.6): say that it is empty, or some receivers answer 411.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        for (name, value) in &job.spec.callback.headers {
            // The prefix may have become ours after the job was created.
            if !is_reserved_header(name, &self.prefix)
                && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
            {
                headers.insert(name, value);
            }
        }
        let mut insert = |name: &HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name.clone(), value);
            }
        };
        insert(&self.idempotency_key, job.idempotency_key());
        insert(&self.job_id, job.id.to_string());
        insert(&self.attempt, job.attempts.to_string());
        if let Some(correlation_id) = &job.spec.correlation_id {
            insert(&self.correlation_id, correlation_id.clone());
        }
        let body = body.unwrap_or_default().as_bytes();
        if let Some(signature) = secrets.header(now, body) {
            insert(&self.signature, signature);
        }
        // A job is one occurrence: its id is unique, and the same for all attempts.
        if let Some(standard) = secrets.standard_webhook(&job.id.to_string(), now, body) {
            insert(&WEBHOOK_ID, standard.id);
            insert(&WEBHOOK_TIMESTAMP, standard.timestamp);
            insert(&WEBHOOK_SIGNATURE, standard.signature);
        }
        headers
    }
}
