//! Payloads that are kept apart from their jobs: what they cost, that they arrive as they came, how long they stay.
//! Neighbours: `store` for the transitions themselves, `contract::callback` for the bytes of small ones.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};
use shared::ids::JobId;
use shared::job::{Job, Payload};
use shared::request::{self, Rules};
use shared::store::{Created, Settled};

use crate::on_both_stores;
use crate::store::{claimed, ended, jobs, noon, now_stored, tenant, write};
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::stores::Store;

const START: &str = "2026-03-28T12:00:00Z";

/// A JSON text of this many bytes.
fn text_of(bytes: usize) -> String {
    format!("\"{}\"", "é".repeat((bytes - 2) / 2) + if bytes.is_multiple_of(2) { "" } else { "x" })
}

async fn units_of_a_job_with(store: &Store, payload: &str) -> [u64; 3] {
    let jobs = jobs(store, store.endpoint()).await;
    let body = format!(r#"{{"callbackUrl":"https://example.com/hook","payload":{payload}}}"#);
    let new = request::parse(body.as_bytes(), noon(), &Rules::with_prefix("Contit-")).unwrap();
    let job = Job::new(JobId::random(), tenant(), new, None, noon());
    assert!(matches!(jobs.create(&job, noon()).await.unwrap(), Created::New));
    let created = jobs.write_units();
    let mut claim = claimed(&jobs, job.id, noon()).await;
    jobs.fetch_payload(&mut claim, noon()).await.unwrap();
    assert_eq!(claim.job().spec.callback.payload.as_ref().and_then(Payload::text), Some(payload));
    let claimed = jobs.write_units() - created;
    assert_eq!(write(&jobs, &claim.settle(ended(200), noon())).await, Settled::Recorded);
    let settled = jobs.write_units() - created - claimed;
    let shown = now_stored(&jobs, job.id).await;
    assert_eq!(shown.spec.callback.payload.as_ref().and_then(Payload::text), Some(payload));
    [created, claimed, settled]
}

on_both_stores! {
    async fn what_a_job_costs_rises_by_its_payload_once(store: Store) {
        for (bytes, expected) in [(200, [3, 1, 4]), (900, [4, 1, 4]), (1_900, [5, 1, 4]), (2_000, [6, 1, 4]), (20_000, [23, 1, 4])] {
            assert_eq!(units_of_a_job_with(&store, &text_of(bytes)).await, expected, "{bytes} bytes");
        }
    }
}

/// The payloads that are stored by themselves, with the second at which each is removed.
async fn stored_payloads(app: &App) -> BTreeMap<String, i64> {
    let items = app.dynamodb().scan().table_name(app.jobs_table()).consistent_read(true).send().await.unwrap();
    let apart = items.items.unwrap().into_iter().filter_map(|item| {
        let id = item["id"].as_s().unwrap().strip_prefix("payload#")?.to_owned();
        Some((id, item["expiresAt"].as_n().unwrap().parse().unwrap()))
    });
    apart.collect()
}

#[tokio::test]
async fn a_series_shares_one_payload_which_arrives_as_it_came_and_is_shown_everywhere() {
    let app = App::at(START).await;
    let payload = format!("{{ \"b\": 1.0,  \"a\":{} }}", text_of(5_000));
    let url = app.receiver.url("/hook");
    let body = format!(r#"{{"callbackUrl":"{url}","payload":{payload},"recurrenceSeconds":3600,"maxOccurrences":3}}"#);
    let created = app.post_raw("/scheduled-jobs", "application/json", body).await;
    assert!(created.text.contains(&payload), "{}", created.text);
    let job = created.created();
    app.advance_to("2026-03-28T18:00:00Z").await;
    let calls = app.receiver.calls("/hook");
    assert_eq!(calls.iter().map(|call| call.text()).collect::<Vec<_>>(), [payload.as_str(); 3]);
    assert_eq!(stored_payloads(&app).await.len(), 1);
    let detail = app.get(&format!("/scheduled-jobs/{}", id(&job))).await;
    assert!(detail.text.contains(&payload), "{}", detail.text);
    let list = app.get("/scheduled-jobs").await;
    assert_eq!(list.text.matches(&payload).count(), 3, "{}", list.text);
    app.check().await;
}

#[tokio::test]
async fn what_is_done_to_a_job_answers_with_its_payload() {
    let app = App::at(START).await;
    let payload = json!(text_of(3_000));
    let job = app.post_job(a_job().in_seconds(600).payload(payload.clone())).await.created();
    let run_now = app.request(Method::POST, &format!("/scheduled-jobs/{}/run-now", id(&job)));
    assert_eq!(app.send(run_now).await.ok()["payload"], payload);
    assert_eq!(app.cancel(id(&job)).await.ok()["payload"], payload);
    app.check().await;
}

#[tokio::test]
async fn a_repeated_request_stores_its_payload_once() {
    let app = App::at(START).await;
    let job = Value::from(a_job().in_seconds(600).payload(json!(text_of(3_000))));
    let post = async || {
        let request = app.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", "k");
        app.send(request.header("Content-Type", "application/json").body(job.to_string())).await
    };
    let first = post().await.created();
    assert_eq!(post().await.ok(), first);
    assert_eq!(stored_payloads(&app).await.len(), 1);
    app.check().await;
}

#[tokio::test]
async fn a_payload_stays_for_as_long_as_its_series_needs_it() {
    let app = App::at(START).await;
    let job = a_job().to(&app.receiver.url("/hook")).payload(json!(text_of(3_000)));
    app.post_job(job.every(30 * 86_400).times(5)).await.created();
    // Its callbacks send none, but it is shown.
    let silent = a_job().to(&app.receiver.url("/silent")).payload(json!(text_of(3_000))).method("GET");
    app.post_job(silent.every(30 * 86_400).times(5)).await.created();
    let at_first = stored_payloads(&app).await;
    app.advance_to("2026-08-01T00:00:00Z").await;
    assert_eq!(app.receiver.calls("/hook").len(), 5);
    let in_the_end = stored_payloads(&app).await;
    assert_eq!(at_first.keys().collect::<Vec<_>>(), in_the_end.keys().collect::<Vec<_>>());
    let needed_until = shared::clock::parse_instant("2026-07-26T12:00:00Z").unwrap();
    let kept = in_the_end.values().all(|until| *until > (needed_until + chrono::TimeDelta::days(35)).timestamp());
    assert!(kept, "{at_first:?} became {in_the_end:?}");
    app.check().await;
}

#[tokio::test]
async fn a_payload_that_is_gone_is_a_failure_that_says_so() {
    let app = App::at(START).await;
    let request = a_job().to(&app.receiver.url("/hook")).payload(json!(text_of(3_000))).in_seconds(600).attempts(1);
    let job = app.post_job(request).await.created();
    for name in stored_payloads(&app).await.into_keys() {
        let key = AttributeValue::S(format!("payload#{name}"));
        app.dynamodb().delete_item().table_name(app.jobs_table()).key("id", key).send().await.unwrap();
    }
    app.advance_to("2026-03-28T13:00:00Z").await;
    let job = app.job(id(&job)).await;
    assert_eq!(job["status"], "DeadLetter");
    assert_eq!(job["lastError"], "not sent, for its payload is not stored any more");
    assert!(app.receiver.calls("/hook").is_empty());
}
