//! The few requests of DynamoDB that the poller makes, read from what the SDK sends. An expression is known by its whole
//! text: a store that asks for anything else is refused, so that no figure comes from a protocol that is not the product's.
//! It never answers. Neighbour: `dynamodb` does.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::clock::parse_instant;
use shared::store::TableNames;

use super::jobs::{Millis, START, row_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Claim {
        row: u32,
        now: Millis,
        lease_base: i64,
        write: u128,
    },
    /// Pending again at `next`, after so many attempts, or ended.
    Settle {
        row: u32,
        lease: u128,
        write: u128,
        next: Option<(Millis, u8)>,
    },
    Due {
        shard: u32,
        until: Millis,
        after: Option<(Millis, u32)>,
        most: usize,
    },
    Count {
        shard: u32,
        until: Millis,
        most: usize,
    },
    /// A tenant's signing secrets.
    Tenant,
    /// Sums that are added to what the usage table holds.
    Usage,
}

const CLAIM: (&str, &str) = (
    "SET #status = :firing, leaseUntil = timeoutSeconds + :leaseBase, updatedAt = :now, writeId = :write \
     ADD attempts :one",
    "attempts < maxRetries AND ((#status = :pending AND fireAt <= :now) OR (#status = :firing AND leaseUntil <= \
     :nowSeconds))",
);
const MINE: &str = "#status = :firing AND writeId = :lease";
const END: (&str, &str) = (
    "SET #status = :status, tenantStatus = :tenantStatus, completedAt = :now, expiresAt = :expiresAt, \
     attemptLog = :log, updatedAt = :now, writeId = :write REMOVE statusShard, fireAt, leaseUntil",
    MINE,
);
const WAIT: (&str, &str) = (
    "SET #status = :status, fireAt = :fireAt, attempts = :attempts, attemptLog = :log, updatedAt = :now, \
     writeId = :write REMOVE leaseUntil",
    MINE,
);
const DUE: &str = "statusShard = :shard AND fireAt <= :now";
const SUGGESTION: &str = "id, fireAt, tenant, callbackHost";

type Values<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Update<'a> {
    table_name: Cow<'a, str>,
    #[serde(borrow)]
    key: Values<'a>,
    update_expression: Cow<'a, str>,
    #[serde(default)]
    condition_expression: Cow<'a, str>,
    #[serde(default)]
    expression_attribute_values: Values<'a>,
    #[serde(default, rename = "ExpressionAttributeNames")]
    _names: HashMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(default, rename = "ReturnValues")]
    _return_values: Cow<'a, str>,
    #[serde(default, rename = "ReturnValuesOnConditionCheckFailure")]
    _return_old: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Query<'a> {
    table_name: Cow<'a, str>,
    #[serde(default)]
    index_name: Cow<'a, str>,
    key_condition_expression: Cow<'a, str>,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    #[serde(default)]
    exclusive_start_key: Option<Values<'a>>,
    #[serde(default)]
    select: Cow<'a, str>,
    #[serde(default)]
    projection_expression: Cow<'a, str>,
    limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get<'a> {
    table_name: Cow<'a, str>,
    #[serde(borrow, rename = "Key")]
    _key: Values<'a>,
    #[serde(default, rename = "ConsistentRead")]
    _consistent_read: bool,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "S")]
    s: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Number<'a> {
    #[serde(rename = "N")]
    n: Cow<'a, str>,
}

impl Request {
    /// # Errors
    /// What it is that the model does not know.
    pub(super) fn read(target: &str, body: &[u8], tables: &TableNames) -> Result<Self, String> {
        let unknown =
            |what: &str| format!("the model of DynamoDB does not know {what}: {}", String::from_utf8_lossy(body));
        let read = match target.rsplit('.').next().unwrap_or_default() {
            "UpdateItem" => update(&serde_json::from_slice(body).map_err(|e| unknown(&e.to_string()))?, tables),
            "Query" => query(&serde_json::from_slice(body).map_err(|e| unknown(&e.to_string()))?, tables),
            "GetItem" => {
                let get: Get<'_> = serde_json::from_slice(body).map_err(|e| unknown(&e.to_string()))?;
                (get.table_name == tables.tenants).then_some(Self::Tenant)
            }
            _ => None,
        };
        read.ok_or_else(|| unknown(target))
    }
}

fn update(update: &Update<'_>, tables: &TableNames) -> Option<Request> {
    let values = &update.expression_attribute_values;
    if update.table_name == tables.usage {
        let adds = update.update_expression.starts_with("ADD ")
            && update.update_expression.ends_with(" SET expiresAt = :expires")
            && update.condition_expression.is_empty();
        return adds.then_some(Request::Usage);
    }
    if update.table_name != tables.jobs {
        return None;
    }
    let row = row_of(&text(&update.key, "id")?)?;
    let write = uuid(&text(values, ":write")?)?;
    let expressions = (update.update_expression.as_ref(), update.condition_expression.as_ref());
    if expressions == CLAIM {
        let lease_base = number(values, ":leaseBase")?;
        return Some(Request::Claim { row, now: millis(&text(values, ":now")?)?, lease_base, write });
    }
    let lease = uuid(&text(values, ":lease")?)?;
    if expressions == END {
        Some(Request::Settle { row, lease, write, next: None })
    } else if expressions == WAIT {
        let attempts = u8::try_from(number(values, ":attempts")?).ok()?;
        Some(Request::Settle { row, lease, write, next: Some((millis(&text(values, ":fireAt")?)?, attempts)) })
    } else {
        None
    }
}

fn query(query: &Query<'_>, tables: &TableNames) -> Option<Request> {
    let is_known = query.table_name == tables.jobs
        && query.index_name == shared::store::table::DUE_INDEX
        && query.key_condition_expression == DUE;
    let values = &query.expression_attribute_values;
    let shard = text(values, ":shard")?.strip_prefix("Open#")?.parse().ok()?;
    let (until, most) = (millis(&text(values, ":now")?)?, query.limit);
    let after = match &query.exclusive_start_key {
        None => None,
        Some(key) => Some((millis(&text(key, "fireAt")?)?, row_of(&text(key, "id")?)?)),
    };
    match (query.select.as_ref(), query.projection_expression.as_ref()) {
        ("", SUGGESTION) if is_known => Some(Request::Due { shard, until, after, most }),
        ("COUNT", "") if is_known && after.is_none() => Some(Request::Count { shard, until, most }),
        _ => None,
    }
}

fn text<'a>(values: &Values<'a>, name: &str) -> Option<Cow<'a, str>> {
    serde_json::from_str::<Text<'a>>(values.get(name)?.get()).ok().map(|text| text.s)
}

fn number(values: &Values<'_>, name: &str) -> Option<i64> {
    serde_json::from_str::<Number<'_>>(values.get(name)?.get()).ok()?.n.parse().ok()
}

fn millis(text: &str) -> Option<Millis> {
    Millis::try_from(parse_instant(text)?.timestamp_millis() - START).ok()
}

fn uuid(text: &str) -> Option<u128> {
    let digits = text.bytes().filter(|byte| *byte != b'-').map(|byte| char::from(byte).to_digit(16));
    let (mut value, mut count) = (0u128, 0);
    for digit in digits {
        value = (value << 4) | u128::from(digit?);
        count += 1;
    }
    (count == 32).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(operation: &str, body: &Value) -> Result<Request, String> {
        Request::read(&format!("DynamoDB_20120810.{operation}"), body.to_string().as_bytes(), &TableNames::default())
    }

    fn count() -> Value {
        json!({
            "TableName": "scheduler-jobs", "IndexName": "status-fireAt", "KeyConditionExpression": DUE, "Limit": 7,
            "Select": "COUNT",
            "ExpressionAttributeValues": {
                ":shard": { "S": "Open#03" }, ":now": { "S": "2026-06-01T12:00:01.500Z" }
            }
        })
    }

    #[test]
    fn a_count_is_read() {
        assert_eq!(read("Query", &count()), Ok(Request::Count { shard: 3, until: 1_500, most: 7 }));
    }

    #[test]
    fn what_the_model_does_not_know_is_refused() {
        let with = |name: &str, value: Value| {
            let mut query = count();
            query[name] = value;
            query
        };
        for (operation, body) in [
            ("Query", with("IndexName", json!("tenant-plannedAt"))),
            ("Query", with("KeyConditionExpression", json!("statusShard = :shard"))),
            ("Query", with("FilterExpression", json!("attempts = :zero"))),
            ("Query", with("Select", json!("ALL_ATTRIBUTES"))),
            ("Query", with("TableName", json!("another"))),
            ("GetItem", json!({ "TableName": "scheduler-jobs", "Key": { "id": { "S": "x" } } })),
            ("DeleteItem", json!({ "TableName": "scheduler-jobs", "Key": { "id": { "S": "x" } } })),
            ("UpdateItem", json!({ "TableName": "scheduler-jobs", "Key": {}, "UpdateExpression": "SET a = :b" })),
        ] {
            let refused = read(operation, &body).unwrap_err();
            assert!(refused.starts_with("the model of DynamoDB does not know"), "{operation}: {refused}");
        }
    }
}
