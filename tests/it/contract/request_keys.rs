//! CONTRACT §4, `Idempotency-Key`: two requests with one key that are really there at once.
//! It never looks at one after the other; `create` does. Neighbour: `support::chaos_proxy` keeps both in suspense.

use http::Method;
use serde_json::Value;

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, operation};
use crate::support::conversation::{Answer, id};

async fn post(app: &App, key: &str, body: &Value) -> Answer {
    let request = app.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", key);
    app.send(request.header("content-type", "application/json").body(body.to_string())).await
}

crate::on_both_stores! {
    async fn of_two_posts_with_one_key_at_once_one_creates_the_job_and_both_show_it(store: Store) {
        let proxy = ChaosProxy::before(store.endpoint()).await;
        let app = App::dev().now("2026-03-28T12:00:00Z").on_through(&store, &proxy.url()).start().await;
        for (key, payload) in [("small", "x".repeat(10)), ("kept-apart", "x".repeat(3_000))] {
            let body: Value = a_job().in_seconds(3_600).payload(payload.into()).into();
            // Both are past whatever they read before they write the job.
            let both = proxy.rule(operation("PutItem").with_text("attribute_not_exists(id)"), Fault::HoldRequest);
            let release = async {
                both.struck(2).await;
                both.withdraw();
            };
            let (one, other, ()) = tokio::join!(post(&app, key, &body), post(&app, key, &body), release);
            let mut statuses = [one.status, other.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 201], "{key}: {one:?} {other:?}");
            assert_eq!(one.body, other.body, "{key}");
            assert_eq!(app.job(id(&one.body)).await["payload"], body["payload"], "{key}");
        }
        assert_eq!(app.all_pages("").await.len(), 2);
        app.check().await;
    }
}
