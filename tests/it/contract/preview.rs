//! The preview of a schedule: what it lists is what is then delivered, also where the clocks change.
//! It never computes an instant of its own. Neighbour: `recurrence` has what series do.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::{JobRequest, a_job};
use crate::support::conversation::{Answer, Conversation, id};

const START: &str = "2027-03-26T12:00:00Z";

async fn preview(client: &Conversation, query: &str, job: impl Into<Value>) -> Answer {
    client.post_raw(&format!("/scheduled-jobs/preview{query}"), "application/json", job.into().to_string()).await
}

fn each(preview: &Value, name: &str) -> Vec<Value> {
    preview["occurrences"].as_array().unwrap().iter().map(|occurrence| occurrence[name].clone()).collect()
}

/// Previews a job on a clock at `start`, then creates it, plays to `end`, and compares.
async fn agrees_with_what_is_delivered(start: &str, end: &str, job: JobRequest) -> Value {
    let app = App::at(start).await;
    let job = job.to(&app.receiver.url("/x"));
    let planned = preview(&app, "?count=6", job.clone()).await.ok();
    assert_eq!(app.all_pages("").await, [] as [Value; 0], "a preview stores nothing");
    let created = app.post_job(job).await.created();
    app.advance_to(end).await;
    let query = created["seriesId"].as_str().map(|series| format!("seriesId={series}&order=asc"));
    let fired = app.all_pages(&query.unwrap_or_default()).await;
    let fired: Vec<Value> = fired.iter().map(|job| job["fireAtUtc"].clone()).take(6).collect();
    assert_eq!(each(&planned, "fireAtUtc"), fired, "{planned}");
    assert!(!app.receiver.calls("/x").is_empty());
    app.check().await;
    planned
}

#[tokio::test]
async fn the_night_the_clocks_go_forward_is_told_and_then_delivered_so() {
    let job = a_job().daily_at(["02:30"]);
    let planned = agrees_with_what_is_delivered(START, "2027-04-02T12:00:00Z", job).await;
    assert_eq!(planned["timeZone"], "Europe/Rome");
    assert_eq!(planned["complete"], false);
    assert_eq!(each(&planned, "occurrenceNumber"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        each(&planned, "fireAtLocal")[..3],
        ["2027-03-27T02:30:00+01:00", "2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"]
    );
    let notes = each(&planned, "note");
    let detail = "02:30 does not exist on 2027-03-28 in Europe/Rome: the clocks go forward, it fires at 03:30.";
    assert_eq!(notes[1], json!({ "kind": "gap", "detail": detail }));
    assert!(notes.iter().enumerate().all(|(n, note)| n == 1 || note.is_null()), "{notes:?}");
}

#[tokio::test]
async fn the_night_the_clocks_go_back_is_told_and_then_delivered_so() {
    let job = a_job().daily_at(["02:30"]);
    let planned = agrees_with_what_is_delivered("2027-10-29T12:00:00Z", "2027-11-05T12:00:00Z", job).await;
    assert_eq!(
        each(&planned, "fireAtLocal")[..3],
        ["2027-10-30T02:30:00+02:00", "2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"]
    );
    let notes = each(&planned, "note");
    let detail = "02:30 comes twice on 2027-10-31 in Europe/Rome: the clocks go back, it fires at the first.";
    assert_eq!(notes[1], json!({ "kind": "overlap", "detail": detail }));
    assert!(notes.iter().enumerate().all(|(n, note)| n == 1 || note.is_null()), "{notes:?}");
}

#[tokio::test]
async fn two_times_that_meet_are_told_as_one_and_delivered_once() {
    let job = a_job().daily_at(["02:30", "03:30"]);
    let planned = agrees_with_what_is_delivered("2027-03-27T12:00:00Z", "2027-04-01T12:00:00Z", job).await;
    assert_eq!(each(&planned, "note")[0]["kind"], "merged");
    assert_eq!(each(&planned, "fireAtUtc")[..2], ["2027-03-28T01:30:00.000Z", "2027-03-29T00:30:00.000Z"]);
}

#[tokio::test]
async fn a_series_that_ends_is_complete_where_it_ends() {
    let three = a_job().daily_at(["09:00"]).on_days([1, 3]).in_zone("America/New_York").times(3);
    let planned = agrees_with_what_is_delivered(START, "2027-04-20T12:00:00Z", three.clone()).await;
    assert_eq!((each(&planned, "fireAtUtc").len(), &planned["complete"]), (3, &json!(true)));
    let app = App::at(START).await;
    let two = preview(&app, "?count=2", three.clone()).await.ok();
    assert_eq!((each(&two, "fireAtUtc").len(), &two["complete"]), (2, &json!(false)));
    let exactly = preview(&app, "?count=3", three).await.ok();
    assert_eq!(exactly["complete"], true);
}

#[tokio::test]
async fn intervals_and_one_shots_have_no_wall_clock() {
    let begun = a_job().every(3600).at("2027-03-26T09:30:00Z");
    let planned = agrees_with_what_is_delivered(START, "2027-03-26T20:00:00Z", begun).await;
    assert_eq!(each(&planned, "fireAtUtc")[..2], ["2027-03-26T09:30:00.000Z", "2027-03-26T12:30:00.000Z"]);
    assert_eq!(planned["timeZone"], Value::Null);
    assert!(each(&planned, "fireAtLocal").iter().chain(&each(&planned, "note")).all(Value::is_null));

    let once = agrees_with_what_is_delivered(START, "2027-03-26T13:00:00Z", a_job().in_seconds(90)).await;
    let expected = json!({
        "timeZone": null, "complete": true,
        "occurrences": [{
            "occurrenceNumber": 1, "fireAtUtc": "2027-03-26T12:01:30.000Z", "fireAtLocal": null, "note": null,
        }],
    });
    assert_eq!(once, expected);
}

#[tokio::test]
async fn a_preview_is_refused_as_the_creation_would_be() {
    let app = App::at(START).await;
    for job in [
        a_job().without("callbackUrl"),
        a_job().every(59).with("payloud", 1),
        a_job().to("http://10.0.0.1/").daily_at(["25:00"]).in_zone("Rome"),
        a_job().daily_at(["12:00"]).until("2027-03-26T10:00:00Z"),
    ] {
        let refused = app.post_job(job.clone()).await;
        assert_eq!(preview(&app, "", job).await.problem(400).body["errors"], refused.problem(400).body["errors"]);
    }
    for (query, pointers) in [
        ("?count=0", &["/count"] as &[&str]),
        ("?count=101", &["/count"]),
        ("?count=1&count=2", &["/count"]),
        ("?limit=3", &["/limit"]),
    ] {
        assert_eq!(preview(&app, query, a_job()).await.problem(400).pointers(), pointers, "{query}");
    }
    let both = preview(&app, "?count=x", a_job().without("callbackUrl")).await;
    assert_eq!(both.problem(400).pointers(), ["/callbackUrl", "/count"]);
    app.post_raw("/scheduled-jobs/preview", "application/json", "x").await.problem(400);
    app.post_raw("/scheduled-jobs/preview", "text/plain", "{}").await.problem(415);
    app.post_raw("/scheduled-jobs/preview", "application/json", "x".repeat(600 << 10)).await.problem(413);
    preview(&app.without_token(), "", a_job()).await.problem(401);
    let reader = app.with_token(&app.token("dev", &["read"]).await);
    preview(&reader, "", a_job()).await.problem(403);
}

#[tokio::test]
async fn a_preview_lists_up_to_a_hundred_and_ten_unless_told() {
    let app = App::at(START).await;
    for (query, count) in [("", 10), ("?count=1", 1), ("?count=100", 100)] {
        let planned = preview(&app, query, a_job().daily_at(["00:00", "06:00"])).await.ok();
        assert_eq!(each(&planned, "fireAtUtc").len(), count);
    }
    let job = app.post_job(a_job().in_seconds(60)).await.created();
    assert_eq!(app.all_pages("").await.iter().map(id).collect::<Vec<_>>(), [id(&job)]);
}
