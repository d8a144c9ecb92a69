//! The poller by itself, in the test's own process: its clock, its places and its store's network are in the test's hands.
//! Never through the API; what is judged is what the receivers got, what is stored, and the summary of a tick.
//! Neighbours: `network` has the whole program behind the same proxy, `receivers` what receivers do to it.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use chrono::TimeDelta;
use futures_util::future::join_all;
use poller::{Poller, Window};
use shared::clock::{Clock, Stopwatch, Timestamp};
use shared::config::Settings;
use shared::egress::Guard;
use shared::ids::{JobId, TenantId};
use shared::job::{Job, State, Status};
use shared::request;
use shared::store::table::{self, TableNames};
use shared::store::tenants::Tenants;
use shared::store::{Client, Created, Store as Jobs, local_client};

use crate::store::{after, noon, now_stored, tenant};
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::receiver::{Receiver, answer, stall};
use crate::support::stores::{Store, StoreKind};
use crate::support::waiting::later;

/// Refused for good: the SDK does not try again.
const DENIED: Fault = Fault::FailWith { status: 400, error: "com.amazonaws.dynamodb.v20120810#AccessDeniedException" };

/// A store behind a proxy that the poller has to go through, and the test does not.
struct Place {
    store: Store,
    proxy: ChaosProxy,
    receiver: Receiver,
    clock: Clock,
    settings: Settings,
}

impl Place {
    async fn with(settings: Settings) -> Self {
        let store = Store::start(StoreKind::Embedded).await;
        let tables = TableNames::with_prefix(store.table_prefix());
        table::create_missing(&store.client(), &tables).await.unwrap();
        let allowed_networks = Some(Guard::parse_networks("127.0.0.0/8").unwrap());
        Self {
            proxy: ChaosProxy::before(store.endpoint()).await,
            receiver: Receiver::start().await,
            clock: Clock::virtual_at(noon()),
            settings: Settings { tables, allowed_networks, ..settings },
            store,
        }
    }

    fn jobs(&self, client: Client) -> Jobs {
        Jobs::new(client, self.settings.tables.clone(), self.settings.shards)
    }

    fn poller(&self) -> Arc<Poller> {
        self.poller_that_asks(local_client(&self.proxy.url()))
    }

    fn poller_that_asks(&self, client: Client) -> Arc<Poller> {
        let tenants = Tenants::new(client.clone(), &self.settings.tables);
        Poller::new(&self.settings, self.jobs(client), tenants, self.clock.clone()).unwrap()
    }

    fn is(&self, now: Timestamp) {
        let Clock::Virtual(hands) = &self.clock else { unreachable!("it is virtual") };
        hands.set(now);
    }

    async fn job(&self, url: &str, fields: &str) -> JobId {
        self.job_of(&tenant(), url, fields, noon()).await
    }

    /// Due since `due`.
    async fn job_of(&self, tenant: &TenantId, url: &str, fields: &str, due: Timestamp) -> JobId {
        let body = format!(r#"{{"callbackUrl":"{url}"{fields}}}"#);
        let new = request::parse(body.as_bytes(), due, &self.settings.rules()).unwrap();
        let job = Job::new(JobId::random(), tenant.clone(), new, None, due);
        let jobs = self.jobs(self.store.client());
        assert!(matches!(jobs.create(&job, due).await.unwrap(), Created::New));
        job.id
    }

    async fn stored(&self, id: JobId) -> Job {
        now_stored(&self.jobs(self.store.client()), id).await
    }
}

#[tokio::test]
async fn a_job_that_was_about_to_be_taken_when_the_invocation_ended_is_taken_by_the_next() {
    let place = Place::with(Settings { concurrency: 1, ..Settings::default() }).await;
    let other = Receiver::start().await;
    let first = place.job(&place.receiver.url("/hook"), "").await;
    let second = place.job(&other.url("/hook"), "").await;
    let outcomes = place.proxy.rule(operation("UpdateItem").with_text("\":lease\":"), Fault::HoldRequest);
    let poller = place.poller();
    // It ends although the store does not answer.
    let cut_off = poller.tick(&Window::of_invocation(Duration::from_secs(2))).await;
    assert_eq!((cut_off.claimed, cut_off.delivered), (1, 0));
    assert_eq!(outcomes.times_struck(), 1);
    outcomes.withdraw();
    place.is(after(61));
    poller.tick(&Window::open()).await;
    for id in [first, second] {
        assert_eq!(place.stored(id).await.state.status(), Status::Done);
    }
    assert_eq!((place.receiver.calls("/hook").len(), other.calls("/hook").len()), (1, 1));
}

#[tokio::test]
async fn a_place_whose_claim_failed_stays_empty_for_a_while() {
    let place = Place::with(Settings { concurrency: 1, ..Settings::default() }).await;
    for _ in 0..4 {
        place.job(&place.receiver.url("/hook"), "").await;
    }
    let claims = place.proxy.rule(operation("UpdateItem").with_text(":firing"), DENIED);
    let watch = Stopwatch::start();
    let summary = place.poller().tick(&Window::open()).await;
    assert_eq!((summary.store_failures, claims.times_struck()), (4, 4));
    // However slow the machine, it is not less.
    assert!(watch.elapsed() >= Duration::from_millis(4 * 500), "{:?}", watch.elapsed());
    assert!(place.receiver.all_calls().is_empty());
}

#[tokio::test]
async fn an_outcome_that_the_store_refuses_for_good_is_not_tried_again() {
    let place = Place::with(Settings::default()).await;
    let id = place.job(&place.receiver.url("/hook"), "").await;
    let outcomes = place.proxy.rule(operation("UpdateItem").with_text("#Done"), DENIED);
    let poller = place.poller();
    let summary = poller.tick(&Window::open()).await;
    assert_eq!((summary.claimed, summary.store_failures, outcomes.times_struck()), (1, 1, 1));
    assert_eq!(place.stored(id).await.state.status(), Status::Firing);
    outcomes.withdraw();
    place.is(after(61));
    assert_eq!(poller.tick(&Window::open()).await.delivered, 1);
    assert_eq!(place.receiver.calls("/hook").len(), 2);
}

#[tokio::test]
async fn what_is_not_sent_for_a_reason_of_the_stores_uses_up_no_attempt() {
    let place = Place::with(Settings::default()).await;
    let payload = format!(r#"{{"text":"{}"}}"#, "x".repeat(3_000));
    for (which, fields) in [("payload#", format!(r#","payload":{payload}"#)), ("tenant#", String::new())] {
        let path = format!("/{}", which.trim_end_matches('#'));
        let id = place.job(&place.receiver.url(&path), &format!(r#"{fields},"maxRetries":1"#)).await;
        let before = place.stored(id).await;
        let reads = place.proxy.rule(operation("GetItem").with_text(which), DENIED);
        let poller = place.poller();
        let summary = poller.tick(&Window::open()).await;
        assert_eq!((summary.claimed, summary.store_failures, summary.dead_lettered), (1, 1, 0), "{which}");
        assert!(place.receiver.all_calls().iter().all(|call| call.path() != path), "{which}");
        let waiting = place.stored(id).await;
        assert_eq!((waiting.attempts, &waiting.log, &waiting.state), (0, &before.log, &before.state), "{which}");
        assert!(reads.times_struck() >= 1);
        reads.withdraw();
        assert_eq!(poller.tick(&Window::open()).await.delivered, 1, "{which}");
        let [call] = &place.receiver.calls(&path)[..] else { panic!("one call") };
        assert_eq!(
            (call.header("contit-attempt"), call.text()),
            (Some("1"), fields.trim_start_matches(r#","payload":"#))
        );
    }
}

#[tokio::test]
async fn no_call_begins_when_its_lease_would_end_before_it() {
    let place = Place::with(Settings::default()).await;
    let id = place.job(&place.receiver.url("/hook"), r#","timeoutSeconds":5"#).await;
    let claims = place.proxy.rule(operation("UpdateItem").with_text(":firing").nth(1), Fault::HoldAnswer);
    let poller = place.poller();
    let slow = async {
        claims.struck(1).await;
        // The lease is for 35 s.
        place.is(after(31));
        claims.release();
    };
    let (summary, ()) = tokio::join!(async { poller.tick(&Window::open()).await }, slow);
    assert_eq!((summary.claimed, summary.store_failures), (1, 1));
    assert!(place.receiver.all_calls().is_empty());
    let waiting = place.stored(id).await;
    assert_eq!((waiting.attempts, waiting.state), (0, State::Pending { due_at: noon() }));
    assert_eq!(poller.tick(&Window::open()).await.delivered, 1);
}

#[tokio::test]
async fn a_page_of_the_queue_is_not_lost_while_all_places_are_taken() {
    let place = Place::with(Settings { concurrency: 1, shards: 4, ..Settings::default() }).await;
    let url = place.receiver.url("/hook");
    // So many that a page takes several reads of its connection.
    let bodies = (0..400).map(|_| place.job(&url, ""));
    join_all(bodies).await;
    place.receiver.script("/hook", [stall(), answer(200)]);
    let brief = TimeoutConfig::builder().operation_timeout(Duration::from_millis(400)).build();
    let config = local_client(&place.proxy.url()).config().to_builder().timeout_config(brief).build();
    let poller = place.poller_that_asks(Client::from_conf(config));
    let waiting = async {
        place.receiver.wait_for("/hook", 1).await;
        later(Duration::from_secs(1)).await;
        place.receiver.release("/hook");
    };
    let (summary, ()) = tokio::join!(async { poller.tick(&Window::open()).await }, waiting);
    assert_eq!((summary.delivered, summary.store_failures), (400, 0), "{summary:?}");
}

#[tokio::test]
async fn a_tenant_whose_receivers_all_hang_leaves_places_to_the_others() {
    let place =
        Place::with(Settings { concurrency: 16, concurrency_per_host: 2, shards: 1, ..Settings::default() }).await;
    let (greedy, modest) = (TenantId::parse("greedy").unwrap(), TenantId::parse("modest").unwrap());
    let hanging = join_all((0..8).map(|_| Receiver::start())).await;
    let poller = place.poller();
    for tenant in [&greedy, &modest] {
        place.job_of(tenant, &place.receiver.url("/before"), "", noon()).await;
    }
    assert_eq!(poller.tick(&Window::open()).await.delivered, 2);
    for receiver in &hanging {
        receiver.script("/hook", [stall()]);
        for _ in 0..3 {
            place.job_of(&greedy, &receiver.url("/hook"), "", after(1)).await;
        }
    }
    let late = after(1) + TimeDelta::milliseconds(1);
    place.job_of(&modest, &place.receiver.url("/hook"), "", late).await;
    place.is(after(2));
    let served = async {
        place.receiver.wait_for_answered("/hook", 1).await;
        let held: usize = hanging.iter().map(|receiver| receiver.calls("/hook").len()).sum();
        assert!((1..=12).contains(&held), "three quarters of 16 places at most: {held}");
        hanging.iter().for_each(|receiver| receiver.release("/hook"));
    };
    let (summary, ()) = tokio::join!(async { poller.tick(&Window::open()).await }, served);
    assert_eq!((summary.delivered, summary.left), (25, 0), "{summary:?}");
}
