//! One call of the API, with what is tried again when it fails (the rules: `sdks/conformance/README.md`).
//! It knows nothing of jobs. Neighbours: `client` has the endpoints, `error` what a failure is.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::{Client, Error, Problem, Result};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Whoever is asked to wait longer is told instead.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

type Wait = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How a [`Client`] is made when the defaults do not do.
#[must_use = "it is a builder: `build` makes the client"]
pub struct ClientBuilder {
    base_url: String,
    token: String,
    max_attempts: u32,
    timeout: Duration,
    wait: Wait,
}

impl ClientBuilder {
    pub(crate) fn new(base_url: &str, token: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            token: token.to_owned(),
            max_attempts: 5,
            timeout: Duration::from_secs(30),
            #[expect(clippy::disallowed_methods, reason = "the wait between two attempts")]
            wait: Arc::new(|wait| Box::pin(tokio::time::sleep(wait))),
        }
    }

    /// How often a call is tried in all: 5 unless given, 1 for never again.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How long one attempt may take: 30 s unless given.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What is done instead of waiting between attempts; for tests.
    pub fn wait_with(mut self, wait: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        self.wait = Arc::new(wait);
        self
    }

    /// The client. No request is sent yet.
    ///
    /// # Errors
    /// [`Error::Argument`] when the address is no `http` or `https` URL, the token empty or no header's text, or no
    /// attempt allowed.
    pub fn build(self) -> Result<Client> {
        let wrong = |what: String| Error::Argument(what);
        let base_url = Url::parse(&self.base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base_url = base_url.ok_or_else(|| wrong(format!("{:?} is not an http or https URL", self.base_url)))?;
        if self.max_attempts == 0 {
            return Err(wrong("at least one attempt is needed".to_owned()));
        }
        // A redirect is answered to the caller: a token and a job go where they were meant to go, or nowhere.
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(self.timeout).build();
        let http = http.map_err(|error| wrong(format!("no HTTP client can be made: {}", reasons(&error))))?;
        let (max_attempts, wait) = (self.max_attempts, self.wait);
        let authorization = authorization(&self.token)?;
        Ok(Client { transport: Transport { http, base_url, authorization, max_attempts, wait } })
    }
}

#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base_url: Url,
    authorization: HeaderValue,
    max_attempts: u32,
    wait: Wait,
}

pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: Vec<(&'static str, Option<String>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) idempotency_key: Option<String>,
    /// Whether it may be repeated when nobody knows if it was done.
    pub(crate) repeatable: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, query: Vec::new(), body: None, idempotency_key: None, repeatable: true }
    }

    pub(crate) fn post(path: &'a [&'a str]) -> Self {
        Self { method: Method::POST, repeatable: false, ..Self::get(path) }
    }
}

impl Transport {
    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    pub(crate) fn with_token(&self, token: &str) -> Result<Self> {
        Ok(Self { authorization: authorization(token)?, ..self.clone() })
    }

    /// The body of the answer, as the type that the endpoint answers.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T> {
        let url = self.url(&call)?;
        let mut anything_done = false;
        for attempt in 1.. {
            let mut error = match self.attempt(&call, url.clone()).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let status = error.status();
            let in_the_dark = matches!(status, None | Some(502 | 504));
            anything_done |= in_the_dark || status == Some(503);
            let retry_after = error.problem().and_then(|problem| problem.retry_after).unwrap_or_default();
            let worthwhile = matches!(status, Some(429 | 503)) || (in_the_dark && call.repeatable);
            if !worthwhile || attempt >= self.max_attempts || retry_after > LONGEST_RETRY_AFTER {
                match &mut error {
                    Error::Problem(problem) => problem.may_have_been_done = anything_done,
                    Error::Connection { may_have_been_done, .. } => *may_have_been_done = anything_done,
                    Error::Argument(_) => {}
                }
                return Err(error);
            }
            (self.wait)(backoff(attempt).max(retry_after)).await;
        }
        Err(Error::Argument("no attempt is allowed".to_owned()))
    }

    fn url(&self, call: &Call<'_>) -> Result<Url> {
        // They would be another path: the list instead of a job.
        if let Some(id) = call.path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Error::Argument(format!("{id:?} is not the id of a job")));
        }
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        let given: Vec<_> = call.query.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))).collect();
        if !given.is_empty() {
            url.query_pairs_mut().extend_pairs(given);
        }
        Ok(url)
    }

    async fn attempt<T: DeserializeOwned>(&self, call: &Call<'_>, url: Url) -> Result<T> {
        let asked = format!("{} {}", call.method, url.path());
        let lost = |error: reqwest::Error| Error::Connection {
            message: format!(
                "{} did not answer {asked}: {}",
                self.base_url.as_str().trim_end_matches('/'),
                reasons(&error)
            ),
            source: Some(error.without_url()),
            may_have_been_done: true,
        };
        let mut request = self.http.request(call.method.clone(), url);
        request = request.header(ACCEPT, "application/json").header(AUTHORIZATION, self.authorization.clone());
        if let Some(key) = &call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let request = request.build().map_err(|error| Error::Argument(reasons(&error)))?;
        let answer = self.http.execute(request).await.map_err(lost)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(lost)?;
        if status.is_success()
            && let Ok(value) = serde_json::from_slice(&body)
        {
            return Ok(value);
        }
        Err(Error::Problem(Box::new(Problem::read(status.as_u16(), &body, retry_after(&headers)))))
    }
}

fn authorization(token: &str) -> Result<HeaderValue> {
    let wrong = || Error::Argument("the token must be visible ASCII, and not empty".to_owned());
    if token.is_empty() {
        return Err(wrong());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header holds seconds or a date, and a date is compared with the answer's own, when the answer says what it is.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| date.with_timezone(&Utc));
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    #[expect(clippy::disallowed_methods, reason = "only where the answer does not tell its own time")]
    let now = text(DATE).and_then(date).unwrap_or_else(Utc::now);
    Some((date(asked)? - now).to_std().unwrap_or_default())
}

/// Half a second, doubled each time; between half and all of it, so that many clients do not come back together.
fn backoff(attempt: u32) -> Duration {
    let full = FIRST_WAIT.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_WAIT);
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    full.mul_f64(0.5 + share / 2.0)
}

/// "error sending request" says nothing; its causes do.
fn reasons(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    if words.is_empty() {
        words = deepest.to_string();
    }
    words
}
