//! What a client may do to a job that is there: cancel it, retry it, run it now; and retry many dead letters at once.
//! It never decides what becomes of a job; `shared::store::change` does, with one conditional write each.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::cursor;
use shared::ids::TenantId;
use shared::job::Job;
use shared::request::{RedriveRequest, parse_redrive};
use shared::store::{Changed, StoreError};
use shared::wire::JobBody;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Writer;
use crate::incoming::{read_id, read_json, refusal};
use crate::openapi::{NoSuchJob, Refused, RetryManyBody, WrongBody};
use crate::problem::Problem;

/// Dead letters that one call takes on at most.
const MOST_AT_ONCE: usize = 200;
const WRITES_AT_ONCE: usize = 16;

/// What one call has done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetriedMany {
    /// Dead letters that this call found.
    matched: usize,
    /// Those of them that it made due; none in a dry run.
    retried: usize,
    /// Where to go on; `null` when all are done.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Cancels a job that waits; a recurring one ends with it.
#[utoipa::path(delete, path = "/scheduled-jobs/{id}", params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = JobBody<'static>),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "it does not wait"),
        NoSuchJob, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn cancel(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = read_id(id)?;
    let cancelling = Box::pin(app.store.cancel(&tenant, id, app.clock.now()));
    let job = changed(app.meter.tell_beside(cancelling).await?, "Only a Pending job can be cancelled")?;
    Ok(Json(JobBody::new(&job)).into_response())
}

/// Gives a dead letter all its attempts again, the first at once. Its series, if any, has gone on and is not touched.
#[utoipa::path(post, path = "/scheduled-jobs/{id}/retry", operation_id = "retry",
    params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = JobBody<'static>),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "it is no dead letter"),
        NoSuchJob, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn retry(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = read_id(id)?;
    let retrying = Box::pin(app.store.retry(&tenant, id, app.clock.now()));
    let job = changed(app.meter.tell_beside(retrying).await?, "Only a DeadLetter can be retried")?;
    Ok(Json(JobBody::detailed(&job)).into_response())
}

/// Makes a job that waits due at once. Its plan stays: the next occurrence of a series comes when it would have come.
#[utoipa::path(post, path = "/scheduled-jobs/{id}/run-now", operation_id = "runNow",
    params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = JobBody<'static>),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "it does not wait"),
        NoSuchJob, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn run_now(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = read_id(id)?;
    let running = Box::pin(app.store.run_now(&tenant, id, app.clock.now()));
    let job = changed(app.meter.tell_beside(running).await?, "Only a Pending job can be run now")?;
    Ok(Json(JobBody::detailed(&job)).into_response())
}

/// The job as it is now, or why it is still as it was: `only` says what it would have had to be.
fn changed(answer: Changed, only: &str) -> Result<Box<Job>, Problem> {
    match answer {
        Changed::Changed(job) => Ok(job),
        Changed::NotFound => Err(Problem::not_found()),
        Changed::Not(status) => Err(Problem::not_in_status(only, status)),
    }
}

/// Retries the dead letters of a range, 200 at most in a call: repeat with nextCursor until it is null.
#[utoipa::path(post, path = "/scheduled-jobs/retry", operation_id = "retryMany", request_body = RetryManyBody,
    responses(
        (status = 200, body = RetriedMany),
        WrongBody, Refused,
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn retry_many(
    Writer(tenant): Writer,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = read_json(&headers, body)?;
    let RedriveRequest { list, dry_run } = parse_redrive(&body, tenant, MOST_AT_ONCE).map_err(refusal)?;
    let now = app.clock.now();
    let page = app.meter.tell_beside(app.store.list(&list, now)).await?;
    let matched = page.jobs.len();
    let retried = if dry_run { 0 } else { Box::pin(retry_all(&app, &list.tenant, page.jobs, now)).await? };
    let next_cursor = page.next.map(|position| cursor::encode(&list, &position));
    Ok(Json(RetriedMany { matched, retried, next_cursor }).into_response())
}

/// How many of them were still dead letters. When the store fails in the middle, the same call may be made again.
async fn retry_all(app: &App, tenant: &TenantId, jobs: Vec<Job>, now: Timestamp) -> Result<usize, StoreError> {
    let retrying = stream::iter(jobs).map(|job| app.store.retry(tenant, job.id, now)).buffer_unordered(WRITES_AT_ONCE);
    let count = |sum, changed| async move { Ok(sum + usize::from(matches!(changed, Changed::Changed(_)))) };
    retrying.try_fold(0, count).await
}
