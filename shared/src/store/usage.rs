//! The usage table: sums that may be lost without harm. A token's last use, a tenant's creations in a minute.
//! It is never written once per job: callers add up first. The API may update it and query it, the poller update it.
//! Neighbours: the API's `meter` adds up and decides when to write, `outcomes` keeps what pictures are made of.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use chrono::{DurationRound, TimeDelta};

use super::item::{Attributes, number, text};
use super::table::attribute::ID;
use super::{Store, StoreError, TableNames, unavailable};
use crate::clock::{Timestamp, format_instant, parse_instant};
use crate::ids::TenantId;

pub(super) const PERIOD: &str = "period";
const LAST_USED_AT: &str = "lastUsedAt";
pub(super) const CREATIONS: &str = "creations";
/// The period of an item that there is one of.
const LAST_USE: &str = "lastUse";
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Access to the usage table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Usage {
    pub(super) client: Client,
    pub(super) table: String,
}

/// A minute of the clock, named by its first instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(Timestamp);

impl Minute {
    /// The minute that `at` lies in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at))
    }

    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The minute before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.checked_sub_signed(TimeDelta::minutes(1)).unwrap_or(self.0))
    }
}

impl Store {
    /// The usage table of the same deployment.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::new(self.client.clone(), &self.tables)
    }
}

impl Usage {
    #[must_use]
    pub fn new(client: Client, tables: &TableNames) -> Self {
        Self { client, table: tables.usage.clone() }
    }

    /// Notes that the token with this public prefix was used, unless a later use is known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_last_use(&self, prefix: &str, at: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update(format!("token#{prefix}"), LAST_USE.to_owned(), at)
            .update_expression("SET lastUsedAt = :at, expiresAt = :expires")
            .condition_expression("attribute_not_exists(lastUsedAt) OR lastUsedAt < :at")
            .expression_attribute_values(":at", text(format_instant(at)));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(e) => Err(unavailable("noting the use of a token", e)),
        }
    }

    /// When the token with this public prefix was last used, within about ten seconds. `None` when it was not used
    /// in the last 90 days.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_use(&self, prefix: &str) -> Result<Option<Timestamp>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("id = :id AND #period = :period")
            .expression_attribute_names("#period", PERIOD)
            .expression_attribute_values(":id", text(format!("token#{prefix}")))
            .expression_attribute_values(":period", text(LAST_USE));
        let answer = query.send().await.map_err(|e| unavailable("reading the use of a token", e))?;
        let item = answer.items.unwrap_or_default().into_iter().next();
        Ok(item.and_then(|item| parse_instant(item.get(LAST_USED_AT)?.as_s().ok()?)))
    }

    /// Adds to the jobs that the tenant has created in that minute; less than nothing takes some back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_creations(&self, tenant: &TenantId, minute: Minute, count: i64) -> Result<(), StoreError> {
        let update = self
            .update(creations_of(tenant), period(minute), minute.start())
            .update_expression("ADD creations :count SET expiresAt = :expires")
            .expression_attribute_values(":count", number(count));
        update.send().await.map(|_| ()).map_err(|e| unavailable("counting created jobs", e))
    }

    /// The jobs that the tenant has created, as far as all processes have told, in the minutes since `from`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn creations(&self, tenant: &TenantId, from: Minute) -> Result<Vec<(Minute, i64)>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("id = :id AND #period >= :from")
            .expression_attribute_names("#period", PERIOD)
            .expression_attribute_values(":id", text(creations_of(tenant)))
            .expression_attribute_values(":from", text(period(from)));
        let answer = query.send().await.map_err(|e| unavailable("reading the count of created jobs", e))?;
        let read = |item: Attributes| {
            let minute = Minute::of(parse_instant(item.get(PERIOD)?.as_s().ok()?)?);
            Some((minute, item.get(CREATIONS)?.as_n().ok()?.parse().ok()?))
        };
        Ok(answer.items.unwrap_or_default().into_iter().filter_map(read).collect())
    }

    /// An update of one item, which expires 90 days after `at`.
    pub(super) fn update(&self, id: String, period: String, at: Timestamp) -> UpdateItemFluentBuilder {
        let expires = at.timestamp().saturating_add_unsigned(KEPT.as_secs());
        self.client
            .update_item()
            .table_name(&self.table)
            .key(ID, text(id))
            .key(PERIOD, text(period))
            .expression_attribute_values(":expires", number(expires))
    }
}

pub(super) fn creations_of(tenant: &TenantId) -> String {
    format!("creations#{tenant}")
}

fn period(minute: Minute) -> String {
    format_instant(minute.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_at_its_zeroth_second() {
        let at = |text| parse_instant(text).unwrap();
        let minute = Minute::of(at("2026-01-01T00:00:59.999Z"));
        assert_eq!(period(minute), "2026-01-01T00:00:00.000Z");
        assert_eq!(Minute::of(at("2026-01-01T00:01:00Z")).before(), minute);
        assert_eq!(period(Minute::of(at("1969-12-31T23:59:59Z"))), "1969-12-31T23:59:00.000Z");
    }
}
