//! CONTRACT §6, and of §1 no drift and no replay: when a recurring job fires again, as which occurrence, and when no more.
//! Expectations are written down by hand. Neighbours: `calendar_oracle` compares thousands of computed schedules,
//! `support::invariants` holds every series against its own idea of it.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::{JobRequest, a_job};
use crate::support::conversation::id;
use crate::support::receiver::{Call, Receiver, answer, failing};

const START: &str = "2026-03-28T12:00:00Z";

/// When a path was called: day, hour and minute in UTC.
fn called_at(receiver: &Receiver, path: &str) -> Vec<String> {
    let at = |call: &Call| call.at.unwrap().format("%m-%d %H:%M").to_string();
    receiver.calls(path).iter().map(at).collect()
}

/// The occurrences of a series, each with a field of it.
async fn series(app: &App, first: &Value, field: &str) -> Vec<Value> {
    let all = app.all_pages("order=asc&limit=200").await;
    all.iter().filter(|job| job["seriesId"] == first["id"]).map(|job| job[field].clone()).collect()
}

#[tokio::test]
async fn an_interval_goes_on_from_the_planned_instant_whatever_retries_did() {
    let app = App::at(START).await;
    app.receiver.script("/flaky", failing(3, 500));
    let first = app.post_job(a_job().to(&app.receiver.url("/flaky")).every(3600).times(3)).await.created();
    app.advance_to("2026-03-28T18:00:00Z").await;
    assert_eq!(
        called_at(&app.receiver, "/flaky"),
        ["03-28 12:01", "03-28 12:02", "03-28 12:04", "03-28 12:08", "03-28 13:00", "03-28 14:00"]
    );
    let planned = ["12:00", "13:00", "14:00"].map(|time| json!(format!("2026-03-28T{time}:00.000Z")));
    assert_eq!(series(&app, &first, "fireAtUtc").await, planned);
    assert_eq!(series(&app, &first, "occurrenceNumber").await, [1, 2, 3].map(Value::from));
    app.check().await;
}

#[tokio::test]
async fn instants_that_pass_during_retries_are_not_made_up_for() {
    let app = App::at(START).await;
    app.receiver.script("/flaky", failing(3, 500));
    let first = app.post_job(a_job().to(&app.receiver.url("/flaky")).every(150).times(2)).await.created();
    app.advance_to("2026-03-28T12:30:00Z").await;
    // Done at 12:08; 12:02:30, 12:05 and 12:07:30 have passed.
    let planned = ["12:00:00", "12:10:00"].map(|time| json!(format!("2026-03-28T{time}.000Z")));
    assert_eq!(series(&app, &first, "fireAtUtc").await, planned);
    app.check().await;
}

#[tokio::test]
async fn after_an_outage_what_is_overdue_fires_once_and_the_missed_are_neither_replayed_nor_counted() {
    let mut app = App::dev().on_disk().now(START).start().await;
    let (hourly, daily) = (app.receiver.url("/hourly"), app.receiver.url("/daily"));
    let interval = app.post_job(a_job().to(&hourly).every(3600).times(3)).await.created();
    let calendar = a_job().to(&daily).daily_at(["15:00"]).times(3);
    let calendar = app.post_job(calendar).await.created();
    app.advance_to("2026-03-28T12:30:00Z").await;
    app.kill9().await;
    // Down from Saturday noon to Tuesday.
    app.restart_at("2026-03-31T09:20:00Z").await;
    app.advance_to("2026-04-03T00:00:00Z").await;
    assert_eq!(called_at(&app.receiver, "/hourly"), ["03-28 12:01", "03-31 09:21", "03-31 10:00"]);
    assert_eq!(called_at(&app.receiver, "/daily"), ["03-31 09:21", "03-31 13:00", "04-01 13:00"]);
    let planned = ["2026-03-28T14:00:00.000Z", "2026-03-31T13:00:00.000Z", "2026-04-01T13:00:00.000Z"];
    assert_eq!(series(&app, &calendar, "fireAtUtc").await, planned.map(Value::from));
    for first in [interval, calendar] {
        assert_eq!(series(&app, &first, "occurrenceNumber").await, [1, 2, 3].map(Value::from));
        assert_eq!(series(&app, &first, "status").await, ["Done"; 3].map(Value::from));
    }
    app.check().await;
}

/// Posts these jobs, walks to the end, and holds each one's planned instants against what is expected.
async fn check_sequences<const N: usize>(start: &str, end: &str, jobs: [(JobRequest, &[&str]); N]) {
    let app = App::at(start).await;
    let mut expectations = Vec::new();
    for (job, expected) in jobs {
        let job = Value::from(job.to(&app.receiver.url("/hook")));
        expectations.push((job.clone(), app.post_job(job).await.created(), expected));
    }
    app.advance_to(end).await;
    for (job, first, expected) in expectations {
        let expected: Vec<Value> = expected.iter().map(|at| json!(format!("2026-{at}:00.000Z"))).collect();
        assert_eq!(series(&app, &first, "fireAtUtc").await, expected, "{job}");
        assert_eq!(series(&app, &first, "seriesId").await, vec![first["id"].clone(); expected.len()]);
    }
    app.check().await;
}

fn daily<const N: usize>(zone: &str, times: [&str; N], occurrences: u32) -> JobRequest {
    a_job().in_zone(zone).daily_at(times).times(occurrences)
}

#[tokio::test]
async fn a_time_in_the_spring_gap_moves_forward_by_the_gap() {
    let new_york = daily("America/New_York", ["02:30"], 3).at("2026-03-07T00:00:00Z");
    let rome = daily("Europe/Rome", ["02:30"], 3).at("2026-03-28T00:00:00Z");
    // Without a zone it is Rome's.
    let default = a_job().daily_at(["02:30"]).times(3).at("2026-03-28T00:00:00Z");
    let edges = daily("Europe/Rome", ["01:59", "02:00", "02:59", "03:00"], 4).at("2026-03-29T00:00:00Z");
    check_sequences(
        "2026-03-06T12:00:00Z",
        "2026-04-01T00:00:00Z",
        [
            (new_york, &["03-07T07:30", "03-08T07:30", "03-09T06:30"]),
            (rome, &["03-28T01:30", "03-29T01:30", "03-30T00:30"]),
            (default, &["03-28T01:30", "03-29T01:30", "03-30T00:30"]),
            // 02:00 is shown as 03:00, where the listed 03:00 is: one occurrence. 02:59 is shown as 03:59.
            (edges, &["03-29T00:59", "03-29T01:00", "03-29T01:59", "03-29T23:59"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_time_in_the_autumn_overlap_fires_once_at_the_first() {
    let rome = daily("Europe/Rome", ["02:30"], 3).at("2026-10-24T00:00:00Z");
    let new_york = daily("America/New_York", ["01:30"], 3).at("2026-10-31T00:00:00Z");
    let between = daily("Europe/Rome", ["02:30"], 1).at("2026-10-25T00:45:00Z");
    let edges = daily("Europe/Rome", ["02:00", "02:59", "03:00"], 4).at("2026-10-25T00:00:00Z");
    check_sequences(
        "2026-10-23T12:00:00Z",
        "2026-11-04T00:00:00Z",
        [
            (rome, &["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
            (new_york, &["10-31T05:30", "11-01T05:30", "11-02T06:30"]),
            (between, &["10-26T01:30"]),
            (edges, &["10-25T00:00", "10-25T00:59", "10-25T02:00", "10-26T01:00"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn times_that_land_on_one_instant_are_one_occurrence() {
    let gap = daily("Europe/Rome", ["02:30", "03:30"], 4).at("2026-03-29T00:00:00Z");
    let repeated = daily("Europe/Rome", ["10:00", "10:00"], 2).at("2026-03-29T00:00:00Z");
    check_sequences(
        START,
        "2026-04-01T00:00:00Z",
        [
            (gap, &["03-29T01:30", "03-30T00:30", "03-30T01:30", "03-31T00:30"]),
            (repeated, &["03-29T08:00", "03-30T08:00"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn days_are_those_of_the_local_calendar() {
    // 29 March 2026 is a Sunday.
    let sunday_night = daily("America/New_York", ["23:30"], 2).on_days([0]);
    let monday_morning = daily("Asia/Tokyo", ["00:30"], 2).on_days([1]);
    let weekdays = daily("Europe/Rome", ["09:00"], 6).on_days([1, 2, 3, 4, 5]);
    let weekend = daily("Europe/Rome", ["09:00", "21:00"], 4).on_days([6, 0, 0]);
    check_sequences(
        START,
        "2026-04-08T00:00:00Z",
        [
            (sunday_night, &["03-30T03:30", "04-06T03:30"]),
            (monday_morning, &["03-29T15:30", "04-05T15:30"]),
            (weekdays, &["03-30T07:00", "03-31T07:00", "04-01T07:00", "04-02T07:00", "04-03T07:00", "04-06T07:00"]),
            (weekend, &["03-28T20:00", "03-29T07:00", "03-29T19:00", "04-04T07:00"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_series_ends_at_its_end_or_when_its_number_is_reached() {
    let hourly = || a_job().every(3600).at("2026-03-28T13:00:00Z");
    let noon = || daily("Europe/Rome", ["12:00"], 100);
    check_sequences(
        START,
        "2026-04-02T00:00:00Z",
        [
            // One exactly at the end still fires.
            (hourly().until("2026-03-28T15:00:00Z"), &["03-28T13:00", "03-28T14:00", "03-28T15:00"]),
            (hourly().until("2026-03-28T14:59:59.999Z"), &["03-28T13:00", "03-28T14:00"]),
            (hourly().until("2026-03-28T13:00:00Z"), &["03-28T13:00"]),
            (hourly().times(1), &["03-28T13:00"]),
            (hourly().times(2).until("2030-01-01T00:00:00Z"), &["03-28T13:00", "03-28T14:00"]),
            (noon().until("2026-03-30T12:00:00+02:00"), &["03-29T10:00", "03-30T10:00"]),
            (noon().until("2026-03-30T11:59:59+02:00"), &["03-29T10:00"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_occurrence_has_a_key_of_its_own_that_its_retries_share() {
    let app = App::at(START).await;
    app.receiver.script("/flaky", failing(1, 500));
    let first = app.post_job(a_job().to(&app.receiver.url("/flaky")).every(3600).key("k").times(3)).await.created();
    let generated = app.post_job(a_job().to(&app.receiver.url("/x")).every(3600).times(2)).await.created();
    app.advance_to("2026-03-28T15:00:00Z").await;
    let keys = |path: &str| {
        let key = |call: Call| call.header("contit-idempotency-key").unwrap().to_owned();
        app.receiver.calls(path).into_iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys("/flaky"), ["k", "k", "k:2", "k:3"]);
    assert_eq!(series(&app, &first, "idempotencyKey").await, ["k", "k:2", "k:3"].map(Value::from));
    let key = generated["idempotencyKey"].as_str().unwrap();
    assert_eq!(keys("/x"), [key.to_owned(), format!("{key}:2")]);
    app.check().await;
}

#[tokio::test]
async fn a_series_goes_on_after_a_dead_letter() {
    let app = App::at(START).await;
    app.receiver.script("/down", [answer(500), answer(500), answer(200)]);
    let job = a_job().to(&app.receiver.url("/down")).every(3600).attempts(2).times(2).named("n").correlation("c");
    let first = app.post_job(job.payload(json!([1])).header("X-A", "1")).await.created();
    app.advance_to("2026-03-28T14:00:00Z").await;
    assert_eq!(series(&app, &first, "status").await, ["DeadLetter", "Done"].map(Value::from));
    let again: Vec<Value> = app.all_pages("order=desc&limit=1").await;
    for inherited in ["name", "correlationId", "payload", "headers", "callbackUrl", "maxRetries", "maxOccurrences"] {
        assert_eq!(again[0][inherited], first[inherited], "{inherited}");
    }
    assert_eq!((&again[0]["attempts"], &again[0]["occurrenceNumber"]), (&json!(1), &json!(2)));
    app.check().await;
}

#[tokio::test]
async fn cancelling_any_occurrence_ends_the_series() {
    let app = App::at(START).await;
    let early = app.post_job(a_job().to(&app.receiver.url("/early")).in_seconds(60).every(60)).await.created();
    app.cancel(id(&early)).await.ok();
    let late = app.post_job(a_job().to(&app.receiver.url("/late")).every(3600)).await.created();
    app.advance_to("2026-03-28T13:30:00Z").await;
    let waiting = app.all_pages("status=Pending").await;
    assert_eq!((waiting.len(), &waiting[0]["occurrenceNumber"]), (1, &json!(3)));
    app.cancel(id(&late)).await.problem(409);
    app.cancel(id(&waiting[0])).await.ok();
    app.advance_to("2026-03-29T12:00:00Z").await;
    assert!(app.receiver.calls("/early").is_empty());
    assert_eq!(called_at(&app.receiver, "/late"), ["03-28 12:01", "03-28 13:00"]);
    assert_eq!(series(&app, &late, "status").await, ["Done", "Done", "Cancelled"].map(Value::from));
    app.check().await;
}
