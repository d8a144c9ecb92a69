//! Who calls, and what for: tokens and JWTs to tenants (CONTRACT §2). A [`Reader`] or [`Writer`] cannot be had without a token.
//! It never tells whether a token exists. Neighbours: `shared::token` judges, `shared::store::tenants` reads.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use shared::clock::{Clock, Timestamp};
use shared::config::{OidcSettings, Settings};
use shared::ids::TenantId;
use shared::remembered::Remembered;
use shared::store::StoreError;
use shared::store::tenants::Tenants;
use shared::token::{self, Scope, TokenRecord};

use crate::App;
use crate::jwks::{Found, Jwks};
use crate::jwt::{self, Bearer};
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

/// The tenant of any valid token, with what it may do.
#[derive(Debug)]
pub(crate) struct Anyone(pub(crate) Bearer);

/// The tokens of this deployment, remembered for a while by their public prefix.
#[derive(Debug)]
pub(crate) struct Gate {
    tenants: Tenants,
    clock: Clock,
    issuer: Option<Issuer>,
    records: Remembered<String, Option<Arc<TokenRecord>>>,
}

/// Whose JSON Web Tokens are accepted beside them.
#[derive(Debug)]
struct Issuer {
    settings: OidcSettings,
    jwks: Jwks,
}

impl Gate {
    pub(crate) fn new(settings: &Settings, tenants: Tenants, clock: Clock) -> Self {
        let records = Remembered::lasting(REMEMBERED, clock.clone());
        let issuer = settings.oidc.clone().map(|settings| {
            let jwks = Jwks::new(&settings.jwks_url, clock.clone());
            Issuer { settings, jwks }
        });
        Self { tenants, clock, issuer, records }
    }

    /// With the scope, when one is needed.
    async fn admit(&self, headers: &HeaderMap, scope: Option<Scope>, meter: &Meter) -> Result<Bearer, Problem> {
        let token = presented(headers).ok_or_else(Problem::unauthorized)?;
        if let Some(issuer) = self.issuer.as_ref().filter(|_| jwt::looks_like_one(token)) {
            let bearer = issuer.admit(token, self.clock.now()).await?;
            require(scope, &bearer.scopes)?;
            return Ok(bearer);
        }
        if token.len() > LONGEST_TOKEN {
            return Err(Problem::unauthorized());
        }
        let record = self.record(&token::prefix(token)).await.map_err(Problem::unavailable)?;
        let record =
            record.filter(|record| record.admits(token, self.clock.now())).ok_or_else(Problem::unauthorized)?;
        require(scope, &record.scopes)?;
        meter.token_used(&record.prefix);
        Ok(Bearer { tenant: record.tenant.clone(), scopes: record.scopes.clone() })
    }

    async fn record(&self, prefix: &str) -> Result<Option<Arc<TokenRecord>>, Arc<StoreError>> {
        let read = async || self.tenants.token(prefix).await.map(|record| record.map(Arc::new));
        self.records.get_or_read(prefix, read).await
    }
}

impl Issuer {
    /// Without a key nobody is let in; that the issuer is silent is not its bearers' fault.
    async fn admit(&self, token: &str, now: Timestamp) -> Result<Bearer, Problem> {
        let unverified = jwt::read(token).ok_or_else(Problem::unauthorized)?;
        match self.jwks.find(&unverified.key_id).await {
            Found::Key(key) => {
                jwt::judge(token, &unverified, &key, &self.settings, now).ok_or_else(Problem::unauthorized)
            }
            Found::Unknown => Err(Problem::unauthorized()),
            Found::Unavailable => Err(Problem::issuer_unavailable()),
        }
    }
}

fn require(scope: Option<Scope>, given: &[Scope]) -> Result<(), Problem> {
    let Some(scope) = scope.filter(|scope| !given.contains(scope)) else { return Ok(()) };
    let name = match scope {
        Scope::Read => "read",
        Scope::Write => "write",
    };
    Err(Problem::new(StatusCode::FORBIDDEN, format!("This needs a token with the scope {name}.")))
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
        app.gate.admit(&parts.headers, Some(Scope::Read), &app.meter).await.map(|bearer| Self(bearer.tenant))
    }
}

impl FromRequestParts<Arc<App>> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, Some(Scope::Write), &app.meter).await.map(|bearer| Self(bearer.tenant))
    }
}

impl FromRequestParts<Arc<App>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.gate.admit(&parts.headers, None, &app.meter).await.map(Self)
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
