//! One attempt: the HTTP call of the receiver, from name resolution to the last byte under one deadline.
//! It cannot fail, only end in a failed attempt; it never follows a redirect, never retries, never decompresses.
//! Neighbours: `resolver` guards the addresses, `headers` says what is sent along.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::net::NetError;
use http::header::{HeaderValue, InvalidHeaderName, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
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

use crate::client::{CallbackClient, callback_client, describe};
use crate::headers::CallbackHeaders;
use crate::resolver::GuardedResolver;

/// How much of an answer is read; the rest is dropped with the connection.
const BODY_READ: usize = 64 << 10;
/// How much of it is kept.
const SNIPPET: usize = 1 << 10;
/// How long a tenant's signing secrets are remembered; a rotation takes effect after that.
const SECRETS_KEPT: Duration = Duration::from_secs(30);

/// The HTTP client and what it needs to know.
#[derive(Debug)]
pub struct Deliverer {
    client: CallbackClient,
    guard: Guard,
    headers: CallbackHeaders,
    tenants: Tenants,
    secrets: Remembered<TenantId, SigningSecrets>,
    clock: Clock,
    #[cfg(feature = "simulation")]
    pub(crate) wire: Option<crate::Wire>,
}

/// The deliverer cannot be built here.
#[derive(Debug, thiserror::Error)]
pub enum DelivererError {
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] io::Error),
    #[error("names cannot be looked up: {0}")]
    Resolver(#[from] NetError),
    #[error("HEADER_PREFIX makes no header names: {0}")]
    Prefix(#[from] InvalidHeaderName),
}

/// What is known of the answer so far, so that an attempt that runs out of time tells how far it came.
#[derive(Default)]
struct Answer {
    status: Option<StatusCode>,
    /// The beginning of the body.
    body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Deliverer {
    /// # Errors
    /// When the HTTP client cannot be built, or the prefix makes no header names.
    pub fn new(settings: &Settings, tenants: Tenants, clock: Clock) -> Result<Self, DelivererError> {
        let guard = settings.guard();
        let resolver = GuardedResolver::new(guard.clone(), &settings.dns_servers)?;
        let client = callback_client(resolver, settings.concurrency_per_host)?;
        Ok(Self {
            client,
            guard,
            headers: CallbackHeaders::with_prefix(&settings.header_prefix)?,
            tenants,
            secrets: Remembered::lasting(SECRETS_KEPT, clock.clone()),
            clock,
            #[cfg(feature = "simulation")]
            wire: None,
        })
    }

    /// Makes the call, signed with `secrets`, in the time that the job gives it or in the `rest` that there is, and tells
    /// how it went.
    pub(crate) async fn deliver(&self, job: &Job, secrets: &SigningSecrets, rest: Option<Duration>) -> Delivery {
        let started_at = self.clock.now();
        let watch = Stopwatch::start();
        let own = job.spec.callback.timeout;
        let rest = rest.filter(|rest| *rest < own);
        let mut answer = Answer::default();
        let ended = tokio::time::timeout(rest.unwrap_or(own), self.call(job, secrets, &mut answer)).await;
        let within = || match rest {
            None => format!("{} s", own.as_secs()),
            Some(rest) => format!("{:.1} s, which is all that this run of the poller had left", rest.as_secs_f64()),
        };
        let error = match (ended, answer.status) {
            (Ok(Err(problem)), _) => Some(problem),
            (Ok(Ok(())), Some(status)) if status.is_success() => None,
            (Ok(Ok(())) | Err(_), Some(status)) if !status.is_success() => {
                Some(format!("the receiver answered {status}"))
            }
            (_, Some(status)) => Some(format!("timeout: the answer {status} did not end within {}", within())),
            (_, None) => Some(format!("timeout: no answer within {}", within())),
        };
        Delivery {
            started_at,
            duration: watch.elapsed(),
            status_code: answer.status.map(|status| status.as_u16()),
            error,
            response_snippet: snippet(&answer.body),
            retry_after: answer.retry_after,
        }
    }

    /// The call, noted in `answer` as it goes on.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn call(&self, job: &Job, secrets: &SigningSecrets, answer: &mut Answer) -> Result<(), String> {
        let callback = &job.spec.callback;
        let url = Url::parse(&callback.url).map_err(|_| "refused: not a URL".to_owned())?;
        self.guard.check_url(&url).map_err(|refused| format!("refused: {refused}"))?;
        let uri: Uri = url.as_str().parse().map_err(|_| "refused: not a URL that HTTP can carry".to_owned())?;
        let method = Method::from_bytes(callback.method.as_bytes());
        let method = method.map_err(|_| "refused: not an HTTP method".to_owned())?;
        let body = match callback.payload.as_ref().filter(|_| callback.sends_payload()) {
            None => None,
            Some(payload) => Some(payload.text().ok_or("not sent, for its payload is not stored any more")?),
        };
        let headers = self.headers.of(job, body, secrets, self.clock.now());
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default().to_owned())));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        #[cfg(feature = "simulation")]
        if let Some(wire) = &self.wire {
            answer.status = Some(wire.send(request).await);
            return Ok(());
        }
        let response = self.client.request(request).await.map_err(|error| describe(&error))?;
        self.read(response, answer).await;
        Ok(())
    }

    async fn read(&self, response: Response<Incoming>, answer: &mut Answer) {
        let status = response.status();
        answer.status = Some(status);
        answer.retry_after = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            .then(|| response.headers().get(RETRY_AFTER).and_then(|value| self.read_retry_after(value)))
            .flatten();
        let mut body = response.into_body();
        let mut read = 0;
        // The receiver has answered by its status: how its body ends, or breaks off, changes nothing.
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(chunk) = frame.into_data() else { continue };
            read += chunk.len();
            let room = SNIPPET.saturating_sub(answer.body.len());
            answer.body.extend(chunk.iter().take(room));
            if read >= BODY_READ {
                break;
            }
        }
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

    /// # Errors
    /// When the store fails.
    pub(crate) async fn signing_secrets(&self, tenant: &TenantId) -> Result<SigningSecrets, Arc<StoreError>> {
        self.secrets.get_or_read(tenant, async || self.tenants.signing_secrets(tenant).await).await
    }
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
