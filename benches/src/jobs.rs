//! Due jobs in fresh tables: a payload of 200 bytes each, spread over the receivers.
//! They are made by the product's own parser and store, so that every drain finds the same items.

use anyhow::anyhow;
use aws_sdk_dynamodb::Client;
use futures_util::stream::{self, TryStreamExt as _};
use shared::clock::Clock;
use shared::ids::{JobId, TenantId};
use shared::job::Job;
use shared::request;
use shared::store::table::{self, TableNames};
use shared::store::{Created, local_client};

use crate::roles::Place;

pub(crate) const TENANT: &str = "bench";

/// The body that creates a job.
pub(crate) fn body(receiver: &str) -> String {
    // With its quotes the payload is 200 bytes.
    format!(r#"{{"callbackUrl":"{receiver}/hook","payload":"{}"}}"#, "x".repeat(198))
}

/// Makes the tables and so many due jobs in them; how many write units that took.
pub(crate) async fn seed(place: &Place, receivers: &str, count: usize) -> anyhow::Result<u64> {
    let settings = place.settings()?;
    table::create_missing(&local_client(&place.endpoint), &settings.tables).await?;
    let store = place.store()?;
    let rules = settings.rules();
    let tenant = TenantId::parse(TENANT).map_err(anyhow::Error::msg)?;
    stream::iter(receivers.split(' ').cycle().take(count).map(anyhow::Ok))
        .try_for_each_concurrent(16, async |receiver| {
            let now = Clock::System.now();
            let new = request::parse(body(receiver).as_bytes(), now, &rules).map_err(|e| anyhow!("{e:?}"))?;
            let job = Job::new(JobId::random(), tenant.clone(), new, None, now);
            match store.create(&job, now).await? {
                Created::New => Ok(()),
                Created::Exists(job) => Err(anyhow!("the id {} is taken", job.id)),
            }
        })
        .await?;
    Ok(store.write_units())
}

/// Removes what [`seed`] made.
pub(crate) async fn clear(place: &Place) -> anyhow::Result<()> {
    let client: Client = local_client(&place.endpoint);
    for table in table::definitions(&TableNames::with_prefix(&place.tables)) {
        client.delete_table().table_name(table.name).send().await?;
    }
    Ok(())
}
