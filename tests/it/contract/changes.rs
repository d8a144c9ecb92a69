//! The extension of CONTRACT §3 by which people step in: retry, run now, retry many; and the list of a series.
//! It never looks into the store; `changes` does. Neighbour: `life` has what happens without anybody stepping in.

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::conversation::{Answer, Conversation, id};
use crate::support::receiver::{answer, stall};
use crate::support::stores::{Store, StoreKind};

const START: &str = "2026-03-28T12:00:00Z";
const NEXT_POLL: &str = "2026-03-28T12:01:00Z";

async fn ask(client: &Conversation, job: &Value, wish: &str) -> Answer {
    let path = format!("/scheduled-jobs/{}/{wish}", id(job));
    client.send(client.request(http::Method::POST, &path)).await
}

async fn retry_many(client: &Conversation, body: Value) -> Answer {
    client.post_raw("/scheduled-jobs/retry", "application/json", body.to_string()).await
}

fn walking_to(app: &App, instant: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let request = app.request(http::Method::PUT, "/dev/clock").body(json!({ "nowUtc": instant }).to_string());
    tokio::spawn(request.send())
}

#[tokio::test]
async fn a_dead_letter_is_retried_with_all_its_attempts_and_its_history() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500), answer(500), answer(503), answer(200)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/down")).attempts(2)).await.created();
    app.advance_to("2026-03-28T12:10:00Z").await;
    let dead = app.job(id(&job)).await;
    assert_eq!((&dead["status"], &dead["attempts"]), (&json!("DeadLetter"), &json!(2)));

    let retried = ask(&app, &job, "retry").await.ok();
    assert_eq!((&retried["status"], &retried["attempts"]), (&json!("Pending"), &json!(0)));
    assert_eq!(retried["nextAttemptAtUtc"], "2026-03-28T12:10:00.000Z");
    assert_eq!((&retried["completedAtUtc"], &retried["expiresAtUtc"]), (&Value::Null, &Value::Null));
    assert_eq!((&retried["fireAtUtc"], &retried["attemptLog"]), (&dead["fireAtUtc"], &dead["attemptLog"]));
    assert_eq!(app.job(id(&job)).await, retried);
    assert_eq!(app.all_pages("status=DeadLetter").await, [] as [Value; 0]);
    assert_eq!(app.all_pages("status=Pending").await.len(), 1);

    app.advance_to("2026-03-28T13:00:00Z").await;
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["attempts"]), (&json!("Done"), &json!(2)));
    let attempts: Vec<_> = done["attemptLog"].as_array().unwrap().iter().map(|attempt| &attempt["number"]).collect();
    assert_eq!(attempts, [1, 2, 1, 2]);
    let calls = app.receiver.calls("/down");
    assert!(calls.iter().all(|call| call.header("contit-idempotency-key") == job["idempotencyKey"].as_str()));
    app.check().await;
}

#[tokio::test]
async fn only_a_dead_letter_is_retried_and_only_what_waits_is_run_now() {
    let app = App::at(START).await;
    app.receiver.script("/slow", [stall()]);
    app.receiver.script("/down", [answer(500)]);
    let post = async |path: &str| app.post_job(a_job().to(&app.receiver.url(path)).attempts(1)).await.created();
    let (done, dead, cancelled) = (post("/ok").await, post("/down").await, post("/never").await);
    app.cancel(id(&cancelled)).await.ok();
    app.advance_to(NEXT_POLL).await;
    let firing = post("/slow").await;
    let walk = walking_to(&app, "2026-03-28T12:02:00Z");
    app.receiver.wait_for("/slow", 1).await;
    let waiting = app.post_job(a_job().in_seconds(3600)).await.created();

    let jobs =
        [(&waiting, "Pending"), (&firing, "Firing"), (&done, "Done"), (&cancelled, "Cancelled"), (&dead, "DeadLetter")];
    for (wish, right) in [("retry", "DeadLetter"), ("run-now", "Pending")] {
        for (job, status) in jobs.iter().filter(|(_, status)| *status != right) {
            let before = app.job(id(job)).await;
            let refused = ask(&app, job, wish).await;
            assert_eq!(refused.problem(409).body["jobStatus"], *status, "{wish}");
            assert!(refused.body["detail"].as_str().unwrap().contains(status), "{refused:?}");
            assert_eq!(app.job(id(job)).await, before, "nothing has changed");
        }
    }
    assert_eq!(ask(&app, &dead, "retry").await.ok()["status"], "Pending");
    assert_eq!(ask(&app, &dead, "retry").await.problem(409).body["jobStatus"], "Pending", "once is enough");
    assert_eq!(app.job(id(&dead)).await["attempts"], 0);
    for unknown in ["00000000-0000-4000-8000-000000000000", "x"] {
        for wish in ["retry", "run-now"] {
            ask(&app, &json!({ "id": unknown }), wish).await.problem(404);
        }
    }
    app.receiver.release("/slow");
    walk.await.unwrap().unwrap();
    app.check().await;
}

#[tokio::test]
async fn stepping_in_needs_the_scope_write_and_ones_own_job() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500)]);
    let dead = app.post_job(a_job().to(&app.receiver.url("/down")).attempts(1)).await.created();
    app.advance_to(NEXT_POLL).await;
    let waiting = app.post_job(a_job().in_seconds(3600)).await.created();
    let reader = app.with_token(&app.token("dev", &["read"]).await);
    let other = app.with_token(&app.token("other", &["read", "write"]).await);
    let all = || json!({ "status": "DeadLetter" });
    for (job, wish) in [(&dead, "retry"), (&waiting, "run-now")] {
        let before = app.job(id(job)).await;
        ask(&app.without_token(), job, wish).await.problem(401);
        ask(&reader, job, wish).await.problem(403);
        ask(&other, job, wish).await.problem(404);
        assert_eq!(app.job(id(job)).await, before, "nothing has changed");
    }
    retry_many(&app.without_token(), all()).await.problem(401);
    retry_many(&reader, all()).await.problem(403);
    assert_eq!(retry_many(&other, all()).await.ok(), json!({ "matched": 0, "retried": 0, "nextCursor": null }));
    assert_eq!(app.job(id(&dead)).await["status"], "DeadLetter");
    app.check().await;
}

#[tokio::test]
async fn a_retried_occurrence_stands_beside_its_series() {
    let app = App::at(START).await;
    app.receiver.script("/hourly", [answer(500), answer(200)]);
    let first = app.post_job(a_job().to(&app.receiver.url("/hourly")).every(3600).attempts(1)).await.created();
    let second = a_job().to(&app.receiver.url("/hourly")).every(3600).attempts(1).named("cancelled");
    app.advance_to("2026-03-28T13:30:00Z").await;
    assert_eq!(app.job(id(&first)).await["status"], "DeadLetter");
    ask(&app, &first, "retry").await.ok();
    app.advance_to("2026-03-28T16:30:00Z").await;
    let series = format!("seriesId={}&order=asc", first["seriesId"].as_str().unwrap());
    let listed = app.all_pages(&series).await;
    let shown = |name: &str| listed.iter().map(|job| job[name].clone()).collect::<Vec<_>>();
    assert_eq!(shown("occurrenceNumber"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(shown("status"), ["Done", "Done", "Done", "Done", "Done", "Pending"]);
    app.check().await;

    app.receiver.script("/hourly", [answer(500)]);
    let first = app.post_job(second).await.created();
    app.advance_to("2026-03-28T16:40:00Z").await;
    ask(&app, &first, "retry").await.ok();
    app.cancel(id(&first)).await.ok();
    let series = format!("seriesId={}", first["seriesId"].as_str().unwrap());
    let statuses: Vec<_> = app.all_pages(&series).await.iter().map(|job| job["status"].clone()).collect();
    assert_eq!(statuses, ["Pending", "Cancelled"], "the series goes on");
    app.check().await;
}

#[tokio::test]
async fn run_now_fires_at_once_and_a_series_keeps_its_plan() {
    let app = App::at(START).await;
    let at_three = a_job().to(&app.receiver.url("/daily")).daily_at(["15:00"]).in_zone("UTC");
    let job = app.post_job(at_three).await.created();
    assert_eq!(job.get("runNowAtUtc"), None);
    app.advance_to("2026-03-28T12:30:00Z").await;
    let hurried = ask(&app, &job, "run-now").await.ok();
    assert_eq!((&hurried["status"], &hurried["fireAtUtc"]), (&json!("Pending"), &json!("2026-03-28T15:00:00.000Z")));
    for now in ["nextAttemptAtUtc", "runNowAtUtc", "updatedAtUtc"] {
        assert_eq!(hurried[now], "2026-03-28T12:30:00.000Z", "{now}");
    }
    ask(&app, &job, "run-now").await.ok();
    app.advance_to("2026-03-28T12:31:00Z").await;
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["runNowAtUtc"]), (&json!("Done"), &json!("2026-03-28T12:30:00.000Z")));
    let next = app.all_pages("status=Pending").await;
    assert_eq!(next[0]["fireAtUtc"], "2026-03-29T15:00:00.000Z", "after the planned instant, not after the run");
    assert_eq!(next[0].get("runNowAtUtc"), None);
    app.advance_to("2026-03-29T14:59:00Z").await;
    assert_eq!(app.receiver.calls("/daily").len(), 1, "that of 15:00 has been");
    app.check().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_need_not() {
    let app = App::at(START).await;
    app.receiver.script("/flaky", [answer(500), answer(500), answer(200)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/flaky"))).await.created();
    app.advance_to("2026-03-28T12:02:30Z").await;
    assert_eq!(app.job(id(&job)).await["nextAttemptAtUtc"], "2026-03-28T12:04:00.000Z");
    ask(&app, &job, "run-now").await.ok();
    app.advance_to("2026-03-28T12:03:00Z").await;
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["attempts"]), (&json!("Done"), &json!(3)));
    app.check().await;
}

#[tokio::test]
async fn a_change_that_comes_second_finds_what_there_is_by_then() {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let app = App::dev().on_through(&store, &proxy.url()).now(START).start().await;
    let asking = |job: &Value, wish: &str| {
        let request = app.request(http::Method::POST, &format!("/scheduled-jobs/{}/{wish}", id(job)));
        tokio::spawn(request.send())
    };
    // A run-now on its way while the job is cancelled.
    let job = app.post_job(a_job().to(&app.receiver.url("/x")).in_seconds(3600)).await.created();
    let held = proxy.rule(operation("UpdateItem").with_text("runNowAt"), Fault::HoldRequest);
    let running = asking(&job, "run-now");
    held.struck(1).await;
    app.cancel(id(&job)).await.ok();
    held.release();
    held.withdraw();
    assert_eq!(running.await.unwrap().unwrap().status(), 409, "the cancellation came first");

    // One on its way while the job is delivered.
    let job = app.post_job(a_job().to(&app.receiver.url("/y"))).await.created();
    let held = proxy.rule(operation("UpdateItem").with_text("runNowAt"), Fault::HoldRequest);
    let running = asking(&job, "run-now");
    held.struck(1).await;
    app.advance_to(NEXT_POLL).await;
    held.release();
    assert_eq!(running.await.unwrap().unwrap().status(), 409, "the claim came first");
    held.withdraw();

    // Two retries on their way at the same time.
    app.receiver.script("/down", [answer(500)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/down")).attempts(1)).await.created();
    app.advance_to("2026-03-28T12:02:00Z").await;
    let held = proxy.rule(operation("UpdateItem").with_text(":dead"), Fault::HoldRequest);
    let retrying = [asking(&job, "retry"), asking(&job, "retry")];
    held.struck(2).await;
    held.release();
    let mut statuses = Vec::new();
    for answer in retrying {
        statuses.push(answer.await.unwrap().unwrap().status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "one of two");
    app.advance_to("2026-03-28T12:03:00Z").await;
    assert_eq!(app.receiver.calls("/down").len(), 2, "one call more, not two");
    app.check().await;
}

#[tokio::test]
async fn dead_letters_of_a_range_are_retried_two_hundred_at_a_time() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500)]);
    let dead =
        |n: i32| a_job().to(&app.receiver.url("/down")).attempts(1).at(&format!("2026-03-{:02}T00:00:00Z", 1 + n % 25));
    let posts = futures_util::future::join_all((0..230).map(|n| app.post_job(dead(n)))).await;
    posts.iter().for_each(|answer| drop(answer.created()));
    app.post_job(a_job().to(&app.receiver.url("/ok"))).await.created();
    app.advance_to(NEXT_POLL).await;
    assert_eq!(app.all_pages("status=DeadLetter&limit=200").await.len(), 230);

    let first = json!({ "status": "DeadLetter", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z" });
    let dry = |mut body: Value| {
        body["dryRun"] = json!(true);
        body
    };
    let counted = retry_many(&app, dry(first.clone())).await.ok();
    assert_eq!(counted, json!({ "matched": 10, "retried": 0, "nextCursor": null }), "to is not included");
    assert_eq!(app.all_pages("status=Pending").await.len(), 0, "a dry run changes nothing");
    assert_eq!(retry_many(&app, first.clone()).await.ok(), json!({ "matched": 10, "retried": 10, "nextCursor": null }));
    assert_eq!(retry_many(&app, first).await.ok()["matched"], 0);
    assert_eq!(app.all_pages("status=Pending&limit=200").await.len(), 10);

    let mut body = json!({ "status": "DeadLetter" });
    let (mut matched, mut retried, mut calls) = (0, 0, 0);
    loop {
        let told = retry_many(&app, body.clone()).await.ok();
        matched += told["matched"].as_u64().unwrap();
        retried += told["retried"].as_u64().unwrap();
        calls += 1;
        if told["nextCursor"].is_null() {
            break;
        }
        assert_eq!(told["matched"], 200, "{told}");
        body["cursor"] = told["nextCursor"].clone();
        let other_range = json!({ "status": "DeadLetter", "to": START, "cursor": body["cursor"] });
        assert_eq!(retry_many(&app, other_range).await.problem(400).pointers(), ["/cursor"]);
    }
    assert_eq!((matched, retried, calls), (220, 220, 2));
    app.advance_to("2026-03-28T12:02:00Z").await;
    assert_eq!(app.receiver.calls("/down").len(), 460);
    app.check().await;
}

#[tokio::test]
async fn a_request_to_retry_many_that_makes_no_sense_is_refused_by_its_fields() {
    let app = App::at(START).await;
    for (body, pointers) in [
        (json!({}), &["/status"] as &[&str]),
        (json!({ "status": "Done" }), &["/status"]),
        (
            json!({ "status": "DeadLetter", "from": "x", "to": 3, "dryRun": 1, "cursor": 2, "all": true }),
            &["/from", "/to", "/dryRun", "/cursor", "/all"],
        ),
        (json!({ "status": "DeadLetter", "cursor": "AAAA" }), &["/cursor"]),
        (json!({ "dryRun": 1, "cursor": "AAAA" }), &["/status", "/dryRun", "/cursor"]),
        (json!({ "status": "DeadLetter", "from": "x", "cursor": "AAAA" }), &["/from", "/cursor"]),
    ] {
        assert_eq!(retry_many(&app, body.clone()).await.problem(400).pointers(), pointers, "{body}");
    }
    app.post_raw("/scheduled-jobs/retry", "application/json", "[]").await.problem(400);
    app.post_raw("/scheduled-jobs/retry", "text/plain", "{}").await.problem(415);
    let wrong_method = app.get("/scheduled-jobs/retry").await;
    assert_eq!(wrong_method.problem(405).header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_series_is_listed_for_its_tenant_alone() {
    let app = App::at(START).await;
    let first = app.post_job(a_job().to(&app.receiver.url("/x")).every(60)).await.created();
    app.post_job(a_job().to(&app.receiver.url("/y")).every(60)).await.created();
    app.advance_to("2026-03-28T12:05:00Z").await;
    let series = format!("seriesId={}", first["seriesId"].as_str().unwrap());
    let numbers = async |client: &Conversation, query: &str| {
        client
            .all_pages(&format!("{series}{query}"))
            .await
            .iter()
            .map(|job| job["occurrenceNumber"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&app, "").await, [6, 5, 4, 3, 2, 1], "the latest first, as in every list");
    assert_eq!(numbers(&app, "&order=asc&limit=2").await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&app, "&status=Pending").await, [6]);
    assert_eq!(numbers(&app, "&from=2026-03-28T12:01:00Z&to=2026-03-28T12:04:00Z").await, [3, 2]);
    let other = app.with_token(&app.token("other", &["read"]).await);
    assert_eq!(numbers(&other, "").await, [] as [u64; 0]);
    let page = app.get(&format!("/scheduled-jobs?{series}&limit=2")).await.ok();
    let cursor = page["nextCursor"].as_str().unwrap();
    let elsewhere = app.get(&format!("/scheduled-jobs?limit=2&cursor={cursor}")).await;
    assert_eq!(elsewhere.problem(400).pointers(), ["/cursor"]);
    assert_eq!(app.get("/scheduled-jobs?seriesId=1").await.problem(400).pointers(), ["/seriesId"]);
    app.check().await;
}
