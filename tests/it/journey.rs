//! The program as its users meet it: jobs created over HTTP, callbacks received, time walked on the virtual clock.
//! What was delivered is held against the checker of what must always hold.
//! It never breaks anything. Neighbours: `crash` kills the program, `network` cuts it off from its store.

use serde_json::{Value, json};
use shared::signature::sign;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::receiver::{Receiver, answer, failing};

async fn app_at(now: &str, receiver: &Receiver) -> App {
    App::dev().now(now).calling(receiver).start().await
}

#[tokio::test]
async fn a_job_is_called_once_with_its_exact_bytes_and_signature() {
    let receiver = Receiver::start().await;
    let app = App::dev().now("2026-03-28T12:00:00Z").calling(&receiver).signing_secret("secret").start().await;
    let payload = r#"{ "b": 1.0, "a":[1e2 ,"é"] }"#;
    let body = format!(
        r#"{{"callbackUrl":"{}","delaySeconds":30,"payload":{payload},"correlationId":"c-1","headers":{{"X-A":"1"}}}}"#,
        receiver.url("/hook")
    );
    let job = app.post_raw("/scheduled-jobs", "application/json", body).await.created();
    app.advance_to("2026-03-28T12:00:59Z").await;
    assert_eq!(receiver.calls("/hook").len(), 0, "not before the next poll");
    app.advance_to("2026-03-28T12:05:00Z").await;
    let calls = receiver.calls("/hook");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.text(), payload);
    assert_eq!(call.header("contit-job-id"), Some(id(&job)));
    assert_eq!(call.header("contit-correlation-id"), Some("c-1"));
    assert_eq!(call.header("contit-attempt"), Some("1"));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("x-a"), Some("1"));
    let t = 1_774_699_260;
    let signature = format!("t={t},s={}", sign("secret", t, payload.as_bytes()));
    assert_eq!(call.header("contit-signature"), Some(signature.as_str()));
    assert_eq!(app.job(id(&job)).await["status"], "Done");
    app.check().await;
}

#[tokio::test]
async fn retries_back_off_to_the_minute_and_end_in_the_dead_letter() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    receiver.script("/down", failing(4, 503));
    let job = app.post_job(a_job().to(&receiver.url("/down")).attempts(4)).await.created();
    app.advance_to("2026-03-28T13:00:00Z").await;
    let job = app.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("DeadLetter"), &json!(4)));
    let started: Vec<_> = job["attemptLog"].as_array().unwrap().iter().map(|a| a["startedAtUtc"].clone()).collect();
    let minutes = ["01", "02", "04", "08"].map(|minute| json!(format!("2026-03-28T12:{minute}:00.000Z")));
    assert_eq!(started, minutes);
    assert_eq!(job["lastStatusCode"], 503);
    app.check().await;
}

#[tokio::test]
async fn a_receiver_that_recovers_is_delivered_to() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    receiver.script("/flaky", failing(2, 500).into_iter().chain([answer(204)]));
    let job = app.post_job(a_job().to(&receiver.url("/flaky"))).await.created();
    app.advance_to("2026-03-28T12:30:00Z").await;
    let job = app.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"], &job["lastError"]), (&json!("Done"), &json!(3), &Value::Null));
    app.check().await;
}

#[tokio::test]
async fn a_calendar_keeps_its_wall_clock_over_the_change_to_summer_time() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    let job = a_job().to(&receiver.url("/daily")).daily_at(["02:30"]).key("k").times(3);
    let first = app.post_job(job).await.created();
    app.advance_to("2026-04-02T00:00:00Z").await;
    let series = app.all_pages("order=asc").await;
    let planned: Vec<_> = series.iter().map(|job| job["fireAtUtc"].as_str().unwrap()).collect();
    assert_eq!(planned, ["2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z", "2026-03-31T00:30:00.000Z"]);
    assert!(series.iter().all(|job| job["seriesId"] == first["id"] && job["status"] == "Done"));
    let keys: Vec<_> =
        receiver.calls("/daily").iter().map(|c| c.header("contit-idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["k", "k:2", "k:3"]);
    app.check().await;
}

#[tokio::test]
async fn a_cancelled_job_is_never_delivered_and_its_series_ends() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    let job = app.post_job(a_job().to(&receiver.url("/x")).in_seconds(60).every(60)).await.created();
    let cancelled = app.cancel(id(&job)).await.ok();
    assert_eq!(cancelled["status"], "Cancelled");
    app.cancel(id(&job)).await.problem(409);
    app.advance_to("2026-03-28T13:00:00Z").await;
    assert_eq!(receiver.all_calls().len(), 0);
    app.check().await;
}

#[tokio::test]
async fn a_request_key_makes_one_job_of_many_requests() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    let post = |body: Value| {
        let request = app.request(http::Method::POST, "/scheduled-jobs").header("Idempotency-Key", "once");
        app.send(request.header("content-type", "application/json").body(body.to_string()))
    };
    let job = json!({ "callbackUrl": receiver.url("/x"), "delaySeconds": 5 });
    let first = post(job.clone()).await.created();
    assert_eq!(post(job).await.ok()["id"], first["id"]);
    post(json!({ "callbackUrl": receiver.url("/other") })).await.problem(409);
    assert_eq!(app.all_pages("").await.len(), 1);

    // What was a valid body when it made its job stays the key's body when its end has passed.
    let ending = |key: &str| {
        let body =
            json!({ "callbackUrl": receiver.url("/x"), "recurrenceSeconds": 60, "endAtUtc": "2026-03-28T12:02:00Z" });
        let request = app.request(http::Method::POST, "/scheduled-jobs").header("Idempotency-Key", key);
        app.send(request.header("content-type", "application/json").body(body.to_string()))
    };
    let series = ending("series").await.created();
    app.advance_to("2026-03-28T12:10:00Z").await;
    assert_eq!(ending("series").await.ok()["id"], series["id"]);
    ending("another").await.problem(400);
    app.check().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_a_problem_and_stores_nothing() {
    let receiver = Receiver::start().await;
    let app = app_at("2026-03-28T12:00:00Z", &receiver).await;
    let path = "/scheduled-jobs";
    app.without_token().get(path).await.problem(401);
    app.with_token("nobody").get(path).await.problem(401);
    app.post_raw(path, "text/plain", "{}").await.problem(415);
    app.post_raw(path, "application/json", "{").await.problem(400);
    app.post_raw(path, "application/json", vec![b' '; 600 << 10]).await.problem(413);
    let answer = app.post_job(json!({ "delay": 1, "maxRetries": 0 })).await;
    assert_eq!(answer.problem(400).pointers(), ["/callbackUrl", "/maxRetries", "/delay"]);
    let answer = app.get("/scheduled-jobs?limit=0&order=up&state=Done&from=x&status=pending").await;
    assert_eq!(answer.problem(400).pointers(), ["/limit", "/order", "/state", "/from", "/status"]);
    app.get("/scheduled-jobs?cursor=AAAA").await.problem(400);
    app.get("/scheduled-jobs/6ba7b810-9dad-11d1-80b4-00c04fd430c8").await.problem(404);
    app.get("/scheduled-jobs/1").await.problem(404);
    app.get("/nothing").await.problem(404);
    assert!(app.put(path, &json!({})).await.problem(405).header("allow").unwrap().contains("POST"));
    app.put("/dev/clock", &json!({ "nowUtc": "2026-03-28T11:59:59Z" })).await.has_status(400);
    assert_eq!(app.all_pages("").await.len(), 0);
}

#[tokio::test]
async fn jobs_fire_retry_recur_and_die_on_the_virtual_clock() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    app.receiver.script("/retried", failing(2, 503));
    app.receiver.script("/dead", [answer(500)]);
    let url = |path| app.receiver.url(path);
    let retried = app.post_job(a_job().to(&url("/retried")).in_seconds(90)).await.created();
    let dead = app.post_job(a_job().to(&url("/dead")).attempts(2)).await.created();
    let cancelled = app.post_job(a_job().to(&url("/cancelled")).in_seconds(3600)).await.created();
    let daily = app.post_job(a_job().to(&url("/daily")).daily_at(["02:30"]).key("daily")).await.created();
    let hourly = app.post_job(a_job().to(&url("/hourly")).every(3600).times(3)).await.created();
    app.cancel(id(&cancelled)).await.ok();

    let walked = app.advance_to("2026-03-31T00:00:00Z").await;
    assert_eq!(walked["delivered"], json!(1 + 2 + 3), "{walked}");
    assert_eq!(walked["failed"], json!(2 + 2), "{walked}");

    let at = |path| {
        let calls = app.receiver.calls(path);
        calls.iter().map(|call| call.at.unwrap().format("%dT%H:%M").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(at("/retried"), ["28T12:02", "28T12:03", "28T12:05"]);
    assert_eq!(at("/dead"), ["28T12:01", "28T12:02"]);
    assert_eq!(at("/daily"), ["29T01:30", "30T00:30"]);
    assert_eq!(at("/hourly"), ["28T12:01", "28T13:00", "28T14:00"]);
    assert!(app.receiver.calls("/cancelled").is_empty());
    assert_eq!(app.job(id(&retried)).await["status"], "Done");
    assert_eq!(app.job(id(&dead)).await["status"], "DeadLetter");
    assert_eq!(app.job(id(&daily)).await["occurrenceNumber"], 1);
    assert_eq!(app.job(id(&hourly)).await["seriesId"], hourly["id"]);
    app.check().await;
}
