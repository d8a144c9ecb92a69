//! A create request, parsed into a valid job or into all its field errors at once (CONTRACT §4).
//! Past this parser nobody checks again. It never stores anything and never asks for the time.
//! Neighbours: `request::fields` reads single fields, `request::headers` the callback's, `request::redrive` another
//! request, `egress` judges the target.

mod fields;
mod headers;
#[cfg(feature = "store")]
mod redrive;

use std::time::Duration;

use serde_json::value::RawValue;

use self::fields::{Fields, read_object};
pub use self::headers::is_reserved_header;
#[cfg(feature = "store")]
pub use self::redrive::{RedriveRequest, parse_redrive};
use crate::clock::{Timestamp, after_seconds};
use crate::egress::Guard;
use crate::ids;
use crate::job::{Callback, JobSpec, Payload};
use crate::schedule::{Calendar, Recurrence, Schedule, weekday_from_number};

const LONGEST_URL: usize = 2_048;
/// DynamoDB holds no positive number below this one ("Data types: Number" in its developer's guide).
const SHORTEST_DELAY_SECONDS: f64 = 1e-130;
/// The contract's bound; a deployment may set a lower one.
pub const LARGEST_PAYLOAD_BYTES: u32 = 256 << 10;
/// The same, as lengths are counted.
pub const LARGEST_PAYLOAD: usize = LARGEST_PAYLOAD_BYTES as usize;
/// What [`is_key`] asks for, in words.
pub const KEY: &str = "1 to 255 visible ASCII characters";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const DEFAULT_ZONE: chrono_tz::Tz = chrono_tz::Europe::Rome;

/// The fields of CONTRACT §4.
const KNOWN: [&str; 17] = [
    "name",
    "delaySeconds",
    "fireAtUtc",
    "callbackUrl",
    "method",
    "headers",
    "payload",
    "maxRetries",
    "idempotencyKey",
    "correlationId",
    "recurrenceSeconds",
    "scheduleTimes",
    "scheduleDaysOfWeek",
    "endAtUtc",
    "maxOccurrences",
    "timeZone",
    "timeoutSeconds",
];

/// Those that have no part in when the first occurrence is.
const WITHOUT_BEARING: [&str; 10] = [
    "name",
    "callbackUrl",
    "method",
    "headers",
    "payload",
    "maxRetries",
    "idempotencyKey",
    "correlationId",
    "maxOccurrences",
    "timeoutSeconds",
];

/// What was asked for, and when its first occurrence is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub spec: JobSpec,
    pub planned_at: Timestamp,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901), such as `/scheduleTimes/1`.
    pub pointer: String,
    pub detail: String,
}

impl FieldError {
    /// What is wrong at this path, whose parts may be any texts; the empty path is the whole request.
    #[must_use]
    pub fn at(path: &[&str], detail: impl Into<String>) -> Self {
        let escaped = |part: &&str| format!("/{}", part.replace('~', "~0").replace('/', "~1"));
        Self { pointer: path.iter().map(escaped).collect(), detail: detail.into() }
    }
}

/// Whether a text can be a key: what a callback's headers can carry as it is.
#[must_use]
pub fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Why a request makes no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not a JSON object.
    Malformed(String),
    /// All the fields that are wrong.
    Fields(Vec<FieldError>),
}

/// What a deployment allows.
#[derive(Clone, Debug)]
pub struct Rules {
    pub header_prefix: String,
    pub guard: Guard,
    /// In bytes of JSON; at most [`LARGEST_PAYLOAD`].
    pub largest_payload: usize,
}

impl Rules {
    /// The strictest guard and the contract's own bounds, with this prefix of the callback headers.
    #[must_use]
    pub fn with_prefix(header_prefix: &str) -> Self {
        Self { header_prefix: header_prefix.to_owned(), guard: Guard::default(), largest_payload: LARGEST_PAYLOAD }
    }
}

/// Reads a create request. A field that is `null` counts as absent, but for `payload`, where it is the JSON value:
/// many clients write out the properties that nobody set.
///
/// # Errors
/// See [`Rejection`]; nothing of the request has had an effect.
pub fn parse(body: &[u8], now: Timestamp, rules: &Rules) -> Result<NewJob, Rejection> {
    let entries = read_object(body).map_err(Rejection::Malformed)?;
    let mut fields = Fields::new(entries, "a job", &KNOWN);

    let start = read_start(&mut fields, now);
    let schedule = read_schedule(&mut fields);
    let spec = JobSpec {
        name: fields.text("name", |text| text.chars().count() <= 200, "a text of at most 200 characters"),
        delay_seconds: start.delay_seconds,
        callback: Callback {
            url: read_url(&mut fields, &rules.guard),
            method: read_method(&mut fields),
            headers: headers::read(&mut fields, &rules.header_prefix),
            payload: read_payload(&mut fields, rules.largest_payload.min(LARGEST_PAYLOAD)),
            timeout: Duration::from_secs(fields.integer("timeoutSeconds", 1..=60).unwrap_or(30).into()),
        },
        max_retries: fields.integer("maxRetries", 1..=100).unwrap_or(5),
        idempotency_key: read_key(&mut fields, "idempotencyKey").unwrap_or_else(ids::random_key),
        correlation_id: read_key(&mut fields, "correlationId"),
        schedule,
    };
    let planned_at = match &spec.schedule {
        None => start.at,
        Some(schedule) => schedule.first(start.at, now).or_else(|| {
            refuse_never(&mut fields, schedule);
            None
        }),
    };
    let planned_at = planned_at.unwrap_or(now);
    match fields.finish() {
        errors if errors.is_empty() => Ok(NewJob { spec, planned_at }),
        errors => Err(Rejection::Fields(errors)),
    }
}

/// The first occurrence follows from the start and the schedule. While one of them is unreadable, or a field that nobody
/// knows may be one of them misspelt, nothing follows: the end that seems too early may be right.
fn refuse_never(fields: &mut Fields<'_>, schedule: &Schedule) {
    let is_delayed = fields.has("delaySeconds") && !fields.has("fireAtUtc");
    let has_no_bearing = |name: &str| WITHOUT_BEARING.contains(&name) || (name == "delaySeconds" && !is_delayed);
    if !fields.are_right_but_for(has_no_bearing) {
        return;
    }
    if schedule.end_at.is_some() {
        fields.refuse("endAtUtc", "the schedule would never fire: its end lies before its first occurrence");
    } else {
        let start = if is_delayed { "delaySeconds" } else { "fireAtUtc" };
        fields.refuse(start, "the schedule would never fire: it has no occurrence before the year 10000");
    }
}

struct Start {
    at: Option<Timestamp>,
    delay_seconds: Option<f64>,
}

/// `fireAtUtc` wins over `delaySeconds`. A delay that is shorter than the store can hold is kept, and shown, as the
/// shortest that it can: either is rounded up to the same millisecond, and no client means the difference.
fn read_start(fields: &mut Fields<'_>, now: Timestamp) -> Start {
    let storable = |seconds: f64| if seconds > 0.0 { seconds.max(SHORTEST_DELAY_SECONDS) } else { seconds };
    let delay_seconds = fields.number("delaySeconds").map(storable);
    let delayed = delay_seconds.and_then(|seconds| {
        let at = if seconds >= 0.0 { after_seconds(now, seconds) } else { None };
        if at.is_none() {
            fields.refuse("delaySeconds", "must be 0 or more seconds, and end before the year 10000");
        }
        at
    });
    let at = fields.instant("fireAtUtc").or(delayed);
    Start { at, delay_seconds }
}

fn read_schedule(fields: &mut Fields<'_>) -> Option<Schedule> {
    let every_seconds = fields.integer("recurrenceSeconds", 60..=u32::MAX);
    let times = fields.list("scheduleTimes", 1..=96, "a time such as \"09:30\"", fields::wall_clock_time);
    let days = fields.list("scheduleDaysOfWeek", 0..=1_000, "a day from 0 (Sunday) to 6 (Saturday)", |raw| {
        fields::whole_number(raw).and_then(|n| u8::try_from(n).ok()).and_then(weekday_from_number)
    });
    let zone_name = fields.text("timeZone", |_| true, "the IANA name of a time zone");
    let zone = zone_name.and_then(|name| {
        let zone = name.parse().ok();
        if zone.is_none() {
            fields.refuse("timeZone", "is not the IANA name of a time zone, such as \"Europe/Rome\"");
        }
        zone
    });
    let end_at = fields.instant("endAtUtc");
    let max_occurrences = fields.integer("maxOccurrences", 1..=u32::MAX);

    let (interval, calendar) = (fields.has("recurrenceSeconds"), fields.has("scheduleTimes"));
    if interval && calendar {
        fields.refuse("recurrenceSeconds", "cannot be combined with scheduleTimes");
    }
    fields.require("scheduleDaysOfWeek", calendar, "only goes with scheduleTimes");
    fields.require("timeZone", calendar, "only goes with scheduleTimes");
    fields.require("endAtUtc", interval || calendar, "only goes with recurrenceSeconds or scheduleTimes");
    fields.require("maxOccurrences", interval || calendar, "only goes with recurrenceSeconds or scheduleTimes");

    let recurrence = match (every_seconds, times) {
        (_, Some(times)) => {
            let mut distinct = Vec::new();
            for day in days.unwrap_or_default() {
                if !distinct.contains(&day) {
                    distinct.push(day);
                }
            }
            Recurrence::Calendar(Calendar { times, days: distinct, zone: zone.unwrap_or(DEFAULT_ZONE) })
        }
        (Some(every_seconds), None) => Recurrence::Interval { every_seconds },
        (None, None) => return None,
    };
    Some(Schedule { recurrence, end_at, max_occurrences })
}

fn read_url(fields: &mut Fields<'_>, guard: &Guard) -> String {
    if !fields.has("callbackUrl") {
        fields.refuse("callbackUrl", "is required");
        return String::new();
    }
    let Some(text) = fields.text("callbackUrl", |_| true, "an absolute http or https URL") else {
        return String::new();
    };
    if let Err(problem) = check_url(&text, guard) {
        fields.refuse("callbackUrl", problem);
    }
    text
}

fn check_url(text: &str, guard: &Guard) -> Result<(), String> {
    if text.chars().count() > LONGEST_URL {
        return Err(format!("must have at most {LONGEST_URL} characters"));
    }
    // The parser would drop some of these silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must not contain spaces or control characters".to_owned());
    }
    // It would read a backslash as a slash, and any number of slashes as two: other readers see another host there.
    if text.contains('\\') {
        return Err("must not contain a backslash".to_owned());
    }
    let not_a_url = "must be an absolute http or https URL";
    let (scheme, rest) = text.split_once("://").ok_or_else(|| not_a_url.to_owned())?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || rest.starts_with('/') {
        return Err(not_a_url.to_owned());
    }
    let url = url::Url::parse(text).map_err(|e| format!("{not_a_url}: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password".to_owned());
    }
    if url.port() == Some(0) {
        return Err("must not name port 0".to_owned());
    }
    guard.check_url(&url).map_err(|refused| refused.to_string())
}

fn read_method(fields: &mut Fields<'_>) -> String {
    let known = |text: &str| METHODS.contains(&text.to_ascii_uppercase().as_str());
    let method = fields.text("method", known, "one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    method.map_or_else(|| "POST".to_owned(), |text| text.to_ascii_uppercase())
}

fn read_payload(fields: &mut Fields<'_>, largest: usize) -> Option<Payload> {
    let payload = fields.raw("payload").map(RawValue::get)?;
    if payload.len() > largest {
        fields.refuse("payload", format!("must be at most {largest} bytes of JSON"));
    }
    Some(Payload::Within(payload.to_owned()))
}

fn read_key(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    fields.text(name, is_key, KEY)
}

#[cfg(test)]
mod tests;
