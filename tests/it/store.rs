//! Each transition of the store, on both stores: its cost, its losing races, and its answer lost on the way.
//! Never through HTTP; that is for the tests of the whole. Neighbour: `support::stores` starts the stores.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::clock::{Timestamp, parse_instant};
use shared::ids::{JobId, SeriesId, TenantId, WriteId};
use shared::job::{Job, Status};
use shared::lifecycle::{Claim, Delivery, Lost, Settlement};
use shared::request::{self, Rules};
use shared::store::table::{self, TableNames};
use shared::store::{Changed, Claimed, Created, ListQuery, Order, Settled, Store as Jobs, local_client};

use crate::on_both_stores;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::stores::Store;

pub(crate) const ONE_SHOT: &str =
    r#"{"callbackUrl":"https://example.com/hook","payload":{"text":"hello"},"maxRetries":2}"#;
pub(crate) const HOURLY: &str = r#"{"callbackUrl":"https://example.com/hook","recurrenceSeconds":3600}"#;

pub(crate) fn noon() -> Timestamp {
    parse_instant("2026-06-01T12:00:00Z").unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    noon() + chrono::TimeDelta::seconds(seconds)
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// The jobs of a store, reached through `endpoint`.
pub(crate) async fn jobs(store: &Store, endpoint: &str) -> Jobs {
    let names = TableNames::with_prefix(store.table_prefix());
    table::create_missing(&store.client(), &names).await.unwrap();
    Jobs::new(local_client(endpoint), names, 16).counting_write_units()
}

fn job(body: &str) -> Job {
    let rules = Rules::with_prefix("Contit-");
    let new = request::parse(body.as_bytes(), noon(), &rules).unwrap();
    Job::new(JobId::random(), tenant(), new, None, noon())
}

pub(crate) async fn stored(jobs: &Jobs, body: &str) -> Job {
    let job = job(body);
    assert!(matches!(jobs.create(&job, noon()).await.unwrap(), Created::New));
    job
}

pub(crate) async fn claimed(jobs: &Jobs, id: JobId, now: Timestamp) -> Claim {
    let claimed = jobs.claim(id, now).await.unwrap();
    let Claimed::Claimed(claim) = claimed else { panic!("not claimed: {claimed:?}") };
    *claim
}

async fn lost(jobs: &Jobs, id: JobId, now: Timestamp) -> Lost {
    let claimed = jobs.claim(id, now).await.unwrap();
    let Claimed::Lost(why) = claimed else { panic!("not lost: {claimed:?}") };
    why
}

pub(crate) fn ended(status_code: u16) -> Delivery {
    Delivery {
        started_at: noon(),
        duration: std::time::Duration::from_millis(12),
        status_code: Some(status_code),
        error: (status_code >= 300).then(|| format!("the receiver answered {status_code}")),
        response_snippet: None,
        retry_after: None,
    }
}

pub(crate) async fn write(jobs: &Jobs, settlement: &Settlement) -> Settled {
    if let Some(successor) = &settlement.successor {
        jobs.put_successor(successor).await.unwrap();
    }
    jobs.settle(settlement, WriteId::random()).await.unwrap()
}

pub(crate) async fn now_stored(jobs: &Jobs, id: JobId) -> Job {
    jobs.get(&tenant(), id, noon()).await.unwrap().unwrap()
}

pub(crate) async fn status(jobs: &Jobs, id: JobId) -> Status {
    now_stored(jobs, id).await.state.status()
}

/// A poller died after it had put the next occurrence of this job, and the repeated delivery failed.
async fn both_waiting(jobs: &Jobs) -> (Job, Job) {
    let job = stored(jobs, HOURLY).await;
    let died = claimed(jobs, job.id, noon()).await.settle(ended(200), noon());
    let successor = died.successor.unwrap();
    jobs.put_successor(&successor).await.unwrap();
    let again = claimed(jobs, job.id, after(60)).await.settle(ended(500), after(60));
    assert_eq!(write(jobs, &again).await, Settled::Recorded);
    (job, successor)
}

/// The API dies when it has cancelled this job, before it can end the series.
async fn cancellation_breaks_off(store: &Store, job: &Job) {
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let error = "com.amazon.coral.validate#ValidationException";
    proxy.rule(operation("PutItem"), Fault::FailWith { status: 400, error });
    let dying = Jobs::new(local_client(&proxy.url()), TableNames::with_prefix(store.table_prefix()), 16);
    let broken_off = dying.cancel(&tenant(), job.id, after(3_660)).await;
    assert!(broken_off.is_err(), "{broken_off:?}");
}

on_both_stores! {
    async fn a_random_id_that_is_taken_is_ones_own(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        // As when the answer was lost, and a poller has taken the job before the SDK asks again.
        let _claim = claimed(&jobs, job.id, noon()).await;
        assert!(matches!(jobs.create(&job, noon()).await.unwrap(), Created::New));
    }

    async fn a_claim_that_is_given_back_leaves_the_job_as_it_was(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        let claim = claimed(&jobs, job.id, after(5)).await;
        let spent = jobs.write_units();
        assert_eq!(write(&jobs, &claim.give_back(after(6))).await, Settled::Recorded);
        assert_eq!(jobs.write_units() - spent, 1, "no index knows of it");
        assert_eq!(now_stored(&jobs, job.id).await, Job { updated_at: after(6), ..job.clone() });

        let late = claimed(&jobs, job.id, after(7)).await.give_back(after(8));
        let _other = claimed(&jobs, job.id, after(3_600)).await;
        assert_eq!(write(&jobs, &late).await, Settled::LeaseLost);
        assert_eq!(now_stored(&jobs, job.id).await.attempts, 2, "what another has taken is left alone");
    }

    async fn a_transition_costs_the_write_units_that_it_should(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let mut before = 0;
        let mut units = || {
            let used = jobs.write_units() - before;
            before += used;
            used
        };
        let payload = "x".repeat(198);
        let job = stored(&jobs, &ONE_SHOT.replace(r#"{"text":"hello"}"#, &format!("{payload:?}"))).await;
        assert_eq!(units(), 3, "create: the item and two indexes");
        let claim = claimed(&jobs, job.id, noon()).await;
        assert_eq!(units(), 1, "claim: no index key changes");
        let failed = claim.settle(ended(500), noon());
        assert_eq!(write(&jobs, &failed).await, Settled::Recorded);
        assert_eq!(units(), 3, "failed: the item, and its place in the queue moves");
        let claim = claimed(&jobs, job.id, after(60)).await;
        assert_eq!(units(), 1);
        assert_eq!(write(&jobs, &claim.settle(ended(200), after(60))).await, Settled::Recorded);
        assert_eq!(units(), 4, "done: the item, out of the queue, from one list to another");
    }

    async fn of_two_claims_one_wins(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        let (a, b) = tokio::join!(jobs.claim(job.id, noon()), jobs.claim(job.id, noon()));
        let claims = [a.unwrap(), b.unwrap()];
        let won = claims.iter().filter(|claim| matches!(claim, Claimed::Claimed(_))).count();
        let leased = claims.iter().filter(|claim| matches!(claim, Claimed::Lost(Lost::Leased))).count();
        assert_eq!((won, leased), (1, 1), "{claims:?}");
    }

    async fn a_lost_claim_says_why(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let later = stored(&jobs, r#"{"callbackUrl":"https://example.com/","delaySeconds":60}"#).await;
        assert_eq!(lost(&jobs, later.id, after(59)).await, Lost::NotDue);
        assert!(matches!(jobs.cancel(&tenant(), later.id, noon()).await.unwrap(), Changed::Changed(_)));
        assert_eq!(lost(&jobs, later.id, after(60)).await, Lost::Ended);
        assert_eq!(lost(&jobs, JobId::random(), noon()).await, Lost::Gone);
    }

    async fn a_lease_that_ran_out_is_claimable_and_its_holder_cannot_settle(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        let first = claimed(&jobs, job.id, noon()).await;
        assert_eq!(lost(&jobs, job.id, after(59)).await, Lost::Leased);
        let second = claimed(&jobs, job.id, after(60)).await;
        assert_eq!(write(&jobs, &first.settle(ended(200), after(60))).await, Settled::LeaseLost);
        assert_eq!(status(&jobs, job.id).await, Status::Firing);
        assert_eq!(write(&jobs, &second.settle(ended(200), after(61))).await, Settled::Recorded);
        let log: Vec<_> = now_stored(&jobs, job.id).await.log.iter().map(|a| (a.number, a.error.is_some())).collect();
        assert_eq!(log, [(1, true), (2, false)], "the interrupted attempt is in the log");
    }

    async fn a_job_whose_last_attempt_died_is_buried_without_another_call(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        drop(claimed(&jobs, job.id, noon()).await);
        drop(claimed(&jobs, job.id, after(60)).await);
        let Claimed::Exhausted(last) = jobs.claim(job.id, after(120)).await.unwrap() else { panic!("claimed") };
        assert_eq!(write(&jobs, &last.bury(after(120))).await, Settled::Recorded);
        let buried = now_stored(&jobs, job.id).await;
        assert_eq!((buried.state.status(), buried.attempts, buried.log.len()), (Status::DeadLetter, 2, 2));
    }

    async fn only_a_pending_job_can_be_cancelled_and_only_by_its_tenant(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, ONE_SHOT).await;
        let other = TenantId::parse("other").unwrap();
        assert!(matches!(jobs.cancel(&other, job.id, noon()).await.unwrap(), Changed::NotFound));
        assert!(jobs.get(&other, job.id, noon()).await.unwrap().is_none());
        let claim = claimed(&jobs, job.id, noon()).await;
        let refused = jobs.cancel(&tenant(), job.id, noon()).await.unwrap();
        assert!(matches!(refused, Changed::Not(Status::Firing)), "{refused:?}");
        assert_eq!(write(&jobs, &claim.settle(ended(200), noon())).await, Settled::Recorded);
        let refused = jobs.cancel(&tenant(), job.id, noon()).await.unwrap();
        assert!(matches!(refused, Changed::Not(Status::Done)), "{refused:?}");
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(31 * 86_400)).await.unwrap(), Changed::NotFound));
    }

    async fn the_next_occurrence_is_put_once(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, HOURLY).await;
        let settlement = claimed(&jobs, job.id, noon()).await.settle(ended(200), noon());
        let successor = settlement.successor.clone().unwrap();
        jobs.put_successor(&successor).await.unwrap();
        let running = claimed(&jobs, successor.id, after(3_600)).await;
        jobs.put_successor(&successor).await.unwrap();
        assert_eq!(status(&jobs, successor.id).await, Status::Firing, "a second put changes nothing");
        drop(running);
    }

    async fn cancelling_a_job_that_waits_beside_its_successor_ends_both(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let (job, successor) = both_waiting(&jobs).await;
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(61)).await.unwrap(), Changed::Changed(_)));
        assert_eq!(status(&jobs, successor.id).await, Status::Cancelled);
    }

    async fn cancelling_ends_a_series_whose_last_occurrence_waits_beside_it_after_its_end(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let body = HOURLY.replace('}', r#","endAtUtc":"2026-06-01T13:00:00Z"}"#);
        let job = stored(&jobs, &body).await;
        let unrecorded = claimed(&jobs, job.id, noon()).await.settle(ended(200), noon());
        let successor = unrecorded.successor.clone().unwrap();
        jobs.put_successor(&successor).await.unwrap();
        let again = claimed(&jobs, job.id, after(61)).await.settle(ended(500), after(3_500));
        assert_eq!(write(&jobs, &again).await, Settled::Recorded);
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(3_601)).await.unwrap(), Changed::Changed(_)));
        assert_eq!(status(&jobs, successor.id).await, Status::Cancelled);
    }

    async fn cancelling_a_job_whose_successor_is_being_delivered_makes_that_one_the_last(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let (job, successor) = both_waiting(&jobs).await;
        let delivering = claimed(&jobs, successor.id, after(3_600)).await;
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(3_601)).await.unwrap(), Changed::Changed(_)));
        let settlement = delivering.settle(ended(200), after(3_602));
        let third = settlement.successor.clone().unwrap().id;
        assert_eq!(write(&jobs, &settlement).await, Settled::Recorded);
        assert_eq!(status(&jobs, third).await, Status::Cancelled, "nothing comes after it");
    }

    async fn a_poller_that_stood_still_cannot_revive_a_cancelled_series(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, HOURLY).await;
        let frozen = claimed(&jobs, job.id, noon()).await.settle(ended(200), noon());
        let again = claimed(&jobs, job.id, after(60)).await.settle(ended(500), after(60));
        assert_eq!(write(&jobs, &again).await, Settled::Recorded);
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(61)).await.unwrap(), Changed::Changed(_)));
        let successor = frozen.successor.clone().unwrap().id;
        assert_eq!(write(&jobs, &frozen).await, Settled::LeaseLost);
        assert_eq!(status(&jobs, successor).await, Status::Cancelled);
    }

    async fn a_cancellation_that_broke_off_before_the_end_of_the_series_is_finished_by_the_next(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let (job, successor) = both_waiting(&jobs).await;
        cancellation_breaks_off(&store, &job).await;
        assert_eq!(status(&jobs, successor.id).await, Status::Pending);
        let again = jobs.cancel(&tenant(), job.id, after(62)).await.unwrap();
        assert!(matches!(again, Changed::Not(Status::Cancelled)), "{again:?}");
        assert_eq!(status(&jobs, successor.id).await, Status::Cancelled);
    }

    async fn an_occurrence_whose_cancellation_broke_off_is_not_the_end_of_the_series(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let (job, successor) = both_waiting(&jobs).await;
        let frozen = claimed(&jobs, successor.id, after(3_600)).await.settle(ended(200), after(3_600));
        let again = claimed(&jobs, successor.id, after(3_660)).await.settle(ended(500), after(3_660));
        assert_eq!(write(&jobs, &again).await, Settled::Recorded);
        cancellation_breaks_off(&store, &successor).await;
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(3_661)).await.unwrap(), Changed::Changed(_)));
        let third = frozen.successor.clone().unwrap().id;
        assert_eq!(write(&jobs, &frozen).await, Settled::LeaseLost);
        assert_eq!(status(&jobs, third).await, Status::Cancelled, "nothing revives it");
    }

    async fn cancelling_a_series_that_no_poller_left_open_cancels_one_occurrence(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let job = stored(&jobs, HOURLY).await;
        let failed = claimed(&jobs, job.id, noon()).await.settle(ended(500), noon());
        assert_eq!(write(&jobs, &failed).await, Settled::Recorded);
        assert!(matches!(jobs.cancel(&tenant(), job.id, after(1)).await.unwrap(), Changed::Changed(_)));
        let next = SeriesId(job.id.0).occurrence(2);
        assert!(jobs.get(&tenant(), next, noon()).await.unwrap().is_none());
    }

    async fn a_write_whose_answer_is_lost_is_not_a_lost_race(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let jobs = jobs(&store, &proxy.url()).await;
        let job = job(HOURLY);
        proxy.rule(operation("PutItem").nth(1), Fault::DropAnswer);
        assert!(matches!(jobs.create(&job, noon()).await.unwrap(), Created::New));
        for nth in [1, 3, 5] {
            proxy.rule(operation("UpdateItem").nth(nth), Fault::DropAnswer);
        }
        let settlement = claimed(&jobs, job.id, noon()).await.settle(ended(500), noon());
        assert_eq!(write(&jobs, &settlement).await, Settled::Recorded);
        assert!(matches!(jobs.cancel(&tenant(), job.id, noon()).await.unwrap(), Changed::Changed(_)));
        assert_eq!(now_stored(&jobs, job.id).await.attempts, 1, "counted once");
    }

    async fn an_item_that_cannot_be_read_hides_no_other_from_a_list(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let (good, bad) = (stored(&jobs, ONE_SHOT).await, stored(&jobs, ONE_SHOT).await);
        let names = TableNames::with_prefix(store.table_prefix());
        let spoilt = store.client().update_item().table_name(&names.jobs).key("id", AttributeValue::S(bad.id.to_string()));
        let spoilt = spoilt.update_expression("SET createdAt = :nonsense");
        let nonsense = AttributeValue::S("yesterday".to_owned());
        spoilt.expression_attribute_values(":nonsense", nonsense).send().await.unwrap();
        assert!(jobs.get(&tenant(), bad.id, noon()).await.is_err());
        let all = ListQuery {
            tenant: tenant(), status: None, series: None, from: None, to: None, limit: 50, order: Order::Ascending, after: None,
        };
        let page = jobs.list(&all, noon()).await.unwrap();
        assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [good.id]);
    }

    async fn every_page_size_walks_a_list_exactly_once(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let mut all = Vec::new();
        for n in 0..11 {
            let body = format!(r#"{{"callbackUrl":"https://example.com/","delaySeconds":{}}}"#, n / 2);
            let job = stored(&jobs, &body).await;
            if n % 3 == 0 {
                assert!(matches!(jobs.cancel(&tenant(), job.id, noon()).await.unwrap(), Changed::Changed(_)));
            }
            all.push((job.planned_at, job.id.to_string()));
        }
        all.sort();
        for (order, limit) in [Order::Ascending, Order::Descending].into_iter().flat_map(|o| (1..=12).map(move |l| (o, l))) {
            let mut query = ListQuery { tenant: tenant(), status: None, series: None, from: None, to: None, limit, order, after: None };
            let mut walked = Vec::new();
            loop {
                let page = jobs.list(&query, noon()).await.unwrap();
                assert!(!page.jobs.is_empty() && page.jobs.len() <= limit);
                walked.extend(page.jobs.iter().map(|job| (job.planned_at, job.id.to_string())));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            if order == Order::Descending {
                walked.reverse();
            }
            assert_eq!(walked, all, "{order:?} by {limit}");
        }
        let pending = ListQuery {
            tenant: tenant(), status: Some(Status::Pending), series: None, from: Some(after(1)), to: Some(after(3)),
            limit: 50, order: Order::Ascending, after: None,
        };
        let page = jobs.list(&pending, noon()).await.unwrap();
        assert_eq!(page.jobs.len(), 3, "four lie in the range, one of them cancelled");
    }
}
