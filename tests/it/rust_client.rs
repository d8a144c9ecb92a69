//! The Rust client against the real program: round trips, and a line that loses answers.
//! It never repeats what the conformance suite says of single requests. Neighbour: `sdks/rust/tests/conformance`.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scheduler_client::{
    Client, CreateJob, DeadLetterFilter, Error, JobFilter, JobStatus, NoteKind, Order, SIGNATURE_TOLERANCE,
    verify_signature_at,
};
use serde_json::json;
use shared::clock::parse_instant;

use crate::support::app::App;
use crate::support::flaky_line::FlakyLine;
use crate::support::receiver::answer;

/// From the creation to the delivery: what was asked for is what arrives, signed, and what is told about it is true.
#[tokio::test]
async fn a_job_of_the_rust_client_is_delivered_byte_for_byte_and_signed() {
    let secret = "whsec_è of the rust client";
    let app = App::dev().now("2026-03-28T12:00:00Z").signing_secret(secret).start().await;
    let payload = r#"{ "z": 1.50, "a": 12345678901234567890, "e": 1e40, "è": null }"#;
    let request = CreateJob::new(app.receiver.url("/hook")).after(Duration::from_millis(90_500));
    let request = request.header("X-Team", "billing").correlation_id("order-17").payload_text(payload).unwrap();
    let client = app.client();
    let created = app.promised(client.create(&request).await.unwrap());
    assert_eq!(created.status, JobStatus::Pending);
    assert_eq!(Some(created.fire_at_utc), parse_instant("2026-03-28T12:01:30.500Z"));
    assert_eq!(created.payload.as_ref().unwrap().get(), payload);

    app.advance_to("2026-03-28T12:05:00Z").await;
    let call = app.receiver.calls("/hook").pop().unwrap();
    let header = |name: &str| call.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!(call.body, payload);
    assert_eq!((header("x-team"), header("contit-correlation-id")), ("billing", "order-17"));
    assert_eq!(header("contit-idempotency-key"), created.idempotency_key);
    let signed = |secret| {
        let (signature, now) = (header("contit-signature"), call.at.unwrap());
        verify_signature_at(secret, signature, &call.body, now, SIGNATURE_TOLERANCE)
    };
    assert!(signed(secret) && !signed("another"));

    let done = client.get(&created.id).await.unwrap();
    assert_eq!((done.status, done.attempts, done.last_status_code), (JobStatus::Done, 1, Some(200)));
    let log = done.attempt_log.unwrap();
    assert_eq!((log[0].number, log[0].status_code, log[0].error.as_deref()), (1, Some(200), None));
    app.check().await;
}

#[tokio::test]
async fn the_rust_client_walks_all_pages_and_cancels_what_it_finds() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let client = app.client();
    for number in 0..7 {
        let request = CreateJob::new(app.receiver.url("/later")).name(format!("job {number}"));
        let request = request.after(Duration::from_secs(3600 + number));
        app.promised(client.create(&request).await.unwrap());
    }
    let pending = || JobFilter::new().status(JobStatus::Pending).order(Order::Ascending).limit(3);
    let pages: Vec<_> = client.pages(pending()).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [3, 3, 1]);
    let jobs: Vec<_> = client.jobs(pending()).try_collect().await.unwrap();
    let names: Vec<_> = jobs.iter().map(|job| job.name.clone().unwrap()).collect();
    assert_eq!(names, (0..7).map(|number| format!("job {number}")).collect::<Vec<_>>());

    for job in &jobs {
        assert_eq!(client.cancel(&job.id).await.unwrap().status, JobStatus::Cancelled);
    }
    assert!(client.jobs(pending()).next().await.is_none());
    let refused = client.cancel(&jobs[0].id).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().job_status, Some(JobStatus::Cancelled));
    app.advance_to("2026-03-28T14:00:00Z").await;
    assert!(app.receiver.calls("/later").is_empty());
    app.check().await;
}

#[tokio::test]
async fn the_rust_client_intervenes_and_foresees() {
    let app = App::at("2027-03-27T12:00:00Z").await;
    let client = app.client();
    app.receiver.script("/dead", [answer(500)]);
    let dead = client.create(&CreateJob::new(app.receiver.url("/dead")).attempts(1)).await.unwrap();
    let daily = CreateJob::new(app.receiver.url("/daily")).daily_at(["02:30"]).time_zone("Europe/Rome");
    let preview = client.preview(&daily, Some(2)).await.unwrap();
    assert_eq!(preview.occurrences[0].note.as_ref().map(|note| note.kind), Some(NoteKind::Gap));
    assert_eq!(preview.occurrences[1].fire_at_local.unwrap().to_rfc3339(), "2027-03-29T02:30:00+02:00");
    let first = client.create(&daily).await.unwrap();
    app.advance_to("2027-03-27T12:05:00Z").await;

    assert_eq!(client.get(&dead.id).await.unwrap().status, JobStatus::DeadLetter);
    let counted = client.retry_all_dead_letters(&DeadLetterFilter::new().dry_run()).await.unwrap();
    assert_eq!((counted.matched, counted.retried), (1, 0));
    app.receiver.script("/dead", [answer(200)]);
    assert_eq!(client.retry(&dead.id).await.unwrap().status, JobStatus::Pending);
    assert!(client.run_now(&first.id).await.unwrap().run_now_at_utc.is_some());
    app.advance_to("2027-03-27T12:10:00Z").await;

    assert_eq!(client.get(&dead.id).await.unwrap().status, JobStatus::Done);
    let series = JobFilter::new().series(first.series_id.unwrap()).order(Order::Ascending);
    let plan: Vec<_> = client.jobs(series).map_ok(|job| job.fire_at_utc).try_collect().await.unwrap();
    assert_eq!(plan, preview.occurrences.iter().map(|occurrence| occurrence.fire_at_utc).collect::<Vec<_>>());
    assert_eq!(client.job_counts(None, None).await.unwrap().done, 2);
    assert_eq!(client.upcoming().await.unwrap().hours.len(), 24);
    let stats = client.stats(None, None).await.unwrap();
    assert_eq!(stats.hours.iter().map(|hour| hour.delivered).sum::<u64>(), 2);
}

#[tokio::test]
async fn the_rust_client_tells_all_wrong_fields_and_who_may_not_what() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let wrong = CreateJob::new("nowhere").daily_at(["10:00", "1000"]).every(Duration::from_secs(60));
    let error = app.client().create(&wrong).await.unwrap_err();
    let pointers: HashSet<_> = error.problem().unwrap().errors.iter().map(|field| field.pointer.as_str()).collect();
    assert!(pointers.contains("/callbackUrl") && pointers.contains("/scheduleTimes/1"), "{error}");

    let reader = app.token("dev", &["read"]).await;
    let reader = app.client().with_token(&reader).unwrap();
    assert_eq!(reader.create(&CreateJob::new("https://example.org/")).await.unwrap_err().status(), Some(403));
    assert!(reader.list(&JobFilter::new()).await.unwrap().items.is_empty());
    let stranger = app.client().with_token("sch_unknown").unwrap();
    assert_eq!(stranger.list(&JobFilter::new()).await.unwrap_err().status(), Some(401));
    let nobody = Client::builder("http://127.0.0.1:9", "t").max_attempts(1).build().unwrap();
    let error = nobody.list(&JobFilter::new()).await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }) && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_thousand_creations_over_a_line_that_loses_answers_make_a_thousand_jobs() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let line = FlakyLine::to(&app.url(""), 17).await;
    let client = Client::builder(&line.url(), app.token_of_dev()).max_attempts(30);
    let client = client.wait_with(|_| Box::pin(std::future::ready(()))).build().unwrap();
    let create = async |number: usize| {
        let request = CreateJob::new("https://example.org/").name(number.to_string()).after(Duration::from_secs(3600));
        client.create(&request).await.unwrap()
    };
    let created: Vec<_> = stream::iter(0..1000).map(create).buffer_unordered(16).collect().await;
    assert!(line.lost_answers() > 100 && line.lost_requests() > 20, "the line was not flaky");

    let stored = app.all_pages("limit=200").await;
    let text = |job: &serde_json::Value, name: &str| job[name].as_str().unwrap().to_owned();
    let names: HashSet<_> = stored.iter().map(|job| text(job, "name")).collect();
    assert_eq!((stored.len(), names.len()), (1000, 1000));
    let told: HashSet<_> = created.into_iter().map(|job| job.id).collect();
    assert_eq!(told, stored.iter().map(|job| text(job, "id")).collect::<HashSet<_>>());
    assert_eq!(app.get("/stats/jobs").await.ok()["open"], json!(1000));
}
