//! The protocol for one due job: claim, deliver, settle; put the next occurrence, then write the outcome.
//! It never decides what comes next (`shared::lifecycle` does) and never writes but through `shared::store`.

use shared::clock::Clock;
use shared::job::{Job, State};
use shared::lifecycle::{Lost, Settlement};
use shared::store::{Claimed, Due, Settled, Store, StoreError};

use crate::deliver::Deliverer;

#[derive(Debug)]
pub(crate) struct Fire {
    pub(crate) store: Store,
    pub(crate) deliverer: Deliverer,
    pub(crate) clock: Clock,
}

/// What became of one suggestion of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fired {
    Delivered,
    /// The attempt failed; another one is due later.
    Retried,
    DeadLettered,
    /// Somebody else has it, had it or cancelled it.
    Lost(Lost),
    /// The outcome could not be recorded in time: the job will be delivered again.
    LeaseLost,
}

impl Fire {
    /// # Errors
    /// When the store fails: the job stays as it is, or is delivered again when its lease runs out.
    pub(crate) async fn fire(&self, due: &Due) -> Result<Fired, StoreError> {
        match self.store.claim(due.id, self.clock.now()).await? {
            Claimed::Claimed(claim) => {
                let delivery = self.deliverer.deliver(claim.job()).await;
                self.conclude(claim.settle(delivery, self.clock.now())).await
            }
            // Its lease is over, but nobody can have taken the job: a claim wants an attempt that is left.
            Claimed::Exhausted(job) => self.record(job.bury(self.clock.now())).await,
            Claimed::Lost(why) => Ok(Fired::Lost(why)),
        }
    }

    async fn conclude(&self, settlement: Settlement) -> Result<Fired, StoreError> {
        // Under a lease that is over, the job may be somebody else's, and by now even cancelled with its series.
        if settlement.successor.is_some() && settlement.is_late(self.clock.now()) {
            return Ok(Fired::LeaseLost);
        }
        self.record(settlement).await
    }

    /// The successor comes first: a crash in between repeats this occurrence, but no crash ends a series.
    async fn record(&self, settlement: Settlement) -> Result<Fired, StoreError> {
        if let Some(successor) = &settlement.successor {
            self.store.put_successor(successor).await?;
        }
        match self.store.settle(&settlement).await? {
            Settled::LeaseLost => Ok(Fired::LeaseLost),
            Settled::Recorded => Ok(recorded(&settlement.job)),
        }
    }
}

fn recorded(job: &Job) -> Fired {
    match job.state {
        State::Done(_) => Fired::Delivered,
        State::DeadLetter(_) => {
            log_dead_letter(job);
            Fired::DeadLettered
        }
        State::Pending { .. } | State::Firing { .. } | State::Cancelled(_) => Fired::Retried,
    }
}

fn log_dead_letter(job: &Job) {
    tracing::error!(
        tenant = %job.tenant,
        job = %job.id,
        series = job.occurrence.map(|o| o.series.to_string()),
        occurrence = job.occurrence.map(|o| o.number),
        attempts = job.attempts,
        last_error = job.last_attempt().and_then(|attempt| attempt.error.as_deref()),
        "dead letter: job {} of tenant {} failed {} times and is given up",
        job.id,
        job.tenant,
        job.attempts,
    );
}
