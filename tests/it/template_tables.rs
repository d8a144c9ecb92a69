//! The tables of `template.yaml` and those that the program makes for itself are the same: names, keys, indexes,
//! projections, TTL, billing. It never lists a key itself: both sides are read, and compared whole.
//! Neighbours: `shared::store::table` is the definition, `template` looks at the rest of the stack.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeySchemaElement, Projection, TableDescription};
use serde_json::{Value, json};
use shared::store::TableNames;
use shared::store::table::create_missing;

use crate::on_both_stores;
use crate::support::cloudformation::{Deployment, Template, text};

const TABLES: [&str; 3] = ["JobsTable", "TenantsTable", "UsageTable"];

on_both_stores! {
    async fn the_stacks_tables_are_those_that_the_program_makes(store: Store) {
        let client = store.client();
        let names = TableNames::with_prefix(store.table_prefix());
        create_missing(&client, &names).await.unwrap();

        let stack = Template::read("template.yaml").deploy(store.table_prefix().trim_end_matches('-'), &[]);
        for (resource, name) in TABLES.iter().zip([&names.jobs, &names.tenants, &names.usage]) {
            assert_eq!(of_the_stack(&stack, resource), of_the_store(&client, name).await, "{resource}");
        }
    }
}

#[test]
fn every_table_is_encrypted_backed_up_and_kept() {
    let template = Template::read("template.yaml");
    for (environment, is_protected) in [("dev", false), ("prod", true)] {
        let stack = template.deploy("scheduler", &[("Environment", environment)]);
        for table in TABLES {
            let properties = stack.properties(table);
            assert_eq!(properties["SSESpecification"], json!({ "SSEEnabled": true }), "{table}");
            let backed_up = json!({ "PointInTimeRecoveryEnabled": true });
            assert_eq!(properties["PointInTimeRecoverySpecification"], backed_up, "{table}");
            assert_eq!(properties["DeletionProtectionEnabled"], is_protected, "{table} in {environment}");
        }
    }
    for table in TABLES {
        let resource = &template.resources()[table];
        assert_eq!(
            (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain"))
        );
    }
}

#[test]
fn there_are_no_other_tables() {
    let template = Template::read("template.yaml");
    let tables = template.resources().iter().filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table");
    assert_eq!(tables.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), TABLES);
}

fn of_the_stack(stack: &Deployment, resource: &str) -> Value {
    let mut properties = stack.properties(resource);
    let described = properties.as_object_mut().unwrap();
    // What AWS alone knows; a test of its own looks at it.
    for aside in ["SSESpecification", "PointInTimeRecoverySpecification", "DeletionProtectionEnabled"] {
        described.remove(aside);
    }
    let indexes = described.remove("GlobalSecondaryIndexes").unwrap_or(json!([]));
    let expiry = described.remove("TimeToLiveSpecification");
    let table = json!({
        "name": described.remove("TableName"),
        "billing": described.remove("BillingMode"),
        "attributes": sorted(described.remove("AttributeDefinitions").unwrap().as_array().unwrap().clone()),
        "keys": described.remove("KeySchema"),
        "indexes": sorted(indexes.as_array().unwrap().iter().map(|index| json!({
            "name": index["IndexName"], "keys": index["KeySchema"], "projection": index["Projection"],
        })).collect()),
        "expiry": expiry.map(|expiry| {
            assert_eq!(expiry["Enabled"], true, "{resource}");
            expiry["AttributeName"].clone()
        }),
    });
    assert!(described.is_empty(), "{resource} has what the program's own table lacks: {described:?}");
    table
}

async fn of_the_store(client: &Client, name: &str) -> Value {
    let table = client.describe_table().table_name(name).send().await.unwrap().table.unwrap();
    let expiry = client.describe_time_to_live().table_name(name).send().await.unwrap().time_to_live_description;
    json!({
        "name": table.table_name(),
        "billing": table.billing_mode_summary().and_then(|billing| billing.billing_mode()).map(|mode| mode.as_str()),
        "attributes": attributes(&table),
        "keys": keys(table.key_schema()),
        "indexes": sorted(table.global_secondary_indexes().iter().map(|index| json!({
            "name": index.index_name(), "keys": keys(index.key_schema()), "projection": projection(index.projection()),
        })).collect()),
        "expiry": expiry.and_then(|expiry| expiry.attribute_name),
    })
}

fn attributes(table: &TableDescription) -> Value {
    let all = table.attribute_definitions().iter();
    sorted(
        all.map(|a| json!({ "AttributeName": a.attribute_name(), "AttributeType": a.attribute_type().as_str() }))
            .collect(),
    )
}

fn keys(schema: &[KeySchemaElement]) -> Value {
    schema
        .iter()
        .map(|key| json!({ "AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str() }))
        .collect()
}

fn projection(projection: Option<&Projection>) -> Value {
    let projection = projection.unwrap();
    let mut described = json!({ "ProjectionType": projection.projection_type().unwrap().as_str() });
    if !projection.non_key_attributes().is_empty() {
        described["NonKeyAttributes"] = json!(projection.non_key_attributes());
    }
    described
}

/// An order that is the same on both sides, where theirs has no meaning.
fn sorted(mut values: Vec<Value>) -> Value {
    values.sort_by_key(text);
    values.into()
}
