//! What the parser takes, and what it says of what it does not take.

use proptest::prelude::*;

use super::*;
use crate::clock::{format_instant, parse_instant};

fn now() -> Timestamp {
    parse_instant("2026-11-24T12:00:00Z").unwrap()
}

fn read(body: &str) -> Result<NewJob, Rejection> {
    parse(body.as_bytes(), now(), &Rules::with_prefix("Acme-"))
}

/// The pointers of a body's errors; the callback URL is given.
fn pointers(rest: &str) -> Vec<String> {
    match read(&format!(r#"{{"callbackUrl":"https://example.com/x",{rest}}}"#)) {
        Err(Rejection::Fields(errors)) => errors.into_iter().map(|e| e.pointer).collect(),
        other => panic!("{rest}: {other:?}"),
    }
}

fn good(rest: &str) -> NewJob {
    let comma = if rest.is_empty() { "" } else { "," };
    read(&format!(r#"{{"callbackUrl":"https://example.com/x"{comma}{rest}}}"#))
        .unwrap_or_else(|e| panic!("{rest}: {e:?}"))
}

#[test]
fn only_the_url_is_required() {
    let job = good("");
    assert_eq!(job.planned_at, now());
    assert_eq!((job.spec.max_retries, job.spec.callback.timeout.as_secs()), (5, 30));
    assert_eq!(job.spec.callback.method, "POST");
    assert_eq!(job.spec.idempotency_key.len(), 36);
    assert_eq!(job.spec.schedule, None);
}

#[test]
fn the_first_instant_follows_the_start_and_the_schedule() {
    for (rest, expected) in [
        (r#""delaySeconds":90"#, "2026-11-24T12:01:30.000Z"),
        (r#""delaySeconds":0.0004"#, "2026-11-24T12:00:00.001Z"),
        (r#""delaySeconds":0"#, "2026-11-24T12:00:00.000Z"),
        (r#""delaySeconds":90,"fireAtUtc":"2026-12-01T00:00:00+01:00""#, "2026-11-30T23:00:00.000Z"),
        (r#""fireAtUtc":"2020-01-01T00:00:00""#, "2020-01-01T00:00:00.000Z"),
        (r#""delaySeconds":null,"fireAtUtc":null,"name":null"#, "2026-11-24T12:00:00.000Z"),
        (r#""recurrenceSeconds":60"#, "2026-11-24T12:00:00.000Z"),
        (r#""recurrenceSeconds":60.0,"delaySeconds":10"#, "2026-11-24T12:00:10.000Z"),
        (r#""scheduleTimes":["13:00"]"#, "2026-11-25T12:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"delaySeconds":0"#, "2026-11-24T12:00:00.000Z"),
        (r#""scheduleTimes":["13:00"],"timeZone":"America/New_York""#, "2026-11-24T18:00:00.000Z"),
        (r#""scheduleTimes":["13:00","09:00"],"scheduleDaysOfWeek":[0,0,6]"#, "2026-11-28T08:00:00.000Z"),
        (
            r#""scheduleTimes":["13:00"],"scheduleDaysOfWeek":[],"endAtUtc":"2026-11-25T12:00:00Z""#,
            "2026-11-25T12:00:00.000Z",
        ),
    ] {
        assert_eq!(format_instant(good(rest).planned_at), expected, "{rest}");
    }
}

#[test]
fn a_wrong_field_is_named_where_it_stands() {
    for (rest, expected) in [
        (r#""dealySeconds":5"#, "/dealySeconds"),
        (r#""a/b~c":5"#, "/a~1b~0c"),
        (r#""DelaySeconds":5"#, "/DelaySeconds"),
        (r#""delaySeconds":-1"#, "/delaySeconds"),
        (r#""delaySeconds":"5""#, "/delaySeconds"),
        (r#""delaySeconds":1e400"#, "/delaySeconds"),
        (r#""delaySeconds":1e15"#, "/delaySeconds"),
        (r#""delaySeconds":true"#, "/delaySeconds"),
        (r#""delaySeconds":1,"delaySeconds":2"#, "/delaySeconds"),
        (r#""fireAtUtc":"tomorrow""#, "/fireAtUtc"),
        (r#""fireAtUtc":"2026-02-30T00:00:00Z""#, "/fireAtUtc"),
        (r#""fireAtUtc":"2026-12-24""#, "/fireAtUtc"),
        (r#""fireAtUtc":1764000000"#, "/fireAtUtc"),
        (r#""fireAtUtc":"26-12-24T18:00:00""#, "/fireAtUtc"),
        (r#""recurrenceSeconds":60,"endAtUtc":"2027-1-2T3:4:5""#, "/endAtUtc"),
        (r#""fireAtUtc":"""#, "/fireAtUtc"),
        (r#""name":5"#, "/name"),
        (r#""method":"FETCH""#, "/method"),
        (r#""method":"""#, "/method"),
        (r#""method":["GET"]"#, "/method"),
        (r#""maxRetries":0"#, "/maxRetries"),
        (r#""maxRetries":101"#, "/maxRetries"),
        (r#""maxRetries":2.5"#, "/maxRetries"),
        (r#""maxRetries":"3""#, "/maxRetries"),
        (r#""maxRetries":-1"#, "/maxRetries"),
        (r#""maxRetries":99999999999999999999"#, "/maxRetries"),
        (r#""idempotencyKey":"""#, "/idempotencyKey"),
        (r#""idempotencyKey":"a b""#, "/idempotencyKey"),
        (r#""idempotencyKey":"é""#, "/idempotencyKey"),
        (r#""idempotencyKey":"a\nb""#, "/idempotencyKey"),
        (r#""correlationId":"""#, "/correlationId"),
        (r#""correlationId":7"#, "/correlationId"),
        (r#""recurrenceSeconds":59"#, "/recurrenceSeconds"),
        (r#""recurrenceSeconds":60.5"#, "/recurrenceSeconds"),
        (r#""recurrenceSeconds":-60"#, "/recurrenceSeconds"),
        (r#""recurrenceSeconds":5000000000"#, "/recurrenceSeconds"),
        (r#""recurrenceSeconds":60,"scheduleTimes":["10:00"]"#, "/recurrenceSeconds"),
        (r#""scheduleTimes":[]"#, "/scheduleTimes"),
        (r#""scheduleTimes":"10:00""#, "/scheduleTimes"),
        (r#""scheduleTimes":["10:00","24:00"]"#, "/scheduleTimes/1"),
        (r#""scheduleTimes":["9:00"]"#, "/scheduleTimes/0"),
        (r#""scheduleTimes":["10:60"]"#, "/scheduleTimes/0"),
        (r#""scheduleTimes":["10:00:00"]"#, "/scheduleTimes/0"),
        (r#""scheduleTimes":[1000]"#, "/scheduleTimes/0"),
        (r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":[0,7]"#, "/scheduleDaysOfWeek/1"),
        (r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":[-1]"#, "/scheduleDaysOfWeek/0"),
        (r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":["Mon"]"#, "/scheduleDaysOfWeek/0"),
        (r#""scheduleTimes":["10:00"],"scheduleDaysOfWeek":1"#, "/scheduleDaysOfWeek"),
        (r#""scheduleDaysOfWeek":[1]"#, "/scheduleDaysOfWeek"),
        (r#""recurrenceSeconds":60,"scheduleDaysOfWeek":[1]"#, "/scheduleDaysOfWeek"),
        (r#""scheduleTimes":["10:00"],"timeZone":"Europe/Roma""#, "/timeZone"),
        (r#""scheduleTimes":["10:00"],"timeZone":"""#, "/timeZone"),
        (r#""recurrenceSeconds":60,"timeZone":"Europe/Rome""#, "/timeZone"),
        (r#""endAtUtc":"2030-01-01T00:00:00Z""#, "/endAtUtc"),
        (r#""recurrenceSeconds":60,"endAtUtc":"soon""#, "/endAtUtc"),
        (r#""recurrenceSeconds":60,"endAtUtc":"2026-11-24T11:59:59Z""#, "/endAtUtc"),
        (r#""scheduleTimes":["13:00"],"endAtUtc":"2026-11-25T11:59:59Z""#, "/endAtUtc"),
        // Whether it would ever fire is not known while what that depends on cannot be read.
        (r#""scheduleTimes":["13:00"],"timeZone":"America/NewYork","endAtUtc":"2026-11-24T18:00:00Z""#, "/timeZone"),
        (r#""scheduleTimes":["13:00"],"timeZone":5,"endAtUtc":"2026-11-24T18:00:00Z""#, "/timeZone"),
        (
            r#""recurrenceSeconds":60,"fireAtUtc":"2025-13-01T00:00:00Z","endAtUtc":"2026-01-01T00:00:00Z""#,
            "/fireAtUtc",
        ),
        (r#""recurrenceSeconds":60,"delaySeconds":-600,"endAtUtc":"2026-11-24T11:59:00Z""#, "/delaySeconds"),
        (
            r#""scheduleTimes":["13:00"],"scheduleDaysOfWeek":[9],"endAtUtc":"2026-11-24T13:00:00Z""#,
            "/scheduleDaysOfWeek/0",
        ),
        (r#""scheduleTimes":["13:00"],"recurrenceSeconds":60,"endAtUtc":"2026-11-24T13:00:00Z""#, "/recurrenceSeconds"),
        (r#""scheduleTimes":["13:00"],"delaySeconds":251606775600"#, "/delaySeconds"),
        (r#""scheduleTimes":["13:00"],"fireAtUtc":"9999-12-31T23:00:00Z""#, "/fireAtUtc"),
        (r#""maxOccurrences":3"#, "/maxOccurrences"),
        (r#""recurrenceSeconds":60,"maxOccurrences":0"#, "/maxOccurrences"),
        (r#""timeoutSeconds":0"#, "/timeoutSeconds"),
        (r#""timeoutSeconds":61"#, "/timeoutSeconds"),
        (r#""headers":[]"#, "/headers"),
        (r#""headers":{"X-A":1}"#, "/headers/X-A"),
        (r#""headers":{"X A":"1"}"#, "/headers/X A"),
        (r#""headers":{"":"1"}"#, "/headers/"),
        (r#""headers":{"X-A":"a\r\nHost: evil"}"#, "/headers/X-A"),
        (r#""headers":{"X-A":"a\u0000"}"#, "/headers/X-A"),
        (r#""headers":{"X-A":"1","x-a":"2"}"#, "/headers/x-a"),
        (r#""headers":{"host":"evil"}"#, "/headers/host"),
        (r#""headers":{"Content-Length":"1"}"#, "/headers/Content-Length"),
        (r#""headers":{"Transfer-Encoding":"chunked"}"#, "/headers/Transfer-Encoding"),
        (r#""headers":{"Connection":"close"}"#, "/headers/Connection"),
        (r#""headers":{"Contit-Signature":"x"}"#, "/headers/Contit-Signature"),
        (r#""headers":{"webhook-id":"x"}"#, "/headers/webhook-id"),
        (r#""headers":{"Contit_Signature":"x"}"#, "/headers/Contit_Signature"),
        (r#""headers":{"Content_Length":"1"}"#, "/headers/Content_Length"),
        (r#""headers":{"acme-Job-Id":"x"}"#, "/headers/acme-Job-Id"),
    ] {
        assert_eq!(pointers(rest), [expected], "{rest}");
    }
}

#[test]
fn too_long_is_too_long() {
    assert_eq!(pointers(&format!(r#""name":"{}""#, "é".repeat(201))), ["/name"]);
    good(&format!(r#""name":"{}""#, "é".repeat(200)));
    assert_eq!(pointers(&format!(r#""idempotencyKey":"{}""#, "k".repeat(256))), ["/idempotencyKey"]);
    assert_eq!(pointers(&format!(r#""payload":"{}""#, "p".repeat(LARGEST_PAYLOAD - 1))), ["/payload"]);
    good(&format!(r#""payload":"{}""#, "p".repeat(LARGEST_PAYLOAD - 2)));
    let many: Vec<String> = (0..51).map(|i| format!(r#""X-{i}":"v""#)).collect();
    assert_eq!(pointers(&format!(r#""headers":{{{}}}"#, many.join(","))), ["/headers"]);
    let wrong: Vec<String> = (0..30_000).map(|i| format!(r#""Host{i} ":1"#)).collect();
    assert_eq!(pointers(&format!(r#""headers":{{{}}}"#, wrong.join(","))), ["/headers"], "counted before compared");
    assert_eq!(pointers(&format!(r#""headers":{{"X":"{}"}}"#, "v".repeat(8_192))), ["/headers"]);
    let times = vec![r#""10:00""#; 97].join(",");
    assert_eq!(pointers(&format!(r#""scheduleTimes":[{times}]"#)), ["/scheduleTimes"]);
}

#[test]
fn a_callback_url_is_absolute_http_and_leads_outside() {
    let long = format!("https://example.com/{}", "x".repeat(LONGEST_URL));
    for url in [
        "",
        "/relative",
        "example.com",
        "ftp://example.com",
        "http://",
        "https://user@example.com",
        "http://:p@example.com",
        "http://example.com:0/",
        "http://example.com:99999/",
        " http://example.com",
        "http://exam\tple.com",
        "http://127.0.0.1/",
        "http://localhost/",
        "javascript:alert(1)",
        "http:example.com",
        "http:/example.com",
        "http:///example.com",
        r"http:\\example.com",
        r"http://example.com\@127.0.0.1/",
        "file:///etc/passwd",
        long.as_str(),
    ] {
        let body = serde_json::json!({ "callbackUrl": url }).to_string();
        let Err(Rejection::Fields(errors)) = read(&body) else { panic!("{url}") };
        assert_eq!(errors[0].pointer, "/callbackUrl", "{url}");
    }
    for body in [r#"{}"#, r#"{"callbackUrl":null}"#, r#"{"callbackUrl":5}"#] {
        let Err(Rejection::Fields(errors)) = read(body) else { panic!("{body}") };
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, "/callbackUrl"), "{body}");
    }
}

#[test]
fn a_misspelt_field_is_told_the_right_one() {
    for (field, meant) in [
        ("dealySeconds", Some("delaySeconds")),
        ("DELAYSECONDS", Some("delaySeconds")),
        ("callbackURL", Some("callbackUrl")),
        ("fireAt", Some("fireAtUtc")),
        ("maxRetrys", Some("maxRetries")),
        ("zzz", None),
        ("", None),
    ] {
        let body = format!(r#"{{"callbackUrl":"https://example.com/x","{field}":1}}"#);
        let Err(Rejection::Fields(errors)) = read(&body) else { panic!("{field}") };
        let expected = meant.map_or_else(
            || "is not a field of a job".to_owned(),
            |meant| format!("is not a field of a job; {meant} is"),
        );
        assert_eq!(errors[0].detail, expected, "{field}");
    }
}

#[test]
fn all_errors_come_at_once() {
    assert_eq!(
        pointers(r#""zzz":1,"maxRetries":0,"scheduleTimes":["25:00","10:00","x"],"delaySeconds":-1"#),
        ["/delaySeconds", "/maxRetries", "/scheduleTimes/0", "/scheduleTimes/2", "/zzz"]
    );
}

/// `fireAtUtc` wins, so that the first occurrence is known whatever the delay is, as it is whatever the timeout is.
#[test]
fn an_end_before_the_first_occurrence_is_told_beside_what_does_not_matter_to_it() {
    let start = r#""recurrenceSeconds":60,"fireAtUtc":"2026-12-01T00:00:00Z","endAtUtc":"2026-11-30T00:00:00Z""#;
    assert_eq!(pointers(&format!(r#"{start},"delaySeconds":-1"#)), ["/delaySeconds", "/endAtUtc"]);
    assert_eq!(pointers(&format!(r#"{start},"timeoutSeconds":0"#)), ["/endAtUtc", "/timeoutSeconds"]);
    // What nobody knows may be a zone or a start misspelt.
    assert_eq!(pointers(&format!(r#"{start},"fireAt":"2026-11-24T13:00:00Z""#)), ["/fireAt"]);
}

#[test]
fn a_delay_too_short_for_the_store_is_kept_as_the_shortest_that_it_holds() {
    for given in ["5e-324", "1e-200", "9.99e-131", "1e-130"] {
        let job = good(&format!(r#""delaySeconds":{given}"#));
        assert_eq!(job.spec.delay_seconds, Some(1e-130), "{given}");
        assert_eq!(format_instant(job.planned_at), "2026-11-24T12:00:00.001Z", "{given}");
    }
    assert_eq!(good(r#""delaySeconds":1.01e-130"#).spec.delay_seconds, Some(1.01e-130));
    // Not a number to a float, but zero.
    assert_eq!(good(r#""delaySeconds":1e-400"#).spec.delay_seconds, Some(0.0));
}

#[test]
fn a_number_is_told_its_bounds() {
    for (rest, detail) in [
        (r#""recurrenceSeconds":5000000000"#, "must be a whole number from 60 to 4294967295"),
        (r#""recurrenceSeconds":60,"maxOccurrences":5000000000"#, "must be a whole number from 1 to 4294967295"),
        (r#""maxRetries":101"#, "must be a whole number from 1 to 100"),
    ] {
        let Err(Rejection::Fields(errors)) = read(&format!(r#"{{"callbackUrl":"https://example.com/x",{rest}}}"#))
        else {
            panic!("{rest}")
        };
        assert_eq!(errors.iter().map(|error| error.detail.as_str()).collect::<Vec<_>>(), [detail], "{rest}");
    }
    good(r#""recurrenceSeconds":4294967295,"maxOccurrences":4294967295"#);
}

#[test]
fn of_very_many_unknown_fields_fifty_are_named_and_the_others_counted() {
    let unknown = |count: usize| (0..count).map(|n| format!(r#""dealySeconds{n}":1"#)).collect::<Vec<_>>().join(",");
    let errors = |rest: &str| match read(&format!(r#"{{"callbackUrl":5,{rest}}}"#)) {
        Err(Rejection::Fields(errors)) => errors,
        other => panic!("{other:?}"),
    };
    assert_eq!(errors(&unknown(50)).len(), 1 + 50);
    for (rest, more) in [
        (unknown(51), 1),
        (unknown(20_000), 19_950),
        (vec![r#""":1"#; 100_000].join(","), 99_950),
        (vec![r#""name":"n""#; 40_001].join(","), 39_950),
    ] {
        let errors = errors(&rest);
        let (last, named) = errors.split_last().unwrap();
        assert_eq!(named.len(), 1 + 50, "those, and what is wrong with a field that is known");
        assert_eq!((last.pointer.as_str(), last.detail.contains(&more.to_string())), ("", true), "{last:?}");
    }
    let long = errors(&format!(r#""callbackUrl{}":1"#, "l".repeat(400_000)));
    assert_eq!(long[1].detail, "is not a field of a job", "nothing so long is a slip");
}

#[test]
fn what_is_no_object_is_malformed() {
    for body in ["", " ", "[]", "5", "null", "\"x\"", "{", "{\"a\":}", "{} x", "{\"a\" 1}", "\u{feff}{}"] {
        assert!(matches!(read(body), Err(Rejection::Malformed(_))), "{body}");
    }
    let rules = Rules::with_prefix("X-");
    assert!(parse(b"{\"name\":\"\xff\"}", now(), &rules).is_err());
    let deep = format!(r#"{{"payload":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep).is_err());
}

#[test]
fn a_payload_keeps_its_bytes() {
    for payload in
        [r#"{ "b":1.0, "a" :1e5,"a":"\u00e9é" }"#, "123456789012345678901234567890.10", "null", "\"\"", "[ ]"]
    {
        assert_eq!(good(&format!(r#""payload":{payload}"#)).spec.callback.payload.unwrap().text(), Some(payload));
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(parse(&body, now(), &Rules::with_prefix("X-")));
    }

    #[test]
    fn random_values_of_any_field_never_panic(name in proptest::sample::select(&KNOWN[..]), value in "[-\\[\\]{}\":,0-9a-zé. ]{0,40}") {
        drop(read(&format!(r#"{{"callbackUrl":"https://example.com","{name}":{value}}}"#)));
    }
}
