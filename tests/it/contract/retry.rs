//! CONTRACT §5, failures: what counts as one, when the next attempt is due, and the dead letter at the end.
//! It never kills the program; `life` and `crash` do. Neighbour: `support::receiver` fails on purpose.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::receiver::{Receiver, Step, answer, cut, cut_in_body, endless_body, failing, hang, stuck_body};
use crate::support::stores::{Store, StoreKind};

const START: &str = "2026-03-28T12:00:00Z";
const NEXT_POLL: &str = "2026-03-28T12:01:00Z";

/// The job after the one attempt that it makes at the next poll, when its receiver answers so.
async fn after_one_attempt(app: &App, path: &str, step: Step, timeout_seconds: u32) -> Value {
    app.receiver.script(path, [step]);
    let job = a_job().to(&app.receiver.url(path)).attempts(1).timeout_seconds(timeout_seconds);
    let job = app.post_job(job).await.created();
    let later = app.now().await + chrono::TimeDelta::minutes(1);
    app.advance_to(&later.to_rfc3339()).await;
    app.job(id(&job)).await
}

#[tokio::test]
async fn success_is_any_2xx_and_nothing_else() {
    let app = App::at(START).await;
    let successes = [200, 201, 202, 203, 204, 205, 206, 226, 299];
    let failures = [
        300, 301, 302, 303, 304, 305, 307, 308, 399, 400, 401, 402, 403, 404, 405, 408, 409, 410, 418, 422, 425, 429,
        451, 499, 500, 501, 502, 503, 504, 511, 599, 600, 999,
    ];
    let mut jobs = Vec::new();
    for status in successes.into_iter().chain(failures) {
        let path = format!("/{status}");
        app.receiver.script(&path, [answer(status)]);
        jobs.push((status, app.post_job(a_job().to(&app.receiver.url(&path)).attempts(1)).await.created()));
    }
    let walked = app.advance_to(NEXT_POLL).await;
    assert_eq!((&walked["delivered"], &walked["failed"]), (&json!(successes.len()), &json!(failures.len())));
    for (status, job) in jobs {
        let job = app.job(id(&job)).await;
        let succeeded = successes.contains(&status);
        assert_eq!(job["status"], if succeeded { "Done" } else { "DeadLetter" }, "{status}");
        assert_eq!(job["lastStatusCode"], status);
        assert_eq!(job["lastError"].is_null(), succeeded, "{status}");
        assert!(succeeded || job["lastError"].as_str().unwrap().contains(&status.to_string()), "{job}");
    }
    app.check().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let app = App::at(START).await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = answer(status).header("Location", &app.receiver.url("/elsewhere"));
        let job = after_one_attempt(&app, &format!("/{status}"), redirect, 30).await;
        assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("DeadLetter"), &json!(status)));
    }
    assert!(app.receiver.calls("/elsewhere").is_empty());
    app.check().await;
}

#[tokio::test]
async fn who_does_not_answer_in_time_has_failed() {
    let app = App::at(START).await;
    // Who begins a 200 and does not end it in time has failed too; the status that came is told.
    for (path, step, status) in [("/silent", hang(), Value::Null), ("/stuck", stuck_body(), json!(200))] {
        let job = after_one_attempt(&app, path, step, 1).await;
        assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("DeadLetter"), &status), "{path}");
        assert!(job["lastError"].as_str().unwrap().starts_with("timeout"), "{job}");
        let duration = job["attemptLog"][0]["durationMs"].as_u64().unwrap();
        assert!((1_000..20_000).contains(&duration), "{duration} ms");
    }
    // The time limit covers the last byte that is read, and no more than 64 KiB of an endless body are.
    let job = after_one_attempt(&app, "/endless", endless_body(), 30).await;
    assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("Done"), &json!(200)));
    app.check().await;
}

#[tokio::test]
async fn who_cannot_be_spoken_to_has_failed() {
    let app = App::at(START).await;
    let nobody = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let no_tls = app.receiver.url("/").replace("http://", "https://");
    // A label of more than 63 letters: the resolver says no without asking anybody.
    let no_name = format!("http://{}.example/", "a".repeat(64));
    let mut jobs = Vec::new();
    for url in [&nobody, &no_tls, &no_name, &app.receiver.url("/cut")] {
        app.receiver.script("/cut", [cut()]);
        jobs.push((url.clone(), app.post_job(a_job().to(url).attempts(1)).await.created()));
    }
    app.advance_to(NEXT_POLL).await;
    for (url, job) in jobs {
        let job = app.job(id(&job)).await;
        assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("DeadLetter"), &Value::Null), "{url}");
        let error = job["lastError"].as_str().unwrap();
        assert!(error.starts_with("no connection") || error.starts_with("no answer"), "{url}: {error}");
    }
    app.check().await;
}

/// A server that reads the head of one request and answers with these bytes, whatever they are.
fn answering(bytes: &'static str) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(bytes.as_bytes()).unwrap();
    });
    url
}

#[tokio::test]
async fn an_answer_that_is_none_has_failed() {
    let app = App::at(START).await;
    let mut jobs = Vec::new();
    for (bytes, status) in [
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", json!(101)),
        ("HTTP/1.1 100 Continue\r\n\r\n", Value::Null),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Value::Null),
        ("HTTP/1.1 200", Value::Null),
        ("HTTP/1.1 20 OK\r\n\r\n", Value::Null),
        ("220 mail.example ESMTP\r\n", Value::Null),
    ] {
        jobs.push((bytes, status, app.post_job(a_job().to(&answering(bytes)).attempts(1)).await.created()));
    }
    app.advance_to(NEXT_POLL).await;
    for (bytes, status, job) in jobs {
        let job = app.job(id(&job)).await;
        assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("DeadLetter"), &status), "{bytes:?}");
    }
    app.check().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_counts() {
    let app = App::at(START).await;
    let job = after_one_attempt(&app, "/broken", cut_in_body(), 30).await;
    assert_eq!((&job["status"], &job["lastStatusCode"]), (&json!("Done"), &json!(200)));
    app.check().await;
}

#[tokio::test]
async fn a_target_that_is_refused_at_delivery_has_failed_without_a_call() {
    let store = Store::start(StoreKind::Embedded).await;
    let receiver = Receiver::start().await;
    let app = App::dev().on(&store).now(START).calling(&receiver).start().await;
    let job = app.post_job(a_job().to(&receiver.url("/x")).attempts(1)).await.created();
    let strict = App::dev().on(&store).now(START).calling(&receiver).env("ALLOWED_CALLBACK_NETWORKS", "");
    let strict = strict.start().await;
    strict.advance_to(NEXT_POLL).await;
    let job = strict.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("DeadLetter"), &json!(1)));
    assert!(job["lastError"].as_str().unwrap().starts_with("refused"), "{job}");
    assert!(receiver.all_calls().is_empty());
    strict.check().await;
}

#[tokio::test]
async fn the_time_between_attempts_doubles_up_to_an_hour() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(503)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/down")).attempts(10)).await.created();
    app.advance_to("2026-03-28T18:00:00Z").await;
    let called_at: Vec<_> = app.receiver.calls("/down").iter().map(|call| call.at.unwrap()).collect();
    let waits: Vec<i64> = called_at.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).collect();
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    let job = app.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("DeadLetter"), &json!(10)));
    let started: Vec<_> = job["attemptLog"].as_array().unwrap().iter().map(|a| a["startedAtUtc"].clone()).collect();
    let expected: Vec<_> = called_at.iter().map(|at| json!(shared::clock::format_instant(*at))).collect();
    assert_eq!(started, expected);
    assert_eq!(job["fireAtUtc"], "2026-03-28T12:00:00.000Z", "never moved by retries");
    app.check().await;
}

#[tokio::test]
async fn a_receiver_that_recovers_is_delivered_to() {
    let app = App::at(START).await;
    app.receiver.script("/flaky", failing(2, 500).into_iter().chain([answer(204)]));
    let job = app.post_job(a_job().to(&app.receiver.url("/flaky"))).await.created();
    app.advance_to(NEXT_POLL).await;
    let waiting = app.job(id(&job)).await;
    assert_eq!((&waiting["status"], &waiting["lastStatusCode"]), (&json!("Pending"), &json!(500)));
    assert_eq!(waiting["nextAttemptAtUtc"], "2026-03-28T12:02:00.000Z");
    app.advance_to("2026-03-28T12:30:00Z").await;
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["attempts"], &done["lastError"]), (&json!("Done"), &json!(3), &Value::Null));
    assert_eq!(done["nextAttemptAtUtc"], Value::Null);
    app.check().await;
}

#[tokio::test]
async fn a_receiver_may_ask_for_longer_but_not_for_shorter_nor_for_more_than_an_hour() {
    let app = App::at(START).await;
    let mut jobs = Vec::new();
    for (number, (status, retry_after, expected)) in [
        (429, "90", "12:02:30.000"),
        (503, "3599", "13:00:59.000"),
        (503, "3600", "13:01:00.000"),
        (503, "3601", "13:01:00.000"),
        (429, "99999999999999999999", "13:01:00.000"),
        (503, "86400", "13:01:00.000"),
        (429, "59", "12:02:00.000"),
        (503, "0", "12:02:00.000"),
        (429, "-5", "12:02:00.000"),
        (503, "soon", "12:02:00.000"),
        (503, "", "12:02:00.000"),
        (503, "1.5e3", "12:02:00.000"),
        (429, "Sat, 28 Mar 2026 12:11:00 GMT", "12:11:00.000"),
        (503, "Saturday, 28-Mar-26 12:11:00 GMT", "12:11:00.000"),
        (503, "Sat, 28 Mar 2026 12:01:30 GMT", "12:02:00.000"),
        (503, "Sat, 28 Mar 2026 11:00:00 GMT", "12:02:00.000"),
        (503, "Sun, 29 Mar 2026 12:00:00 GMT", "13:01:00.000"),
        // Only on these two.
        (500, "600", "12:02:00.000"),
        (404, "600", "12:02:00.000"),
        (301, "600", "12:02:00.000"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        app.receiver.script(&path, [answer(status).header("Retry-After", retry_after)]);
        let job = app.post_job(a_job().to(&app.receiver.url(&path))).await.created();
        jobs.push((status, retry_after, expected, job));
    }
    app.advance_to(NEXT_POLL).await;
    for (status, retry_after, expected, job) in jobs {
        let job = app.job(id(&job)).await;
        let expected = format!("2026-03-28T{expected}Z");
        assert_eq!(job["nextAttemptAtUtc"], expected, "Retry-After: {retry_after} on {status}");
    }
    app.check().await;
}

#[tokio::test]
async fn a_longer_backoff_stays_what_it_is() {
    let app = App::at(START).await;
    app.receiver.script("/busy", [answer(429).header("Retry-After", "150")]);
    app.post_job(a_job().to(&app.receiver.url("/busy")).attempts(4)).await.created();
    app.advance_to("2026-03-28T13:00:00Z").await;
    let called_at: Vec<_> = app.receiver.calls("/busy").iter().map(|call| call.at.unwrap()).collect();
    let minutes: Vec<i64> = called_at.windows(2).map(|pair| (pair[1] - pair[0]).num_minutes()).collect();
    // Two and a half minutes, seen by the third poll; twice, for the backoff is one and two; then four of backoff.
    assert_eq!(minutes, [3, 3, 4]);
    app.check().await;
}

#[tokio::test]
async fn the_last_ten_attempts_are_kept_each_with_the_beginning_of_its_answer() {
    let app = App::at(START).await;
    let long = "é".repeat(5_000);
    let steps = (1..=12).map(|n| answer(500).body(if n == 12 { long.clone() } else { format!("answer {n}") }));
    app.receiver.script("/down", steps);
    let job = app.post_job(a_job().to(&app.receiver.url("/down")).attempts(12)).await.created();
    app.advance_to("2026-03-29T00:00:00Z").await;
    let job = app.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("DeadLetter"), &json!(12)));
    let log = job["attemptLog"].as_array().unwrap();
    let numbers: Vec<_> = log.iter().map(|attempt| attempt["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (3..=12).collect::<Vec<_>>());
    for attempt in log {
        let fields: Vec<_> = attempt.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields.len(), 6);
        for field in ["number", "startedAtUtc", "durationMs", "statusCode", "error", "responseSnippet"] {
            assert!(fields.contains(&field), "{field} is not in {attempt}");
        }
        assert_eq!(attempt["statusCode"], 500);
        assert!(attempt["durationMs"].is_u64() && attempt["error"].is_string() && attempt["startedAtUtc"].is_string());
    }
    assert_eq!(log[0]["responseSnippet"], "answer 3");
    let snippet = log[9]["responseSnippet"].as_str().unwrap();
    assert!((1_020..=1_024).contains(&snippet.len()) && long.starts_with(snippet), "{} bytes", snippet.len());
    app.check().await;
}

#[tokio::test]
async fn a_dead_letter_is_logged_as_an_error_that_tells_the_whole_story() {
    let app = App::at("2090-03-28T12:00:00Z").await;
    let acme = app.with_token(&app.token("acme", &["read", "write"]).await);
    app.receiver.script("/down", [answer(507)]);
    let secret = a_job().header("Authorization", "Bearer hidden").payload(json!("hidden too"));
    let one = acme.post_job(secret.to(&app.receiver.url("/down")).attempts(2)).await.created();
    let series = acme.post_job(a_job().to(&app.receiver.url("/down")).attempts(1).every(86_400)).await.created();
    app.advance_to("2090-03-28T12:05:00Z").await;
    app.wait_for_output(&format!("dead letter: job {}", id(&one))).await;
    app.wait_for_output(&format!("dead letter: job {}", id(&series))).await;
    let output = app.output();
    for (job, attempts) in [(&one, 2), (&series, 1)] {
        let beginning = format!("dead letter: job {}", id(job));
        let line = output.lines().find(|line| line.contains(&beginning)).unwrap();
        let (job_id, attempts) = (format!("job={}", id(job)), format!("attempts={attempts}"));
        let last_error = "last_error=\"the receiver answered 507";
        let told = ["ERROR", "tenant=acme", &job_id, &attempts, last_error];
        assert!(told.iter().all(|word| line.contains(word)), "{told:?} are not all in {line}");
        let series = line.split_once("series=\"").map(|(_, rest)| &rest[..36]);
        assert_eq!(series, job["seriesId"].as_str(), "{line}");
    }
    assert!(!output.contains("hidden"), "values of headers and payloads are nobody's business");
    app.check().await;
}
