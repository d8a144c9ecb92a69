//! Jobs in fresh tables, spread over the receivers. They are made by the product's own parser and store, so that every
//! measurement finds the same items; where there are many, most are copies of such. It measures nothing.
//! Neighbour: `copies` makes the copies.

use anyhow::anyhow;
use aws_sdk_dynamodb::Client;
use futures_util::stream::{self, TryStreamExt as _};
use shared::clock::Clock;
use shared::ids::{JobId, TenantId};
use shared::job::Job;
use shared::request;
use shared::store::table::{self, TableNames};
use shared::store::{Created, local_client};
use shared::token::{Scope, TokenRecord};

use crate::copies;
use crate::roles::Place;

pub(crate) const TENANT: &str = "bench";
pub(crate) const TOKEN: &str = "sch_bench";

/// The body that creates a job with a payload of 200 bytes.
pub(crate) fn body(receiver: &str) -> String {
    body_with(&format!("{receiver}/hook"), 200, "")
}

/// With its quotes the payload has so many bytes. `fields` are further ones, each followed by a comma.
pub(crate) fn body_with(url: &str, payload_bytes: usize, fields: &str) -> String {
    format!(r#"{{"callbackUrl":"{url}",{fields}"payload":"{}"}}"#, "x".repeat(payload_bytes - 2))
}

/// Makes the tables and so many due jobs in them, all but one for each receiver copies: quicker.
pub(crate) async fn seed(place: &Place, receivers: &str, count: usize) -> anyhow::Result<()> {
    let bodies: Vec<String> = receivers.split(' ').take(count).map(body).collect();
    seed_with(place, bodies, count).await
}

/// The same, for each of these bodies.
pub(crate) async fn seed_with(place: &Place, bodies: Vec<String>, count: usize) -> anyhow::Result<()> {
    let originals = bodies.len();
    create(place, bodies.into_iter()).await?;
    if count > originals {
        let items = copies::originals(place).await?;
        copies::put_all(place, items.iter().cycle().take(count - originals).map(copies::due)).await?;
    }
    Ok(())
}

/// Makes the tables and a job of each body.
pub(crate) async fn create(place: &Place, bodies: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let settings = place.settings()?;
    table::create_missing(&local_client(&place.endpoint), &settings.tables).await?;
    let store = place.store()?;
    let rules = settings.rules();
    let tenant = TenantId::parse(TENANT).map_err(anyhow::Error::msg)?;
    stream::iter(bodies.map(anyhow::Ok))
        .try_for_each_concurrent(16, async |body| {
            let now = Clock::System.now();
            let new = request::parse(body.as_bytes(), now, &rules).map_err(|e| anyhow!("{e:?}"))?;
            let job = Job::new(JobId::random(), tenant.clone(), new, None, now);
            match store.create(&job, now).await? {
                Created::New => Ok(()),
                Created::Exists(job) => Err(anyhow!("the id {} is taken", job.id)),
            }
        })
        .await
}

/// A token that may do everything to the tenant's jobs.
pub(crate) async fn let_in(place: &Place) -> anyhow::Result<()> {
    let tenant = TenantId::parse(TENANT).map_err(anyhow::Error::msg)?;
    let token = TokenRecord::new(TOKEN, tenant, vec![Scope::Read, Scope::Write], None, Clock::System.now());
    Ok(place.tenants().put_token(token).await?)
}

/// Removes what [`create`] made.
pub(crate) async fn clear(place: &Place) -> anyhow::Result<()> {
    let client: Client = local_client(&place.endpoint);
    for table in table::definitions(&TableNames::with_prefix(&place.tables)) {
        client.delete_table().table_name(table.name).send().await?;
    }
    Ok(())
}
