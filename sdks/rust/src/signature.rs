//! The signature that callbacks carry, for their receivers. It never stores a secret.
//! Neighbours: `sdks/conformance/signatures.json` has the vectors, `docs/verify-signatures.md` the same in other languages.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the time of signing may be from now, unless you choose.
pub const SIGNATURE_TOLERANCE: Duration = Duration::from_secs(300);

/// Whether a callback was signed with this secret, at most five minutes ago.
///
/// `header` is `Contit-Signature`, `body` the bytes exactly as they came over the wire, empty for `GET` and `HEAD`.
/// While a secret is rotated there are two signatures: either may match.
#[must_use]
pub fn verify_signature(secret: &str, header: &str, body: &[u8]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a receiver's clock is the system's")]
    verify_signature_at(secret, header, body, Utc::now(), SIGNATURE_TOLERANCE)
}

/// The same with a clock and a tolerance of your own.
#[must_use]
pub fn verify_signature_at(secret: &str, header: &str, body: &[u8], now: DateTime<Utc>, tolerance: Duration) -> bool {
    let values = |name: &'static str| header.split(',').filter_map(move |part| part.strip_prefix(name));
    let mut times = values("t=");
    let (Some(time), None) = (times.next(), times.next()) else { return false };
    if time.len() > 15 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(signed_at) = time.parse::<i64>() else { return false };
    if now.timestamp().abs_diff(signed_at) > tolerance.as_secs() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    // Each comparison takes the same time wherever it differs, and all are made, so that the time does not tell which
    // one matched.
    values("s=")
        .filter_map(from_hex)
        .fold(false, |valid, signature| valid | mac.clone().verify_slice(&signature).is_ok())
}

/// The bytes of 64 digits in lower case; `None` of anything else.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().map(digit).collect::<Option<_>>()?;
    let bytes = digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? * 16 + pair.last()?)).collect();
    (digits.len() == 64).then_some(bytes)
}
