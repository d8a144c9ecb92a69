//! Tests of the checker: evidence of a healthy history passes, and each way to spoil it is found by its rule.
//! It never starts the program. Neighbours: `support::invariants` is what it tests, `support_works` the rest of the harness.

use std::time::Duration;

use bytes::Bytes;
use chrono::{NaiveTime, TimeDelta};
use serde_json::{Value, json};
use shared::clock::parse_instant;
use shared::ids::{JobId, TenantId, WriteId};
use shared::job::Job;
use shared::lifecycle::Delivery;
use shared::request::{Rules, parse};
use shared::schedule::{Calendar, Recurrence, Schedule, weekday_from_number};
use shared::store::table::create_missing;
use shared::store::{self, Claimed, Settled, TableNames};

use crate::on_both_stores;
use crate::support::builders::a_job;
use crate::support::calendar_oracle::Timetable;
use crate::support::conversation::Created;
use crate::support::invariants::{Evidence, Sighting};
use crate::support::receiver::Call;
use crate::support::rows::{Row, read_table};

/// The tenant `a` has a delivered job, a dead one after two attempts, a cancelled one, and a daily series at its
/// second occurrence; the tenant `b` has one job that waits.
pub(crate) fn healthy() -> Evidence {
    Evidence {
        created: vec![
            created("ta", "done"),
            created("ta", "dead"),
            created("ta", "cancelled"),
            created("ta", "s1"),
            created("tb", "waiting"),
        ],
        rows: vec![
            ended("done", "Done", json!({ "attempts": 2 })),
            ended("dead", "DeadLetter", json!({ "attempts": 2, "maxRetries": 2 })),
            ended("cancelled", "Cancelled", json!({ "attempts": 0 })),
            ended("s1", "Done", daily(1, "2026-03-28T01:30:00.000Z")),
            // 02:30 does not exist in Rome on that day and moves to 03:30 of summer time.
            open("s2", "Pending", daily(2, "2026-03-29T01:30:00.000Z")),
            open("waiting", "Pending", json!({ "tenant": "b", "tenantStatus": "b#Open" })),
        ],
        calls: vec![call("done", 1, 503), call("done", 2, 204), call("dead", 1, 500), call("s1", 1, 200)],
        header_prefix: "Contit-".to_owned(),
        sightings: vec![sighting("ta", "done"), sighting("ta", "s2"), sighting("tb", "waiting")],
        now: parse_instant("2026-03-28T13:00:00Z").unwrap(),
        poll_interval: TimeDelta::minutes(1),
        clocks_apart: TimeDelta::zero(),
    }
}

fn created(token: &str, id: &str) -> Created {
    let job = json!({ "id": id, "createdAtUtc": "2026-03-28T00:00:00.000Z" });
    Created { token: Some(token.to_owned()), job }
}

fn sighting(token: &str, id: &str) -> Sighting {
    Sighting { token: Some(token.to_owned()), job_id: id.to_owned() }
}

pub(crate) fn call(job_id: &str, attempt: u32, answered: u16) -> Call {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let at = parse_instant("2026-03-28T02:00:00Z").unwrap();
    Call {
        at: Some(at),
        received_at: at,
        method: "POST".to_owned(),
        path_and_query: "/hook".to_owned(),
        headers: vec![
            header("contit-job-id", job_id),
            header("contit-attempt", &attempt.to_string()),
            header("contit-idempotency-key", "key"),
        ],
        body: Bytes::new(),
        answered: Some(answered),
    }
}

fn row(id: &str, of_status: Value, other: Value) -> Row {
    let mut item = json!({
        "id": id, "tenant": "a", "plannedAtId": format!("2026-03-28T01:00:00.000Z#{id}"), "attempts": 0,
        "maxRetries": 5, "idempotencyKey": "key", "createdAt": "2026-03-28T00:00:00.000Z",
    });
    let members = item.as_object_mut().unwrap();
    for more in [of_status, other] {
        members.extend(more.as_object().unwrap().clone());
    }
    serde_json::from_value(item).unwrap()
}

pub(crate) fn open(id: &str, status: &str, other: Value) -> Row {
    let of_status = json!({
        "status": status, "statusShard": "Open#03", "fireAt": "2026-03-28T01:00:00.000Z", "tenantStatus": "a#Open",
    });
    row(id, of_status, other)
}

pub(crate) fn ended(id: &str, status: &str, other: Value) -> Row {
    let of_status = json!({
        "status": status, "tenantStatus": format!("a#{status}"), "completedAt": "2026-03-28T02:00:00.000Z",
        "expiresAt": 1_777_255_200,
    });
    row(id, of_status, other)
}

pub(crate) fn daily(number: u32, planned_at: &str) -> Value {
    json!({
        "attempts": 1, "plannedAtId": format!("{planned_at}#id"), "seriesId": "s", "occurrenceNumber": number,
        "scheduleTimes": ["02:30"], "timeZone": "Europe/Rome",
    })
}

#[test]
fn a_healthy_history_passes() {
    assert_eq!(healthy().violations(), [""; 0]);
}

#[test]
fn each_way_to_break_a_rule_is_found_by_that_rule_alone() {
    type Spoil = fn(&mut Evidence);
    let table: &[(&str, &str, Spoil)] = &[
        ("1", "a job is lost", |e| drop(e.rows.pop())),
        ("2", "the 2xx is missing", |e| e.calls[1].answered = Some(500)),
        ("2", "the call with the 2xx is missing", |e| drop(e.calls.remove(1))),
        ("3", "a call is early", |e| e.calls[0].at = parse_instant("2026-03-28T00:59:59.999Z")),
        ("4", "a cancelled job is called", |e| {
            e.rows[2].attempts = 1;
            e.calls.push(call("cancelled", 1, 200));
            e.calls[4].at = parse_instant("2026-03-28T02:00:00.001Z");
        }),
        ("4", "a cancelled series goes on", |e| {
            e.rows[3] = ended("s1", "Cancelled", daily(1, "2026-03-28T01:30:00.000Z"));
            e.rows[4].created_at = e.rows[3].completed_at.unwrap() + TimeDelta::milliseconds(1);
        }),
        ("5", "too many attempts are recorded", |e| e.rows[1].attempts = 3),
        ("5", "an attempt of too high a number is called", |e| e.calls[2] = call("dead", 3, 500)),
        ("5", "a call is not counted", |e| e.rows[0].attempts = 1),
        ("6", "a duplicate has another key", |e| e.calls[1].headers[2].1 = "other".to_owned()),
        ("6", "a later occurrence has the key of the first", |e| {
            e.rows[4].attempts = 1;
            let mut second = call("s2", 1, 500);
            second.at = parse_instant("2026-03-29T01:30:00Z");
            e.calls.push(second);
        }),
        ("6", "a call has no job", |e| e.calls.push(call("stranger", 1, 200))),
        ("7", "a number is missing", |e| {
            e.created.remove(3);
            e.calls.remove(3);
            e.rows.remove(3);
        }),
        ("7", "a series ended too soon", |e| drop(e.rows.remove(4))),
        ("8", "two occurrences wait", |e| {
            let third = open("s3", "Pending", daily(3, "2026-03-30T00:30:00.000Z"));
            e.rows.insert(5, Row { created_at: e.rows[4].planned_at, ..third });
            e.rows[4].attempts = 0;
        }),
        ("9", "an occurrence is off its calendar", |e| e.rows[3].planned_at += TimeDelta::hours(-1)),
        ("9", "an occurrence was skipped", |e| e.rows[4].planned_at += TimeDelta::hours(23)),
        ("9", "an occurrence is after the end", |e| {
            e.rows[3].end_at = Some(e.rows[3].planned_at + TimeDelta::days(2));
            e.rows[4].end_at = Some(e.rows[4].planned_at - TimeDelta::seconds(1));
        }),
        ("9", "there are more occurrences than the maximum", |e| e.rows[3].max_occurrences = Some(1)),
        ("10", "a lease ran out long ago", |e| {
            e.rows[5] = open("waiting", "Firing", json!({ "tenant": "b", "tenantStatus": "b#Open" }));
            e.rows[5].lease_until = Some(e.now.timestamp() - 61);
        }),
        ("10", "a claim has no lease", |e| e.rows[5].status = "Firing".to_owned()),
        ("11", "an ended job stays in the queue", |e| e.rows[0].status_shard = Some("Open#00".to_owned())),
        ("11", "an ended job never expires", |e| e.rows[0].expires_at = None),
        ("11", "a waiting job is not in the queue", |e| e.rows[5].status_shard = None),
        ("11", "a waiting job expires", |e| e.rows[5].expires_at = Some(1)),
        ("11", "a job is in the wrong list", |e| e.rows[5].tenant_status = "b#Done".to_owned()),
        ("12", "a token sees a job of another tenant", |e| e.sightings.push(sighting("tb", "done"))),
        ("12", "a token creates in two tenants", |e| e.created.push(created("tb", "done"))),
    ];
    for (rule, what, spoil) in table {
        let mut evidence = healthy();
        spoil(&mut evidence);
        let violations = evidence.violations();
        let of_rule = violations.iter().filter(|line| line.starts_with(&format!("{rule}. "))).count();
        assert!(of_rule > 0 && of_rule == violations.len(), "{what} breaks rule {rule} alone, not {violations:#?}");
    }
}

on_both_stores! {
    async fn a_series_as_the_store_writes_it_is_read_and_passes(place: Store) {
        let names = TableNames::with_prefix(place.table_prefix());
        create_missing(&place.client(), &names).await.unwrap();
        let jobs = store::Store::new(place.client(), names.clone(), 16);
        let now = parse_instant("2026-03-28T12:00:00Z").unwrap();
        let request = a_job().to("http://example.com/").daily_at(["02:30", "13:00"]).on_days([6, 0]).key("key");
        let rules = Rules::with_prefix("Contit-");
        let new = parse(Value::from(request.at("2026-03-28T12:00:00Z")).to_string().as_bytes(), now, &rules).unwrap();
        let tenant = TenantId::parse("a").unwrap();
        let job = Job::new(JobId::random(), tenant, new, None, now);
        assert!(matches!(jobs.create(&job, now).await.unwrap(), store::Created::New));
        let Claimed::Claimed(claim) = jobs.claim(job.id, now).await.unwrap() else { panic!("it is due") };

        let answer = json!({ "id": job.id.to_string(), "createdAtUtc": "2026-03-28T12:00:00.000Z" });
        let mut delivered = call(&job.id.to_string(), 1, 200);
        delivered.at = Some(now);
        let mut evidence = Evidence {
            created: vec![Created { token: Some("ta".to_owned()), job: answer }],
            rows: read_table(&place.client(), &names.jobs).await,
            calls: vec![delivered],
            sightings: vec![sighting("ta", &job.id.to_string())],
            now,
            ..healthy()
        };
        assert_eq!(evidence.violations(), [""; 0]);

        let delivery = Delivery {
            started_at: now,
            duration: Duration::ZERO,
            status_code: Some(200),
            error: None,
            response_snippet: None,
            retry_after: None,
        };
        let settlement = claim.settle(delivery, now);
        jobs.put_successor(settlement.successor.as_ref().unwrap()).await.unwrap();
        evidence.rows = read_table(&place.client(), &names.jobs).await;
        assert_eq!(evidence.violations(), [""; 0]);
        assert_eq!(jobs.settle(&settlement, WriteId::random()).await.unwrap(), Settled::Recorded);
        evidence.rows = read_table(&place.client(), &names.jobs).await;
        assert_eq!(evidence.violations(), [""; 0]);
        assert_eq!(evidence.rows.len(), 2);
    }
}

#[test]
fn an_occurrence_may_wait_for_its_next_attempt_beside_a_successor_put_before_a_crash() {
    let mut evidence = healthy();
    evidence.rows[3] = open("s1", "Pending", daily(1, "2026-03-28T01:30:00.000Z"));
    evidence.rows[3].attempts = 2;
    evidence.rows[4].attempts = 0;
    evidence.calls[3].answered = Some(500);
    assert_eq!(evidence.violations(), [""; 0]);
}

#[test]
fn a_retried_occurrence_may_be_called_again_and_wait_beside_its_series() {
    let mut evidence = healthy();
    evidence.rows[1] = ended("dead", "Done", json!({ "attempts": 1, "maxRetries": 2, "redrives": 1 }));
    evidence.calls.extend([call("dead", 2, 500), call("dead", 1, 204)]);
    evidence.rows[3] = open("s1", "Pending", daily(1, "2026-03-28T01:30:00.000Z"));
    evidence.rows[3].redrives = 1;
    evidence.rows[4].attempts = 0;
    assert_eq!(evidence.violations(), [""; 0]);
    evidence.calls.push(call("dead", 1, 204));
    assert_eq!(evidence.violations().len(), 1, "a call too many");
}

#[test]
fn what_was_run_now_may_be_called_before_its_planned_instant_but_not_before_somebody_asked() {
    let mut evidence = healthy();
    evidence.rows[0].planned_at += TimeDelta::days(1);
    evidence.rows[0].run_now_at = parse_instant("2026-03-28T02:00:00Z");
    assert_eq!(evidence.violations(), [""; 0]);
    evidence.rows[0].run_now_at = parse_instant("2026-03-28T02:00:00.001Z");
    assert!(evidence.violations().iter().all(|violation| violation.starts_with("3.")), "{:?}", evidence.violations());
    assert_eq!(evidence.violations().len(), 2);
}

#[test]
fn a_retried_occurrence_may_outlive_those_after_it() {
    let mut evidence = healthy();
    evidence.now += TimeDelta::days(40);
    evidence.rows = vec![
        ended("s1", "Done", daily(1, "2026-03-28T01:30:00.000Z")),
        open("s9", "Pending", daily(9, "2026-04-05T00:30:00.000Z")),
    ];
    evidence.calls.clear();
    evidence.sightings.clear();
    assert!(!evidence.violations().is_empty(), "a hole");
    evidence.rows[0].redrives = 1;
    evidence.rows[0].status = "DeadLetter".to_owned();
    evidence.rows[0].tenant_status = "a#DeadLetter".to_owned();
    assert_eq!(evidence.violations(), [""; 0]);
}

#[test]
fn what_has_expired_is_not_missed() {
    let mut evidence = healthy();
    evidence.now += TimeDelta::days(30);
    evidence.rows = vec![evidence.rows.remove(4)];
    evidence.calls.clear();
    evidence.sightings.clear();
    assert_eq!(evidence.violations(), [""; 0]);
}

#[test]
fn the_calendar_oracle_and_the_schedule_agree_across_changes_of_the_clock() {
    let times = ["00:00", "00:15", "01:45", "02:00", "02:30", "03:00", "23:59"];
    for (zone, start) in [
        ("Europe/Rome", "2026-03-20T00:00:00Z"),
        ("Europe/Rome", "2026-10-20T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-09-28T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-03-30T00:00:00Z"),
        ("America/St_Johns", "2011-03-01T00:00:00Z"),
        ("Africa/Casablanca", "2026-02-01T00:00:00Z"),
        ("Pacific/Apia", "2011-12-20T00:00:00Z"),
    ] {
        let asked = json!({
            "occurrenceNumber": 1, "scheduleTimes": times, "scheduleDaysOfWeek": [0, 1, 5, 6], "timeZone": zone,
        });
        let calendar = Calendar {
            times: times.iter().map(|time| NaiveTime::parse_from_str(time, "%H:%M").unwrap()).collect(),
            days: [0, 1, 5, 6].into_iter().filter_map(weekday_from_number).collect(),
            zone: zone.parse().unwrap(),
        };
        let schedule = Schedule { recurrence: Recurrence::Calendar(calendar), end_at: None, max_occurrences: None };
        let mut row = open("s", "Pending", asked);
        let timetable = Timetable::of(&row).unwrap();
        row.planned_at = parse_instant(start).unwrap();
        for _ in 0..150 {
            let expected = timetable.next(&row, row.planned_at);
            assert_eq!(schedule.next(row.planned_at, 1, row.planned_at), expected, "{zone} after {}", row.planned_at);
            row.planned_at = expected.unwrap();
            assert!(timetable.has(row.planned_at));
        }
    }
}
