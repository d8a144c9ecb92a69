//! Who calls, and what for: tokens to tenants (CONTRACT §2). A [`Reader`] or [`Writer`] cannot be had without a token.
//! It never tells whether a token exists. Neighbours: `shared::token` judges, `shared::store::tenants` reads.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use moka::future::Cache;
use shared::clock::Clock;
use shared::ids::TenantId;
use shared::store::StoreError;
use shared::store::tenants::Tenants;
use shared::token::{self, Scope, TokenRecord};

use crate::App;
use crate::problem::Problem;

/// How long a record is remembered: half of the minute in which a revocation must take effect.
const REMEMBERED: Duration = Duration::from_secs(30);
const LONGEST_TOKEN: usize = 512;

/// The tenant of a token that may read.
#[derive(Debug)]
pub(crate) struct Reader(pub(crate) TenantId);

/// The tenant of a token that may write.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) TenantId);

/// The tokens of this deployment, remembered for a while by their public prefix.
#[derive(Debug)]
pub(crate) struct Gate {
    tenants: Tenants,
    clock: Clock,
    records: Cache<String, Option<Arc<TokenRecord>>>,
}

impl Gate {
    pub(crate) fn new(tenants: Tenants, clock: Clock) -> Self {
        let records = Cache::builder().max_capacity(10_000).time_to_live(REMEMBERED).build();
        Self { tenants, clock, records }
    }

    async fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<TenantId, Problem> {
        let token =
            presented(headers).filter(|token| token.len() <= LONGEST_TOKEN).ok_or_else(Problem::unauthorized)?;
        let record = self.record(token::prefix(token)).await.map_err(Problem::unavailable)?;
        let record =
            record.filter(|record| record.admits(token, self.clock.now())).ok_or_else(Problem::unauthorized)?;
        if !record.scopes.contains(&scope) {
            let name = match scope {
                Scope::Read => "read",
                Scope::Write => "write",
            };
            return Err(Problem::new(StatusCode::FORBIDDEN, format!("This needs a token with the scope {name}.")));
        }
        Ok(record.tenant.clone())
    }

    async fn record(&self, prefix: &str) -> Result<Option<Arc<TokenRecord>>, Arc<StoreError>> {
        let read = async { self.tenants.token(prefix).await.map(|record| record.map(Arc::new)) };
        self.records.try_get_with_by_ref(prefix, read).await
    }
}

/// `Authorization: Bearer <token>`, or the same as `X-Api-Key`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    headers.get("x-api-key")?.to_str().ok().map(str::trim)
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, Scope::Read).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, Scope::Write).await.map(Self)
    }
}
