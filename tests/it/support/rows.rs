//! The jobs table as it lies in DynamoDB, read past the program: attribute names are spelled out here on purpose.
//! It never writes. Neighbours: `invariants` judges what is read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use shared::clock::{format_instant, parse_instant};

use super::stores::Store;

/// The attributes of one item that something must hold of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: String,
    pub tenant: String,
    pub name: Option<String>,
    pub status: String,
    pub status_shard: Option<String>,
    pub fire_at: Option<String>,
    pub tenant_status: String,
    #[serde(rename = "plannedAtId", deserialize_with = "before_the_id")]
    pub planned_at: DateTime<Utc>,
    pub attempts: u32,
    pub max_retries: u32,
    pub idempotency_key: String,
    /// Epoch seconds.
    pub lease_until: Option<i64>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Epoch seconds.
    pub expires_at: Option<i64>,
    pub series_id: Option<String>,
    pub occurrence_number: Option<u32>,
    pub recurrence_seconds: Option<i64>,
    pub schedule_times: Option<Vec<String>>,
    #[serde(default)]
    pub schedule_days_of_week: Vec<u32>,
    pub time_zone: Option<String>,
    pub end_at: Option<DateTime<Utc>>,
    pub max_occurrences: Option<u32>,
    /// How often it was retried out of `DeadLetter`; absent when it never was.
    #[serde(default)]
    pub redrives: u32,
    pub run_now_at: Option<DateTime<Utc>>,
}

/// Every item of the table; one that cannot be read fails the test.
pub async fn read_table(client: &Client, table: &str) -> Vec<Row> {
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().send();
    let mut rows = Vec::new();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items.unwrap_or_default() {
            // Not a job: a payload that is kept apart from its jobs.
            if item["id"].as_s().is_ok_and(|id| id.starts_with("payload#")) {
                continue;
            }
            let shown = format!("{item:?}");
            rows.push(serde_dynamo::from_item(item).unwrap_or_else(|error| panic!("{error} in {shown}")));
        }
    }
    rows
}

impl Row {
    /// What its calls carry (CONTRACT §6).
    pub fn key_of_occurrence(&self) -> String {
        match self.occurrence_number {
            Some(number) if number > 1 => format!("{}:{number}", self.idempotency_key),
            _ => self.idempotency_key.clone(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, status, attempts, max_retries, .. } = self;
        write!(f, "{id} {status} planned {} attempts {attempts}/{max_retries}", format_instant(self.planned_at))?;
        self.occurrence_number.map_or(Ok(()), |number| write!(f, " occurrence {number}"))
    }
}

/// Reads the first half of `{planned instant}#{id}`.
fn before_the_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let planned_at = text.split_once('#').and_then(|(planned_at, _)| parse_instant(planned_at));
    planned_at.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an instant, '#' and an id")))
}

/// The usage table by `id`, every attribute as text.
pub async fn read_usage(store: &Store) -> BTreeMap<String, BTreeMap<String, String>> {
    let table = format!("{}usage", store.table_prefix());
    let items = store.client().scan().table_name(table).consistent_read(true).send().await.unwrap().items.unwrap();
    let text = |value: &AttributeValue| value.as_s().or_else(|_| value.as_n()).unwrap().clone();
    let item =
        |item: &HashMap<String, AttributeValue>| item.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    items.iter().map(|attributes| (text(&attributes["id"]), item(attributes))).collect()
}
