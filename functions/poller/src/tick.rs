//! One invocation: read what the index suggests, page by page, and fire it with bounded concurrency.
//! It never collects the queue: memory is the same for a thousand due jobs and for a million.
//! Neighbours: `fire` for each job, `hosts` for whose turn it is.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use shared::clock::{Stopwatch, Timestamp};
use shared::lifecycle::Lost;
use shared::store::{Due, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinSet};

use crate::Poller;
use crate::fire::Fired;
use crate::hosts::Place;

/// How long to wait for room in the line of a host before its jobs are left to the next tick.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time in which new jobs may be taken. What is in flight when it closes is finished.
#[derive(Clone, Debug)]
pub struct Window {
    watch: Stopwatch,
    length: Option<Duration>,
    closed: Arc<AtomicBool>,
}

/// What one tick did. Also what an invocation answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    pub store_failures: u64,
    /// How late the job that waited longest was when it was seen.
    pub oldest_due_ms: i64,
}

#[derive(Debug, Default)]
struct Tally {
    due_seen: AtomicU64,
    delivered: AtomicU64,
    retried: AtomicU64,
    dead_lettered: AtomicU64,
    claims_lost: AtomicU64,
    leases_lost: AtomicU64,
    left: AtomicU64,
    store_failures: AtomicU64,
    oldest_due_ms: AtomicI64,
}

impl Window {
    /// Open until [`Window::close`].
    #[must_use]
    pub fn open() -> Self {
        Self { watch: Stopwatch::start(), length: None, closed: Arc::default() }
    }

    /// Open for `length` from now.
    #[must_use]
    pub fn lasting(length: Duration) -> Self {
        Self { length: Some(length), ..Self::open() }
    }

    /// Takes effect on all clones.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst) && self.length.is_none_or(|length| self.watch.elapsed() < length)
    }
}

impl Poller {
    /// Takes what is due while `window` is open, waits for what is in flight, and reports.
    /// A failing store is in the report: the jobs stay as they are, and the next tick goes on.
    pub async fn tick(self: &Arc<Self>, window: &Window) -> Summary {
        let now = self.clock.now();
        let tally = Arc::new(Tally::default());
        let mut running = JoinSet::new();
        let mut slow_hosts = HashSet::new();
        let mut suggestions = pin!(self.suggestions(now));
        while let Some(suggestion) = suggestions.next().await {
            while let Some(ended) = running.try_join_next() {
                note_end(ended);
            }
            if !window.is_open() {
                break;
            }
            let due = match suggestion {
                Ok(due) => due,
                Err(error) => {
                    tally.note_failure(&error);
                    continue;
                }
            };
            tally.note_seen(&due, now);
            let Some(due) = self.take(due, &mut slow_hosts, &tally).await else { continue };
            let Ok(permit) = self.in_flight.clone().acquire_owned().await else { break };
            let (poller, window, tally) = (self.clone(), window.clone(), tally.clone());
            running.spawn(async move { poller.work(due, permit, &window, &tally).await });
        }
        while let Some(ended) = running.join_next().await {
            note_end(ended);
        }
        let summary = tally.summary();
        tracing::info!(summary = ?summary, "tick at {now}: {} due, {} delivered", summary.due_seen, summary.delivered);
        summary
    }

    /// What the index suggests in all shards, which are read side by side so that none has to wait for another.
    fn suggestions(&self, now: Timestamp) -> impl Stream<Item = Result<Due, StoreError>> + use<> {
        let store = self.store.clone();
        stream::iter(0..store.shards())
            .map(move |shard| {
                stream::try_unfold(store.due(shard, now), |mut pages| async move {
                    Ok(pages.next_page().await?.map(|page| (page, pages)))
                })
                .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
                .try_flatten()
                .boxed()
            })
            .flatten_unordered(None)
    }

    /// The suggestion, if it is to be delivered by a task of its own; `None` when it is taken care of or left.
    async fn take(&self, due: Due, slow_hosts: &mut HashSet<String>, tally: &Tally) -> Option<Due> {
        let mut due = due;
        loop {
            match self.hosts.place(due) {
                Place::Free(due) => return Some(due),
                Place::InLine | Place::InHand => return None,
                Place::Full(full, room) => {
                    let waited_in_vain = slow_hosts.contains(&full.host)
                        || tokio::time::timeout(PATIENCE, room.notified()).await.is_err();
                    if waited_in_vain {
                        slow_hosts.insert(full.host);
                        tally.left.fetch_add(1, Ordering::Relaxed);
                        return None;
                    }
                    due = full;
                }
            }
        }
    }

    /// Delivers one job, then those in line for the same host.
    async fn work(&self, first: Due, _permit: OwnedSemaphorePermit, window: &Window, tally: &Tally) {
        let mut seat = self.hosts.seat(first);
        while let Some(due) = seat.due() {
            if window.is_open() {
                match self.fire.fire(due).await {
                    Ok(fired) => tally.note(fired),
                    Err(error) => tally.note_failure(&error),
                }
            } else {
                tally.left.fetch_add(1, Ordering::Relaxed);
            }
            seat.turn();
        }
    }
}

/// A delivery that panicked is left to its lease; the others go on.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a delivery broke off: {error}; its job is delivered again when its lease is over");
    }
}

impl Tally {
    fn note_seen(&self, due: &Due, now: Timestamp) {
        self.due_seen.fetch_add(1, Ordering::Relaxed);
        self.oldest_due_ms.fetch_max((now - due.due_at).num_milliseconds(), Ordering::Relaxed);
    }

    fn note(&self, fired: Fired) {
        let counter = match fired {
            Fired::Delivered => &self.delivered,
            Fired::Retried => &self.retried,
            Fired::DeadLettered => &self.dead_lettered,
            Fired::Lost(Lost::Leased | Lost::NotDue | Lost::Ended | Lost::Gone) => &self.claims_lost,
            Fired::LeaseLost => &self.leases_lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn note_failure(&self, error: &StoreError) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "{error}; the next tick goes on");
    }

    fn summary(&self) -> Summary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (delivered, retried, dead_lettered) =
            (read(&self.delivered), read(&self.retried), read(&self.dead_lettered));
        let leases_lost = read(&self.leases_lost);
        Summary {
            due_seen: read(&self.due_seen),
            claimed: delivered + retried + dead_lettered + leases_lost,
            delivered,
            retried,
            dead_lettered,
            claims_lost: read(&self.claims_lost),
            leases_lost,
            left: read(&self.left),
            store_failures: read(&self.store_failures),
            oldest_due_ms: self.oldest_due_ms.load(Ordering::Relaxed),
        }
    }
}
