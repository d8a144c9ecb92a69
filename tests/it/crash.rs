//! The program killed at each step between two writes, started again, and everything that must hold checked.
//! The steps are found from outside: a proxy before the store holds the write that comes next.
//! Neighbours: `support::chaos_proxy` holds, `support::invariants` checks.

use serde_json::json;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::conversation::id;
use crate::support::receiver::{Receiver, answer, stall};
use crate::support::stores::{Store, StoreKind};

/// What the program is about to do when it is killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The claim is written, its answer has not come.
    AfterTheClaim,
    DuringTheCall,
    /// The receiver has answered; nothing is recorded.
    AfterTheAnswer,
    /// The next occurrence is put, the outcome is not recorded.
    BetweenSuccessorAndSettle,
}

async fn killed_at(step: Step) {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let receiver = Receiver::start().await;
    let start = "2026-03-28T12:00:00Z";
    let mut app = App::dev().now(start).on_through(&store, &proxy.url()).calling(&receiver).start().await;
    let job = app.post_job(a_job().to(&receiver.url("/x")).every(3_600).times(2)).await.created();
    let rule = match step {
        Step::AfterTheClaim => Some((operation("UpdateItem").nth(1), Fault::HoldAnswer)),
        Step::DuringTheCall => None,
        Step::AfterTheAnswer => Some((operation("PutItem").nth(1), Fault::HoldRequest)),
        Step::BetweenSuccessorAndSettle => Some((operation("UpdateItem").nth(2), Fault::HoldRequest)),
    };
    let rule = rule.map(|(matching, fault)| proxy.rule(matching, fault));
    if rule.is_none() {
        receiver.script("/x", [stall(), answer(204)]);
    }
    let request = app.request(http::Method::PUT, "/dev/clock").body(r#"{"nowUtc":"2026-03-28T12:01:00Z"}"#);
    let walk = tokio::spawn(request.send());
    match &rule {
        Some(rule) => rule.struck(1).await,
        None => drop(receiver.wait_for("/x", 1).await),
    }
    app.kill9().await;
    walk.abort();
    app.restart_at("2026-03-28T12:01:00Z").await;
    app.advance_to("2026-03-28T14:00:00Z").await;
    let series = app.all_pages("order=asc").await;
    let ended: Vec<_> =
        series.iter().map(|job| (job["status"].as_str().unwrap(), job["occurrenceNumber"].as_u64())).collect();
    assert_eq!(ended, [("Done", Some(1)), ("Done", Some(2))], "{step:?}");
    assert_eq!(app.job(id(&job)).await["attempts"], 2, "{step:?}: the attempt that died counts");
    app.check().await;
}

#[tokio::test]
async fn killed_after_the_claim_it_delivers_when_the_lease_is_over() {
    killed_at(Step::AfterTheClaim).await;
}

#[tokio::test]
async fn killed_during_the_call_it_calls_again() {
    killed_at(Step::DuringTheCall).await;
}

#[tokio::test]
async fn killed_after_the_answer_it_delivers_again_and_the_series_goes_on() {
    killed_at(Step::AfterTheAnswer).await;
}

#[tokio::test]
async fn killed_between_the_successor_and_the_settle_the_series_neither_ends_nor_forks() {
    killed_at(Step::BetweenSuccessorAndSettle).await;
}

#[tokio::test]
async fn a_program_killed_during_a_call_repeats_it_when_the_lease_has_run_out() {
    let mut app = App::dev().on_disk().now("2026-03-28T12:00:00Z").start().await;
    app.receiver.script("/hook", [stall(), answer(200)]);
    let job = app.post_job(a_job().to(&app.receiver.url("/hook")).timeout_seconds(10)).await.created();
    let clock =
        app.request(http::Method::PUT, "/dev/clock").body(json!({ "nowUtc": "2026-03-28T12:10:00Z" }).to_string());
    let walking = tokio::spawn(clock.send());
    app.receiver.wait_for("/hook", 1).await;
    app.kill9().await;
    assert!(walking.await.unwrap().is_err());

    app.restart_at("2026-03-28T12:01:00Z").await;
    assert_eq!(app.job(id(&job)).await["status"], "Firing");
    app.advance_to("2026-03-28T12:10:00Z").await;
    let calls = app.receiver.calls("/hook");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].header("contit-idempotency-key"), calls[1].header("contit-idempotency-key"));
    let done = app.job(id(&job)).await;
    assert_eq!((&done["status"], &done["attempts"]), (&json!("Done"), &json!(2)));
    app.check().await;
}
