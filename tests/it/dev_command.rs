//! `scheduler dev` as a command: its own clock, how it stops, and what it says when it cannot start.
//! It never asks what a single job is promised; `contract` does. Neighbour: `support::app` knows its flags.

use std::time::Duration;

use serde_json::json;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::receiver::{answer, failing};

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

#[tokio::test]
async fn a_walk_of_the_clock_plays_every_poll_on_the_way_and_tells_what_happened() {
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
    assert_eq!(walked["nowUtc"], "2026-03-31T00:00:00.000Z");
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

#[tokio::test]
async fn the_clock_only_moves_forward_and_only_to_an_instant() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let walked = app.advance_to("2026-03-28T13:30:00+01:00").await;
    assert_eq!(walked, json!({ "nowUtc": "2026-03-28T12:30:00.000Z", "ticks": 0, "delivered": 0, "failed": 0 }));
    for wish in [
        json!({ "nowUtc": "2026-03-28T12:29:59.999Z" }),
        json!({ "nowUtc": "tomorrow" }),
        json!({ "nowUtc": 5 }),
        json!({ "now": "2026-03-28T13:00:00Z" }),
        json!([]),
    ] {
        app.put("/dev/clock", &wish).await.has_status(400);
    }
    assert_eq!(app.get("/dev/clock").await.ok(), json!({ "nowUtc": "2026-03-28T12:30:00.000Z" }));
    app.advance_to("2026-03-28T12:30:00Z").await;
}
