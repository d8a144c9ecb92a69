//! `/dev/clock`: tells the time and, on a virtual clock, walks it forward with the real poller at every tick that
//! has something to do. It never moves the clock back. Neighbours: `poller` runs the ticks, `dev` mounts the routes.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::DateTime;
use poller::{Poller, Window};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::clock::{Clock, Timestamp, VirtualClock, format_instant, parse_instant};
use shared::store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::in_words;

/// What a walk needs.
#[derive(Debug)]
pub(crate) struct TimeTravel {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) poller: Arc<Poller>,
    pub(crate) interval_millis: i64,
    /// Closed when the program stops: a walk under way ends where it is.
    pub(crate) window: Window,
    pub(crate) tasks: TaskTracker,
    /// One walk at a time.
    pub(crate) walking: Mutex<()>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    now_utc: String,
}

/// What a walk did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Walked {
    now_utc: String,
    ticks: u64,
    delivered: u64,
    failed: u64,
}

#[derive(Debug)]
enum NotWalked {
    Backwards { now: Timestamp },
    Store(StoreError),
    Stopping,
}

pub(crate) fn router(travel: Arc<TimeTravel>) -> Router {
    Router::new().route("/dev/clock", get(show).put(set)).with_state(travel)
}

async fn show(State(travel): State<Arc<TimeTravel>>) -> Response {
    Json(json!({ "nowUtc": format_instant(travel.clock.now()) })).into_response()
}

async fn set(State(travel): State<Arc<TimeTravel>>, body: Bytes) -> Response {
    let Clock::Virtual(hands) = travel.clock.clone() else {
        return problem(StatusCode::CONFLICT, "this clock is the system's: start with --now to move it");
    };
    let wish = serde_json::from_slice(&body).ok().and_then(|wish: Wish| parse_instant(&wish.now_utc));
    let Some(to) = wish else {
        return problem(StatusCode::BAD_REQUEST, "expected {\"nowUtc\": \"2026-03-30T00:00:00Z\"}");
    };
    // A task of its own: a walk goes on when the client that asked for it is gone.
    let tasks = travel.tasks.clone();
    let walk = tasks.spawn(async move { travel.walk(&hands, to).await });
    match walk.await {
        Ok(Ok(walked)) => Json(walked).into_response(),
        Ok(Err(NotWalked::Backwards { now })) => {
            let detail = format!("the clock stands at {} and only moves forward", format_instant(now));
            problem(StatusCode::BAD_REQUEST, &detail)
        }
        Ok(Err(NotWalked::Store(error))) => problem(StatusCode::SERVICE_UNAVAILABLE, &in_words(&error)),
        Ok(Err(NotWalked::Stopping)) => problem(StatusCode::SERVICE_UNAVAILABLE, "the program is stopping"),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("the walk broke off: {error}")),
    }
}

impl TimeTravel {
    async fn walk(&self, hands: &VirtualClock, to: Timestamp) -> Result<Walked, NotWalked> {
        let _turn = self.walking.lock().await;
        let from = hands.now();
        if to < from {
            return Err(NotWalked::Backwards { now: from });
        }
        let mut walked = Walked { now_utc: format_instant(to), ticks: 0, delivered: 0, failed: 0 };
        while let Some(due) = self.store.earliest_due().await.map_err(NotWalked::Store)? {
            let tick = next_tick(hands.now().timestamp_millis(), due.timestamp_millis(), self.interval_millis);
            let Some(tick) = DateTime::from_timestamp_millis(tick).filter(|tick| *tick <= to) else { break };
            hands.set(tick);
            let summary = self.poller.tick(&self.window).await;
            if !self.window.is_open() {
                return Err(NotWalked::Stopping);
            }
            walked.ticks += 1;
            walked.delivered += summary.delivered;
            walked.failed += summary.retried + summary.dead_lettered;
        }
        hands.set(to);
        Ok(walked)
    }
}

/// The first whole multiple of `interval` that is after `now` and not before `due`, all in milliseconds.
fn next_tick(now: i64, due: i64, interval: i64) -> i64 {
    let earliest = due.max(now.saturating_add(1));
    let interval = interval.max(1);
    match earliest.rem_euclid(interval) {
        0 => earliest,
        past => earliest.saturating_add(interval - past),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::next_tick;

    #[test]
    fn the_next_tick_is_a_whole_multiple_after_now_and_not_before_what_is_due() {
        for (now, due, expected) in [
            (0, 60, 60),
            (0, 61, 120),
            (0, 59, 60),
            // Overdue: the next tick, never the one the clock stands at.
            (60, 10, 120),
            (60, 60, 120),
            (61, 10, 120),
            (119, 10, 120),
            // Nothing for long: straight there.
            (60, 599, 600),
            // Before the epoch.
            (-150, -130, -120),
            (-60, -60, 0),
        ] {
            assert_eq!(next_tick(now, due, 60), expected, "from {now}, due {due}");
        }
    }

    #[test]
    fn at_the_end_of_time_it_stays_in_range() {
        assert_eq!(next_tick(i64::MAX, 0, 60), i64::MAX);
    }
}
