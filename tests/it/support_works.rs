//! Tests of the harness itself: what it claims to do to the program, seen from a plain client.
//! It never starts the program. Neighbours: `support` is what it tests.

use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use futures_util::FutureExt;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::on_both_stores;
use crate::support::app::{App, AppBuilder};
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, any_operation, operation};
use crate::support::conversation::Conversation;
use crate::support::receiver::{self, Receiver, answer, failing};
use crate::support::stores::{self, Store, StoreKind};

/// A table of the store, reached past the proxy or through it.
struct Things {
    client: Client,
    table: String,
}

impl Things {
    fn new(client: Client, store: &Store) -> Self {
        Self { client, table: format!("{}things", store.table_prefix()) }
    }

    async fn create(&self) {
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let create = self.client.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let create = create.attribute_definitions(id.build().unwrap()).key_schema(key.build().unwrap());
        create.send().await.unwrap();
    }

    async fn put(&self, id: &str) -> Result<(), aws_sdk_dynamodb::Error> {
        let put = self.client.put_item().table_name(&self.table).item("id", AttributeValue::S(id.to_owned()));
        put.condition_expression("attribute_not_exists(id)").send().await?;
        Ok(())
    }

    async fn has(&self, id: &str) -> bool {
        let get = self.client.get_item().table_name(&self.table).key("id", AttributeValue::S(id.to_owned()));
        get.consistent_read(true).send().await.unwrap().item.is_some()
    }
}

/// A store with a table, seen past the proxy and through it by a client that does not try again.
async fn behind_a_proxy() -> (Store, ChaosProxy, Things, Things) {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let direct = Things::new(store.client(), &store);
    direct.create().await;
    let trying_once = stores::client(&proxy.url()).config().to_builder().retry_config(RetryConfig::disabled()).build();
    let through = Things::new(Client::from_conf(trying_once), &store);
    (store, proxy, direct, through)
}

on_both_stores! {
    async fn a_store_takes_an_item_and_is_this_tests_own(store: Store) {
        let things = Things::new(store.client(), &store);
        things.create().await;
        things.put("a").await.unwrap();
        assert!(things.has("a").await);
        let neighbour = Store::start(store.kind).await;
        let others = Things::new(neighbour.client(), &neighbour);
        others.create().await;
        assert!(!others.has("a").await);
    }
}

#[tokio::test]
async fn a_proxy_without_rules_lets_everything_through() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    through.put("a").await.unwrap();
    assert!(through.has("a").await && direct.has("a").await);
    let refused = through.put("a").await.unwrap_err();
    assert_eq!(refused.code(), Some("ConditionalCheckFailedException"));
    let seen = proxy.seen();
    assert_eq!(seen.iter().map(|seen| seen.operation.as_str()).collect::<Vec<_>>(), ["PutItem", "GetItem", "PutItem"]);
    assert_eq!(seen[0].body["Item"]["id"]["S"], "a");
    assert_eq!(seen[2].outcome.as_ref().unwrap().stored.as_ref().unwrap().0, 400);
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_write_and_breaks_the_connection() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    let rule = proxy.rule(operation("PutItem"), Fault::DropAnswer);
    let error = through.put("a").await.unwrap_err();
    assert!(format!("{error:?}").contains("DispatchFailure"), "{error:?}");
    assert_eq!(rule.times_struck(), 1);
    assert!(direct.has("a").await);
}

#[tokio::test]
async fn a_client_that_tries_again_after_a_dropped_answer_fails_its_own_condition() {
    let (store, proxy, _direct, _through) = behind_a_proxy().await;
    proxy.rule(operation("PutItem").nth(1), Fault::DropAnswer);
    let trying_again = Things::new(stores::client(&proxy.url()), &store);
    let error = trying_again.put("a").await.unwrap_err();
    assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
    proxy.wait_for(&operation("PutItem"), 2).await;
}

#[tokio::test]
async fn a_dropped_request_never_reaches_the_store() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    proxy.rule(operation("PutItem").with_text("\"b\"").nth(2), Fault::DropRequest);
    through.put("a").await.unwrap();
    through.put("b").await.unwrap();
    assert_eq!(through.put("b").await.unwrap_err().code(), None);
    assert_eq!(through.put("b").await.unwrap_err().code(), Some("ConditionalCheckFailedException"));
    proxy.rule(any_operation(), Fault::DropRequest);
    assert_eq!(through.put("c").await.unwrap_err().code(), None);
    assert!(!direct.has("c").await);
    proxy.heal();
    through.put("c").await.unwrap();
}

#[tokio::test]
async fn a_held_request_reaches_the_store_when_released_even_if_its_sender_is_gone() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    let rule = proxy.rule(operation("PutItem"), Fault::HoldRequest);
    let putting = tokio::spawn(async move { through.put("a").await });
    rule.struck(1).await;
    assert!(!direct.has("a").await);
    putting.abort();
    assert!(putting.await.unwrap_err().is_cancelled());
    rule.release();
    proxy.wait_until("the put has been answered", |seen| seen.iter().all(|seen| seen.outcome.is_some())).await;
    assert!(direct.has("a").await);
}

#[tokio::test]
async fn a_held_answer_comes_after_the_write_and_when_released() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    let rule = proxy.rule(operation("PutItem"), Fault::HoldAnswer);
    let mut putting = tokio::spawn(async move { through.put("a").await });
    rule.struck(1).await;
    assert!(direct.has("a").await);
    assert!((&mut putting).now_or_never().is_none());
    rule.release();
    putting.await.unwrap().unwrap();
}

#[tokio::test]
async fn made_up_errors_look_like_the_stores_own() {
    let (_store, proxy, direct, through) = behind_a_proxy().await;
    proxy.rule(operation("PutItem").nth(1), Fault::throttled());
    proxy.rule(operation("PutItem").nth(2), Fault::internal_error());
    assert_eq!(through.put("a").await.unwrap_err().code(), Some("ProvisionedThroughputExceededException"));
    assert_eq!(through.put("a").await.unwrap_err().code(), Some("InternalServerError"));
    assert!(!direct.has("a").await);
    through.put("a").await.unwrap();
}

async fn call(url: String) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let request = client.post(url).header("X-Twice", "one").header("X-Other", "o").header("x-twice", "two");
    request.body(" {\"b\":1, \"a\":2.0}").send().await
}

#[tokio::test]
async fn the_receiver_logs_a_call_exactly() {
    let receiver = Receiver::start().await;
    call(receiver.url("/hook?b=1&a=%20")).await.unwrap();
    let calls = receiver.wait_for("/hook", 1).await;
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path_and_query.as_str()), ("POST", "/hook?b=1&a=%20"));
    assert_eq!(call.text(), " {\"b\":1, \"a\":2.0}");
    assert_eq!(call.header_values("x-twice"), ["one", "two"]);
    assert_eq!(call.header("X-OTHER"), Some("o"));
    assert_eq!(call.answered, Some(200));
    assert!(receiver.calls("/other").is_empty());
}

#[tokio::test]
async fn a_script_is_played_in_order_and_its_last_step_repeats() {
    let receiver = Receiver::start().await;
    receiver.script("/hook", failing(2, 503));
    receiver.script("/moved", [answer(302).header("Location", "/hook").body("gone")]);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(call(receiver.url("/hook")).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [503, 503, 200, 200]);
    let moved = call(receiver.url("/moved")).await.unwrap();
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (302, "/hook"));
    assert_eq!(moved.text().await.unwrap(), "gone");
}

#[tokio::test]
async fn a_stalled_call_is_answered_when_released() {
    let receiver = Receiver::start().await;
    receiver.script("/hook", [receiver::stall()]);
    let mut calling = tokio::spawn(call(receiver.url("/hook")));
    assert_eq!(receiver.wait_for("/hook", 1).await[0].answered, None);
    assert!((&mut calling).now_or_never().is_none());
    receiver.release("/hook");
    assert_eq!(calling.await.unwrap().unwrap().status(), 200);
    assert_eq!(receiver.wait_for_answered("/hook", 1).await[0].answered, Some(200));
}

#[tokio::test]
async fn a_call_can_be_cut_hung_or_answered_without_end() {
    const SOON: Duration = Duration::from_millis(200);
    let receiver = Receiver::start().await;
    receiver.script("/cut", [receiver::cut()]);
    receiver.script("/hang", [receiver::hang()]);
    receiver.script("/endless", [receiver::endless_body()]);
    receiver.script("/stuck", [receiver::stuck_body()]);
    receiver.script("/half", [receiver::cut_in_body()]);

    assert!(call(receiver.url("/cut")).await.unwrap_err().is_request());
    assert!(timeout(SOON, call(receiver.url("/hang"))).await.is_err());
    let mut endless = call(receiver.url("/endless")).await.unwrap();
    let mut read = 0;
    while read < 1_000_000 {
        read += endless.chunk().await.unwrap().unwrap().len();
    }
    let mut stuck = call(receiver.url("/stuck")).await.unwrap();
    assert_eq!(stuck.chunk().await.unwrap().unwrap(), "the beginning");
    assert!(timeout(SOON, stuck.chunk()).await.is_err());
    let half = call(receiver.url("/half")).await.unwrap();
    assert!(half.bytes().await.is_err());
}

/// `scheduler dev` as far as the harness can tell before it speaks to it.
fn stand_in() -> AppBuilder {
    App::dev().program(&Path::new(env!("CARGO_MANIFEST_DIR")).join("it/stand_in.sh"))
}

#[tokio::test]
async fn the_program_is_started_with_its_flags_and_ended_in_either_way() {
    let builder = stand_in().now("2026-01-01T00:00:00Z").token("dev").signing_secret("s").env("SECRET", "x");
    let mut app = builder.poll_interval(Duration::from_millis(1500)).start().await;
    assert_eq!(app.url("/x"), "http://127.0.0.1:2/x");
    app.wait_for_output("secret x, profile none").await;
    let given = "given dev --port 0 --token dev --in-memory --dynamodb-port 0 --now 2026-01-01T00:00:00Z \
                 --poll-interval 1500ms --signing-secret s";
    assert!(app.output().contains(given), "{}", app.output());
    app.restart().await;
    app.kill9().await;
    app.restart().await;
    let exit = app.terminate().await;
    assert_eq!((exit.code, exit.stdout.lines().last()), (Some(7), Some("bye")));
}

#[tokio::test]
async fn a_program_that_prints_what_it_was_told_in_confidence_fails_its_test() {
    let caught = |app: App| std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(app)));
    let discreet = stand_in().token("dev").start().await;
    caught(discreet).unwrap();

    let app = stand_in().token("dev").env("SECRET", "the-value-of-a-header").start().await;
    let api = Receiver::start().await;
    app.move_to(&api.url(""));
    app.post_job(a_job().header("X-Secret", "the-value-of-a-header")).await.has_status(200);
    assert!(caught(app).is_err());

    let telling_its_arguments = stand_in().signing_secret("the-secret-of-the-tenant").start().await;
    assert!(caught(telling_its_arguments).is_err());
}

#[tokio::test]
async fn a_program_that_refuses_to_start_says_why() {
    let exit = stand_in().env("REFUSE", "port 8080 is in use").start_failing().await;
    assert_eq!((exit.code, exit.stdout.as_str(), exit.stderr.as_str()), (Some(1), "", "port 8080 is in use"));
}

#[tokio::test]
async fn a_conversation_walks_pages_and_remembers_what_was_promised() {
    let api = Receiver::start().await;
    let job = json!({ "id": "j1", "callbackUrl": "http://a/" });
    let created = answer(201).header("location", "/scheduled-jobs/j1").body(job.to_string());
    let problem = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "two fields are wrong", "instance": "r1",
        "errors": [{ "pointer": "/b", "detail": "x" }, { "pointer": "/a", "detail": "y" }],
    });
    let refused = answer(400).header("content-type", "application/problem+json").body(problem.to_string());
    let page = |items: Value, next: Value| answer(200).body(json!({ "items": items, "nextCursor": next }).to_string());
    let pages = [page(json!([{ "id": "j1" }]), json!("c1")), page(json!([{ "id": "j2" }]), Value::Null)];
    api.script("/scheduled-jobs", [created, refused].into_iter().chain(pages));

    let conversation = Conversation::new("dev");
    conversation.move_to(&api.url(""));
    let write_only = conversation.with_token("w");
    assert_eq!(write_only.post_job(a_job().in_seconds(5).header("X-A", "b")).await.created(), job);
    assert_eq!(conversation.post_job(a_job()).await.problem(400).pointers(), ["/b", "/a"]);
    assert_eq!(conversation.all_pages("limit=1").await, [json!({ "id": "j1" }), json!({ "id": "j2" })]);

    let remembered = conversation.created();
    assert_eq!((remembered.len(), remembered[0].token.as_deref()), (1, Some("w")));
    let calls = api.calls("/scheduled-jobs");
    assert_eq!(calls[0].header("authorization"), Some("Bearer w"));
    let sent: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(sent, json!({ "callbackUrl": "http://127.0.0.1:9/", "delaySeconds": 5, "headers": { "X-A": "b" } }));
    assert_eq!(calls[3].path_and_query, "/scheduled-jobs?limit=1&cursor=c1");
}
