//! `scheduler job`, `receive` and `completions` as commands: what they send, print and answer to the shell.
//! It never looks into the tables. Neighbours: `cli::tail` follows, `cli::configuration` chooses a Scheduler.

mod configuration;
mod tail;

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::support::administration::scheduler;
use crate::support::app::App;
use crate::support::conversation::id;
use crate::support::process::Exit;
use crate::support::receiver::answer;

/// What points a command at this app, and nothing else.
fn environment(app: &App) -> Vec<(String, OsString)> {
    let set =
        [("SCHEDULER_URL", app.url("")), ("SCHEDULER_TOKEN", app.token_of_dev().to_owned()), ("TZ", "UTC".into())];
    set.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Runs `scheduler job …`; no command may print its token.
async fn job(app: &App, arguments: &[&str]) -> Exit {
    let exit = scheduler(&[&["job"], arguments].concat(), &environment(app)).await;
    assert!(!format!("{exit:?}").contains(app.token_of_dev()), "the token shows in {exit:?}");
    exit
}

/// The documents that a command with `--json` prints.
fn documents(exit: &Exit) -> Vec<Value> {
    exit.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn created(app: &App, arguments: &[&str]) -> Value {
    let exit = job(app, &[&["create", "--json"], arguments].concat()).await;
    let created = documents(&exit).pop().unwrap();
    app.promised(serde_json::from_value(created.clone()).unwrap());
    created
}

#[tokio::test]
async fn a_job_from_the_command_line_is_delivered_and_looked_at() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let url = app.receiver.url("/hook");
    app.receiver.script("/hook", [answer(503).body("\u{1b}[2Jnot now"), answer(200)]);
    let payload = r#"{ "z": 1.50, "a": 12345678901234567890 }"#;
    let arguments = ["create", &url, "--in", "1h", "--payload", payload, "--name", "remind", "--quiet"];
    let id = job(&app, &arguments).await.succeeded().stdout.clone();
    assert_eq!(id.len(), 36, "{id}");

    let listed = job(&app, &["list"]).await;
    let line = listed.succeeded().stdout.lines().nth(1).unwrap();
    assert!(line.starts_with(&format!("{id}  Pending  2026-03-28 13:00:00Z  0/5       -     POST {url}")), "{line}");
    app.advance_to("2026-03-28T14:00:00Z").await;
    assert_eq!(app.receiver.calls("/hook")[0].body, payload);

    let shown = job(&app, &["get", &id]).await.succeeded().stdout.clone();
    for part in ["status           Done", "503", "the receiver answered 503", "\u{fffd}[2Jnot now", payload] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let document = documents(&job(&app, &["get", &id, "--json"]).await).pop().unwrap();
    assert_eq!(document, app.job(&id).await);
}

#[tokio::test]
async fn each_flag_sets_its_field() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[1.0, \"file\"]\n").unwrap();
    let payload = format!("@{}", file.path().display());
    let flags = "--daily 10:00,15:00 --on mon,fri-sun --zone Asia/Tokyo --until 2027-06-01T00:00:00Z --times 9 \
                 --method put --header X-A:1 --idempotency-key k --correlation-id c --name n --attempts 3 --timeout 10s";
    let start = ["https://example.org/daily", "--at", "2026-12-24 18:00 Europe/Rome", "--payload", &payload];
    let job = created(&app, &start.into_iter().chain(flags.split_whitespace()).collect::<Vec<_>>()).await;
    for (field, expected) in [
        ("callbackUrl", json!("https://example.org/daily")),
        ("fireAtUtc", json!("2026-12-25T01:00:00.000Z")),
        ("scheduleTimes", json!(["10:00", "15:00"])),
        ("scheduleDaysOfWeek", json!([0, 1, 5, 6])),
        ("timeZone", json!("Asia/Tokyo")),
        ("endAtUtc", json!("2027-06-01T00:00:00.000Z")),
        ("maxOccurrences", json!(9)),
        ("method", json!("PUT")),
        ("headers", json!({ "X-A": "1" })),
        ("idempotencyKey", json!("k")),
        ("correlationId", json!("c")),
        ("name", json!("n")),
        ("maxRetries", json!(3)),
        ("timeoutSeconds", json!(10)),
        ("payload", json!([1.0, "file"])),
    ] {
        assert_eq!(job[field], expected, "{field} of {job}");
    }
    let every = created(&app, &["https://example.org/", "--every", "15m", "--in", "90s", "--payload", "hello"]).await;
    assert_eq!((&every["recurrenceSeconds"], &every["payload"]), (&json!(900), &json!("hello")));
    assert_eq!(every["fireAtUtc"], json!("2026-03-28T12:01:30.000Z"));
}

#[tokio::test]
async fn a_request_key_makes_one_job_however_often_it_is_run() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let arguments = ["https://example.org/", "--in", "1h", "--request-key", "order-17"];
    assert_eq!(id(&created(&app, &arguments).await), id(&created(&app, &arguments).await));
    let other = job(&app, &["create", "https://example.org/", "--request-key", "order-17"]).await;
    assert_eq!(other.code, Some(5), "{other:?}");
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code_and_its_words() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let reader = app.token("dev", &["read"]).await;
    let absent = "00000000-0000-4000-8000-000000000000";
    let done = created(&app, &["https://example.org/", "--in", "1h"]).await;
    job(&app, &["cancel", id(&done)]).await.succeeded();
    let url = "https://example.org/";
    for (arguments, code, words) in [
        (&["create"][..], 2, "<URL>"),
        (&["create", url, "--in", "soon"], 2, "is no duration"),
        (&["create", url, "--in", "1h", "--at", "now"], 2, "cannot be used with"),
        (&["create", url, "--on", "mon"], 2, "--daily"),
        (&["create", url, "--payload", "{"], 2, "--payload: the payload is not JSON"),
        (&["create", url, "--payload", "@/no/such/file"], 1, "/no/such/file cannot be read"),
        (&["create", "nowhere"], 2, "\n  URL: must be"),
        (&["create", url, "--daily", "10:00,1000"], 2, "\n  --daily (the 2nd): must be"),
        (&["create", url, "--header", "Host: x"], 2, "\n  --header Host: belongs"),
        (&["preview", url, "--count", "101"], 2, "\n  --count: "),
        (&["get", absent], 3, "(404)"),
        (&["get", ".."], 2, "is not the id of a job"),
        (&["list", "--token", "nope"], 4, "SCHEDULER_TOKEN"),
        (&["create", url, "--token", &reader], 4, "(403)"),
        (&["retry", id(&done)], 5, "Cancelled"),
        (&["run-now", id(&done)], 5, "Cancelled"),
    ] {
        let exit = job(&app, arguments).await;
        assert_eq!(exit.code, Some(code), "{arguments:?}: {exit:?}");
        assert!(exit.stderr.contains(words), "{words:?} is not in {exit:?}");
        assert_eq!(exit.stdout, "", "{arguments:?}");
    }
    assert!(app.all_pages("status=Pending").await.is_empty(), "what was refused was created");
}

#[tokio::test]
async fn of_several_jobs_each_is_changed_and_the_first_failure_is_the_exit_code() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(id(&created(&app, &["https://example.org/", "--in", "1h"]).await).to_owned());
    }
    let absent = "00000000-0000-4000-8000-000000000000";
    let exit = job(&app, &["cancel", &ids[0], absent, &ids[0], &ids[1]]).await;
    assert_eq!((exit.code, exit.stdout.lines().count(), exit.stderr.lines().count()), (Some(3), 2, 2), "{exit:?}");
    assert!(exit.stderr.lines().all(|line| line.contains(absent) || line.contains(&ids[0])), "{exit:?}");
    assert_eq!(app.all_pages("status=Cancelled").await.len(), 2);
}

#[tokio::test]
async fn dead_letters_are_retried_one_by_one_or_all() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    app.receiver.script("/dead", [answer(500)]);
    let url = app.receiver.url("/dead");
    for _ in 0..3 {
        created(&app, &[&url, "--attempts", "1"]).await;
    }
    app.advance_to("2026-03-28T12:05:00Z").await;
    let dead = documents(&job(&app, &["list", "--status", "dead-letter", "--json"]).await);
    assert_eq!(dead.len(), 3);
    app.receiver.script("/dead", [answer(200)]);
    job(&app, &["retry", id(&dead[0])]).await.succeeded();
    let range = ["retry", "--all", "--from", "2026-03-28 12:00 UTC", "--to", "2026-03-28T13:00:00+00:00"];
    let dry = job(&app, &[&range[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.succeeded().stdout, "2 dead letters, 0 retried");
    assert_eq!(job(&app, &range).await.succeeded().stdout, "2 dead letters, 2 retried");
    app.advance_to("2026-03-28T12:10:00Z").await;
    assert_eq!(app.all_pages("status=Done").await.len(), 3);
    app.check().await;
}

#[tokio::test]
async fn lists_say_when_there_is_more_and_walk_all_pages_when_asked() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    for hours in 1..=5 {
        created(&app, &["https://example.org/", "--in", &format!("{hours}h"), "--name", &hours.to_string()]).await;
    }
    let names =
        |exit: &Exit| documents(exit).iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect::<String>();
    let some = job(&app, &["list", "--limit", "2", "--json"]).await;
    assert_eq!((names(&some).as_str(), some.stderr.contains("There are more")), ("54", true));
    let all = job(&app, &["list", "--all", "--oldest-first", "--json", "--status", "PENDING"]).await;
    assert_eq!((names(&all).as_str(), all.stderr.as_str()), ("12345", ""));
    let range = ["list", "--from", "2026-03-28 14:00 UTC", "--to", "2026-03-28T16:00:00Z", "--json"];
    assert_eq!(names(&job(&app, &range).await), "32");
    let daily = created(&app, &["https://example.org/", "--every", "1h"]).await;
    for of in [id(&daily), daily["seriesId"].as_str().unwrap()] {
        let series = documents(&job(&app, &["list", "--series", of, "--json"]).await);
        assert_eq!(series.iter().map(id).collect::<Vec<_>>(), [id(&daily)]);
    }
    let alone = created(&app, &["https://example.org/"]).await;
    assert_eq!(job(&app, &["list", "--series", id(&alone)]).await.code, Some(2));
}

#[tokio::test]
async fn a_preview_tells_what_a_change_of_clocks_does_and_creates_nothing() {
    let app = App::at("2027-03-27T12:00:00Z").await;
    let arguments = ["preview", "https://example.org/", "--daily", "02:30", "--zone", "Europe/Rome", "--count", "2"];
    let shown = job(&app, &arguments).await.succeeded().stdout.clone();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].contains("Sun 2027-03-28 03:30:00 +02:00  02:30 does not exist"), "{shown}");
    assert!(lines[2].contains("Mon 2027-03-29 02:30:00 +02:00"), "{shown}");
    assert_eq!(lines[3], "and so on");
    assert!(app.all_pages("").await.is_empty());
}

#[tokio::test]
async fn completions_know_the_commands_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let exit = scheduler(&["completions", shell], &[]).await;
        for word in ["run-now", "--payload", "receive"] {
            // Some shells want the flag without its dashes.
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(exit.succeeded().stdout.contains(word), "{word} is not among the completions of {shell}");
        }
    }
}
