//! `scheduler dev` as a command: its own clock, how it stops, and what it says when it cannot start.
//! It never looks at single jobs; `journey` does. Neighbour: `support::app` knows its flags.

use std::time::Duration;

use serde_json::json;

use crate::support::app::App;
use crate::support::builders::a_job;

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
