//! The protocol for one due job: claim, deliver, settle; put the next occurrence, then write the outcome.
//! It never decides what comes next (`shared::lifecycle` does) and never writes but through `shared::store`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shared::clock::{Clock, Stopwatch};
use shared::config::Settings;
use shared::failpoint::failpoint;
use shared::ids::{JobId, WriteId};
use shared::job::{Job, State};
use shared::lifecycle::{Claim, Delivery, Lost, Settlement};
use shared::signature::SigningSecrets;
use shared::store::tenants::Tenants;
use shared::store::{Claimed, Due, Settled, Store, StoreError, give_time};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::deliver::Deliverer;
use crate::tally::Tally;
use crate::told::{Ended, Told};
use crate::window::Window;

/// For how long an outcome is tried to be recorded that the store does not take, though never beyond the lease.
const RECORDING: Duration = Duration::from_secs(30);
/// Between two tries, each of which is four of the SDK's or, when it is refused often, one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Fire {
    pub(crate) store: Store,
    /// Made when it is first needed, or why it could not be.
    pub(crate) deliverer: OnceLock<Result<Deliverer, String>>,
    pub(crate) settings: Settings,
    pub(crate) tenants: Tenants,
    pub(crate) clock: Clock,
}

/// Why nothing became of a suggestion.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFired {
    /// Nothing can be delivered from here. The job was not claimed.
    #[error("nothing can be delivered: {0}")]
    NoDeliverer(String),
    /// The job stays as it is.
    #[error(transparent)]
    NotClaimed(StoreError),
    /// The job was claimed and is given back as it was.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The job is delivered again when its lease runs out.
    #[error(transparent)]
    NotRecorded(StoreError),
}

/// Why a job that was claimed is not sent. No attempt of the job's is used up by what is no fault of its receiver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    #[error(transparent)]
    NoPayload(StoreError),
    #[error(transparent)]
    NoSecrets(Arc<StoreError>),
    #[error("the store took so long that the lease would be over before the attempt")]
    TooLate,
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
    /// The lease was over: somebody else has the job, or has changed it since.
    LeaseLost,
}

impl Fire {
    /// # Errors
    /// When the store fails, or there is no deliverer.
    pub(crate) async fn fire(&self, due: &Due, window: &Window, tally: &Tally, told: &Told) -> Result<Fired, NotFired> {
        // At the level of errors, so that an error names its job whatever LOG_LEVEL leaves out.
        let span = tracing::error_span!("job", job = %due.id, tenant = Empty, occurrence = Empty, attempt = Empty);
        self.claim_and_deliver(due, window, tally, told).instrument(span).await
    }

    async fn claim_and_deliver(
        &self,
        due: &Due,
        window: &Window,
        tally: &Tally,
        told: &Told,
    ) -> Result<Fired, NotFired> {
        let deliverer = self.deliverer()?;
        match self.store.claim(due.id, self.clock.now()).await.map_err(NotFired::NotClaimed)? {
            Claimed::Claimed(claim) => {
                let lateness = (self.clock.now() - due.due_at).to_std().unwrap_or_default();
                tally.note_claimed(lateness);
                say_whose(claim.job());
                failpoint("poller-claimed");
                let (claim, secrets) = self.make_ready(deliverer, *claim).await?;
                let delivery = deliverer.deliver(claim.job(), &secrets, window.longest_attempt()).await;
                tally.note_attempt(delivery.duration);
                log_attempt(claim.job(), &delivery);
                failpoint("poller-answered");
                let now = self.clock.now();
                let (tenant, host) = (&claim.job().tenant, due.host.as_str());
                let (succeeded, answer) = (delivery.error.is_none(), delivery.duration);
                told.note_attempt(Ended { tenant, host, succeeded, lateness, answer }, now);
                self.conclude(claim.settle(delivery, now), told).await
            }
            Claimed::Exhausted(exhausted) => {
                say_whose(exhausted.job());
                failpoint("poller-exhausted");
                // Its lease is over, but nobody can have taken the job: a claim wants an attempt that is left.
                self.record(exhausted.bury(self.clock.now()), told).await
            }
            Claimed::Lost(why) => Ok(Fired::Lost(why)),
        }
    }

    /// What an attempt needs of the store, or the job is given back.
    async fn make_ready(&self, deliverer: &Deliverer, mut claim: Claim) -> Result<(Claim, SigningSecrets), NotSent> {
        let why = match self.read_for(deliverer, &mut claim).await {
            Ok(secrets) => return Ok((claim, secrets)),
            Err(why) => why,
        };
        if let Err(error) = self.settled(&claim.give_back(self.clock.now())).await {
            tracing::warn!(%error, "the job waits until its lease is over, and an attempt is counted: {error}");
        }
        Err(why)
    }

    async fn read_for(&self, deliverer: &Deliverer, claim: &mut Claim) -> Result<SigningSecrets, NotSent> {
        self.store.fetch_payload(claim, self.clock.now()).await.map_err(NotSent::NoPayload)?;
        let job = claim.job();
        let secrets = deliverer.signing_secrets(&job.tenant).await.map_err(NotSent::NoSecrets)?;
        // Beyond its lease the job is somebody else's, who may have delivered it, or cancelled by now.
        if self.clock.now() + job.spec.callback.timeout > claim.lease().until {
            return Err(NotSent::TooLate);
        }
        Ok(secrets)
    }

    fn deliverer(&self) -> Result<&Deliverer, NotFired> {
        let made = self.deliverer.get_or_init(|| {
            let (tenants, clock) = (self.tenants.clone(), self.clock.clone());
            Deliverer::new(&self.settings, tenants, clock).map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|problem| NotFired::NoDeliverer(problem.clone()))
    }

    async fn conclude(&self, settlement: Settlement, told: &Told) -> Result<Fired, NotFired> {
        // Under a lease that is over, the job may be somebody else's, and by now even cancelled with its series.
        if settlement.successor.is_some() && settlement.is_late(self.clock.now()) {
            return Ok(Fired::LeaseLost);
        }
        self.record(settlement, told).await
    }

    async fn record(&self, settlement: Settlement, told: &Told) -> Result<Fired, NotFired> {
        match self.settled(&settlement).await.map_err(NotFired::NotRecorded)? {
            Settled::LeaseLost => Ok(Fired::LeaseLost),
            Settled::Recorded => {
                failpoint("poller-settled");
                let fired = recorded(&settlement.job);
                if fired == Fired::DeadLettered {
                    told.note_dead_letter(&settlement.job.tenant, self.clock.now());
                }
                Ok(fired)
            }
        }
    }

    /// Until the store takes it, refuses it for good, or has failed for so long that the lease ends: what is not recorded
    /// is called again. Whoever waits here takes no other job, so a store that is throttled gets no more claims than it can
    /// take outcomes.
    async fn settled(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        // One for all tries: one that went through although its answer was lost is known by it.
        let (write, watch) = (WriteId::random(), Stopwatch::start());
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_to_record(settlement, write).await {
                Ok(settled) => return Ok(settled),
                Err(error) => error,
            };
            let is_final = matches!(error, StoreError::Refused { .. });
            if is_final || watch.elapsed() + pause > RECORDING {
                return Err(error);
            }
            tracing::debug!(%error, "an outcome is not recorded yet: {error}");
            give_time(pause.mul_f64(spread(settlement.job.id))).await;
            if settlement.is_late(self.clock.now()) {
                return Err(error);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The successor comes first: a crash in between repeats this occurrence, but no crash ends a series.
    async fn try_to_record(&self, settlement: &Settlement, write: WriteId) -> Result<Settled, StoreError> {
        if let Some(successor) = &settlement.successor {
            failpoint("poller-putting-successor");
            self.store.put_successor(successor).await?;
            failpoint("poller-successor-put");
        }
        self.store.settle(settlement, write).await
    }
}

/// From a half to one and a half: those that were refused together do not come again together.
fn spread(id: JobId) -> f64 {
    // Not the last byte: all of a shard share bits of it.
    let [first, ..] = *id.0.as_bytes();
    0.5 + f64::from(first) / 255.0
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

/// Tells the span of the job what only the job knows.
fn say_whose(job: &Job) {
    let span = Span::current();
    span.record("tenant", display(&job.tenant)).record("attempt", job.attempts);
    if let Some(occurrence) = job.occurrence {
        span.record("occurrence", occurrence.number);
    }
}

fn log_attempt(job: &Job, delivery: &Delivery) {
    let duration_ms = u64::try_from(delivery.duration.as_millis()).unwrap_or(u64::MAX);
    let (number, id, status_code) = (job.attempts, job.id, delivery.status_code);
    match &delivery.error {
        None => tracing::debug!(duration_ms, status_code, "attempt {number} of job {id} succeeded"),
        Some(error) => tracing::info!(duration_ms, status_code, error, "attempt {number} of job {id} failed: {error}"),
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
