//! What the Scheduler is compared with: the least that a loop on the AWS SDK does for a job, and a bare `PutItem`.
//! It pages through no queue, keeps no lease, no attempt log and no history, and reports nothing.
//! Neighbours: `roles` runs the loop, `create` the puts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use reqwest::header::CONTENT_TYPE;
use shared::clock::{Clock, format_instant};
use shared::ids::{JobId, WriteId};
use shared::job::RETENTION;
use shared::store::{Store, TableNames, local_client};
use tokio::task::JoinSet;

use crate::jobs::TENANT;
use crate::roles::Place;

type Item = HashMap<String, AttributeValue>;

/// Claim, POST and settle by hand, so many jobs at a time.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    client: Client,
    http: reqwest::Client,
    table: String,
    concurrency: usize,
    /// Without, it makes the updates alone.
    posts: bool,
}

impl Loop {
    pub(crate) fn new(place: &Place, posts: bool) -> anyhow::Result<Self> {
        let settings = place.settings()?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()?;
        let client = local_client(&place.endpoint);
        Ok(Self { client, http, table: settings.tables.jobs, concurrency: settings.concurrency, posts })
    }

    /// How many it delivered: all, or it fails.
    pub(crate) async fn drain(&self, ids: Vec<JobId>) -> anyhow::Result<u64> {
        let ids = Arc::new(Mutex::new(ids.into_iter()));
        let next = move || ids.lock().unwrap_or_else(PoisonError::into_inner).next();
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency {
            let (this, next) = (self.clone(), next.clone());
            workers.spawn(async move {
                let mut delivered = 0;
                while let Some(id) = next() {
                    this.fire(id).await?;
                    delivered += 1;
                }
                anyhow::Ok(delivered)
            });
        }
        let mut delivered = 0;
        while let Some(worker) = workers.join_next().await {
            delivered += worker??;
        }
        Ok(delivered)
    }

    async fn fire(&self, id: JobId) -> anyhow::Result<()> {
        let write = WriteId::random().to_string();
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression("SET #status = :firing, writeId = :write ADD attempts :one")
            .condition_expression("#status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":firing", text("Firing"))
            .expression_attribute_values(":pending", text("Pending"))
            .expression_attribute_values(":write", text(&write))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await?;
        let item = claimed.attributes.context("the claim returns the item")?;
        if self.posts {
            self.post(&item).await?;
        }
        let now = Clock::System.now();
        self.client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression(
                "SET #status = :done, tenantStatus = :tenantStatus, completedAt = :now, expiresAt = :expiresAt \
                 REMOVE statusShard, fireAt",
            )
            .condition_expression("writeId = :write")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":done", text("Done"))
            .expression_attribute_values(":tenantStatus", text(format!("{TENANT}#Done")))
            .expression_attribute_values(":now", text(format_instant(now)))
            .expression_attribute_values(":expiresAt", AttributeValue::N((now + RETENTION).timestamp().to_string()))
            .expression_attribute_values(":write", text(write))
            .send()
            .await?;
        Ok(())
    }

    async fn post(&self, item: &Item) -> anyhow::Result<()> {
        let url = read(item, "callbackUrl")?;
        let payload = read(item, "payload")?;
        let answer = self.http.post(url).header(CONTENT_TYPE, "application/json").body(payload).send().await?;
        if !answer.status().is_success() {
            bail!("the receiver answered {}", answer.status());
        }
        answer.bytes().await?;
        Ok(())
    }
}

/// The ids of all due jobs, which the loop is given for nothing.
pub(crate) async fn due_ids(store: &Store) -> anyhow::Result<Vec<JobId>> {
    let mut ids = Vec::new();
    for shard in 0..store.shards() {
        let mut pages = store.due(shard, Clock::System.now());
        while let Some(page) = pages.next_page().await? {
            ids.extend(page.into_iter().map(|due| due.id));
        }
    }
    Ok(ids)
}

/// Copies of one item under fresh ids, without a condition.
#[derive(Clone, Debug)]
pub(crate) struct Puts {
    client: Client,
    table: String,
    item: Item,
}

impl Puts {
    /// The item to copy is one that [`crate::jobs::seed`] has put there.
    pub(crate) async fn like_those_in(place: &Place) -> anyhow::Result<Self> {
        let client = local_client(&place.endpoint);
        let table = TableNames::with_prefix(&place.tables).jobs;
        let scanned = client.scan().table_name(&table).limit(1).send().await?;
        let item = scanned.items.unwrap_or_default().pop().context("there is no job to copy")?;
        Ok(Self { client, table, item })
    }

    pub(crate) async fn put(&self) -> anyhow::Result<()> {
        let id = JobId::random();
        let mut item = self.item.clone();
        item.insert("plannedAtId".to_owned(), text(format!("{}#{id}", format_instant(Clock::System.now()))));
        item.insert("statusShard".to_owned(), text(format!("Open#{:02}", id.0.as_u128() % 16)));
        item.insert("id".to_owned(), text(id));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }
}

fn read(item: &Item, name: &str) -> anyhow::Result<String> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.cloned().with_context(|| format!("the item has no {name}"))
}

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}
