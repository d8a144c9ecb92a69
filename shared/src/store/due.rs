//! The queue: what the index says is due. It only ever suggests; the claim in `write` decides.
//! It never collects: pages are handed on as they come.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::item::{status_shard, text};
use super::table::{DUE_INDEX, attribute};
use super::{Store, StoreError, unavailable};
use crate::clock::{Timestamp, format_instant, parse_instant};
use crate::ids::JobId;

/// Suggestions a page: some 60 KiB of JSON. The next page is asked for when this one is used up. A page costs a store
/// nearly the same whatever its size, so few large ones are cheaper than many small ones.
const PAGE: i32 = 512;

/// A suggestion: this job was due when the index was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub id: JobId,
    pub due_at: Timestamp,
    /// Empty where the index is of an earlier version.
    pub tenant: String,
    /// `host:port` of the callback.
    pub host: String,
}

/// The due jobs of one shard, oldest first, page by page.
#[derive(Debug)]
pub struct DuePages {
    store: Store,
    shard: u32,
    now: Timestamp,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    After(HashMap<String, AttributeValue>),
    End,
}

impl Store {
    /// What is due in `shard` at `now`. Jobs under a live lease are among it.
    #[must_use]
    pub fn due(&self, shard: u32, now: Timestamp) -> DuePages {
        DuePages { store: self.clone(), shard, now, next: Next::First }
    }

    /// How many jobs `shard` has due at `now`, jobs under a live lease included, counted to `cap` at most: a guess
    /// at the work there is. One Query, never a second page: it reads what `cap` jobs, or the 1 MiB of a page,
    /// have in the index, some 6,500 jobs. At 160 bytes each and half a read unit for 4 KiB that is one unit for
    /// 51 jobs, or half a unit for an empty shard; counting and then reading costs twice as much as reading alone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_due(&self, shard: u32, now: Timestamp, cap: u32) -> Result<u64, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.tables.jobs)
            .index_name(DUE_INDEX)
            .key_condition_expression("statusShard = :shard AND fireAt <= :now")
            .expression_attribute_values(":shard", text(status_shard(shard)))
            .expression_attribute_values(":now", text(format_instant(now)))
            .select(Select::Count)
            .limit(i32::try_from(cap.max(1)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| unavailable(format!("counting the due jobs in shard {shard}"), e))?;
        Ok(u64::try_from(answer.count).unwrap_or_default())
    }

    /// The earliest instant at which any job is due, past or future: how far a clock may be walked without a poll.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn earliest_due(&self) -> Result<Option<Timestamp>, StoreError> {
        stream::iter(0..self.shards)
            .map(|shard| self.earliest_due_in(shard))
            .buffer_unordered(8)
            .try_fold(None, |earliest: Option<Timestamp>, due| async move { Ok(earliest.into_iter().chain(due).min()) })
            .await
    }

    async fn earliest_due_in(&self, shard: u32) -> Result<Option<Timestamp>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.tables.jobs)
            .index_name(DUE_INDEX)
            .key_condition_expression("statusShard = :shard")
            .expression_attribute_values(":shard", text(status_shard(shard)))
            .limit(1)
            .send()
            .await
            .map_err(|e| unavailable("looking for the next due job", e))?;
        Ok(answer.items().iter().find_map(read_due).map(|due| due.due_at))
    }
}

impl DuePages {
    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// When the store fails; the same page may be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Due>>, StoreError> {
        let start = match &self.next {
            Next::First => None,
            Next::After(key) => Some(key.clone()),
            Next::End => return Ok(None),
        };
        let answer = self
            .store
            .pages
            .query()
            .table_name(&self.store.tables.jobs)
            .index_name(DUE_INDEX)
            .key_condition_expression("statusShard = :shard AND fireAt <= :now")
            .expression_attribute_values(":shard", text(status_shard(self.shard)))
            .expression_attribute_values(":now", text(format_instant(self.now)))
            .projection_expression("id, fireAt, tenant, callbackHost")
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(|e| unavailable(format!("looking for due jobs in shard {}", self.shard), e))?;
        let page = answer.items().iter().filter_map(read_due).collect();
        self.next = answer.last_evaluated_key.map_or(Next::End, Next::After);
        Ok(Some(page))
    }
}

fn read_due(keys: &HashMap<String, AttributeValue>) -> Option<Due> {
    let read = |name: &str| keys.get(name)?.as_s().ok();
    Some(Due {
        id: JobId(read(attribute::ID)?.parse().ok()?),
        due_at: parse_instant(read(attribute::FIRE_AT)?)?,
        tenant: read(attribute::TENANT).cloned().unwrap_or_default(),
        host: read(attribute::CALLBACK_HOST).cloned().unwrap_or_default(),
    })
}
