//! What the usage table keeps for pictures: a tenant's outcomes by the hour, its failing hosts, and its creations.
//! Approximate: what a process could not tell is lost. It is never written once per job.
//! Neighbours: the poller's `told` writes, the API's `stats` reads.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join;

use super::item::{Attributes, number, text};
use super::usage::{CREATIONS, Minute, PERIOD, Usage, creations_of};
use super::{StoreError, unavailable};
use crate::clock::{format_instant, parse_instant};
use crate::ids::TenantId;
use crate::outcomes::{BUCKETS, Hour, Outcomes};

const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const DEAD_LETTERED: &str = "deadLettered";
const LATENESS: &str = "lateness";
const ANSWERS: &str = "answers";
/// Pages of 1 MB that are read of one kind, the latest hours first: far more than a month has of a usual tenant.
const MOST_PAGES: usize = 8;

/// One hour of a tenant, as far as it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourOfUse {
    pub created: u64,
    pub outcomes: Outcomes,
}

impl Usage {
    /// Adds to the tenant's outcomes of that hour.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_outcomes(&self, tenant: &TenantId, hour: Hour, told: &Outcomes) -> Result<(), StoreError> {
        let counts: Vec<(String, u64)> = attributes_of(told).filter(|(_, count)| *count > 0).collect();
        if counts.is_empty() {
            return Ok(());
        }
        let sums: Vec<String> = counts.iter().map(|(name, _)| format!("{name} :{name}")).collect();
        let mut update = self
            .update(outcomes_of(tenant), format_instant(hour.start()), hour.start())
            .update_expression(format!("ADD {} SET expiresAt = :expires", sums.join(", ")));
        for (name, count) in counts {
            update = update.expression_attribute_values(format!(":{name}"), number(count));
        }
        update.send().await.map(|_| ()).map_err(|e| unavailable("adding up outcomes", e))
    }

    /// Adds to the failed attempts at one `host:port` in that hour.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_failures(&self, tenant: &TenantId, hour: Hour, host: &str, failed: u64) -> Result<(), StoreError> {
        let update = self
            .update(hosts_of(tenant), format!("{}#{host}", format_instant(hour.start())), hour.start())
            .update_expression("ADD failed :failed SET expiresAt = :expires")
            .expression_attribute_values(":failed", number(failed));
        update.send().await.map(|_| ()).map_err(|e| unavailable("adding up failures", e))
    }

    /// The tenant's use by the hour, of the hours `from` (inclusive) to `to` (exclusive) that have any.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hours(
        &self,
        tenant: &TenantId,
        from: Hour,
        to: Hour,
    ) -> Result<BTreeMap<Hour, HourOfUse>, StoreError> {
        let mut hours: BTreeMap<Hour, HourOfUse> = BTreeMap::new();
        let (outcomes, creations) = try_join(
            self.between(outcomes_of(tenant), from, to, "reading outcomes"),
            self.between(creations_of(tenant), from, to, "reading the count of created jobs"),
        )
        .await?;
        for item in outcomes {
            if let Some(at) = period_of(&item).and_then(parse_instant) {
                hours.entry(Hour::of(at)).or_default().outcomes.add(&read_outcomes(&item));
            }
        }
        for item in creations {
            if let Some(at) = period_of(&item).and_then(parse_instant) {
                // Below zero when what was taken back was told before what it was taken from.
                let created = count(&item, CREATIONS).max(0);
                hours.entry(Hour::of(Minute::of(at).start())).or_default().created += created.unsigned_abs();
            }
        }
        Ok(hours)
    }

    /// The hosts at which attempts of the tenant failed in these hours, and how often.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn failing_hosts(
        &self,
        tenant: &TenantId,
        from: Hour,
        to: Hour,
    ) -> Result<HashMap<String, u64>, StoreError> {
        let mut hosts: HashMap<String, u64> = HashMap::new();
        for item in self.between(hosts_of(tenant), from, to, "reading failures").await? {
            if let Some((_, host)) = period_of(&item).and_then(|period| period.split_once('#')) {
                *hosts.entry(host.to_owned()).or_default() += count(&item, FAILED).unsigned_abs();
            }
        }
        Ok(hosts)
    }

    /// The items of one kind whose period begins within these hours, the latest first.
    async fn between(&self, id: String, from: Hour, to: Hour, doing: &str) -> Result<Vec<Attributes>, StoreError> {
        let (mut items, mut start) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("id = :id AND #period BETWEEN :from AND :to")
                .expression_attribute_names("#period", PERIOD)
                .expression_attribute_values(":id", text(&id))
                .expression_attribute_values(":from", text(format_instant(from.start())))
                .expression_attribute_values(":to", text(format_instant(to.start())))
                .scan_index_forward(false)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| unavailable(doing, e))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        // BETWEEN includes its ends, and the hour `to` is not asked for.
        let end = format_instant(to.start());
        items.retain(|item| period_of(item).is_some_and(|period| period < end.as_str()));
        Ok(items)
    }
}

/// The attributes that hold outcomes, and what is in them.
fn attributes_of(outcomes: &Outcomes) -> impl Iterator<Item = (String, u64)> + use<> {
    let counts = [(DELIVERED, outcomes.delivered), (FAILED, outcomes.failed), (DEAD_LETTERED, outcomes.dead_lettered)];
    let bucket = |kind: &'static str| (0..BUCKETS).map(move |at| format!("{kind}{at}"));
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count));
    counts.chain(bucket(LATENESS).zip(outcomes.lateness)).chain(bucket(ANSWERS).zip(outcomes.answers))
}

fn read_outcomes(item: &Attributes) -> Outcomes {
    let read = |name: &str| count(item, name).unsigned_abs();
    let bucket = |kind: &str| std::array::from_fn(|at| read(&format!("{kind}{at}")));
    Outcomes {
        delivered: read(DELIVERED),
        failed: read(FAILED),
        dead_lettered: read(DEAD_LETTERED),
        lateness: bucket(LATENESS),
        answers: bucket(ANSWERS),
    }
}

fn count(item: &Attributes, name: &str) -> i64 {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|n| n.parse().ok()).unwrap_or_default()
}

fn period_of(item: &Attributes) -> Option<&str> {
    item.get(PERIOD).and_then(|value: &AttributeValue| value.as_s().ok()).map(String::as_str)
}

fn outcomes_of(tenant: &TenantId) -> String {
    format!("outcomes#{tenant}")
}

fn hosts_of(tenant: &TenantId) -> String {
    format!("hosts#{tenant}")
}
