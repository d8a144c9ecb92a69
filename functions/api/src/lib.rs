//! The HTTP API as one axum router: the same for Lambda and for `scheduler dev`.
//! It never fires a job; the poller does. Neighbours: `jobs`, `changes`, `preview`, `stats` and `whoami` the endpoints,
//! `assets` the dashboard, `auth` who may, `meter` what was used, `problem` what went wrong.

mod assets;
mod auth;
mod changes;
mod incoming;
mod jobs;
mod jwks;
mod jwt;
mod limits;
mod meter;
mod openapi;
mod parameters;
mod preview;
mod problem;
mod stats;
mod whoami;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use shared::clock::Clock;
use shared::config::Settings;
use shared::request::Rules;
use shared::store::Store;
use shared::store::tenants::Tenants;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use auth::Gate;
use meter::Meter;
use problem::{Problem, Unfinished};

/// The largest body that is read: the largest payload, and room for the other fields.
pub(crate) const LARGEST_BODY: usize = 512 << 10;

/// What a tenant may create in a minute unless the deployment says otherwise: a hundred a second.
const CREATIONS_PER_MINUTE: u32 = 6_000;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) rules: Rules,
    pub(crate) gate: Gate,
    pub(crate) meter: Meter,
}

/// The whole API.
pub fn router(settings: &Settings, store: Store, tenants: Tenants, clock: Clock) -> Router {
    let per_minute = settings.creations_per_minute.unwrap_or(CREATIONS_PER_MINUTE);
    let app = Arc::new(App {
        meter: Meter::new(store.usage(), per_minute, clock.clone()),
        gate: Gate::new(settings, tenants, clock.clone()),
        rules: settings.rules(),
        store,
        clock,
    });
    let (router, document) = endpoints().split_for_parts();
    let document = Arc::new(serde_json::to_value(document).unwrap_or_default());
    router
        .merge(assets::routes())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method; see the Allow header.")
        })
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(finish))
        .with_state(app)
}

/// The OpenAPI document of all of this, as `GET /openapi.json` answers it.
#[must_use]
pub fn openapi_document() -> serde_json::Value {
    serde_json::to_value(endpoints().into_openapi()).unwrap_or_default()
}

fn endpoints() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(jobs::create, jobs::list))
        .routes(routes!(preview::preview))
        .routes(routes!(changes::retry_many))
        .routes(routes!(jobs::detail, changes::cancel))
        .routes(routes!(changes::retry))
        .routes(routes!(changes::run_now))
        .routes(routes!(stats::stats))
        .routes(routes!(stats::jobs))
        .routes(routes!(stats::upcoming))
        .routes(routes!(whoami::whoami))
        .routes(routes!(openapi::healthz))
        .routes(routes!(openapi::openapi))
}

/// Names the request in every answer, and tells browsers and proxies to keep none but the dashboard's own files.
async fn finish(request: Request, next: Next) -> Response {
    let request_id = shared::ids::random_key();
    let mut response = next.run(request).await;
    if let Some(unfinished) = response.extensions_mut().remove::<Unfinished>() {
        response = unfinished.finish(response, &request_id);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        headers.insert("x-request-id", value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use lambda_http::tower::ServiceExt;
    use serde_json::Value;

    use super::*;

    /// What the API answers before it would ask the store, where nobody listens.
    async fn ask(method: &str, path: &str) -> (Response, Value) {
        let settings = Settings::default();
        let client = shared::store::local_client("http://127.0.0.1:1");
        let tenants = Tenants::new(client.clone(), &settings.tables);
        let store = Store::new(client, settings.tables.clone(), settings.shards);
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router(&settings, store, tenants, Clock::System).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (Response::from_parts(parts, Body::empty()), serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_that_names_its_request() {
        for (method, path, status) in [
            ("GET", "/nothing", 404),
            ("GET", "/scheduled-jobs/", 404),
            ("PATCH", "/scheduled-jobs", 405),
            ("POST", "/healthz", 405),
            ("GET", "/scheduled-jobs", 401),
            ("POST", "/scheduled-jobs", 401),
            ("GET", "/scheduled-jobs/%ff", 401),
            ("DELETE", "/scheduled-jobs/1", 401),
            ("POST", "/scheduled-jobs/1/retry", 401),
            ("POST", "/scheduled-jobs/preview", 401),
            ("GET", "/scheduled-jobs/retry", 405),
            ("GET", "/stats/nothing", 404),
            ("GET", "/whoami", 401),
            ("GET", "/jobs", 404),
            ("GET", "/assets/nothing.js", 404),
            ("GET", "/assets/%ff", 404),
            ("POST", "/", 405),
        ] {
            let (response, body) = ask(method, path).await;
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            assert_eq!((&body["type"], &body["status"]), (&"about:blank".into(), &status.into()), "{method} {path}");
            assert_eq!(body["instance"].as_str(), header("x-request-id"), "{method} {path}");
            assert_eq!(header("content-type"), Some("application/problem+json"), "{method} {path}");
            assert_eq!(header("cache-control"), Some("no-store"), "{method} {path}");
            assert_eq!(header("x-content-type-options"), Some("nosniff"), "{method} {path}");
            assert_eq!(header("www-authenticate"), (status == 401).then_some("Bearer"), "{method} {path}");
            assert_eq!(header("allow").is_some(), status == 405, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        for (path, expected) in [
            ("/scheduled-jobs", ["GET", "HEAD", "POST"].as_slice()),
            ("/scheduled-jobs/1", &["DELETE", "GET", "HEAD"]),
            ("/openapi.json", &["GET", "HEAD"]),
            ("/jobs/1", &["GET", "HEAD"]),
            ("/assets/any", &["GET", "HEAD"]),
        ] {
            let (response, _) = ask("PUT", path).await;
            let allow = response.headers()[header::ALLOW].to_str().unwrap();
            let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
            methods.sort_unstable();
            assert_eq!(methods, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn every_view_of_the_dashboard_is_the_page_and_runs_nothing_from_elsewhere() {
        for path in ["/", "/jobs/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "/new", "/overview?x=1"] {
            let (response, _) = ask("GET", path).await;
            let header = |name: &str| response.headers()[name].to_str().unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!((header("content-type"), header("cache-control")), ("text/html; charset=utf-8", "no-cache"));
            assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));
            let policy = header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        }
    }

    #[tokio::test]
    async fn an_answer_to_head_has_no_body() {
        for (path, status) in [("/healthz", 200), ("/", 200), ("/scheduled-jobs", 401)] {
            let (response, body) = ask("HEAD", path).await;
            assert_eq!((response.status().as_u16(), body), (status, Value::Null), "{path}");
        }
    }

    #[tokio::test]
    async fn the_document_tells_all_paths_and_how_to_get_in() {
        let (response, document) = ask("GET", "/openapi.json").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let operations: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        for expected in [
            "get /healthz",
            "get /openapi.json",
            "get /scheduled-jobs",
            "post /scheduled-jobs",
            "get /scheduled-jobs/{id}",
            "delete /scheduled-jobs/{id}",
            "post /scheduled-jobs/preview",
            "post /scheduled-jobs/retry",
            "post /scheduled-jobs/{id}/retry",
            "post /scheduled-jobs/{id}/run-now",
            "get /stats",
            "get /stats/jobs",
            "get /stats/upcoming",
            "get /whoami",
        ] {
            assert!(operations.iter().any(|operation| operation == expected), "{expected} of {operations:?}");
        }
        assert_eq!(operations.len(), 14, "{operations:?}");
        let components = &document["components"];
        assert_eq!(components["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(components["securitySchemes"]["apiKey"]["name"], "X-Api-Key");
        assert_eq!(components["schemas"]["CreateJob"]["additionalProperties"], false);
        assert_eq!(components["schemas"]["CreateJob"]["required"], serde_json::json!(["callbackUrl"]));
        for (field, least) in [("recurrenceSeconds", 60), ("maxOccurrences", 1)] {
            let bounded = &components["schemas"]["CreateJob"]["properties"][field];
            assert_eq!((&bounded["minimum"], &bounded["maximum"]), (&least.into(), &u32::MAX.into()), "{field}");
        }
        for schema in ["Job", "Attempt", "JobPage", "Problem", "WrongField", "Preview", "Stats", "RetriedMany"] {
            assert!(components["schemas"][schema].is_object(), "{schema}");
        }
        assert_eq!(components["schemas"]["Problem"]["properties"].get("cause"), None);
    }
}
