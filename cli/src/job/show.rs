//! Jobs for people: tables and the details of one. Programs get JSON, one document a line.
//! It never prints what would command a terminal. Neighbour: `job` chooses between the two.

use chrono::{DateTime, Utc};
use scheduler_client::{Attempt, Job, Preview};

use super::times::shown;
use crate::exit::printable;

/// How much of a text that others wrote is shown in a table.
const LONGEST_CELL: usize = 60;

/// Columns as wide as what is in them, under a head; nothing behind the last.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.into_iter().map(line).collect()
}

pub(crate) fn jobs_table(jobs: &[Job]) -> Vec<String> {
    let row = |job: &Job| {
        vec![
            job.id.clone(),
            job.status.to_string(),
            shown(job.fire_at_utc),
            format!("{}/{}", job.attempts, job.max_retries),
            last_outcome(job),
            cell(&format!("{} {}", job.method, job.callback_url)),
            cell(job.name.as_deref().unwrap_or_default()),
        ]
    };
    let head = ["ID", "STATUS", "PLANNED FOR", "ATTEMPTS", "LAST", "CALL", "NAME"];
    table(&head, &jobs.iter().map(row).collect::<Vec<_>>())
}

fn last_outcome(job: &Job) -> String {
    match (job.last_status_code, &job.last_error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => cell(error),
        (None, None) => "-".to_owned(),
    }
}

/// One line that says what was, or will be, done with it.
pub(crate) fn sentence(job: &Job) -> String {
    let when = match job.next_attempt_at_utc {
        Some(at) => format!("due at {}", shown(at)),
        None => job.status.to_string(),
    };
    format!("{}  {when}  {} {}{}", job.id, job.method, cell(&job.callback_url), recurrence(job))
}

fn recurrence(job: &Job) -> String {
    let mut words = match (&job.schedule_times, job.recurrence_seconds) {
        (Some(times), _) => format!("  daily at {}", times.join(", ")),
        (None, Some(seconds)) => format!("  every {}", duration(u64::from(seconds) * 1000)),
        (None, None) => return String::new(),
    };
    if let Some(days) = &job.schedule_days_of_week {
        const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let names: Vec<_> = days.iter().filter_map(|day| NAMES.get(usize::from(*day)).copied()).collect();
        words += &format!(" on {}", names.join(","));
    }
    if let Some(zone) = &job.time_zone {
        words += &format!(" ({zone})");
    }
    words
}

pub(crate) fn details(job: &Job) -> Vec<String> {
    let at = |instant: Option<DateTime<Utc>>| instant.map(shown);
    let series = job
        .series_id
        .as_ref()
        .map(|id| format!("{id}, occurrence {}{}", job.occurrence_number.unwrap_or_default(), recurrence(job)));
    let last = job.last_error.clone().or(job.last_status_code.map(|status| status.to_string()));
    let headers = job.headers.as_ref().map(|headers| headers.keys().cloned().collect::<Vec<_>>().join(", "));
    let fields = [
        ("id", Some(job.id.clone())),
        ("name", job.name.clone()),
        ("status", Some(job.status.to_string())),
        ("call", Some(format!("{} {}", job.method, job.callback_url))),
        ("headers", headers),
        ("payload", job.payload.as_ref().map(|payload| payload.get().to_owned())),
        ("planned for", at(Some(job.fire_at_utc))),
        ("run now", at(job.run_now_at_utc)),
        ("next attempt", at(job.next_attempt_at_utc)),
        ("attempts", Some(format!("{} of {}, {} s each at most", job.attempts, job.max_retries, job.timeout_seconds))),
        ("last", last),
        ("series", series),
        ("until", at(job.end_at_utc)),
        ("idempotency key", Some(job.idempotency_key.clone())),
        ("correlation id", job.correlation_id.clone()),
        ("created", at(Some(job.created_at_utc))),
        ("ended", at(job.completed_at_utc)),
        ("removed", at(job.expires_at_utc)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some(format!("{name:<16} {}", printable(&value?))));
    let mut lines: Vec<String> = fields.collect();
    if let Some(log) = job.attempt_log.as_ref().filter(|log| !log.is_empty()) {
        lines.push(String::new());
        let rows: Vec<_> = log.iter().map(attempt_row).collect();
        lines.extend(table(&["ATTEMPT", "STARTED", "TOOK", "ANSWER", "ERROR", "BEGINNING OF THE ANSWER"], &rows));
    }
    lines
}

fn attempt_row(attempt: &Attempt) -> Vec<String> {
    let unknown = || "?".to_owned();
    vec![
        attempt.number.to_string(),
        attempt.started_at_utc.map_or_else(unknown, shown),
        attempt.duration_ms.map_or_else(unknown, duration),
        attempt.status_code.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        printable(attempt.error.as_deref().unwrap_or("-")),
        cell(attempt.response_snippet.as_deref().unwrap_or_default()),
    ]
}

/// A delivery as `tail` tells it.
pub(crate) fn delivery(job: &Job, attempt: &Attempt) -> String {
    let at = attempt.started_at_utc.map_or_else(|| "?                   ".to_owned(), shown);
    let outcome = match (attempt.status_code, &attempt.error) {
        (Some(status), _) => status.to_string(),
        (None, _) => "---".to_owned(),
    };
    let verdict = match (&attempt.error, job.status) {
        (None, _) => "delivered".to_owned(),
        (Some(error), scheduler_client::JobStatus::DeadLetter) if is_last(job, attempt) => {
            format!("given up: {}", printable(error))
        }
        (Some(error), _) => format!("failed: {}", printable(error)),
    };
    let took = attempt.duration_ms.map_or_else(|| "?".to_owned(), duration);
    let name = job.name.as_deref().map_or_else(String::new, |name| format!("  {}", cell(name)));
    let call = cell(&format!("{} {}", job.method, job.callback_url));
    let (number, most) = (attempt.number, job.max_retries);
    format!("{at}  {outcome}  {took:>7}  {number}/{most}  {}  {call}{name}  {verdict}", job.id)
}

fn is_last(job: &Job, attempt: &Attempt) -> bool {
    job.attempt_log.as_ref().and_then(|log| log.last()) == Some(attempt)
}

pub(crate) fn preview_table(preview: &Preview) -> Vec<String> {
    let rows: Vec<Vec<String>> = preview
        .occurrences
        .iter()
        .map(|occurrence| {
            let local = occurrence.fire_at_local.map(|at| at.format("%a %Y-%m-%d %H:%M:%S %:z").to_string());
            vec![
                occurrence.occurrence_number.to_string(),
                shown(occurrence.fire_at_utc),
                local.unwrap_or_else(|| "-".to_owned()),
                occurrence.note.as_ref().map(|note| printable(&note.detail)).unwrap_or_default(),
            ]
        })
        .collect();
    let local = preview.time_zone.as_ref().map_or_else(|| "LOCAL".to_owned(), |zone| format!("IN {zone}"));
    let mut lines = table(&["OCCURRENCE", "UTC", &local, "NOTE"], &rows);
    lines.push(if preview.complete { "and none after that".to_owned() } else { "and so on".to_owned() });
    lines
}

fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => humantime::format_duration(std::time::Duration::from_secs(millis / 1000)).to_string(),
    }
}

/// On one line, and not longer than a table bears.
fn cell(text: &str) -> String {
    let mut shown: String = printable(text).chars().take(LONGEST_CELL).collect();
    if text.chars().count() > LONGEST_CELL {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows =
            vec![vec!["1".to_owned(), "così".to_owned(), String::new()], vec!["22".into(), "x".into(), "y".into()]];
        assert_eq!(table(&["A", "B", "C"], &rows), ["A   B     C", "1   così", "22  x     y"]);
    }

    #[test]
    fn what_others_wrote_cannot_command_the_terminal() {
        assert_eq!(cell("a\u{1b}[2Jb\n\u{9b}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        assert_eq!(cell(&"x".repeat(100)).chars().count(), LONGEST_CELL);
    }
}
