//! Receivers that are slow, huge, broken or hostile: every attempt ends in time and says what happened, takes no more
//! than it may, and delays nobody else's. Outcomes are asserted, never durations.
//! Neighbours: `support::raw_receiver` does what no web server would; `targets` is about where calls may go,
//! `certificates` about TLS.

use std::future::ready;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::raw_receiver::{Connection, RawReceiver};
use crate::support::receiver::{Receiver, hang};

const NOW: &str = "2026-03-28T12:00:00Z";
const LATER: &str = "2026-03-28T12:01:00Z";
/// What an attempt may read of a body, and what the socket and a TLS-free HTTP client may hold beside it.
const MOST_SENT: usize = 2 << 20;
const KIBIBYTE: usize = 1 << 10;
/// Seconds for attempts that are not to run into the timeout, on however busy a machine.
const ENOUGH: u32 = 50;

/// A receiver, and how an attempt at it ends.
struct Case {
    what: &'static str,
    receiver: RawReceiver,
    path: &'static str,
    status: Option<u16>,
    /// How the error begins; `None` for a delivery.
    error: Option<&'static str>,
}

async fn case<F>(
    what: &'static str,
    (status, error): (Option<u16>, Option<&'static str>),
    behaviour: impl Fn(Connection) -> F + Send + 'static,
) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case { what, receiver: RawReceiver::start(behaviour).await, path: "/", status, error }
}

/// A receiver that reads the request's head, answers these bytes and closes.
async fn answering(what: &'static str, outcome: (Option<u16>, Option<&'static str>), bytes: &'static [u8]) -> Case {
    case(what, outcome, move |connection| connection.answer(bytes)).await
}

/// Creates a job for each, plays one tick and returns the jobs as they then stand.
async fn play(app: &App, cases: &[Case], timeout_seconds: u32) -> Vec<Value> {
    let mut jobs = Vec::new();
    for case in cases {
        let job =
            a_job().to(&case.receiver.url(case.path)).attempts(1).timeout_seconds(timeout_seconds).payload(json!("x"));
        jobs.push(app.post_job(job).await.created());
    }
    app.advance_to(LATER).await;
    let mut after = Vec::new();
    for job in jobs {
        after.push(app.job(id(&job)).await);
    }
    after
}

async fn check(timeout_seconds: u32, cases: Vec<Case>) {
    let app = App::at(NOW).await;
    let jobs = play(&app, &cases, timeout_seconds).await;
    for (case, job) in cases.iter().zip(jobs) {
        let what = case.what;
        let attempt = &job["attemptLog"][0];
        assert_eq!(job["status"], if case.error.is_none() { "Done" } else { "DeadLetter" }, "{what}: {job:#}");
        assert_eq!(attempt["statusCode"], json!(case.status), "{what}: {job:#}");
        let error = attempt["error"].as_str();
        let as_said = error.zip(case.error).map_or(error == case.error, |(error, begins)| error.starts_with(begins));
        assert!(as_said, "{what}: {error:?} does not begin with {:?}", case.error);
        let snippet = attempt["responseSnippet"].as_str().unwrap_or_default();
        assert!(snippet.len() <= KIBIBYTE, "{what}: a snippet of {} bytes", snippet.len());
        for heard in case.receiver.wait_for_over(1).await {
            assert!(heard.sent <= MOST_SENT, "{what}: it took {} bytes", heard.sent);
        }
    }
}

const NO_ANSWER: (Option<u16>, Option<&str>) = (None, Some("timeout: no answer within 5 s"));
const NO_END: (Option<u16>, Option<&str>) = (Some(200), Some("timeout: the answer 200 OK did not end within 5 s"));
const BROKEN: (Option<u16>, Option<&str>) = (None, Some("no answer: "));
const DELIVERED: (Option<u16>, Option<&str>) = (Some(200), None);

#[tokio::test]
async fn a_receiver_that_is_too_slow_runs_into_the_timeout_wherever_it_stalls() {
    check(
        5,
        vec![
            case("it accepts and does nothing", NO_ANSWER, async |mut c: Connection| {
                c.hold().await;
                c.end();
            })
            .await,
            case("it drips its head", NO_ANSWER, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\nx-slow: ").await;
                c.drip_for_ever(b"x").await;
                c.end();
            })
            .await,
            case("it drips one header after the other", NO_ANSWER, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\n").await;
                c.drip_for_ever(b"x-one-more: x\r\n").await;
                c.end();
            })
            .await,
            case("it sends 100 Continue and nothing more", NO_ANSWER, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                c.hold().await;
                c.end();
            })
            .await,
            case(
                "it sends interim answers for ever",
                (None, Some("no answer: the answer is too long")),
                async |mut c: Connection| {
                    c.read_head().await;
                    c.send_for_ever(&b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(8)).await;
                    c.end();
                },
            )
            .await,
            case("it drips its body", NO_END, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
                c.drip_for_ever(b"x").await;
                c.end();
            })
            .await,
            case("it promises a huge body and stops", NO_END, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551613\r\n\r\nbegun").await;
                c.hold().await;
                c.end();
            })
            .await,
            case(
                "its failure does not end",
                (Some(500), Some("the receiver answered 500 Internal Server Error")),
                async |mut c: Connection| {
                    c.read_head().await;
                    c.send(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 10\r\n\r\nbegun").await;
                    c.hold().await;
                    c.end();
                },
            )
            .await,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_receiver_that_sends_too_much_is_cut_off() {
    check(
        ENOUGH,
        vec![
            case("a body without an end", DELIVERED, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
                c.send_for_ever(&[b'x'; 4_096]).await;
                c.end();
            })
            .await,
            case("chunks without an end", DELIVERED, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                c.send_for_ever(&b"10\r\n0123456789abcdef\r\n".repeat(99)).await;
                c.end();
            })
            .await,
            case("one chunk that is said to be huge", DELIVERED, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffff\r\n").await;
                c.send_for_ever(&[b'x'; 4_096]).await;
                c.end();
            })
            .await,
            case("a header without an end", BROKEN, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\nx-huge: ").await;
                c.send_for_ever(&[b'x'; 4_096]).await;
                c.end();
            })
            .await,
            case("headers without an end", BROKEN, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\n").await;
                c.send_for_ever(b"x-one-more: x\r\n").await;
                c.end();
            })
            .await,
            case("a status line without an end", BROKEN, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 ").await;
                c.send_for_ever(&[b'x'; 4_096]).await;
                c.end();
            })
            .await,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_fails_the_attempt_until_the_status_has_come() {
    check(
        ENOUGH,
        vec![
            case("a reset at once", (None, Some("no ")), |c: Connection| {
                c.reset();
                ready(())
            })
            .await,
            case("a reset after the request", BROKEN, async |mut c: Connection| {
                c.read_head().await;
                c.reset();
            })
            .await,
            case("a reset in the head", BROKEN, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\nx-half").await;
                c.reset();
            })
            .await,
            // The receiver has answered: what breaks off is of no use to anybody.
            case("a reset in the body", DELIVERED, async |mut c: Connection| {
                c.read_head().await;
                c.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbegun").await;
                c.reset();
            })
            .await,
            answering("a close before the head", BROKEN, b"").await,
            answering("a close in the head", BROKEN, b"HTTP/1.1 200 OK\r\n").await,
            answering("a close in the body", DELIVERED, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbegun").await,
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    check(
        ENOUGH,
        vec![
            answering("HTTP/0.9", BROKEN, b"<html>hello</html>\n").await,
            answering("another protocol", BROKEN, b"220 mail.example.com ESMTP ready\r\n").await,
            answering("no text at all", BROKEN, &[0xFF; 64]).await,
            answering("a status of four digits", BROKEN, b"HTTP/1.1 2000 OK\r\n\r\n").await,
            answering("a negative length", BROKEN, b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello").await,
            answering(
                "two lengths",
                BROKEN,
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
            )
            .await,
            answering("a folded header", BROKEN, b"HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\ncontent-length: 0\r\n\r\n").await,
            answering("a header with a NUL", BROKEN, b"HTTP/1.1 200 OK\r\nx-a: \0\r\ncontent-length: 0\r\n\r\n").await,
            answering(
                "another protocol agreed on",
                (Some(101), Some("the receiver answered 101 Switching Protocols")),
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            )
            .await,
            // Broken off after the status, as above.
            answering(
                "chunks that are none",
                DELIVERED,
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx\r\n",
            )
            .await,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_compressed_answer_is_neither_asked_for_nor_unpacked() {
    let app = App::at(NOW).await;
    // Whoever unpacked this would find that it is not compressed at all.
    let answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 14\r\n\r\nas it was sent";
    let cases = [answering("gzip", DELIVERED, answer).await];
    let jobs = play(&app, &cases, ENOUGH).await;
    assert_eq!(jobs[0]["attemptLog"][0]["responseSnippet"], "as it was sent", "{:#}", jobs[0]);
    let head = cases[0].receiver.wait_for_over(1).await[0].head();
    assert!(!head.iter().any(|line| line.to_ascii_lowercase().starts_with("accept-encoding")), "{head:?}");
}

#[tokio::test]
async fn nothing_waits_for_a_continue_that_never_comes() {
    let app = App::at(NOW).await;
    let expecting = a_job().header("Expect", "100-continue");
    assert_eq!(app.post_job(expecting).await.problem(400).pointers(), ["/headers/Expect"]);

    let receiver = RawReceiver::start(async |mut connection: Connection| {
        let whole = |received: &[u8]| received.ends_with(b"y\"");
        assert!(connection.read_until(whole).await, "the payload comes without having been asked for");
        connection.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    })
    .await;
    let payload = format!("{}y", "x".repeat(200 << 10));
    let job = app.post_job(a_job().to(&receiver.url("/")).payload(json!(payload))).await.created();
    app.advance_to(LATER).await;
    assert_eq!(app.job(id(&job)).await["status"], "Done");
    let head = receiver.heard()[0].head();
    assert!(!head.iter().any(|line| line.to_ascii_lowercase().starts_with("expect")), "{head:?}");
}

#[tokio::test]
async fn many_endless_answers_at_a_time_leave_memory_flat() {
    let app = App::at(NOW).await;
    let bodies = RawReceiver::start(async |mut c: Connection| {
        c.read_head().await;
        c.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
        c.send_for_ever(&[b'x'; 4_096]).await;
        c.end();
    })
    .await;
    let heads = RawReceiver::start(async |mut c: Connection| {
        c.read_head().await;
        c.send(b"HTTP/1.1 200 OK\r\nx-huge: ").await;
        c.send_for_ever(&[b'x'; 4_096]).await;
        c.end();
    })
    .await;
    let burst = async |count: usize, instant: &str| {
        for _ in 0..count {
            for receiver in [&bodies, &heads] {
                app.post_job(a_job().to(&receiver.url("/")).attempts(1).timeout_seconds(5)).await.created();
            }
        }
        app.advance_to(instant).await;
        app.peak_memory_kib()
    };
    let first = burst(40, "2026-03-28T12:01:00Z").await;
    let second = burst(160, "2026-03-28T12:02:00Z").await;
    assert!(second - first < 24 << 10, "it grew from {first} to {second} KiB");
    let sent = bodies.heard().iter().chain(&heads.heard()).map(|heard| heard.sent).sum::<usize>();
    assert!(sent > 400 * (32 << 10), "they did send much: {sent} bytes");
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let bad = Receiver::start().await;
    bad.script("/hang", [hang()]);
    let app = App::at(NOW).await;
    for _ in 0..100 {
        app.post_job(a_job().to(&bad.url("/hang")).timeout_seconds(60)).await.created();
    }
    let mut good = Vec::new();
    for _ in 0..20 {
        good.push(app.post_job(a_job().to(&app.receiver.url("/good"))).await.created());
    }
    // The walk itself ends only when everything has: it is not waited for.
    let walk = app.request(http::Method::PUT, "/dev/clock").body(json!({ "nowUtc": LATER }).to_string());
    let walking = tokio::spawn(walk.send());
    app.receiver.wait_for_answered("/good", good.len()).await;
    for job in &good {
        let what = "a good job to be recorded as done";
        let done = async || (app.job(id(job)).await["status"] == "Done").then_some(());
        crate::support::waiting::until_some(what, done).await;
    }
    assert!(bad.calls("/hang").len() <= 32, "no more than its share: {}", bad.calls("/hang").len());
    assert!(!walking.is_finished(), "the bad ones hang meanwhile");
    walking.abort();
}
