//! CONTRACT §§3–4: everything that is refused, each with its status and the pointers to all that is wrong, and that
//! nothing of it is stored. It never sends what is good but at a limit; `create` does.

use http::Method;
use serde_json::json;

use crate::support::app::App;
use crate::support::conversation::{Answer, Conversation};
use crate::support::http_server::streamed;
use crate::support::rows::read_table;

const JOBS: &str = "/scheduled-jobs";
/// Noon of a Saturday in UTC, one o'clock in Rome.
const START: &str = "2026-03-28T12:00:00Z";

/// Members of a body beside a good `callbackUrl`, and the pointers to what is wrong, in the order of the contract.
const BAD_FIELDS: &[(&str, &[&str])] = &[
    // An unknown field is never passed over.
    (r#""dealySeconds":5"#, &["/dealySeconds"]),
    (r#""DelaySeconds":5"#, &["/DelaySeconds"]),
    (r#""id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8""#, &["/id"]),
    (r#""status":"Done""#, &["/status"]),
    (r#""tenant":"umbrella""#, &["/tenant"]),
    (r#""":1"#, &["/"]),
    (r#""a/b~c":5"#, &["/a~1b~0c"]),
    (r#""unknown":null"#, &["/unknown"]),
    (r#""name":5"#, &["/name"]),
    (r#""name":{}"#, &["/name"]),
    (r#""name":"a","name":"b""#, &["/name"]),
    (r#""delaySeconds":-1"#, &["/delaySeconds"]),
    (r#""delaySeconds":"5""#, &["/delaySeconds"]),
    (r#""delaySeconds":true"#, &["/delaySeconds"]),
    (r#""delaySeconds":1e400"#, &["/delaySeconds"]),
    (r#""delaySeconds":1e15"#, &["/delaySeconds"]),
    (r#""delaySeconds":1,"delaySeconds":1"#, &["/delaySeconds"]),
    (r#""fireAtUtc":"tomorrow""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-12-24""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-02-30T00:00:00Z""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-12-24T25:00:00Z""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-12-24T18:00:00+25:00""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"12026-12-24T18:00:00Z""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":1764000000"#, &["/fireAtUtc"]),
    // What is no RFC 3339 must not become a day of the year 26 and fire at once.
    (r#""fireAtUtc":"26-12-24T18:00:00""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"202-12-24T18:00:00""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-1-2T3:4:5""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":" 2026- 1- 2T 3: 4: 5""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-12-24 18:00:00Z""#, &["/fireAtUtc"]),
    (r#""fireAtUtc":"2026-12-24 18:00:00""#, &["/fireAtUtc"]),
    (r#""method":"FETCH""#, &["/method"]),
    (r#""method":"""#, &["/method"]),
    (r#""method":" GET""#, &["/method"]),
    (r#""method":"CONNECT""#, &["/method"]),
    (r#""method":"TRACE""#, &["/method"]),
    (r#""method":["GET"]"#, &["/method"]),
    (r#""headers":[]"#, &["/headers"]),
    (r#""headers":"X-A: 1""#, &["/headers"]),
    (r#""headers":{"X-A":1}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":null}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":["1"]}"#, &["/headers/X-A"]),
    (r#""headers":{"":"1"}"#, &["/headers/"]),
    (r#""headers":{"X A":"1"}"#, &["/headers/X A"]),
    (r#""headers":{"X:A":"1"}"#, &["/headers/X:A"]),
    (r#""headers":{"X-A\r\nX-B":"1"}"#, &["/headers/X-A\r\nX-B"]),
    (r#""headers":{"a/b~c ":"1"}"#, &["/headers/a~1b~0c "]),
    (r#""headers":{"X-A":"a\r\nHost: evil"}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":"a\nb"}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":"a\u0000"}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":"a\u007f"}"#, &["/headers/X-A"]),
    (r#""headers":{"X-A":"1","x-a":"2"}"#, &["/headers/x-a"]),
    (r#""headers":{"Host":"evil","host":"evil"}"#, &["/headers/Host", "/headers/host"]),
    (r#""headers":{"Content-Length":"1"}"#, &["/headers/Content-Length"]),
    (r#""headers":{"transfer-encoding":"chunked"}"#, &["/headers/transfer-encoding"]),
    (r#""headers":{"Connection":"close"}"#, &["/headers/Connection"]),
    (r#""headers":{"Keep-Alive":"1"}"#, &["/headers/Keep-Alive"]),
    (r#""headers":{"TE":"trailers"}"#, &["/headers/TE"]),
    (r#""headers":{"Trailer":"X"}"#, &["/headers/Trailer"]),
    (r#""headers":{"Upgrade":"h2c"}"#, &["/headers/Upgrade"]),
    (r#""headers":{"Proxy-Authorization":"x"}"#, &["/headers/Proxy-Authorization"]),
    (r#""headers":{"Proxy-Connection":"close"}"#, &["/headers/Proxy-Connection"]),
    (r#""headers":{"Contit-Signature":"x"}"#, &["/headers/Contit-Signature"]),
    (r#""headers":{"contit-anything":"x"}"#, &["/headers/contit-anything"]),
    (r#""headers":{"Webhook-Id":"x"}"#, &["/headers/Webhook-Id"]),
    (r#""maxRetries":2.5"#, &["/maxRetries"]),
    (r#""maxRetries":"3""#, &["/maxRetries"]),
    (r#""maxRetries":-1"#, &["/maxRetries"]),
    (r#""maxRetries":99999999999999999999"#, &["/maxRetries"]),
    (r#""timeoutSeconds":1.5"#, &["/timeoutSeconds"]),
    (r#""timeoutSeconds":"30""#, &["/timeoutSeconds"]),
    (r#""idempotencyKey":"a b""#, &["/idempotencyKey"]),
    (r#""idempotencyKey":"é""#, &["/idempotencyKey"]),
    (r#""idempotencyKey":"a\nb""#, &["/idempotencyKey"]),
    (r#""idempotencyKey":7"#, &["/idempotencyKey"]),
    (r#""correlationId":"a\u007f""#, &["/correlationId"]),
    (r#""correlationId":7"#, &["/correlationId"]),
    (r#""recurrenceSeconds":60.5"#, &["/recurrenceSeconds"]),
    (r#""recurrenceSeconds":-60"#, &["/recurrenceSeconds"]),
    (r#""recurrenceSeconds":"60""#, &["/recurrenceSeconds"]),
    (r#""recurrenceSeconds":5000000000"#, &["/recurrenceSeconds"]),
    (r#""recurrenceSeconds":60,"scheduleTimes":["10:00"]"#, &["/recurrenceSeconds"]),
    (r#""scheduleTimes":"10:00""#, &["/scheduleTimes"]),
    (
        r#""scheduleTimes":["9:00","10:60","10:00:00","1000","",1000,null,"10:00"]"#,
        &[
            "/scheduleTimes/0",
            "/scheduleTimes/1",
            "/scheduleTimes/2",
            "/scheduleTimes/3",
            "/scheduleTimes/4",
            "/scheduleTimes/5",
            "/scheduleTimes/6",
        ],
    ),
    (r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":1"#, &["/scheduleDaysOfWeek"]),
    (
        r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":[-1,0,7,1.5,"Mon"]"#,
        &["/scheduleDaysOfWeek/0", "/scheduleDaysOfWeek/2", "/scheduleDaysOfWeek/3", "/scheduleDaysOfWeek/4"],
    ),
    (r#""scheduleDaysOfWeek":[1]"#, &["/scheduleDaysOfWeek"]),
    (r#""recurrenceSeconds":60,"scheduleDaysOfWeek":[1]"#, &["/scheduleDaysOfWeek"]),
    (r#""endAtUtc":"2030-01-01T00:00:00Z""#, &["/endAtUtc"]),
    (r#""recurrenceSeconds":60,"endAtUtc":"soon""#, &["/endAtUtc"]),
    (r#""recurrenceSeconds":60,"endAtUtc":"2027-1-2T3:4:5""#, &["/endAtUtc"]),
    // What is right is not called wrong because something else cannot be read.
    (r#""scheduleTimes":["13:00"],"timeZone":"Rome","endAtUtc":"2026-03-28T13:00:00Z""#, &["/timeZone"]),
    (r#""recurrenceSeconds":60,"fireAtUtc":"","endAtUtc":"2026-03-28T11:00:00Z""#, &["/fireAtUtc"]),
    (r#""scheduleTimes":["13:00"],"endAtUtc":"2026-03-29T10:59:59Z""#, &["/endAtUtc"]),
    (r#""recurrenceSeconds":60,"delaySeconds":10,"endAtUtc":"2026-03-28T12:00:09Z""#, &["/endAtUtc"]),
    (r#""maxOccurrences":3"#, &["/maxOccurrences"]),
    (r#""recurrenceSeconds":60,"maxOccurrences":-1"#, &["/maxOccurrences"]),
    (r#""recurrenceSeconds":60,"maxOccurrences":"2""#, &["/maxOccurrences"]),
    (r#""timeZone":"Europe/Rome""#, &["/timeZone"]),
    (r#""recurrenceSeconds":60,"timeZone":"Europe/Rome""#, &["/timeZone"]),
    (r#""scheduleTimes":["10:00"],"timeZone":"Europe/Roma""#, &["/timeZone"]),
    (r#""scheduleTimes":["10:00"],"timeZone":"""#, &["/timeZone"]),
    (r#""scheduleTimes":["10:00"],"timeZone":"+01:00""#, &["/timeZone"]),
    // All of them at once, however many.
    (
        r#""zzz":1,"maxRetries":0,"scheduleTimes":["25:00","10:00","x"],"delaySeconds":-1,"headers":{"Host":"x"}"#,
        &["/delaySeconds", "/headers/Host", "/maxRetries", "/scheduleTimes/0", "/scheduleTimes/2", "/zzz"],
    ),
];

const BAD_URLS: &[&str] = &[
    r#""""#,
    r#""/relative""#,
    r#""example.com""#,
    r#""ftp://example.com""#,
    r#""javascript:alert(1)""#,
    r#""file:///etc/passwd""#,
    r#""http://""#,
    r#""https://user@example.com""#,
    r#""http://:p@example.com""#,
    r#""http://example.com:0/""#,
    r#""http://example.com:99999/""#,
    r#"" http://example.com""#,
    r#""http://exam\tple.com""#,
    r#""http://exa mple.com""#,
    r#""http://[::1""#,
    r#""http://169.254.169.254/latest/meta-data""#,
    r#""http://10.0.0.1/""#,
    "null",
    "5",
    r#"["https://example.com"]"#,
];

/// Bodies that hold no job at all.
const MALFORMED: &[&str] = &["", " ", "{", "[]", "5", "null", "\"x\"", "{\"a\":}", "{} x", "{\"a\" 1}", "\u{feff}{}"];

/// Queries of a list, and the pointers to what is wrong, in the order of the query.
const BAD_QUERIES: &[(&str, &[&str])] = &[
    ("status=pending", &["/status"]),
    ("status=", &["/status"]),
    ("status=Pending,Done", &["/status"]),
    ("status=Open", &["/status"]),
    ("from=yesterday", &["/from"]),
    ("from=2026-03-28", &["/from"]),
    ("to=2026-02-30T00:00:00Z", &["/to"]),
    ("from=26-03-28T12:00:00&to=2026-3-28T12:00:00", &["/from", "/to"]),
    ("from=2026-03-28+12:00:00Z", &["/from"]),
    ("to=", &["/to"]),
    ("limit=0", &["/limit"]),
    ("limit=201", &["/limit"]),
    ("limit=-1", &["/limit"]),
    ("limit=1.5", &["/limit"]),
    ("limit=many", &["/limit"]),
    ("limit=99999999999999999999", &["/limit"]),
    ("limit=1&limit=1", &["/limit"]),
    ("order=up", &["/order"]),
    ("order=ASC", &["/order"]),
    ("cursor=", &["/cursor"]),
    ("cursor=AAAA", &["/cursor"]),
    ("cursor=%00%ff", &["/cursor"]),
    ("limit=0&cursor=AAAA", &["/limit", "/cursor"]),
    ("cursor=AAAA&status=pending", &["/cursor", "/status"]),
    ("state=Done", &["/state"]),
    ("a~%2Fb=1", &["/a~0~1b"]),
    ("limit=0&order=up&state=Done&from=x&status=pending", &["/limit", "/order", "/state", "/from", "/status"]),
];

async fn post(app: &App, body: impl Into<bytes::Bytes>) -> Answer {
    app.post_raw(JOBS, "application/json", body).await
}

/// Nothing that was refused has left a trace in the table.
async fn nothing_is_stored(app: &App) {
    assert!(read_table(&app.dynamodb(), app.jobs_table()).await.is_empty());
    app.check().await;
}

#[tokio::test]
async fn a_bad_field_is_named_where_it_stands() {
    let app = App::at(START).await;
    for (rest, pointers) in BAD_FIELDS {
        let body = format!(r#"{{"callbackUrl":"https://example.com/",{rest}}}"#);
        let answer = post(&app, body).await;
        assert_eq!(answer.problem(400).pointers(), *pointers, "{rest}");
        for error in answer.body["errors"].as_array().unwrap() {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{rest}: {error}");
        }
    }
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn a_bad_request_key_is_named_beside_what_else_is_wrong() {
    let app = App::at(START).await;
    for (key, body, pointers) in [
        ("", r#"{"callbackUrl":"https://example.com/"}"#, &["/Idempotency-Key"] as &[&str]),
        ("a b", r#"{"maxRetries":0}"#, &["/callbackUrl", "/maxRetries", "/Idempotency-Key"]),
        (&"k".repeat(256), "[]", &["/Idempotency-Key"]),
    ] {
        let request = app.request(Method::POST, JOBS).header("Idempotency-Key", key);
        let answer = app.send(request.header("content-type", "application/json").body(body)).await;
        assert_eq!(answer.problem(400).pointers(), pointers, "{key:?}");
    }
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn a_clock_is_not_set_to_what_is_no_instant() {
    let app = App::at(START).await;
    for wish in ["9999-1-2T3:4:5", "2026-03-28 13:00:00Z", "2026-03-28T13:00"] {
        app.put("/dev/clock", &json!({ "nowUtc": wish })).await.has_status(400);
    }
    assert_eq!(app.now().await.to_rfc3339(), "2026-03-28T12:00:00+00:00");
}

#[tokio::test]
async fn a_body_of_unknown_fields_alone_gets_a_short_answer() {
    let app = App::at(START).await;
    let body = format!(r#"{{"callbackUrl":"https://example.com/",{}"":1}}"#, r#""":1,"#.repeat(100_000));
    let answer = post(&app, body).await;
    assert_eq!(answer.problem(400).pointers().len(), 51);
    assert!(answer.text.contains("99951 more"), "{}", answer.text);
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn a_callback_url_is_absolute_http_to_the_outside() {
    let app = App::at(START).await;
    for url in BAD_URLS {
        let answer = post(&app, format!(r#"{{"callbackUrl":{url}}}"#)).await;
        assert_eq!(answer.problem(400).pointers(), ["/callbackUrl"], "{url}");
    }
    assert_eq!(post(&app, "{}").await.problem(400).pointers(), ["/callbackUrl"]);
    assert_eq!(post(&app, r#"{"delay":1}"#).await.problem(400).pointers(), ["/callbackUrl", "/delay"]);
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_without_pointers() {
    let app = App::at(START).await;
    for body in MALFORMED {
        let answer = post(&app, *body).await;
        assert_eq!(answer.problem(400).pointers(), [] as [&str; 0], "{body}");
    }
    post(&app, &b"{\"callbackUrl\":\"https://example.com/\",\"name\":\"\xff\"}"[..]).await.problem(400);
    let deep = format!(r#"{{"payload":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    post(&app, deep).await.problem(400);
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn another_content_type_is_415_and_too_much_is_413() {
    let app = App::at(START).await;
    let body = r#"{"callbackUrl":"https://example.com/"}"#;
    for content_type in ["text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        app.post_raw(JOBS, content_type, body).await.problem(415);
    }
    app.send(app.request(Method::POST, JOBS).body(body)).await.problem(415);
    post(&app, vec![b' '; (512 << 10) + 1]).await.problem(413);
    post(&app, vec![b' '; 512 << 10]).await.problem(400);
    let chunks = futures_util::stream::iter((0..53).map(|_| Ok(bytes::Bytes::from_static(&[b' '; 10 << 10]))));
    let of_unknown_length = app.request(Method::POST, JOBS).header("content-type", "application/json");
    app.send(of_unknown_length.body(reqwest::Body::wrap(streamed(chunks)))).await.problem(413);
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn a_bad_query_is_named_by_its_parameters() {
    let app = App::at(START).await;
    for (query, pointers) in BAD_QUERIES {
        let answer = app.get(&format!("{JOBS}?{query}")).await;
        assert_eq!(answer.problem(400).pointers(), *pointers, "{query}");
    }
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_cannot_be_done_there_405() {
    let app = App::at(START).await;
    let ask = async |client: &Conversation, method: &str, path: &str| {
        client.send(client.request(method.parse().unwrap(), path)).await
    };
    let unknown = format!("{JOBS}/6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    for path in [unknown.as_str(), "/scheduled-jobs/1", "/scheduled-jobs/%ff", "/scheduled-jobs/..%2f.."] {
        ask(&app, "GET", path).await.problem(404);
        ask(&app, "DELETE", path).await.problem(404);
    }
    for path in ["/nothing", "/scheduled-jobs/", "/Scheduled-Jobs", &format!("{unknown}/x"), "/v1/scheduled-jobs"] {
        for client in [app.without_token(), (*app).clone()] {
            ask(&client, "GET", path).await.problem(404);
            ask(&client, "POST", path).await.problem(404);
        }
    }
    for (path, allowed) in [
        (JOBS, "GET,HEAD,POST"),
        (unknown.as_str(), "DELETE,GET,HEAD"),
        ("/healthz", "GET,HEAD"),
        ("/openapi.json", "GET,HEAD"),
        ("/", "GET,HEAD"),
    ] {
        for method in ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "QUERY"] {
            if allowed.contains(method) {
                continue;
            }
            for client in [app.without_token(), (*app).clone()] {
                let answer = ask(&client, method, path).await;
                let mut names: Vec<_> =
                    answer.problem(405).header("allow").unwrap().split(',').map(str::trim).collect();
                names.sort_unstable();
                assert_eq!(names.join(","), allowed, "{method} {path}");
            }
        }
    }
    nothing_is_stored(&app).await;
}

#[tokio::test]
async fn every_refusal_names_its_own_request() {
    let app = App::at(START).await;
    let mut instances = std::collections::BTreeSet::new();
    for path in ["/nothing", "/scheduled-jobs/1", "/scheduled-jobs?limit=0", "/nothing"] {
        let answer = app.get(path).await;
        assert!(instances.insert(answer.body["instance"].as_str().unwrap().to_owned()), "{answer:?}");
        assert_eq!(answer.body["type"], "about:blank");
    }
}
