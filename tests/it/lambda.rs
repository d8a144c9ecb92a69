//! The packaged functions under AWS's own runtime emulator, on DynamoDB Local, with the events that AWS sends.
//! They are the files that `sam deploy` uploads, and they run on the system's clock.
//! Neighbours: `functions` and `fanout` run them as they are in the tests' own build, `support::emulator` the emulator.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::lab::FAILPOINTS;
use crate::support::api_gateway::{HttpEvent, event, request};
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::emulator::Deployment;
use crate::support::process::built_program;
use crate::support::receiver::Receiver;
use crate::support::waiting::until_some;

fn post_job(job: impl Into<Value>) -> HttpEvent {
    request("POST", "/scheduled-jobs").json(job.into().to_string())
}

fn get_job(job: &Value) -> HttpEvent {
    request("GET", &format!("/scheduled-jobs/{}", id(job)))
}

#[tokio::test]
async fn a_job_that_comes_through_api_gateway_is_fired_by_the_schedule_and_read_back_done() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start().await;
    let (api, poller) = tokio::join!(deployment.api().start(), deployment.poller().start());
    let token = &deployment.token;

    let url = receiver.url("/hook");
    let body = format!(r#"{{"callbackUrl": "{url}", "payload": {{ "b": 1.0, "a":[1e2 ,"é"] }}}}"#);
    let create = HttpEvent::from(event("api-create-job")).with_header("authorization", &format!("Bearer {token}"));
    let job = api.answer(create.with("body", body)).await.created();
    assert_eq!(job["status"], "Pending");

    let cold = poller.invoke(&event("schedule")).await;
    assert_eq!((cold.status, &cold.body["delivered"]), (200, &json!(1)), "{cold:?}");
    let warm = poller.invoke(&event("schedule")).await;
    assert_eq!((warm.status, &warm.body["dueSeen"]), (200, &json!(0)), "{warm:?}");
    let calls = receiver.calls("/hook");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.text(), r#"{ "b": 1.0, "a":[1e2 ,"é"] }"#);
    assert_eq!(call.header("contit-job-id"), Some(id(&job)));

    let done = api.answer(get_job(&job).token(token)).await.ok();
    assert_eq!((&done["status"], &done["attempts"], &done["lastStatusCode"]), (&json!("Done"), &json!(1), &json!(200)));
    let list = HttpEvent::from(event("api-list-jobs")).with_header("authorization", &format!("Bearer {token}"));
    let list = api.answer(list).await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!((api.starts(), poller.starts()), (1, 1), "one instance of each did it all");
    deployment.check(&[job], &receiver).await;
}

#[tokio::test]
async fn every_event_of_a_schedule_fires_and_no_other_does_anything() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start().await;
    let (api, poller) = tokio::join!(deployment.api().start(), deployment.poller().start());
    let mut created = Vec::new();
    for known in [event("schedule"), event("schedule-rule"), json!({})] {
        let job = post_job(a_job().to(&receiver.url("/due"))).token(&deployment.token);
        created.push(api.answer(job).await.created());
        for unknown in [
            event("api-list-jobs"),
            json!({ "Records": [{ "eventSource": "aws:sqs", "body": "{}" }] }),
            json!({ "version": "0", "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification" }),
            json!({ "shard": [1] }),
            json!({ "shards": "all" }),
            json!({ "shards": [-1] }),
            json!({ "shards": [1000] }),
            json!([]),
            json!("tick"),
            json!(17),
            Value::Null,
        ] {
            let before = deployment.jobs().await.iter().map(ToString::to_string).collect::<Vec<_>>();
            let refused = poller.invoke(&unknown).await;
            let (kind, message) = (&refused.body["errorType"], refused.body["errorMessage"].as_str());
            assert!(kind.is_string() && message.is_some_and(|text| !text.is_empty()), "{unknown}: {refused:?}");
            let after = deployment.jobs().await.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!((before, receiver.calls("/due").len()), (after, created.len() - 1), "{unknown}");
        }
        let fired = poller.invoke(&known).await;
        assert_eq!((fired.status, &fired.body["delivered"]), (200, &json!(1)), "{known}: {fired:?}");
    }
    for broken in ["", "{", "nothing like JSON"] {
        let refused = poller.invoke_raw(broken).await;
        assert!(refused.body["errorMessage"].is_string(), "{broken}: {refused:?}");
    }
    assert_eq!(poller.starts(), 1, "a bad event is no reason to end");
    deployment.check(&created, &receiver).await;
}

#[tokio::test]
async fn a_body_in_base64_is_taken_byte_for_byte() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start().await;
    let (api, poller) = tokio::join!(deployment.api().start(), deployment.poller().start());
    let payload = "[ \"\u{e9}\u{1f980}\\u0041\" , 1.50 ]";
    let body = format!(r#"{{"callbackUrl": "{}", "payload":{payload}}}"#, receiver.url("/binary"));
    let create = request("POST", "/scheduled-jobs").token(&deployment.token);
    let job = api.answer(create.clone().json_in_base64(&BASE64_STANDARD.encode(body))).await.created();
    poller.invoke(&event("schedule")).await;
    assert_eq!(receiver.calls("/binary")[0].text(), payload);

    api.answer(create.clone().json_in_base64(&BASE64_STANDARD.encode([0xff, 0x00]))).await.problem(400);
    deployment.check(&[job], &receiver).await;
}

#[tokio::test]
async fn a_header_that_came_twice_is_one_value_and_never_two_tokens() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    let list = || request("GET", "/scheduled-jobs");
    let token = &deployment.token;
    let harmless = list().token(token).header("accept", "text/html").header("accept", "*/*");
    api.answer(harmless.with("cookies", json!(["a=1", "b=2"]))).await.ok();
    api.answer(list().header("x-api-key", token)).await.ok();
    api.answer(list().token(token).token(token)).await.problem(401);
    api.answer(list().header("x-api-key", token).header("x-api-key", "other")).await.problem(401);
    let job = post_job(a_job()).token(token).header("content-type", "text/plain");
    api.answer(job).await.problem(415);
    assert_eq!(deployment.jobs().await.len(), 0);
}

/// API Gateway decodes the path before it hands it on, so that what a client wrote as `%20` or `%2F` comes as itself.
#[tokio::test]
async fn an_odd_path_is_a_problem_and_never_an_error_of_the_function() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    for (path, status) in [
        ("//", 404),
        ("/scheduled-jobs/", 404),
        ("//scheduled-jobs", 404),
        ("/Scheduled-Jobs", 404),
        ("/scheduled-jobs/a/b", 404),
        ("/scheduled-jobs/a%2Fb", 404),
        ("/scheduled-jobs/%2e%2e/healthz", 200),
        ("/scheduled-jobs/../healthz", 200),
        ("/scheduled-jobs/..%2Fhealthz", 404),
        ("/scheduled-jobs/caff\u{e8} \u{1f980}", 404),
        ("/scheduled-jobs/%ff", 404),
        ("/scheduled-jobs/%", 404),
        ("/scheduled-jobs/a b\"<>\\^`{|}", 404),
        ("/scheduled-jobs/\u{0}\r\n\t", 404),
        ("/prod/scheduled-jobs", 404),
        ("/healthz", 200),
        ("/openapi.json", 200),
    ] {
        let answer = api.answer(request("GET", path).token(&deployment.token)).await;
        match status {
            200 => drop(answer.ok()),
            _ => drop(answer.problem(status)),
        }
    }
    let long = format!("/scheduled-jobs/{}", "x".repeat(8_000));
    api.answer(request("GET", &long).token(&deployment.token)).await.problem(404);
    assert_eq!(api.starts(), 1);
}

#[tokio::test]
async fn a_query_is_read_as_the_client_wrote_it() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    let list = |query: &str| request("GET", "/scheduled-jobs").token(&deployment.token).query(query);
    for instant in ["2030-01-01T00:00:00Z", "2030-01-01T12:00:00+02:00"] {
        let job = post_job(a_job().at(instant)).token(&deployment.token);
        api.answer(job).await.created();
    }
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    let from = |bound: &str| list(&format!("from={bound}&order=asc"));
    assert_eq!(count(&api.answer(from("2030-01-01T12%3A00%3A00%2B02%3A00")).await.ok()), 1);
    assert_eq!(count(&api.answer(from("2030-01-01T12:00:00%2b03:00")).await.ok()), 1);
    assert_eq!(count(&api.answer(from("2030-01-01T12:00:01%2B02:00")).await.ok()), 0);

    let first = api.answer(list("limit=1")).await.ok();
    let second = api.answer(list(&format!("limit=1&cursor={}", first["nextCursor"].as_str().unwrap()))).await.ok();
    assert_ne!(first["items"], second["items"]);
    assert_eq!((count(&second), &second["nextCursor"]), (1, &Value::Null));

    api.answer(list("status=Done&status=Pending")).await.problem(400);
    assert_eq!(api.answer(list("limit=%31%30%30%30&stat%75s=Done")).await.problem(400).pointers(), ["/limit"]);
    api.answer(list("&&")).await.ok();
    api.answer(list("=")).await.problem(400);
}

#[tokio::test]
async fn head_and_options_are_answered_as_everywhere() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    let head = api.answer(request("HEAD", "/scheduled-jobs").token(&deployment.token)).await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-type")), (200, "", Some("application/json")));
    assert_eq!(api.answer(request("HEAD", "/scheduled-jobs")).await.has_status(401).text, "");
    for method in ["OPTIONS", "PATCH", "TRACE", "BREW"] {
        let answer = api.answer(request(method, "/scheduled-jobs").token(&deployment.token)).await;
        assert!(answer.problem(405).header("allow").unwrap().contains("POST"), "{answer:?}");
    }
}

/// A file of the dashboard is compressed, so it is bytes and no text, which a function can only answer in base64.
#[tokio::test]
async fn the_dashboard_comes_through_api_gateway_with_its_files_byte_for_byte() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    for view in ["", "/", "/overview", "/jobs/any"] {
        let page = api.answer(request("GET", view)).await;
        assert_eq!(page.status, 200, "{view}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{view}");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{view}");
    }
    let page = api.answer(request("GET", "/")).await.text;
    let files: Vec<_> = page.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(!files.is_empty(), "`make package` builds the dashboard first: {page}");
    for path in files {
        let file = api.invoke(&request("GET", path).header("accept-encoding", "gzip").into()).await.body;
        assert_eq!((&file["statusCode"], &file["isBase64Encoded"]), (&json!(200), &json!(true)), "{path}");
        assert_eq!(file["headers"]["content-encoding"], "gzip", "{path}");
        let bytes = BASE64_STANDARD.decode(file["body"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(&[0x1f, 0x8b]), "{path}");
        api.answer(request("GET", path).header("accept-encoding", "br")).await.problem(406);
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_is_an_error_and_the_next_call_works() {
    let deployment = Deployment::start().await;
    let api = deployment.api().start().await;
    let broken_query = request("GET", "/healthz").query("a b\u{e9}");
    let broken_host = request("GET", "/healthz").with_header("host", "no host");
    for bad in [json!({}), json!([]), Value::Null, event("schedule"), json!({ "version": "2.0" })]
        .into_iter()
        .chain([broken_query.into(), broken_host.into()])
    {
        let refused = api.invoke(&bad).await;
        assert!(refused.body["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{bad}: {refused:?}");
        api.answer(request("GET", "/healthz")).await.ok();
    }
    assert_eq!(api.starts(), 1, "a bad event is no reason to end");
    assert_eq!(deployment.jobs().await.len(), 0);
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why_in_one_line_and_its_invocation_fails() {
    let deployment = Deployment::start().await;
    for function in [deployment.api(), deployment.poller()] {
        for (name, function) in [
            ("SHARD_COUNT", function.clone().env("SHARD_COUNT", "abc")),
            ("TENANTS_TABLE", function.clone().without_env("TENANTS_TABLE")),
        ] {
            let function = function.start().await;
            let failed = function.invoke(&event("schedule")).await;
            assert_eq!((failed.status, &failed.body), (502, &Value::Null));
            // What the function says reaches its output by another way than the emulator's answer, and may come later.
            until_some("one line each time that it is started", async || {
                let output = function.output();
                let said: Vec<_> =
                    output.lines().filter(|line| !line.contains("(rapid)") && !is_a_report(line)).collect();
                let complaint = format!("the setting {name} is wrong: ");
                assert!(said.iter().all(|line| line.starts_with(&complaint)), "{output}");
                let starts = output.matches("(rapid) Starting runtime").count();
                (starts > 0 && said.len() == starts).then_some(())
            })
            .await;
        }
    }
}

/// Lambda's own lines about an invocation.
fn is_a_report(line: &str) -> bool {
    ["START ", "END ", "REPORT "].iter().any(|beginning| line.starts_with(beginning))
}

/// `grep` reads what is in a program faster than an unoptimised test does.
fn has_failpoint(program: &Path, name: &str) -> bool {
    let found = Command::new("grep").args(["--quiet", "--text", "--fixed-strings", name]).arg(program).status();
    match found.unwrap().code() {
        Some(0) => true,
        Some(1) => false,
        other => panic!("grep ended with {other:?} on {}", program.display()),
    }
}

#[tokio::test]
async fn what_is_deployed_has_none_of_the_failpoints_of_the_crash_laboratory() {
    let deployment = Deployment::start().await;
    for name in FAILPOINTS {
        assert!(has_failpoint(&built_program(), name), "{name} is not where it is looked for");
        for function in [deployment.api(), deployment.poller()] {
            assert!(!has_failpoint(&function.bootstrap(), name), "{name} is in {}", function.bootstrap().display());
        }
    }
}
