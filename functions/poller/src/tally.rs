//! What a tick counts while it runs, and the summary that an invocation answers and logs.
//! It never decides anything. Neighbours: `tick` and `fire` count, `metrics` publishes.

use std::fmt::Display;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use shared::clock::Timestamp;
use shared::lifecycle::Lost;
use shared::store::Due;

use crate::fire::Fired;
use crate::metrics::Histogram;

/// What one tick did. Also what an invocation answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Suggestions of the index.
    pub due_seen: u64,
    pub claimed: u64,
    pub delivered: u64,
    pub retried: u64,
    pub dead_lettered: u64,
    /// Claims that another poller, a cancellation or a stale index made void.
    pub claims_lost: u64,
    /// Outcomes that came after the lease: those jobs are delivered again.
    pub leases_lost: u64,
    /// Suggestions left for a later tick.
    pub left: u64,
    /// Calls of the store that failed, and jobs that could not even be tried.
    pub store_failures: u64,
    /// Other pollers that were handed a slice of the shards.
    pub workers: u64,
    /// How late the job that waited longest was when it was seen.
    pub oldest_due_ms: i64,
    /// From the instant that a job was due to its claim.
    #[serde(skip)]
    pub lateness: Histogram,
    /// How long the attempts took.
    #[serde(skip)]
    pub attempts: Histogram,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    due_seen: AtomicU64,
    claimed: AtomicU64,
    delivered: AtomicU64,
    retried: AtomicU64,
    dead_lettered: AtomicU64,
    claims_lost: AtomicU64,
    leases_lost: AtomicU64,
    left: AtomicU64,
    store_failures: AtomicU64,
    oldest_due_ms: AtomicI64,
    lateness: Mutex<Histogram>,
    attempts: Mutex<Histogram>,
}

impl Tally {
    pub(crate) fn note_seen(&self, due: &Due, now: Timestamp) {
        self.due_seen.fetch_add(1, Ordering::Relaxed);
        self.oldest_due_ms.fetch_max((now - due.due_at).num_milliseconds(), Ordering::Relaxed);
    }

    pub(crate) fn note_left(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// A claim that held, of a job that was due so long ago.
    pub(crate) fn note_claimed(&self, lateness: Duration) {
        self.claimed.fetch_add(1, Ordering::Relaxed);
        record(&self.lateness, lateness);
    }

    pub(crate) fn note_attempt(&self, duration: Duration) {
        record(&self.attempts, duration);
    }

    pub(crate) fn note(&self, fired: Fired) {
        let counter = match fired {
            Fired::Delivered => &self.delivered,
            Fired::Retried => &self.retried,
            Fired::DeadLettered => &self.dead_lettered,
            Fired::Lost(Lost::Leased | Lost::NotDue | Lost::Ended | Lost::Gone) => &self.claims_lost,
            Fired::LeaseLost => &self.leases_lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_failure(&self, error: &impl Display) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "{error}; the next tick goes on");
    }

    pub(crate) fn summary(&self) -> Summary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let copy = |histogram: &Mutex<Histogram>| histogram.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Summary {
            due_seen: read(&self.due_seen),
            claimed: read(&self.claimed),
            delivered: read(&self.delivered),
            retried: read(&self.retried),
            dead_lettered: read(&self.dead_lettered),
            claims_lost: read(&self.claims_lost),
            leases_lost: read(&self.leases_lost),
            left: read(&self.left),
            store_failures: read(&self.store_failures),
            workers: 0,
            oldest_due_ms: self.oldest_due_ms.load(Ordering::Relaxed),
            lateness: copy(&self.lateness),
            attempts: copy(&self.attempts),
        }
    }
}

fn record(histogram: &Mutex<Histogram>, duration: Duration) {
    histogram.lock().unwrap_or_else(PoisonError::into_inner).record(duration);
}
