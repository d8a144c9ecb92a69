//! The `Signature` header: HMAC-SHA256 over the time and the exact body bytes (CONTRACT §7).
//! It never stores a secret. Neighbours: `store::tenants` keeps the secrets, the poller's `deliver` sends the header.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Timestamp;

/// The secrets that a tenant's callbacks are signed with: while one is rotated, the new one first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SigningSecrets(pub Vec<String>);

impl std::fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} signing secrets", self.0.len())
    }
}

impl SigningSecrets {
    /// `t={unix seconds},s={lower-case hex}`, `s` once a secret; `None` when the tenant has none.
    #[must_use]
    pub fn header(&self, now: Timestamp, body: &[u8]) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let t = now.timestamp();
        Some(self.0.iter().fold(format!("t={t}"), |mut header, secret| {
            header.push_str(",s=");
            header.push_str(&sign(secret, t, body));
            header
        }))
    }
}

/// Lower-case hex of HMAC-SHA256(secret, "{t}.{body}").
#[must_use]
pub fn sign(secret: &str, t: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so there is no failure to handle: the fallback key is never made.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(t.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a string");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_instant;

    // Made with: printf '1764000000.{"a":1}' | openssl dgst -sha256 -hmac whsec
    const EXPECTED: &str = "026b4a856e5dd583a16f63e0ef22d95bec362a651aab27836b321b205dbffdc9";

    #[test]
    fn it_agrees_with_openssl() {
        assert_eq!(sign("whsec", 1_764_000_000, br#"{"a":1}"#), EXPECTED);
    }

    #[test]
    fn a_rotated_secret_signs_second() {
        let now = parse_instant("2025-11-24T16:00:00.999Z").unwrap();
        let header = SigningSecrets(vec!["new".into(), "old".into()]).header(now, b"").unwrap();
        let t = now.timestamp();
        assert_eq!(header, format!("t={t},s={},s={}", sign("new", t, b""), sign("old", t, b"")));
    }

    #[test]
    fn without_a_secret_there_is_no_header() {
        assert_eq!(SigningSecrets::default().header(parse_instant("2025-11-24T16:00:00Z").unwrap(), b""), None);
    }
}
