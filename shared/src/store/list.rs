//! The lists: pages of a tenant's jobs by planned instant, merged over the partitions of the list index and
//! read whole from the table. It never trusts the index for a status: the table's item decides.
//! Neighbours: `series` has the keys of one series, `cursor` turns a [`Position`] into text for clients.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::batch::BATCH;
use super::item::{self, tenant_status, text};
use super::series::SeriesKeys;
use super::table::{LIST_INDEX, attribute};
use super::{Store, StoreError, unavailable};
use crate::clock::{Stopwatch, Timestamp, format_instant};
use crate::ids::{SeriesId, TenantId};
use crate::job::{Job, Status};
use crate::wire::JobBody;

/// A page ends early rather than outgrow what Lambda can answer: 6,291,556 bytes, in which the body stands as a JSON string.
/// The rest is for the headers, the cursor and what stands between the jobs.
const PAGE_BYTES: usize = 6_291_556 - (64 << 10);
/// A page ends early, perhaps empty, rather than keep its caller waiting.
const PAGE_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest planned instant first.
    #[default]
    Descending,
    Ascending,
}

/// What to list. `from` (inclusive) and `to` (exclusive) bound the planned instant.
#[derive(Clone, Debug)]
pub struct ListQuery {
    pub tenant: TenantId,
    pub status: Option<Status>,
    /// The occurrences of this series alone, in the order of their numbers.
    pub series: Option<SeriesId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub limit: usize,
    pub order: Order,
    /// Where the page before ended.
    pub after: Option<Position>,
}

/// A place in a list: `{planned instant}#{id}`, the sort key of the list index; or `{occurrence number}#{id}` in a series,
/// the number with all its zeros.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub String);

#[derive(Clone, Debug)]
pub struct Page {
    pub jobs: Vec<Job>,
    /// Where to go on; `None` at the end of the list.
    pub next: Option<Position>,
}

impl Store {
    /// One page. Jobs that have expired are not in it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, query: &ListQuery, now: Timestamp) -> Result<Page, StoreError> {
        let watch = Stopwatch::start();
        let mut keys = Keys::new(self, query);
        let mut jobs: Vec<Job> = Vec::new();
        let mut bytes = 0;
        let mut reached = None;
        let mut passed_over = 0;
        loop {
            // One more than the page: whether there is a next page is known, not guessed.
            // And as many more as did not match so far, so that a filter that fits few jobs takes long strides.
            let wanted = (query.limit + 1 - jobs.len() + passed_over).min(BATCH);
            let batch = keys.take(wanted).await?;
            if batch.is_empty() {
                return Ok(Page { jobs, next: None });
            }
            let mut found = self.read_jobs(&batch).await?;
            // All occurrences of a series are one tenant's: what is foreign is not walked, and looks like no series at all.
            if query.series.is_some() && found.values().any(|job| job.tenant != query.tenant) {
                return Ok(Page { jobs: Vec::new(), next: None });
            }
            found.retain(|_, job| query.matches(job, now));
            self.give_payloads(found.values_mut()).await?;
            for position in batch {
                let Some(job) = found.remove(position.id()) else {
                    reached = Some(position);
                    passed_over += 1;
                    continue;
                };
                let size = JobBody::new(&job).bytes_escaped();
                // The largest job that there can be takes less than a megabyte.
                if jobs.len() == query.limit || (bytes + size > PAGE_BYTES && !jobs.is_empty()) {
                    return Ok(Page { jobs, next: reached });
                }
                bytes += size;
                jobs.push(job);
                reached = Some(position);
            }
            if watch.elapsed() > PAGE_TIME {
                return Ok(Page { jobs, next: reached });
            }
        }
    }

    /// The keys of one partition of the list index, from `low` to `high`, both included.
    pub(super) fn list_keys(&self, partition: &str, low: &str, high: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.tables.jobs)
            .index_name(LIST_INDEX)
            .key_condition_expression("tenantStatus = :partition AND plannedAtId BETWEEN :low AND :high")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(high))
    }

    /// The jobs at these positions by their ids, without payloads that are kept apart; whosever they are.
    async fn read_jobs(&self, positions: &[Position]) -> Result<HashMap<String, Job>, StoreError> {
        let ids: Vec<&str> = positions.iter().map(Position::id).collect();
        let mut found = HashMap::new();
        for attributes in self.read_items(&ids, "reading a page of jobs").await? {
            match item::decode(attributes) {
                Ok(job) => drop(found.insert(job.id.to_string(), job)),
                // One item that this version cannot read must not hide all the others.
                Err(error) => tracing::error!(%error, "left out of a list: {error}"),
            }
        }
        Ok(found)
    }
}

impl ListQuery {
    fn matches(&self, job: &Job, now: Timestamp) -> bool {
        job.tenant == self.tenant
            && !job.is_expired(now)
            && self.status.is_none_or(|status| status == job.state.status())
            && self.series.is_none_or(|series| job.occurrence.is_some_and(|o| o.series == series))
            && self.from.is_none_or(|from| from <= job.planned_at)
            && self.to.is_none_or(|to| job.planned_at < to)
    }

    /// The partitions that the list is merged from.
    fn partitions(&self) -> Vec<String> {
        let statuses = match self.status {
            Some(status) => vec![status],
            None => vec![Status::Pending, Status::Done, Status::Cancelled, Status::DeadLetter],
        };
        statuses.into_iter().map(|status| tenant_status(&self.tenant, status)).collect()
    }
}

impl Position {
    fn id(&self) -> &str {
        self.0.split_once('#').map_or("", |(_, id)| id)
    }
}

/// The keys of a list in its order, from whichever index has it.
enum Keys<'a> {
    Tenant(MergedKeys<'a>),
    Series(SeriesKeys<'a>),
}

impl<'a> Keys<'a> {
    fn new(store: &'a Store, query: &'a ListQuery) -> Self {
        match query.series {
            None => Self::Tenant(MergedKeys::new(store, query)),
            Some(series) => Self::Series(SeriesKeys::new(store, query, series)),
        }
    }

    /// Up to `count` keys; none only at the end.
    async fn take(&mut self, count: usize) -> Result<Vec<Position>, StoreError> {
        match self {
            Self::Tenant(keys) => keys.take(count).await,
            Self::Series(keys) => keys.take(count).await,
        }
    }
}

/// The keys of several partitions in one order, each key once.
struct MergedKeys<'a> {
    store: &'a Store,
    query: &'a ListQuery,
    partitions: Vec<Partition>,
    last: Option<Position>,
}

struct Partition {
    key: String,
    read: VecDeque<Position>,
    /// Where the last read of this partition ended; `None` before the first.
    after: Option<Position>,
    exhausted: bool,
}

impl<'a> MergedKeys<'a> {
    fn new(store: &'a Store, query: &'a ListQuery) -> Self {
        let partition = |key| Partition { key, read: VecDeque::new(), after: query.after.clone(), exhausted: false };
        Self { store, query, partitions: query.partitions().into_iter().map(partition).collect(), last: None }
    }

    /// Up to `count` keys; none only at the end.
    async fn take(&mut self, count: usize) -> Result<Vec<Position>, StoreError> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            for partition in &mut self.partitions {
                if partition.read.is_empty() && !partition.exhausted {
                    partition.read_more(self.store, self.query, count - taken.len()).await?;
                }
            }
            let Some(next) = self.pop_next() else { break };
            // A job on its way from one partition to another may be seen in both.
            if self.last.as_ref() != Some(&next) {
                self.last = Some(next.clone());
                taken.push(next);
            }
        }
        Ok(taken)
    }

    fn pop_next(&mut self) -> Option<Position> {
        let heads = self.partitions.iter_mut().filter(|p| !p.read.is_empty());
        let first = match self.query.order {
            Order::Ascending => heads.min_by(|a, b| a.read.front().cmp(&b.read.front())),
            Order::Descending => heads.max_by(|a, b| a.read.front().cmp(&b.read.front())),
        };
        first?.read.pop_front()
    }
}

impl Partition {
    async fn read_more(&mut self, store: &Store, query: &ListQuery, count: usize) -> Result<(), StoreError> {
        // A sort key takes one condition, BETWEEN, which includes its ends: the position itself is dropped below.
        let mut low = query.from.map(format_instant).unwrap_or_default();
        let mut high = query.to.map_or_else(|| "~".to_owned(), format_instant);
        match (query.order, &self.after) {
            (Order::Ascending, Some(Position(after))) => low = low.max(after.clone()),
            (Order::Descending, Some(Position(after))) => high = high.min(after.clone()),
            (_, None) => {}
        }
        if low.is_empty() {
            low.push('!');
        }
        if low > high {
            self.exhausted = true;
            return Ok(());
        }
        let limit = i32::try_from(count.min(BATCH) + 1).unwrap_or(i32::MAX);
        let answer = store
            .list_keys(&self.key, &low, &high)
            .scan_index_forward(query.order == Order::Ascending)
            .limit(limit)
            .send()
            .await
            .map_err(|e| unavailable("listing jobs", e))?;
        self.exhausted = answer.last_evaluated_key.is_none();
        let keys = answer.items.unwrap_or_default().into_iter().filter_map(|mut key| {
            let AttributeValue::S(position) = key.remove(attribute::PLANNED_AT_ID)? else { return None };
            Some(Position(position))
        });
        self.read = keys.filter(|position| self.after.as_ref() != Some(position)).collect();
        if let Some(last) = self.read.back() {
            self.after = Some(last.clone());
        }
        Ok(())
    }
}
