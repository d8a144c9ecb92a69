//! The whole program through a day of its life: it fires, retries, recurs, is cut off from its store and is killed.
//! It never goes into the details of a rule; the checker goes through all of them at the end of each test.
//! Neighbours: `support::app` starts the program, `support::invariants` is the checker.

use std::time::Duration;

use serde_json::json;

use crate::on_both_stores;
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::conversation::id;
use crate::support::receiver::{answer, failing, stall};

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

on_both_stores! {
    async fn no_answer_of_the_store_that_gets_lost_loses_or_doubles_a_job(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        let claims = proxy.rule(operation("UpdateItem").with_text(":firing").nth(1), Fault::DropAnswer);
        let settles = proxy.rule(operation("UpdateItem").with_text("#Done").nth(1), Fault::DropAnswer);
        let puts = proxy.rule(operation("PutItem"), Fault::DropAnswer);
        let creating = app.post_job(a_job().to(&app.receiver.url("/hook")).every(600));
        let healing = async {
            puts.struck(1).await;
            puts.withdraw();
        };
        let (created, ()) = tokio::join!(creating, healing);
        created.created();

        app.advance_to("2026-03-28T12:30:30Z").await;
        assert_eq!((claims.times_struck(), settles.times_struck()), (1, 1));
        assert_eq!(app.receiver.calls("/hook").len(), 4);
        app.check().await;
    }
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

#[tokio::test]
async fn on_the_systems_clock_it_polls_by_itself_and_stops_when_told() {
    let mut app = App::dev().poll_interval(Duration::from_millis(100)).start().await;
    app.post_job(a_job().to(&app.receiver.url("/hook"))).await.created();
    app.receiver.wait_for_answered("/hook", 1).await;
    app.put("/dev/clock", &json!({ "nowUtc": "2126-01-01T00:00:00Z" })).await.has_status(409);
    app.wait_until_idle().await;
    app.check().await;
    let exit = app.terminate().await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[tokio::test]
async fn a_port_in_use_and_a_file_that_is_no_database_are_named() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let port = app.url("").rsplit(':').next().unwrap().parse().unwrap();
    let exit = App::dev().port(port).start_failing().await;
    assert_eq!((exit.code, exit.stderr.lines().count()), (Some(1), 1), "{exit:?}");
    assert!(exit.stderr.contains(&port.to_string()), "{exit:?}");

    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), "this is no database, whatever its name says, and it is long enough to be one")
        .unwrap();
    let exit = App::dev().data(broken.path()).start_failing().await;
    assert_eq!((exit.code, exit.stderr.lines().count()), (Some(1), 1), "{exit:?}");
    assert!(exit.stderr.contains(broken.path().to_str().unwrap()), "{exit:?}");
}
