//! The tenants table, on both stores: two who change a tenant at once, an answer lost on the way, reads that are up to date.
//! Never through the program; `cli` and `tenants` have that. Neighbour: `support::chaos_proxy` is between.

use shared::clock::Clock;
use shared::ids::TenantId;
use shared::store::local_client;
use shared::store::table::{self, TableNames};
use shared::store::tenants::Tenants;
use shared::token::{Scope, TokenRecord, prefix};

use crate::on_both_stores;
use crate::store::tenant;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::stores::Store;

const TOKEN: &str = "sch_testing_a-token-of-the-tenant-acme";

/// The tenants of a store, reached through `endpoint`.
async fn tenants(store: &Store, endpoint: &str) -> Tenants {
    let names = TableNames::with_prefix(store.table_prefix());
    table::create_missing(&store.client(), &names).await.unwrap();
    Tenants::new(local_client(endpoint), &names)
}

async fn secrets(tenants: &Tenants) -> Vec<String> {
    tenants.signing_secrets(&tenant()).await.unwrap().secrets
}

async fn rotate(tenants: &Tenants, secret: &str) {
    tenants.rotate_secret(&tenant(), secret.to_owned()).await.unwrap();
}

on_both_stores! {
    async fn of_two_rotations_at_once_neither_loses_the_others_secret(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let (slow, quick) = (tenants(&store, &proxy.url()).await, tenants(&store, store.endpoint()).await);
        quick.set_secret(&tenant(), "original".to_owned()).await.unwrap();
        let held = proxy.rule(operation("PutItem").nth(1), Fault::HoldRequest);
        let meanwhile = async {
            held.struck(1).await;
            rotate(&quick, "of the quick one").await;
            held.release();
        };
        tokio::join!(rotate(&slow, "of the slow one"), meanwhile);
        assert_eq!(secrets(&quick).await, ["of the slow one", "of the quick one"]);
    }

    async fn what_is_turned_on_while_a_secret_is_set_stays_on(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let (slow, quick) = (tenants(&store, &proxy.url()).await, tenants(&store, store.endpoint()).await);
        let held = proxy.rule(operation("PutItem").nth(1), Fault::HoldRequest);
        let tenant = tenant();
        let meanwhile = async {
            held.struck(1).await;
            assert!(!quick.set_standard_webhooks(&tenant, true).await.unwrap(), "there is no secret yet");
            held.release();
        };
        let (set, ()) = tokio::join!(slow.set_secret(&tenant, "the first".to_owned()), meanwhile);
        set.unwrap();
        let stored = quick.signing_secrets(&tenant).await.unwrap();
        assert!(stored.secrets == ["the first"] && stored.standard_webhooks);
    }

    async fn a_rotation_whose_answer_is_lost_is_made_once(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let tenants = tenants(&store, &proxy.url()).await;
        tenants.set_secret(&tenant(), "the old one".to_owned()).await.unwrap();
        let lost = proxy.rule(operation("PutItem").nth(1), Fault::DropAnswer);
        rotate(&tenants, "the new one").await;
        assert_eq!(lost.times_struck(), 1);
        assert_eq!(secrets(&tenants).await, ["the new one", "the old one"]);
        proxy.rule(operation("PutItem").nth(1), Fault::DropAnswer);
        assert!(tenants.retire_secret(&tenant()).await.unwrap(), "it was under way");
        assert_eq!(secrets(&tenants).await, ["the new one"]);
        assert!(!tenants.retire_secret(&tenant()).await.unwrap());
    }

    async fn a_tenant_that_others_never_cease_to_change_is_left_as_it_is_with_an_error(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let tenants = tenants(&store, &proxy.url()).await;
        tenants.set_secret(&tenant(), "the old one".to_owned()).await.unwrap();
        let error = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        proxy.rule(operation("PutItem"), Fault::FailWith { status: 400, error });
        let error = tenants.rotate_secret(&tenant(), "the new one".to_owned()).await.unwrap_err().to_string();
        assert!(error.contains("rotating a signing secret") && error.contains("try again"), "{error}");
        assert_eq!(secrets(&tenants).await, ["the old one"]);
    }

    async fn tokens_and_secrets_are_read_as_they_are_this_moment(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let tenants = tenants(&store, &proxy.url()).await;
        let acme = TenantId::parse("acme").unwrap();
        let record = TokenRecord::new(TOKEN, acme, vec![Scope::Read], None, Clock::System.now());
        tenants.put_token(record.clone()).await.unwrap();
        assert_eq!(tenants.token(&prefix(TOKEN)).await.unwrap(), Some(record));
        rotate(&tenants, "the first").await;
        assert_eq!(secrets(&tenants).await, ["the first"]);
        let reads: Vec<_> = proxy.seen().into_iter().filter(|seen| seen.operation == "GetItem").collect();
        assert_eq!(reads.len(), 3);
        assert!(reads.iter().all(|seen| seen.body["ConsistentRead"] == true), "{reads:?}");
    }
}
