//! The network between the program and its store at its worst: answers get lost, writes arrive after their time, or
//! nothing works at all.
//! The program is never told; it has to find out. Neighbours: `crash` kills it instead, `support::chaos_proxy` is the network.

use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;

use crate::on_both_stores;
use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::{ChaosProxy, Fault, Seen, any_operation, operation};
use crate::support::conversation::id;
use crate::support::receiver::answer;

on_both_stores! {
    async fn no_answer_of_the_store_that_gets_lost_loses_or_doubles_a_job(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        let claims = proxy.rule(operation("UpdateItem").with_text(":firing").nth(1), Fault::DropAnswer);
        let settles = proxy.rule(operation("UpdateItem").with_text("#Done").nth(1), Fault::DropAnswer);
        let puts = proxy.rule(operation("PutItem"), Fault::DropAnswer);
        let creating = app.post_job(a_job().to(&app.receiver.url("/hook")).every(600));
        let healing = async {
            puts.struck(1).await;
            puts.withdraw();
        };
        let (created, ()) = tokio::join!(creating, healing);
        created.created();

        app.advance_to("2026-03-28T12:30:30Z").await;
        assert_eq!((claims.times_struck(), settles.times_struck()), (1, 1));
        assert_eq!(app.receiver.calls("/hook").len(), 4);
        app.check().await;
    }

    async fn an_outcome_that_the_store_does_not_take_at_once_costs_no_second_call(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        // One more than the SDK tries: refused, and carried out without an answer.
        for (fault, now) in [(Fault::throttled(), "2026-03-28T12:01:00Z"), (Fault::DropAnswer, "2026-03-28T12:02:00Z")] {
            let job = app.post_job(a_job().to(&app.receiver.url("/hook")).in_seconds(30)).await.created();
            let settles = proxy.rule(operation("UpdateItem").with_text("#Done"), fault);
            let healing = async {
                settles.struck(5).await;
                settles.withdraw();
            };
            let (walked, ()) = tokio::join!(app.advance_to(now), healing);
            assert_eq!(walked["delivered"], 1, "{walked}");
            let done = app.job(id(&job)).await;
            assert_eq!((&done["status"], &done["attempts"]), (&json!("Done"), &json!(1)));
        }
        assert_eq!(app.receiver.calls("/hook").len(), 2);
        app.check().await;
    }

    async fn a_write_of_a_dead_program_that_arrives_late_changes_nothing(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let mut app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        let job = app.post_job(a_job().to(&app.receiver.url("/hook")).every(3600).times(2)).await.created();
        let settle = proxy.rule(operation("UpdateItem").nth(2), Fault::HoldRequest);
        let request = app.request(http::Method::PUT, "/dev/clock");
        let walking = tokio::spawn(request.body(json!({ "nowUtc": "2026-03-28T12:01:00Z" }).to_string()).send());
        settle.struck(1).await;
        app.kill9().await;
        assert!(walking.await.unwrap().is_err());

        app.restart_at("2026-03-28T12:01:00Z").await;
        app.receiver.script("/hook", [answer(500)]);
        app.advance_to("2026-03-28T12:04:00Z").await;
        let before = app.job(id(&job)).await;
        assert_eq!(before["status"], "Pending", "the second attempt failed");
        let answered = proxy.seen().iter().filter(|seen| seen.outcome.is_some()).count();
        settle.release();
        let arrived = |seen: &[Seen]| seen.iter().filter(|seen| seen.outcome.is_some()).count() > answered;
        proxy.wait_until("the late write to be answered", arrived).await;
        assert_eq!(app.job(id(&job)).await, before);

        app.receiver.script("/hook", [answer(200)]);
        app.advance_to("2026-03-28T15:00:00Z").await;
        assert_eq!(app.job(id(&job)).await["status"], "Done");
        app.check().await;
    }

    async fn while_the_store_fails_the_api_says_so_and_when_to_try_again(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        let job = app.post_job(a_job().to(&app.receiver.url("/hook")).in_seconds(30)).await.created();
        let path = format!("/scheduled-jobs/{}", id(&job));
        let ill = proxy.rule(any_operation(), Fault::internal_error());
        let known = [
            app.post_job(a_job()).boxed(),
            app.get("/scheduled-jobs").boxed(),
            app.get(&path).boxed(),
            app.delete(&path).boxed(),
        ];
        // One whose token would have to be looked up first.
        let stranger = app.with_token("never seen before");
        let answers = join_all(known.into_iter().chain([stranger.get("/scheduled-jobs").boxed()])).await;
        for answer in &answers {
            assert_eq!(answer.problem(503).header("retry-after"), Some("5"));
        }
        app.get("/healthz").await.ok();
        assert!(ill.times_struck() >= answers.len());

        proxy.heal();
        assert_eq!(app.all_pages("").await, [job], "nothing was made, nothing cancelled");
        app.advance_to("2026-03-28T12:01:00Z").await;
        assert_eq!(app.receiver.calls("/hook").len(), 1);
        app.check().await;
    }

    async fn a_store_that_fails_during_a_poll_loses_nothing(place: Store) {
        let proxy = ChaosProxy::before(place.endpoint()).await;
        let app = App::dev().on_through(&place, &proxy.url()).now("2026-03-28T12:00:00Z").start().await;
        let job = app.post_job(a_job().to(&app.receiver.url("/hook")).every(3600).times(2)).await.created();

        proxy.rule(operation("UpdateItem").with_text(":firing"), Fault::internal_error());
        let walked = app.advance_to("2026-03-28T12:01:00Z").await;
        assert_eq!((&walked["ticks"], &walked["delivered"], &walked["failed"]), (&json!(1), &json!(0), &json!(0)));
        assert!(app.receiver.all_calls().is_empty(), "not claimed, not called");
        let waiting = app.job(id(&job)).await;
        assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("Pending"), &json!(0)));
        app.wait_for_output("the next tick goes on").await;

        // Neither the next occurrence nor the outcome can be recorded for longer than a poller tries: the lease runs out,
        // and it is delivered again.
        proxy.heal();
        proxy.rule(operation("PutItem"), Fault::throttled());
        app.advance_to("2026-03-28T12:02:00Z").await;
        assert_eq!(app.receiver.calls("/hook").len(), 1);
        assert_eq!(app.job(id(&job)).await["status"], "Firing");
        proxy.heal();
        proxy.rule(operation("UpdateItem").with_text("\":lease\":"), Fault::throttled());
        app.advance_to("2026-03-28T12:03:00Z").await;
        assert_eq!(app.receiver.calls("/hook").len(), 2);

        proxy.heal();
        app.advance_to("2026-03-28T14:00:00Z").await;
        let done = app.job(id(&job)).await;
        assert_eq!((&done["status"], &done["attempts"]), (&json!("Done"), &json!(3)));
        assert_eq!(app.receiver.calls("/hook").len(), 4, "three times the first, once the second");
        app.check().await;
    }
}
