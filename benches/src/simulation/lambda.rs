//! Lambda, as far as the poller's function meets it: an invocation each minute, asynchronous invocations by itself,
//! environments that are made when none is idle, within limits, and a bill. What runs inside is the product's poller.
//! Neighbours: `wire` connects each environment, `functions/poller/src/main.rs` is what `invocation` stands for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use poller::{Event, FanOut, Poller, Summary, Window};
use serde_json::Value;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::wire::{Processor, World, client, receivers};
use crate::prices::MB_A_PROCESSOR;

/// The stack's timeout of the poller, and its age of events after which they are dropped.
const TIMEOUT: Duration = Duration::from_secs(130);
const LARGEST_AGE: f64 = 60.0;
/// Environments that a function may get in ten seconds.
const NEW_IN_TEN_SECONDS: f64 = 1_000.0;
/// Assumed: from the minute to its invocation, a call of Lambda's API, an event in its queue, a new environment.
const SCHEDULE_SECONDS: f64 = 0.5;
const API_SECONDS: f64 = 0.03;
const QUEUE_SECONDS: f64 = 0.1;
const COLD_SECONDS: f64 = 0.4;

/// What a function has and may have.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) memory_mb: f64,
    /// Environments that run at a time: the account's limit, or what is reserved.
    pub(super) concurrency: usize,
    /// Processor time of a delivery on a whole processor.
    pub(super) seconds_a_delivery: f64,
    /// How much of the whole is simulated.
    pub(super) sample: f64,
}

#[derive(Debug)]
struct Environment {
    poller: Arc<Poller>,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Environment>,
    running: usize,
    /// How many may be made at once, and as of when.
    allowance: f64,
    at: f64,
    bill: Bill,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bill {
    pub(super) invocations: u64,
    pub(super) cold_starts: u64,
    pub(super) throttled: u64,
    /// Events that were too old when there was room for them.
    pub(super) dropped: u64,
    pub(super) seconds: f64,
    pub(super) most_at_once: usize,
    pub(super) claims_lost: u64,
    pub(super) store_failures: u64,
}

#[derive(Debug)]
pub(super) struct Function {
    world: Arc<World>,
    settings: Settings,
    limits: Limits,
    pool: Mutex<Pool>,
    failure: Mutex<Option<String>>,
}

impl Function {
    pub(super) fn new(world: Arc<World>, settings: Settings, limits: Limits) -> Arc<Self> {
        let pool = Pool { allowance: NEW_IN_TEN_SECONDS * limits.sample, ..Pool::default() };
        Arc::new(Self { world, settings, limits, pool: Mutex::new(pool), failure: Mutex::default() })
    }

    /// Invokes it once a minute, from the first minute on, until there is nothing left to do or `minutes` are over.
    pub(super) async fn each_minute(self: &Arc<Self>, minutes: u32) -> Result<Bill, String> {
        for minute in 1..=minutes {
            self.world.wait_until(f64::from(minute) * 60.0 + SCHEDULE_SECONDS).await;
            if self.world.dynamodb().jobs.open == 0 {
                break;
            }
            let this = self.clone();
            spawn_local(async move { this.from_queue(serde_json::json!({})).await });
        }
        let after = self.world.now() + 1.0;
        let mut second = after;
        while self.pool().running > 0 && second < after + TIMEOUT.as_secs_f64() {
            self.world.wait_until(second).await;
            second += 1.0;
        }
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(self.pool().bill),
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event that Lambda has accepted: run when there is room, tried again when there is none, dropped when it is old.
    async fn from_queue(self: Arc<Self>, event: Value) {
        let queued_at = self.world.now();
        let mut pause = 1.0;
        loop {
            match self.environment().await {
                Ok(Some(environment)) => return self.run(environment, event).await,
                Ok(None) => {}
                Err(problem) => {
                    self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
                    return;
                }
            }
            self.pool().bill.throttled += 1;
            if self.world.now() + pause - queued_at > LARGEST_AGE {
                self.pool().bill.dropped += 1;
                return;
            }
            self.world.wait_until(self.world.now() + pause).await;
            pause = (2.0 * pause).min(300.0);
        }
    }

    /// An idle environment or a new one; `None` when there may be no more.
    async fn environment(&self) -> Result<Option<Environment>, String> {
        {
            let mut pool = self.pool();
            if pool.running >= self.limits.concurrency {
                return Ok(None);
            }
            pool.running += 1;
            pool.bill.most_at_once = pool.bill.most_at_once.max(pool.running);
            if let Some(environment) = pool.idle.pop() {
                return Ok(Some(environment));
            }
            let (now, most) = (self.world.now(), NEW_IN_TEN_SECONDS * self.limits.sample);
            pool.allowance = (pool.allowance + (now - pool.at) * most / 10.0).min(most.max(1.0));
            pool.at = now;
            if pool.allowance < 1.0 {
                pool.running -= 1;
                return Ok(None);
            }
            pool.allowance -= 1.0;
            pool.bill.cold_starts += 1;
        }
        self.world.wait_until(self.world.now() + COLD_SECONDS).await;
        self.make().map(Some)
    }

    fn make(&self) -> Result<Environment, String> {
        let share = self.limits.memory_mb / MB_A_PROCESSOR;
        let processor = Arc::new(Processor::new(share, self.limits.seconds_a_delivery));
        let client = client(&self.world, &processor);
        let tenants = Tenants::new(client.clone(), &self.settings.tables);
        let store = Store::new(client, self.settings.tables.clone(), self.settings.shards);
        let wire = receivers(&self.world, &processor);
        let poller = Poller::on_wire(&self.settings, store, tenants, self.world.clock.clone(), wire);
        Ok(Environment { poller: poller.map_err(|e| e.to_string())? })
    }

    async fn run(self: Arc<Self>, environment: Environment, event: Value) {
        let began = self.world.now();
        let done = timeout(TIMEOUT, self.invocation(&environment, &event)).await;
        let mut pool = self.pool();
        pool.running -= 1;
        pool.bill.invocations += 1;
        pool.bill.seconds += self.world.now() - began;
        match done {
            Ok(Ok(summary)) => {
                pool.bill.claims_lost += summary.claims_lost;
                pool.bill.store_failures += summary.store_failures;
                pool.idle.push(environment);
            }
            Ok(Err(problem)) => {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
            }
            // It is killed, and its environment with it.
            Err(_) => {}
        }
    }

    /// What the product's `main` does with an event.
    async fn invocation(self: &Arc<Self>, environment: &Environment, event: &Value) -> Result<Summary, String> {
        let event = Event::parse(event, self.settings.shards).map_err(|e| e.to_string())?;
        let window = Window::of_invocation(TIMEOUT);
        let poller = &environment.poller;
        Ok(match event {
            Event::Tick => {
                let fan_out = FanOut::of(&self.settings);
                poller.coordinate(&window, fan_out, async |shards: &[u32]| self.invoke(shards).await).await
            }
            Event::Shards(shards) => poller.tick_over(&window, stream::iter(shards)).await,
        })
    }

    /// The call of Lambda's API, which accepts the event and answers before it is run.
    async fn invoke(self: &Arc<Self>, shards: &[u32]) -> Result<(), String> {
        self.world.wait_until(self.world.now() + API_SECONDS).await;
        let (this, event) = (self.clone(), Event::for_shards(shards));
        // An invocation may bring about others, so that the type of one cannot hold that of another.
        let queued: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            this.world.wait_until(this.world.now() + QUEUE_SECONDS).await;
            this.from_queue(event).await;
        });
        spawn_local(queued);
        Ok(())
    }
}
