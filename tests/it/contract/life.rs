//! CONTRACT §5, the five statuses: who may leave which and by what, leases, and the end 30 days after the end.
//! It never counts minutes between attempts; `retry` does. Neighbour: `crash` kills the program at each step.

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::conversation::id;
use crate::support::receiver::{answer, stall};
use crate::support::stores::{Store, StoreKind};

const START: &str = "2026-03-28T12:00:00Z";
const NEXT_POLL: &str = "2026-03-28T12:01:00Z";

/// Walks the clock while the test does something else.
fn walking_to(app: &App, instant: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let request = app.request(http::Method::PUT, "/dev/clock").body(json!({ "nowUtc": instant }).to_string());
    tokio::spawn(request.send())
}

#[tokio::test]
async fn a_job_waits_fires_and_is_done() {
    let app = App::at(START).await;
    app.receiver.script("/slow", [stall()]);
    let job = app.post_job(a_job().to(&app.receiver.url("/slow"))).await.created();
    let walk = walking_to(&app, NEXT_POLL);
    app.receiver.wait_for("/slow", 1).await;
    let firing = app.job(id(&job)).await;
    assert_eq!((&firing["status"], &firing["attempts"]), (&json!("Firing"), &json!(1)));
    for unknown in ["nextAttemptAtUtc", "completedAtUtc", "expiresAtUtc", "lastStatusCode", "lastError"] {
        assert_eq!(firing[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(firing["updatedAtUtc"], "2026-03-28T12:01:00.000Z");
    app.receiver.release("/slow");
    walk.await.unwrap().unwrap();
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["lastStatusCode"]), (&json!("Done"), &json!(200)));
    assert_eq!(done["completedAtUtc"], "2026-03-28T12:01:00.000Z");
    assert_eq!(done["expiresAtUtc"], "2026-04-27T12:01:00.000Z");
    assert_eq!(done["fireAtUtc"], job["fireAtUtc"]);
    app.check().await;
}

#[tokio::test]
async fn only_a_pending_job_can_be_cancelled_and_the_refusal_names_what_it_is() {
    let app = App::at(START).await;
    app.receiver.script("/slow", [stall()]);
    app.receiver.script("/down", [answer(500)]);
    let post = async |path: &str| app.post_job(a_job().to(&app.receiver.url(path)).attempts(1)).await.created();
    let (done, dead) = (post("/ok").await, post("/down").await);
    let cancelled = post("/never").await;
    let first = app.cancel(id(&cancelled)).await.ok();
    assert_eq!((&first["status"], &first["attempts"]), (&json!("Cancelled"), &json!(0)));
    assert_eq!(first["completedAtUtc"], "2026-03-28T12:00:00.000Z");
    assert_eq!(first["expiresAtUtc"], "2026-04-27T12:00:00.000Z");
    app.advance_to(NEXT_POLL).await;
    let firing = post("/slow").await;
    let walk = walking_to(&app, "2026-03-28T12:02:00Z");
    app.receiver.wait_for("/slow", 1).await;

    for (job, status) in [(&done, "Done"), (&dead, "DeadLetter"), (&cancelled, "Cancelled"), (&firing, "Firing")] {
        let before = app.job(id(job)).await;
        let refused = app.cancel(id(job)).await;
        assert_eq!(refused.problem(409).body["jobStatus"], status);
        assert!(refused.body["detail"].as_str().unwrap().contains(status), "{refused:?}");
        assert_eq!(app.job(id(job)).await, before, "nothing has changed");
    }
    app.receiver.release("/slow");
    walk.await.unwrap().unwrap();
    assert_eq!(app.job(id(&firing)).await["status"], "Done", "the refused cancellation came to nothing");
    app.check().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_can_be_cancelled() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/down"))).await.created();
    app.advance_to(NEXT_POLL).await;
    let cancelled = app.cancel(id(&job)).await.ok();
    assert_eq!((&cancelled["status"], &cancelled["attempts"]), (&json!("Cancelled"), &json!(1)));
    assert_eq!((&cancelled["lastStatusCode"], &cancelled["nextAttemptAtUtc"]), (&json!(500), &Value::Null));
    app.advance_to("2026-03-28T14:00:00Z").await;
    assert_eq!(app.receiver.all_calls().len(), 1);
    app.check().await;
}

#[tokio::test]
async fn a_cancelled_job_is_never_delivered_and_its_series_ends() {
    let app = App::at(START).await;
    let job = app.post_job(a_job().to(&app.receiver.url("/x")).in_seconds(60).every(60)).await.created();
    let cancelled = app.cancel(id(&job)).await.ok();
    assert_eq!(cancelled["status"], "Cancelled");
    app.cancel(id(&job)).await.problem(409);
    app.advance_to("2026-03-28T13:00:00Z").await;
    assert_eq!(app.receiver.all_calls().len(), 0);
    app.check().await;
}

#[tokio::test]
async fn of_a_claim_and_a_cancellation_that_race_one_wins() {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let app = App::dev().on_through(&store, &proxy.url()).now(START).start().await;
    let job = app.post_job(a_job().to(&app.receiver.url("/x"))).await.created();
    let claim = proxy.rule(operation("UpdateItem").with_text(":firing"), Fault::HoldRequest);
    let walk = walking_to(&app, NEXT_POLL);
    claim.struck(1).await;
    app.cancel(id(&job)).await.ok();
    claim.release();
    walk.await.unwrap().unwrap();
    assert!(app.receiver.all_calls().is_empty(), "the claim came second");

    let job = app.post_job(a_job().to(&app.receiver.url("/y"))).await.created();
    let cancellation = proxy.rule(operation("UpdateItem").with_text("#Cancelled"), Fault::HoldRequest);
    claim.withdraw();
    let request = app.request(http::Method::DELETE, &format!("/scheduled-jobs/{}", id(&job)));
    let cancelling = tokio::spawn(request.send());
    cancellation.struck(1).await;
    app.advance_to("2026-03-28T12:02:00Z").await;
    cancellation.release();
    assert_eq!(cancelling.await.unwrap().unwrap().status(), 409, "the cancellation came second");
    assert_eq!(app.job(id(&job)).await["status"], "Done");
    app.check().await;
}

#[tokio::test]
async fn an_ended_job_is_there_for_thirty_days_and_then_gone() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500)]);
    let post = async |path: &str| app.post_job(a_job().to(&app.receiver.url(path)).attempts(1)).await.created();
    let (done, dead) = (post("/ok").await, post("/down").await);
    app.advance_to(NEXT_POLL).await;
    let waiting = app.post_job(a_job().in_seconds(365 * 86_400)).await.created();
    let cancelled = app.post_job(a_job().in_seconds(60)).await.created();
    app.cancel(id(&cancelled)).await.ok();

    app.advance_to("2026-04-27T12:00:59.999Z").await;
    for (job, status) in [(&done, "Done"), (&dead, "DeadLetter"), (&cancelled, "Cancelled")] {
        let job = app.job(id(job)).await;
        assert_eq!((&job["status"], &job["expiresAtUtc"]), (&json!(status), &json!("2026-04-27T12:01:00.000Z")));
        assert_eq!(app.all_pages(&format!("status={status}")).await.len(), 1);
    }
    app.check().await;

    app.advance_to("2026-04-27T12:01:00Z").await;
    for (job, status) in [(&done, "Done"), (&dead, "DeadLetter"), (&cancelled, "Cancelled")] {
        app.get(&format!("/scheduled-jobs/{}", id(job))).await.problem(404);
        app.cancel(id(job)).await.problem(404);
        assert_eq!(app.all_pages(&format!("status={status}")).await, [] as [Value; 0]);
    }
    let left = app.all_pages("limit=1").await;
    assert_eq!(left.iter().map(id).collect::<Vec<_>>(), [id(&waiting)], "what has not ended does not expire");
    app.check().await;
}

#[tokio::test]
async fn a_job_is_left_alone_until_its_lease_is_over() {
    let mut app = App::dev().on_disk().now(START).start().await;
    app.receiver.script("/slow", [stall(), answer(200)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/slow")).timeout_seconds(45)).await.created();
    let walk = walking_to(&app, NEXT_POLL);
    app.receiver.wait_for("/slow", 1).await;
    app.kill9().await;
    walk.abort();
    app.restart_at(NEXT_POLL).await;

    // Claimed at 12:01 for 45 s and 30 s: until 12:02:15, so the poll of 12:02 finds it leased.
    app.advance_to("2026-03-28T12:02:59Z").await;
    assert_eq!(app.receiver.calls("/slow").len(), 1);
    assert_eq!(app.job(id(&job)).await["status"], "Firing");
    app.cancel(id(&job)).await.problem(409);
    app.advance_to("2026-03-28T12:03:00Z").await;
    let job = app.job(id(&job)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("Done"), &json!(2)));
    let interrupted = &job["attemptLog"][0];
    assert_eq!((&interrupted["number"], &interrupted["startedAtUtc"]), (&json!(1), &Value::Null));
    assert!(interrupted["error"].as_str().unwrap().starts_with("interrupted"), "{interrupted}");
    app.check().await;
}

#[tokio::test]
async fn a_job_that_kills_its_poller_every_time_ends_in_the_dead_letter() {
    let mut app = App::dev().on_disk().now(START).start().await;
    app.receiver.script("/deadly", [stall()]);
    let job = a_job().to(&app.receiver.url("/deadly")).attempts(2).timeout_seconds(1).every(86_400);
    let job = app.post_job(job).await.created();
    for (attempt, instant) in [(1, "2026-03-28T12:01:00Z"), (2, "2026-03-28T12:05:00Z")] {
        let walk = walking_to(&app, instant);
        app.receiver.wait_for("/deadly", attempt).await;
        app.kill9().await;
        walk.abort();
        app.restart_at(instant).await;
        assert_eq!(app.job(id(&job)).await["attempts"], attempt);
    }
    app.advance_to("2026-03-28T13:00:00Z").await;
    let buried = app.job(id(&job)).await;
    assert_eq!((&buried["status"], &buried["attempts"]), (&json!("DeadLetter"), &json!(2)));
    assert_eq!(app.receiver.calls("/deadly").len(), 2, "no third call");
    app.wait_for_output("dead letter").await;
    let next = app.all_pages("status=Pending").await;
    assert_eq!(next[0]["occurrenceNumber"], 2, "the series goes on");
    app.check().await;
}

#[tokio::test]
async fn two_programs_on_one_store_deliver_each_job_once() {
    let store = Store::start(StoreKind::Embedded).await;
    let one = App::dev().on(&store).now(START).start().await;
    let other = App::dev().on(&store).now(START).calling(&one.receiver).start().await;
    for n in 0..40 {
        one.post_job(a_job().to(&one.receiver.url(&format!("/{n}"))).every(86_400).times(2)).await.created();
    }
    let (a, b) = tokio::join!(one.advance_to(NEXT_POLL), other.advance_to(NEXT_POLL));
    assert_eq!(a["delivered"].as_u64().unwrap() + b["delivered"].as_u64().unwrap(), 40, "{a} {b}");
    assert_eq!(one.receiver.all_calls().len(), 40);
    assert_eq!(one.all_pages("status=Pending&limit=200").await.len(), 40, "one successor each");
    one.check().await;
}
