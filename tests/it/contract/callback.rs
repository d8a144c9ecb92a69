//! CONTRACT §7: what a callback carries, byte by byte, and how it is signed.
//! It never looks at when a call comes; `life` and `recurrence` do. Neighbour: `support::receiver` logs the calls.

use serde_json::json;
use shared::signature::sign;

use crate::support::app::App;
use crate::support::builders::{JobRequest, a_job};
use crate::support::conversation::id;
use crate::support::receiver::{Call, failing};

const START: &str = "2026-03-28T12:00:00Z";
const NEXT_POLL: &str = "2026-03-28T12:01:00Z";
/// The next poll in Unix seconds.
const T: i64 = 1_774_699_260;

/// The one call that a job makes.
async fn called(app: &App, path: &str, job: JobRequest) -> Call {
    app.post_job(job.to(&app.receiver.url(path))).await.created();
    let later = app.now().await + chrono::TimeDelta::minutes(1);
    app.advance_to(&later.to_rfc3339()).await;
    let calls = app.receiver.calls(path.split('?').next().unwrap());
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    call.clone()
}

#[tokio::test]
async fn a_job_is_called_once_with_its_exact_bytes_and_signature() {
    let app = App::dev().now(START).signing_secret("secret").start().await;
    let payload = r#"{ "b": 1.0, "a":[1e2 ,"é"] }"#;
    let body = format!(
        r#"{{"callbackUrl":"{}","delaySeconds":30,"payload":{payload},"correlationId":"c-1","headers":{{"X-A":"1"}}}}"#,
        app.receiver.url("/hook?a=1&b=%20")
    );
    let job = app.post_raw("/scheduled-jobs", "application/json", body).await.created();
    app.advance_to("2026-03-28T12:00:59Z").await;
    assert_eq!(app.receiver.calls("/hook").len(), 0, "not before the next poll");
    app.advance_to("2026-03-28T12:05:00Z").await;
    let calls = app.receiver.calls("/hook");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.path_and_query.as_str()), ("POST", "/hook?a=1&b=%20"));
    assert_eq!(call.text(), payload);
    assert_eq!(call.header("contit-job-id"), Some(id(&job)));
    assert_eq!(call.header("contit-correlation-id"), Some("c-1"));
    assert_eq!(call.header("contit-attempt"), Some("1"));
    assert_eq!(call.header("contit-idempotency-key"), job["idempotencyKey"].as_str());
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("content-length"), Some(payload.len().to_string().as_str()));
    assert_eq!(call.header("x-a"), Some("1"));
    let signature = format!("t={T},s={}", sign("secret", T, payload.as_bytes()));
    assert_eq!(call.header("contit-signature"), Some(signature.as_str()));
    assert_eq!(app.job(id(&job)).await["status"], "Done");
    app.check().await;
}

#[tokio::test]
async fn what_a_job_does_not_have_its_call_does_not_carry() {
    let app = App::at(START).await;
    let call = called(&app, "/hook", a_job()).await;
    for absent in ["contit-correlation-id", "contit-signature", "content-type", "transfer-encoding", "referer"] {
        assert_eq!(call.header(absent), None, "{absent}");
    }
    let expected = format!("Scheduler/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(call.header("user-agent"), Some(expected.as_str()));
    assert_eq!((call.method.as_str(), call.text()), ("POST", ""));
    app.check().await;
}

#[tokio::test]
async fn an_empty_body_has_its_length_where_a_body_is_expected() {
    let app = App::at(START).await;
    for (method, length) in
        [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None), ("HEAD", None)]
    {
        let path = format!("/{method}");
        assert_eq!(called(&app, &path, a_job().method(method)).await.header("content-length"), length, "{method}");
    }
    app.check().await;
}

#[tokio::test]
async fn every_method_but_get_and_head_sends_the_payload_and_signs_what_it_sends() {
    let app = App::dev().now(START).signing_secret("secret").start().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let path = format!("/{method}");
        let call = called(&app, &path, a_job().method(method).payload(json!({ "a": 1 }))).await;
        let bodiless = method == "GET" || method == "HEAD";
        let sent = if bodiless { "" } else { r#"{"a":1}"# };
        assert_eq!((call.method.as_str(), call.text()), (method, sent));
        assert_eq!(call.header("content-type"), (!bodiless).then_some("application/json"), "{method}");
        let t = call.at.unwrap().timestamp();
        let signature = format!("t={t},s={}", sign("secret", t, sent.as_bytes()));
        assert_eq!(call.header("contit-signature"), Some(signature.as_str()), "{method}");
    }
    app.check().await;
}

#[tokio::test]
async fn a_job_may_choose_its_content_type_and_user_agent_in_any_case() {
    let app = App::at(START).await;
    for (path, content_type, user_agent) in [("/1", "Content-Type", "User-Agent"), ("/2", "content-type", "USER-AGENT")]
    {
        let job = a_job().payload(json!([1])).header(content_type, "application/vnd.x+json");
        let call = called(&app, path, job.header(user_agent, "mine/2")).await;
        assert_eq!(call.header("content-type"), Some("application/vnd.x+json"));
        assert_eq!(call.header("user-agent"), Some("mine/2"));
    }
    let without_payload = called(&app, "/3", a_job().header("Content-Type", "text/plain")).await;
    assert_eq!(without_payload.header("content-type"), Some("text/plain"));
    app.check().await;
}

#[tokio::test]
async fn a_deployment_may_choose_the_prefix_of_its_headers() {
    let app = App::dev().now(START).env("HEADER_PREFIX", "Acme-").signing_secret("s").start().await;
    let call = called(&app, "/hook", a_job().key("k").correlation("c")).await;
    for (name, value) in [("idempotency-key", "k"), ("correlation-id", "c"), ("attempt", "1")] {
        assert_eq!(call.header(&format!("acme-{name}")), Some(value));
    }
    assert!(call.header("acme-signature").unwrap().starts_with(&format!("t={T},s=")));
    assert!(call.header("acme-job-id").is_some());
    assert!(call.headers.iter().all(|(name, _)| !name.starts_with("contit-")), "{:?}", call.headers);
    for name in ["Acme-Job-Id", "acme-x", "Contit-X", "Webhook-Id"] {
        let answer = app.post_job(a_job().header(name, "forged")).await;
        assert_eq!(answer.problem(400).pointers(), [format!("/headers/{name}")]);
    }
    app.check().await;
}

#[tokio::test]
async fn attempts_are_numbered_and_carry_one_key_and_their_own_signature() {
    let app = App::dev().now(START).signing_secret("secret").start().await;
    app.receiver.script("/flaky", failing(2, 500));
    let job = app.post_job(a_job().to(&app.receiver.url("/flaky")).payload(json!({}))).await.created();
    app.advance_to("2026-03-28T13:00:00Z").await;
    let calls = app.receiver.calls("/flaky");
    let attempts: Vec<_> = calls.iter().map(|call| call.header("contit-attempt").unwrap()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    for call in &calls {
        assert_eq!(call.header("contit-idempotency-key"), job["idempotencyKey"].as_str());
        let t = call.at.unwrap().timestamp();
        assert_eq!(call.header("contit-signature"), Some(format!("t={t},s={}", sign("secret", t, b"{}")).as_str()));
    }
    app.check().await;
}

/// The secrets that a call is signed with, of those known, in the order of the header.
fn signed_with<'a>(call: &Call, secrets: &[&'a str]) -> Vec<&'a str> {
    let t = call.at.unwrap().timestamp();
    let header = call.header("contit-signature").unwrap();
    let signatures = header.strip_prefix(&format!("t={t},s=")).unwrap().split(",s=");
    let known = |signature: &str| {
        let by = secrets.iter().find(|secret| sign(secret, t, &call.body) == signature);
        *by.unwrap_or_else(|| panic!("{signature} is by none of {secrets:?}"))
    };
    signatures.map(known).collect()
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign_the_new_one_first() {
    let app = App::at(START).await;
    let unsigned = called(&app, "/1", a_job().payload(json!(1))).await;
    assert_eq!(unsigned.header("contit-signature"), None);

    // Each takes effect within the minute that `called` walks on.
    let first = app.secret("set", "dev").await;
    let signed = called(&app, "/2", a_job().payload(json!(1))).await;
    assert_eq!(signed_with(&signed, &[&first]), [&first]);

    let second = app.secret("rotate", "dev").await;
    assert_ne!(first, second);
    let signed = called(&app, "/3", a_job().payload(json!(1))).await;
    assert_eq!(signed_with(&signed, &[&first, &second]), [&second, &first]);

    app.secret("retire", "dev").await;
    let signed = called(&app, "/4", a_job().payload(json!(1))).await;
    assert_eq!(signed_with(&signed, &[&first, &second]), [&second]);
    app.command(&["secret", "retire", "--tenant", "dev"]).await.failed_saying("dev");

    for secret in [&first, &second] {
        assert!(!app.output().contains(secret.as_str()), "a secret is in the log");
    }
    app.check().await;
}

#[tokio::test]
async fn a_secret_signs_the_calls_of_its_own_tenant_alone() {
    let app = App::dev().now("2090-06-01T12:00:00Z").signing_secret("of dev").start().await;
    let other = app.with_token(&app.token("acme", &["read", "write"]).await);
    other.post_job(a_job().to(&app.receiver.url("/acme"))).await.created();
    app.post_job(a_job().to(&app.receiver.url("/dev"))).await.created();
    app.advance_to("2090-06-01T12:01:00Z").await;
    assert_eq!(app.receiver.calls("/acme")[0].header("contit-signature"), None);
    assert_eq!(signed_with(&app.receiver.calls("/dev")[0], &["of dev"]), ["of dev"]);
    app.check().await;
}

#[tokio::test]
async fn the_largest_payload_arrives_whole() {
    let app = App::dev().now(START).signing_secret("secret").start().await;
    let payload = format!("\"{}\"", "é".repeat((256 * 1024 - 2) / 2));
    assert_eq!(payload.len(), 256 * 1024);
    let body = format!(r#"{{"callbackUrl":"{}","payload":{payload}}}"#, app.receiver.url("/large"));
    app.post_raw("/scheduled-jobs", "application/json", body).await.created();
    app.advance_to(NEXT_POLL).await;
    let calls = app.receiver.calls("/large");
    assert!(calls[0].text() == payload, "{} bytes", calls[0].body.len());
    let signature = format!("t={T},s={}", sign("secret", T, payload.as_bytes()));
    assert_eq!(calls[0].header("contit-signature"), Some(signature.as_str()));
    app.check().await;
}
