//! What pictures are made of, over HTTP: told by the real poller and API, read by its tenant alone.
//! It never expects a sum to be exact where one may be lost; here none is. Neighbour: `changes` has the sums in the store.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, any_operation};
use crate::support::receiver::answer;

/// Ahead of the system's clock, by which DynamoDB Local removes what has expired.
const NOON: &str = "2126-03-28T12:00:00Z";

fn hour<'a>(stats: &'a Value, hour: &str) -> &'a Value {
    let hours = stats["hours"].as_array().unwrap();
    hours.iter().find(|told| told["hourUtc"] == hour).unwrap_or_else(|| panic!("no {hour} in {stats}"))
}

fn in_bucket(buckets: &Value, up_to: Value) -> u64 {
    let buckets = buckets.as_array().unwrap();
    buckets.iter().find(|bucket| bucket["upTo"] == up_to).expect("such a bucket")["count"].as_u64().unwrap()
}

on_both_stores! {
    async fn the_outcomes_of_an_hour_are_told_by_the_poller_and_read_by_their_tenant(place: Store) {
        let app = App::dev().on(&place).now(NOON).start().await;
        app.receiver.script("/down", [answer(500)]);
        let (up, down) = (app.receiver.url("/up"), app.receiver.url("/down"));
        for _ in 0..3 {
            app.post_job(a_job().to(&up)).await.created();
        }
        app.post_job(a_job().to(&down).attempts(2)).await.created();
        app.post_job(a_job().to(&up).in_seconds(3600)).await.created();
        app.advance_to("2126-03-28T13:30:00Z").await;
        // The creations are told with the next request after ten seconds.
        app.all_pages("").await;

        let stats = app.get("/stats").await.ok();
        assert_eq!((&stats["fromUtc"], &stats["toUtc"]), (&json!("2126-03-27T13:00:00.000Z"), &json!("2126-03-28T14:00:00.000Z")));
        assert_eq!(stats["hours"].as_array().unwrap().len(), 25, "every hour, zeros too");
        let noon = json!({
            "hourUtc": "2126-03-28T12:00:00.000Z", "created": 5, "delivered": 3, "failed": 2, "deadLettered": 1,
        });
        assert_eq!(*hour(&stats, "2126-03-28T12:00:00.000Z"), noon);
        let one = json!({
            "hourUtc": "2126-03-28T13:00:00.000Z", "created": 0, "delivered": 1, "failed": 0, "deadLettered": 0,
        });
        assert_eq!(*hour(&stats, "2126-03-28T13:00:00.000Z"), one);
        // Due at 12:00 and taken at 12:01; due at 12:02 and at 13:00, and taken then.
        assert_eq!(in_bucket(&stats["latenessSeconds"], json!(60.0)), 4, "{stats}");
        assert_eq!(in_bucket(&stats["latenessSeconds"], json!(1.0)), 2, "{stats}");
        let total = |name: &str| stats[name].as_array().unwrap().iter().map(|b| b["count"].as_u64().unwrap()).sum::<u64>();
        assert_eq!((total("latenessSeconds"), total("answerSeconds")), (6, 6));
        assert_eq!(stats["answerSeconds"].as_array().unwrap().last().unwrap()["upTo"], Value::Null);
        let host = down.trim_start_matches("http://").trim_end_matches("/down");
        assert_eq!(stats["failingHosts"], json!([{ "host": host, "failed": 2 }]));

        let hour = app.get("/stats?from=2126-03-28T13:10:00Z&to=2126-03-28T13:20:00Z").await.ok();
        assert_eq!((&hour["hours"], &hour["failingHosts"]), (&json!([one]), &json!([])));
        let other = app.with_token(&app.token("other", &["read"]).await);
        let theirs = other.get("/stats").await.ok();
        assert_eq!(theirs["failingHosts"], json!([]));
        assert!(theirs["hours"].as_array().unwrap().iter().all(|hour| hour["created"] == 0 && hour["delivered"] == 0));
        app.check().await;
    }

    async fn many_deliveries_of_a_tick_are_one_write_to_the_usage_table_and_its_loss_harms_nobody(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now(NOON).start().await;
        let told = |body: &Value| body["Key"]["id"]["S"].as_str().is_some_and(|id| id.starts_with("outcomes#"));
        let writes = || {
            let fits = any_operation().that(told);
            proxy.seen().iter().filter(|seen| fits.fits(seen)).count()
        };
        for _ in 0..30 {
            app.post_job(a_job().to(&app.receiver.url("/up"))).await.created();
        }
        app.advance_to("2126-03-28T12:01:00Z").await;
        assert_eq!((app.receiver.all_calls().len(), writes()), (30, 1));
        let failing = proxy.rule(any_operation().that(told), Fault::internal_error());
        app.post_job(a_job().to(&app.receiver.url("/up"))).await.created();
        let walked = app.advance_to("2126-03-28T12:02:00Z").await;
        assert_eq!(walked["delivered"], 1, "{walked}");
        assert!(failing.times_struck() > 0);
        app.wait_for_output("some of the statistics is lost").await;
        failing.withdraw();
        app.check().await;
    }

    async fn jobs_are_counted_by_list_and_open_ones_by_the_hour(place: Store) {
        let app = App::dev().on(&place).now("2126-03-28T12:20:00Z").start().await;
        app.receiver.script("/down", [answer(500)]);
        app.post_job(a_job().to(&app.receiver.url("/up"))).await.created();
        app.post_job(a_job().to(&app.receiver.url("/down")).attempts(1)).await.created();
        app.advance_to("2126-03-28T12:21:00Z").await;
        let cancelled = app.post_job(a_job().in_seconds(60)).await.created();
        app.cancel(cancelled["id"].as_str().unwrap()).await.ok();
        for instant in ["12:30:00", "12:59:59.999", "13:00:00", "23:59:59"] {
            app.post_job(a_job().at(&format!("2126-03-28T{instant}Z"))).await.created();
        }
        app.post_job(a_job().at("2126-03-29T12:00:00Z")).await.created();
        let counts = app.get("/stats/jobs").await.ok();
        assert_eq!(counts, json!({ "open": 5, "done": 1, "cancelled": 1, "deadLetter": 1, "exact": true }));
        let some = app.get("/stats/jobs?from=2126-03-28T12:30:00Z&to=2126-03-28T13:00:00Z").await.ok();
        assert_eq!(some, json!({ "open": 2, "done": 0, "cancelled": 0, "deadLetter": 0, "exact": true }));

        let upcoming = app.get("/stats/upcoming").await.ok();
        let hours = upcoming["hours"].as_array().unwrap();
        assert_eq!((hours.len(), &upcoming["exact"]), (24, &json!(true)));
        assert_eq!(hours[0], json!({ "hourUtc": "2126-03-28T12:00:00.000Z", "count": 2 }));
        assert_eq!(hours[1], json!({ "hourUtc": "2126-03-28T13:00:00.000Z", "count": 1 }));
        assert_eq!(hours[11]["count"], 1);
        assert_eq!(hours.iter().map(|hour| hour["count"].as_u64().unwrap()).sum::<u64>(), 4, "not the 25th");
        let other = app.with_token(&app.token("other", &["read"]).await);
        assert_eq!(other.get("/stats/jobs").await.ok()["open"], 0);
        assert!(other.get("/stats/upcoming").await.ok()["hours"].as_array().unwrap().iter().all(|hour| hour["count"] == 0));
        app.check().await;
    }
}

#[tokio::test]
async fn statistics_need_the_scope_read_and_a_range_that_makes_sense() {
    let app = App::at(NOON).await;
    let writer = app.with_token(&app.token("dev", &["write"]).await);
    for path in ["/stats", "/stats/jobs", "/stats/upcoming"] {
        app.without_token().get(path).await.problem(401);
        writer.get(path).await.problem(403);
        let unknown = app.get(&format!("{path}?since=2126-03-28T12:00:00Z")).await;
        assert_eq!(unknown.problem(400).pointers(), ["/since"], "{path}");
    }
    for (query, pointers) in [
        ("from=x&to=y", &["/from", "/to"] as &[&str]),
        ("from=2126-03-28T12:00:00Z&to=2126-03-28T12:00:00Z", &["/to"]),
        ("from=2126-02-25T11:59:59Z", &["/from"]),
        ("from=2126-03-28T12:00:01Z", &["/from"]),
    ] {
        assert_eq!(app.get(&format!("/stats?{query}")).await.problem(400).pointers(), pointers, "{query}");
    }
    let month = app.get("/stats?from=2126-02-25T12:00:00Z").await.ok();
    assert_eq!(month["hours"].as_array().unwrap().len(), 31 * 24);
    assert_eq!(app.get("/stats/jobs?from=x").await.problem(400).pointers(), ["/from"]);
}
