//! A proxy before the store that asks it for the capacity of every call and adds up what it says: by operation, whoever
//! calls. So nothing that the product does escapes it, and the product need not help.
//! It changes nothing else of a call. Neighbour: `costs` reads it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The calls of an operation and the capacity units they took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) calls: f64,
    pub(crate) units: f64,
}

/// By operation.
pub(crate) type Usage = BTreeMap<String, Used>;

/// The operations that write; their units are write units.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
const READS: [&str; 5] = ["GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"];

#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) url: String,
    store: String,
    http: reqwest::Client,
    used: Arc<Mutex<Usage>>,
}

impl Meter {
    pub(crate) async fn before(store: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let meter = Self { url, store: store.to_owned(), http, used: Arc::default() };
        let this = meter.clone();
        let router =
            Router::new().fallback(async move |headers: HeaderMap, body: Bytes| this.pass(headers, body).await);
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(meter)
    }

    /// What was used since the last time.
    pub(crate) fn take(&self) -> Usage {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn pass(&self, headers: HeaderMap, body: Bytes) -> Response {
        match self.ask(headers, body).await {
            Ok(answer) => answer,
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
        }
    }

    async fn ask(&self, mut headers: HeaderMap, body: Bytes) -> anyhow::Result<Response> {
        let target = headers.get("x-amz-target").context("a call names its operation")?.to_str()?;
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let is_metered = writes(&operation) || READS.contains(&operation.as_str());
        let body = if is_metered { with_capacity(&body)? } else { body };
        for own in [HOST, CONTENT_LENGTH, ACCEPT_ENCODING] {
            headers.remove(own);
        }
        let answer = self.http.post(&self.store).headers(headers).body(body).send().await?;
        let (status, headers, body) = (answer.status(), answer.headers().clone(), answer.bytes().await?);
        if is_metered {
            self.note(operation, capacity(&serde_json::from_slice(&body)?));
        }
        let kept = headers.into_iter().filter(|(name, _)| name.as_ref().is_none_or(|name| *name != CONTENT_LENGTH));
        Ok((status, kept.filter_map(|(name, value)| Some((name?, value))).collect::<HeaderMap>(), body).into_response())
    }

    fn note(&self, operation: String, units: f64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.entry(operation).or_default();
        used.calls += 1.0;
        used.units += units;
    }
}

pub(crate) fn writes(operation: &str) -> bool {
    WRITES.contains(&operation)
}

/// The same call, which also asks what it costs.
fn with_capacity(body: &[u8]) -> anyhow::Result<Bytes> {
    let mut call: Map<String, Value> = serde_json::from_slice(body)?;
    call.insert("ReturnConsumedCapacity".to_owned(), json!("INDEXES"));
    Ok(serde_json::to_vec(&call)?.into())
}

/// One answer tells of one table or, where it may be several, of a list.
fn capacity(answer: &Value) -> f64 {
    let units = |one: &Value| one["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(units).sum(),
        one @ (Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => units(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_an_answer_counts() {
        assert_eq!(capacity(&json!({ "ConsumedCapacity": { "CapacityUnits": 1.5 } })), 1.5);
        assert_eq!(capacity(&json!({ "ConsumedCapacity": [{ "CapacityUnits": 2 }, { "CapacityUnits": 0.5 }] })), 2.5);
        assert_eq!(capacity(&json!({ "__type": "ConditionalCheckFailedException" })), 0.0);
    }
}
