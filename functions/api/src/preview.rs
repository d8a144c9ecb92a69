//! What would become of a job: the instants at which it would fire, in UTC and on the clock on the wall.
//! It stores nothing and counts as no creation. Neighbours: `shared::schedule` plans, `jobs` creates.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use serde::Serialize;
use shared::clock::{Timestamp, format_instant};
use shared::request::{self, NewJob};
use shared::schedule::{Calendar, Note, NoteKind, Recurrence};
use utoipa::ToSchema;

use crate::App;
use crate::auth::Writer;
use crate::incoming::{read_json, refusal_beside};
use crate::openapi::{CreateJobBody, Refused, WrongBody};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// When a job would fire.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    /// The zone of a calendar; `null` for one-shot and interval jobs.
    #[schema(required)]
    time_zone: Option<&'static str>,
    occurrences: Vec<PlannedOccurrence>,
    /// Whether nothing comes after the last one listed.
    complete: bool,
}

/// One occurrence to come.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedOccurrence {
    /// From 1.
    occurrence_number: u32,
    #[schema(format = DateTime)]
    fire_at_utc: String,
    /// In the zone of the calendar; `null` without one.
    #[schema(format = DateTime, required)]
    fire_at_local: Option<String>,
    /// What a change of the clocks does to it.
    #[schema(required)]
    note: Option<OccurrenceNote>,
}

/// Why an occurrence is not what the list of times says.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct OccurrenceNote {
    kind: OccurrenceNoteKind,
    detail: String,
}

/// The time does not exist that day, exists twice, or meets another of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OccurrenceNoteKind {
    Gap,
    Overlap,
    Merged,
}

/// Tells when a job would fire, and stores nothing.
#[utoipa::path(post, path = "/scheduled-jobs/preview", operation_id = "preview", request_body = CreateJobBody,
    params(("count" = Option<u32>, Query, minimum = 1, maximum = 100, description = "occurrences to list; 10 unless given")),
    responses(
        (status = 200, body = Preview),
        WrongBody, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn preview(
    Writer(_): Writer,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = read_json(&headers, body)?;
    let now = app.clock.now();
    let mut given = Parameters::read(&query.unwrap_or_default(), "a preview", &["count"]);
    let count = given.number("count", 1..=100).unwrap_or(10);
    match (request::parse(&body, now, &app.rules), given.finish()) {
        (Ok(new), Ok(())) => Ok(Json(Preview::of(&new, count, now)).into_response()),
        (body, query) => Err(refusal_beside(body.err(), query.err().unwrap_or_default())),
    }
}

impl Preview {
    fn of(new: &NewJob, count: usize, now: Timestamp) -> Self {
        let Some(schedule) = &new.spec.schedule else {
            let occurrences = vec![PlannedOccurrence::new(1, new.planned_at, None)];
            return Self { time_zone: None, occurrences, complete: true };
        };
        let calendar = match &schedule.recurrence {
            Recurrence::Calendar(calendar) => Some(calendar),
            Recurrence::Interval { .. } => None,
        };
        let mut plan = schedule.plan(new.planned_at, now);
        let planned = plan.by_ref().take(count);
        let occurrences = planned.map(|(number, at)| PlannedOccurrence::new(number, at, calendar)).collect();
        let complete = plan.next().is_none();
        Self { time_zone: calendar.map(|calendar| calendar.zone.name()), occurrences, complete }
    }
}

impl PlannedOccurrence {
    fn new(number: u32, at: Timestamp, calendar: Option<&Calendar>) -> Self {
        Self {
            occurrence_number: number,
            fire_at_utc: format_instant(at),
            fire_at_local: calendar
                .map(|calendar| at.with_timezone(&calendar.zone).to_rfc3339_opts(SecondsFormat::Secs, false)),
            note: calendar.and_then(|calendar| calendar.note(at)).map(OccurrenceNote::from),
        }
    }
}

impl From<Note> for OccurrenceNote {
    fn from(note: Note) -> Self {
        let kind = match note.kind {
            NoteKind::Gap => OccurrenceNoteKind::Gap,
            NoteKind::Overlap => OccurrenceNoteKind::Overlap,
            NoteKind::Merged => OccurrenceNoteKind::Merged,
        };
        Self { kind, detail: note.detail }
    }
}
