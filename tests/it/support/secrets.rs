//! What a program must never print: the tokens and signing secrets that it was given, and the header values and
//! payloads of every job that a test sent to it. Each test plants its own, and none has to think of it.
//! It never looks at the program itself. Neighbours: `conversation` collects, `process` looks at the output.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Shorter texts may well be said for other reasons.
const SHORTEST: usize = 8;

/// All that one program was told in confidence. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    pub fn keep(&self, secret: &str) {
        if secret.chars().count() >= SHORTEST {
            self.0.lock().unwrap().insert(secret.to_owned());
        }
    }

    /// The `headers` and the `payload` of a job, if that is what these bytes are.
    pub fn keep_those_of_a_job(&self, body: &[u8]) {
        let job: Value = serde_json::from_slice(body).unwrap_or_default();
        self.keep_texts(&job["headers"]);
        self.keep_texts(&job["payload"]);
    }

    /// The credentials of an event of API Gateway, and what is secret in the job that it brings.
    pub fn keep_those_of_an_event(&self, event: &Value) {
        for name in ["authorization", "x-api-key"] {
            let credentials = event["headers"][name].as_str().unwrap_or_default();
            self.keep(credentials.split_once(' ').map_or(credentials, |(_, token)| token));
        }
        let body = event["body"].as_str().unwrap_or_default();
        if event["isBase64Encoded"] == Value::Bool(true) {
            self.keep_those_of_a_job(&BASE64_STANDARD.decode(body).unwrap_or_default());
        } else {
            self.keep_those_of_a_job(body.as_bytes());
        }
    }

    /// Those that show in this output.
    pub fn found_in(&self, output: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|secret| output.contains(*secret)).cloned().collect()
    }

    fn keep_texts(&self, value: &Value) {
        match value {
            Value::String(text) => self.keep(text),
            Value::Array(items) => items.iter().for_each(|item| self.keep_texts(item)),
            Value::Object(members) => members.values().for_each(|member| self.keep_texts(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
