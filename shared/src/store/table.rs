//! The shape of the three tables: keys, indexes, attribute names. The one description that local and test
//! tables are made from. It never reads or writes a job; that is `write`, `list` and `due`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use super::{StoreError, unavailable};

/// What the tables are called in this deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    pub jobs: String,
    pub tenants: String,
    pub usage: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self::with_prefix("scheduler-")
    }
}

impl TableNames {
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self { jobs: format!("{prefix}jobs"), tenants: format!("{prefix}tenants"), usage: format!("{prefix}usage") }
    }
}

/// Attribute names that keys, indexes and expressions share.
pub mod attribute {
    pub const ID: &str = "id";
    /// `Open#00`…: only on jobs that have not ended, which keeps the poller's index sparse.
    pub const STATUS_SHARD: &str = "statusShard";
    /// When to act next; `due_at` in Rust.
    pub const FIRE_AT: &str = "fireAt";
    /// Whose it is, projected so that the poller knows before it claims.
    pub const TENANT: &str = "tenant";
    /// `{tenant}#Open`, `#Done`, `#Cancelled`, `#DeadLetter`.
    pub const TENANT_STATUS: &str = "tenantStatus";
    /// `{planned instant}#{id}`: the order of the lists.
    pub const PLANNED_AT_ID: &str = "plannedAtId";
    /// On recurring jobs alone, which keeps the index of series sparse.
    pub const SERIES_ID: &str = "seriesId";
    /// From 1; the one key that is a number.
    pub const OCCURRENCE_NUMBER: &str = "occurrenceNumber";
    /// `host:port` of the callback, projected for the same reason.
    pub const CALLBACK_HOST: &str = "callbackHost";
    /// Epoch seconds; the TTL of each table.
    pub const EXPIRES_AT: &str = "expiresAt";
}

/// The poller's queue.
pub const DUE_INDEX: &str = "status-fireAt";
/// The lists.
pub const LIST_INDEX: &str = "tenant-plannedAt";
/// The occurrences of each series. None of its keys ever changes, so it costs a unit when a recurring job is created.
pub const SERIES_INDEX: &str = "series";

/// One table as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDefinition {
    pub name: String,
    pub hash_key: &'static str,
    pub range_key: Option<&'static str>,
    pub indexes: Vec<IndexDefinition>,
    pub ttl: Option<&'static str>,
}

/// One global secondary index as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDefinition {
    pub name: &'static str,
    pub hash_key: &'static str,
    pub range_key: &'static str,
    /// Beside the keys; empty means `KEYS_ONLY`.
    pub includes: &'static [&'static str],
}

/// All tables of a deployment.
#[must_use]
pub fn definitions(names: &TableNames) -> [TableDefinition; 3] {
    use attribute::{
        CALLBACK_HOST, EXPIRES_AT, FIRE_AT, ID, OCCURRENCE_NUMBER, PLANNED_AT_ID, SERIES_ID, STATUS_SHARD, TENANT,
        TENANT_STATUS,
    };
    let jobs = TableDefinition {
        name: names.jobs.clone(),
        hash_key: ID,
        range_key: None,
        indexes: vec![
            IndexDefinition {
                name: DUE_INDEX,
                hash_key: STATUS_SHARD,
                range_key: FIRE_AT,
                includes: &[CALLBACK_HOST, TENANT],
            },
            IndexDefinition { name: LIST_INDEX, hash_key: TENANT_STATUS, range_key: PLANNED_AT_ID, includes: &[] },
            IndexDefinition { name: SERIES_INDEX, hash_key: SERIES_ID, range_key: OCCURRENCE_NUMBER, includes: &[] },
        ],
        ttl: Some(EXPIRES_AT),
    };
    let tenants =
        TableDefinition { name: names.tenants.clone(), hash_key: ID, range_key: None, indexes: vec![], ttl: None };
    let usage = TableDefinition {
        name: names.usage.clone(),
        hash_key: ID,
        range_key: Some("period"),
        indexes: vec![],
        ttl: Some(EXPIRES_AT),
    };
    [jobs, tenants, usage]
}

/// Makes the tables and indexes that are not there yet, which a store of an earlier version lacks; for local stores and
/// tests (on AWS the stack makes them).
///
/// # Errors
/// When the store cannot be reached or refuses.
pub async fn create_missing(client: &Client, names: &TableNames) -> Result<(), StoreError> {
    for table in definitions(names) {
        create_if_missing(client, &table).await?;
    }
    Ok(())
}

async fn create_if_missing(client: &Client, table: &TableDefinition) -> Result<(), StoreError> {
    let doing = || format!("creating the table {}", table.name);
    let mut create = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attribute_definitions(table, doing)?))
        .set_key_schema(Some(key_schema(table.hash_key, table.range_key, doing)?));
    for index in &table.indexes {
        create = create.global_secondary_indexes(global_index(index, doing)?);
    }
    match create.send().await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => {
            return add_missing_indexes(client, table, doing).await;
        }
        Err(error) => return Err(unavailable(doing(), error)),
    }
    if let Some(ttl) = table.ttl {
        let specification = TimeToLiveSpecification::builder().attribute_name(ttl).enabled(true).build();
        client
            .update_time_to_live()
            .table_name(&table.name)
            .time_to_live_specification(specification.map_err(|e| unavailable(doing(), e))?)
            .send()
            .await
            .map_err(|e| unavailable(doing(), e))?;
    }
    Ok(())
}

async fn add_missing_indexes(
    client: &Client,
    table: &TableDefinition,
    doing: impl Fn() -> String,
) -> Result<(), StoreError> {
    if table.indexes.is_empty() {
        return Ok(());
    }
    let there = client.describe_table().table_name(&table.name).send().await.map_err(|e| unavailable(doing(), e))?;
    let there = there.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
    let is_there = |name: &str| there.iter().any(|index| index.index_name() == Some(name));
    for index in table.indexes.iter().filter(|index| !is_there(index.name)) {
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(index.name)
            .set_key_schema(Some(key_schema(index.hash_key, Some(index.range_key), &doing)?))
            .projection(projection(index))
            .build()
            .map_err(|e| unavailable(doing(), e))?;
        client
            .update_table()
            .table_name(&table.name)
            .set_attribute_definitions(Some(attribute_definitions(table, &doing)?))
            .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build())
            .send()
            .await
            .map_err(|e| unavailable(doing(), e))?;
    }
    Ok(())
}

fn attribute_definitions(
    table: &TableDefinition,
    doing: impl Fn() -> String,
) -> Result<Vec<AttributeDefinition>, StoreError> {
    let mut names: Vec<&str> = [table.hash_key].into_iter().chain(table.range_key).collect();
    names.extend(table.indexes.iter().flat_map(|index| [index.hash_key, index.range_key]));
    names
        .into_iter()
        .map(|name| AttributeDefinition::builder().attribute_name(name).attribute_type(type_of(name)).build())
        .collect::<Result<_, _>>()
        .map_err(|e| unavailable(doing(), e))
}

fn type_of(key: &str) -> ScalarAttributeType {
    if key == attribute::OCCURRENCE_NUMBER { ScalarAttributeType::N } else { ScalarAttributeType::S }
}

fn key_schema(
    hash_key: &str,
    range_key: Option<&str>,
    doing: impl Fn() -> String,
) -> Result<Vec<KeySchemaElement>, StoreError> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    [element(hash_key, KeyType::Hash)]
        .into_iter()
        .chain(range_key.map(|name| element(name, KeyType::Range)))
        .collect::<Result<_, _>>()
        .map_err(|e| unavailable(doing(), e))
}

fn global_index(index: &IndexDefinition, doing: impl Fn() -> String) -> Result<GlobalSecondaryIndex, StoreError> {
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.hash_key, Some(index.range_key), &doing)?))
        .projection(projection(index))
        .build()
        .map_err(|e| unavailable(doing(), e))
}

fn projection(index: &IndexDefinition) -> Projection {
    let projection = match index.includes {
        [] => Projection::builder().projection_type(ProjectionType::KeysOnly),
        names => names.iter().fold(Projection::builder().projection_type(ProjectionType::Include), |p, name| {
            p.non_key_attributes(*name)
        }),
    };
    projection.build()
}
