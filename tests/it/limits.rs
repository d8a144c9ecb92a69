//! What a tenant may do in a minute, and how its use is told to the `usage` table: seldom, and never at anyone's cost.
//! It never waits for time to pass: buckets and flushes follow the virtual clock.
//! Neighbours: `tenants` keeps them apart, `support::administration` makes their tokens.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;
use shared::clock::parse_instant;
use shared::ids::TenantId;
use shared::store::table::{self, TableNames};
use shared::store::usage::{Minute, Usage};

use crate::on_both_stores;
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, Matching, any_operation};
use crate::support::conversation::Conversation;
use crate::support::rows::read_usage;

/// Ahead of the system's clock, by which DynamoDB Local removes what has expired, now and then at once.
const NOON: &str = "2126-03-28T12:00:00Z";

fn a_later_job() -> Value {
    a_job().in_seconds(36_000).into()
}

/// How many jobs could be created before a `429`, of so many tries.
async fn created_of(client: &Conversation, tries: usize) -> usize {
    let mut created = 0;
    for _ in 0..tries {
        match client.post_job(a_later_job()).await.status {
            201 => created += 1,
            429 => break,
            status => panic!("a creation answered {status}"),
        }
    }
    created
}

/// Requests to the usage table, whose names end so.
fn to_usage() -> Matching {
    any_operation().that(|body| body["TableName"].as_str().is_some_and(|name| name.ends_with("usage")))
}

#[tokio::test]
async fn over_its_limit_a_tenant_is_told_when_to_come_back_and_others_are_not_slowed() {
    let app = App::dev().now(NOON).env("CREATIONS_PER_MINUTE", "6").start().await;
    let other = app.with_token(&app.token("other", &["write"]).await);
    assert_eq!(created_of(&app, 10).await, 6);

    let (refused, others) = tokio::join!(
        join_all((0..20).map(|_| app.post_job(a_later_job()))),
        join_all((0..6).map(|_| other.post_job(a_later_job()))),
    );
    for answer in &refused {
        assert_eq!(answer.problem(429).header("retry-after"), Some("11"), "{answer:?}");
    }
    others.iter().for_each(|answer| drop(answer.created()));
    // What it may still do, it may: only creating is limited.
    assert_eq!(app.all_pages("").await.len(), 6);

    app.advance_to("2126-03-28T12:00:11Z").await;
    assert_eq!(created_of(&app, 10).await, 1);
    app.check().await;
}

#[tokio::test]
async fn only_what_is_created_counts() {
    let app = App::dev().now(NOON).env("CREATIONS_PER_MINUTE", "2").start().await;
    for _ in 0..5 {
        app.post_job(a_job().without("callbackUrl")).await.problem(400);
        app.post_raw("/scheduled-jobs", "text/plain", "{}").await.problem(415);
    }
    let once = || app.request(http::Method::POST, "/scheduled-jobs").header("Idempotency-Key", "once");
    let once = || once().header("content-type", "application/json").body(a_later_job().to_string());
    app.send(once()).await.created();
    for _ in 0..5 {
        app.send(once()).await.ok();
    }
    assert_eq!(created_of(&app, 9).await, 1);
    app.post_job(a_later_job()).await.problem(429);
}

#[tokio::test]
async fn a_payload_may_be_as_large_as_the_deployment_says() {
    let app = App::dev().now(NOON).env("LARGEST_PAYLOAD_BYTES", "100").start().await;
    app.post_job(a_job().payload("p".repeat(98).into())).await.created();
    let answer = app.post_job(a_job().payload("p".repeat(99).into())).await;
    assert_eq!(answer.problem(400).pointers(), ["/payload"]);
    assert!(answer.text.contains("100 bytes"), "{answer:?}");
}

#[tokio::test]
async fn limits_that_make_no_sense_stop_the_program_by_name() {
    for (name, value) in [("CREATIONS_PER_MINUTE", "many"), ("LARGEST_PAYLOAD_BYTES", "262145")] {
        let exit = App::dev().env(name, value).start_failing().await;
        assert_eq!((exit.code, exit.stderr.lines().count()), (Some(1), 1), "{exit:?}");
        assert!(exit.stderr.contains(name), "{exit:?}");
    }
}

on_both_stores! {
    async fn processes_share_a_tenants_limit_as_far_as_they_have_told(place: Store) {
        let start = || App::dev().on(&place).now(NOON).env("CREATIONS_PER_MINUTE", "10").start();
        let (one, two) = (start().await, start().await);
        assert_eq!(created_of(&one, 8).await, 8);
        one.advance_to("2126-03-28T12:00:10Z").await;
        one.all_pages("").await;
        two.advance_to("2126-03-28T12:00:10Z").await;
        assert_eq!(created_of(&two, 10).await, 2, "8 of 10 are taken");
    }

    async fn sums_add_up_and_the_latest_use_stays(place: Store) {
        let names = TableNames::with_prefix(place.table_prefix());
        table::create_missing(&place.client(), &names).await.unwrap();
        let usage = Usage::new(place.client(), &names);
        let (tenant, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("acme-2").unwrap());
        let at = |text: &str| parse_instant(text).unwrap();
        let minute = Minute::of(at("2126-03-28T12:00:59Z"));
        usage.add_creations(&tenant, minute, 5).await.unwrap();
        usage.add_creations(&tenant, minute, -2).await.unwrap();
        usage.add_creations(&tenant, minute.before(), 1).await.unwrap();
        usage.add_creations(&tenant, minute.before().before(), 9).await.unwrap();
        usage.add_creations(&other, minute, 7).await.unwrap();
        assert_eq!(usage.creations(&tenant, minute.before()).await.unwrap(), [(minute.before(), 1), (minute, 3)]);

        assert_eq!(usage.last_use("sch_a").await.unwrap(), None);
        for (used, expected) in [("12:00:10", "12:00:10"), ("12:00:05", "12:00:10"), ("12:00:11", "12:00:11")] {
            usage.note_last_use("sch_a", at(&format!("2126-03-28T{used}Z"))).await.unwrap();
            assert_eq!(usage.last_use("sch_a").await.unwrap(), Some(at(&format!("2126-03-28T{expected}Z"))));
        }
    }

    async fn usage_is_told_at_most_every_ten_seconds_whatever_happens_in_them(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now(NOON).start().await;
        let told = || {
            let mut told = BTreeMap::<String, usize>::new();
            for seen in proxy.seen().iter().filter(|seen| to_usage().fits(seen)) {
                *told.entry(seen.operation.clone()).or_default() += 1;
            }
            told
        };
        let writes = |told: &BTreeMap<String, usize>| told.get("UpdateItem").copied().unwrap_or(0);
        app.post_job(a_later_job()).await.created();
        let more = join_all((1..40).map(|_| app.post_job(a_later_job()))).await;
        more.iter().for_each(|answer| drop(answer.created()));
        app.all_pages("").await;
        let first = told();
        assert_eq!(writes(&first), 2, "one token and one tenant: {first:?}");
        app.advance_to("2126-03-28T12:00:10Z").await;
        app.all_pages("").await;
        let second = told();
        assert_eq!(writes(&second) - writes(&first), 2, "{second:?}");
        let expected = ["CreateTable", "Query", "UpdateItem", "UpdateTimeToLive"];
        assert!(second.keys().all(|operation| expected.contains(&operation.as_str())), "{second:?}");

        let usage = read_usage(&place).await;
        assert_eq!(usage["creations#dev"]["creations"], "40", "{usage:?}");
        assert_eq!(usage["creations#dev"]["period"], "2126-03-28T12:00:00.000Z", "{usage:?}");
        let days_90 = 4_930_372_800_i64 + 90 * 86_400;
        assert_eq!(usage["creations#dev"]["expiresAt"], days_90.to_string(), "{usage:?}");
    }

    async fn a_usage_table_that_fails_or_hangs_harms_nobody(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now(NOON).start().await;
        let failing = proxy.rule(to_usage(), Fault::internal_error());
        app.post_job(a_later_job()).await.created();
        assert!(failing.times_struck() > 0);
        failing.withdraw();
        app.advance_to("2126-03-28T12:00:10Z").await;
        let hanging = proxy.rule(to_usage(), Fault::HoldRequest);
        app.post_job(a_later_job()).await.created();
        assert!(hanging.times_struck() > 0);
        hanging.release();
        hanging.withdraw();
        app.wait_for_output("usage is lost").await;
        app.check().await;
    }
}

#[tokio::test]
async fn the_list_of_tokens_tells_their_last_use() {
    let app = App::at(NOON).await;
    let (used, unused) = (app.token("acme", &["read"]).await, app.token("acme", &["read"]).await);
    let client = app.with_token(&used);
    let last_used = async || {
        let list = app.command(&["token", "list", "--tenant", "acme"]).await.succeeded().stdout.clone();
        let of = |token: &str| {
            let line = list.lines().find(|line| line.starts_with(&token[..12])).expect("the token is listed");
            line.split_whitespace().nth(4).unwrap().to_owned()
        };
        (of(&used), of(&unused))
    };
    assert_eq!(last_used().await, ("-".to_owned(), "-".to_owned()));
    client.get("/scheduled-jobs").await.ok();
    assert_eq!(last_used().await, ("2126-03-28T12:00:00.000Z".to_owned(), "-".to_owned()));
    app.advance_to("2126-03-28T12:00:09Z").await;
    client.get("/scheduled-jobs").await.ok();
    app.advance_to("2126-03-28T12:00:12Z").await;
    client.post_job(a_later_job()).await.problem(403);
    assert_eq!(last_used().await.0, "2126-03-28T12:00:00.000Z", "neither within ten seconds nor by a refusal");
    client.get("/scheduled-jobs").await.ok();
    assert_eq!(last_used().await.0, "2126-03-28T12:00:12.000Z");
}
