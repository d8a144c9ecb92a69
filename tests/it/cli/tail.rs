//! `scheduler job tail` and `scheduler receive`: both sides of a delivery, as it happens.
//! It never looks at a finished job; `cli` does. Neighbour: `cli` has what they share.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::{created, environment, job};
use crate::support::app::{App, built_program};
use crate::support::conversation::id;
use crate::support::ports::unused_port;
use crate::support::process::{Exit, Process};
use crate::support::receiver::answer;

fn start(arguments: &[&str], environment: Vec<(String, OsString)>) -> Process {
    let mut command = Command::new(built_program());
    command.args(arguments).env_clear().envs(environment).stdin(Stdio::null());
    Process::spawn(command)
}

fn documents(exit: &Exit) -> Vec<Value> {
    exit.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn tail_tells_each_delivery_once_as_it_happens_and_nothing_from_before() {
    let mut app = App::at("2026-03-28T12:00:00Z").await;
    app.receiver.script("/flaky", [answer(500), answer(500), answer(200)]);
    let (flaky, hook) = (app.receiver.url("/flaky"), app.receiver.url("/hook"));
    let before = created(&app, &[&hook, "--name", "before"]).await;
    app.advance_to("2026-03-28T12:05:00Z").await;
    assert_eq!(app.job(id(&before)).await["status"], "Done");

    let arguments = ["job", "tail", "--json", "--every", "100ms", "--count", "5"];
    let mut tail = start(&arguments, environment(&app));
    tail.wait_for_line("following").await;
    let retried = created(&app, &[&flaky, "--name", "retried"]).await;
    created(&app, &[&hook, "--name", "later", "--in", "4h"]).await;
    app.advance_to("2026-03-28T12:10:00Z").await;
    tail.wait_for_line("\"number\":3").await;
    let dead = created(&app, &["http://127.0.0.1:9/", "--name", "dead", "--attempts", "1"]).await;
    app.advance_to("2026-03-28T12:15:00Z").await;
    tail.wait_for_line("DeadLetter").await;
    job(&app, &["retry", id(&dead)]).await.succeeded();
    app.advance_to("2026-03-28T12:20:00Z").await;

    let told = documents(&tail.exit().await);
    let told: Vec<_> =
        told.iter().map(|one| (one["jobId"].as_str().unwrap(), one["number"].as_u64().unwrap())).collect();
    let (retried, dead) = (id(&retried), id(&dead));
    assert_eq!(told, [(retried, 1), (retried, 2), (retried, 3), (dead, 1), (dead, 1)]);
    app.terminate().await;
}

#[tokio::test]
async fn tail_goes_on_when_the_scheduler_is_back() {
    let builder = App::dev().port(unused_port()).on_disk().now("2026-03-28T12:00:00Z");
    let mut app = builder.start().await;
    let mut tail = start(&["job", "tail", "--every", "100ms", "--count", "1"], environment(&app));
    tail.wait_for_line("following").await;
    app.kill9().await;
    tail.wait_for_line("did not answer").await;
    app.restart().await;
    created(&app, &[&app.receiver.url("/hook"), "--name", "after"]).await;
    app.advance_to("2026-03-28T12:05:00Z").await;
    let exit = tail.exit().await;
    assert!(exit.succeeded().stdout.ends_with("after  delivered"), "{exit:?}");
}

async fn received(secret: &str, extra: &[&str]) -> Exit {
    let arguments = ["receive", "--port", "0", "--count", "2", "--answer", "503"];
    let environment = vec![("SCHEDULER_SIGNING_SECRET".to_owned(), secret.into())];
    let mut receiver = start(&[&arguments[..], extra].concat(), environment);
    let (url, app) = if extra.is_empty() {
        (receiver.wait_for_announcement("ready ").await, App::dev())
    } else {
        receiver.wait_for_line("ready ").await;
        let line = receiver.output().lines().find_map(|line| line.strip_prefix("ready ").map(ToOwned::to_owned));
        (line.unwrap(), App::dev())
    };
    let app = app.signing_secret("right").poll_interval(Duration::from_millis(100)).start().await;
    let hook = format!("{url}/hook?a=1");
    let sent = created(&app, &[&hook, "--payload", r#"{"n": 1.50}"#, "--attempts", "2"]).await;
    receiver.wait_for_line("1.50").await;
    crate::support::waiting::until_some("the first failure", async || {
        (app.job(id(&sent)).await["status"] == "Pending" && app.job(id(&sent)).await["attempts"] == 1).then_some(())
    })
    .await;
    job(&app, &["run-now", id(&sent)]).await.succeeded();
    receiver.exit().await
}

#[tokio::test]
async fn receive_prints_each_callback_and_whether_its_signature_is_valid() {
    let exit = received("right", &[]).await;
    let calls: Vec<_> = exit.succeeded().stdout.lines().filter(|line| line.contains("POST /hook?a=1")).collect();
    assert!(calls[0].ends_with("signature valid  answered 503"), "{exit:?}");
    assert!(calls[1].ends_with("signature valid  (received before)  answered 503"), "{exit:?}");
    assert!(exit.stdout.contains("\n  contit-attempt: 2") && exit.stdout.contains("\n  {\"n\": 1.50}"), "{exit:?}");
}

#[tokio::test]
async fn receive_with_another_secret_says_that_the_signature_is_not_valid() {
    for call in documents(&received("wrong", &["--json"]).await) {
        assert_eq!((&call["signature"]["verdict"], &call["body"]), (&"invalid".into(), &r#"{"n": 1.50}"#.into()));
    }
}
