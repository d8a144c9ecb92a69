//! The HTTP API as one axum router: the same for Lambda and for `scheduler dev`.
//! It never fires a job; the poller does. Neighbours: `jobs` the endpoints, `auth` who may, `problem` what went wrong.

mod auth;
mod jobs;
mod openapi;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use shared::clock::Clock;
use shared::config::Settings;
use shared::request::Rules;
use shared::store::Store;
use shared::store::tenants::Tenants;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use auth::Gate;
use problem::{Problem, Unfinished};

/// The largest body that is read: the largest payload, and room for the other fields.
const LARGEST_BODY: usize = 512 << 10;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) rules: Rules,
    pub(crate) gate: Gate,
}

/// The whole API.
pub fn router(settings: &Settings, store: Store, tenants: Tenants, clock: Clock) -> Router {
    let rules = Rules { header_prefix: settings.header_prefix.clone(), guard: settings.guard() };
    let app = Arc::new(App { store, rules, gate: Gate::new(tenants, clock.clone()), clock });
    let (router, document) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(jobs::create, jobs::list))
        .routes(routes!(jobs::detail, jobs::cancel))
        .routes(routes!(openapi::healthz))
        .split_for_parts();
    let document = Arc::new(serde_json::to_value(document).unwrap_or_default());
    router
        .route("/openapi.json", get(move || async move { axum::Json(document.as_ref().clone()) }))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method; see the Allow header.")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(finish))
        .with_state(app)
}

/// Names the request in every answer, and tells browsers and proxies to keep none.
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
