//! One tick: read what the index suggests, page by page, and fire it with bounded concurrency.
//! It never collects the queue: memory is the same for a thousand due jobs and for a million.
//! Neighbours: `fire` for each job, `hosts` for whose turn it is, `window` for how long, `fanout` for several pollers.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use shared::clock::Timestamp;
use shared::store::{Due, StoreError, give_time};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::Poller;
use crate::hosts::{Full, Place, Seat, Whose};
use crate::tally::{Summary, Tally};
use crate::window::Window;

/// How long to wait for room for a host or a tenant before its jobs are left to the next tick.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a place stays empty after a job that could not be taken or recorded: a store that refuses at once would
/// otherwise be asked for the next at once, and what is not recorded is called again.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// How many pages of the queue are read at a time. A page on its way, as DynamoDB writes it, takes ten times the memory
/// of the suggestions that it becomes.
const PAGES_AT_A_TIME: usize = 4;

impl Poller {
    /// Takes what is due in all shards while `window` is open, waits for what is in flight, and reports.
    /// A failing store is in the report: the jobs stay as they are, and the next tick goes on.
    pub async fn tick(self: &Arc<Self>, window: &Window) -> Summary {
        self.tick_over(window, stream::iter(0..self.store.shards())).await
    }

    /// The same for these shards, which may come one by one.
    pub async fn tick_over(self: &Arc<Self>, window: &Window, shards: impl Stream<Item = u32>) -> Summary {
        let now = self.clock.now();
        let tally = Arc::new(Tally::default());
        let work = self.take_all(now, window, shards, &tally);
        let in_time = match window.rest() {
            None => {
                work.await;
                true
            }
            Some(rest) => timeout(rest, work).await.is_ok(),
        };
        let summary = tally.summary();
        if in_time {
            self.told.tell(window.rest()).await;
        } else {
            tracing::warn!("the invocation is over before all in flight has ended: that is left to its lease");
        }
        log(&summary, now);
        summary
    }

    async fn take_all(
        self: &Arc<Self>,
        now: Timestamp,
        window: &Window,
        shards: impl Stream<Item = u32>,
        tally: &Arc<Tally>,
    ) {
        // Aborts what it holds when it is dropped.
        let mut running = JoinSet::new();
        let mut slow = HashSet::new();
        let mut suggestions = pin!(self.suggestions(shards, now));
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
            let Some(seat) = self.take(due, &mut slow, tally).await else { continue };
            let Ok(permit) = self.in_flight.clone().acquire_owned().await else { break };
            let (poller, window, tally) = (self.clone(), window.clone(), tally.clone());
            let work = async move { poller.work(seat, permit, &window, &tally).await };
            running.spawn(work.in_current_span());
        }
        while let Some(ended) = running.join_next().await {
            note_end(ended);
        }
    }

    /// What the index suggests in these shards, which are read side by side so that none has to wait for another.
    fn suggestions<S: Stream<Item = u32>>(
        &self,
        shards: S,
        now: Timestamp,
    ) -> impl Stream<Item = Result<Due, StoreError>> + use<S> {
        let store = self.store.clone();
        let reading = Arc::new(Semaphore::new(PAGES_AT_A_TIME));
        shards
            .map(move |shard| {
                let reading = reading.clone();
                stream::try_unfold(store.due(shard, now), move |mut pages| {
                    let reading = reading.clone();
                    let read = async move {
                        // It is never closed: there is always a turn.
                        let _turn = reading.acquire().await;
                        let page = pages.next_page().await;
                        (page, pages)
                    };
                    // By itself: while nobody wants the page, for all places are taken, its time would run out.
                    let read = AbortOnDropHandle::new(tokio::spawn(read.in_current_span()));
                    async move {
                        let (page, pages) = read.await.unwrap_or_else(|broken| resume_unwind(broken.into_panic()));
                        Ok(page?.map(|page| (page, pages)))
                    }
                })
                .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
                .try_flatten()
                .boxed()
            })
            .flatten_unordered(None)
    }

    /// A place for the suggestion, if it is to be delivered by a task of its own; `None` when it is taken care of or left.
    async fn take(&self, due: Due, slow: &mut HashSet<Whose>, tally: &Tally) -> Option<Seat> {
        let mut due = due;
        loop {
            match self.hosts.place(due) {
                Place::Free(seat) => return Some(seat),
                Place::InLine | Place::InHand => return None,
                Place::Full(waits, Full { whose, room }) => {
                    if slow.contains(&whose) || timeout(PATIENCE, room.notified()).await.is_err() {
                        slow.insert(whose);
                        tally.note_left();
                        return None;
                    }
                    due = waits;
                }
            }
        }
    }

    /// Delivers one job, then those in line for the same host.
    async fn work(&self, mut seat: Seat, _permit: OwnedSemaphorePermit, window: &Window, tally: &Tally) {
        while let Some(due) = seat.due() {
            if window.is_open() {
                match self.fire.fire(due, window, tally, &self.told).await {
                    Ok(fired) => tally.note(fired),
                    Err(error) => {
                        tally.note_failure(&error);
                        give_time(AFTER_FAILURE).await;
                    }
                }
            } else {
                tally.note_left();
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

fn log(summary: &Summary, now: Timestamp) {
    tracing::info!(
        due_seen = summary.due_seen,
        claimed = summary.claimed,
        delivered = summary.delivered,
        retried = summary.retried,
        dead_lettered = summary.dead_lettered,
        claims_lost = summary.claims_lost,
        leases_lost = summary.leases_lost,
        left = summary.left,
        store_failures = summary.store_failures,
        oldest_due_ms = summary.oldest_due_ms,
        "tick at {now}: {} due, {} delivered",
        summary.due_seen,
        summary.delivered
    );
}
