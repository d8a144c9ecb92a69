//! What pictures are made of: outcomes by the hour, how many jobs there are, what is coming. Never a scan of a table:
//! sums that were told to `usage`, and counts of the list index that stop at a bound.
//! It never counts anything itself. Neighbours: `shared::store::outcomes` and `shared::store::count`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use futures_util::future::{try_join, try_join4};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::clock::{Timestamp, format_instant, parse_instant};
use shared::job::Status;
use shared::outcomes::{ANSWER_SECONDS, BUCKETS, Hour, LATENESS_SECONDS, Outcomes};
use shared::request::FieldError;
use shared::store::Count;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Reader;
use crate::openapi::{Refused, WrongQuery};
use crate::parameters::Parameters;
use crate::problem::Problem;

const USUAL_RANGE: TimeDelta = TimeDelta::hours(24);
const LONGEST_RANGE: TimeDelta = TimeDelta::days(31);
const MOST_HOSTS: usize = 10;
const HOURS_TO_COME: usize = 24;
const COUNTS_AT_ONCE: usize = 8;

/// What became of a tenant's jobs, by the hour. The sums are approximate: they are told at the end of each tick of the
/// poller and with later requests, and may be lost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    #[schema(format = DateTime)]
    from_utc: String,
    #[schema(format = DateTime)]
    to_utc: String,
    /// Every hour of the range.
    hours: Vec<HourStats>,
    /// How long after they were due jobs were taken up.
    lateness_seconds: Vec<Bucket>,
    /// How long attempts took.
    answer_seconds: Vec<Bucket>,
    /// At most ten, the one with the most failures first.
    failing_hosts: Vec<FailingHost>,
}

/// One hour.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HourStats {
    /// Its first instant.
    #[schema(format = DateTime)]
    hour_utc: String,
    /// Jobs created by requests; the later occurrences of a series are not among them.
    created: u64,
    /// Attempts answered with a 2xx.
    delivered: u64,
    /// Attempts that failed.
    failed: u64,
    /// Jobs that were given up.
    dead_lettered: u64,
}

/// How many there were above the end of the bucket before, up to the end of this one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bucket {
    /// In seconds; `null` is without end.
    #[schema(required)]
    up_to: Option<f64>,
    count: u64,
}

/// A host and port at which attempts failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailingHost {
    host: String,
    failed: u64,
}

/// How many jobs there are. Each count stops at 10,000.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobCounts {
    /// `Pending` and `Firing`.
    open: u32,
    done: u32,
    cancelled: u32,
    dead_letter: u32,
    /// Whether no count was stopped.
    exact: bool,
}

/// What is planned, by the hour. Each count stops at 10,000.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Upcoming {
    hours: Vec<PlannedHour>,
    /// Whether no count was stopped.
    exact: bool,
}

/// Open jobs planned for one hour.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedHour {
    #[schema(format = DateTime)]
    hour_utc: String,
    count: u32,
}

/// Outcomes by the hour, how late and how long, and where attempts failed.
#[utoipa::path(get, path = "/stats", operation_id = "stats",
    params(
        ("from" = Option<String>, Query, format = DateTime, description = "24 hours before to, unless given"),
        ("to" = Option<String>, Query, format = DateTime, description = "now, unless given; at most 31 days after from"),
    ),
    responses(
        (status = 200, body = Stats),
        WrongQuery, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn stats(
    Reader(tenant): Reader,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (from, to) = read_range(&query.unwrap_or_default(), app.clock.now()).map_err(Problem::wrong_fields)?;
    let usage = app.store.usage();
    let reading = try_join(usage.hours(&tenant, from, to), usage.failing_hosts(&tenant, from, to));
    let (told, hosts) = app.meter.tell_beside(Box::pin(reading)).await?;
    let mut sum = Outcomes::default();
    told.values().for_each(|hour| sum.add(&hour.outcomes));
    let hours = std::iter::successors(Some(from), |hour| Some(hour.next())).take_while(|hour| *hour < to);
    let hours = hours.map(|hour| {
        let told = told.get(&hour).copied().unwrap_or_default();
        HourStats {
            hour_utc: format_instant(hour.start()),
            created: told.created,
            delivered: told.outcomes.delivered,
            failed: told.outcomes.failed,
            dead_lettered: told.outcomes.dead_lettered,
        }
    });
    let mut failing_hosts: Vec<_> = hosts.into_iter().map(|(host, failed)| FailingHost { host, failed }).collect();
    failing_hosts.sort_by(|a, b| b.failed.cmp(&a.failed).then_with(|| a.host.cmp(&b.host)));
    failing_hosts.truncate(MOST_HOSTS);
    let stats = Stats {
        from_utc: format_instant(from.start()),
        to_utc: format_instant(to.start()),
        hours: hours.collect(),
        lateness_seconds: buckets(&LATENESS_SECONDS, sum.lateness),
        answer_seconds: buckets(&ANSWER_SECONDS, sum.answers),
        failing_hosts,
    };
    Ok(Json(stats).into_response())
}

/// How many jobs there are, by list.
#[utoipa::path(get, path = "/stats/jobs", operation_id = "countJobs",
    params(
        ("from" = Option<String>, Query, format = DateTime, description = "inclusive, of fireAtUtc"),
        ("to" = Option<String>, Query, format = DateTime, description = "exclusive"),
    ),
    responses(
        (status = 200, body = JobCounts),
        WrongQuery, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn jobs(
    Reader(tenant): Reader,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut given = Parameters::read(&query.unwrap_or_default(), "this count", &["from", "to"]);
    let (from, to) = (given.instant("from"), given.instant("to"));
    given.finish().map_err(Problem::wrong_fields)?;
    let count = |status| app.store.count(&tenant, status, from, to);
    let counting =
        try_join4(count(Status::Pending), count(Status::Done), count(Status::Cancelled), count(Status::DeadLetter));
    let (open, done, cancelled, dead_letter) = app.meter.tell_beside(Box::pin(counting)).await?;
    let exact = [open, done, cancelled, dead_letter].iter().all(|count| count.is_exact);
    let jobs = |count: Count| count.jobs;
    let (open, done, cancelled, dead_letter) = (jobs(open), jobs(done), jobs(cancelled), jobs(dead_letter));
    Ok(Json(JobCounts { open, done, cancelled, dead_letter, exact }).into_response())
}

/// Open jobs by the hour for which they are planned: this hour and the 23 after it.
#[utoipa::path(get, path = "/stats/upcoming", operation_id = "upcoming",
    responses(
        (status = 200, body = Upcoming),
        WrongQuery, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn upcoming(
    Reader(tenant): Reader,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(&query.unwrap_or_default(), "this count", &[]).finish().map_err(Problem::wrong_fields)?;
    let first = Hour::of(app.clock.now());
    let hours: Vec<Hour> = std::iter::successors(Some(first), |hour| Some(hour.next())).take(HOURS_TO_COME).collect();
    let counting = stream::iter(hours.clone())
        .map(|hour| app.store.count(&tenant, Status::Pending, Some(hour.start()), Some(hour.next().start())))
        .buffered(COUNTS_AT_ONCE)
        .try_collect::<Vec<Count>>();
    let counts = app.meter.tell_beside(Box::pin(counting)).await?;
    let exact = counts.iter().all(|count| count.is_exact);
    let planned =
        |(hour, count): (&Hour, &Count)| PlannedHour { hour_utc: format_instant(hour.start()), count: count.jobs };
    Ok(Json(Upcoming { hours: hours.iter().zip(&counts).map(planned).collect(), exact }).into_response())
}

/// The hours that the range touches: from the first to before the second.
fn read_range(text: &str, now: Timestamp) -> Result<(Hour, Hour), Vec<FieldError>> {
    let mut given = Parameters::read(text, "these statistics", &["from", "to"]);
    let (from, to) = (given.instant("from"), given.instant("to"));
    // Before the two are compared: beside one that is not what was meant the other may be right.
    given.finish()?;
    let refused = |name: &str, detail: &str| Err(vec![FieldError::at(&[name], detail)]);
    let end = to.unwrap_or(now);
    let start = from.unwrap_or(end - USUAL_RANGE);
    let last = Hour::of(end - TimeDelta::milliseconds(1)).next();
    if start >= end {
        refused(if to.is_some() { "to" } else { "from" }, "from must lie before to, which is now unless given")
    } else if end - start > LONGEST_RANGE {
        refused("from", "must lie at most 31 days before to")
    } else if [start, last.start()].iter().any(|at| parse_instant(&format_instant(*at)).is_none()) {
        refused("to", "must lie within the years 0000 to 9999, and so must from")
    } else {
        Ok((Hour::of(start), last))
    }
}

fn buckets(ends: &[f64; BUCKETS - 1], counts: [u64; BUCKETS]) -> Vec<Bucket> {
    let ends = ends.iter().copied().map(Some).chain([None]);
    ends.zip(counts).map(|(up_to, count)| Bucket { up_to, count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<(String, String), Vec<String>> {
        let range = read_range(text, parse_instant("2026-06-02T12:30:00Z").unwrap());
        let shown = |hour: Hour| hour.start().format("%dT%H:%M").to_string();
        range
            .map(|(from, to)| (shown(from), shown(to)))
            .map_err(|errors| errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn a_range_is_widened_to_whole_hours() {
        for (text, from, to) in [
            ("", "01T12:00", "02T13:00"),
            ("from=2026-06-02T10:59:59Z", "02T10:00", "02T13:00"),
            ("to=2026-06-01T00:00:00Z", "31T00:00", "01T00:00"),
            ("from=2026-06-01T10:00:00Z&to=2026-06-01T10:00:00.001Z", "01T10:00", "01T11:00"),
            ("from=2026-05-02T12:30:00Z", "02T12:00", "02T13:00"),
        ] {
            assert_eq!(range(text), Ok((from.to_owned(), to.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused() {
        for (text, pointer) in [
            ("from=2026-06-02T12:30:00Z", "/from"),
            ("from=2026-06-01T00:00:00Z&to=2026-06-01T00:00:00Z", "/to"),
            ("from=2026-05-02T12:29:59Z", "/from"),
            ("to=0000-01-01T00:00:00Z", "/to"),
            ("from=9999-12-31T23:00:00Z&to=9999-12-31T23:30:00Z", "/to"),
            ("since=2026-06-01T00:00:00Z", "/since"),
            ("from=yesterday", "/from"),
            ("from=2026-07-01T00:00:00Z&to=tomorrow", "/to"),
        ] {
            assert_eq!(range(text), Err(vec![pointer.to_owned()]), "{text}");
        }
    }
}
