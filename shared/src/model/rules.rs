//! What must hold in every state of the model, and what must happen in some, lest the others hold for nothing.
//! Numbers in brackets are those of the checker in `tests/it/support/invariants.rs`. Neighbour: `checked` runs them.

use stateright::Property;

use super::slot::{Slot, Stage, small};
use super::{Minute, Protocol, Work, World};

pub(super) const EARLY: &str = "nothing is called before it is due (3)";
pub(super) const AFTER_CANCEL: &str = "nothing is called after it was cancelled (4)";
pub(super) const DUPLICATE: &str = "a call is repeated only after a lease ran out (6)";
pub(super) const DONE: &str = "what is Done was called with success (2)";
pub(super) const ATTEMPTS: &str = "no more calls than attempts, no more attempts than allowed (5)";
pub(super) const FORK: &str = "no occurrence is there twice (7)";
pub(super) const ENDED: &str = "no series ends before its last occurrence (7)";
pub(super) const WAITING: &str = "at most one occurrence waits for its first attempt (8)";
pub(super) const ONE_LEASE: &str = "at most one poller holds a lease on a job";
pub(super) const PROMISE: &str = "a cancelled series stays at its end (4)";
pub(super) const STUCK: &str = "whatever happened, every occurrence comes to its end (10)";

/// Long after the last lease and backoff. Time passes until then when nothing else can happen: who is still open is stuck.
pub(super) const END_OF_TIME: Minute = 20;

pub(super) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(EARLY, |_: &Protocol, world: &World| world.violated != Some(EARLY)),
        Property::always(AFTER_CANCEL, |_: &Protocol, world: &World| world.violated != Some(AFTER_CANCEL)),
        Property::always(DUPLICATE, |_: &Protocol, world: &World| world.violated != Some(DUPLICATE)),
        Property::always(DONE, |_: &Protocol, world: &World| {
            world.rows.iter().all(|row| row.stage != Stage::Done || world.seen[row.index()].succeeded)
        }),
        Property::always(ATTEMPTS, |protocol: &Protocol, world: &World| {
            let most = small(protocol.first.spec.max_retries);
            let kept = |row: &Slot| row.attempts <= most && world.seen[row.index()].calls <= row.attempts;
            world.rows.iter().all(kept)
        }),
        Property::always(FORK, |_: &Protocol, world: &World| {
            world.rows.windows(2).all(|pair| pair[0].number != pair[1].number)
        }),
        Property::always(ENDED, |protocol: &Protocol, world: &World| {
            let goes_on = |row: &Slot| world.rows.iter().any(|next| next.number == row.number + 1);
            let ended = |row: &&Slot| matches!(row.stage, Stage::Done | Stage::DeadLetter);
            world.rows.iter().filter(ended).all(|row| row.number == protocol.occurrences || goes_on(row))
        }),
        Property::always(WAITING, |_: &Protocol, world: &World| {
            world.rows.iter().filter(|row| waits(row)).count() <= 1
        }),
        Property::always(ONE_LEASE, |_: &Protocol, world: &World| {
            let holds = |work: &&Work| matches!(work, Work::Claimed(job) | Work::Called { job, .. } if job.holds_until(world.now));
            let numbers: Vec<_> = world.pollers.iter().filter(holds).map(Work::number).collect();
            numbers.iter().enumerate().all(|(i, number)| !numbers[..i].contains(number))
        }),
        Property::always(PROMISE, |_: &Protocol, world: &World| {
            let Some(promise) = world.api.promise else { return true };
            let mut after = world.rows.iter().filter(|row| row.number > promise.number);
            let may_wait = |row: &Slot| world.api.last == Some(row.number);
            after.all(|row| row.number <= promise.highest && (!waits(row) || may_wait(row)))
        }),
        Property::always(STUCK, |_: &Protocol, world: &World| {
            world.now < END_OF_TIME || world.rows.iter().all(|row| !row.is_open())
        }),
        Property::sometimes("a call is repeated", |_: &Protocol, world: &World| {
            world.seen.iter().any(|seen| seen.succeeded && seen.calls > 1)
        }),
        Property::sometimes("an occurrence waits again beside the next", |_: &Protocol, world: &World| {
            world.rows.iter().filter(|row| matches!(row.stage, Stage::Pending { .. })).count() == 2
        }),
        Property::sometimes("a claim is given back", |_: &Protocol, world: &World| {
            let counts_less =
                |work: &Work| matches!(work, Work::Recording { lease, ended, .. } if ended.attempts < *lease);
            world.pollers.iter().any(counts_less)
        }),
        Property::sometimes("a last attempt is interrupted", |_: &Protocol, world: &World| {
            world.pollers.iter().any(|work| matches!(work, Work::Exhausted(_)))
        }),
        Property::sometimes("two pollers believe to hold a job", |_: &Protocol, world: &World| {
            world.pollers.windows(2).any(|pair| pair[0].number().is_some() && pair[0].number() == pair[1].number())
        }),
        Property::sometimes("all occurrences are Done", |protocol: &Protocol, world: &World| {
            world.rows.len() == usize::from(protocol.occurrences)
                && world.rows.iter().all(|row| row.stage == Stage::Done)
        }),
        Property::sometimes("the place after a cancelled occurrence is taken", |_: &Protocol, world: &World| {
            let cancelled = world.rows.len() == 2 && world.rows.iter().all(|row| row.stage == Stage::Cancelled);
            cancelled && world.rows[1].attempts == 0 && world.api.promise.is_some()
        }),
    ]
}

fn waits(row: &Slot) -> bool {
    matches!(row.stage, Stage::Pending { .. }) && row.attempts == 0
}

impl Work {
    /// The occurrence that a poller works on.
    fn number(&self) -> Option<(u8, u8)> {
        match self {
            Self::Idle => None,
            Self::Claimed(job) | Self::Called { job, .. } | Self::Exhausted(job) => Some((job.number, job.copy)),
            Self::Recording { ended, .. } => Some((ended.number, ended.copy)),
        }
    }
}
