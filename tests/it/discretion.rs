//! What the programs write down, at the most talkative setting there is: no token, no secret, no header value, no payload.
//! Every other black-box test looks for its own too, with this project's log lines at TRACE (`support::secrets`).
//! It never reads a log for anything else. Neighbour: `shared::telemetry` is what keeps other crates from telling.

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::receiver::{answer, cut};

#[tokio::test]
async fn at_trace_neither_a_success_nor_a_failure_nor_a_refusal_tells_what_was_confided() {
    let canary = |of: &str| format!("canary-of-{of}");
    let app = App::dev()
        .now("2026-03-28T12:00:00Z")
        .env("LOG_LEVEL", "trace")
        .signing_secret(&canary("the-signing-secret"))
        .start()
        .await;
    app.receiver.script("/failing", [cut(), answer(500).body(canary("an-answer"))]);
    let job = |path: &str| {
        let job = a_job().to(&app.receiver.url(path)).header("X-Password", &canary("a-header"));
        job.payload(serde_json::json!({ "password": canary("a-payload") }))
    };
    let done = app.post_job(job("/hook")).await.created();
    let dead = app.post_job(job("/failing").attempts(3)).await.created();
    let gone = app.post_job(job("/cancelled").in_seconds(36_000)).await.created();
    app.cancel(id(&gone)).await.ok();
    app.post_job(job("/refused").header("Host", &canary("a-refused-header"))).await.problem(400);
    app.post_job(job("/refused").with("maxRetries", 0)).await.problem(400);
    app.post_raw("/scheduled-jobs", "application/json", format!("{{\"payload\":\"{}\"", canary("half")))
        .await
        .problem(400);
    app.with_token(&canary("an-unknown-token")).get("/scheduled-jobs").await.problem(401);
    let key = app.without_token().request(http::Method::GET, "/scheduled-jobs").header("X-Api-Key", canary("a-key"));
    app.send(key).await.problem(401);
    app.advance_to("2026-03-28T13:00:00Z").await;
    assert_eq!(app.job(id(&done)).await["status"], "Done");
    assert_eq!(app.job(id(&dead)).await["status"], "DeadLetter");
    app.check().await;

    let output = app.output();
    assert!(output.contains("TRACE") || output.contains("DEBUG") || output.contains("ERROR"), "it logs: {output}");
    assert!(!output.contains("canary"), "{output}");
}
