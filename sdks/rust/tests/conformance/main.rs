//! The conformance suite that all SDKs run: sdks/conformance, every file and every case.
//! It starts no Scheduler: `scripted` answers as the case says. Neighbour: `tests/it/rust_client.rs` has the real one.
#![cfg(test)]

mod comparison;
mod readme;
mod scripted;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use scheduler_client::{
    Client, CreateJob, DeadLetterFilter, Error, JobFilter, JobStatus, Order, WrongField, verify_signature_at,
};
use serde_json::{Map, Value, json};

use comparison::{is_same, with_instants, without_nulls};
use scripted::Scripted;

fn parsed(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The cases of all files, each with its name and its documents put in.
fn cases() -> Vec<Value> {
    let documents = parsed("documents.json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files = files.filter(|file| file.ends_with(".json") && file != "documents.json" && file != "signatures.json");
    files.flat_map(|file| with_documents(&parsed(&file)["cases"], &documents).as_array().unwrap().clone()).collect()
}

fn with_documents(value: &Value, documents: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| with_documents(item, documents)).collect(),
        Value::Object(members) => {
            let mut whole = match members.get("$document") {
                Some(name) => documents[name.as_str().unwrap()].as_object().expect("a document of this name").clone(),
                None => Map::new(),
            };
            let own = members.iter().filter(|(name, _)| *name != "$document");
            whole.extend(own.map(|(name, inner)| (name.clone(), with_documents(inner, documents))));
            Value::Object(whole)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// The builder's call for each member of a request.
fn request(members: &Value, payload_text: Option<&str>) -> CreateJob {
    let mut request = CreateJob::new(members["callbackUrl"].as_str().unwrap());
    for (name, value) in members.as_object().unwrap() {
        let text = || value.as_str().unwrap().to_owned();
        let number = || u32::try_from(value.as_u64().unwrap()).unwrap();
        let seconds = || Duration::from_secs_f64(value.as_f64().unwrap());
        let items = || value.as_array().unwrap().iter();
        request = match name.as_str() {
            "callbackUrl" => request,
            "name" => request.name(text()),
            "delaySeconds" => request.after(seconds()),
            "fireAtUtc" => request.at(instant(value).unwrap()),
            "method" => request.method(text()),
            "headers" => value
                .as_object()
                .unwrap()
                .iter()
                .fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap())),
            "payload" => request.payload(value.clone()),
            "maxRetries" => request.attempts(number()),
            "timeoutSeconds" => request.timeout(seconds()),
            "idempotencyKey" => request.idempotency_key(text()),
            "correlationId" => request.correlation_id(text()),
            "recurrenceSeconds" => request.every(seconds()),
            "scheduleTimes" => request.daily_at(items().map(|time| time.as_str().unwrap())),
            "scheduleDaysOfWeek" => request.on_days(items().map(|day| u8::try_from(day.as_u64().unwrap()).unwrap())),
            "timeZone" => request.time_zone(text()),
            "endAtUtc" => request.until(instant(value).unwrap()),
            "maxOccurrences" => request.times(number()),
            other => panic!("the builder has no word for {other}"),
        };
    }
    match payload_text {
        Some(text) => request.payload_text(text).unwrap(),
        None => request,
    }
}

fn job_filter(given: &Value) -> JobFilter {
    given.as_object().unwrap().iter().fold(JobFilter::new(), |filter, (name, value)| {
        let text = value.as_str().unwrap_or_default();
        match name.as_str() {
            "status" => filter.status(serde_json::from_value::<JobStatus>(value.clone()).unwrap()),
            "from" => filter.from(instant(value).unwrap()),
            "to" => filter.to(instant(value).unwrap()),
            "seriesId" => filter.series(text),
            "limit" => filter.limit(u32::try_from(value.as_u64().unwrap()).unwrap()),
            "order" => filter.order(if text == "asc" { Order::Ascending } else { Order::Descending }),
            "cursor" => filter.cursor(text),
            other => panic!("the filter has no word for {other}"),
        }
    })
}

fn dead_letters(given: &Value) -> DeadLetterFilter {
    given.as_object().unwrap().iter().fold(DeadLetterFilter::new(), |filter, (name, value)| match name.as_str() {
        "from" => filter.from(instant(value).unwrap()),
        "to" => filter.to(instant(value).unwrap()),
        "dryRun" if value == &json!(true) => filter.dry_run(),
        "cursor" => filter.cursor(value.as_str().unwrap()),
        other => panic!("the filter has no word for {other}"),
    })
}

async fn run(client: &Client, operation: &str, given: &Value) -> Result<String, Error> {
    let id = given["id"].as_str().unwrap_or_default();
    let (from, to) = (instant(&given["from"]), instant(&given["to"]));
    // Written from the typed result, never from what came over the wire.
    let text = |result: Result<String, serde_json::Error>| result.expect("a result can be written");
    Ok(match operation {
        "create" => {
            let request = request(&given["request"], given["payloadText"].as_str());
            let job = match given["requestKey"].as_str() {
                Some(key) => client.create_once(&request, key).await?,
                None => client.create(&request).await?,
            };
            text(serde_json::to_string(&job))
        }
        "preview" => {
            let count = given["count"].as_u64().map(|count| u32::try_from(count).unwrap());
            text(serde_json::to_string(&client.preview(&request(&given["request"], None), count).await?))
        }
        "get" => text(serde_json::to_string(&client.get(id).await?)),
        "cancel" => text(serde_json::to_string(&client.cancel(id).await?)),
        "retry" => text(serde_json::to_string(&client.retry(id).await?)),
        "runNow" => text(serde_json::to_string(&client.run_now(id).await?)),
        "list" => text(serde_json::to_string(&client.list(&job_filter(given)).await?)),
        "listAll" => text(serde_json::to_string(&client.jobs(job_filter(given)).try_collect::<Vec<_>>().await?)),
        "retryDeadLetters" => text(serde_json::to_string(&client.retry_dead_letters(&dead_letters(given)).await?)),
        "retryAllDeadLetters" => {
            text(serde_json::to_string(&client.retry_all_dead_letters(&dead_letters(given)).await?))
        }
        "stats" => text(serde_json::to_string(&client.stats(from, to).await?)),
        "statsJobs" => text(serde_json::to_string(&client.job_counts(from, to).await?)),
        "whoami" => text(serde_json::to_string(&client.whoami().await?)),
        "statsUpcoming" => text(serde_json::to_string(&client.upcoming().await?)),
        other => panic!("no such operation: {other}"),
    })
}

fn described(error: &Error) -> Value {
    let mut told = match error {
        Error::Argument(_) => json!({ "kind": "argument" }),
        Error::Connection { .. } => json!({ "kind": "connection" }),
        Error::Problem(problem) => json!({
            "kind": "problem",
            "status": problem.status,
            "type": problem.problem_type,
            "title": problem.title,
            "detail": problem.detail,
            "instance": problem.instance,
            "jobStatus": problem.job_status,
            "retryAfterSeconds": problem.retry_after.map(|wait| wait.as_secs()),
        }),
        other => panic!("the suite has no word for {other:?}"),
    };
    let field = |WrongField { pointer, detail }: &WrongField| json!({ "pointer": pointer, "detail": detail });
    if let Some(problem) = error.problem()
        && !problem.errors.is_empty()
    {
        told["errors"] = problem.errors.iter().map(field).collect();
    }
    if error.may_have_been_done() {
        told["mayHaveBeenDone"] = json!(true);
    }
    without_nulls(told)
}

/// What is wrong about a case; nothing, if it is well.
async fn complaints(case: &Value) -> Vec<String> {
    let server = Scripted::start(case["exchanges"].as_array().unwrap().clone()).await;
    let waits: Arc<Mutex<Vec<f64>>> = Arc::default();
    let asked = Arc::clone(&waits);
    let url = format!("{}{}", server.url(), case["client"]["basePath"].as_str().unwrap_or_default());
    let attempts = case["client"]["maxAttempts"].as_u64().unwrap_or(5);
    let client = Client::builder(&url, "conformance-key").max_attempts(u32::try_from(attempts).unwrap());
    let client = client.wait_with(move |wait| {
        asked.lock().unwrap().push(wait.as_secs_f64());
        Box::pin(std::future::ready(()))
    });
    let client = client.build().unwrap();
    let outcome = run(&client, case["operation"].as_str().unwrap(), &case["arguments"]).await;

    let mut complaints = server.complaints();
    let waits = waits.lock().unwrap().clone();
    let bounds = case["waitsSeconds"].as_array().cloned().unwrap_or_default();
    let fits = |(wait, bounds): (&f64, &Value)| bounds[0].as_f64() <= Some(*wait) && Some(*wait) <= bounds[1].as_f64();
    if waits.len() != bounds.len() || !waits.iter().zip(&bounds).all(fits) {
        complaints.push(format!("waits {waits:?} instead of {bounds:?}"));
    }
    match (outcome, case.get("result"), case.get("error")) {
        (Ok(actual), Some(expected), None) => {
            let mut actual: Value = serde_json::from_str(&actual).unwrap();
            if case["resultMayHaveMore"] == true {
                actual.as_object_mut().unwrap().retain(|name, _| expected.get(name).is_some());
            }
            let read = |value: &Value| without_nulls(with_instants(value, &[]));
            if !is_same(&read(&actual), &read(expected)) {
                complaints.push(format!("{actual}\ninstead of\n{expected}"));
            }
        }
        (Err(error), None, Some(expected)) if is_same(&described(&error), expected) => {}
        (outcome, ..) => complaints.push(format!(
            "{:?}\ninstead of\n{}{}",
            outcome.map_err(|error| described(&error).to_string()),
            case["result"],
            case["error"]
        )),
    }
    complaints
}

#[tokio::test]
async fn every_case_of_the_suite_is_as_it_should_be() {
    let (mut names, mut wrong) = (HashSet::new(), Vec::new());
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "two cases are called {name:?}");
        let complaints = complaints(&case).await;
        wrong.extend(complaints.iter().map(|complaint| format!("{name}: {complaint}")));
    }
    assert!(names.len() > 50, "only {} cases were found", names.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_signature_vector_is_judged_as_it_should_be() {
    let vectors = parsed("signatures.json")["vectors"].as_array().unwrap().clone();
    assert!(vectors.len() > 30, "only {} vectors were found", vectors.len());
    for vector in vectors {
        let hex = vector["bodyHex"].as_str().unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let body: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let now = DateTime::from_timestamp(vector["now"].as_i64().unwrap(), 0).unwrap();
        let tolerance = Duration::from_secs(vector["toleranceSeconds"].as_u64().unwrap());
        // A header that is missing is no text in Rust, and never asked about.
        let header = vector["header"].as_str().unwrap_or_default();
        let said = verify_signature_at(vector["secret"].as_str().unwrap(), header, &body, now, tolerance);
        assert_eq!(said, vector["valid"] == true, "{}", vector["name"]);
    }
}
