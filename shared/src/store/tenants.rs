//! The tenants table: tokens and signing secrets. The functions only read it, by key; only the CLI writes.
//! It never keeps a token, only its hash. Neighbours: `token` is the record, `signature` uses the secrets.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::item::text;
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

#[derive(Default, Serialize, Deserialize)]
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
        let item: Option<TokenItem> = self.read(format!("{TOKEN}{prefix}"), "reading a token").await?;
        Ok(item.map(|item| item.record))
    }

    /// Stores a token's record in place of any with the same prefix.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_token(&self, record: TokenRecord) -> Result<(), StoreError> {
        self.write(&TokenItem { id: format!("{TOKEN}{}", record.prefix), record }, "storing a token").await
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
        let item = self.tenant(tenant).await?;
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
        let before = self.tenant(tenant).await?;
        let item = TenantItem { signing_secret: Some(secret), previous_signing_secret: None, ..before };
        self.write(&item, "setting a signing secret").await
    }

    /// Makes `secret` the first signing secret and keeps the one before it valid.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rotate_secret(&self, tenant: &TenantId, secret: String) -> Result<(), StoreError> {
        let before = self.tenant(tenant).await?;
        let previous_signing_secret = before.signing_secret.clone();
        let item = TenantItem { signing_secret: Some(secret), previous_signing_secret, ..before };
        self.write(&item, "rotating a signing secret").await
    }

    /// Ends a rotation: only the new secret stays valid. `false` when none was under way.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retire_secret(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let before = self.tenant(tenant).await?;
        let rotating = before.previous_signing_secret.is_some();
        self.write(&TenantItem { previous_signing_secret: None, ..before }, "retiring a signing secret").await?;
        Ok(rotating)
    }

    /// Turns the headers of the Standard Webhooks specification on or off. `false` when the tenant has no secret yet:
    /// then nothing is signed until it has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_standard_webhooks(&self, tenant: &TenantId, standard_webhooks: bool) -> Result<bool, StoreError> {
        let before = self.tenant(tenant).await?;
        let signs = before.signing_secret.is_some();
        self.write(&TenantItem { standard_webhooks, ..before }, "setting a tenant's webhook headers").await?;
        Ok(signs)
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<TenantItem, StoreError> {
        let id = key_of(tenant);
        let item: Option<TenantItem> = self.read(id.clone(), "reading a tenant").await?;
        Ok(item.unwrap_or(TenantItem { id, ..TenantItem::default() }))
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, id: String, doing: &str) -> Result<Option<T>, StoreError> {
        let answer = self.client.get_item().table_name(&self.table).key("id", text(id)).send().await;
        let item: Option<HashMap<String, AttributeValue>> = answer.map_err(|e| unavailable(doing, e))?.item;
        item.map(serde_dynamo::from_item).transpose().map_err(|e| unavailable(doing, e))
    }

    async fn write<T: Serialize>(&self, item: &T, doing: &str) -> Result<(), StoreError> {
        let item = serde_dynamo::to_item(item).map_err(|e| unavailable(doing, e))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(|_| ()).map_err(|e| unavailable(doing, e))
    }
}

fn key_of(tenant: &TenantId) -> String {
    format!("{TENANT}{tenant}")
}
