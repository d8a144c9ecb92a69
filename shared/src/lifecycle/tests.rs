//! What a retry and an earlier run make of a job, without a store. Neighbour: `tests/it/changes` has the same on both stores.

use super::*;
use crate::clock::parse_instant;
use crate::job::Status;
use crate::request::{self, Rules};

fn noon() -> Timestamp {
    parse_instant("2026-06-01T12:00:00Z").unwrap()
}

fn after(seconds: i64) -> Timestamp {
    noon() + chrono::TimeDelta::seconds(seconds)
}

fn hourly() -> Job {
    let body = br#"{"callbackUrl":"https://example.com/","recurrenceSeconds":3600,"maxRetries":2}"#;
    let new = request::parse(body, noon(), &Rules::with_prefix("Contit-")).unwrap();
    Job::new(JobId::random(), TenantId::parse("acme").unwrap(), new, None, noon())
}

fn failed() -> Delivery {
    Delivery {
        started_at: noon(),
        duration: Duration::from_millis(1),
        status_code: Some(500),
        error: Some("no".to_owned()),
        response_snippet: None,
        retry_after: None,
    }
}

/// As the store's claim leaves it.
fn claimed(mut job: Job) -> Claim {
    let lease = Lease { id: WriteId::random(), until: after(90) };
    job.attempts += 1;
    job.state = State::Firing { due_at: noon(), lease };
    Claim::new(job, lease)
}

fn dead() -> Job {
    let once = claimed(hourly()).settle(failed(), noon()).job;
    claimed(once).settle(failed(), after(60)).job
}

#[test]
fn a_retry_gives_all_attempts_again_and_keeps_the_old_ones() {
    let dead = dead();
    assert_eq!((dead.state.status(), dead.attempts), (Status::DeadLetter, 2));
    let retried = dead.redriven(after(100)).unwrap();
    assert_eq!(retried.state, State::Pending { due_at: after(100) });
    assert_eq!((retried.attempts, retried.redrives, retried.planned_at), (0, 1, noon()));
    assert_eq!(retried.log, dead.log);
    assert!(retried.redriven(after(101)).is_none(), "only a dead letter is retried");

    let numbers = |job: &Job| job.log.iter().map(|attempt| attempt.number).collect::<Vec<_>>();
    let failed_again = claimed(retried.clone()).settle(failed(), after(101)).job;
    assert_eq!((failed_again.state.status(), numbers(&failed_again)), (Status::Pending, vec![1, 2, 1]));
    // The poller died over the first attempt after the retry.
    let interrupted = claimed(claimed(retried.clone()).job().clone()).settle(failed(), after(200)).job;
    assert_eq!((interrupted.state.status(), numbers(&interrupted)), (Status::DeadLetter, vec![1, 2, 1, 2]));
    assert_eq!(interrupted.log[2].error.as_deref(), Some(INTERRUPTED));
    let mut last = claimed(retried).job().clone();
    last.attempts = 2;
    let buried = Exhausted::new(last, Lease { id: WriteId::random(), until: noon() }).bury(after(300)).job;
    assert_eq!(numbers(&buried), [1, 2, 1, 2]);
}

#[test]
fn a_retried_occurrence_puts_no_successor_and_ends_no_series() {
    let first = claimed(claimed(hourly()).settle(failed(), noon()).job).settle(failed(), after(60));
    assert!(first.successor.is_some(), "the first time it does");
    let retried = first.job.redriven(after(100)).unwrap();
    assert!(retried.following(after(100)).is_some());
    let mut delivered = failed();
    delivered.error = None;
    for (delivery, status) in [(delivered, Status::Done), (failed(), Status::Pending)] {
        let settlement = claimed(retried.clone()).settle(delivery, after(101));
        assert_eq!((settlement.job.state.status(), settlement.successor.is_none()), (status, true));
    }
    let interrupted = claimed(retried).job().clone();
    assert!(!interrupted.may_have_successor());
}

#[test]
fn run_now_moves_the_next_attempt_and_not_the_plan() {
    let later = Job { planned_at: after(7_200), state: State::Pending { due_at: after(7_200) }, ..hourly() };
    let hurried = later.run_now(after(10)).unwrap();
    assert_eq!((hurried.state.due_at(), hurried.planned_at), (Some(after(10)), after(7_200)));
    assert_eq!(hurried.run_now(after(20)).unwrap().run_now_at, Some(after(10)), "when it was first asked for");
    let next = claimed(hurried).settle(Delivery { error: None, ..failed() }, after(30)).successor.unwrap();
    assert_eq!((next.planned_at, next.run_now_at), (after(7_200 + 3_600), None));
    assert!(dead().run_now(noon()).is_none(), "only what waits is run now");
}
