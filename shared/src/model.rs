//! The protocol of claim, lease and next occurrence as a model whose every reachable state is visited: three pollers,
//! a client that cancels, crashes between any two steps, a store that fails before a call, time that passes anywhere, an
//! index that suggests anything.
//! What a step makes of a job is computed by the product's own transitions; the model has only the order of the steps
//! (that of `poller::fire` and `store`) and the table. Neighbours: `slot` is a job made small, `checked` the verdict.

mod api;
mod checked;
mod rules;
mod slot;

use chrono::TimeDelta;
use stateright::{Model, Property};

use self::api::Api;
use self::slot::{Slot, Stage};
use crate::clock::Timestamp;
use crate::ids::{JobId, TenantId};
use crate::job::{Job, State};
use crate::lifecycle::{Claim, Delivery, Exhausted, Settlement};
use crate::request::{Rules, parse};

/// Minutes since the start. A lease, the first backoff and the interval of the series are a minute each, so that each of
/// them can be over before, at and after any step.
type Minute = u8;

/// One rule of the protocol, broken: the checker must find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A claim takes what another poller holds.
    LeaseNotLookedAt,
    /// A claim takes what is not due, as a stale index suggests it.
    IndexBelieved,
    /// An outcome is recorded whoever holds the job by now.
    SettledWithoutLease,
    /// The outcome is recorded first, the next occurrence put after it.
    SettledBeforeSuccessor,
    /// Each poller makes up an id of its own for the next occurrence.
    SuccessorUnderAnyId,
    /// The last attempt that was interrupted is made again.
    AttemptsNotCounted,
    /// Cancelling leaves the next occurrence as it is.
    SeriesNotEnded,
    /// A repeated cancellation does not finish what one that broke off began.
    SeriesNotEndedLater,
    /// An occurrence that is cancelled already counts as the end of its series, whether or not it was ended.
    CancelledIsTheEnd,
    /// A failed attempt ends the occurrence as a success.
    FailureTakenForSuccess,
    /// The lease of a dead poller never runs out.
    LeaseWithoutEnd,
}

/// How much is tried, and by which rules.
#[derive(Clone, Debug)]
struct Protocol {
    broken: Broken,
    pollers: usize,
    occurrences: u8,
    /// And failures of the store between a claim and its call.
    crashes: u8,
    /// Until then time passes whatever else could happen; after it only when nothing else can.
    restless: Minute,
    /// Occurrence 1, never changed: what all occurrences have in common.
    first: Job,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: Minute,
    crashes_left: u8,
    /// The jobs table.
    rows: Vec<Slot>,
    /// In order: which poller is which makes no difference.
    pollers: Vec<Work>,
    api: Api,
    /// What the receiver has seen of each occurrence.
    seen: Vec<Seen>,
    /// The rule that the last step broke.
    violated: Option<&'static str>,
}

/// What a poller is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Work {
    Idle,
    Claimed(Slot),
    Called { job: Slot, failed: bool },
    Exhausted(Slot),
    Recording { lease: u8, ended: Slot, successor: Option<Slot>, put: bool },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    calls: u8,
    succeeded: bool,
    /// A claim found a lease that had run out.
    taken_over: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    TimePasses,
    Claim { poller: usize, row: usize },
    Call { poller: usize, failed: bool },
    GiveUp(usize),
    GiveBack(usize),
    Conclude(usize),
    Put(usize),
    Settle(usize),
    Crash(usize),
    Delete { row: usize },
    EndSeries,
    CrashOfApi,
}

impl Protocol {
    fn new(broken: Broken) -> Self {
        Self::of(broken, 3, 2, 1)
    }

    fn of(broken: Broken, pollers: usize, occurrences: u8, crashes: u8) -> Self {
        let request = format!(
            r#"{{"callbackUrl":"https://example.com/","recurrenceSeconds":60,"maxOccurrences":{occurrences},
            "maxRetries":3,"timeoutSeconds":30,"idempotencyKey":"k"}}"#
        );
        let new = parse(request.as_bytes(), instant(0), &Rules::with_prefix("X-")).unwrap();
        let first = Job::new(JobId::random(), TenantId::parse("t").unwrap(), new, None, instant(0));
        Self { broken, pollers, occurrences, crashes, restless: 2, first }
    }

    fn breaks(&self, rule: Broken) -> bool {
        self.broken == rule
    }

    /// Whether the conditional write of `Store::claim` goes through, or finds a job without attempts left. An index that
    /// suggests other jobs changes nothing: their claims are refused, and a poller that got nothing is as it was.
    fn is_claimed(&self, world: &World, found: Slot) -> bool {
        match found.stage {
            Stage::Firing { .. } if self.breaks(Broken::LeaseWithoutEnd) => false,
            Stage::Firing { .. } if self.breaks(Broken::LeaseNotLookedAt) => true,
            Stage::Pending { .. } if self.breaks(Broken::IndexBelieved) => true,
            Stage::Pending { .. } | Stage::Firing { .. } | Stage::Done | Stage::Cancelled | Stage::DeadLetter => {
                found.job(self).claimable(instant(world.now)).is_ok()
            }
        }
    }

    fn claim(&self, world: &mut World, row: usize) -> Work {
        let now = instant(world.now);
        let found = world.rows[row];
        let mut job = found.job(self);
        if job.attempts >= job.spec.max_retries && !self.breaks(Broken::AttemptsNotCounted) {
            return Work::Exhausted(found);
        }
        if let Stage::Firing { lease_until, .. } = found.stage {
            world.seen[found.index()].taken_over |= lease_until <= world.now;
        }
        job.attempts += 1;
        let lease = job.lease(slot::lease_id(found.number, job.attempts), now);
        job.state = State::Firing { due_at: job.state.due_at().unwrap(), lease };
        world.rows[row] = Slot::of(&job, found.copy);
        Work::Claimed(world.rows[row])
    }

    /// The call arrives and is answered.
    fn call(&self, world: &mut World, job: Slot, failed: bool) -> Work {
        let stored = world.rows.iter().find(|row| row.is(&job)).copied();
        let seen = &mut world.seen[job.index()];
        seen.calls += 1;
        world.violated = if job.planned > world.now {
            Some(rules::EARLY)
        } else if stored.is_some_and(|row| row.stage == Stage::Cancelled) {
            Some(rules::AFTER_CANCEL)
        } else if seen.succeeded && !seen.taken_over {
            Some(rules::DUPLICATE)
        } else {
            None
        };
        seen.succeeded |= !failed;
        Work::Called { job, failed: failed && !self.breaks(Broken::FailureTakenForSuccess) }
    }

    /// `poller::fire` after the answer; `None` when the lease is over.
    fn conclude(&self, now: Minute, job: Slot, failed: bool) -> Work {
        let now = instant(now);
        let delivery = Delivery {
            started_at: now,
            duration: std::time::Duration::ZERO,
            status_code: Some(if failed { 500 } else { 200 }),
            error: failed.then(|| "500".to_owned()),
            response_snippet: None,
            retry_after: None,
        };
        let settlement = Claim::new(job.job(self), job.lease()).settle(delivery, now);
        if settlement.successor.is_some() && settlement.is_late(now) {
            return Work::Idle;
        }
        self.recording(&settlement, job)
    }

    /// The store failed before the call.
    fn give_back(&self, world: &mut World, job: Slot) -> Work {
        world.crashes_left -= 1;
        self.recording(&Claim::new(job.job(self), job.lease()).give_back(instant(world.now)), job)
    }

    fn bury(&self, now: Minute, job: Slot) -> Work {
        self.recording(&Exhausted::new(job.job(self), job.lease()).bury(instant(now)), job)
    }

    fn recording(&self, settlement: &Settlement, job: Slot) -> Work {
        assert_eq!(settlement.lease, job.lease(), "an outcome is recorded under the lease of its claim");
        Work::Recording {
            lease: job.attempts,
            ended: Slot::of(&settlement.job, job.copy),
            successor: settlement.successor.as_ref().map(|next| Slot::of(next, 0)),
            put: settlement.successor.is_none(),
        }
    }

    /// `attribute_not_exists(id)`.
    fn put(&self, world: &mut World, mut row: Slot) {
        if self.breaks(Broken::SuccessorUnderAnyId) {
            row.copy = slot::small(world.rows.iter().filter(|there| there.number == row.number).count());
        }
        if !world.rows.iter().any(|there| there.is(&row)) {
            world.rows.push(row);
            world.rows.sort();
        }
    }

    /// `status = Firing AND writeId = lease`.
    fn settle(&self, world: &mut World, lease: u8, ended: Slot) {
        let Some(row) = world.rows.iter_mut().find(|row| row.is(&ended)) else { return };
        let held = matches!(row.stage, Stage::Firing { .. }) && row.attempts == lease;
        if held || self.breaks(Broken::SettledWithoutLease) {
            *row = ended;
        }
    }

    fn step_of_poller(&self, world: &mut World, poller: usize, step: &Step) -> Option<Work> {
        Some(match (world.pollers[poller], step) {
            (Work::Idle, Step::Claim { row, .. }) => self.claim(world, *row),
            (Work::Claimed(job), Step::Call { failed, .. }) => self.call(world, job, *failed),
            (Work::Claimed(job), Step::GiveBack(_)) => self.give_back(world, job),
            (Work::Called { job, failed }, Step::Conclude(_)) => self.conclude(world.now, job, failed),
            (Work::Exhausted(job), Step::Conclude(_)) => self.bury(world.now, job),
            (Work::Recording { lease, ended, successor, .. }, Step::Put(_)) => {
                self.put(world, successor?);
                if self.breaks(Broken::SettledBeforeSuccessor) {
                    Work::Idle
                } else {
                    Work::Recording { lease, ended, successor, put: true }
                }
            }
            (Work::Recording { lease, ended, successor, put }, Step::Settle(_)) => {
                self.settle(world, lease, ended);
                if put { Work::Idle } else { Work::Recording { lease, ended, successor, put } }
            }
            (_, Step::GiveUp(_) | Step::Crash(_)) => Work::Idle,
            _ => return None,
        })
    }

    fn steps_of_poller(&self, world: &World, poller: usize, steps: &mut Vec<Step>) {
        let settled_first = self.breaks(Broken::SettledBeforeSuccessor);
        match world.pollers[poller] {
            Work::Idle => {
                let taken = |row: &usize| self.is_claimed(world, world.rows[*row]);
                steps.extend((0..world.rows.len()).filter(taken).map(|row| Step::Claim { poller, row }));
            }
            // A live poller calls at once. One that stands still for longer than the lease counts as dead.
            Work::Claimed(job) if job.holds_until(world.now) => {
                steps.extend([false, true].map(|failed| Step::Call { poller, failed }));
            }
            Work::Claimed(_) => steps.push(Step::GiveUp(poller)),
            Work::Called { .. } | Work::Exhausted(_) => steps.push(Step::Conclude(poller)),
            Work::Recording { lease, ended, successor, put } => {
                let settled = world.rows.iter().any(|row| row.is(&ended) && row.stage == ended.stage);
                let held = world.rows.iter().any(|row| row.is(&ended) && row.attempts == lease);
                let may_put = !settled_first || settled || !held;
                if successor.is_some() && !put && may_put {
                    steps.push(Step::Put(poller));
                } else {
                    steps.push(Step::Settle(poller));
                }
            }
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            crashes_left: self.crashes,
            rows: vec![Slot::of(&self.first, 0)],
            pollers: vec![Work::Idle; self.pollers],
            api: Api::new(),
            seen: vec![Seen::default(); usize::from(self.occurrences)],
            violated: None,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.violated.is_some() {
            return;
        }
        for poller in 0..self.pollers {
            // Of pollers that are at the same thing, one speaks for all.
            if poller > 0 && world.pollers[poller] == world.pollers[poller - 1] {
                continue;
            }
            self.steps_of_poller(world, poller, steps);
        }
        self.steps_of_api(world, steps);
        let may_rest = steps.iter().any(|step| !matches!(step, Step::Delete { .. }));
        let open = world.rows.iter().any(|row| row.is_open());
        if open && (world.now < self.restless || !may_rest) && world.now < rules::END_OF_TIME {
            steps.push(Step::TimePasses);
        }
        if world.crashes_left > 0 {
            let busy = (0..self.pollers).filter(|poller| world.pollers[*poller] != Work::Idle);
            steps.extend(busy.map(Step::Crash));
            let claimed = (0..self.pollers).filter(|poller| matches!(world.pollers[*poller], Work::Claimed(_)));
            steps.extend(claimed.map(Step::GiveBack));
            steps.extend(world.api.is_busy().then_some(Step::CrashOfApi));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match &step {
            Step::TimePasses => next.now += 1,
            Step::Claim { poller, .. }
            | Step::Call { poller, .. }
            | Step::GiveUp(poller)
            | Step::GiveBack(poller)
            | Step::Conclude(poller)
            | Step::Put(poller)
            | Step::Settle(poller) => {
                next.pollers[*poller] = self.step_of_poller(&mut next, *poller, &step)?;
            }
            Step::Crash(poller) => {
                next.crashes_left -= 1;
                next.pollers[*poller] = Work::Idle;
            }
            Step::Delete { row } => self.delete(&mut next, *row),
            Step::EndSeries => self.end_series(&mut next),
            Step::CrashOfApi => {
                next.crashes_left -= 1;
                next.api.crash();
            }
        }
        next.pollers.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::all()
    }
}

fn instant(minute: Minute) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::minutes(minute.into())
}
