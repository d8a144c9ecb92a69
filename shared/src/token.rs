//! API tokens: made once, stored as a hash, compared in constant time (CONTRACT §2).
//! It never reads the table; `store::tenants` does. Neighbour: the API's `auth` asks what a token may do.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::{Timestamp, format_instant, parse_instant};
use crate::ids::TenantId;
use crate::signature::hex;

/// How much of a token is public: enough to tell tokens apart in a list, nothing of its 256 secret bits.
const PREFIX: usize = 12;
/// A shorter token was chosen by somebody, and its first characters may be most of it.
const SHOWN_FROM: usize = 32;

/// What a token may do. `Write` does not imply `Read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Read,
    Write,
}

/// A token as it is stored and listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    pub prefix: String,
    /// SHA-256 of the whole token, lower-case hex.
    pub hash: String,
    pub tenant: TenantId,
    pub scopes: Vec<Scope>,
    pub created_at_utc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_utc: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_utc: Option<String>,
}

/// A new random token: `sch_`, eight public characters, `_`, 256 secret bits. Shown once, never stored.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut public = [0; 6];
    let mut secret = [0; 32];
    getrandom::fill(&mut public)?;
    getrandom::fill(&mut secret)?;
    Ok(format!("sch_{}_{}", URL_SAFE_NO_PAD.encode(public), URL_SAFE_NO_PAD.encode(secret)))
}

/// A new random signing secret of 256 bits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate_secret() -> Result<String, getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(secret)))
}

/// The public name of a token, by which it is looked up, listed and revoked: its first characters or, when it is short, those
/// of its hash.
#[must_use]
pub fn prefix(token: &str) -> String {
    let beginning = |text: &str| text.chars().take(PREFIX).collect();
    if token.chars().count() < SHOWN_FROM { beginning(&hash(token)) } else { beginning(token) }
}

/// The prefixes that somebody may mean who names a token: by its prefix, or by the whole of it.
#[must_use]
pub fn prefixes_meant(given: &str) -> Vec<String> {
    let as_it_is = (given.chars().count() <= PREFIX).then(|| given.to_owned());
    as_it_is.into_iter().chain([prefix(given)]).collect()
}

/// SHA-256 of a token or a body, lower-case hex.
#[must_use]
pub fn hash(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes.as_ref()))
}

impl TokenRecord {
    #[must_use]
    pub fn new(
        token: &str,
        tenant: TenantId,
        scopes: Vec<Scope>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self {
            prefix: prefix(token),
            hash: hash(token),
            tenant,
            scopes,
            created_at_utc: format_instant(now),
            expires_at_utc: expires_at.map(format_instant),
            revoked_at_utc: None,
        }
    }

    /// Whether `token` is this one, and neither expired nor revoked.
    #[must_use]
    pub fn admits(&self, token: &str, now: Timestamp) -> bool {
        let same: bool = self.hash.as_bytes().ct_eq(hash(token).as_bytes()).into();
        same && !self.is_over(now)
    }

    /// Expired or revoked. An instant that cannot be read counts as over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let expired = self.expires_at_utc.as_deref().is_some_and(|at| parse_instant(at).is_none_or(|at| at <= now));
        expired || self.revoked_at_utc.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(token: &str) -> TokenRecord {
        let now = parse_instant("2026-01-01T00:00:00Z").unwrap();
        TokenRecord::new(token, TenantId::parse("t").unwrap(), vec![Scope::Read], None, now)
    }

    #[test]
    fn tokens_differ_and_show_no_secret_in_their_prefix() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(prefix(&a), prefix(&b));
        assert_eq!(a.len(), "sch_".len() + 8 + 1 + 43);
        assert_eq!(prefix(&a), &a[..12]);
        assert_eq!(prefix(&"é".repeat(32)), "é".repeat(12));
    }

    #[test]
    fn a_short_token_shows_nothing_of_itself() {
        for short in ["dev", "s3cret-abc", "s3cret-abcde", "s3cret-abc-and-a-little-more", &"é".repeat(31)] {
            assert_eq!(prefix(short), hash(short)[..12]);
            let shown = format!("{:?}", record(short));
            assert!((1..=3).all(|part| !shown.contains(&short.chars().take(4 * part).collect::<String>())), "{shown}");
        }
    }

    #[test]
    fn a_token_is_named_by_its_prefix_or_whole() {
        let long = generate().unwrap();
        for token in [long.as_str(), "s3cret-abc", "s3cret-abc-and-more"] {
            assert!(prefixes_meant(token).contains(&prefix(token)), "{token}");
            assert!(prefixes_meant(&prefix(token)).contains(&prefix(token)), "{token}");
        }
        assert_eq!(prefixes_meant(&long), [&long[..12]], "the store is not asked for the whole of it");
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let now = parse_instant("2026-01-01T00:00:00Z").unwrap();
        let token = generate().unwrap();
        assert!(record(&token).admits(&token, now));
        assert!(!record(&token).admits(&token[..token.len() - 1], now));
        assert!(!record(&token).admits(&prefix(&token), now));
        assert!(!format!("{:?}", record(&token)).contains(&token[13..]));
    }

    #[test]
    fn a_token_ends_at_its_expiry_and_by_revocation() {
        let now = parse_instant("2026-01-01T00:00:00Z").unwrap();
        let expiring = TokenRecord { expires_at_utc: Some(format_instant(now)), ..record("t") };
        assert!(!expiring.admits("t", now));
        assert!(expiring.admits("t", now - chrono::TimeDelta::milliseconds(1)));
        let revoked = TokenRecord { revoked_at_utc: Some(format_instant(now)), ..record("t") };
        assert!(!revoked.admits("t", now));
        assert!(!TokenRecord { expires_at_utc: Some("soon".into()), ..record("t") }.admits("t", now));
    }
}
