//! The flags that describe a job, and the way back: from a problem's JSON pointer to the flag that it is about.
//! It checks no rule of the Scheduler's: that one names all wrong fields at once. Neighbour: `times` reads what they hold.

use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use scheduler_client::CreateJob;

use super::times::{When, read_days, read_duration, read_when, read_whole_seconds};
use crate::exit::{Usage, printable};

#[derive(Debug, Args)]
pub(crate) struct JobFlags {
    /// What is called.
    #[arg(value_name = "URL")]
    callback_url: String,

    /// So long from now, such as 90s or 1h30m; without a time it is due at once.
    #[arg(long = "in", value_name = "DURATION", value_parser = read_duration, help_heading = "When")]
    after: Option<Duration>,
    /// At "2026-12-24 18:00 Europe/Rome", 2026-12-24T17:00:00Z or +2h; without a zone, on this machine's clocks.
    #[arg(long, value_name = "TIME", value_parser = read_when, conflicts_with = "after", help_heading = "When")]
    at: Option<When>,
    /// Again and again at this interval, such as 15m.
    #[arg(long, value_name = "DURATION", value_parser = read_whole_seconds, help_heading = "When")]
    every: Option<Duration>,
    /// Again and again at these wall-clock times, such as 10:00,15:00.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', conflicts_with = "every", help_heading = "When")]
    daily: Vec<String>,
    /// Only on these days: mon,tue or mon-fri or weekdays or weekends.
    #[arg(long, value_name = "DAYS", value_parser = read_days, requires = "daily", help_heading = "When")]
    on: Option<::std::vec::Vec<u8>>,
    /// The zone of --daily [default: the Scheduler's, Europe/Rome]
    #[arg(long, value_name = "ZONE", requires = "daily", help_heading = "When")]
    zone: Option<String>,
    /// No occurrence after this; written like --at.
    #[arg(long, value_name = "TIME", value_parser = read_when, help_heading = "When")]
    until: Option<When>,
    /// So many occurrences at most.
    #[arg(long, value_name = "COUNT", help_heading = "When")]
    times: Option<u32>,

    /// JSON, any other text (sent as a JSON string), @FILE, or - for standard input (both hold JSON).
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true, help_heading = "What is sent")]
    payload: Option<String>,
    /// [default: POST]
    #[arg(long, help_heading = "What is sent")]
    method: Option<String>,
    /// May be given again and again.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = read_header, help_heading = "What is sent")]
    headers: Vec<(String, String)>,
    /// The key by which the receiver knows a repeated call [default: one is made]
    #[arg(long, value_name = "KEY", help_heading = "What is sent")]
    idempotency_key: Option<String>,
    /// Sent along with each call.
    #[arg(long, value_name = "ID", help_heading = "What is sent")]
    correlation_id: Option<String>,

    /// For people who look for it.
    #[arg(long)]
    name: Option<String>,
    /// How many attempts are made before it is a dead letter [default: 5]
    #[arg(long, value_name = "COUNT")]
    attempts: Option<u32>,
    /// How long one attempt may take [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = read_whole_seconds)]
    timeout: Option<Duration>,
}

impl JobFlags {
    pub(crate) fn request(&self, now: DateTime<Utc>) -> anyhow::Result<CreateJob> {
        let mut request = CreateJob::new(&self.callback_url);
        if let Some(after) = self.after {
            request = request.after(after);
        }
        if let Some(at) = self.at {
            request = request.at(at.resolve(now));
        }
        if let Some(every) = self.every {
            request = request.every(every);
        }
        if !self.daily.is_empty() {
            request = request.daily_at(self.daily.iter().map(|time| time.trim()));
        }
        if let Some(days) = &self.on {
            request = request.on_days(days.iter().copied());
        }
        if let Some(zone) = &self.zone {
            request = request.time_zone(zone);
        }
        if let Some(until) = self.until {
            request = request.until(until.resolve(now));
        }
        if let Some(times) = self.times {
            request = request.times(times);
        }
        self.sent(request)
    }

    fn sent(&self, mut request: CreateJob) -> anyhow::Result<CreateJob> {
        if let Some(payload) = &self.payload {
            request = with_payload(request, payload)?;
        }
        if let Some(method) = &self.method {
            request = request.method(method);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(key) = &self.idempotency_key {
            request = request.idempotency_key(key);
        }
        if let Some(id) = &self.correlation_id {
            request = request.correlation_id(id);
        }
        if let Some(name) = &self.name {
            request = request.name(name);
        }
        if let Some(attempts) = self.attempts {
            request = request.attempts(attempts);
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        Ok(request)
    }
}

/// JSON goes out byte for byte. Text that is none is a JSON string, unless it sets out to be JSON and fails.
fn with_payload(request: CreateJob, payload: &str) -> anyhow::Result<CreateJob> {
    let wrong = |place: &str, error| Usage(format!("--payload: {place}{error}"));
    let (place, text) = match payload.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("--payload: {file} cannot be read"))?;
            (format!("{file}: "), text)
        }
        None if payload == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("--payload: standard input cannot be read")?;
            ("standard input: ".to_owned(), text)
        }
        None if payload.trim_start().starts_with(['{', '[', '"']) => (String::new(), payload.to_owned()),
        None => {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(payload).is_ok();
            let text = if is_json { payload.to_owned() } else { serde_json::to_string(payload)? };
            (String::new(), text)
        }
    };
    Ok(request.payload_text(text.trim()).map_err(|error| wrong(&place, error))?)
}

fn read_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("it must be \"Name: value\"")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The flag that a problem's JSON pointer is about, in words: `/scheduleTimes/1` is `--daily (the 2nd)`.
pub(crate) fn flag_of(pointer: &str) -> String {
    let mut segments = pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    let (first, second) = (segments.next().unwrap_or_default(), segments.next());
    let flag = match first.as_str() {
        "callbackUrl" => "URL",
        "delaySeconds" => "--in",
        "fireAtUtc" => "--at",
        "recurrenceSeconds" => "--every",
        "scheduleTimes" => "--daily",
        "scheduleDaysOfWeek" => "--on",
        "timeZone" => "--zone",
        "endAtUtc" => "--until",
        "maxOccurrences" => "--times",
        "payload" => "--payload",
        "method" => "--method",
        "headers" => "--header",
        "idempotencyKey" => "--idempotency-key",
        "Idempotency-Key" => "--request-key",
        "correlationId" => "--correlation-id",
        "name" => "--name",
        "maxRetries" => "--attempts",
        "timeoutSeconds" => "--timeout",
        "status" => "--status",
        "from" => "--from",
        "to" => "--to",
        "seriesId" => "--series",
        "limit" => "--limit",
        "count" => "--count",
        _ => return printable(pointer),
    };
    match second {
        Some(name) if first == "headers" => format!("{flag} {}", printable(&name)),
        Some(index) => match index.parse::<usize>() {
            Ok(index) => format!("{flag} (the {})", ordinal(index + 1)),
            Err(_) => format!("{flag} {}", printable(&index)),
        },
        None => flag.to_owned(),
    }
}

fn ordinal(number: usize) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_become_the_flags_they_came_from() {
        for (pointer, flag) in [
            ("/callbackUrl", "URL"),
            ("/scheduleTimes/1", "--daily (the 2nd)"),
            ("/scheduleTimes/10", "--daily (the 11th)"),
            ("/headers/X~1Y~0Z", "--header X/Y~Z"),
            ("/delaySeconds", "--in"),
            ("/something/new", "/something/new"),
            ("", ""),
        ] {
            assert_eq!(flag_of(pointer), flag);
        }
    }

    #[test]
    fn a_payload_is_json_or_else_text() {
        let sent = |payload| {
            let request = with_payload(CreateJob::new("u"), payload).map_err(|error| error.to_string())?;
            Ok::<_, String>(serde_json::to_string(&request).unwrap().replace(r#"{"callbackUrl":"u","payload":"#, ""))
        };
        for (payload, expected) in [
            (r#"{"a": 1.50}"#, r#"{"a": 1.50}}"#),
            ("hello", r#""hello"}"#),
            ("12", "12}"),
            ("null", "null}"),
            ("", r#"""}"#),
            ("say \"hi\"", r#""say \"hi\""}"#),
        ] {
            assert_eq!(sent(payload).as_deref(), Ok(expected));
        }
        assert!(sent(r#"{"a": }"#).unwrap_err().starts_with("--payload: the payload is not JSON"));
        assert!(sent("@/no/such/file").unwrap_err().contains("/no/such/file"));
    }
}
