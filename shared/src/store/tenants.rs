//! The tenants table: tokens and signing secrets. The functions only read it, by key; only the CLI writes.
//! It never keeps a token, only its hash. Neighbours: `token` is the record, `signature` uses the secrets.

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};

use super::item::{Attributes, text};
use super::{StoreError, TableNames, unavailable};
use crate::clock::{Timestamp, format_instant};
use crate::ids::TenantId;
use crate::signature::SigningSecrets;
use crate::token::TokenRecord;

/// Access to the tenants table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenants {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenItem {
    id: String,
    #[serde(flatten)]
    record: TokenRecord,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TenantItem {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_signing_secret: Option<String>,
    /// Whether callbacks also carry the headers of the Standard Webhooks specification.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    standard_webhooks: bool,
}

const TOKEN: &str = "token#";
const TENANT: &str = "tenant#";
/// What of a tenant's item can change.
const CHANGEABLE: [&str; 3] = ["signingSecret", "previousSigningSecret", "standardWebhooks"];
/// How often a change is begun anew because another came in between.
const TRIES: u32 = 10;

impl Tenants {
    #[must_use]
    pub fn new(client: Client, tables: &TableNames) -> Self {
        Self { client, table: tables.tenants.clone() }
    }

    /// The record of the token with this public prefix.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn token(&self, prefix: &str) -> Result<Option<TokenRecord>, StoreError> {
        let doing = "reading a token";
        let Some(item) = self.read(&format!("{TOKEN}{prefix}"), doing).await? else { return Ok(None) };
        let item: TokenItem = serde_dynamo::from_item(item).map_err(|e| unavailable(doing, e))?;
        Ok(Some(item.record))
    }

    /// Stores a token's record in place of any with the same prefix.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_token(&self, record: TokenRecord) -> Result<(), StoreError> {
        let doing = "storing a token";
        let item = TokenItem { id: format!("{TOKEN}{}", record.prefix), record };
        let item = serde_dynamo::to_item(item).map_err(|e| unavailable(doing, e))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(|_| ()).map_err(|e| unavailable(doing, e))
    }

    /// All tokens, of one tenant or of all. Reads the whole table, which is small: for the CLI only.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_tokens(&self, tenant: Option<&TenantId>) -> Result<Vec<TokenRecord>, StoreError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(id, :token)")
            .expression_attribute_values(":token", text(TOKEN))
            .into_paginator()
            .items()
            .send();
        let mut records = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| unavailable("listing tokens", e))?;
            let item: TokenItem = serde_dynamo::from_item(item).map_err(|e| unavailable("listing tokens", e))?;
            records.push(item.record);
        }
        records.retain(|record| tenant.is_none_or(|tenant| *tenant == record.tenant));
        records.sort_by(|a, b| a.created_at_utc.cmp(&b.created_at_utc));
        Ok(records)
    }

    /// Revokes the token with this prefix; `false` when there is none. The API notices within a minute.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_token(&self, prefix: &str, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(format!("{TOKEN}{prefix}")))
            .condition_expression("attribute_exists(id)")
            .update_expression("SET revokedAtUtc = if_not_exists(revokedAtUtc, :now)")
            .expression_attribute_values(":now", text(format_instant(now)));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(false),
            Err(e) => Err(unavailable("revoking a token", e)),
        }
    }

    /// The secrets that the tenant's callbacks are signed with, none if it has not set any.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn signing_secrets(&self, tenant: &TenantId) -> Result<SigningSecrets, StoreError> {
        let doing = "reading a tenant";
        let Some(item) = self.read(&key_of(tenant), doing).await? else { return Ok(SigningSecrets::default()) };
        let item: TenantItem = serde_dynamo::from_item(item).map_err(|e| unavailable(doing, e))?;
        Ok(SigningSecrets {
            secrets: item.signing_secret.into_iter().chain(item.previous_signing_secret).collect(),
            standard_webhooks: item.standard_webhooks,
        })
    }

    /// Makes `secret` the only signing secret.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_secret(&self, tenant: &TenantId, secret: String) -> Result<(), StoreError> {
        let set = |before: TenantItem| TenantItem {
            signing_secret: Some(secret.clone()),
            previous_signing_secret: None,
            ..before
        };
        self.change(tenant, "setting a signing secret", set).await.map(|_| ())
    }

    /// Makes `secret` the first signing secret and keeps the one before it valid. Of two at once each keeps the other's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rotate_secret(&self, tenant: &TenantId, secret: String) -> Result<(), StoreError> {
        let rotate = |before: TenantItem| TenantItem {
            signing_secret: Some(secret.clone()),
            previous_signing_secret: before.signing_secret,
            ..before
        };
        self.change(tenant, "rotating a signing secret", rotate).await.map(|_| ())
    }

    /// Ends a rotation: only the new secret stays valid. `false` when none was under way.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retire_secret(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let retire = |before| TenantItem { previous_signing_secret: None, ..before };
        let before = self.change(tenant, "retiring a signing secret", retire).await?;
        Ok(before.previous_signing_secret.is_some())
    }

    /// Turns the headers of the Standard Webhooks specification on or off. `false` when the tenant has no secret yet:
    /// then nothing is signed until it has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_standard_webhooks(&self, tenant: &TenantId, standard_webhooks: bool) -> Result<bool, StoreError> {
        let set = |before| TenantItem { standard_webhooks, ..before };
        let before = self.change(tenant, "setting a tenant's webhook headers", set).await?;
        Ok(before.signing_secret.is_some())
    }

    /// Puts what `change` makes of the tenant in its place; again, when somebody has changed it meanwhile. Returns the tenant
    /// as it was before.
    async fn change(
        &self,
        tenant: &TenantId,
        doing: &str,
        change: impl Fn(TenantItem) -> TenantItem,
    ) -> Result<TenantItem, StoreError> {
        let id = key_of(tenant);
        let mut tried = None;
        for _ in 0..TRIES {
            let read = self.read(&id, doing).await?.unwrap_or_else(|| Attributes::from([("id".to_owned(), text(&id))]));
            let before: TenantItem = serde_dynamo::from_item(read.clone()).map_err(|e| unavailable(doing, e))?;
            match tried {
                // The SDK repeats a write whose answer was lost: then the condition failed on our own.
                Some((first, after)) if after == before => return Ok(first),
                _ => {}
            }
            let after = change(before.clone());
            if self.replace(&read, &after, doing).await? {
                return Ok(before);
            }
            tried = Some((before, after));
        }
        let cause = format!("others have changed {tenant} {TRIES} times meanwhile; try again");
        Err(StoreError::Unavailable { doing: doing.to_owned(), cause })
    }

    /// `false` when the tenant is no longer as it was read.
    async fn replace(&self, read: &Attributes, after: &TenantItem, doing: &str) -> Result<bool, StoreError> {
        let item = serde_dynamo::to_item(after).map_err(|e| unavailable(doing, e))?;
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let mut conditions = Vec::new();
        for name in CHANGEABLE {
            conditions.push(match read.get(name) {
                Some(value) => {
                    put = put.expression_attribute_values(format!(":{name}"), value.clone());
                    format!("{name} = :{name}")
                }
                None => format!("attribute_not_exists({name})"),
            });
        }
        match put.condition_expression(conditions.join(" AND ")).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(false),
            Err(e) => Err(unavailable(doing, e)),
        }
    }

    /// The item as it is this moment: what was made just now must not be taken, and remembered, for absent.
    async fn read(&self, id: &str, doing: &str) -> Result<Option<Attributes>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true);
        Ok(get.send().await.map_err(|e| unavailable(doing, e))?.item)
    }
}

fn key_of(tenant: &TenantId) -> String {
    format!("{TENANT}{tenant}")
}
