//! A JSON Web Token of the deployment's issuer, judged: signature, issuer, audience, time, tenant, scopes.
//! It never fetches a key and never trusts what a token says of its own: the algorithm is the key's, the key is the
//! issuer's. Neighbours: `jwks` has the keys, `auth` asks.

use std::collections::HashMap;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::config::OidcSettings;
use shared::ids::TenantId;
use shared::token::Scope;

const LONGEST: usize = 8 << 10;
const LONGEST_KEY_ID: usize = 256;
/// How far apart two clocks may be.
const SKEW_SECONDS: f64 = 60.0;

/// What a token says before anything of it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unverified {
    pub(crate) key_id: String,
    algorithm: Algorithm,
}

/// One of the issuer's keys, and the only algorithm that it is for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) tenant: TenantId,
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Claims {
    /// One text, not a list: exactly this issuer.
    iss: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    scope: Option<Scopes>,
    scp: Option<Scopes>,
    #[serde(flatten)]
    others: HashMap<String, Value>,
}

/// Separated by spaces (RFC 8693), or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

/// Whether a token is meant to be one: three parts, the first a JSON object. The Scheduler's own have no dots.
pub(crate) fn looks_like_one(token: &str) -> bool {
    token.starts_with("eyJ") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The name of the key that is needed; `None` for what no key could make valid.
pub(crate) fn read(token: &str) -> Option<Unverified> {
    let header =
        Some(token).filter(|token| token.len() <= LONGEST).and_then(|t| jsonwebtoken::decode_header(t).ok())?;
    // `crit` names extensions that must be understood, and none are.
    if header.crit.is_some() {
        return None;
    }
    let key_id = header.kid.filter(|id| (1..=LONGEST_KEY_ID).contains(&id.len()))?;
    Some(Unverified { key_id, algorithm: header.alg })
}

/// Who the token speaks for, if the key made it and it holds now, here.
pub(crate) fn judge(
    token: &str,
    unverified: &Unverified,
    key: &Key,
    settings: &OidcSettings,
    now: Timestamp,
) -> Option<Bearer> {
    if unverified.algorithm != key.algorithm {
        return None;
    }
    let mut validation = Validation::new(key.algorithm);
    // Times are held against our own clock, below.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation).ok()?.claims;
    let now = now.timestamp_millis() as f64 / 1000.0;
    let has_begun = [claims.nbf, claims.iat].into_iter().flatten().all(|at| at <= now + SKEW_SECONDS);
    if claims.iss != settings.issuer || claims.exp <= now - SKEW_SECONDS || !has_begun {
        return None;
    }
    let tenant = TenantId::parse(claims.others.get(&settings.tenant_claim)?.as_str()?).ok()?;
    let given: Vec<String> = [claims.scope, claims.scp].into_iter().flatten().flat_map(Scopes::names).collect();
    let scopes = [(Scope::Read, "read"), (Scope::Write, "write")];
    let scopes = scopes.into_iter().filter(|(_, name)| given.iter().any(|given| given == name));
    Some(Bearer { tenant, scopes: scopes.map(|(scope, _)| scope).collect() })
}

impl Scopes {
    fn names(self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split(' ').map(str::to_owned).collect(),
            Self::List(names) => names,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_three_parts_that_begin_as_json_look_like_one() {
        for (token, expected) in [
            ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", true),
            ("eyJ..", true),
            ("sch_AAAAAAAA_AAAA", false),
            ("dev", false),
            ("eyJ.e30", false),
            ("eyJ.e30.x.y", false),
        ] {
            assert_eq!(looks_like_one(token), expected, "{token}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", parts in prop::collection::vec(any::<u8>(), 0..300)) {
            use base64::Engine;
            let part = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(parts);
            let settings = OidcSettings {
                issuer: "https://issuer".to_owned(),
                audience: "scheduler".to_owned(),
                jwks_url: String::new(),
                tenant_claim: "tenant".to_owned(),
            };
            let key = Key { algorithm: Algorithm::EdDSA, key: DecodingKey::from_ed_der(&[7; 32]) };
            let header = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ";
            for token in [text.clone(), format!("{header}.{part}.{part}"), format!("{part}.{part}.{text}")] {
                let unverified = read(&token).unwrap_or(Unverified { key_id: "k".to_owned(), algorithm: key.algorithm });
                let now = Timestamp::default();
                prop_assert_eq!(judge(&token, &unverified, &key, &settings, now), None);
            }
        }
    }
}
