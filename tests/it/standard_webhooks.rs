//! The headers of the Standard Webhooks specification, checked by its official Python library, and the `scheduler`
//! commands that turn them on and change the secrets.
//! It never computes a signature itself. Neighbours: `callback_headers`, the vectors in `shared::signature`.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::app::{App, built_program};
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::receiver::{Call, failing};

/// How its receivers are told to use the library.
const PAGE: &str = include_str!("../../docs/verify-signatures.md");
const PAYLOAD: &str = r#"{ "text": "è ok", "n": 1.0 }"#;

/// On the system's clock: the library accepts five minutes of difference to its own.
async fn app() -> App {
    App::dev().poll_interval(Duration::from_millis(100)).start().await
}

/// `scheduler …` on the store of this program; what it printed.
async fn scheduler(app: &App, arguments: &[&str]) -> Output {
    let mut command = Command::new(built_program());
    command.args(arguments).args(["--tenant", "dev"]).env("AWS_ENDPOINT_URL_DYNAMODB", app.dynamodb_url());
    let output = command.env_remove("AWS_ACCESS_KEY_ID").output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

async fn secret_of(app: &App, arguments: &[&str]) -> String {
    String::from_utf8(scheduler(app, arguments).await.stdout).unwrap().trim().to_owned()
}

async fn call_of(app: &App, path: &str) -> Call {
    let job = format!(r#"{{"callbackUrl":"{}","payload":{PAYLOAD}}}"#, app.receiver.url(path));
    app.post_raw("/scheduled-jobs", "application/json", job).await.created();
    app.receiver.wait_for_answered(path, 1).await.remove(0)
}

/// What the library says to this call with this secret: nothing when it verifies.
async fn verdict(call: &Call, secret: &str) -> String {
    const VERIFY: &str = "import json, sys; from standardwebhooks.webhooks import WebhookVerificationError\n\
        call = json.load(sys.stdin)\n\
        try: exec(sys.argv[1], call)\n\
        except WebhookVerificationError as refusal: print(refusal)";
    let (_, block) = PAGE.split_once("```python standard-webhooks\n").expect("the block of the page");
    let (block, _) = block.split_once("```").expect("its end");
    let headers: serde_json::Map<_, _> = call.headers.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
    let question = json!({ "secret": secret, "body": call.text(), "headers": headers }).to_string();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/venv/bin/python3");
    let mut library = Command::new(&python);
    library.args(["-c", VERIFY, block]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut library = library.spawn().unwrap_or_else(|error| panic!("{}: {error}; run `make test`", python.display()));
    library.stdin.take().unwrap().write_all(question.as_bytes()).await.unwrap();
    let output = library.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const NO_MATCH: &str = "No matching signature found";
const MISSING: &str = "Missing required headers";

#[tokio::test]
async fn the_official_library_verifies_what_is_sent_while_a_secret_is_rotated() {
    let app = app().await;
    let first = secret_of(&app, &["secret", "set"]).await;
    let second = secret_of(&app, &["secret", "rotate"]).await;
    scheduler(&app, &["webhooks", "enable"]).await;
    let call = call_of(&app, "/rotating").await;
    assert_eq!(verdict(&call, &second).await, "");
    assert_eq!(verdict(&call, &first).await, "", "the previous secret is valid until it is retired");
    assert_eq!(verdict(&call, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await, NO_MATCH);
    assert_eq!(call.header("webhook-signature").unwrap().split(' ').count(), 2);
    let ours = call.header("contit-signature").unwrap();
    assert_eq!(ours.matches(",s=").count(), 2, "ours is there too: {ours}");

    let mut tampered = call.clone();
    tampered.body = PAYLOAD.replace("1.0", "2.0").into();
    assert_eq!(verdict(&tampered, &second).await, NO_MATCH);
    let mut renamed = call.clone();
    for (name, value) in &mut renamed.headers {
        if name == "webhook-id" {
            value.push('x');
        }
    }
    assert_eq!(verdict(&renamed, &second).await, NO_MATCH);
}

#[tokio::test]
async fn a_retired_secret_verifies_nothing_and_the_choice_outlives_a_change_of_secret() {
    let app = app().await;
    scheduler(&app, &["webhooks", "enable"]).await;
    let first = secret_of(&app, &["secret", "set"]).await;
    let second = secret_of(&app, &["secret", "rotate"]).await;
    scheduler(&app, &["secret", "retire"]).await;
    let call = call_of(&app, "/retired").await;
    assert_eq!(verdict(&call, &second).await, "");
    assert_eq!(verdict(&call, &first).await, NO_MATCH);
}

#[tokio::test]
async fn a_secret_of_any_text_is_given_to_the_library_as_base64() {
    let app = app().await;
    scheduler(&app, &["secret", "set", "--secret", "any text: è"]).await;
    scheduler(&app, &["webhooks", "enable"]).await;
    let call = call_of(&app, "/text").await;
    assert_eq!(verdict(&call, &BASE64.encode("any text: è")).await, "");
}

#[tokio::test]
async fn a_retry_keeps_its_webhook_id_which_is_that_of_the_job() {
    let app = App::dev().now("2026-03-28T12:00:00Z").start().await;
    scheduler(&app, &["secret", "set"]).await;
    scheduler(&app, &["webhooks", "enable"]).await;
    app.receiver.script("/flaky", failing(2, 503));
    let job = app.post_job(a_job().to(&app.receiver.url("/flaky"))).await.created();
    app.advance_to("2026-03-28T13:00:00Z").await;
    let calls = app.receiver.calls("/flaky");
    let values = |name: &str| calls.iter().map(|call| call.header(name).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values("webhook-id"), vec![id(&job); 3]);
    assert_eq!(values("webhook-timestamp"), ["1774699260", "1774699320", "1774699440"]);
}

#[tokio::test]
async fn without_a_secret_or_when_disabled_there_are_no_such_headers() {
    let app = app().await;
    let enabled = scheduler(&app, &["webhooks", "enable"]).await;
    let told = String::from_utf8(enabled.stderr).unwrap();
    assert!(told.contains("scheduler secret set --tenant dev"), "{told}");
    let call = call_of(&app, "/no-secret").await;
    assert_eq!(verdict(&call, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await, MISSING);

    let other = self::app().await;
    let secret = secret_of(&other, &["secret", "set"]).await;
    scheduler(&other, &["webhooks", "enable"]).await;
    scheduler(&other, &["webhooks", "disable"]).await;
    let call = call_of(&other, "/disabled").await;
    assert_eq!(verdict(&call, &secret).await, MISSING);
    assert!(call.header("contit-signature").is_some());
}
