//! What a poller is connected to: DynamoDB as the SDK's HTTP client, receivers as the poller's wire, each a while away, and
//! a processor that it does its work on. All waiting is on tokio's clock, which is paused and jumps to the next instant.
//! Neighbours: `dynamodb` answers, `lambda` runs pollers that are connected so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::HttpClient;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use poller::Wire;
use shared::clock::{Clock, VirtualClock};
use shared::store::{Client, local_client};
use tokio::time::{Instant, sleep_until};

use super::dynamodb::DynamoDb;
use super::jobs::{Millis, timestamp};

/// Assumed: what a call of DynamoDB takes at least, and on average beyond that.
const DYNAMODB: (f64, f64) = (0.003, 0.002);
/// The calls of DynamoDB and of the receiver that a delivery makes: its processor time is spread over them.
const CALLS_A_DELIVERY: f64 = 3.0;

/// How receivers behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receivers {
    /// From the request to the answer.
    pub(super) seconds: f64,
    /// One in so many calls fails; none when 0.
    pub(super) one_fails_in: u32,
}

/// All that pollers share. It belongs to one run on one thread; the lock is for the compiler.
#[derive(Debug)]
pub(super) struct World {
    dynamodb: Mutex<DynamoDb>,
    random: Mutex<fastrand::Rng>,
    receivers: Receivers,
    start: Instant,
    hands: VirtualClock,
    pub(super) clock: Clock,
}

impl World {
    /// From within the runtime that it is used in.
    pub(super) fn new(dynamodb: DynamoDb, receivers: Receivers, seed: u64) -> Arc<Self> {
        let hands = match Clock::virtual_at(timestamp(0)) {
            Clock::Virtual(hands) => hands,
            Clock::System | Clock::Wrong(_) => unreachable!("it was made virtual"),
        };
        Arc::new(Self {
            dynamodb: Mutex::new(dynamodb),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            receivers,
            start: Instant::now(),
            clock: Clock::Virtual(hands.clone()),
            hands,
        })
    }

    pub(super) fn dynamodb(&self) -> MutexGuard<'_, DynamoDb> {
        self.dynamodb.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the beginning.
    pub(super) fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub(super) fn now_millis(&self) -> Millis {
        Millis::try_from(self.start.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Waits until that second, then sets the clock that the poller reads.
    pub(super) async fn wait_until(&self, second: f64) {
        sleep_until(self.start + Duration::from_secs_f64(second.max(0.0))).await;
        self.hands.set(timestamp(self.now_millis()));
    }

    /// At least the first, and on average the second more: most soon, a few much later.
    fn some_time(&self, (least, more): (f64, f64)) -> f64 {
        let random = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        least - more * (1.0 - random).ln()
    }
}

/// One environment's share of a processor: work waits for the work before it.
#[derive(Debug)]
pub(super) struct Processor {
    free_at: Mutex<f64>,
    seconds_a_call: f64,
}

impl Processor {
    /// With so much of a whole processor, which needs that long for a delivery.
    pub(super) fn new(share: f64, seconds_a_delivery: f64) -> Self {
        let seconds_a_call = seconds_a_delivery / CALLS_A_DELIVERY / share.min(1.0);
        Self { free_at: Mutex::new(0.0), seconds_a_call }
    }

    /// When the work for a call that begins now is done.
    fn done_at(&self, now: f64) -> f64 {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = free_at.max(now) + self.seconds_a_call;
        *free_at
    }
}

/// One environment's way to DynamoDB.
#[derive(Clone, Debug)]
struct ToDynamoDb {
    world: Arc<World>,
    processor: Arc<Processor>,
}

impl HttpClient for ToDynamoDb {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for ToDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { world, processor } = self.clone();
        HttpConnectorFuture::new(async move {
            let there = processor.done_at(world.now()) + world.some_time(DYNAMODB);
            world.wait_until(there).await;
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let body = request.body().bytes().unwrap_or_default();
            let answer = world.dynamodb().answer(world.now(), target, body);
            let status = answer.status.try_into().map_err(|e| ConnectorError::user(Box::new(e)))?;
            Ok(HttpResponse::new(status, SdkBody::from(answer.body)))
        })
    }
}

/// The SDK's client with the product's patience, connected to the model. Its retries are paid from a purse of its own, as
/// those of another environment would be.
pub(super) fn client(world: &Arc<World>, processor: &Arc<Processor>) -> Client {
    let to_dynamodb = ToDynamoDb { world: world.clone(), processor: processor.clone() };
    let patient = local_client("http://dynamodb.invalid");
    let purse = RetryPartition::custom("environment").build();
    Client::from_conf(patient.config().to_builder().http_client(to_dynamodb).retry_partition(purse).build())
}

/// Receivers that are told which job it is by the path of its URL.
pub(super) fn receivers(world: &Arc<World>, processor: &Arc<Processor>) -> Wire {
    let (world, processor) = (world.clone(), processor.clone());
    Wire::new(move |request| {
        let (world, processor) = (world.clone(), processor.clone());
        async move {
            let row = request.uri().path().trim_start_matches('/').parse().ok();
            let there = processor.done_at(world.now());
            let called = world.now_millis();
            let succeeds = note_call(&world, row, called);
            world.wait_until(there + world.receivers.seconds).await;
            if succeeds { axum::http::StatusCode::OK } else { axum::http::StatusCode::INTERNAL_SERVER_ERROR }
        }
    })
}

/// Whether the receiver will answer that it went well.
fn note_call(world: &World, row: Option<u32>, at: Millis) -> bool {
    let one_in = world.receivers.one_fails_in;
    let fails = one_in > 0 && world.random.lock().unwrap_or_else(PoisonError::into_inner).u32(0..one_in) == 0;
    let mut dynamodb = world.dynamodb();
    let Some(job) = row.and_then(|row| dynamodb.jobs.row(row)) else {
        dynamodb.refused.get_or_insert("a callback of no job".to_owned());
        return false;
    };
    if job.calls == 0 {
        job.called = at;
    }
    job.calls = job.calls.saturating_add(1);
    !fails
}
