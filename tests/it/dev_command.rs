//! `scheduler dev` as a command: its own clock, how it stops, and what it says when it cannot start.
//! It never asks what a single job is promised; `contract` does. Neighbour: `support::app` knows its flags.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::app::{App, built_program};
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::process::Process;
use crate::support::receiver::{answer, failing, stall};
use crate::support::stores;
use crate::support::waiting::until_some;

/// `scheduler dev` as somebody types it who asks for no more than a free port, in a folder of their own.
fn as_typed(folder: &Path, flags: &[&str]) -> Process {
    let mut command = Command::new(built_program());
    command.args(["dev", "--port", "0"]).args(flags).current_dir(folder).stdin(Stdio::null());
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    Process::spawn(command)
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// The commands that it prints for its user to try, each as it stands there.
fn printed_commands(lines: &[String]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in lines {
        match commands.last_mut() {
            _ if line.starts_with("  curl ") => commands.push(line.clone()),
            Some(last) if last.ends_with('\\') => *last = format!("{last}\n{line}"),
            _ => {}
        }
    }
    commands
}

/// What the API answers to such a command, run in a shell that has the token in `TOKEN`.
async fn status_of(command: &str, token: &str) -> String {
    let command = format!("{command} --silent --output answer --write-out '%{{http_code}}'");
    let folder = TempDir::new().unwrap();
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &command]).env("TOKEN", token).current_dir(folder.path()).output().await.unwrap();
    String::from_utf8(shell.stdout).unwrap()
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
    let port = port_of(&app.url(""));
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

#[tokio::test]
async fn a_store_out_of_reach_is_named() {
    let exit = App::dev().dynamodb_endpoint("http://127.0.0.1:9").start_failing().await;
    exit.failed_saying("the store at http://127.0.0.1:9 cannot be used");
}

#[tokio::test]
async fn a_store_port_in_use_is_named_when_it_was_asked_for() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    App::dev().dynamodb_port(port).start_failing().await.failed_saying(&format!("port {port} on 127.0.0.1"));
}

#[tokio::test]
async fn the_store_listens_on_port_8000_or_where_there_is_room() {
    let folder = TempDir::new().unwrap();
    let first = until_some("port 8000, or somebody else on it", async || {
        let process = as_typed(folder.path(), &["--in-memory"]);
        let store = process.wait_for_announcement("dynamodb ").await;
        let (on_8000, others) = (port_of(&store) == 8000, TcpListener::bind(("127.0.0.1", 8000)).is_err());
        (on_8000 || others).then_some(process)
    })
    .await;
    let second = as_typed(folder.path(), &["--in-memory"]);
    let store = second.wait_for_announcement("dynamodb ").await;
    assert_ne!(port_of(&store), 8000, "somebody is there");
    second.wait_for_announcement("ready ").await;
    assert!(stores::client(&store).list_tables().send().await.is_ok_and(|tables| tables.table_names().len() == 3));
    drop(first);
}

#[tokio::test]
async fn what_it_prints_to_try_works_as_it_stands() {
    let folder = TempDir::new().unwrap();
    let ours = "sch_testing_a-token-of-its-user's-own";
    for (flags, token, commands) in [
        (&["--in-memory", "--dynamodb-port", "0"][..], "unset", 1),
        (&["--in-memory", "--dynamodb-port", "0", "--token", ours, "--now", "2026-03-28T12:00:00Z"], ours, 2),
    ] {
        let process = as_typed(folder.path(), flags);
        process.wait_for_line("delaySeconds").await;
        if commands == 2 {
            process.wait_for_line("/dev/clock").await;
        }
        let printed = printed_commands(&process.stdout());
        assert_eq!(printed.len(), commands, "{printed:?}");
        assert_eq!(status_of(&printed[0], token).await, "201", "{printed:?}");
        for clock in &printed[1..] {
            let forward = clock.replace('…', "2026-03-28T12:01:00Z");
            assert_eq!(status_of(&forward, token).await, "200", "{forward}");
        }
        assert!(!process.output().contains(ours), "its user's secret: {}", process.output());
    }
}

#[tokio::test]
async fn a_short_token_stands_in_no_table() {
    let token = "s3cret-abc";
    let app = App::dev().token(token).now("2026-03-28T12:00:00Z").start().await;
    app.post_job(a_job().in_seconds(60)).await.created();
    app.advance_to("2026-03-28T12:05:00Z").await;
    let (mut items, mut used) = (0, false);
    for table in ["scheduler-jobs", "scheduler-tenants", "scheduler-usage"] {
        let scanned = app.dynamodb().scan().table_name(table).send().await.unwrap();
        let text = format!("{:?}", scanned.items());
        assert!(!text.contains(token), "{table}: {text}");
        items += scanned.items().len();
        used |= text.contains("token#");
    }
    assert!(items >= 3 && used, "a job, a token and its use");
    app.command(&["token", "revoke", token]).await.succeeded();
    app.advance_to("2026-03-28T12:06:00Z").await;
    app.get("/scheduled-jobs").await.problem(401);
}

#[tokio::test]
async fn what_has_expired_is_swept_from_the_data_file() {
    let mut app = App::dev().on_disk().start().await;
    let second = |year: &str| shared::clock::parse_instant(&format!("{year}-01-01T00:00:00Z")).unwrap().timestamp();
    for (id, expires_at) in [("past", second("2020")), ("to-come", second("2126"))] {
        let put = app.dynamodb().put_item().table_name(app.jobs_table()).item("id", AttributeValue::S(id.to_owned()));
        put.item("expiresAt", AttributeValue::N(expires_at.to_string())).send().await.unwrap();
    }
    app.restart().await;
    let left = until_some("the sweep", async || {
        let items = app.dynamodb().scan().table_name(app.jobs_table()).send().await.unwrap().items.unwrap();
        let ids: Vec<_> = items.iter().map(|item| item["id"].as_s().unwrap().clone()).collect();
        (!ids.contains(&"past".to_owned())).then_some(ids)
    })
    .await;
    assert_eq!(left, ["to-come"]);
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_in_flight_and_takes_nothing_new() {
    let often = Duration::from_millis(100);
    let app = App::dev().on_disk().poll_interval(often).env("POLLER_CONCURRENCY_PER_HOST", "1");
    let mut app = app.start().await;
    app.receiver.script("/slow", [stall()]);
    let slow = app.post_job(a_job().to(&app.receiver.url("/slow"))).await.created();
    app.receiver.wait_for("/slow", 1).await;
    // Next in line for the one place that there is at this receiver.
    let next = app.post_job(a_job().to(&app.receiver.url("/next"))).await.created();
    app.wait_for_output(": 2 due, 0 delivered").await;

    let (receiver, api) = (app.receiver.clone(), ("127.0.0.1", port_of(&app.url(""))));
    let release = async {
        until_some("no more requests to be taken", async || TcpStream::connect(api).await.err()).await;
        receiver.release("/slow");
    };
    let (exit, ()) = tokio::join!(app.terminate(), release);
    assert_eq!(exit.succeeded().stderr.matches("left to its lease").count(), 0, "{exit:?}");
    assert!(app.receiver.calls("/next").is_empty());

    // On a clock that stands still nothing is delivered: what is shown was in the file.
    app.restart_at("2026-03-28T12:00:00Z").await;
    let (slow, next): (Value, Value) = (app.job(id(&slow)).await, app.job(id(&next)).await);
    assert_eq!((&slow["status"], &slow["attempts"]), (&json!("Done"), &json!(1)));
    assert_eq!((&next["status"], &next["attempts"]), (&json!("Pending"), &json!(0)));
}

#[tokio::test]
async fn a_data_file_that_was_overwritten_is_named_wherever_that_was() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("dev.sqlite");
    let mut app = App::dev().data(&file).now("2026-03-28T12:00:00Z").start().await;
    for _ in 0..50 {
        app.post_job(a_job().in_seconds(3_600).payload("x".repeat(900).into())).await.created();
    }
    app.terminate().await.succeeded();
    let whole = std::fs::read(&file).unwrap();
    for (from, to) in [(100, whole.len()), (whole.len() / 3, whole.len() * 2 / 3), (whole.len() - 8_192, whole.len())] {
        let mut damaged = whole.clone();
        damaged[from..to].fill(0xaa);
        std::fs::write(&file, damaged).unwrap();
        let exit = App::dev().data(&file).start_failing().await;
        exit.failed_saying(&format!("the data file {} cannot be used", file.display()));
    }
    std::fs::write(&file, whole).unwrap();
    let app = App::dev().data(&file).now("2026-03-28T12:00:00Z").start().await;
    assert_eq!(app.all_pages("").await.len(), 50, "and it was not touched");
}
