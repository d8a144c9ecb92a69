//! `DELETE` in the model: `Store::cancel`, write by write. The API may die between any two of them, and the client then
//! asks again. Neighbour: `rules` says what an answered cancellation promises.

use super::slot::{Slot, Stage};
use super::{Broken, Protocol, Step, World, instant};
use crate::job::Job;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Api {
    requests_left: u8,
    at: At,
    /// An occurrence that was being delivered when its series was ended: it becomes the last, however that delivery ends.
    pub(super) last: Option<u8>,
    pub(super) promise: Option<Promise>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Rest,
    /// The next write takes the place after this one.
    EndAfter {
        asked: u8,
        last: Slot,
    },
    /// That place was taken: the next write cancels who stands there, as it was found.
    EndThere {
        asked: u8,
        there: Slot,
    },
}

/// The client was told that this occurrence is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Promise {
    pub(super) number: u8,
    /// Of the occurrences that there were then.
    pub(super) highest: u8,
}

impl Api {
    pub(super) fn new() -> Self {
        Self { requests_left: 2, at: At::Rest, last: None, promise: None }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.at != At::Rest
    }

    pub(super) fn crash(&mut self) {
        self.at = At::Rest;
    }
}

impl Protocol {
    pub(super) fn steps_of_api(&self, world: &World, steps: &mut Vec<Step>) {
        let api = &world.api;
        if api.is_busy() {
            steps.push(Step::EndSeries);
        } else if api.requests_left > 0 && api.promise.is_none() {
            let may = |row: &Slot| matches!(row.stage, Stage::Pending { .. } | Stage::Cancelled);
            let rows = world.rows.iter().enumerate().filter(|(_, row)| may(row));
            steps.extend(rows.map(|(row, _)| Step::Delete { row }));
        }
    }

    /// `status = Pending`; or it is cancelled already, perhaps by a request that broke off.
    pub(super) fn delete(&self, world: &mut World, row: usize) {
        world.api.requests_left -= 1;
        let found = world.rows[row].job(self);
        let again = found.state.status() == crate::job::Status::Cancelled;
        let job = if again { found } else { self.cancel(world, row) };
        let forgets = self.breaks(Broken::SeriesNotEnded) || again && self.breaks(Broken::SeriesNotEndedLater);
        let (asked, last) = (world.rows[row].number, Slot::of(&job, 0));
        if !forgets && job.may_have_successor() {
            world.api.at = At::EndAfter { asked, last };
        } else {
            promise(world, asked);
        }
    }

    fn cancel(&self, world: &mut World, row: usize) -> Job {
        let cancelled = world.rows[row].job(self).cancelled(instant(world.now)).unwrap();
        world.rows[row] = Slot::of(&cancelled, world.rows[row].copy);
        cancelled
    }

    /// One write of `Store::end_series_after`.
    pub(super) fn end_series(&self, world: &mut World) {
        let now = instant(world.now);
        match world.api.at {
            At::Rest => {}
            At::EndAfter { asked, last } => {
                let Some(next) = last.job(self).next_place(now).and_then(|next| next.cancelled(now)) else {
                    return promise(world, asked);
                };
                let next = Slot::of(&next, 0);
                match world.rows.iter().find(|row| row.is(&next)) {
                    Some(there) => world.api.at = At::EndThere { asked, there: *there },
                    None => {
                        self.put(world, next);
                        promise(world, asked);
                    }
                }
            }
            At::EndThere { asked, there } => {
                let row = world.rows.iter().position(|row| row.is(&there)).unwrap();
                match world.rows[row].stage {
                    Stage::Pending { .. } => {
                        let cancelled = self.cancel(world, row);
                        if cancelled.may_have_successor() {
                            world.api.at = At::EndAfter { asked, last: world.rows[row] };
                        } else {
                            promise(world, asked);
                        }
                    }
                    // Cancelled by a request that broke off, perhaps: then the place after it is open still.
                    Stage::Cancelled
                        if there.job(self).may_have_successor() && !self.breaks(Broken::CancelledIsTheEnd) =>
                    {
                        world.api.at = At::EndAfter { asked, last: there };
                    }
                    Stage::Cancelled => promise(world, asked),
                    Stage::Firing { .. } => {
                        world.api.last = Some(there.number);
                        world.api.at = At::EndAfter { asked, last: there };
                    }
                    Stage::Done | Stage::DeadLetter => world.api.at = At::EndAfter { asked, last: there },
                }
            }
        }
    }
}

fn promise(world: &mut World, number: u8) {
    world.api.at = At::Rest;
    let highest = world.rows.iter().map(|row| row.number).max().unwrap();
    world.api.promise = Some(Promise { number, highest });
}
