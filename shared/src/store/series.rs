//! The keys of one series by the number of the occurrence, from the index that recurring jobs alone are in.
//! It never asks whose the series is: the table's items tell, and `list` stops at what is another tenant's.

use aws_sdk_dynamodb::types::AttributeValue;

use super::batch::BATCH;
use super::item::{Attributes, number, text};
use super::list::{ListQuery, Order, Position};
use super::table::{SERIES_INDEX, attribute};
use super::{Store, StoreError, unavailable};
use crate::ids::SeriesId;

pub(super) struct SeriesKeys<'a> {
    store: &'a Store,
    series: SeriesId,
    order: Order,
    /// The numbers that are left, both ends included.
    low: u32,
    high: u32,
    exhausted: bool,
}

impl<'a> SeriesKeys<'a> {
    pub(super) fn new(store: &'a Store, query: &ListQuery, series: SeriesId) -> Self {
        let mut keys = Self { store, series, order: query.order, low: 1, high: u32::MAX, exhausted: false };
        if let Some(reached) = query.after.as_ref().and_then(Position::occurrence) {
            keys.go_on_after(reached);
        }
        keys
    }

    /// Up to `count` keys; none only at the end.
    pub(super) async fn take(&mut self, count: usize) -> Result<Vec<Position>, StoreError> {
        if self.exhausted {
            return Ok(Vec::new());
        }
        let answer = self
            .store
            .client
            .query()
            .table_name(&self.store.tables.jobs)
            .index_name(SERIES_INDEX)
            .key_condition_expression("seriesId = :series AND occurrenceNumber BETWEEN :low AND :high")
            .expression_attribute_values(":series", text(self.series))
            .expression_attribute_values(":low", number(self.low))
            .expression_attribute_values(":high", number(self.high))
            .scan_index_forward(self.order == Order::Ascending)
            .limit(i32::try_from(count.min(BATCH)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| unavailable("listing a series", e))?;
        self.exhausted = answer.last_evaluated_key.is_none();
        let found: Vec<_> = answer.items().iter().filter_map(read).collect();
        if let Some((last, _)) = found.last() {
            self.go_on_after(*last);
        }
        Ok(found.into_iter().map(|(number, id)| Position::of_occurrence(number, &id)).collect())
    }

    fn go_on_after(&mut self, reached: u32) {
        match self.order {
            Order::Ascending => self.low = reached.saturating_add(1),
            Order::Descending => self.high = reached.saturating_sub(1),
        }
        self.exhausted |= self.low > self.high || reached == u32::MAX && self.order == Order::Ascending;
    }
}

impl Position {
    fn of_occurrence(number: u32, id: &str) -> Self {
        Self(format!("{number:010}#{id}"))
    }

    /// The number of the occurrence, if it is a place in a series.
    #[must_use]
    pub fn occurrence(&self) -> Option<u32> {
        let (number, _) = self.0.split_once('#')?;
        (number.len() == 10).then(|| number.parse().ok())?
    }
}

fn read(keys: &Attributes) -> Option<(u32, String)> {
    let AttributeValue::N(number) = keys.get(attribute::OCCURRENCE_NUMBER)? else { return None };
    Some((number.parse().ok()?, keys.get(attribute::ID)?.as_s().ok()?.clone()))
}
