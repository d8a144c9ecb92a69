//! CONTRACT §4: every good form of a job, its defaults and its limits exactly at the edge; and `POST` of §3.
//! It never sends what is merely wrong; `bad_input` does. Neighbour: `callback` looks at what is then sent.

use http::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::{Answer, id};

const START: &str = "2026-03-28T12:00:00Z";
const URL: &str = "http://127.0.0.1:9/";

/// The `callbackUrl` and these members of a body, as text.
fn body(rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(r#"{{"callbackUrl":"{URL}"{comma}{rest}}}"#)
}

async fn post(app: &App, rest: &str) -> Answer {
    app.post_raw("/scheduled-jobs", "application/json", body(rest)).await
}

#[tokio::test]
async fn a_job_with_nothing_but_a_url_has_the_defaults() {
    let app = App::at(START).await;
    let answer = post(&app, "").await;
    let job = answer.created();
    let expected = json!({
        "id": job["id"], "status": "Pending", "callbackUrl": URL, "method": "POST",
        "maxRetries": 5, "timeoutSeconds": 30, "idempotencyKey": job["idempotencyKey"],
        "fireAtUtc": "2026-03-28T12:00:00.000Z", "nextAttemptAtUtc": "2026-03-28T12:00:00.000Z",
        "attempts": 0, "seriesId": null, "occurrenceNumber": null, "lastStatusCode": null, "lastError": null,
        "createdAtUtc": "2026-03-28T12:00:00.000Z", "updatedAtUtc": "2026-03-28T12:00:00.000Z",
        "completedAtUtc": null, "expiresAtUtc": null,
    });
    assert_eq!(job, expected);
    for generated in ["id", "idempotencyKey"] {
        uuid::Uuid::parse_str(job[generated].as_str().unwrap()).unwrap();
    }
    assert_eq!(answer.header("location"), Some(format!("/scheduled-jobs/{}", id(&job)).as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut detailed = expected;
    detailed["attemptLog"] = json!([]);
    assert_eq!(app.get(answer.header("location").unwrap()).await.ok(), detailed);
    assert_eq!(app.all_pages("").await, [job]);
    app.check().await;
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_given() {
    let app = App::at(START).await;
    let common = json!({
        "name": "n", "callbackUrl": "https://example.com:8443/p?q=1#f", "method": "PUT",
        "headers": { "X-B": "2", "x-a": "é" }, "payload": { "z": [1, null], "a": "é" }, "maxRetries": 7,
        "idempotencyKey": "k!~", "correlationId": "c/1", "endAtUtc": "2026-12-31T00:00:00.000Z", "maxOccurrences": 9,
        "timeoutSeconds": 60, "fireAtUtc": "2026-06-01T10:00:00.000Z",
    });
    let interval = json!({ "recurrenceSeconds": 86_400 });
    let calendar = json!({
        "scheduleTimes": ["12:00", "06:30"], "scheduleDaysOfWeek": [6, 1], "timeZone": "Europe/Rome",
    });
    for recurrence in [interval, calendar] {
        let mut sent = common.clone();
        sent.as_object_mut().unwrap().extend(recurrence.as_object().unwrap().clone());
        let job = app.post_job(sent.clone()).await.created();
        for (field, value) in sent.as_object().unwrap() {
            assert_eq!(&job[field], value, "{field}");
        }
        assert_eq!((&job["seriesId"], &job["occurrenceNumber"]), (&job["id"], &json!(1)));
        let mut stored = app.job(id(&job)).await;
        assert_eq!(stored.as_object_mut().unwrap().remove("attemptLog"), Some(json!([])));
        assert_eq!(stored, job);
    }
    app.check().await;
}

#[tokio::test]
async fn null_counts_as_absent_but_for_the_payload() {
    let app = App::at(START).await;
    let rest = r#""name":null,"delaySeconds":null,"fireAtUtc":null,"method":null,"headers":null,"maxRetries":null,
        "idempotencyKey":null,"correlationId":null,"recurrenceSeconds":null,"scheduleTimes":null,
        "scheduleDaysOfWeek":null,"endAtUtc":null,"maxOccurrences":null,"timeZone":null,"timeoutSeconds":null"#;
    let (nulls, plain) = (post(&app, rest).await.created(), post(&app, "").await.created());
    let fields = |job: &Value| job.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&nulls), fields(&plain));
    let with_payload = post(&app, r#""payload":null"#).await.created();
    assert_eq!(with_payload.get("payload"), Some(&Value::Null));
    app.check().await;
}

#[tokio::test]
async fn a_job_is_planned_by_its_instant_or_its_delay_or_for_now() {
    let app = App::at(START).await;
    // 28 March 2026 is a Saturday; noon in UTC is one o'clock in Rome, which goes to summer time that night.
    for (rest, expected) in [
        (r#""delaySeconds":0"#, "2026-03-28T12:00:00.000Z"),
        (r#""delaySeconds":90"#, "2026-03-28T12:01:30.000Z"),
        (r#""delaySeconds":1.5"#, "2026-03-28T12:00:01.500Z"),
        (r#""delaySeconds":0.0004"#, "2026-03-28T12:00:00.001Z"),
        (r#""delaySeconds":2.5e1"#, "2026-03-28T12:00:25.000Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00Z""#, "2026-04-01T08:00:00.000Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00.5+02:00""#, "2026-04-01T06:00:00.500Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00-05:30""#, "2026-04-01T13:30:00.000Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00""#, "2026-04-01T08:00:00.000Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00.123456789""#, "2026-04-01T08:00:00.123Z"),
        (r#""fireAtUtc":"2020-01-01T00:00:00Z""#, "2020-01-01T00:00:00.000Z"),
        (r#""fireAtUtc":"2026-04-01T08:00:00Z","delaySeconds":5"#, "2026-04-01T08:00:00.000Z"),
        (r#""delaySeconds":5,"fireAtUtc":"2020-01-01T00:00:00Z""#, "2020-01-01T00:00:00.000Z"),
        (r#""recurrenceSeconds":60"#, "2026-03-28T12:00:00.000Z"),
        (r#""recurrenceSeconds":60.0,"delaySeconds":10"#, "2026-03-28T12:00:10.000Z"),
        (r#""scheduleTimes":["13:00"]"#, "2026-03-29T11:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"delaySeconds":0"#, "2026-03-28T12:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"fireAtUtc":"2026-03-28T12:00:00.001Z""#, "2026-03-29T11:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"fireAtUtc":"2026-07-01T00:00:00Z""#, "2026-07-01T11:00:00.000Z"),
        (r#""scheduleTimes":["12:59","13:01"]"#, "2026-03-28T12:01:00.000Z"),
        (r#""scheduleTimes":["13:00"],"timeZone":"America/New_York""#, "2026-03-28T17:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"scheduleDaysOfWeek":[]"#, "2026-03-29T11:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"scheduleDaysOfWeek":[6]"#, "2026-04-04T11:00:00.000Z"),
        (r#""scheduleTimes":["13:01"],"scheduleDaysOfWeek":[6,6,0]"#, "2026-03-28T12:01:00.000Z"),
        (r#""scheduleTimes":["13:00"],"endAtUtc":"2026-03-29T11:00:00Z""#, "2026-03-29T11:00:00.000Z"),
        (r#""recurrenceSeconds":60,"endAtUtc":"2026-03-28T12:00:00Z""#, "2026-03-28T12:00:00.000Z"),
    ] {
        let job = post(&app, rest).await.created();
        assert_eq!((&job["fireAtUtc"], &job["nextAttemptAtUtc"]), (&json!(expected), &json!(expected)), "{rest}");
    }
    app.check().await;
}

on_both_stores! {
    async fn a_delay_of_any_length_is_stored_and_shown_as_it_was_answered(place: Store) {
        let app = App::dev().on(&place).now(START).start().await;
        for (delay, expected) in [
            ("5e-324", "2026-03-28T12:00:00.001Z"),
            ("1e-200", "2026-03-28T12:00:00.001Z"),
            ("1e-130", "2026-03-28T12:00:00.001Z"),
            ("0.30000000000000004", "2026-03-28T12:00:00.301Z"),
            ("-0", "2026-03-28T12:00:00.000Z"),
            ("1e-400", "2026-03-28T12:00:00.000Z"),
            ("251000000000.125", "9980-02-11T02:13:20.125Z"),
        ] {
            let job = post(&app, &format!(r#""delaySeconds":{delay}"#)).await.created();
            assert_eq!(job["fireAtUtc"], expected, "{delay}");
            assert_eq!(app.job(id(&job)).await["delaySeconds"], job["delaySeconds"], "{delay}");
        }
        app.check().await;
    }
}

#[tokio::test]
async fn what_lies_in_the_past_is_due_at_once() {
    let app = App::at(START).await;
    let job = a_job().to(&app.receiver.url("/late")).at("2020-01-01T00:00:00Z");
    app.post_job(job).await.created();
    app.advance_to("2026-03-28T12:01:00Z").await;
    assert_eq!(app.receiver.calls("/late").len(), 1);
    app.check().await;
}

#[tokio::test]
async fn a_limit_is_taken_exactly_at_its_edge_and_refused_one_past_it() {
    let app = App::at(START).await;
    let text = |field: &str, length: usize| format!(r#""{field}":"{}""#, "k".repeat(length));
    let url = |length: usize| format!(r#"{{"callbackUrl":"{URL}{}"}}"#, "u".repeat(length - URL.len()));
    let headers = |count: usize, size: usize| {
        // Names of three bytes; the last value fills up what is left.
        let members = (0..count).map(|n| {
            let value = if n + 1 == count { "v".repeat(size - 3 * count) } else { String::new() };
            format!(r#""x{n:02}":"{value}""#)
        });
        format!(r#""headers":{{{}}}"#, members.collect::<Vec<_>>().join(","))
    };
    let times = |count: usize| format!(r#""scheduleTimes":[{}]"#, vec![r#""10:00""#; count].join(","));
    let every = r#""recurrenceSeconds":60"#;
    let number = |field: &str, value: u32| format!(r#""{field}":{value}"#);
    for (taken, refused, pointer) in [
        (body(&format!(r#""name":"{}""#, "é".repeat(200))), body(&text("name", 201)), "/name"),
        (body(r#""name":"""#), body(r#""name":["n"]"#), "/name"),
        (url(2048), url(2049), "/callbackUrl"),
        (body(&headers(50, 400)), body(&headers(51, 400)), "/headers"),
        (body(&headers(2, 8192)), body(&headers(2, 8193)), "/headers"),
        (body(r#""headers":{}"#), body(r#""headers":"""#), "/headers"),
        (body(&text("payload", 262_142)), body(&text("payload", 262_143)), "/payload"),
        (body(&text("idempotencyKey", 255)), body(&text("idempotencyKey", 256)), "/idempotencyKey"),
        (body(&text("idempotencyKey", 1)), body(&text("idempotencyKey", 0)), "/idempotencyKey"),
        (body(&text("correlationId", 255)), body(&text("correlationId", 256)), "/correlationId"),
        (body(&text("correlationId", 1)), body(&text("correlationId", 0)), "/correlationId"),
        (body(&number("maxRetries", 1)), body(&number("maxRetries", 0)), "/maxRetries"),
        (body(&number("maxRetries", 100)), body(&number("maxRetries", 101)), "/maxRetries"),
        (body(&number("timeoutSeconds", 1)), body(&number("timeoutSeconds", 0)), "/timeoutSeconds"),
        (body(&number("timeoutSeconds", 60)), body(&number("timeoutSeconds", 61)), "/timeoutSeconds"),
        (body(every), body(&number("recurrenceSeconds", 59)), "/recurrenceSeconds"),
        (body(&times(96)), body(&times(97)), "/scheduleTimes"),
        (body(&times(1)), body(&times(0)), "/scheduleTimes"),
        (
            body(r#""scheduleTimes":["00:00","23:59"]"#),
            body(r#""scheduleTimes":["00:00","24:00"]"#),
            "/scheduleTimes/1",
        ),
        (
            body(&format!(r#"{},"scheduleDaysOfWeek":[0,6]"#, times(1))),
            body(&format!(r#"{},"scheduleDaysOfWeek":[0,7]"#, times(1))),
            "/scheduleDaysOfWeek/1",
        ),
        (
            body(&format!(r#"{every},"maxOccurrences":1"#)),
            body(&format!(r#"{every},"maxOccurrences":0"#)),
            "/maxOccurrences",
        ),
        (
            body(&format!(r#"{every},"endAtUtc":"2026-03-28T12:00:00.000Z""#)),
            body(&format!(r#"{every},"endAtUtc":"2026-03-28T11:59:59.999Z""#)),
            "/endAtUtc",
        ),
        (body(&number("delaySeconds", 0)), body(r#""delaySeconds":-0.001"#), "/delaySeconds"),
    ] {
        let shown = refused.get(..100).unwrap_or(&refused).to_owned();
        let answer = app.post_raw("/scheduled-jobs", "application/json", taken).await;
        assert_eq!(answer.status, 201, "one less than {shown}: {answer:?}");
        let answer = app.post_raw("/scheduled-jobs", "application/json", refused).await;
        assert_eq!(answer.problem(400).pointers(), [pointer], "{shown}");
    }
    app.check().await;
}

#[tokio::test]
async fn methods_are_taken_in_any_case() {
    let app = App::at(START).await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for spelling in
            [method.to_owned(), method.to_lowercase(), format!("{}{}", &method[..1], method[1..].to_lowercase())]
        {
            assert_eq!(app.post_job(a_job().method(&spelling)).await.created()["method"], method);
        }
    }
    app.check().await;
}

#[tokio::test]
async fn a_payload_keeps_its_bytes() {
    let app = App::at(START).await;
    let payloads = [
        r#"{ "b":1.0, "a" :1e5,	"a":"\u00e9é" }"#,
        "123456789012345678901234567890.10",
        "-0",
        "1E-7",
        "null",
        "false",
        r#""""#,
        "[ ]",
        "{\r\n  \"nested\": [[[[{}]]]]\r\n}",
        r#""\ud83d\ude00 😀 \/ \u0000 \" \\""#,
        r#"{"__proto__":1,"$ref":"x","":""}"#,
    ];
    for (n, payload) in payloads.into_iter().enumerate() {
        let path = format!("/{n}");
        let body = format!(r#"{{ "callbackUrl" : "{}" , "payload" : {payload} }}"#, app.receiver.url(&path));
        let job = app.post_raw("/scheduled-jobs", "application/json", body).await;
        let shown = app.get(&format!("/scheduled-jobs/{}", id(&job.created()))).await;
        for answer in [&job, &shown] {
            assert!(answer.text.contains(&format!(r#""payload":{payload},"#)), "{payload} in {}", answer.text);
        }
    }
    app.advance_to("2026-03-28T12:01:00Z").await;
    for (n, payload) in payloads.into_iter().enumerate() {
        assert_eq!(app.receiver.calls(&format!("/{n}"))[0].text(), payload);
    }
    app.check().await;
}

#[tokio::test]
async fn json_comes_under_any_name_for_json() {
    let app = App::at(START).await;
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
        app.post_raw("/scheduled-jobs", content_type, body("")).await.created();
    }
    app.check().await;
}

async fn post_with_key(app: &App, key: &str, job: &Value) -> Answer {
    let request = app.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", key);
    app.send(request.header("content-type", "application/json").body(job.to_string())).await
}

#[tokio::test]
async fn a_request_key_makes_one_job_of_many_requests() {
    let app = App::at(START).await;
    let job = json!({ "callbackUrl": app.receiver.url("/x"), "delaySeconds": 5 });
    let first = post_with_key(&app, "once", &job).await.created();
    assert_eq!(post_with_key(&app, "once", &job).await.ok(), first);
    app.advance_to("2026-03-28T12:01:00Z").await;
    let again = post_with_key(&app, "once", &job).await.ok();
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("Done")), "the first job as it is by now");
    post_with_key(&app, "once", &json!({ "callbackUrl": app.receiver.url("/y") })).await.problem(409);
    post_with_key(&app, "another", &job).await.created();
    for key in ["", "a b", &"k".repeat(256)] {
        post_with_key(&app, key, &job).await.problem(400);
    }
    post_with_key(&app, &"k".repeat(255), &job).await.created();
    assert_eq!(app.all_pages("").await.len(), 3);
    app.check().await;
}

#[tokio::test]
async fn a_request_key_knows_its_body_by_every_byte() {
    let app = App::at(START).await;
    let body = |byte: &[u8]| [br#"{"callbackUrl":"https://example.com/","payload":""#, byte, br#""}"#].concat();
    let post = async |body: Vec<u8>| {
        let request = app.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", "once");
        app.send(request.header("content-type", "application/json").body(body)).await
    };
    let first = post(body("\u{fffd}".as_bytes())).await.created();
    assert_eq!(post(body("\u{fffd}".as_bytes())).await.ok(), first);
    post(body(b"\xff")).await.problem(400);
    app.check().await;
}

#[tokio::test]
async fn what_was_a_valid_body_when_it_made_its_job_stays_the_keys_body() {
    let app = App::at(START).await;
    let ending = json!({
        "callbackUrl": app.receiver.url("/x"), "recurrenceSeconds": 60, "endAtUtc": "2026-03-28T12:02:00Z",
    });
    let series = post_with_key(&app, "series", &ending).await.created();
    app.advance_to("2026-03-28T12:10:00Z").await;
    assert_eq!(post_with_key(&app, "series", &ending).await.ok()["id"], series["id"], "though its end has passed");
    assert_eq!(post_with_key(&app, "another", &ending).await.problem(400).pointers(), ["/endAtUtc"]);
    app.check().await;
}

#[tokio::test]
async fn a_request_key_may_be_used_again_when_its_job_has_gone() {
    let app = App::at(START).await;
    let job = json!({ "callbackUrl": app.receiver.url("/x") });
    let first = post_with_key(&app, "k", &job).await.created();
    let ended = app.cancel(id(&first)).await.ok();
    app.advance_to("2026-04-27T11:59:59.999Z").await;
    assert_eq!(post_with_key(&app, "k", &job).await.ok(), ended);
    app.advance_to("2026-04-27T12:00:00Z").await;
    let second = post_with_key(&app, "k", &job).await.created();
    assert_eq!(second["createdAtUtc"], "2026-04-27T12:00:00.000Z");
    assert_eq!(second["status"], "Pending");
    app.advance_to("2026-04-27T12:01:00Z").await;
    assert_eq!(app.job(id(&second)).await["status"], "Done");
    app.check().await;
}
