//! The `headers` of a create request: what a client may have us send, and what only we may.
//! It never sends anything; the poller's `deliver` does.

use http::{HeaderName, HeaderValue};

use super::fields::{Fields, members, text};

const MOST: usize = 50;
const LARGEST: usize = 8 << 10;

/// Hop-by-hop (RFC 9110 §7.6.1) or decided by the connection itself.
const OURS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What receivers trust to come from the Scheduler.
const RESERVED_PREFIXES: [&str; 2] = ["contit-", "webhook-"];

pub(super) fn read(fields: &mut Fields<'_>, prefix: &str) -> Vec<(String, String)> {
    let Some(raw) = fields.given("headers") else { return Vec::new() };
    let Some(members) = members(raw) else {
        fields.refuse("headers", "must be an object of texts");
        return Vec::new();
    };
    // Before anything is compared with anything: a body has room for tens of thousands.
    if members.len() > MOST {
        fields.refuse("headers", format!("must be at most {MOST} headers"));
        return Vec::new();
    }
    let mut headers: Vec<(String, String)> = Vec::with_capacity(members.len());
    for (name, raw) in members {
        let value = text(raw);
        let repeated = headers.iter().any(|(seen, _)| seen.eq_ignore_ascii_case(&name));
        match check(&name, value.as_deref(), prefix, repeated) {
            Some(problem) => fields.refuse_at(&["headers", &name], problem),
            None => headers.push((name, value.unwrap_or_default())),
        }
    }
    if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LARGEST {
        fields.refuse("headers", format!("must be at most {LARGEST} bytes in all"));
    }
    headers
}

/// Whether a header is the connection's or the Scheduler's own, which no job may set. Letter case makes no difference,
/// nor does `_` for `-`: receivers behind CGI or WSGI see `Contit_Signature` and `Contit-Signature` under one name.
#[must_use]
pub fn is_reserved_header(name: &str, prefix: &str) -> bool {
    let name = folded(name);
    belongs_to_the_connection(&name) || belongs_to_the_scheduler(&name, prefix)
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn belongs_to_the_connection(folded_name: &str) -> bool {
    OURS.contains(&folded_name)
}

fn belongs_to_the_scheduler(folded_name: &str, prefix: &str) -> bool {
    let reserved = RESERVED_PREFIXES.iter().any(|reserved| folded_name.starts_with(reserved));
    reserved || folded_name.starts_with(&prefix.to_ascii_lowercase())
}

fn check(name: &str, value: Option<&str>, prefix: &str, repeated: bool) -> Option<&'static str> {
    let folded_name = folded(name);
    let Some(value) = value else { return Some("must be a text") };
    if HeaderName::try_from(name).is_err() {
        Some("is not the name of an HTTP header")
    } else if belongs_to_the_connection(&folded_name) {
        Some("belongs to the connection and cannot be set")
    } else if belongs_to_the_scheduler(&folded_name, prefix) {
        Some("is reserved for the Scheduler's own headers")
    } else if value.chars().any(char::is_control) || HeaderValue::from_bytes(value.as_bytes()).is_err() {
        Some("must not contain control characters")
    } else if repeated {
        Some("is given twice")
    } else {
        None
    }
}
