//! The jobs in DynamoDB: the store is the queue. Only this folder knows an expression or the AWS SDK.
//! It never decides what becomes of a job; `lifecycle` does, and each transition is one conditional write here.
//! Neighbours: `write` and `change` the transitions, `due` the queue, `list` and `series` the lists, `count` their
//! lengths, `batch` many items at once, `item` the attributes, `table` their shape, `tenants` who may, `usage` and
//! `outcomes` what may be lost.

mod batch;
mod change;
mod count;
mod due;
mod item;
mod list;
pub mod outcomes;
mod payload;
mod series;
pub mod table;
pub mod tenants;
pub mod usage;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

pub use change::Changed;
pub use count::{Count, LARGEST_COUNT};
pub use due::{Due, DuePages};
pub use item::decode;
pub use list::{ListQuery, Order, Page, Position};
pub use table::TableNames;
pub use write::{Claimed, Created, Settled};

use crate::clock::Timestamp;
use crate::ids::{JobId, TenantId};
use crate::job::Job;

/// The jobs table of one deployment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    /// For the pages of the queue: a connection keeps the largest buffer that it has needed, and every one of hundreds
    /// would sooner or later have carried a page.
    pages: Client,
    tables: TableNames,
    shards: u32,
    /// Counted only where somebody asked for it.
    consumed: Option<Arc<WriteUnits>>,
}

/// Write units as DynamoDB counts them: what a job costs.
#[derive(Debug, Default)]
struct WriteUnits(AtomicU64);

/// Something is wrong with the store itself. Lost races and absent jobs are not errors.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reached, or throttled beyond patience: the same call may work later.
    #[error("the store failed while {doing}: {cause}")]
    Unavailable { doing: String, cause: String },
    /// By rights or rules of DynamoDB: the same call works once somebody has changed something.
    #[error("the store failed while {doing}, and refuses: {cause}")]
    Refused { doing: String, cause: String },
    /// An item that this version cannot read.
    #[error("the item of job {id} cannot be read: {cause}")]
    Corrupt { id: String, cause: String },
}

/// Leaves a store alone that did not take a call.
#[expect(clippy::disallowed_methods, reason = "nothing tells when a store takes calls again")]
pub async fn give_time(pause: Duration) {
    tokio::time::sleep(pause).await;
}

impl StoreError {
    fn for_good(self) -> Self {
        match self {
            Self::Unavailable { doing, cause } => Self::Refused { doing, cause },
            other @ (Self::Refused { .. } | Self::Corrupt { .. }) => other,
        }
    }
}

pub(crate) fn unavailable(doing: impl Into<String>, cause: impl std::error::Error) -> StoreError {
    StoreError::Unavailable { doing: doing.into(), cause: DisplayErrorContext(cause).to_string() }
}

/// The partition of the queue that a job lives in, of `shards`. Ids are random or hashes, so any of their bits will do.
fn shard_of(id: JobId, shards: u32) -> u32 {
    let [.., a, b, c, d] = *id.0.as_bytes();
    u32::from_be_bytes([a, b, c, d]) % shards.max(1)
}

impl Store {
    /// `shards` may be raised while jobs exist, never lowered: the poller would not look where they are.
    #[must_use]
    pub fn new(client: Client, tables: TableNames, shards: u32) -> Self {
        let pages = Client::from_conf(client.config().clone());
        Self { client, pages, tables, shards, consumed: None }
    }

    /// The same store, asking with each write what it costs. DynamoDB answers that for nothing, but what it answers has
    /// to be made, sent and read: some 5 % of a drain, on DynamoDB Local. CloudWatch has the sums of a deployment anyway.
    #[must_use]
    pub fn counting_write_units(self) -> Self {
        Self { consumed: Some(Arc::default()), ..self }
    }

    /// The write units that writes through this store (and its clones) have used since it began to count.
    #[must_use]
    pub fn write_units(&self) -> u64 {
        self.consumed.as_ref().map_or(0, |consumed| consumed.0.load(Ordering::Relaxed))
    }

    /// What to ask for with each write.
    fn capacity(&self) -> Option<ReturnConsumedCapacity> {
        self.consumed.is_some().then_some(ReturnConsumedCapacity::Indexes)
    }

    fn note_capacity(&self, answered: Option<&ConsumedCapacity>) {
        let units = answered.and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
        if let Some(consumed) = &self.consumed {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
            consumed.0.fetch_add(units.round() as u64, Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// The tenant's job, as it is this moment (a consistent read). `None` when there is none, when it is
    /// another tenant's, or when it has expired.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, tenant: &TenantId, id: JobId, now: Timestamp) -> Result<Option<Job>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.tables.jobs)
            .key(table::attribute::ID, item::text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| unavailable(format!("reading job {id}"), e))?;
        let job = answer.item.map(item::decode).transpose()?;
        match job.filter(|job| job.tenant == *tenant && !job.is_expired(now)) {
            Some(job) => self.with_payload(job).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The SDK's client with this project's patience: four tries of five seconds each, then the caller's own policy.
#[must_use]
pub fn client(aws: &aws_config::SdkConfig) -> Client {
    Client::from_conf(with_patience(aws_sdk_dynamodb::config::Builder::from(aws)).build())
}

/// A client for a store on this machine, which takes any credentials.
#[must_use]
pub fn local_client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-south-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint);
    Client::from_conf(with_patience(config).build())
}

fn with_patience(config: aws_sdk_dynamodb::config::Builder) -> aws_sdk_dynamodb::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(15))
        .build();
    config
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(timeouts)
        // An answer is read whole within its attempt's time.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}
