//! One run: a deployment, what is due in it, and what came of it. A run has a clock, a thread and random numbers of its own:
//! the same scenario and seed give the same figures.
//! It compares nothing. Neighbours: `experiments` chooses scenarios, `page` shows outcomes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use shared::config::Settings;
use tokio::task::LocalSet;

use super::dynamodb::DynamoDb;
use super::jobs::{Jobs, Millis, Row};
use super::lambda::{Bill, Function, Limits};
use super::throughput::{NEW_WRITES, PARTITION_WRITES, Placement, Throughput};
use super::wire::{Receivers, World};
use crate::prices;
use crate::process::whole;

/// Assumed: how late an index is.
const LAG_SECONDS: f64 = 0.2;
/// The poller's processor time for a callback on a whole processor, as `make bench` measured it (BENCHMARKS.md).
pub(super) const PROCESSOR_SECONDS: f64 = 0.000_43;
/// Assumed: what receivers take to answer.
pub(super) const RECEIVER_SECONDS: f64 = 0.05;
/// The default quota of an on-demand table and of each of its indexes.
pub(super) const DEFAULT_QUOTA: f64 = 40_000.0;
/// As much as anybody asks for.
pub(super) const NO_QUOTA: f64 = 10_000_000.0;
/// The account's limit of environments.
const CONCURRENCY: u32 = 1_000;
const SECONDS_AN_HOUR: f64 = 3_600.0;
/// Minutes after the last arrival in which what is late may still be delivered.
const AFTERWARDS: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Spread over the hour.
    Even,
    /// All at one instant, the beginning of a minute.
    Spike,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Table {
    /// Made ready for what comes, each key of an index in a partition of its own.
    Warm,
    /// Just made: 4,000 writes a second, and few partitions.
    New,
}

/// A deployment and its load. All figures are of the whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scenario {
    pub(super) jobs: f64,
    pub(super) shape: Shape,
    pub(super) shards: u32,
    /// `FANOUT_MAX`.
    pub(super) workers: u32,
    pub(super) tenants: u32,
    pub(super) table: Table,
    pub(super) quota: f64,
    /// As many are created in the hour as are due, by what is not simulated.
    pub(super) created_meanwhile: bool,
    pub(super) memory_mb: f64,
    pub(super) one_fails_in: u32,
    /// Write units a second of a partition: another limit only where a test wants to meet it with few jobs.
    pub(super) partition_writes: f64,
    /// One part of so many is simulated.
    pub(super) of: u32,
    /// Of the hour.
    pub(super) minutes: u32,
    pub(super) seed: u64,
}

/// What came of it. Figures of use are of the whole hour and the whole deployment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) simulated: usize,
    /// Of those simulated: not delivered in the end; called more than once.
    pub(super) left: usize,
    pub(super) repeated: usize,
    /// Seconds from the planned instant to the call.
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    /// The largest in each minute of planned instants.
    pub(super) by_minute: Vec<f64>,
    pub(super) writes: f64,
    pub(super) reads: f64,
    /// Of the sample, by what stood in the way: the whole table, or a partition of table, queue and lists.
    pub(super) throttled_by_table: u64,
    pub(super) throttled: [u64; 3],
    pub(super) splits: u64,
    pub(super) failed_conditions: u64,
    pub(super) bill: Bill,
    /// Of the whole hour.
    pub(super) dollars: f64,
    pub(super) dollars_a_million: f64,
}

impl Default for Scenario {
    /// The stack's defaults, everything else out of the way.
    fn default() -> Self {
        Self {
            jobs: 1e6,
            shape: Shape::Even,
            shards: 16,
            workers: 8,
            tenants: 1_000,
            table: Table::Warm,
            quota: NO_QUOTA,
            created_meanwhile: false,
            memory_mb: 1_024.0,
            one_fails_in: 0,
            partition_writes: PARTITION_WRITES,
            of: 1,
            minutes: 2,
            seed: 1,
        }
    }
}

impl Scenario {
    fn sample(&self) -> f64 {
        1.0 / f64::from(self.of.max(1))
    }

    fn a_second(&self) -> f64 {
        self.jobs / SECONDS_AN_HOUR
    }

    /// How much of the hour's jobs are simulated, without the sampling of shards.
    fn stretch(&self) -> f64 {
        match self.shape {
            Shape::Even => f64::from(self.minutes) / 60.0,
            Shape::Spike => 1.0,
        }
    }

    /// When each job of the sample is planned.
    fn planned(&self) -> impl Iterator<Item = (Millis, u32)> + use<> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some millions at most")]
        let count = (self.jobs * self.stretch() * self.sample()).round() as u32;
        let (shape, span, tenants) = (self.shape, self.minutes * 60_000, self.tenants_here());
        let mut random = fastrand::Rng::with_seed(self.seed);
        (0..count).map(move |_| {
            let at = match shape {
                Shape::Even => random.u32(0..span.max(1)),
                Shape::Spike => 60_000,
            };
            (at, random.u32(0..tenants))
        })
    }

    fn tenants_here(&self) -> u32 {
        (self.tenants / self.of.max(1)).max(1)
    }

    fn dynamodb(&self, settings: &Settings) -> DynamoDb {
        let (shards, tenants) = (settings.shards, self.tenants_here());
        let created = if self.created_meanwhile { self.a_second() } else { 0.0 };
        let (warm, placement) = match self.table {
            Table::Warm => (self.quota, Placement::Apart),
            Table::New => (NEW_WRITES, Placement::Packed),
        };
        let of = |placement, keys, created: f64| {
            Throughput::new(placement, keys, warm - created, self.quota - created, self.sample())
        };
        // A tenant of whom a part is simulated has that part of its partition.
        let part = f64::from(self.tenants) * self.sample() / f64::from(tenants);
        let lists = (self.partition_writes - created / f64::from(self.tenants)) * part;
        DynamoDb {
            names: settings.tables.clone(),
            jobs: Jobs::new(self.planned(), shards, LAG_SECONDS),
            table: of(Placement::Hashed, 0, created),
            queue: of(placement, shards, created)
                .with_partitions_of(self.partition_writes - created / f64::from(self.shards)),
            lists: of(placement, 2 * tenants, created).with_partitions_of(lists),
            other_writes: 0.0,
            other_reads: 0.0,
            failed_conditions: 0,
            refused: None,
            hosts: 200,
        }
    }

    /// Runs it, in less time than it takes.
    ///
    /// # Errors
    /// When the model was asked for what it does not know: then no figure means anything.
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        // The SDK's jitter comes from the thread's own generator.
        fastrand::seed(self.seed);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build()?;
        let (world, bill) = runtime.block_on(LocalSet::new().run_until(self.simulate()))?;
        let dynamodb = world.dynamodb();
        if let Some(problem) = &dynamodb.refused {
            bail!("{problem}");
        }
        Ok(self.outcome(&dynamodb, world.now(), bill))
    }

    async fn simulate(&self) -> anyhow::Result<(Arc<World>, Bill)> {
        let settings = Settings {
            shards: (self.shards / self.of.max(1)).max(1),
            fan_out_max: (self.workers / self.of.max(1)).max(1),
            ..Settings::default()
        };
        let receivers = Receivers { seconds: RECEIVER_SECONDS, one_fails_in: self.one_fails_in };
        let world = World::new(self.dynamodb(&settings), receivers, self.seed);
        let limits = Limits {
            memory_mb: self.memory_mb,
            concurrency: (CONCURRENCY / self.of.max(1)).max(1) as usize,
            seconds_a_delivery: PROCESSOR_SECONDS,
            sample: self.sample(),
        };
        let function = Function::new(world.clone(), settings, limits);
        let bill = function.each_minute(self.minutes + AFTERWARDS).await;
        Ok((world, bill.map_err(anyhow::Error::msg).context("the simulated function failed")?))
    }

    fn outcome(&self, dynamodb: &DynamoDb, end: f64, bill: Bill) -> Outcome {
        let rows = &dynamodb.jobs.rows;
        let lateness = |row: &Row| {
            let called = if row.calls > 0 { f64::from(row.called) / 1e3 } else { end };
            called - f64::from(row.planned) / 1e3
        };
        let mut sorted: Vec<f64> = rows.iter().map(lateness).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1));
        let mut by_minute = vec![0.0f64; self.minutes as usize];
        for row in rows {
            if let Some(most) = by_minute.get_mut((row.planned / 60_000) as usize) {
                *most = most.max(lateness(row));
            }
        }
        let parts = [&dynamodb.table, &dynamodb.queue, &dynamodb.lists];
        let whole_hour = f64::from(self.of.max(1)) / self.stretch();
        let writes = parts.iter().map(|part| part.written).sum::<f64>() + dynamodb.other_writes;
        let reads = parts.iter().map(|part| part.read).sum::<f64>() + dynamodb.other_reads;
        let lambda =
            whole(bill.invocations) * prices::LAMBDA_REQUEST + bill.seconds * self.memory_mb * prices::LAMBDA_MB_SECOND;
        let dollars = writes * prices::WRITE_UNITS + reads * prices::READ_UNITS + lambda;
        let delivered = rows.iter().filter(|row| row.calls > 0).count();
        Outcome {
            simulated: rows.len(),
            left: dynamodb.jobs.open,
            repeated: rows.iter().filter(|row| row.calls > 1).count(),
            p50: at(50).copied().unwrap_or_default(),
            p99: at(99).copied().unwrap_or_default(),
            max: at(100).copied().unwrap_or_default(),
            by_minute,
            writes: writes * whole_hour,
            reads: reads * whole_hour,
            throttled_by_table: parts.iter().map(|part| part.throttled_by_table).sum(),
            throttled: parts.map(|part| part.throttled_by_partition),
            splits: parts.iter().map(|part| part.splits).sum(),
            failed_conditions: dynamodb.failed_conditions,
            bill,
            dollars: dollars * whole_hour,
            dollars_a_million: 1e6 * dollars / whole(u64::try_from(delivered.max(1)).unwrap_or(u64::MAX)),
        }
    }
}
