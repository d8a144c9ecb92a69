//! The signatures of a callback: ours (CONTRACT §7), and beside it that of the Standard Webhooks specification when a
//! tenant wants it. Both are HMAC-SHA256 over the time and the exact body bytes. It never stores a secret.
//! Neighbours: `store::tenants` keeps the secrets, the poller's `headers` sends what is made here.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Timestamp;

/// Writes padding, and reads with or without, as the libraries of the specification do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What the secrets begin with that the Standard Webhooks specification defines; Base64 follows.
const WHSEC: &str = "whsec_";

/// The secrets that a tenant's callbacks are signed with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SigningSecrets {
    /// While one is rotated, the new one first.
    pub secrets: Vec<String>,
    /// Whether callbacks also carry the headers of the Standard Webhooks specification.
    pub standard_webhooks: bool,
}

/// The three headers of the Standard Webhooks specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardWebhook {
    pub id: String,
    /// Unix seconds.
    pub timestamp: String,
    /// `v1,{Base64}` once a secret, separated by spaces.
    pub signature: String,
}

impl std::fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} signing secrets", self.secrets.len())
    }
}

impl SigningSecrets {
    /// `t={unix seconds},s={lower-case hex}`, `s` once a secret; `None` when the tenant has none.
    #[must_use]
    pub fn header(&self, now: Timestamp, body: &[u8]) -> Option<String> {
        if self.secrets.is_empty() {
            return None;
        }
        let t = now.timestamp();
        Some(self.secrets.iter().fold(format!("t={t}"), |mut header, secret| {
            header.push_str(",s=");
            header.push_str(&sign(secret, t, body));
            header
        }))
    }

    /// `None` when the tenant does not want them, or has no secret. The specification signs `{id}.{t}.{body}`, so the
    /// id must not hold a dot.
    #[must_use]
    pub fn standard_webhook(&self, id: &str, now: Timestamp, body: &[u8]) -> Option<StandardWebhook> {
        if !self.standard_webhooks || self.secrets.is_empty() {
            return None;
        }
        let timestamp = now.timestamp().to_string();
        let sign = |secret: &String| {
            let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
            format!("v1,{}", BASE64.encode(hmac(&standard_key(secret), &parts)))
        };
        let signature = self.secrets.iter().map(sign).collect::<Vec<_>>().join(" ");
        Some(StandardWebhook { id: id.to_owned(), timestamp, signature })
    }
}

/// The key that the specification's libraries make of `whsec_{Base64}`: the decoded bytes. A secret of another form is
/// its own key, byte for byte: a receiver hands it to the library as Base64.
fn standard_key(secret: &str) -> Vec<u8> {
    let decoded = secret.strip_prefix(WHSEC).and_then(|text| BASE64.decode(text).ok());
    decoded.filter(|key| !key.is_empty()).unwrap_or_else(|| secret.as_bytes().to_vec())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length, so there is no failure to handle: the empty answer is never made.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hex of HMAC-SHA256(secret, "{t}.{body}").
#[must_use]
pub fn sign(secret: &str, t: i64, body: &[u8]) -> String {
    hex(&hmac(secret.as_bytes(), &[t.to_string().as_bytes(), b".", body]))
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
    use proptest::prelude::*;

    use super::*;
    use crate::clock::parse_instant;

    // Made with: printf '1764000000.{"a":1}' | openssl dgst -sha256 -hmac whsec
    const EXPECTED: &str = "026b4a856e5dd583a16f63e0ef22d95bec362a651aab27836b321b205dbffdc9";

    #[test]
    fn it_agrees_with_openssl() {
        assert_eq!(sign("whsec", 1_764_000_000, br#"{"a":1}"#), EXPECTED);
    }

    fn rotating(standard_webhooks: bool) -> SigningSecrets {
        SigningSecrets { secrets: vec!["new".into(), "old".into()], standard_webhooks }
    }

    #[test]
    fn a_rotated_secret_signs_second() {
        let now = parse_instant("2025-11-24T16:00:00.999Z").unwrap();
        let header = rotating(false).header(now, b"").unwrap();
        let t = now.timestamp();
        assert_eq!(header, format!("t={t},s={},s={}", sign("new", t, b""), sign("old", t, b"")));
    }

    #[test]
    fn without_a_secret_there_is_no_header() {
        assert_eq!(SigningSecrets::default().header(parse_instant("2025-11-24T16:00:00Z").unwrap(), b""), None);
    }

    // Made with the Python library standardwebhooks 1.1.0: Webhook(…).sign(id, at, body).
    #[test]
    fn it_agrees_with_the_standard_webhooks_library() {
        let at = parse_instant("2025-11-24T16:00:00.999Z").unwrap();
        for (secret, signature) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "M0p8+1ZifSzjUlGFoOaHESf9uuUiAYTdxzyxV0YVKgo="),
            ("whsec_c2VjcmV0IQ", "meTQE51BGPsK+GALRnUdw9oNCY7v6//sayeKqsAfu0M="),
            ("any text at all", "bTWQxELFFuQDafkBCWZc4kLCeS8JIZti2I03km9EFTI="),
            ("whsec_not Base64", "ASCsvTOyiKlPfB4blEhcRmmL0n9Wsmn2O1qzLp9UJNg="),
        ] {
            let secrets = SigningSecrets { secrets: vec![secret.to_owned()], standard_webhooks: true };
            let made = secrets.standard_webhook("0b9d-1", at, br#"{"a":1}"#).unwrap();
            assert_eq!((made.id.as_str(), made.timestamp.as_str()), ("0b9d-1", "1764000000"));
            assert_eq!(made.signature, format!("v1,{signature}"), "{secret}");
        }
    }

    #[test]
    fn standard_webhooks_are_signed_only_when_wanted_and_with_each_secret() {
        let now = parse_instant("2025-11-24T16:00:00Z").unwrap();
        assert_eq!(rotating(false).standard_webhook("id", now, b""), None);
        let none = SigningSecrets { secrets: vec![], standard_webhooks: true };
        assert_eq!(none.standard_webhook("id", now, b""), None);
        let made = rotating(true).standard_webhook("id", now, b"").unwrap();
        let alone = |secret: &str| {
            let secrets = SigningSecrets { secrets: vec![secret.to_owned()], standard_webhooks: true };
            secrets.standard_webhook("id", now, b"").unwrap().signature
        };
        assert_eq!(made.signature, format!("{} {}", alone("new"), alone("old")));
    }

    proptest! {
        #[test]
        fn any_secrets_and_any_bytes_are_signed_and_nothing_of_a_secret_shows(
            secrets in proptest::collection::vec("(whsec_)?\\PC{12,40}|whsec_[A-Za-z0-9+/]{12,40}={0,2}", 1..3),
            id in "[0-9a-f-]{0,36}",
            body in proptest::collection::vec(any::<u8>(), 0..300),
            seconds in -62_000_000_000_i64..250_000_000_000,
        ) {
            let now = Timestamp::from_timestamp(seconds, 0).unwrap();
            let signing = SigningSecrets { secrets: secrets.clone(), standard_webhooks: true };
            let ours = signing.header(now, &body).unwrap();
            let standard = signing.standard_webhook(&id, now, &body).unwrap();
            let expected: String = secrets.iter().map(|s| format!(",s={}", sign(s, seconds, &body))).collect();
            prop_assert_eq!(&ours, &format!("t={seconds}{expected}"));
            prop_assert_eq!(standard.signature.split(' ').count(), secrets.len());
            for one in standard.signature.split(' ') {
                prop_assert_eq!(BASE64.decode(one.strip_prefix("v1,").unwrap()).unwrap().len(), 32);
            }
            let sent = format!("{ours} {standard:?} {signing:?}");
            prop_assert!(sent.is_ascii() && secrets.iter().all(|secret| !sent.contains(secret.as_str())));
        }
    }
}
