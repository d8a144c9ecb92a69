//! The endpoints of jobs (CONTRACT §3): create, list, look at, cancel.
//! It never decides what a valid job is (`shared::request`) nor what may be done to one (`shared::store`).

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::clock::parse_instant;
use shared::cursor;
use shared::ids::{JobId, TenantId};
use shared::job::{Job, Status};
use shared::request::{self, FieldError, Rejection};
use shared::store::{Cancelled, Created, ListQuery, Order};
use shared::wire::JobBody;
use utoipa::ToSchema;

use crate::auth::{Reader, Writer};
use crate::openapi::CreateJobBody;
use crate::problem::Problem;
use crate::{App, LARGEST_BODY};

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
            ("cancel" = (operation_id = "cancel", parameters(("id" = "$response.body#/id")))))),
        (status = 200, body = JobBody<'static>, description = "made before, with the same Idempotency-Key"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u32))),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn create(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let leave = app.meter.leave_to_create(&tenant)?;
    if !is_json(&headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json."));
    }
    let body = body.map_err(|e| unread(&e))?;
    let key = read_request_key(&headers)?;
    let now = app.clock.now();
    let hash = key.is_some().then(|| shared::token::hash(&String::from_utf8_lossy(&body)));
    let id = key.as_ref().map_or_else(JobId::random, |key| JobId::from_request_key(&tenant, key));
    let new = match request::parse(&body, now, &app.rules) {
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

/// Lists jobs by planned instant.
#[utoipa::path(get, path = "/scheduled-jobs",
    params(
        ("status" = Option<Status>, Query),
        ("from" = Option<String>, Query, format = DateTime, description = "inclusive, of fireAtUtc"),
        ("to" = Option<String>, Query, format = DateTime, description = "exclusive"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 unless given"),
        ("order" = Option<String>, Query, pattern = "^(desc|asc)$", description = "desc (default) or asc"),
        ("cursor" = Option<String>, Query, description = "nextCursor of the page before, with the same filters"),
    ),
    responses(
        (status = 200, body = JobPage<'static>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
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
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
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

/// Cancels a job that waits; a recurring one ends with it.
#[utoipa::path(delete, path = "/scheduled-jobs/{id}", params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = JobBody<'static>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "it does not wait"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn cancel(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = read_id(id)?;
    let cancelling = Box::pin(app.store.cancel(&tenant, id, app.clock.now()));
    match app.meter.tell_beside(cancelling).await? {
        Cancelled::Cancelled(job) => Ok(Json(JobBody::new(&job)).into_response()),
        Cancelled::NotFound => Err(Problem::not_found()),
        Cancelled::NotPending(status) => Err(Problem::not_pending(status)),
    }
}

fn refusal(rejection: Rejection) -> Problem {
    match rejection {
        Rejection::Malformed(detail) => Problem::new(StatusCode::BAD_REQUEST, detail),
        Rejection::Fields(errors) => Problem::wrong_fields(errors),
    }
}

/// What is no UUID names no job.
fn read_id(id: Result<Path<String>, PathRejection>) -> Result<JobId, Problem> {
    id.ok().and_then(|Path(id)| id.parse().ok()).map(JobId).ok_or_else(Problem::not_found)
}

/// The body did not come in whole: too large, or the connection broke.
fn unread(rejection: &BytesRejection) -> Problem {
    let detail = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        format!("The body is larger than {LARGEST_BODY} bytes.")
    } else {
        "The body could not be read to its end.".to_owned()
    };
    Problem::new(rejection.status(), detail)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn read_request_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key =
        value.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    let wrong = || {
        Problem::new(StatusCode::BAD_REQUEST, "The header Idempotency-Key must be 1 to 255 visible ASCII characters.")
    };
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

fn read_list_query(tenant: TenantId, text: &str) -> Result<ListQuery, Vec<FieldError>> {
    let mut query =
        ListQuery { tenant, status: None, from: None, to: None, limit: 50, order: Order::default(), after: None };
    let (mut errors, mut seen, mut page) = (Vec::new(), HashSet::new(), None);
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let wrong = if seen.insert(name.to_string()) {
            match name.as_ref() {
                "status" => {
                    query.status = Status::parse(&value);
                    query.status.is_none().then_some("must be Pending, Firing, Done, Cancelled or DeadLetter")
                }
                "from" | "to" => {
                    let at = parse_instant(&value);
                    *(if name == "from" { &mut query.from } else { &mut query.to }) = at;
                    at.is_none().then_some("must be an instant such as 2026-12-24T18:00:00Z (RFC 3339)")
                }
                "limit" => match value.parse() {
                    Ok(limit @ 1..=200) => {
                        query.limit = limit;
                        None
                    }
                    _ => Some("must be a whole number from 1 to 200"),
                },
                "order" => match value.as_ref() {
                    "desc" => None,
                    "asc" => {
                        query.order = Order::Ascending;
                        None
                    }
                    _ => Some("must be desc or asc"),
                },
                "cursor" => {
                    page = Some(value.into_owned());
                    None
                }
                _ => Some("is not a parameter of this list"),
            }
        } else {
            Some("is given twice")
        };
        errors.extend(wrong.map(|detail| FieldError { pointer: pointer(&name), detail: detail.to_owned() }));
    }
    if let Some(page) = page.filter(|_| errors.is_empty()) {
        query.after = cursor::decode(&query, &page);
        if query.after.is_none() {
            let detail = "is not a cursor of this list with these filters".to_owned();
            errors.push(FieldError { pointer: "/cursor".to_owned(), detail });
        }
    }
    if errors.is_empty() { Ok(query) } else { Err(errors) }
}

/// A JSON pointer (RFC 6901) to the parameter, whose name may be anything.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(text: &str) -> Vec<String> {
        let tenant = TenantId::parse("t").unwrap();
        read_list_query(tenant, text).err().unwrap_or_default().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn all_wrong_parameters_of_a_list_are_named_at_once() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("status=Done&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00&limit=200&order=asc", &[]),
            ("status=done&from=x&to=&limit=0&order=up", &["/status", "/from", "/to", "/limit", "/order"]),
            ("limit=201&state=Done&a~/b=1", &["/limit", "/state", "/a~0~1b"]),
            ("limit=1&limit=2", &["/limit"]),
            ("cursor=AAAA", &["/cursor"]),
        ] {
            assert_eq!(pointers(text), expected, "{text}");
        }
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/json", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{text}");
        }
    }
}
