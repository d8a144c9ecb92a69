//! Payloads that are kept apart from their jobs: in an item of their own in the jobs table, written once, read at each
//! delivery, shared by all occurrences of a series. DynamoDB charges a write by the size of the whole item,
//! so a large payload beside the status would be paid for with each change of it.
//! A payload is put before its job, and never changed. Neighbour: `item` has the attribute that names it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta};

use super::item::{Attributes, number, text, weight};
use super::{Store, StoreError, table, unavailable};
use crate::clock::Timestamp;
use crate::ids::PayloadId;
use crate::job::{Job, Payload};
use crate::lifecycle::Claim;

/// How long a payload outlives the planned instant that it was last needed for: the attempts of a job take
/// five days at most, and its item is kept for 30 days more, out of which it may be retried.
const KEPT: TimeDelta = TimeDelta::days(60);
/// One that is needed although it has less left is kept anew: its series goes on, or its job was very late.
const RENEWED_BELOW: TimeDelta = TimeDelta::days(40);
/// DynamoDB charges a write by the kibibyte begun.
const WRITE_UNIT: usize = 1024;
/// What a job's item gains in its life: a lease, a line in the log, when it ended.
const GROWTH: usize = 160;
/// Creating, claiming and settling write the whole item each.
const WRITES: usize = 3;

const PAYLOAD: &str = "payload";
const PAYLOAD_ID: &str = "payloadId";
const EXPIRES_AT: &str = "expiresAt";

/// Takes the payload out of a new job's item if the job costs fewer write units that way.
pub(super) fn part(item: &mut Attributes) -> Option<(PayloadId, String)> {
    let payload = item.get(PAYLOAD)?.as_s().ok()?;
    let id = PayloadId::random();
    let (whole, alone) = (weight(item), payload.len() + PAYLOAD.len());
    let rest = whole.saturating_sub(alone) + PAYLOAD_ID.len() + id.to_string().len();
    let units = |bytes: usize| bytes.div_ceil(WRITE_UNIT);
    let together = WRITES * units(whole + GROWTH);
    let apart = WRITES * units(rest + GROWTH) + units(weight(&payload_item(id, payload, DateTime::UNIX_EPOCH)));
    if apart >= together {
        return None;
    }
    let Some(AttributeValue::S(payload)) = item.remove(PAYLOAD) else { return None };
    item.insert(PAYLOAD_ID.to_owned(), text(id));
    Some((id, payload))
}

fn payload_item(id: PayloadId, payload: &str, expires_at: Timestamp) -> Attributes {
    HashMap::from([
        (table::attribute::ID.to_owned(), text(id)),
        (PAYLOAD.to_owned(), text(payload)),
        (EXPIRES_AT.to_owned(), number(expires_at.timestamp())),
    ])
}

/// A payload that was read, and when it is removed.
struct Read {
    text: String,
    expires_at: Timestamp,
}

impl Store {
    /// Puts a payload that the job with this planned instant will need.
    pub(super) async fn put_payload(
        &self,
        id: PayloadId,
        payload: &str,
        planned_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.jobs)
            .set_item(Some(payload_item(id, payload, planned_at.max(now) + KEPT)))
            .set_return_consumed_capacity(self.capacity())
            .send()
            .await
            .map_err(|e| unavailable("storing a payload", e))?;
        self.note_capacity(put.consumed_capacity.as_ref());
        Ok(())
    }

    /// The job with its payload, where that is kept apart.
    pub(super) async fn with_payload(&self, mut job: Job) -> Result<Job, StoreError> {
        if let Some(id) = unread(&job) {
            let found = self.read_payload(id).await?;
            give(&mut job, id, found.map(|read| read.text));
        }
        Ok(job)
    }

    /// Reads what the callback sends, where that is kept apart. Keeps the payload for longer when it is still needed and
    /// ends soon: a series needs it even if its callbacks send none, for the API shows it.
    ///
    /// # Errors
    /// When the store fails and the payload is not read.
    pub async fn fetch_payload(&self, claim: &mut Claim, now: Timestamp) -> Result<(), StoreError> {
        let job = &mut claim.job;
        let is_needed = job.spec.callback.sends_payload() || job.occurrence.is_some();
        let Some(id) = unread(job).filter(|_| is_needed) else { return Ok(()) };
        let found = self.read_payload(id).await?;
        if let Some(read) = &found {
            let needed_at = job.following(now).map_or(now, |next| next.planned_at.max(now));
            if read.expires_at < needed_at + RENEWED_BELOW
                && let Err(error) = self.keep_payload(id, needed_at + KEPT).await
            {
                // The next delivery tries again, and there are weeks of them.
                tracing::warn!(job = %job.id, %error, "{error}");
            }
        }
        give(job, id, found.map(|read| read.text));
        Ok(())
    }

    /// The same for all jobs of a page, each payload read once.
    pub(super) async fn give_payloads<'a>(&self, jobs: impl Iterator<Item = &'a mut Job>) -> Result<(), StoreError> {
        let mut jobs: Vec<_> = jobs.filter_map(|job| unread(job).map(|id| (id, job))).collect();
        let ids: HashSet<PayloadId> = jobs.iter().map(|(id, _)| *id).collect();
        let ids: Vec<PayloadId> = ids.into_iter().collect();
        let items = self.read_items(&ids, "reading payloads").await?;
        let found: HashMap<PayloadId, Read> = items.into_iter().filter_map(read).collect();
        for (id, job) in &mut jobs {
            give(job, *id, found.get(id).map(|read| read.text.clone()));
        }
        Ok(())
    }

    async fn read_payload(&self, id: PayloadId) -> Result<Option<Read>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.tables.jobs)
            .key(table::attribute::ID, text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| unavailable("reading a payload", e))?;
        Ok(answer.item.and_then(read).map(|(_, read)| read))
    }

    async fn keep_payload(&self, id: PayloadId, until: Timestamp) -> Result<(), StoreError> {
        let kept = self
            .client
            .update_item()
            .table_name(&self.tables.jobs)
            .key(table::attribute::ID, text(id))
            .update_expression("SET expiresAt = :until")
            // Whoever comes second must not take back what the first has given, nor put back what has been removed.
            .condition_expression("expiresAt < :until")
            .expression_attribute_values(":until", number(until.timestamp()))
            .set_return_consumed_capacity(self.capacity())
            .send()
            .await;
        match kept {
            Ok(kept) => self.note_capacity(kept.consumed_capacity.as_ref()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {}
            Err(error) => return Err(unavailable("keeping a payload for longer", error)),
        }
        Ok(())
    }
}

fn read(mut item: Attributes) -> Option<(PayloadId, Read)> {
    let id = PayloadId::parse(item.get(table::attribute::ID)?.as_s().ok()?)?;
    let expires_at = DateTime::from_timestamp(item.get(EXPIRES_AT)?.as_n().ok()?.parse().ok()?, 0)?;
    let Some(AttributeValue::S(text)) = item.remove(PAYLOAD) else { return None };
    Some((id, Read { text, expires_at }))
}

/// The payload that the job has, but not with it.
fn unread(job: &Job) -> Option<PayloadId> {
    match job.spec.callback.payload.as_ref()? {
        Payload::Apart { id, text: None } => Some(*id),
        Payload::Within(_) | Payload::Apart { text: Some(_), .. } => None,
    }
}

fn give(job: &mut Job, id: PayloadId, text: Option<String>) {
    if text.is_none() {
        tracing::error!(job = %job.id, "the payload of job {} is not in the store any more", job.id);
    }
    Arc::make_mut(&mut job.spec).callback.payload = Some(Payload::Apart { id, text });
}
