//! The transitions of creation and delivery as conditional writes, the condition beside each; those that a client asks
//! for are in `change`. Nothing else in the project writes a job.
//! A lost answer is not a lost race: the SDK repeats a call whose answer was lost, and the repeat fails its own
//! condition. So each write stamps the item with a fresh `writeId`; a failed condition on an item that carries
//! our own means that the write went through the first time.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{self, Attributes, number, text};
use super::{Store, StoreError, payload, table, unavailable};
use crate::clock::{Timestamp, format_instant};
use crate::failpoint::failpoint;
use crate::ids::{JobId, TenantId, WriteId};
use crate::job::{Ended, Job, State, Status};
use crate::lifecycle::{Claim, Exhausted, LEASE_MARGIN, Lost, Settlement, seconds_up};

/// Errors of DynamoDB that asking again does not mend. Any other may pass.
const FINAL: [&str; 3] = ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"];

/// What came of creating a job.
#[derive(Debug)]
#[must_use]
pub enum Created {
    New,
    /// The id is taken: an `Idempotency-Key` was used before.
    Exists(Box<Job>),
}

/// What came of claiming a job.
#[derive(Debug)]
#[must_use]
pub enum Claimed {
    Claimed(Box<Claim>),
    /// The last allowed attempt was interrupted: to be buried, not delivered.
    Exhausted(Box<Exhausted>),
    Lost(Lost),
}

/// What came of recording an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    Recorded,
    /// The lease ran out and another poller took the job.
    LeaseLost,
}

/// A conditional write either was made (now, or by an earlier try whose answer was lost) or found another state.
pub(super) enum Outcome {
    /// The item as it is after the write.
    Applied(Attributes),
    /// The item as it stood in the way; `None` when there is none.
    Refused(Option<Attributes>),
}

impl Store {
    /// Puts a new job: condition `attribute_not_exists(id)`, or an item that has expired and waits for removal.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, job: &Job, now: Timestamp) -> Result<Created, StoreError> {
        let write = WriteId::random();
        let mut attributes = item::encode(job, write, self.shards)?;
        if let Some((id, payload)) = payload::part(&mut attributes) {
            // Asked again with a key, it is there already: nothing needs to be stored for that.
            if job.request_hash.is_some()
                && let Some(first) = self.get(&job.tenant, job.id, now).await?
            {
                return Ok(Created::Exists(Box::new(first)));
            }
            self.put_payload(id, &payload, job.planned_at, now).await?;
            failpoint("api-payload-put");
        }
        let put = self.put(job.id, attributes, write, Some(now), "creating").await?;
        failpoint("api-created");
        match put {
            Outcome::Applied(_) => Ok(Created::New),
            // Without a key the id is random, so this is the job: put by a try whose answer was lost, and taken since.
            Outcome::Refused(Some(_)) if job.request_hash.is_none() => Ok(Created::New),
            Outcome::Refused(Some(old)) => Ok(Created::Exists(Box::new(self.with_payload(item::decode(old)?).await?))),
            Outcome::Refused(None) => Err(StoreError::Refused {
                doing: format!("creating job {}", job.id),
                cause: "the condition failed, and the answer does not say on what".to_owned(),
            }),
        }
    }

    /// Puts the next occurrence of a series unless another poller has: condition `attribute_not_exists(id)`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_successor(&self, job: &Job) -> Result<(), StoreError> {
        self.put_if_absent(job, "creating the next occurrence").await.map(|_| ())
    }

    pub(super) async fn put_if_absent(&self, job: &Job, doing: &str) -> Result<Outcome, StoreError> {
        let write = WriteId::random();
        self.put(job.id, item::encode(job, write, self.shards)?, write, None, doing).await
    }

    async fn put(
        &self,
        id: JobId,
        attributes: item::Attributes,
        write: WriteId,
        now: Option<Timestamp>,
        doing: &str,
    ) -> Result<Outcome, StoreError> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.tables.jobs)
            .set_item(Some(attributes))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.capacity());
        if let Some(now) = now {
            put = put
                .condition_expression("attribute_not_exists(id) OR expiresAt <= :nowSeconds")
                .expression_attribute_values(":nowSeconds", number(now.timestamp()));
        }
        let answer = put.send().await;
        let doing = || format!("{doing} job {id}");
        if let Ok(done) = &answer {
            self.note_capacity(done.consumed_capacity.as_ref());
        }
        resolve(answer.map(|_| None), write, doing)
    }

    /// Takes the lease on a due job, or on one whose lease ran out, and counts the attempt:
    /// `status = Pending AND fireAt <= now`, or `status = Firing AND leaseUntil <= now`; and an attempt is left.
    /// A payload that is kept apart is not read yet ([`Store::fetch_payload`]).
    ///
    /// # Errors
    /// When the store fails. A lost race is [`Claimed::Lost`].
    pub async fn claim(&self, id: JobId, now: Timestamp) -> Result<Claimed, StoreError> {
        let write = WriteId::random();
        let lease_base = seconds_up(now) + LEASE_MARGIN;
        let update = self
            .update(id, write, now)
            .update_expression(
                "SET #status = :firing, leaseUntil = timeoutSeconds + :leaseBase, \
                 updatedAt = :now, writeId = :write ADD attempts :one",
            )
            .condition_expression(
                "attempts < maxRetries AND ((#status = :pending AND fireAt <= :now) \
                 OR (#status = :firing AND leaseUntil <= :nowSeconds))",
            )
            .expression_attribute_values(":firing", text(Status::Firing))
            .expression_attribute_values(":pending", text(Status::Pending))
            .expression_attribute_values(":leaseBase", number(lease_base.timestamp()))
            .expression_attribute_values(":nowSeconds", number(now.timestamp()))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        match self.apply(update, write, || format!("claiming job {id}")).await? {
            Outcome::Applied(item) => {
                let job = item::decode(item)?;
                let lease = job.lease(write, now);
                Ok(Claimed::Claimed(Box::new(Claim::new(job, lease))))
            }
            Outcome::Refused(None) => Ok(Claimed::Lost(Lost::Gone)),
            Outcome::Refused(Some(old)) => Ok(why_refused(item::decode(old)?, now)),
        }
    }

    /// Records the outcome of an attempt: condition `status = Firing AND writeId = lease`.
    /// The successor, if any, must have been put before. `write` is a new id, and the same when it is tried again.
    ///
    /// # Errors
    /// When the store fails: try again, or nothing is recorded and the lease runs out.
    pub async fn settle(&self, settlement: &Settlement, write: WriteId) -> Result<Settled, StoreError> {
        let job = &settlement.job;
        let update = match &job.state {
            State::Done(ended) | State::DeadLetter(ended) | State::Cancelled(ended) => {
                self.ending(job.id, &job.tenant, job.state.status(), *ended, write).update_expression(
                    "SET #status = :status, tenantStatus = :tenantStatus, completedAt = :now, expiresAt = :expiresAt, \
                     attemptLog = :log, updatedAt = :now, writeId = :write REMOVE statusShard, fireAt, leaseUntil",
                )
            }
            State::Pending { due_at } => self
                .update(job.id, write, job.updated_at)
                .update_expression(
                    "SET #status = :status, fireAt = :fireAt, attempts = :attempts, attemptLog = :log, \
                     updatedAt = :now, writeId = :write REMOVE leaseUntil",
                )
                .expression_attribute_values(":status", text(Status::Pending))
                // One less than the claim made them when no attempt was made.
                .expression_attribute_values(":attempts", number(job.attempts))
                .expression_attribute_values(":fireAt", text(format_instant(*due_at))),
            State::Firing { .. } => return Ok(Settled::LeaseLost),
        };
        let update = update
            .condition_expression("#status = :firing AND writeId = :lease")
            .expression_attribute_values(":firing", text(Status::Firing))
            .expression_attribute_values(":lease", text(settlement.lease.id))
            .expression_attribute_values(":log", item::attempt_log(job)?);
        match self.apply(update, write, || format!("recording the outcome of job {}", job.id)).await? {
            Outcome::Applied(_) => Ok(Settled::Recorded),
            Outcome::Refused(_) => Ok(Settled::LeaseLost),
        }
    }

    /// An update that moves a job to a terminal status: out of the queue, into another list, towards its removal.
    pub(super) fn ending(
        &self,
        id: JobId,
        tenant: &TenantId,
        status: Status,
        ended: Ended,
        write: WriteId,
    ) -> UpdateItemFluentBuilder {
        self.update(id, write, ended.completed_at)
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":tenantStatus", text(item::tenant_status(tenant, status)))
            .expression_attribute_values(":expiresAt", number(item::expires_at_seconds(ended)))
    }

    /// The common part of every update; `:now` and `:write` are bound.
    pub(super) fn update(&self, id: JobId, write: WriteId, now: Timestamp) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.tables.jobs)
            .key(table::attribute::ID, text(id))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":now", text(format_instant(now)))
            .expression_attribute_values(":write", text(write))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.capacity())
    }

    pub(super) async fn apply(
        &self,
        update: UpdateItemFluentBuilder,
        write: WriteId,
        doing: impl Fn() -> String,
    ) -> Result<Outcome, StoreError> {
        let answer = update.send().await;
        if let Ok(done) = &answer {
            self.note_capacity(done.consumed_capacity.as_ref());
        }
        resolve(answer.map(|done| done.attributes), write, doing)
    }
}

/// The rule of this module: a condition that failed on an item with our own `writeId` failed on our own write.
fn resolve<E>(
    answer: Result<Option<HashMap<String, AttributeValue>>, SdkError<E>>,
    write: WriteId,
    doing: impl Fn() -> String,
) -> Result<Outcome, StoreError>
where
    E: ConditionFailure + ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(item) => Ok(Outcome::Applied(item.unwrap_or_default())),
        Err(error) => match error.as_service_error().and_then(ConditionFailure::old_item) {
            Some(Some(old)) if item::write_id(old) == Some(write) => Ok(Outcome::Applied(old.clone())),
            Some(old) => Ok(Outcome::Refused(old.cloned())),
            None => {
                let is_final = error.code().is_some_and(|code| FINAL.contains(&code));
                let error = unavailable(doing(), error);
                Err(if is_final { error.for_good() } else { error })
            }
        },
    }
}

/// The old item that came with a failed condition, if the error is one.
trait ConditionFailure {
    fn old_item(&self) -> Option<Option<&Attributes>>;
}

impl ConditionFailure for UpdateItemError {
    fn old_item(&self) -> Option<Option<&Attributes>> {
        if let Self::ConditionalCheckFailedException(failure) = self { Some(failure.item()) } else { None }
    }
}

impl ConditionFailure for PutItemError {
    fn old_item(&self) -> Option<Option<&Attributes>> {
        if let Self::ConditionalCheckFailedException(failure) = self { Some(failure.item()) } else { None }
    }
}

fn why_refused(job: Job, now: Timestamp) -> Claimed {
    match (job.claimable(now), &job.state) {
        (Err(lost), _) => Claimed::Lost(lost),
        (Ok(()), State::Firing { lease, .. }) => {
            let lease = *lease;
            Claimed::Exhausted(Box::new(Exhausted::new(job, lease)))
        }
        // Pending jobs always have an attempt left, so only a change between two tries of the SDK leads here.
        (Ok(()), _) => Claimed::Lost(Lost::Leased),
    }
}
