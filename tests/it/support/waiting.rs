//! Waiting for a condition, with a deadline: what tests do instead of sleeping.
//! It never waits for time to pass as such. Neighbours: everything in `support` that has a log keeps it in a
//! `watch` channel, so that the log is also what tests wait on.

use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a test waits for what must happen, before it fails. Generous: only a failing test ever waits it out.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds of what is watched; panics with both when it does not in time.
pub async fn until<T: Debug>(what: &str, watched: &watch::Sender<T>, condition: impl FnMut(&T) -> bool) {
    until_within(PATIENCE, what, watched, condition).await;
}

/// The same for what takes longer by its nature.
pub async fn until_within<T: Debug>(
    patience: Duration,
    what: &str,
    watched: &watch::Sender<T>,
    condition: impl FnMut(&T) -> bool,
) {
    let mut changes = watched.subscribe();
    let outcome = timeout(patience, changes.wait_for(condition)).await.map(|found| found.is_ok());
    assert!(matches!(outcome, Ok(true)), "waited {patience:?} for {what}; it stands at {:#?}", *watched.borrow());
}

/// Asks again and again until there is an answer; for what cannot announce itself, such as a port that opens.
pub async fn until_some<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut pace = interval(Duration::from_millis(20));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    match timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// Lets time pass. Only for what is made to be late: a test waits for a condition.
#[expect(clippy::disallowed_methods, reason = "the fault is that time passes")]
pub async fn later(delay: Duration) {
    tokio::time::sleep(delay).await;
}
