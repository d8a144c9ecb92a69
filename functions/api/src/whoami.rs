//! Who a token speaks for and what it may do, so that a page or a program offers no more than that.
//! It never tells the token itself, nor whether there are others. Neighbour: `auth` judges it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::clock::format_instant;
use shared::token::Scope;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Anyone;
use crate::problem::Problem;

/// The bearer of the token that the request came with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whoami {
    tenant: String,
    scopes: Vec<ScopeName>,
    /// What time it is here, by which everything is due.
    #[schema(format = DateTime)]
    now_utc: String,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum ScopeName {
    Read,
    Write,
}

/// Tells what the token may do; any valid token may ask.
#[utoipa::path(get, path = "/whoami",
    responses(
        (status = 200, body = Whoami),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ), security(("bearer" = []), ("apiKey" = [])))]
pub(crate) async fn whoami(Anyone(bearer): Anyone, State(app): State<Arc<App>>) -> Response {
    let names = [(Scope::Read, ScopeName::Read), (Scope::Write, ScopeName::Write)];
    let scopes = names.into_iter().filter(|(scope, _)| bearer.scopes.contains(scope)).map(|(_, name)| name).collect();
    let now_utc = format_instant(app.clock.now());
    Json(Whoami { tenant: bearer.tenant.to_string(), scopes, now_utc }).into_response()
}
