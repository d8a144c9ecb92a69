//! Who calls, and what for: tokens to tenants (CONTRACT §2). A [`Reader`] or [`Writer`] cannot be had without a token.
//! It never tells whether a token exists. Neighbours: `shared::token` judges, `shared::store::tenants` reads.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use shared::clock::Clock;
use shared::ids::TenantId;
use shared::remembered::Remembered;
use shared::store::StoreError;
use shared::store::tenants::Tenants;
use shared::token::{self, Scope, TokenRecord};

use crate::App;
use crate::meter::Meter;
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
    records: Remembered<String, Option<Arc<TokenRecord>>>,
}

impl Gate {
    pub(crate) fn new(tenants: Tenants, clock: Clock) -> Self {
        Self { tenants, records: Remembered::lasting(REMEMBERED, clock.clone()), clock }
    }

    async fn admit(&self, headers: &HeaderMap, scope: Scope, meter: &Meter) -> Result<TenantId, Problem> {
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
        meter.token_used(&record.prefix);
        Ok(record.tenant.clone())
    }

    async fn record(&self, prefix: &str) -> Result<Option<Arc<TokenRecord>>, Arc<StoreError>> {
        let read = async || self.tenants.token(prefix).await.map(|record| record.map(Arc::new));
        self.records.get_or_read(prefix, read).await
    }
}

/// `Authorization: Bearer <token>`, or the same as `X-Api-Key`. Another scheme is somebody else's: a proxy's, say.
fn presented(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok()).map(str::trim)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, Scope::Read, &app.meter).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, Scope::Write, &app.meter).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_either_header_and_bearer_wins() {
        for (authorization, api_key, expected) in [
            (None, None, None),
            (Some("Bearer a"), None, Some("a")),
            (Some("bearer  a "), Some("b"), Some("a")),
            (None, Some(" b "), Some("b")),
            (Some("Basic eDp5"), Some("b"), Some("b")),
            (Some("Basic eDp5"), None, None),
            (Some("Bearer"), None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("authorization", authorization), ("x-api-key", api_key)] {
                headers
                    .extend(value.map(|value| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())));
            }
            assert_eq!(presented(&headers), expected, "{authorization:?} {api_key:?}");
        }
    }
}
