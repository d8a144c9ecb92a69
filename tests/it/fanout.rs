//! A tick that is shared out: the poller's real binary as coordinator and workers, each in a process of its own,
//! on a stand-in for Lambda. Never a look inside: what is judged is the table, the receiver's log and what Lambda saw.
//! Neighbours: `support::lambda` runs the processes, `functions` tests one process at a time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use poller::{Poller, Summary, Window};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Settings;
use shared::egress::Guard;
use shared::ids::{JobId, random_key};
use shared::store::table::TableNames;
use shared::store::tenants::Tenants;
use shared::store::{Store as Jobs, local_client};
use uuid::Uuid;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::Created;
use crate::support::invariants::Evidence;
use crate::support::lambda::{Invocation, Lambda, Outcome};
use crate::support::receiver::{Receiver, answer, stall};
use crate::support::rows::{Row, read_table};
use crate::support::stores::{Store, StoreKind};

const SHARDS: u64 = 16;
/// What EventBridge Scheduler sends when it is given no other event.
const SCHEDULED: &str = r#"{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.scheduler",
    "account":"123456789012","time":"2026-06-01T12:00:00Z","region":"eu-south-1","resources":[],"detail":"{}"}"#;

/// Due jobs in a store, a receiver for them, and the poller on Lambda.
pub(crate) struct Backlog {
    store: Store,
    pub(crate) receiver: Receiver,
    pub(crate) lambda: Lambda,
    created: Vec<Created>,
}

impl Backlog {
    /// `count` jobs that were due when the test began, all for `/hook`.
    pub(crate) async fn of(count: usize, environment: &[(&str, &str)]) -> Self {
        Self::of_invocations_lasting(Duration::from_secs(300), count, environment).await
    }

    /// The same where an invocation may take no longer than this.
    pub(crate) async fn of_invocations_lasting(length: Duration, count: usize, environment: &[(&str, &str)]) -> Self {
        let store = Store::start(StoreKind::Embedded).await;
        let receiver = Receiver::start().await;
        let created = fill(&store, &receiver, count).await;
        let table = |name: &str| format!("{}{name}", store.table_prefix());
        let (jobs, tenants, usage) = (table("jobs"), table("tenants"), table("usage"));
        let own = [
            ("AWS_ENDPOINT_URL_DYNAMODB", store.endpoint()),
            ("JOBS_TABLE", &jobs),
            ("TENANTS_TABLE", &tenants),
            ("USAGE_TABLE", &usage),
            ("ALLOWED_CALLBACK_NETWORKS", "127.0.0.0/8"),
            ("METRICS_SERVICE", "tests"),
        ];
        let environment: Vec<_> = own.into_iter().chain(environment.iter().copied()).collect();
        let lambda = Lambda::start("poller", length, &environment).await;
        Self { store, receiver, lambda, created }
    }

    /// One scheduled event, until all that comes of it is over.
    pub(crate) async fn a_minute_passes(&self) -> Vec<Invocation> {
        let before = self.lambda.invocations().len();
        self.lambda.invoke(serde_json::from_str(SCHEDULED).unwrap());
        self.lambda.wait_until_idle().await.split_off(before)
    }

    /// A tick of the same poller on a clock that stands at `now`.
    pub(crate) async fn tick_at(&self, now: DateTime<Utc>) -> Summary {
        let tables = TableNames::with_prefix(self.store.table_prefix());
        let allowed_networks = Some(Guard::parse_networks("127.0.0.0/8").unwrap());
        let settings = Settings { tables, allowed_networks, ..Settings::default() };
        let client = local_client(self.store.endpoint());
        let tenants = Tenants::new(client.clone(), &settings.tables);
        let jobs = Jobs::new(client, settings.tables.clone(), settings.shards);
        let poller = Poller::new(&settings, jobs, tenants, Clock::virtual_at(now)).unwrap();
        poller.tick(&Window::open()).await
    }

    pub(crate) async fn rows(&self) -> Vec<Row> {
        read_table(&self.store.client(), &format!("{}jobs", self.store.table_prefix())).await
    }

    /// What must always hold, at `now`.
    pub(crate) async fn check(&self, now: DateTime<Utc>) {
        let evidence = Evidence {
            created: self.created.clone(),
            rows: self.rows().await,
            calls: self.receiver.all_calls(),
            header_prefix: "Contit-".to_owned(),
            sightings: Vec::new(),
            now,
            poll_interval: TimeDelta::minutes(1),
            clocks_apart: TimeDelta::zero(),
        };
        let violations = evidence.violations();
        assert!(violations.is_empty(), "what must always hold does not:\n  {}", violations.join("\n  "));
    }
}

/// One job through the API, so that it is stored as the program stores it, and copies of it under other ids.
async fn fill(store: &Store, receiver: &Receiver, count: usize) -> Vec<Created> {
    let hour = Duration::from_secs(60 * 60);
    let mut app = App::dev().on(store).calling(receiver).poll_interval(hour).start().await;
    let request = a_job().to(&receiver.url("/hook")).payload(json!({ "text": "hello" })).timeout_seconds(60);
    app.post_job(request).await.has_status(201);
    let (created, table) = (app.created(), app.jobs_table().to_owned());
    app.kill9().await;
    let client = store.client();
    let original = client.scan().table_name(&table).send().await.unwrap().items.unwrap().remove(0);
    let copies: Vec<_> = (1..count).map(|_| copy(&original)).collect();
    let promise = |item: &HashMap<String, AttributeValue>| {
        let mut promise = created[0].clone();
        promise.job["id"] = text(item, "id").into();
        promise
    };
    let promises = created.iter().cloned().chain(copies.iter().map(promise)).collect();
    let batches: Vec<Vec<_>> = copies.chunks(25).map(<[_]>::to_vec).collect();
    stream::iter(batches).for_each_concurrent(4, |batch| put(&client, &table, batch)).await;
    promises
}

fn copy(original: &HashMap<String, AttributeValue>) -> HashMap<String, AttributeValue> {
    let id = JobId::random().0;
    let mut item = original.clone();
    let (planned_at, _) = text(original, "plannedAtId").split_once('#').map(|(at, id)| (at.to_owned(), id)).unwrap();
    for (name, value) in [
        ("id", id.to_string()),
        ("statusShard", format!("Open#{:02}", shard_of(id))),
        ("plannedAtId", format!("{planned_at}#{id}")),
        ("idempotencyKey", random_key()),
        ("writeId", random_key()),
    ] {
        item.insert(name.to_owned(), AttributeValue::S(value));
    }
    item
}

async fn put(client: &Client, table: &str, items: Vec<HashMap<String, AttributeValue>>) {
    let put = |item| PutRequest::builder().set_item(Some(item)).build().unwrap();
    let writes = items.into_iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
    let answer = client.batch_write_item().request_items(table, writes).send().await.unwrap();
    assert!(answer.unprocessed_items.is_none_or(|left| left.is_empty()), "the store takes them all");
}

fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> &'a str {
    item[name].as_s().unwrap()
}

fn shard_of(id: Uuid) -> u64 {
    let [.., a, b, c, d] = *id.as_bytes();
    u64::from(u32::from_be_bytes([a, b, c, d])) % SHARDS
}

fn shard_of_row(row: &Row) -> u64 {
    shard_of(row.id.parse().unwrap())
}

fn with_status<'a>(rows: &'a [Row], status: &str) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.status == status).collect()
}

fn sum(invocations: &[Invocation], member: &str) -> u64 {
    invocations.iter().map(|invocation| invocation.answer()[member].as_u64().unwrap()).sum()
}

fn answers(invocations: &[Invocation]) -> Vec<&Value> {
    invocations.iter().map(Invocation::answer).collect()
}

/// Fails unless one coordinator invoked `workers` others once each, all on shards of their own.
fn assert_depth_one(invocations: &[Invocation], workers: usize) {
    let (by_function, scheduled): (Vec<_>, Vec<_>) = invocations.iter().partition(|one| one.by_function);
    assert_eq!((scheduled.len(), by_function.len()), (1, workers), "{invocations:#?}");
    let handed_over: Vec<u64> = by_function.iter().flat_map(|worker| worker.shards().unwrap()).collect();
    let distinct: BTreeSet<u64> = handed_over.iter().copied().collect();
    assert_eq!(handed_over.len(), distinct.len(), "a shard was handed over twice: {handed_over:?}");
    assert!(distinct.len() < 16, "the coordinator keeps some: {distinct:?}");
    assert!(distinct.iter().all(|shard| *shard < SHARDS), "{distinct:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_due_jobs_are_shared_out_and_all_delivered() {
    const COUNT: usize = 20_000;
    // A worker has more than the threshold in its slice: it would share out too if it ever did.
    let backlog = Backlog::of(COUNT, &[("FANOUT_THRESHOLD", "2000"), ("FANOUT_MAX", "4")]).await;
    let invocations = backlog.a_minute_passes().await;
    assert_depth_one(&invocations, 3);
    assert_eq!(
        sum(&invocations, "claimsLost"),
        0,
        "no two pollers went for the same job: {:#?}",
        answers(&invocations)
    );
    for invocation in &invocations {
        let shards = invocation.shards().map_or(4, |shards| shards.len());
        assert_eq!(shards, 4, "all shards are alike, so the slices are");
        let (answer, metrics) = (invocation.answer(), invocation.printed_with("_aws"));
        assert_eq!(metrics.len(), 1, "{:?}", invocation.stdout);
        assert_eq!((&metrics[0]["Delivered"], &metrics[0]["Service"]), (&answer["delivered"], &json!("tests")));
    }
    // On a busy machine the store or the receiver is too slow for some: those are left to the next minutes.
    for _ in 0..5 {
        if with_status(&backlog.rows().await, "Pending").is_empty() {
            break;
        }
        backlog.a_minute_passes().await;
    }
    let after_all_leases = Clock::System.now() + TimeDelta::minutes(2);
    backlog.tick_at(after_all_leases).await;
    let rows = backlog.rows().await;
    assert_eq!((rows.len(), with_status(&rows, "Done").len()), (COUNT, COUNT), "{:#?}", answers(&invocations));
    backlog.check(after_all_leases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_loses_nothing() {
    /// Deliveries of a process to one host at a time.
    const AT_ONCE: usize = 4;
    let environment = [("FANOUT_THRESHOLD", "50"), ("FANOUT_MAX", "4"), ("POLLER_CONCURRENCY_PER_HOST", "4")];
    let backlog = Backlog::of(240, &environment).await;
    backlog.receiver.script("/hook", [stall()]);
    backlog.lambda.invoke(json!({}));
    backlog.receiver.wait_for("/hook", 4 * AT_ONCE).await;
    let (victim, shards) = backlog
        .lambda
        .invocations()
        .iter()
        .enumerate()
        .find_map(|(number, invocation)| Some((number, invocation.shards()?)))
        .expect("a worker");
    backlog.lambda.kill9(victim).await;
    backlog.receiver.script("/hook", [answer(200)]);
    let invocations = backlog.lambda.wait_until_idle().await;
    assert_depth_one(&invocations, 3);
    assert_eq!(invocations[victim].outcomes, [Outcome::Died]);

    let rows = backlog.rows().await;
    let (orphans, waiting) = (with_status(&rows, "Firing"), with_status(&rows, "Pending"));
    assert_eq!(orphans.len(), AT_ONCE, "what the killed worker had in flight is under its lease");
    assert!(!waiting.is_empty() && waiting.iter().all(|row| row.attempts == 0), "the rest was not touched");
    assert_eq!(orphans.len() + waiting.len() + with_status(&rows, "Done").len(), 240);
    assert!(orphans.iter().chain(&waiting).all(|row| shards.contains(&shard_of_row(row))), "all of it in its shards");

    backlog.a_minute_passes().await;
    let rows = backlog.rows().await;
    assert_eq!(with_status(&rows, "Done").len(), 240 - AT_ONCE, "the next minute takes what nobody had taken");
    let leases: Vec<i64> = with_status(&rows, "Firing").iter().map(|row| row.lease_until.unwrap()).collect();
    let lease_end = |seconds: Option<&i64>| DateTime::from_timestamp(*seconds.unwrap(), 0).unwrap();
    let (first, last) = (lease_end(leases.iter().min()), lease_end(leases.iter().max()));

    let early = backlog.tick_at(first - TimeDelta::seconds(1)).await;
    assert_eq!((early.claims_lost, early.delivered), (AT_ONCE as u64, 0), "a lease holds until it is over");
    let late = backlog.tick_at(last).await;
    assert_eq!((late.claims_lost, late.delivered), (0, AT_ONCE as u64), "and not a second longer");
    let rows = backlog.rows().await;
    assert_eq!(with_status(&rows, "Done").len(), 240);
    assert_eq!(rows.iter().filter(|row| row.attempts == 2).count(), AT_ONCE, "the interrupted attempts count");
    backlog.check(last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_that_cannot_be_handed_over_is_taken_by_the_coordinator() {
    let backlog = Backlog::of(200, &[("FANOUT_THRESHOLD", "20"), ("FANOUT_MAX", "8")]).await;
    backlog.lambda.refuse();
    let invocations = backlog.a_minute_passes().await;
    assert_depth_one(&invocations, 0);
    let answer = invocations[0].answer();
    assert_eq!((&answer["delivered"], &answer["workers"]), (&json!(200), &json!(0)));
    let refused: Vec<Value> = invocations[0].printed_with("shards");
    assert_eq!(refused.len(), 7, "each is logged: {:#?}", invocations[0].stdout);
    assert!(refused.iter().all(|line| line["level"] == "ERROR" && line["error"].as_str().unwrap().contains("refused")));
    backlog.check(Clock::System.now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_keeps_to_its_shards_and_shares_nothing_out() {
    let backlog = Backlog::of(200, &[("FANOUT_THRESHOLD", "1"), ("FANOUT_MAX", "8")]).await;
    backlog.lambda.invoke(json!({ "shards": [3, 0, 9] }));
    let invocations = backlog.lambda.wait_until_idle().await;
    assert_eq!(invocations.len(), 1, "{invocations:#?}");
    let rows = backlog.rows().await;
    let done = with_status(&rows, "Done");
    assert!(!done.is_empty() && done.iter().all(|row| [0, 3, 9].contains(&shard_of_row(row))));
    let left = with_status(&rows, "Pending");
    assert!(!left.is_empty() && left.iter().all(|row| ![0, 3, 9].contains(&shard_of_row(row))));
}
