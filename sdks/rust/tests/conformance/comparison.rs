//! When two JSON values count as equal: see sdks/conformance/README.md. It never looks at types of ours.
//! Neighbours: `conformance` compares results with it, `scripted` requests.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    one == other || with_plain_numbers(one) == with_plain_numbers(other)
}

/// 1 and 1.0 are the same number.
fn with_plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(with_plain_numbers).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, inner)| (name.clone(), with_plain_numbers(inner))).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// The value with its instants as such, those of `more` names too; but those in payloads stay text.
pub(crate) fn with_instants(value: &Value, more: &[&str]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| with_instants(item, more)).collect(),
        Value::Object(members) => {
            let member = |(name, inner): (&String, &Value)| {
                let is_instant = name.ends_with("Utc") || more.contains(&name.as_str());
                let at = inner.as_str().filter(|_| is_instant).and_then(|text| text.parse::<DateTime<Utc>>().ok());
                let inner = match at {
                    Some(at) => json!(format!("instant {}", at.timestamp_micros())),
                    None if name == "payload" => inner.clone(),
                    None => with_instants(inner, more),
                };
                (name.clone(), inner)
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Without the members that are `null`: an answer may have them or not.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, inner)| !inner.is_null());
            Value::Object(members.map(|(name, inner)| (name, without_nulls(inner))).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
