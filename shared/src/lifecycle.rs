//! The life of a job as pure functions from (job, event, now) to the next job (CONTRACT §5).
//! Nothing here reads or writes: `store` makes each result true with one conditional write.
//! A [`Claim`] can only come from the store and is consumed by settling, so that settling twice,
//! or without a claim, does not compile.

use std::time::Duration;

use chrono::DateTime;

use crate::backoff;
use crate::clock::Timestamp;
use crate::ids::{JobId, SeriesId, TenantId, WriteId};
use crate::job::{ATTEMPT_LOG_LENGTH, Attempt, Ended, Job, Lease, Occurrence, State};
use crate::request::NewJob;

/// What a lease has beyond the timeout of the attempt: time to record the outcome, and for clocks apart.
pub const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// What the error of an attempt says whose poller died before it could record the outcome.
pub const INTERRUPTED: &str = "interrupted: the poller stopped before it could record the outcome";

/// The outcome of one attempt, before it has a number. Delivery cannot fail; it can end in a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub started_at: Timestamp,
    pub duration: Duration,
    pub status_code: Option<u16>,
    /// `None` means success: a 2xx.
    pub error: Option<String>,
    pub response_snippet: Option<String>,
    /// What the receiver asked for on 429 or 503.
    pub retry_after: Option<Duration>,
}

/// A job that this process, and no other, may deliver now.
#[derive(Debug)]
#[must_use = "a claimed job waits for its lease to run out unless it is delivered and settled"]
pub struct Claim {
    pub(crate) job: Job,
    lease: Lease,
}

/// A job whose last allowed attempt died with its poller: there is nothing left but the dead letter.
#[derive(Debug)]
#[must_use = "a job without attempts left stays in Firing unless it is buried"]
pub struct Exhausted {
    job: Job,
    lease: Lease,
}

/// The end of one attempt: the job as it shall be, and the next occurrence when this one has ended.
/// The successor is put before the job is written, so that no crash can end a series.
#[derive(Clone, Debug)]
#[must_use = "an outcome that is not written is delivered again"]
pub struct Settlement {
    pub job: Job,
    pub successor: Option<Job>,
    /// The lease under which it was made; the write holds only while it does.
    pub lease: Lease,
}

/// Why a claim came to nothing. Losing a race is an outcome, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// Another poller holds it.
    Leased,
    /// Its next attempt lies in the future: the index was stale.
    NotDue,
    /// Delivered, cancelled or dead by now.
    Ended,
    /// No such item.
    Gone,
}

impl Job {
    /// Occurrence 1 of what was asked for.
    #[must_use]
    pub fn new(id: JobId, tenant: TenantId, new: NewJob, request_hash: Option<String>, now: Timestamp) -> Self {
        // An id made from a request key comes again once the first job has expired, when later occurrences of its
        // series may still be stored: the new series must not take them for its own.
        let series = if request_hash.is_some() { SeriesId::random() } else { SeriesId(id.0) };
        let occurrence = new.spec.schedule.is_some().then_some(Occurrence { series, number: 1 });
        Self {
            id,
            tenant,
            spec: new.spec.into(),
            occurrence,
            planned_at: new.planned_at,
            attempts: 0,
            log: Vec::new(),
            state: State::Pending { due_at: new.planned_at },
            created_at: now,
            updated_at: now,
            redrives: 0,
            run_now_at: None,
            request_hash,
        }
    }

    /// Whether a poller may claim the job at `now`; the store's claim has the same condition.
    ///
    /// # Errors
    /// Why it may not.
    pub fn claimable(&self, now: Timestamp) -> Result<(), Lost> {
        match &self.state {
            State::Pending { due_at } if *due_at <= now => Ok(()),
            State::Pending { .. } => Err(Lost::NotDue),
            State::Firing { lease, .. } if lease.until <= now => Ok(()),
            State::Firing { .. } => Err(Lost::Leased),
            State::Done(_) | State::Cancelled(_) | State::DeadLetter(_) => Err(Lost::Ended),
        }
    }

    /// The lease that a claim at `now` takes, in whole seconds because the store computes it from the item.
    #[must_use]
    pub fn lease(&self, id: WriteId, now: Timestamp) -> Lease {
        Lease { id, until: seconds_up(now) + LEASE_MARGIN + self.spec.callback.timeout }
    }

    /// The job cancelled; `None` unless it is `Pending`.
    #[must_use]
    pub fn cancelled(&self, now: Timestamp) -> Option<Self> {
        let State::Pending { .. } = self.state else { return None };
        Some(Self { state: State::Cancelled(Ended::at(now)), updated_at: now, ..self.clone() })
    }

    /// The job retried, due at once with all its attempts before it; `None` unless it is a `DeadLetter`.
    /// What it has tried so far stays in the log.
    #[must_use]
    pub fn redriven(&self, now: Timestamp) -> Option<Self> {
        let State::DeadLetter(_) = self.state else { return None };
        let state = State::Pending { due_at: now };
        Some(Self { state, attempts: 0, redrives: self.redrives + 1, updated_at: now, ..self.clone() })
    }

    /// The job due at once, its plan untouched; `None` unless it is `Pending`.
    #[must_use]
    pub fn run_now(&self, now: Timestamp) -> Option<Self> {
        let State::Pending { .. } = self.state else { return None };
        let (state, run_now_at) = (State::Pending { due_at: now }, self.run_now_at.or(Some(now)));
        Some(Self { state, run_now_at, updated_at: now, ..self.clone() })
    }

    /// The next occurrence that this one has to put, if any; the same for every poller that asks at the same time.
    /// One that was retried has put its own before it was given up. That may have been removed by now, and putting it
    /// again would fork the series.
    #[must_use]
    pub fn successor(&self, now: Timestamp) -> Option<Self> {
        if self.redrives == 0 { self.following(now) } else { None }
    }

    /// The next occurrence of the series, if it has one, whoever puts it.
    #[must_use]
    pub fn following(&self, now: Timestamp) -> Option<Self> {
        let occurrence = self.occurrence?;
        let planned_at = self.spec.schedule.as_ref()?.next(self.planned_at, occurrence.number, now)?;
        let next = Occurrence { series: occurrence.series, number: occurrence.number + 1 };
        Some(Self {
            id: next.series.occurrence(next.number),
            tenant: self.tenant.clone(),
            spec: self.spec.clone(),
            occurrence: Some(next),
            planned_at,
            attempts: 0,
            log: Vec::new(),
            state: State::Pending { due_at: planned_at },
            created_at: now,
            updated_at: now,
            redrives: 0,
            run_now_at: None,
            request_hash: None,
        })
    }

    /// The place of the next occurrence, where there may be one: if the series has come to its end by now, it had not when a
    /// poller put it.
    #[must_use]
    pub fn next_place(&self, now: Timestamp) -> Option<Self> {
        let then = || self.following(self.planned_at).map(|next| Self { created_at: now, updated_at: now, ..next });
        self.following(now).or_else(then)
    }

    /// Whether a poller may have put the successor although this occurrence has not ended: one that did not
    /// record its outcome, as far as the log still tells.
    #[must_use]
    pub fn may_have_successor(&self) -> bool {
        self.occurrence.is_some()
            && self.redrives == 0
            && (self.log.len() < self.attempts as usize || self.log.iter().any(|attempt| attempt.started_at.is_none()))
    }

    /// Adds lines for the attempts that have none: they were interrupted.
    fn log_interrupted_up_to(&mut self, number: u32) {
        // An attempt that was the last allowed one belongs to the time before a retry.
        let logged = self.log.last().map(|attempt| attempt.number).filter(|last| *last < self.spec.max_retries);
        let logged = logged.unwrap_or(0);
        self.log.extend((logged + 1..=number).map(|number| Attempt {
            number,
            started_at: None,
            duration: None,
            status_code: None,
            error: Some(INTERRUPTED.to_owned()),
            response_snippet: None,
        }));
    }

    fn keep_the_last_attempts(&mut self) {
        let excess = self.log.len().saturating_sub(ATTEMPT_LOG_LENGTH);
        self.log.drain(..excess);
    }
}

/// The first whole second at or after `at`.
#[must_use]
pub fn seconds_up(at: Timestamp) -> Timestamp {
    let seconds = at.timestamp_millis().div_euclid(1000) + i64::from(at.timestamp_millis().rem_euclid(1000) > 0);
    DateTime::from_timestamp(seconds, 0).unwrap_or(at)
}

impl Claim {
    /// For the store, which alone knows that the claim's write went through.
    #[cfg(feature = "store")]
    pub(crate) fn new(job: Job, lease: Lease) -> Self {
        Self { job, lease }
    }

    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// What the attempt made of the job: `Done`, `Pending` until the next attempt, or `DeadLetter`.
    pub fn settle(self, delivery: Delivery, now: Timestamp) -> Settlement {
        let Self { mut job, lease } = self;
        let number = job.attempts;
        let failed = delivery.error.is_some();
        job.log_interrupted_up_to(number.saturating_sub(1));
        job.log.push(Attempt {
            number,
            started_at: Some(delivery.started_at),
            duration: Some(delivery.duration),
            status_code: delivery.status_code,
            error: delivery.error,
            response_snippet: delivery.response_snippet,
        });
        job.keep_the_last_attempts();
        job.updated_at = now;
        job.state = if !failed {
            State::Done(Ended::at(now))
        } else if number >= job.spec.max_retries {
            State::DeadLetter(Ended::at(now))
        } else {
            State::Pending { due_at: now + backoff::delay_after(number, delivery.retry_after) }
        };
        Settlement::of(job, lease, now)
    }

    /// What becomes of the job when nothing was sent, for a reason of ours: it is as it was, and no attempt is counted.
    pub fn give_back(self, now: Timestamp) -> Settlement {
        let Self { mut job, lease } = self;
        job.attempts = job.attempts.saturating_sub(1);
        job.updated_at = now;
        job.state = State::Pending { due_at: job.state.due_at().unwrap_or(now) };
        Settlement { job, successor: None, lease }
    }
}

impl Exhausted {
    /// For the store, which found the item so.
    #[cfg(feature = "store")]
    pub(crate) fn new(job: Job, lease: Lease) -> Self {
        Self { job, lease }
    }

    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// To `DeadLetter` without another call (CONTRACT §5).
    pub fn bury(self, now: Timestamp) -> Settlement {
        let Self { mut job, lease } = self;
        job.log_interrupted_up_to(job.attempts);
        job.keep_the_last_attempts();
        job.updated_at = now;
        job.state = State::DeadLetter(Ended::at(now));
        Settlement::of(job, lease, now)
    }
}

impl Settlement {
    /// Whether the lease under which it was made is over.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.lease.until <= now
    }

    fn of(job: Job, lease: Lease, now: Timestamp) -> Self {
        let successor = job.state.ended().and_then(|_| job.successor(now));
        Self { job, successor, lease }
    }
}

#[cfg(test)]
mod tests;
