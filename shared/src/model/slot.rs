//! A job made small: what transitions look at and nothing else, so that equal states of the model are found equal.
//! It never decides anything: it becomes a [`Job`] for each transition, and is made of the job that comes out.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{Minute, Protocol, instant};
use crate::ids::WriteId;
use crate::job::{Attempt, Ended, Job, Lease, Occurrence, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) number: u8,
    /// 0 for the id that every poller computes alike; others only where that rule is broken.
    pub(super) copy: u8,
    pub(super) planned: Minute,
    pub(super) attempts: u8,
    /// Attempts in the log, and those of them, as bits, that were interrupted.
    logged: u8,
    interrupted: u8,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    Pending { due: Minute },
    Firing { due: Minute, lease_until: Minute },
    Done,
    Cancelled,
    DeadLetter,
}

impl Slot {
    pub(super) fn of(job: &Job, copy: u8) -> Self {
        let unknown = |attempt: &&Attempt| attempt.started_at.is_none();
        Self {
            number: small(job.occurrence.unwrap().number),
            copy,
            planned: minute(job.planned_at),
            attempts: small(job.attempts),
            logged: small(job.log.len()),
            interrupted: job.log.iter().filter(unknown).map(|attempt| 1 << attempt.number).sum(),
            stage: match &job.state {
                State::Pending { due_at } => Stage::Pending { due: minute(*due_at) },
                State::Firing { due_at, lease } => {
                    Stage::Firing { due: minute(*due_at), lease_until: minute(lease.until) }
                }
                State::Done(_) => Stage::Done,
                State::Cancelled(_) => Stage::Cancelled,
                State::DeadLetter(_) => Stage::DeadLetter,
            },
        }
    }

    pub(super) fn job(&self, protocol: &Protocol) -> Job {
        let series = protocol.first.occurrence.unwrap().series;
        let ended = Ended::at(instant(0));
        Job {
            id: if self.number == 1 { protocol.first.id } else { series.occurrence(self.number.into()) },
            occurrence: Some(Occurrence { series, number: self.number.into() }),
            planned_at: instant(self.planned),
            attempts: self.attempts.into(),
            log: (1..=self.logged).map(|number| self.attempt(number)).collect(),
            state: match self.stage {
                Stage::Pending { due } => State::Pending { due_at: instant(due) },
                Stage::Firing { due, .. } => State::Firing { due_at: instant(due), lease: self.lease() },
                Stage::Done => State::Done(ended),
                Stage::Cancelled => State::Cancelled(ended),
                Stage::DeadLetter => State::DeadLetter(ended),
            },
            ..protocol.first.clone()
        }
    }

    fn attempt(&self, number: u8) -> Attempt {
        let interrupted = self.interrupted & (1 << number) != 0;
        Attempt {
            number: number.into(),
            started_at: (!interrupted).then(|| instant(0)),
            duration: None,
            status_code: None,
            error: None,
            response_snippet: None,
        }
    }

    /// Of the claim that this is a copy of.
    pub(super) fn lease(&self) -> Lease {
        let Stage::Firing { lease_until, .. } = self.stage else { panic!("no lease on {self:?}") };
        Lease { id: lease_id(self.number, self.attempts.into()), until: instant(lease_until) }
    }

    pub(super) fn holds_until(&self, now: Minute) -> bool {
        matches!(self.stage, Stage::Firing { lease_until, .. } if now < lease_until)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        (self.number, self.copy) == (other.number, other.copy)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Pending { .. } | Stage::Firing { .. })
    }

    pub(super) fn index(&self) -> usize {
        usize::from(self.number) - 1
    }
}

/// Attempts are counted by the claim, so their number names it.
pub(super) fn lease_id(number: u8, attempt: u32) -> WriteId {
    WriteId(Uuid::from_u64_pair(number.into(), attempt.into()))
}

/// The numbers of the model are small.
pub(super) fn small<T: TryInto<u8>>(number: T) -> u8 {
    number.try_into().ok().unwrap()
}

fn minute(at: crate::clock::Timestamp) -> Minute {
    let since = at - instant(0);
    assert_eq!(since, TimeDelta::minutes(since.num_minutes()), "all that happens lies on whole minutes");
    small(since.num_minutes())
}
