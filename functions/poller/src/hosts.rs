//! A fair share for each receiver: at most so many deliveries at a time to one `host:port`, the rest in a
//! short line before it. It works on suggestions, before the claim, so that leases are fresh when the call is made.
//! It never delivers; `tick` does.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::ids::JobId;
use shared::store::Due;
use tokio::sync::Notify;

/// How many suggestions may stand in line before one host. Together they are bounded by the poller's concurrency:
/// a line only forms behind as many deliveries as one host may have.
const LINE: usize = 512;

#[derive(Debug)]
pub(crate) struct Hosts {
    per_host: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hosts: HashMap<String, Host>,
    /// What this process is working on or has in line: the index still suggests it.
    in_hand: HashSet<JobId>,
}

#[derive(Debug, Default)]
struct Host {
    delivering: usize,
    line: VecDeque<Due>,
    room: Arc<Notify>,
}

/// What to do with a suggestion.
#[derive(Debug)]
pub(crate) enum Place {
    /// Deliver it at a [`Hosts::seat`].
    Free(Due),
    /// A delivery to the same host will take it on.
    InLine,
    /// This process has it already.
    InHand,
    /// The line is full; there may be room when told.
    Full(Due, Arc<Notify>),
}

/// One of the places at a host. Dropped before its turn is over, as by a panic, it frees the place.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    hosts: &'a Hosts,
    due: Option<Due>,
}

impl Seat<'_> {
    /// What is to be delivered here now.
    pub(crate) fn due(&self) -> Option<&Due> {
        self.due.as_ref()
    }

    /// Done with that: on to the next in line.
    pub(crate) fn turn(&mut self) {
        self.due = self.due.take().and_then(|done| self.hosts.next_in_line(&done));
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(due) = self.due.take() {
            self.hosts.give_up(&due);
        }
    }
}

impl Hosts {
    pub(crate) fn new(per_host: usize) -> Self {
        Self { per_host, state: Mutex::default() }
    }

    pub(crate) fn place(&self, due: Due) -> Place {
        let mut state = self.state();
        if state.in_hand.contains(&due.id) {
            return Place::InHand;
        }
        let host = state.hosts.entry(due.host.clone()).or_default();
        if host.delivering < self.per_host {
            host.delivering += 1;
            state.in_hand.insert(due.id);
            return Place::Free(due);
        }
        if host.line.len() >= LINE {
            return Place::Full(due, host.room.clone());
        }
        host.line.push_back(due.clone());
        state.in_hand.insert(due.id);
        Place::InLine
    }

    /// The place that [`Place::Free`] gave, to be worked at until nobody is in line.
    pub(crate) fn seat(&self, first: Due) -> Seat<'_> {
        Seat { hosts: self, due: Some(first) }
    }

    /// `done` is delivered or given up; its place goes to the next in line for the same host, if any.
    fn next_in_line(&self, done: &Due) -> Option<Due> {
        let mut state = self.state();
        state.in_hand.remove(&done.id);
        let host = state.hosts.get_mut(&done.host)?;
        let next = host.line.pop_front();
        if next.is_some() {
            host.room.notify_one();
        } else {
            host.delivering = host.delivering.saturating_sub(1);
            if host.delivering == 0 {
                state.hosts.remove(&done.host);
            }
        }
        next
    }

    /// The delivery of `due` broke off in the middle. Whoever stood in line behind it, with nobody else delivering
    /// to the host, is left to the next tick.
    fn give_up(&self, due: &Due) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.in_hand.remove(&due.id);
        let Some(host) = state.hosts.get_mut(&due.host) else { return };
        host.delivering = host.delivering.saturating_sub(1);
        if host.delivering == 0 {
            host.room.notify_waiters();
            for left in &host.line {
                state.in_hand.remove(&left.id);
            }
            state.hosts.remove(&due.host);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(host: &str) -> Due {
        let due_at = shared::clock::parse_instant("2026-01-01T00:00:00Z").unwrap();
        Due { id: JobId::random(), due_at, host: host.to_owned() }
    }

    fn free(place: Place) -> Due {
        let Place::Free(due) = place else { panic!("not free: {place:?}") };
        due
    }

    #[test]
    fn one_host_gets_its_share_and_the_others_theirs() {
        let hosts = Hosts::new(2);
        let first = free(hosts.place(due("a")));
        free(hosts.place(due("a")));
        let third = due("a");
        assert!(matches!(hosts.place(third.clone()), Place::InLine));
        free(hosts.place(due("b")));
        assert_eq!(hosts.next_in_line(&first), Some(third));
    }

    #[test]
    fn a_job_in_hand_is_not_taken_twice() {
        let hosts = Hosts::new(1);
        let first = free(hosts.place(due("a")));
        let second = due("a");
        assert!(matches!(hosts.place(first.clone()), Place::InHand));
        assert!(matches!(hosts.place(second.clone()), Place::InLine));
        assert!(matches!(hosts.place(second.clone()), Place::InHand));
        assert_eq!(hosts.next_in_line(&first), Some(second.clone()));
        assert_eq!(hosts.next_in_line(&second), None);
        free(hosts.place(first));
    }

    #[tokio::test]
    async fn a_full_line_tells_when_there_is_room() {
        let hosts = Hosts::new(1);
        let first = free(hosts.place(due("a")));
        for _ in 0..LINE {
            assert!(matches!(hosts.place(due("a")), Place::InLine));
        }
        let Place::Full(_, room) = hosts.place(due("a")) else { panic!("not full") };
        hosts.next_in_line(&first);
        room.notified().await;
        assert!(matches!(hosts.place(due("a")), Place::InLine));
    }

    #[test]
    fn a_host_without_work_is_forgotten() {
        let hosts = Hosts::new(1);
        let first = free(hosts.place(due("a")));
        assert_eq!(hosts.next_in_line(&first), None);
        assert!(hosts.state().hosts.is_empty());
        assert!(hosts.state().in_hand.is_empty());
    }

    #[test]
    fn a_delivery_that_panics_frees_its_place_and_those_behind_it() {
        let hosts = Hosts::new(2);
        let (first, second, third) = (due("a"), due("a"), due("a"));
        free(hosts.place(first.clone()));
        free(hosts.place(second.clone()));
        assert!(matches!(hosts.place(third.clone()), Place::InLine));
        let panicking = |due: &Due| {
            let seat = std::panic::AssertUnwindSafe(hosts.seat(due.clone()));
            let broken = std::panic::catch_unwind(|| {
                let _seat = &seat;
                panic!("in the middle of a delivery");
            });
            drop(seat);
            assert!(broken.is_err());
        };
        panicking(&first);
        assert!(matches!(hosts.place(third.clone()), Place::InHand), "the second delivery will take it on");
        panicking(&second);
        assert!(hosts.state().hosts.is_empty() && hosts.state().in_hand.is_empty(), "{hosts:?}");
        free(hosts.place(third));
    }
}
