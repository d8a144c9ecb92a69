//! JSON Web Tokens of an issuer: who gets in, and every known way to get in without being asked.
//! It never uses the library that the program checks with. Neighbour: `support::issuer` makes keys and tokens.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::issuer::{SigningKey, encoded, key_set};
use crate::support::receiver::{Receiver, answer};

const NOON: &str = "2026-03-28T12:00:00Z";
const NOON_SECONDS: i64 = 1_774_699_200;
const ISSUER: &str = "https://issuer.example/";

/// The program, and where it gets its keys from.
async fn app_with(keys: &[&SigningKey]) -> (App, Receiver) {
    let issuer = Receiver::start().await;
    issuer.script("/keys", [answer(200).body(key_set(keys))]);
    let app = App::dev().now(NOON).env("OIDC_ISSUER", ISSUER).env("OIDC_AUDIENCE", "scheduler");
    (app.env("OIDC_JWKS_URL", issuer.url("/keys")).start().await, issuer)
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "scheduler", "sub": "somebody", "tenant": "acme", "scope": "openid read write",
        "iat": NOON_SECONDS, "nbf": NOON_SECONDS, "exp": NOON_SECONDS + 300,
    })
}

fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

async fn status_of(app: &App, token: &str) -> u16 {
    app.with_token(token).get("/scheduled-jobs").await.status
}

#[tokio::test]
async fn each_kind_of_key_lets_its_tenant_in_with_the_scopes_of_its_token() {
    let keys = [SigningKey::rs256("rsa"), SigningKey::es256("ec"), SigningKey::eddsa("ed")];
    let (app, _issuer) = app_with(&keys.each_ref()).await;
    for key in &keys {
        let client = app.with_token(&key.token(&claims()));
        client.post_job(a_job().in_seconds(3_600)).await.created();
        client.get("/scheduled-jobs").await.ok();
    }
    // The jobs of all three are acme's, and nobody else's.
    let acme = app.with_token(&keys[0].token(&claims_with("aud", json!(["other", "scheduler"]))));
    assert_eq!(acme.all_pages("").await.len(), 3);
    let other = app.with_token(&keys[0].token(&claims_with("tenant", json!("other"))));
    assert_eq!(other.all_pages("").await.len(), 0);
    for (name, scopes, reads, creates) in [
        ("scope", json!("read"), 200, 403),
        ("scope", json!("write"), 403, 201),
        ("scp", json!(["read"]), 200, 403),
        ("scp", json!("write read"), 200, 201),
        ("scope", json!("reader writes READ"), 403, 403),
        ("scope", json!(""), 403, 403),
    ] {
        let mut claims = claims_without("scope");
        claims[name] = scopes.clone();
        let client = app.with_token(&keys[1].token(&claims));
        assert_eq!(client.get("/scheduled-jobs").await.status, reads, "{name} {scopes}");
        assert_eq!(client.post_job(a_job().in_seconds(3_600)).await.status, creates, "{name} {scopes}");
    }
    app.check().await;
}

#[tokio::test]
async fn no_token_gets_in_that_the_issuer_did_not_make_for_us_and_for_now() {
    let key = SigningKey::rs256("k1");
    let (ec, stranger) = (SigningKey::es256("k2"), SigningKey::rs256("k1"));
    let (app, _issuer) = app_with(&[&key, &ec]).await;
    let good = key.token(&claims());
    assert_eq!(status_of(&app, &good).await, 200);

    let head = |alg: &str| json!({ "alg": alg, "typ": "JWT", "kid": "k1" });
    let unsigned = |alg: &str| format!("{}.{}.", encoded(head(alg).to_string()), encoded(claims().to_string()));
    let by_hmac = |secret: &[u8]| {
        let signed = format!("{}.{}", encoded(head("HS256").to_string()), encoded(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", encoded(tag.as_ref()))
    };
    let pem = "-----BEGIN PUBLIC KEY-----\n";
    let modulus = key.public()["n"].as_str().unwrap().to_owned();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let with_header = |name: &str, value: Value| {
        let mut header = head("RS256");
        header[name] = value;
        header
    };
    let long_ago = NOON_SECONDS - 61;
    let attacks = [
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", unsigned("RS256")),
        ("HMAC by the public key", by_hmac(&key.public_der())),
        ("HMAC by the modulus", by_hmac(modulus.as_bytes())),
        ("HMAC by the start of a PEM", by_hmac(pem.as_bytes())),
        ("HMAC by nothing", by_hmac(b"")),
        ("the algorithm of another key", key.token_with(&head("RS384"), &claims())),
        ("PSS said of an RSA key", key.token_with(&head("PS256"), &claims())),
        ("a stranger's key of the same name", stranger.token(&claims())),
        ("its key inside the token", stranger.token_with(&with_header("jwk", stranger.public()), &claims())),
        ("a key from elsewhere", stranger.token_with(&with_header("jku", json!("http://127.0.0.1:9/")), &claims())),
        ("another key's name", key.token_with(&with_header("kid", json!("k2")), &claims())),
        ("an unknown name", key.token_with(&with_header("kid", json!("k3")), &claims())),
        ("a name that is a path", key.token_with(&with_header("kid", json!("../../dev/null")), &claims())),
        ("a name that is a list", key.token_with(&with_header("kid", json!(["k1"])), &claims())),
        ("an empty name", key.token_with(&with_header("kid", json!("")), &claims())),
        ("no name", key.token_with(&json!({ "alg": "RS256" }), &claims())),
        ("something critical", key.token_with(&with_header("crit", json!(["exp"])), &claims())),
        ("nothing critical", key.token_with(&with_header("crit", json!([])), &claims())),
        (
            "another's claims",
            format!("{header}.{}.{signature}", encoded(claims_with("tenant", json!("b")).to_string())),
        ),
        ("no header", format!(".{payload}.{signature}")),
        ("a cut signature", good[..good.len() - 6].to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("another issuer", key.token(&claims_with("iss", json!("https://evil.example/")))),
        ("an issuer like ours", key.token(&claims_with("iss", json!("https://issuer.example")))),
        ("two issuers", key.token(&claims_with("iss", json!([ISSUER, "https://evil.example/"])))),
        ("no issuer", key.token(&claims_without("iss"))),
        ("another audience", key.token(&claims_with("aud", json!("scheduler2")))),
        ("other audiences", key.token(&claims_with("aud", json!(["a", "b"])))),
        ("no audience", key.token(&claims_without("aud"))),
        ("expired", key.token(&claims_with("exp", json!(long_ago)))),
        ("no end", key.token(&claims_without("exp"))),
        ("an end that is text", key.token(&claims_with("exp", json!("2999-01-01")))),
        ("an end that is null", key.token(&claims_with("exp", Value::Null))),
        ("not yet", key.token(&claims_with("nbf", json!(NOON_SECONDS + 61)))),
        ("made tomorrow", key.token(&claims_with("iat", json!(NOON_SECONDS + 86_400)))),
        ("no tenant", key.token(&claims_without("tenant"))),
        ("a tenant that is none", key.token(&claims_with("tenant", json!("acme#Open")))),
        ("a tenant that is a list", key.token(&claims_with("tenant", json!(["acme"])))),
        ("an empty tenant", key.token(&claims_with("tenant", json!("")))),
        ("too long", key.token(&claims_with("padding", json!("x".repeat(9_000))))),
        ("claims that are a list", key.token(&json!([claims()]))),
    ];
    for (what, token) in &attacks {
        assert_eq!(status_of(&app, token).await, 401, "{what}");
    }
    // Clocks may differ by a minute.
    for (name, at) in [("exp", NOON_SECONDS - 59), ("nbf", NOON_SECONDS + 59), ("iat", NOON_SECONDS + 59)] {
        assert_eq!(status_of(&app, &key.token(&claims_with(name, json!(at)))).await, 200, "{name}");
    }
}

#[tokio::test]
async fn keys_are_rotated_by_name_and_asked_for_once_a_minute_at_most() {
    let (old, new) = (SigningKey::eddsa("2026-03"), SigningKey::eddsa("2026-04"));
    let (app, issuer) = app_with(&[&old]).await;
    let lasting = |key: &SigningKey| key.token(&claims_with("exp", json!(NOON_SECONDS + 7 * 86_400)));
    assert_eq!(status_of(&app, &lasting(&old)).await, 200);
    assert_eq!(issuer.calls("/keys").len(), 1);
    issuer.script("/keys", [answer(200).body(key_set(&[&new]))]);
    for _ in 0..5 {
        assert_eq!(status_of(&app, &lasting(&new)).await, 401, "asked for less than a minute ago");
    }
    assert_eq!(issuer.calls("/keys").len(), 1);
    app.advance_to("2026-03-28T12:01:00Z").await;
    assert_eq!(status_of(&app, &lasting(&new)).await, 200);
    assert_eq!(status_of(&app, &lasting(&old)).await, 401, "withdrawn");
    assert_eq!(issuer.calls("/keys").len(), 2);

    // A silent issuer keeps nobody out whose key is known, for a day.
    issuer.script("/keys", [answer(500)]);
    app.advance_to("2026-03-28T13:00:00Z").await;
    assert_eq!(status_of(&app, &lasting(&new)).await, 200);
    app.advance_to("2026-03-29T12:01:00Z").await;
    assert_eq!(status_of(&app, &lasting(&new)).await, 503);
}

#[tokio::test]
async fn without_any_key_nobody_is_let_in_and_the_issuer_is_named_as_the_cause() {
    let key = SigningKey::es256("k1");
    let (app, issuer) = app_with(&[&key]).await;
    let client = app.with_token(&key.token(&claims()));
    for bad in [
        answer(500),
        answer(302).header("Location", "/other"),
        answer(200).body("no JSON"),
        answer(200).body("{}"),
        answer(200).body(" ".repeat(300 << 10)),
    ] {
        issuer.script("/keys", [bad]);
        let answer = client.get("/scheduled-jobs").await;
        assert!(answer.problem(503).header("retry-after").is_some(), "{answer:?}");
        let now = app.now().await + chrono::TimeDelta::seconds(5);
        app.advance_to(&shared::clock::format_instant(now)).await;
    }
    assert_eq!(app.get("/scheduled-jobs").await.status, 200, "the Scheduler's own tokens need no issuer");
    issuer.script("/keys", [answer(200).body(key_set(&[&key]))]);
    assert_eq!(client.get("/scheduled-jobs").await.status, 200);
}

#[tokio::test]
async fn where_no_issuer_is_set_a_jwt_is_a_token_like_any_unknown_one() {
    let app = App::at(NOON).await;
    assert_eq!(status_of(&app, &SigningKey::es256("k1").token(&claims())).await, 401);
}
