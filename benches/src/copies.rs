//! Many items quickly: copies of jobs that the product made, under fresh ids, put 25 at a time without a condition.
//! It knows the attributes that keys and indexes are made of, and copies the others. Neighbours: `jobs`, `list`.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::clock::{Timestamp, format_instant};
use shared::ids::JobId;
use shared::job::Status;
use shared::store::local_client;

use crate::jobs::TENANT;
use crate::roles::Place;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// DynamoDB's limit on one `BatchWriteItem`.
const BATCH: usize = 25;
/// Batches under way.
const AT_ONCE: usize = 8;
const SHARDS: u128 = 16;

/// The few items that are there so far.
pub(crate) async fn originals(place: &Place) -> anyhow::Result<Vec<Item>> {
    let table = place.settings()?.tables.jobs;
    let items = local_client(&place.endpoint).scan().table_name(table).send().await?.items.unwrap_or_default();
    if items.is_empty() {
        bail!("there is no job to copy");
    }
    Ok(items)
}

/// A copy that is as due as the original.
pub(crate) fn due(original: &Item) -> Item {
    let planned = original.get("plannedAtId").and_then(|at| at.as_s().ok()?.split('#').next());
    copy(original, planned.unwrap_or_default())
}

/// A copy that was planned at another instant. One of a job that has ended may end differently.
pub(crate) fn planned(original: &Item, at: Timestamp, ended: Option<Status>) -> Item {
    let at = format_instant(at);
    let mut item = copy(original, &at);
    if let Some(status) = ended {
        item.insert("status".to_owned(), text(status));
        item.insert("tenantStatus".to_owned(), text(format!("{TENANT}#{status}")));
    } else {
        item.insert("fireAt".to_owned(), text(at));
    }
    item
}

fn copy(original: &Item, planned_at: &str) -> Item {
    let id = JobId::random();
    let mut item = original.clone();
    item.insert("plannedAtId".to_owned(), text(format!("{planned_at}#{id}")));
    if item.contains_key("statusShard") {
        item.insert("statusShard".to_owned(), text(format!("Open#{:02}", shard(id))));
    }
    item.insert("id".to_owned(), text(id));
    item
}

/// As the store spreads them: by the last 32 bits.
fn shard(id: JobId) -> u128 {
    (id.0.as_u128() & 0xffff_ffff) % SHARDS
}

pub(crate) async fn put_all(place: &Place, items: impl Iterator<Item = Item>) -> anyhow::Result<()> {
    let client = local_client(&place.endpoint);
    let table = place.settings()?.tables.jobs;
    let mut items = items.peekable();
    let batches = std::iter::from_fn(move || {
        items.peek()?;
        Some(items.by_ref().take(BATCH).collect::<Vec<_>>())
    });
    stream::iter(batches)
        .map(|batch| put_batch(client.clone(), table.clone(), batch))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

async fn put_batch(client: Client, table: String, batch: Vec<Item>) -> anyhow::Result<()> {
    let put =
        |item| Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build()?).build());
    let requests = batch.into_iter().map(put).collect::<anyhow::Result<Vec<_>>>()?;
    let answer = client.batch_write_item().request_items(table, requests).send().await.context("a batch of jobs")?;
    if answer.unprocessed_items.is_some_and(|left| !left.is_empty()) {
        bail!("the store did not take all of a batch");
    }
    Ok(())
}

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}
