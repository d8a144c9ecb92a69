//! Retry, run now, the list of a series, counts and told outcomes in the store, on both stores: cost, lost races, and
//! the answer lost on the way. Never through HTTP; `contract` has that. Neighbour: `store` tests the other transitions.

use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, PutRequest, WriteRequest,
};
use shared::clock::{Timestamp, parse_instant};
use shared::ids::{JobId, SeriesId, TenantId, WriteId};
use shared::job::{Job, State, Status};
use shared::outcomes::{Hour, Outcomes};
use shared::store::table::{self, SERIES_INDEX};
use shared::store::{Changed, Count, LARGEST_COUNT, ListQuery, Order, Settled, Store as Jobs, TableNames};

use crate::on_both_stores;
use crate::store::{HOURLY, ONE_SHOT, after, claimed, ended, jobs, noon, now_stored, stored, tenant, write};
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::stores::{Store, StoreKind};
use crate::support::waiting::until_some;

/// A job that failed twice and is given up, its successor put when it has one.
async fn dead(jobs: &Jobs, body: &str) -> Job {
    let id = stored(jobs, body).await.id;
    for now in [noon(), after(60)] {
        let settlement = claimed(jobs, id, now).await.settle(ended(500), now);
        assert_eq!(write(jobs, &settlement).await, Settled::Recorded);
    }
    now_stored(jobs, id).await
}

fn twice(body: &str) -> String {
    body.replacen('{', r#"{"maxRetries":2,"#, 1)
}

fn changed(changed: Changed) -> Job {
    let Changed::Changed(job) = changed else { panic!("{changed:?}") };
    *job
}

async fn refused(jobs: &Jobs, retry: bool, tenant: &TenantId, id: JobId, now: Timestamp) -> Option<Status> {
    let changed = if retry { jobs.retry(tenant, id, now).await } else { jobs.run_now(tenant, id, now).await };
    match changed.unwrap() {
        Changed::Changed(job) => panic!("changed to {job:?}"),
        Changed::Not(status) => Some(status),
        Changed::NotFound => None,
    }
}

fn all_of(series: SeriesId, order: Order, limit: usize) -> ListQuery {
    ListQuery { tenant: tenant(), status: None, series: Some(series), from: None, to: None, limit, order, after: None }
}

on_both_stores! {
    async fn a_change_is_what_the_lifecycle_says_and_costs_what_it_should(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let dead = dead(&jobs, ONE_SHOT).await;
        let mut before = jobs.write_units();
        let mut units = || {
            let used = jobs.write_units() - before;
            before += used;
            used
        };
        let retried = changed(jobs.retry(&tenant(), dead.id, after(100)).await.unwrap());
        assert_eq!(retried, dead.redriven(after(100)).unwrap());
        assert_eq!(now_stored(&jobs, dead.id).await, retried);
        assert_eq!(units(), 4, "retry: the item, into the queue, from one list to another");
        let hurried = changed(jobs.run_now(&tenant(), dead.id, after(110)).await.unwrap());
        assert_eq!(hurried, retried.run_now(after(110)).unwrap());
        assert_eq!(units(), 3, "run now: the item, and its place in the queue moves");
        let again = changed(jobs.run_now(&tenant(), dead.id, after(120)).await.unwrap());
        assert_eq!(again, hurried.run_now(after(120)).unwrap());
        units();
        let claim = claimed(&jobs, dead.id, after(120)).await;
        assert_eq!(units(), 1);
        assert_eq!(write(&jobs, &claim.settle(ended(200), after(120))).await, Settled::Recorded);
        assert_eq!(units(), 4);
    }

    async fn a_claim_and_a_cancellation_are_what_the_lifecycle_says(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let waiting = stored(&jobs, ONE_SHOT).await;
        let cancelled = changed(jobs.cancel(&tenant(), waiting.id, after(1)).await.unwrap());
        assert_eq!(cancelled, waiting.cancelled(after(1)).unwrap());
        assert_eq!(now_stored(&jobs, waiting.id).await, cancelled);

        let due = stored(&jobs, ONE_SHOT).await;
        for (attempts, now) in [(1, after(2)), (2, after(100))] {
            assert!(now_stored(&jobs, due.id).await.claimable(now).is_ok());
            let claim = claimed(&jobs, due.id, now).await;
            let state = State::Firing { due_at: noon(), lease: due.lease(claim.lease().id, now) };
            assert_eq!(now_stored(&jobs, due.id).await, Job { attempts, state, updated_at: now, ..due.clone() });
        }
    }

    async fn a_recurring_job_costs_one_unit_more_to_create_and_nothing_more_later(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let mut before = 0;
        let mut units = || {
            let used = jobs.write_units() - before;
            before += used;
            used
        };
        let job = stored(&jobs, HOURLY).await;
        assert_eq!(units(), 4, "create: the item and three indexes");
        let claim = claimed(&jobs, job.id, noon()).await;
        assert_eq!(units(), 1);
        let settlement = claim.settle(ended(200), noon());
        jobs.put_successor(settlement.successor.as_ref().unwrap()).await.unwrap();
        assert_eq!(units(), 4);
        assert_eq!(jobs.settle(&settlement, WriteId::random()).await.unwrap(), Settled::Recorded);
        assert_eq!(units(), 4);
    }

    async fn only_the_tenants_own_dead_letter_is_retried_and_only_what_waits_is_run_now(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let other = TenantId::parse("other").unwrap();
        let dead = dead(&jobs, ONE_SHOT).await.id;
        let waiting = stored(&jobs, ONE_SHOT).await.id;
        assert_eq!(refused(&jobs, true, &other, dead, after(60)).await, None);
        assert_eq!(refused(&jobs, true, &tenant(), dead, after(40 * 86_400)).await, None, "it has expired");
        assert_eq!(refused(&jobs, true, &tenant(), JobId::random(), after(60)).await, None);
        assert_eq!(refused(&jobs, true, &tenant(), waiting, after(60)).await, Some(Status::Pending));
        assert_eq!(refused(&jobs, false, &other, waiting, after(60)).await, None);
        assert_eq!(refused(&jobs, false, &tenant(), JobId::random(), after(60)).await, None);
        assert_eq!(refused(&jobs, false, &tenant(), dead, after(60)).await, Some(Status::DeadLetter));
        let claim = claimed(&jobs, waiting, after(60)).await;
        for retry in [true, false] {
            assert_eq!(refused(&jobs, retry, &tenant(), waiting, after(60)).await, Some(Status::Firing));
        }
        assert_eq!(write(&jobs, &claim.settle(ended(200), after(60))).await, Settled::Recorded);
        for retry in [true, false] {
            assert_eq!(refused(&jobs, retry, &tenant(), waiting, after(60)).await, Some(Status::Done));
        }
    }

    async fn of_two_retries_one_wins_and_a_late_settlement_loses(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let id = stored(&jobs, ONE_SHOT).await.id;
        drop(claimed(&jobs, id, noon()).await);
        let late = claimed(&jobs, id, after(60)).await.settle(ended(200), after(61));
        let shared::store::Claimed::Exhausted(last) = jobs.claim(id, after(120)).await.unwrap() else { panic!("claimed") };
        assert_eq!(write(&jobs, &last.bury(after(120))).await, Settled::Recorded);
        let tenant = tenant();
        let (a, b) = tokio::join!(jobs.retry(&tenant, id, after(130)), jobs.retry(&tenant, id, after(130)));
        let won = [a.unwrap(), b.unwrap()];
        let count = won.iter().filter(|changed| matches!(changed, Changed::Changed(_))).count();
        assert_eq!(count, 1, "{won:?}");
        assert!(won.iter().any(|changed| matches!(changed, Changed::Not(Status::Pending))), "{won:?}");
        assert_eq!(write(&jobs, &late).await, Settled::LeaseLost);
        assert_eq!(now_stored(&jobs, id).await.attempts, 0);
    }

    async fn a_change_whose_answer_is_lost_is_not_a_lost_race(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let jobs = jobs(&store, &proxy.url()).await;
        let dead = dead(&jobs, ONE_SHOT).await;
        proxy.rule(operation("UpdateItem").with_text(":dead").nth(1), Fault::DropAnswer);
        let retried = changed(jobs.retry(&tenant(), dead.id, after(100)).await.unwrap());
        assert_eq!((retried.redrives, retried.state.status()), (1, Status::Pending));
        proxy.rule(operation("UpdateItem").with_text("runNowAt").nth(1), Fault::DropAnswer);
        let hurried = changed(jobs.run_now(&tenant(), dead.id, after(110)).await.unwrap());
        assert_eq!(hurried.run_now_at, Some(after(110)));
        assert_eq!(now_stored(&jobs, dead.id).await, hurried);
    }

    async fn cancelling_a_retried_occurrence_leaves_its_series_alone(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let first = dead(&jobs, &twice(HOURLY)).await;
        let next = SeriesId(first.id.0).occurrence(2);
        changed(jobs.retry(&tenant(), first.id, after(100)).await.unwrap());
        // Its poller dies over it: of any other occurrence, somebody may have put the next one meanwhile.
        drop(claimed(&jobs, first.id, after(100)).await);
        let failed = claimed(&jobs, first.id, after(200)).await.settle(ended(200), after(200));
        assert!(failed.successor.is_none());
        let again = claimed(&jobs, next, after(3_600)).await.settle(ended(200), after(3_600));
        let third = again.successor.clone().unwrap().id;
        assert_eq!(write(&jobs, &again).await, Settled::Recorded);
        assert_eq!(write(&jobs, &failed).await, Settled::Recorded);
        assert_eq!(now_stored(&jobs, third).await.state.status(), Status::Pending);

        let second = dead(&jobs, &twice(HOURLY)).await;
        changed(jobs.retry(&tenant(), second.id, after(100)).await.unwrap());
        changed(jobs.cancel(&tenant(), second.id, after(101)).await.unwrap());
        let next = SeriesId(second.id.0).occurrence(2);
        assert_eq!(now_stored(&jobs, next).await.state.status(), Status::Pending);
    }

    async fn cancelling_ends_the_series_past_an_occurrence_that_was_retried(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        // A poller died after the put of the second, and the first waits beside it.
        let first = stored(&jobs, &HOURLY.replacen('{', r#"{"maxRetries":3,"#, 1)).await;
        let second = claimed(&jobs, first.id, noon()).await.settle(ended(200), noon()).successor.unwrap();
        jobs.put_successor(&second).await.unwrap();
        for now in [after(3_600), after(3_660), after(3_780)] {
            let failed = claimed(&jobs, second.id, now).await.settle(ended(500), now);
            assert_eq!(write(&jobs, &failed).await, Settled::Recorded);
        }
        changed(jobs.retry(&tenant(), second.id, after(3_790)).await.unwrap());
        let again = claimed(&jobs, first.id, after(3_800)).await.settle(ended(500), after(3_800));
        assert_eq!(write(&jobs, &again).await, Settled::Recorded);
        changed(jobs.cancel(&tenant(), first.id, after(3_801)).await.unwrap());
        for number in [2, 3] {
            let job = now_stored(&jobs, SeriesId(first.id.0).occurrence(number)).await;
            assert_eq!(job.state.status(), Status::Cancelled, "{number}");
        }
    }

    async fn every_page_size_walks_a_series_exactly_once_in_both_directions(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        let first = stored(&jobs, HOURLY).await;
        let series = SeriesId(first.id.0);
        stored(&jobs, HOURLY).await;
        let mut job = first;
        for n in 0..11 {
            let now = after(n * 3_600);
            let settlement = claimed(&jobs, job.id, now).await.settle(ended(200), now);
            let next = settlement.successor.clone().unwrap();
            assert_eq!(write(&jobs, &settlement).await, Settled::Recorded);
            job = next;
        }
        for (order, limit) in [Order::Ascending, Order::Descending].into_iter().flat_map(|o| (1..=13).map(move |l| (o, l))) {
            let mut query = all_of(series, order, limit);
            let mut walked = Vec::new();
            loop {
                let page = jobs.list(&query, noon()).await.unwrap();
                assert!(!page.jobs.is_empty() && page.jobs.len() <= limit);
                walked.extend(page.jobs.iter().filter_map(|job| Some(job.occurrence?.number)));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            if order == Order::Descending {
                walked.reverse();
            }
            assert_eq!(walked, (1..=12).collect::<Vec<u32>>(), "{order:?} by {limit}");
        }
        let listed = async |query: ListQuery| {
            let page = jobs.list(&query, noon()).await.unwrap();
            page.jobs.iter().filter_map(|job| Some(job.occurrence?.number)).collect::<Vec<_>>()
        };
        let all = || all_of(series, Order::Ascending, 50);
        assert_eq!(listed(ListQuery { status: Some(Status::Pending), ..all() }).await, [12]);
        assert_eq!(listed(ListQuery { from: Some(after(3_600)), to: Some(after(3 * 3_600)), ..all() }).await, [2, 3]);
        let other = TenantId::parse("other").unwrap();
        assert_eq!(listed(ListQuery { tenant: other, ..all() }).await, [] as [u32; 0]);
    }

    async fn jobs_are_counted_by_list_and_planned_instant(store: Store) {
        let jobs = jobs(&store, store.endpoint()).await;
        for n in 0..5 {
            let body = format!(r#"{{"callbackUrl":"https://example.com/","delaySeconds":{n}}}"#);
            let job = stored(&jobs, &body).await;
            if n == 2 {
                changed(jobs.cancel(&tenant(), job.id, noon()).await.unwrap());
            }
        }
        let count = async |status, from: Option<i64>, to: Option<i64>| {
            let counted = jobs.count(&tenant(), status, from.map(after), to.map(after)).await.unwrap();
            assert!(counted.is_exact);
            counted.jobs
        };
        assert_eq!(count(Status::Pending, None, None).await, 4);
        assert_eq!(count(Status::Cancelled, None, None).await, 1);
        assert_eq!(count(Status::Pending, Some(1), Some(4)).await, 2, "from is counted, to is not");
        assert_eq!(count(Status::Pending, Some(4), Some(1)).await, 0);
        let other = TenantId::parse("other").unwrap();
        let none = Count { jobs: 0, is_exact: true };
        assert_eq!(jobs.count(&other, Status::Pending, None, None).await.unwrap(), none);
    }

    async fn told_outcomes_add_up_by_tenant_hour_and_host(store: Store) {
        // Ahead of the system's clock, by which DynamoDB Local removes what has expired.
        let at = |text: &str| Hour::of(parse_instant(text).unwrap());
        let (ten, eleven, noon) = (at("2126-03-28T10:00:00Z"), at("2126-03-28T11:00:00Z"), at("2126-03-28T12:00:00Z"));
        let usage = jobs(&store, store.endpoint()).await.usage();
        let mut told = Outcomes { delivered: 3, failed: 2, dead_lettered: 1, ..Outcomes::default() };
        told.lateness[0] = 4;
        told.answers[9] = 5;
        let other = TenantId::parse("acme-2").unwrap();
        for (tenant, hour) in [(&tenant(), eleven), (&tenant(), eleven), (&tenant(), ten), (&other, ten)] {
            usage.add_outcomes(tenant, hour, &told).await.unwrap();
            usage.add_failures(tenant, hour, "a.example:443", 2).await.unwrap();
        }
        usage.add_failures(&tenant(), noon, "b.example:80", 7).await.unwrap();
        usage.add_outcomes(&tenant(), noon, &told).await.unwrap();
        usage.add_outcomes(&tenant(), noon.next(), &Outcomes::default()).await.unwrap();
        let after_noon = usage.hours(&tenant(), noon.next(), noon.next().next()).await.unwrap();
        assert!(after_noon.is_empty(), "nothing is no write");

        let hours = usage.hours(&tenant(), ten, noon).await.unwrap();
        let mut doubled = told;
        doubled.add(&told);
        let read: Vec<_> = hours.into_iter().map(|(hour, use_of)| (hour, use_of.outcomes)).collect();
        assert_eq!(read, [(ten, told), (eleven, doubled)]);
        let hosts = usage.failing_hosts(&tenant(), ten, noon).await.unwrap();
        assert_eq!(hosts.into_iter().collect::<Vec<_>>(), [("a.example:443".to_owned(), 6)]);
        assert_eq!(usage.failing_hosts(&tenant(), noon, noon.next()).await.unwrap()["b.example:80"], 7);
    }
}

#[tokio::test]
async fn a_count_stops_at_its_bound_and_says_so() {
    let store = Store::start(StoreKind::Embedded).await;
    let jobs = jobs(&store, store.endpoint()).await;
    let table = TableNames::with_prefix(store.table_prefix()).jobs;
    let put = |n: u32| {
        let put = ["id", "tenantStatus", "plannedAtId"].into_iter().zip([
            format!("{n}"),
            "acme#Done".to_owned(),
            format!("2026-06-01T12:00:00.000Z#{n:05}"),
        ]);
        let put = put.fold(PutRequest::builder(), |put, (name, value)| put.item(name, AttributeValue::S(value)));
        WriteRequest::builder().put_request(put.build().unwrap()).build()
    };
    let numbers: Vec<u32> = (0..LARGEST_COUNT).collect();
    for some in numbers.chunks(25) {
        let written = store.client().batch_write_item().request_items(&table, some.iter().map(|n| put(*n)).collect());
        assert!(written.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
    }
    let count = async || jobs.count(&tenant(), Status::Done, None, None).await.unwrap();
    assert_eq!(count().await, Count { jobs: LARGEST_COUNT, is_exact: true });
    store.client().batch_write_item().request_items(&table, vec![put(LARGEST_COUNT)]).send().await.unwrap();
    assert_eq!(count().await, Count { jobs: LARGEST_COUNT, is_exact: false });
}

#[tokio::test]
async fn a_store_of_an_earlier_version_gets_the_index_that_it_lacks() {
    // The one that keeps its data in a file of the user's.
    let store = Store::start(StoreKind::Embedded).await;
    let client = store.client();
    let names = TableNames::with_prefix(store.table_prefix());
    table::create_missing(&client, &names).await.unwrap();
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(SERIES_INDEX).build().unwrap();
    let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
    client.update_table().table_name(&names.jobs).global_secondary_index_updates(update).send().await.unwrap();
    let indexes = async || {
        let table = client.describe_table().table_name(&names.jobs).send().await.unwrap().table.unwrap();
        table.global_secondary_indexes.unwrap_or_default().len()
    };
    until_some("the index is gone", async || (indexes().await == 2).then_some(())).await;
    let old = Jobs::new(client.clone(), names.clone(), 16);
    let first = stored(&old, HOURLY).await;

    table::create_missing(&client, &names).await.unwrap();
    assert_eq!(indexes().await, 3);
    let query = all_of(SeriesId(first.id.0), Order::Ascending, 50);
    let listed = until_some("the index holds what was there before", async || {
        let page = old.list(&query, noon()).await.ok()?;
        (!page.jobs.is_empty()).then_some(page.jobs)
    });
    assert_eq!(listed.await, [first]);
}
