//! One attempt: the HTTP call of the receiver, from name resolution to the last byte under one deadline.
//! It cannot fail, only end in a failed attempt; it never follows a redirect and never retries.
//! Neighbours: `resolver` guards the addresses, `shared::signature` signs.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, RETRY_AFTER};
use http::{Method, StatusCode};
use reqwest::{Client, Response};
use shared::clock::{Clock, Stopwatch};
use shared::config::Settings;
use shared::egress::Guard;
use shared::ids::TenantId;
use shared::job::Job;
use shared::lifecycle::Delivery;
use shared::remembered::Remembered;
use shared::signature::SigningSecrets;
use shared::store::StoreError;
use shared::store::tenants::Tenants;
use url::Url;

use crate::resolver::{GuardedResolver, RefusedHost};

/// How much of an answer is read; the rest is dropped with the connection.
const BODY_READ: usize = 64 << 10;
/// How much of it is kept.
const SNIPPET: usize = 1 << 10;
/// How long a tenant's signing secrets are remembered; a rotation takes effect after that.
const SECRETS_KEPT: Duration = Duration::from_secs(30);

const USER_AGENT: &str = concat!("Scheduler/", env!("CARGO_PKG_VERSION"));

/// The HTTP client and what it needs to know.
#[derive(Debug)]
pub struct Deliverer {
    client: Client,
    guard: Guard,
    names: HeaderNames,
    tenants: Tenants,
    secrets: Remembered<TenantId, SigningSecrets>,
    clock: Clock,
}

/// The deliverer cannot be built here.
#[derive(Debug, thiserror::Error)]
pub enum DelivererError {
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
    #[error("HEADER_PREFIX makes no header names: {0}")]
    Prefix(#[from] InvalidHeaderName),
}

#[derive(Debug)]
struct HeaderNames {
    idempotency_key: HeaderName,
    correlation_id: HeaderName,
    signature: HeaderName,
    job_id: HeaderName,
    attempt: HeaderName,
}

/// What the receiver answered, or why it did not.
struct Answer {
    status: Option<StatusCode>,
    error: Option<String>,
    body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Deliverer {
    /// # Errors
    /// When the HTTP client cannot be built, or the prefix makes no header names.
    pub fn new(settings: &Settings, tenants: Tenants, clock: Clock) -> Result<Self, DelivererError> {
        let guard = settings.guard();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(settings.concurrency_per_host)
            .dns_resolver(Arc::new(GuardedResolver::new(guard.clone())))
            .build()?;
        Ok(Self {
            client,
            guard,
            names: HeaderNames::with_prefix(&settings.header_prefix)?,
            tenants,
            secrets: Remembered::lasting(SECRETS_KEPT, clock.clone()),
            clock,
        })
    }

    /// Makes the call and tells how it went.
    pub async fn deliver(&self, job: &Job) -> Delivery {
        let started_at = self.clock.now();
        let watch = Stopwatch::start();
        let timeout = job.spec.callback.timeout;
        let answer = match tokio::time::timeout(timeout, self.call(job)).await {
            Ok(answer) => answer,
            Err(_) => Answer::failed(format!("timeout: no complete answer within {} s", timeout.as_secs())),
        };
        Delivery {
            started_at,
            duration: watch.elapsed(),
            status_code: answer.status.map(|status| status.as_u16()),
            error: answer.error,
            response_snippet: snippet(&answer.body),
            retry_after: answer.retry_after,
        }
    }

    async fn call(&self, job: &Job) -> Answer {
        let callback = &job.spec.callback;
        let Ok(url) = Url::parse(&callback.url) else { return Answer::failed("refused: not a URL") };
        if let Err(refused) = self.guard.check_url(&url) {
            return Answer::failed(format!("refused: {refused}"));
        }
        let Ok(method) = Method::from_bytes(callback.method.as_bytes()) else {
            return Answer::failed("refused: not an HTTP method");
        };
        let bodiless = method == Method::GET || method == Method::HEAD;
        let body = if bodiless { "" } else { callback.payload.as_deref().unwrap_or_default() }.to_owned();
        let secrets = match self.signing_secrets(&job.tenant).await {
            Ok(secrets) => secrets,
            Err(error) => return Answer::failed(format!("not sent, for it could not be signed: {error}")),
        };
        let mut headers = HeaderMap::new();
        if callback.payload.is_some() && !bodiless {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            // A body is expected with these (RFC 9110 §8.6): say that it is empty, or some receivers answer 411.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        for (name, value) in &callback.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(name, value);
            }
        }
        self.names.add(&mut headers, job, secrets.header(self.clock.now(), body.as_bytes()));
        let mut request = self.client.request(method, url).headers(headers);
        if !bodiless {
            request = request.body(body);
        }
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => Answer::failed(describe(&error)),
        }
    }

    async fn read(&self, mut response: Response) -> Answer {
        let status = response.status();
        let retry_after = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            .then(|| response.headers().get(RETRY_AFTER).and_then(|value| self.read_retry_after(value)))
            .flatten();
        let mut body = Vec::new();
        let mut read = 0;
        // A body that breaks off after the status has come changes nothing: the receiver has answered.
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            let room = SNIPPET.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if read >= BODY_READ {
                break;
            }
        }
        let error = (!status.is_success()).then(|| format!("the receiver answered {status}"));
        Answer { status: Some(status), error, body, retry_after }
    }

    /// Seconds or an HTTP date (RFC 9110 §10.2.3).
    fn read_retry_after(&self, value: &HeaderValue) -> Option<Duration> {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit ask for a very long time.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let until = httpdate::parse_http_date(text).ok()?;
        (shared::clock::Timestamp::from(until) - self.clock.now()).to_std().ok()
    }

    async fn signing_secrets(&self, tenant: &TenantId) -> Result<SigningSecrets, Arc<StoreError>> {
        self.secrets.get_or_read(tenant, async || self.tenants.signing_secrets(tenant).await).await
    }
}

impl HeaderNames {
    fn with_prefix(prefix: &str) -> Result<Self, InvalidHeaderName> {
        let name = |suffix: &str| HeaderName::try_from(format!("{prefix}{suffix}"));
        Ok(Self {
            idempotency_key: name("Idempotency-Key")?,
            correlation_id: name("Correlation-Id")?,
            signature: name("Signature")?,
            job_id: name("Job-Id")?,
            attempt: name("Attempt")?,
        })
    }

    fn add(&self, headers: &mut HeaderMap, job: &Job, signature: Option<String>) {
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
        if let Some(signature) = signature {
            insert(&self.signature, signature);
        }
    }
}

impl Answer {
    fn failed(error: impl Into<String>) -> Self {
        Self { status: None, error: Some(error.into()), body: Vec::new(), retry_after: None }
    }
}

/// The cause in one line: what was being done, and the innermost reason. Never an address that a name resolved to.
fn describe(error: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        if source.is::<RefusedHost>() {
            return format!("refused: {source}");
        }
        cause = source;
    }
    let doing = if error.is_connect() { "no connection" } else { "no answer" };
    if error.source().is_none() { doing.to_owned() } else { format!("{doing}: {cause}") }
}

/// The beginning of a body as text, at most 1 KiB of it.
fn snippet(body: &[u8]) -> Option<String> {
    let mut text = String::from_utf8_lossy(body).into_owned();
    while text.len() > SNIPPET {
        text.pop();
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_text_of_at_most_one_kibibyte() {
        assert_eq!(snippet(b""), None);
        assert_eq!(snippet(b"no").as_deref(), Some("no"));
        assert_eq!(snippet(&[b'x'; 5_000]).map(|s| s.len()), Some(1_024));
        let replaced = snippet(&[0xFF; 1_024]).unwrap();
        assert!(replaced.len() <= 1_024 && replaced.chars().all(|c| c == '\u{FFFD}'), "{}", replaced.len());
    }
}
