//! What DynamoDB leaves unread of a batch, on both stores: it is asked for again, though not for ever.
//! It never makes a store slow; a proxy answers in its place. Neighbours: `store` and `changes` test the transitions.

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::store::{ListQuery, Order, Page, Store as Jobs, StoreError};
use tokio::time::timeout;

use crate::on_both_stores;
use crate::store::{ONE_SHOT, jobs, noon, stored, tenant};
use crate::support::chaos_proxy::{ChaosProxy, Fault, Seen, operation};
use crate::support::waiting::PATIENCE;

async fn listed(jobs: &Jobs) -> Result<Page, StoreError> {
    let (from, to) = (None::<Timestamp>, None);
    let all = ListQuery {
        tenant: tenant(),
        status: None,
        series: None,
        from,
        to,
        limit: 50,
        order: Order::Ascending,
        after: None,
    };
    timeout(PATIENCE, jobs.list(&all, noon())).await.expect("an end of the repetitions")
}

fn ids(page: &Page) -> Vec<String> {
    page.jobs.iter().map(|job| job.id.to_string()).collect()
}

/// The batches that were asked for so far.
fn batches(proxy: &ChaosProxy) -> Vec<Seen> {
    proxy.seen().into_iter().filter(|seen| seen.operation == "BatchGetItem").collect()
}

/// How many keys each of the last three named.
fn keys_of_the_last_three(proxy: &ChaosProxy) -> Vec<usize> {
    let count = |seen: &Seen| {
        let tables = seen.body["RequestItems"].as_object().unwrap().values();
        tables.map(|table| table["Keys"].as_array().unwrap().len()).sum()
    };
    batches(proxy).iter().rev().take(3).rev().map(count).collect()
}

/// What the store answered to the last batch, but with these items alone and the others left unread.
fn answered_in_part(proxy: &ChaosProxy, processed: usize) -> Value {
    let last = batches(proxy).pop().unwrap();
    let (_, whole) = last.outcome.unwrap().stored.unwrap();
    let (table, items) = whole["Responses"].as_object().unwrap().iter().next().unwrap();
    let (read, left) = items.as_array().unwrap().split_at(processed);
    let keys: Vec<Value> = left.iter().map(|item| json!({ "id": item["id"] })).collect();
    json!({ "Responses": { table: read }, "UnprocessedKeys": { table: { "Keys": keys, "ConsistentRead": true } } })
}

on_both_stores! {
    async fn what_an_answer_leaves_unread_is_asked_for_again(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let jobs = jobs(&store, &proxy.url()).await;
        for _ in 0..3 {
            stored(&jobs, ONE_SHOT).await;
        }
        let whole = ids(&listed(&jobs).await.unwrap());
        assert_eq!(whole.len(), 3);
        let first = answered_in_part(&proxy, 1);
        let mut second = first.clone();
        second["Responses"] = json!({});
        proxy.rule(operation("BatchGetItem").nth(1), Fault::AnswerWith(first));
        proxy.rule(operation("BatchGetItem").nth(2), Fault::AnswerWith(second));
        assert_eq!(ids(&listed(&jobs).await.unwrap()), whole);
        assert_eq!(keys_of_the_last_three(&proxy), [3, 2, 2], "what was read is not read again");
    }

    async fn a_table_that_leaves_everything_unread_fails_and_says_at_what(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let jobs = jobs(&store, &proxy.url()).await;
        stored(&jobs, ONE_SHOT).await;
        listed(&jobs).await.unwrap();
        let throttling = proxy.rule(operation("BatchGetItem"), Fault::AnswerWith(answered_in_part(&proxy, 0)));
        let error = listed(&jobs).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable { doing, .. } if doing == "reading a page of jobs"), "{error}");
        assert_eq!(throttling.times_struck(), 6);
        throttling.withdraw();
        assert_eq!(listed(&jobs).await.unwrap().jobs.len(), 1);
    }
}
