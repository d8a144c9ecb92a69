//! The issuer's public keys, fetched and kept: anew after ten minutes, or when a token names one that is not known,
//! once a minute at most. An issuer that does not answer costs nothing as long as its keys are known.
//! It never judges a token; `jwt` does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use shared::clock::{Clock, Timestamp};

use crate::jwt::Key;

/// Older keys are asked for again; they stay good while the issuer does not answer.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// Older ones are not: the issuer may have withdrawn them meanwhile.
const GOOD: TimeDelta = TimeDelta::hours(24);
const BETWEEN_FETCHES: TimeDelta = TimeDelta::minutes(1);
const BETWEEN_FAILURES: TimeDelta = TimeDelta::seconds(5);
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 256 << 10;
const MOST_KEYS: usize = 100;

/// What came of looking for a key.
#[derive(Debug)]
pub(crate) enum Found {
    Key(Arc<Key>),
    /// The issuer has no such key.
    Unknown,
    /// The issuer does not answer, and what it said before is too old.
    Unavailable,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct Jwks {
    url: String,
    clock: Clock,
    known: Mutex<Known>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Arc<HashMap<String, Arc<Key>>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl Jwks {
    pub(crate) fn new(url: &str, clock: Clock) -> Self {
        let (known, fetching) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { url: url.to_owned(), clock, known, fetching }
    }

    pub(crate) async fn find(&self, key_id: &str) -> Found {
        let known = self.known();
        let now = self.clock.now();
        if let Some(key) = known.keys.get(key_id) {
            if known.is_fresh(now) || !known.may_try(now) {
                return known.found(key, now);
            }
            // Whoever comes while another is asking goes on with what is known.
            if let Ok(turn) = self.fetching.try_lock() {
                self.fetch(now).await;
                drop(turn);
            }
        } else {
            let turn = self.fetching.lock().await;
            if self.known().may_try(now) {
                self.fetch(now).await;
            }
            drop(turn);
        }
        let known = self.known();
        match known.keys.get(key_id) {
            Some(key) => known.found(key, now),
            None if known.is_good(now) => Found::Unknown,
            None => Found::Unavailable,
        }
    }

    async fn fetch(&self, now: Timestamp) {
        let answer = self.ask().await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tried_at = Some(now);
        match answer {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.fetched_at = Some(now);
            }
            Err(problem) => tracing::warn!("the keys of the token issuer could not be fetched: {problem}"),
        }
    }

    async fn ask(&self) -> Result<HashMap<String, Arc<Key>>, String> {
        // A client of its own: it is asked once in ten minutes, and connections would not stay open for that long.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(PATIENCE)
            .build()
            .map_err(|e| e.to_string())?;
        let mut answer = client.get(&self.url).send().await.map_err(|e| e.without_url().to_string())?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| e.without_url().to_string())? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(format!("it answered more than {LARGEST_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let document: Value = serde_json::from_slice(&body).map_err(|_| "it did not answer JSON".to_owned())?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("its answer holds no keys")?;
        // Keys of a kind that is not known here are for others.
        Ok(keys.iter().take(MOST_KEYS).filter_map(read_key).collect())
    }

    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now - at < FRESH)
    }

    fn is_good(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now - at < GOOD)
    }

    fn may_try(&self, now: Timestamp) -> bool {
        let failed = self.tried_at > self.fetched_at;
        let pause = if failed { BETWEEN_FAILURES } else { BETWEEN_FETCHES };
        self.tried_at.is_none_or(|at| now - at >= pause)
    }

    fn found(&self, key: &Arc<Key>, now: Timestamp) -> Found {
        if self.is_good(now) { Found::Key(key.clone()) } else { Found::Unavailable }
    }
}

/// A key for signatures by RS256, ES256 or EdDSA, with its name. Never a secret one: what is public proves nothing.
fn read_key(key: &Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    let (algorithm, declared) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        // Other curves, secrets, and what the library may come to know.
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::Other(_)
        | _ => return None,
    };
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let for_this = common.key_algorithm.as_ref().is_none_or(|algorithm| *algorithm == declared);
    if !for_signatures || !for_this {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((common.key_id.clone()?, Arc::new(Key { algorithm, key })))
}
