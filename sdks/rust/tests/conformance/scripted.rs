//! A server that expects the requests of one conformance case, in order, and answers as the case says.
//! It keeps no connection: each request comes on one of its own. Neighbour: `comparison` says what is equal.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::comparison::{is_same, with_instants};

pub(crate) struct Scripted {
    url: String,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Script {
    exchanges: Vec<Value>,
    received: Vec<Received>,
    complaints: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Received {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Map<String, Value>,
    body: String,
}

impl Scripted {
    pub(crate) async fn start(exchanges: Vec<Value>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script { exchanges, ..Script::default() }));
        let shared = Arc::clone(&script);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &shared).await;
            }
        });
        Self { url, script, serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let missing = script.exchanges.len().saturating_sub(script.received.len());
        let missing = (missing > 0).then(|| format!("{missing} requests did not come"));
        script.complaints.iter().cloned().chain(missing).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, script: &Mutex<Script>) {
    let Some(received) = read(&mut stream).await else { return };
    let answer = script.lock().unwrap().take(received);
    if answer == "drop" {
        return;
    }
    let text = answer["bodyText"].as_str().map_or_else(|| answer["body"].to_string(), ToOwned::to_owned);
    let status = answer["status"].as_u64().unwrap();
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    let length = text.len() + if answer["cutOff"] == true { 10 } else { 0 };
    let mut headers = json!({ "content-type": kind, "content-length": length.to_string(), "connection": "close" });
    headers.as_object_mut().unwrap().extend(answer["headers"].as_object().cloned().unwrap_or_default());
    let lines = headers.as_object().unwrap().iter();
    let lines: String = lines.map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap())).collect();
    // The client may have seen enough and gone.
    drop(stream.write_all(format!("HTTP/1.1 {status} Scripted\r\n{lines}\r\n{text}").as_bytes()).await);
    drop(stream.shutdown().await);
}

/// The request, read whole; `None` of a connection that was opened for nothing.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_ends = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_ends].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut asked = lines.next().unwrap().split(' ').map(ToOwned::to_owned);
    let (method, target) = (asked.next().unwrap(), asked.next().unwrap());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), json!(value)));
    let headers: Map<String, Value> = lines.filter_map(header).collect();
    let length = headers.get("content-length").map_or(0, |length| length.as_str().unwrap().parse().unwrap());
    while bytes.len() < head_ends + 4 + length {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the body broke off");
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut query: Vec<_> = form(query);
    query.sort();
    let body = String::from_utf8(bytes[head_ends + 4..].to_vec()).unwrap();
    Some(Received { method, path: path.to_owned(), query, headers, body })
}

/// The parameters of a query, decoded.
fn form(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://127.0.0.1/?{query}")).unwrap();
    url.query_pairs().into_owned().collect()
}

impl Script {
    /// Compares it with what is expected next, and returns the answer.
    fn take(&mut self, received: Received) -> Value {
        let exchange = self.exchanges.get(self.received.len()).cloned();
        let before = self.received.last().cloned();
        self.received.push(received.clone());
        let Some(exchange) = exchange else {
            self.complaints.push(format!("not expected: {} {}", received.method, received.path));
            return json!({ "status": 418, "bodyText": "" });
        };
        if exchange["request"] == "as before" {
            let same = |one: &Received| {
                let key = one.headers.get("idempotency-key").cloned();
                (one.method.clone(), one.path.clone(), one.query.clone(), one.body.clone(), key)
            };
            if before.as_ref().map(same) != Some(same(&received)) {
                self.complaints.push(format!("not as before: {received:?} after {before:?}"));
            }
        } else {
            self.compare(&received, &exchange["request"]);
        }
        exchange["answer"].clone()
    }

    fn compare(&mut self, received: &Received, expected: &Value) {
        self.expect("method", &json!(received.method), &expected["method"]);
        self.expect("path", &json!(received.path), &expected["path"]);
        let query: Map<String, Value> = received.query.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        self.expect("parameters", &json!(received.query.len()), &json!(query.len()));
        let bounds = ["from", "to"];
        let parameters = expected["query"].as_object().cloned().unwrap_or_default();
        let read = |query| with_instants(&Value::Object(query), &bounds);
        self.expect("query", &read(query), &read(parameters));

        let mut headers = json!({ "authorization": "Bearer conformance-key" });
        headers.as_object_mut().unwrap().extend(expected["headers"].as_object().cloned().unwrap_or_default());
        for (name, value) in headers.as_object().unwrap() {
            let sent = received.headers.get(name).cloned().unwrap_or_default();
            let fits = |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            if value == "$any" {
                self.expect(name, &json!(sent.as_str().is_some_and(fits)), &json!(true));
            } else {
                self.expect(name, &sent, value);
            }
        }
        if let Some(text) = expected["bodyText"].as_str() {
            self.expect("body", &json!(received.body), &json!(text));
        }
        if let Some(body) = expected.get("body") {
            let more = if received.path.ends_with("/retry") { &bounds[..] } else { &[] };
            let sent = serde_json::from_str(&received.body).unwrap_or_default();
            self.expect("body", &with_instants(&sent, more), &with_instants(body, more));
        }
    }

    fn expect(&mut self, what: &str, actual: &Value, expected: &Value) {
        if !is_same(actual, expected) {
            self.complaints.push(format!("{what}: {actual} instead of {expected}"));
        }
    }
}
