//! The OpenAPI document: what the code cannot say by itself. Paths come from the handlers' own annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

/// What to call, when, and how often. Only `callbackUrl` is required; `null` counts as absent but for `payload`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateJob)]
pub(crate) struct CreateJobBody {
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Seconds from now; fractions allowed.
    #[schema(minimum = 0)]
    delay_seconds: Option<f64>,
    /// RFC 3339; without an offset UTC is meant. Wins over `delaySeconds`. In the past: due at once.
    #[schema(format = DateTime)]
    fire_at_utc: Option<String>,
    /// Absolute http or https URL without user-info, to a public address.
    #[schema(max_length = 2048, pattern = "^[Hh][Tt][Tt][Pp][Ss]?://")]
    callback_url: String,
    /// GET, HEAD, POST (default), PUT, PATCH, DELETE or OPTIONS, in any case.
    method: Option<String>,
    headers: Option<std::collections::HashMap<String, String>>,
    /// Any JSON, sent byte for byte; at most 256 KiB.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<()>,
    /// The number of attempts before DeadLetter; 5 unless given.
    #[schema(minimum = 1, maximum = 100)]
    max_retries: Option<u32>,
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    correlation_id: Option<String>,
    /// Recurrence by interval.
    #[schema(minimum = 60, maximum = 4_294_967_295_u32)]
    recurrence_seconds: Option<u32>,
    /// Recurrence by calendar: 1 to 96 wall-clock times, HH:mm. Excludes recurrenceSeconds.
    #[schema(min_items = 1, max_items = 96)]
    schedule_times: Option<Vec<String>>,
    /// 0 = Sunday to 6 = Saturday; absent or empty means every day.
    schedule_days_of_week: Option<Vec<u8>>,
    /// No occurrence after it; only with a recurrence.
    #[schema(format = DateTime)]
    end_at_utc: Option<String>,
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    max_occurrences: Option<u32>,
    /// IANA name, only with scheduleTimes; Europe/Rome unless given.
    time_zone: Option<String>,
    /// How long one attempt may take; 30 unless given.
    #[schema(minimum = 1, maximum = 60)]
    timeout_seconds: Option<u32>,
}

/// Which dead letters to retry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RetryMany)]
pub(crate) struct RetryManyBody {
    /// `DeadLetter`, which the client says to show that it knows.
    #[schema(pattern = "^DeadLetter$")]
    status: String,
    /// Inclusive, of fireAtUtc.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Exclusive.
    #[schema(format = DateTime)]
    to: Option<String>,
    /// Only to count them; false unless given.
    dry_run: Option<bool>,
    /// nextCursor of the call before, with the same range.
    cursor: Option<String>,
}

/// Answers that any endpoint for a scope may give.
pub(crate) enum Refused {}
/// Those to a query with parameters that it does not take.
pub(crate) enum WrongQuery {}
/// Those to a body that cannot be used.
pub(crate) enum WrongBody {}
/// That to an id of no job, or of another tenant's.
pub(crate) enum NoSuchJob {}

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&["401", "403", "500", "503"])
    }
}

impl IntoResponses for WrongQuery {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&["400"])
    }
}

impl IntoResponses for WrongBody {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&["400", "413", "415"])
    }
}

impl IntoResponses for NoSuchJob {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&["404"])
    }
}

fn problems(statuses: &[&str]) -> BTreeMap<String, RefOr<Described>> {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let answer = ResponseBuilder::new().content("application/problem+json", problem).build();
    statuses.iter().map(|status| ((*status).to_owned(), RefOr::T(answer.clone()))).collect()
}

/// Whether the API is up.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "up")))]
pub(crate) async fn healthz() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json",
    responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi(Extension(document): Extension<Arc<serde_json::Value>>) -> Response {
    Json(document.as_ref()).into_response()
}

/// The document without its paths.
pub(crate) fn document() -> OpenApi {
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let api_key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")));
    let components =
        ComponentsBuilder::new().security_scheme("bearer", bearer).security_scheme("apiKey", api_key).build();
    let info = InfoBuilder::new()
        .title("Scheduler")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("In N seconds, or at this instant, or on this calendar, call this URL with this payload."))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
