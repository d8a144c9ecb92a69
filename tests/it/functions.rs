//! One process of a function at a time: what it answers to odd events, how it starts without a setting, how it ends
//! before its deadline. The real binaries; never a look inside. Neighbour: `fanout` runs several of them.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Stopwatch};

use crate::fanout::Backlog;
use crate::support::lambda::{Outcome, built_function, function_command, request_id};
use crate::support::process::Process;
use crate::support::receiver::{answer, hang};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_it_does_not_know_is_an_error_and_the_process_lives_on() {
    let backlog = Backlog::of(3, &[]).await;
    let odd =
        [json!({ "Records": [] }), json!([1]), json!({ "shards": [16] }), json!({ "shards": [1, 1] }), json!(null)];
    let events: Vec<Value> = odd.iter().cloned().chain([json!({})]).collect();
    let number = backlog.lambda.invoke_in_one_process(events);
    let invocations = backlog.lambda.wait_until_idle().await;
    let (last, refusals) = invocations[number].outcomes.split_last().unwrap();
    for (event, outcome) in odd.iter().zip(refusals) {
        let Outcome::Failed(error) = outcome else { panic!("{event}: {outcome:?}") };
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.starts_with("the event is not for this function, and nothing was done: "),
            "{event}: {message}"
        );
    }
    let Outcome::Answered(summary) = last else { panic!("{last:?}") };
    assert_eq!((&summary["dueSeen"], &summary["delivered"]), (&json!(3), &json!(3)), "nothing was done before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_ends_before_its_deadline_although_the_receiver_never_answers() {
    const LENGTH: Duration = Duration::from_secs(8);
    let backlog = Backlog::of_invocations_lasting(LENGTH, 100, &[("POLLER_CONCURRENCY_PER_HOST", "10")]).await;
    backlog.receiver.script("/hook", [hang()]);
    let invocations = backlog.a_minute_passes().await;
    assert!(invocations[0].took < LENGTH, "it took {:?}", invocations[0].took);
    let answered = invocations[0].answer();
    assert_eq!(
        (&answered["claimed"], &answered["retried"]),
        (&json!(10), &json!(10)),
        "what was in flight is recorded"
    );

    let rows = backlog.rows().await;
    assert!(rows.iter().all(|row| row.status == "Pending"), "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.attempts == 0).count(), 90, "nothing was taken that could not end in time");
    backlog.check(Clock::System.now()).await;

    backlog.receiver.script("/hook", [answer(200)]);
    let later = backlog.tick_at(Clock::System.now() + chrono::TimeDelta::minutes(2)).await;
    assert_eq!((later.due_seen, later.delivered), (100, 100), "nothing is lost");
    backlog.check(Clock::System.now() + chrono::TimeDelta::minutes(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_name_the_request_and_the_job() {
    let backlog = Backlog::of(1, &[]).await;
    backlog.receiver.script("/hook", [answer(500)]);
    let invocation = backlog.a_minute_passes().await.remove(0);
    let row = backlog.rows().await.remove(0);
    let failed = invocation.printed_with("duration_ms").remove(0);
    assert_eq!((&failed["status_code"], &failed["level"]), (&json!(500), &json!("INFO")), "{failed}");
    let spans = failed["spans"].as_array().unwrap();
    let field = |name: &str| spans.iter().find_map(|span| span.get(name)).cloned().unwrap_or_default();
    assert_eq!(field("requestId"), request_id(0, 0).as_str());
    assert_eq!(failed.to_string().matches(&request_id(0, 0)).count(), 1, "once is enough: {failed}");
    assert_eq!((field("job"), field("tenant")), (row.id.as_str().into(), row.tenant.as_str().into()));
    assert_eq!(field("attempt"), 1);
    let printed = invocation.stdout.join("\n");
    assert!(!printed.contains("hello"), "no payload: {printed}");
}

/// How a function ends that was started with these variables beside those that Lambda sets, or without one of them.
async fn start(function: &str, variables: &[(&str, &str)], without: &str) -> (Option<i32>, String, String) {
    // Nobody listens there: a function that starts asks in vain.
    let mut command = function_command(&built_function(function), "127.0.0.1:9");
    command.envs([("JOBS_TABLE", "jobs"), ("TENANTS_TABLE", "tenants"), ("USAGE_TABLE", "usage")]);
    command.envs(variables.iter().copied()).env_remove(without);
    let exit = Process::spawn(command).exit().await;
    (exit.code, exit.stdout, exit.stderr)
}

#[tokio::test]
async fn a_function_without_a_setting_or_with_a_bad_one_says_which_in_one_line() {
    for function in ["api", "poller"] {
        for missing in ["JOBS_TABLE", "TENANTS_TABLE", "USAGE_TABLE", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"] {
            let expected = format!("the setting {missing} is wrong: it is not set");
            let watch = Stopwatch::start();
            assert_eq!(start(function, &[], missing).await, (Some(1), String::new(), expected), "{function}");
            assert!(watch.elapsed() < Duration::from_secs(10), "at once");
        }
        for (name, bad) in [
            ("SHARD_COUNT", "many"),
            ("FANOUT_THRESHOLD", "0"),
            ("FANOUT_MAX", ""),
            ("METRICS_SERVICE", ""),
            ("HEADER_PREFIX", "a b"),
            ("ALLOWED_CALLBACK_NETWORKS", "10/8"),
            ("LOG_LEVEL", "a=b=c"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"),
        ] {
            let (code, stdout, stderr) = start(function, &[(name, bad)], "").await;
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{function} with {name}={bad}: {stderr}");
            assert!(stderr.starts_with(&format!("the setting {name} is wrong: ")), "{function}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{function}: {stderr}");
        }
    }
}
