//! `scheduler receive`: a receiver for trying things out, which prints each callback and verifies its signature.
//! It listens on loopback alone. Neighbours: `connection` finds the secret, `scheduler-client` verifies.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use clap::Args;
use scheduler_client::{SIGNATURE_TOLERANCE, verify_signature_at};
use serde::Serialize;
use shared::clock::Clock;

use crate::exit::{Usage, printable};
use crate::job::times::shown;
use crate::{connection, dev, say};

const LARGEST_BODY: usize = 4 << 20;
/// Keys are remembered to tell what was received before; more than these are not.
const MOST_REMEMBERED: usize = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where it listens, on loopback; 0 is any free port.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The status that it answers, such as 503 to see what the Scheduler makes of it.
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    answer: u16,
    /// The secret to verify signatures with [env: SCHEDULER_SIGNING_SECRET]
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// The profile in ~/.config/scheduler.toml that has the secret [env: SCHEDULER_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// What the names of the callback headers begin with.
    #[arg(long, value_name = "TEXT", default_value = "Contit-")]
    header_prefix: String,
    /// End after so many callbacks.
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
    /// JSON for programs, one document a callback.
    #[arg(long)]
    json: bool,
}

struct Receiver {
    answer: StatusCode,
    secret: Option<String>,
    prefix: String,
    json: bool,
    keys: Mutex<HashSet<String>>,
    /// One for each callback that was printed; the answer goes out first.
    printed: tokio::sync::mpsc::UnboundedSender<()>,
}

/// A callback as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    received_at_utc: DateTime<Utc>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    signature: Verdict,
    /// Whether a callback with this `Idempotency-Key` came before.
    repeated: bool,
    answered: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
enum Verdict {
    Valid,
    /// Signed with the secret, but at another time: a replay, or a clock that is not the system's.
    #[serde(rename_all = "camelCase")]
    ValidAtAnotherTime {
        seconds_apart: u64,
    },
    Invalid,
    /// There is no signature, though there is a secret to verify one with.
    Missing,
    /// There is a signature, and no secret to verify it with.
    NotVerified,
    /// Neither.
    Unsigned,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let secret = connection::signing_secret(options.secret, options.profile.as_deref())?;
    let answer = StatusCode::from_u16(options.answer).map_err(|error| Usage(format!("--answer: {error}")))?;
    let listener = dev::listen(options.port).await?;
    let (printed, mut printing) = tokio::sync::mpsc::unbounded_channel();
    let (prefix, json) = (options.header_prefix, options.json);
    let receiver = Arc::new(Receiver { answer, secret, prefix, json, keys: Mutex::default(), printed });
    let verifies = if receiver.secret.is_some() { "verified" } else { "not verified: give --secret" };
    let url = format!("http://{}", listener.local_addr()?);
    if json {
        eprintln!("ready {url}");
    } else {
        say(&format!("ready {url}\nEvery callback is answered {answer}. Signatures are {verifies}."))?;
    }
    let router = Router::new().fallback(receive).with_state(receiver);
    let enough = async move {
        let mut left = options.count.unwrap_or(usize::MAX);
        while left > 0 && printing.recv().await.is_some() {
            left -= 1;
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(enough).await?;
    Ok(())
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let callback = receiver.callback(parts.method.as_str(), path, &parts.headers, &body);
    let text = if receiver.json { serde_json::to_string(&callback).ok() } else { Some(callback.lines().join("\n")) };
    // Nobody may be reading any more: the callback was received all the same.
    let is_read = text.is_some_and(|text| say(&text).is_ok()) && receiver.printed.send(()).is_ok();
    if !is_read {
        tracing::debug!("a callback was received and not printed");
    }
    receiver.answer
}

impl Receiver {
    fn callback(&self, method: &str, path: &str, headers: &HeaderMap, body: &Bytes) -> Callback {
        let now = Clock::System.now();
        let own = |name: &str| headers.get(format!("{}{name}", self.prefix)).and_then(|value| value.to_str().ok());
        let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Callback {
            received_at_utc: now,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: headers.iter().map(text).collect(),
            body: String::from_utf8_lossy(body).into_owned(),
            signature: verdict(self.secret.as_deref(), own("Signature"), body, now),
            repeated: own("Idempotency-Key").is_some_and(|key| self.came_before(key)),
            answered: self.answer.as_u16(),
        }
    }

    fn came_before(&self, key: &str) -> bool {
        let Ok(mut keys) = self.keys.lock() else { return false };
        if keys.len() >= MOST_REMEMBERED {
            keys.clear();
        }
        !keys.insert(key.to_owned())
    }
}

fn verdict(secret: Option<&str>, header: Option<&str>, body: &[u8], now: DateTime<Utc>) -> Verdict {
    let (secret, header) = match (secret, header) {
        (Some(secret), Some(header)) => (secret, header),
        (Some(_), None) => return Verdict::Missing,
        (None, Some(_)) => return Verdict::NotVerified,
        (None, None) => return Verdict::Unsigned,
    };
    if verify_signature_at(secret, header, body, now, SIGNATURE_TOLERANCE) {
        return Verdict::Valid;
    }
    let time = header.split(',').find_map(|part| part.strip_prefix("t=")?.parse().ok());
    match time.and_then(|time| DateTime::from_timestamp(time, 0)) {
        Some(at) if verify_signature_at(secret, header, body, at, Duration::ZERO) => {
            Verdict::ValidAtAnotherTime { seconds_apart: (now - at).num_seconds().unsigned_abs() }
        }
        Some(_) | None => Verdict::Invalid,
    }
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Self::Valid => "signature valid".to_owned(),
            Self::ValidAtAnotherTime { seconds_apart } => {
                let apart = humantime::format_duration(Duration::from_secs(*seconds_apart));
                format!("SIGNED AT ANOTHER TIME, {apart} apart: a replay, or a virtual clock")
            }
            Self::Invalid => "SIGNATURE NOT VALID".to_owned(),
            Self::Missing => "NO SIGNATURE".to_owned(),
            Self::NotVerified => "signature not verified".to_owned(),
            Self::Unsigned => "not signed".to_owned(),
        }
    }
}

impl Callback {
    fn lines(&self) -> Vec<String> {
        let repeated = if self.repeated { "  (received before)" } else { "" };
        let (at, verdict) = (shown(self.received_at_utc), self.signature.words());
        let path = printable(&self.path);
        let first = format!("\n{at}  {} {path}  {verdict}{repeated}  answered {}", self.method, self.answered);
        let uninteresting = ["host", "content-length", "connection", "accept"];
        let headers = self.headers.iter().filter(|(name, _)| !uninteresting.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| format!("  {}: {}", printable(name), printable(value)));
        let body = self.body.lines().map(|line| format!("  {}", printable(line)));
        std::iter::once(first).chain(headers).chain(body).collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::signature::SigningSecrets;

    use super::*;

    #[test]
    fn each_verdict_has_its_case() {
        let sent = Clock::System.now();
        let secrets = SigningSecrets { secrets: vec!["s".to_owned()], standard_webhooks: false };
        let header = secrets.header(sent, b"body").unwrap();
        let later = sent + chrono::TimeDelta::seconds(1000);
        for (secret, header, body, now, expected) in [
            (Some("s"), Some(header.as_str()), &b"body"[..], sent, Verdict::Valid),
            (Some("s"), Some(&header), b"body", later, Verdict::ValidAtAnotherTime { seconds_apart: 1000 }),
            (Some("s"), Some(&header), b"other", sent, Verdict::Invalid),
            (Some("other"), Some(&header), b"body", sent, Verdict::Invalid),
            (Some("s"), Some("t=now"), b"body", sent, Verdict::Invalid),
            (Some("s"), None, b"body", sent, Verdict::Missing),
            (None, Some(&header), b"body", sent, Verdict::NotVerified),
            (None, None, b"body", sent, Verdict::Unsigned),
        ] {
            let verdict = verdict(secret, header, body, now);
            let same_second = |one: &Verdict, other: &Verdict| match (one, other) {
                (
                    Verdict::ValidAtAnotherTime { seconds_apart: one },
                    Verdict::ValidAtAnotherTime { seconds_apart: other },
                ) => one.abs_diff(*other) <= 1,
                (one, other) => one == other,
            };
            assert!(same_second(&verdict, &expected), "{verdict:?} instead of {expected:?}");
        }
    }
}
