//! The transitions that a client asks for, each one conditional write as in `write`: cancel, retry, run now.
//! A client that may not touch a job learns nothing of it. Neighbour: `lifecycle` says what each makes of a job.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use super::item::{self, number, text};
use super::write::Outcome;
use super::{Store, StoreError, shard_of};
use crate::clock::Timestamp;
use crate::failpoint::failpoint;
use crate::ids::{JobId, TenantId, WriteId};
use crate::job::{Ended, Job, Status};

/// What came of asking for a change.
#[derive(Debug)]
#[must_use]
pub enum Changed {
    Changed(Box<Job>),
    /// The job is not in the one status in which this can be asked for.
    Not(Status),
    NotFound,
}

impl Store {
    /// Ends a job that waits: condition `status = Pending AND tenant = mine`. Ends its series too, unless the job was
    /// retried: then its series has long gone on without it. One that is cancelled already may be so by a request that
    /// broke off before it could end the series: then this one does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel(&self, tenant: &TenantId, id: JobId, now: Timestamp) -> Result<Changed, StoreError> {
        let cancelled = self.cancel_one(tenant, id, now).await?;
        let ended = match &cancelled {
            Changed::Changed(job) => Some(job.as_ref().clone()),
            Changed::Not(Status::Cancelled) => self.get(tenant, id, now).await?,
            Changed::Not(_) | Changed::NotFound => None,
        };
        if let Some(job) = ended.filter(Job::may_have_successor) {
            failpoint("api-ending-series");
            self.end_series_after(&job, now).await?;
        }
        self.with_payload_of(cancelled).await
    }

    /// Gives a dead letter all its attempts again, the first at once:
    /// condition `status = DeadLetter AND tenant = mine AND expiresAt > now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry(&self, tenant: &TenantId, id: JobId, now: Timestamp) -> Result<Changed, StoreError> {
        let write = WriteId::random();
        let update = self
            .update(id, write, now)
            .update_expression(
                "SET #status = :status, statusShard = :shard, fireAt = :now, tenantStatus = :tenantStatus, \
                 attempts = :none, updatedAt = :now, writeId = :write REMOVE completedAt, expiresAt ADD redrives :one",
            )
            .condition_expression("#status = :dead AND tenant = :tenant AND expiresAt > :nowSeconds")
            .expression_attribute_values(":status", text(Status::Pending))
            .expression_attribute_values(":dead", text(Status::DeadLetter))
            .expression_attribute_values(":shard", text(item::status_shard(shard_of(id, self.shards))))
            .expression_attribute_values(":tenantStatus", text(item::tenant_status(tenant, Status::Pending)))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":nowSeconds", number(now.timestamp()));
        let retried = self.change(update, write, tenant, now, || format!("retrying job {id}")).await?;
        self.with_payload_of(retried).await
    }

    /// Makes a job that waits due at once and leaves its plan: condition `status = Pending AND tenant = mine`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_now(&self, tenant: &TenantId, id: JobId, now: Timestamp) -> Result<Changed, StoreError> {
        let write = WriteId::random();
        let update = self
            .update(id, write, now)
            .update_expression(
                "SET fireAt = :now, runNowAt = if_not_exists(runNowAt, :now), updatedAt = :now, writeId = :write",
            )
            .condition_expression("#status = :pending AND tenant = :tenant")
            .expression_attribute_values(":pending", text(Status::Pending));
        let due = self.change(update, write, tenant, now, || format!("making job {id} due")).await?;
        self.with_payload_of(due).await
    }

    /// A poller that died between putting the next occurrence and settling this one leaves both, and one that only
    /// stood still may yet put it. So the next place is taken by an occurrence that is cancelled from the start;
    /// where one stands already it is cancelled, or, if it is being delivered, it becomes the last.
    async fn end_series_after(&self, job: &Job, now: Timestamp) -> Result<(), StoreError> {
        let mut last = job.clone();
        while let Some(next) = last.next_place(now).and_then(|next| next.cancelled(now)) {
            let Outcome::Refused(Some(there)) = self.put_if_absent(&next, "ending the series at").await? else {
                return Ok(());
            };
            failpoint("api-successor-there");
            last = match self.cancel_one(&job.tenant, next.id, now).await? {
                // One that was retried is not the end: the series had gone on after it.
                Changed::Changed(next) if next.may_have_successor() || next.redrives > 0 => *next,
                Changed::Changed(_) | Changed::NotFound => return Ok(()),
                Changed::Not(status) => {
                    let there = item::decode(there)?;
                    // Whoever cancelled it has ended the series there, unless that request broke off.
                    if status == Status::Cancelled && !there.may_have_successor() {
                        return Ok(());
                    }
                    there
                }
            };
        }
        Ok(())
    }

    async fn cancel_one(&self, tenant: &TenantId, id: JobId, now: Timestamp) -> Result<Changed, StoreError> {
        let write = WriteId::random();
        let update = self
            .ending(id, tenant, Status::Cancelled, Ended::at(now), write)
            .update_expression(
                "SET #status = :status, tenantStatus = :tenantStatus, completedAt = :now, expiresAt = :expiresAt, \
                 updatedAt = :now, writeId = :write REMOVE statusShard, fireAt",
            )
            .condition_expression("#status = :pending AND tenant = :tenant")
            .expression_attribute_values(":pending", text(Status::Pending));
        self.change(update, write, tenant, now, || format!("cancelling job {id}")).await
    }

    /// As the client is shown it.
    async fn with_payload_of(&self, changed: Changed) -> Result<Changed, StoreError> {
        match changed {
            Changed::Changed(job) => Ok(Changed::Changed(Box::new(self.with_payload(*job).await?))),
            other @ (Changed::Not(_) | Changed::NotFound) => Ok(other),
        }
    }

    /// Sends an update whose condition names `:tenant`, and says why it came to nothing if it did.
    async fn change(
        &self,
        update: UpdateItemFluentBuilder,
        write: WriteId,
        tenant: &TenantId,
        now: Timestamp,
        doing: impl Fn() -> String,
    ) -> Result<Changed, StoreError> {
        let update = update.expression_attribute_values(":tenant", text(tenant)).return_values(ReturnValue::AllNew);
        match self.apply(update, write, doing).await? {
            Outcome::Applied(item) => Ok(Changed::Changed(Box::new(item::decode(item)?))),
            Outcome::Refused(None) => Ok(Changed::NotFound),
            Outcome::Refused(Some(old)) => {
                let job = item::decode(old)?;
                let is_theirs = job.tenant == *tenant && !job.is_expired(now);
                Ok(if is_theirs { Changed::Not(job.state.status()) } else { Changed::NotFound })
            }
        }
    }
}
