//! The headers of a callback as they arrive, byte for byte: what a job may set, and that it can forge nothing.
//! Neighbours: the table of wrong headers in `shared::request`, `standard_webhooks` for that specification's headers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::raw_receiver::{Heard, RawReceiver};

const NOW: &str = "2026-03-28T12:00:00Z";
const LATER: &str = "2026-03-28T12:01:00Z";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn receiver() -> RawReceiver {
    RawReceiver::start(|connection| connection.answer(OK)).await
}

/// Values by folded name: lower case, `-` for `_`, as the most careless receiver would read them.
fn headers(heard: &Heard) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for line in &heard.head()[1..] {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no header"));
        found.entry(name.to_ascii_lowercase().replace('_', "-")).or_default().push(value.to_owned());
    }
    found
}

#[tokio::test]
async fn each_of_our_headers_arrives_exactly_once() {
    let receiver = receiver().await;
    let app = App::dev().now(NOW).signing_secret("secret").start().await;
    let job = a_job().to(&receiver.url("/hook?a=b")).correlation("c-1").payload(json!({ "a": 1 }));
    let job = job.header("X-Contit-Signature", "not ours").header("Content-type", "text/x").header("user-agent", "me");
    let job = app.post_job(job.header("X-Text", "tab-less, with é and \" and :")).await.created();
    app.advance_to(LATER).await;
    let heard = receiver.wait_for_over(1).await.remove(0);
    assert_eq!(heard.head()[0], "POST /hook?a=b HTTP/1.1");
    let mut headers = headers(&heard);
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    let expected = [
        "accept",
        "content-length",
        "content-type",
        "contit-attempt",
        "contit-correlation-id",
        "contit-idempotency-key",
        "contit-job-id",
        "contit-signature",
        "host",
        "user-agent",
        "x-contit-signature",
        "x-text",
    ];
    assert_eq!(names, expected, "and nothing else");
    assert!(headers.values().all(|values| values.len() == 1), "{headers:?}");
    let mut value = |name: &str| headers.remove(name).unwrap().remove(0);
    assert_eq!(value("contit-job-id"), id(&job));
    assert_eq!(value("contit-idempotency-key"), job["idempotencyKey"].as_str().unwrap());
    assert_eq!(value("contit-correlation-id"), "c-1");
    assert_eq!(value("contit-attempt"), "1");
    assert!(value("contit-signature").starts_with("t=1774699260,s="));
    assert_eq!(value("content-type"), "text/x");
    assert_eq!(value("user-agent"), "me");
    assert_eq!(value("content-length"), "7");
    assert_eq!(value("x-text"), "tab-less, with é and \" and :");
}

#[tokio::test]
async fn what_would_forge_or_smuggle_is_refused_and_stores_nothing() {
    let app = App::dev().now(NOW).env("HEADER_PREFIX", "Acme-").start().await;
    let long = "x".repeat(9 << 10);
    let forged: &[(&str, &str)] = &[
        ("Acme-Signature", "t=1,s=00"),
        ("ACME-JOB-ID", "x"),
        ("acme_signature", "x"),
        ("Acme-", "x"),
        ("Acme-Anything", "x"),
        ("Contit-Signature", "x"),
        ("contit_signature", "x"),
        ("CONTIT-anything", "x"),
        ("Webhook-Signature", "v1,x"),
        ("webhook_id", "x"),
        ("WEBHOOK-TIMESTAMP", "1"),
        ("Connection", "close, X-Secret"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Authenticate", "Basic"),
        ("TE", "trailers"),
        ("Trailer", "X-A"),
        ("Transfer-Encoding", "chunked"),
        ("transfer_encoding", "chunked"),
        ("Transfer-Encoding ", "chunked"),
        (" Transfer-Encoding", "chunked"),
        ("Transfer-Encoding\t", "chunked"),
        ("Transfer\u{212a}Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("Host", "internal.example"),
        ("Content-Length", "0"),
        ("content_length", "0"),
        ("Expect", "100-continue"),
        ("X-A", "a\r\nContit-Signature: forged"),
        ("X-A", "a\nHost: internal.example"),
        ("X-A", "a\rb"),
        ("X-A", "a\r\n folded"),
        ("X-A", "a\0b"),
        ("X-A", "a\u{7f}b"),
        ("X-A", "a\u{85}b"),
        ("X-A", "a\tb"),
        ("X-A\r\nHost", "x"),
        ("X-A: b\r\nX-B", "x"),
        ("X-A:", "x"),
        ("X A", "x"),
        ("", "x"),
        (":method", "GET"),
        ("X-Ä", "x"),
    ];
    for (name, value) in forged {
        let answer = app.post_job(a_job().to("https://example.com/").header(name, value)).await;
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        assert_eq!(answer.problem(400).pointers(), [pointer], "{name:?}: {value:?}");
    }
    let answer = app.post_job(a_job().to("https://example.com/").header("X-Long", &long)).await;
    assert_eq!(answer.problem(400).pointers(), ["/headers"]);
    assert!(app.all_pages("").await.is_empty());
}

#[tokio::test]
async fn a_request_that_a_value_tries_to_split_arrives_as_one() {
    let receiver = receiver().await;
    let app = App::at(NOW).await;
    // What is allowed, at its ugliest: no byte of it may end a line or the head.
    let ugly = "  %0d%0aHost: x \\r\\n \u{2028}\u{fffd}嘊嘍Contit-Signature: forged; a=\"b, c\"  ";
    let payload: Value = json!("0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    let job = a_job().to(&receiver.url("/a%0d%0aX-B:%20c")).header("X-Ugly", ugly).payload(payload.clone());
    app.post_job(job).await.created();
    app.advance_to(LATER).await;
    let heard = receiver.wait_for_over(1).await;
    assert_eq!(heard.len(), 1, "one connection");
    assert_eq!(heard[0].head()[0], "POST /a%0d%0aX-B:%20c HTTP/1.1");
    let headers = headers(&heard[0]);
    assert_eq!(headers["x-ugly"][0].trim(), ugly.trim());
    let text = String::from_utf8_lossy(&heard[0].received).into_owned();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(headers["content-length"], [body.len().to_string()]);
    assert_eq!(body, payload.to_string());
}
