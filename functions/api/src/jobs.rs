//! The endpoints of jobs (CONTRACT §3): create, list, look at.
//! It never decides what a valid job is; `shared::request` does. Neighbours: `changes` what is done to jobs, `preview` what
//! would become of one.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::cursor;
use shared::ids::{JobId, SeriesId, TenantId};
use shared::job::{Job, Status};
use shared::request::{self, FieldError};
use shared::store::{Created, ListQuery, Order};
use shared::wire::JobBody;
use utoipa::ToSchema;

use crate::App;
use crate::auth::{Reader, Writer};
use crate::incoming::{read_id, read_json, refusal, refusal_beside};
use crate::openapi::{CreateJobBody, NoSuchJob, Refused, WrongBody, WrongQuery};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobPage<'a> {
    items: Vec<JobBody<'a>>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Schedules a job.
#[utoipa::path(post, path = "/scheduled-jobs", request_body = CreateJobBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "the same key and body make one job")),
    responses(
        (status = 201, body = JobBody<'static>, headers(("Location" = String)), links(
            ("detail" = (operation_id = "detail", parameters(("id" = "$response.body#/id")))),
            ("cancel" = (operation_id = "cancel", parameters(("id" = "$response.body#/id")))),
            ("runNow" = (operation_id = "runNow", parameters(("id" = "$response.body#/id")))),
            ("retry" = (operation_id = "retry", parameters(("id" = "$response.body#/id")))))),
        (status = 200, body = JobBody<'static>, description = "made before, with the same Idempotency-Key"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u32))),
        WrongBody, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn create(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let leave = app.meter.leave_to_create(&tenant)?;
    let body = read_json(&headers, body)?;
    let now = app.clock.now();
    let parsed = request::parse(&body, now, &app.rules);
    let key = match read_request_key(&headers) {
        Ok(key) => key,
        Err(wrong) => return Err(refusal_beside(parsed.err(), vec![wrong])),
    };
    let hash = key.is_some().then(|| shared::token::hash(&body));
    let id = key.map_or_else(JobId::random, |key| JobId::from_request_key(&tenant, key));
    let new = match parsed {
        Ok(new) => new,
        Err(rejection) => {
            // What was right when it made the first job may be wrong by now: its end may have passed.
            let first = if key.is_some() { app.store.get(&tenant, id, now).await? } else { None };
            return match first.filter(|first| first.request_hash == hash) {
                Some(first) => Ok(Json(JobBody::new(&first)).into_response()),
                None => Err(refusal(rejection)),
            };
        }
    };
    let job = Job::new(id, tenant.clone(), new, hash, now);
    match app.meter.tell_beside(app.store.create(&job, now)).await? {
        Created::New => {
            leave.used();
            let location = format!("/scheduled-jobs/{}", job.id);
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(JobBody::new(&job))).into_response())
        }
        Created::Exists(first) if first.request_hash == job.request_hash => {
            Ok(Json(JobBody::new(&first)).into_response())
        }
        Created::Exists(_) => {
            Err(Problem::new(StatusCode::CONFLICT, "This Idempotency-Key was used before with another body."))
        }
    }
}

/// Lists jobs by planned instant, or the occurrences of one series by number.
#[utoipa::path(get, path = "/scheduled-jobs",
    params(
        ("status" = Option<Status>, Query),
        ("seriesId" = Option<String>, Query, format = Uuid, description = "the occurrences of this series alone"),
        ("from" = Option<String>, Query, format = DateTime, description = "inclusive, of fireAtUtc"),
        ("to" = Option<String>, Query, format = DateTime, description = "exclusive"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 unless given"),
        ("order" = Option<String>, Query, pattern = "^(desc|asc)$", description = "desc (default) or asc"),
        ("cursor" = Option<String>, Query, description = "nextCursor of the page before, with the same filters"),
    ),
    responses(
        (status = 200, body = JobPage<'static>),
        WrongQuery, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn list(
    Reader(tenant): Reader,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = read_list_query(tenant, &query.unwrap_or_default()).map_err(Problem::wrong_fields)?;
    let page = app.meter.tell_beside(app.store.list(&query, app.clock.now())).await?;
    let body = JobPage {
        items: page.jobs.iter().map(JobBody::new).collect(),
        next_cursor: page.next.map(|position| cursor::encode(&query, &position)),
    };
    Ok(Json(body).into_response())
}

/// One job with its attempts.
#[utoipa::path(get, path = "/scheduled-jobs/{id}", params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = JobBody<'static>),
        NoSuchJob, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn detail(
    Reader(tenant): Reader,
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = read_id(id)?;
    let job = app.meter.tell_beside(app.store.get(&tenant, id, app.clock.now())).await?;
    let job = job.ok_or_else(Problem::not_found)?;
    Ok(Json(JobBody::detailed(&job)).into_response())
}

fn read_request_key(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| request::is_key(key));
    key.map(Some).ok_or_else(|| FieldError::at(&["Idempotency-Key"], format!("must be {}", request::KEY)))
}

const LIST_PARAMETERS: [&str; 7] = ["status", "seriesId", "from", "to", "limit", "order", "cursor"];

fn read_list_query(tenant: TenantId, text: &str) -> Result<ListQuery, Vec<FieldError>> {
    let mut given = Parameters::read(text, "this list", &LIST_PARAMETERS);
    let mut query = ListQuery {
        tenant,
        status: given.take("status", Status::parse, "must be Pending, Firing, Done, Cancelled or DeadLetter"),
        series: given.take("seriesId", |text| text.parse().ok().map(SeriesId), "must be a UUID"),
        from: given.instant("from"),
        to: given.instant("to"),
        limit: given.number("limit", 1..=200).unwrap_or(50),
        order: given.take("order", read_order, "must be desc or asc").unwrap_or_default(),
        after: None,
    };
    let not_of_this_list = "is not a cursor of this list with these filters";
    let page = given.take("cursor", |text| cursor::is_cursor(text).then(|| text.to_owned()), not_of_this_list);
    // It may be right for the filters that were meant; the limit is none of them.
    if let Some(page) = page.filter(|_| given.are_right_but_for(&["limit"])) {
        query.after = cursor::decode(&query, &page);
        if query.after.is_none() {
            given.refuse("cursor", not_of_this_list);
        }
    }
    given.finish().map(|()| query)
}

fn read_order(text: &str) -> Option<Order> {
    match text {
        "desc" => Some(Order::Descending),
        "asc" => Some(Order::Ascending),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shared::store::Position;

    use super::*;

    fn pointers(text: &str) -> Vec<String> {
        let tenant = TenantId::parse("t").unwrap();
        read_list_query(tenant, text).err().unwrap_or_default().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn all_wrong_parameters_of_a_list_are_named_at_once() {
        let done = read_list_query(TenantId::parse("t").unwrap(), "status=Done").unwrap();
        let position = Position("2026-01-01T00:00:00.000Z#6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
        let of_another_list = cursor::encode(&done, &position);
        assert_eq!(pointers(&format!("status=Done&cursor={of_another_list}")), [] as [&str; 0]);
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("status=Done&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00&limit=200&order=asc", &[]),
            ("seriesId=6ba7b810-9dad-11d1-80b4-00c04fd430c8&status=Done", &[]),
            ("status=done&from=x&to=&limit=0&order=up", &["/status", "/from", "/to", "/limit", "/order"]),
            ("limit=201&state=Done&a~/b=1", &["/limit", "/state", "/a~0~1b"]),
            ("limit=1&limit=2", &["/limit"]),
            ("seriesId=1", &["/seriesId"]),
            ("cursor=AAAA", &["/cursor"]),
            ("limit=0&cursor=AAAA", &["/limit", "/cursor"]),
            ("cursor=AAAA&from=x&a=1", &["/cursor", "/from", "/a"]),
            (&format!("cursor={of_another_list}"), &["/cursor"]),
            (&format!("cursor={of_another_list}&limit=0"), &["/cursor", "/limit"]),
            (&format!("cursor={of_another_list}&state=Done"), &["/state"]),
            (&format!("cursor={of_another_list}&seriesId=1"), &["/seriesId"]),
        ] {
            assert_eq!(pointers(text), expected, "{text}");
        }
    }
}
