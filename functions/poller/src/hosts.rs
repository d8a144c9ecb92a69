//! A fair share for each receiver: at most so many deliveries at a time to one `host:port`, the rest in a
//! short line before it. And for each tenant: where there are several, none has all places, whatever its receivers do.
//! It works on suggestions, before the claim, so that leases are fresh when the call is made.
//! It never delivers; `tick` does.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::ids::JobId;
use shared::store::Due;
use tokio::sync::Notify;

/// How many suggestions may stand in line before one host, and before the places of one tenant. A line only forms behind as many deliveries as one host may
/// have, so there are no more lines than the poller's concurrency over that: eight, by default.
const LINE: usize = 512;

/// What one tenant leaves to the others, of all places: a quarter.
const LEFT_TO_OTHERS: usize = 4;

#[derive(Debug)]
pub(crate) struct Hosts {
    places: usize,
    per_host: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hosts: HashMap<String, Host>,
    tenants: HashMap<String, Tenant>,
    /// What this process is working on or has in line: the index still suggests it.
    in_hand: HashSet<JobId>,
    /// Of the last suggestion.
    last_tenant: Option<String>,
    /// Whether there are others to leave places to. Where one tenant has a deployment to itself there never are.
    has_several_tenants: bool,
}

#[derive(Debug, Default)]
struct Host {
    delivering: usize,
    line: VecDeque<Due>,
    room: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Tenant {
    delivering: usize,
    /// What has a host with room, but would take a place that is left to others.
    line: VecDeque<Due>,
    room: Arc<Notify>,
    /// Whose line is next, when there are two: neither waits for the end of the other.
    is_next: bool,
}

/// What to do with a suggestion.
#[derive(Debug)]
pub(crate) enum Place {
    /// Deliver it here.
    Free(Seat),
    /// A delivery to the same host, or of the same tenant, will take it on.
    InLine,
    /// This process has it already.
    InHand,
    /// The line is full.
    Full(Due, Full),
}

/// Who has no room. There may be some when told.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) whose: Whose,
    pub(crate) room: Arc<Notify>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Host(String),
    Tenant(String),
}

/// One of the places at a host, to be worked at until nobody is in line. Dropped before its turn is over, as by a
/// panic or the end of an invocation, it frees the place.
#[derive(Debug)]
pub(crate) struct Seat {
    hosts: Arc<Hosts>,
    due: Option<Due>,
}

impl Seat {
    /// What is to be delivered here now.
    pub(crate) fn due(&self) -> Option<&Due> {
        self.due.as_ref()
    }

    /// Done with that: on to the next in line.
    pub(crate) fn turn(&mut self) {
        self.due = self.due.take().and_then(|done| self.hosts.next_in_line(&done));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(due) = self.due.take() {
            self.hosts.give_up(&due);
        }
    }
}

impl Hosts {
    /// So many deliveries in all, and to one host.
    pub(crate) fn new(places: usize, per_host: usize) -> Self {
        Self { places, per_host, state: Mutex::default() }
    }

    pub(crate) fn place(self: &Arc<Self>, due: Due) -> Place {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.in_hand.contains(&due.id) {
            return Place::InHand;
        }
        state.note_tenant(&due.tenant);
        let host_has_room = state.hosts.get(&due.host).is_none_or(|host| host.delivering < self.per_host);
        let most = self.places - self.places / LEFT_TO_OTHERS;
        let is_at_its_most = |tenant: &Tenant| tenant.delivering >= most;
        let tenant_has_room = !state.has_several_tenants || !state.tenants.get(&due.tenant).is_some_and(is_at_its_most);
        // Lines are only before those who have deliveries.
        let (line, whose, room) = if !host_has_room {
            let host = state.hosts.entry(due.host.clone()).or_default();
            (&mut host.line, Whose::Host(due.host.clone()), &host.room)
        } else if !tenant_has_room {
            let tenant = state.tenants.entry(due.tenant.clone()).or_default();
            (&mut tenant.line, Whose::Tenant(due.tenant.clone()), &tenant.room)
        } else {
            state.begin(&due);
            state.in_hand.insert(due.id);
            return Place::Free(Seat { hosts: self.clone(), due: Some(due) });
        };
        if line.len() >= LINE {
            return Place::Full(due, Full { whose, room: room.clone() });
        }
        state.in_hand.insert(due.id);
        line.push_back(due);
        Place::InLine
    }

    /// `done` is delivered or given up; its place goes to the next in line for the same host, or of the same tenant.
    fn next_in_line(&self, done: &Due) -> Option<Due> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.end(done);
        let next = if state.is_turn_of_tenant(done) {
            state.next_of_tenant(&done.tenant, self.per_host).or_else(|| state.next_of_host(&done.host))
        } else {
            state.next_of_host(&done.host).or_else(|| state.next_of_tenant(&done.tenant, self.per_host))
        };
        if let Some(next) = &next {
            state.begin(next);
        }
        state.leave_lines_without_deliveries(done);
        next
    }

    /// The delivery of `due` broke off in the middle.
    fn give_up(&self, due: &Due) {
        let mut state = self.state();
        state.end(due);
        state.leave_lines_without_deliveries(due);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_tenant(&mut self, tenant: &str) {
        match &self.last_tenant {
            Some(last) if last == tenant => {}
            last => {
                self.has_several_tenants |= last.is_some();
                self.last_tenant = Some(tenant.to_owned());
            }
        }
    }

    fn begin(&mut self, due: &Due) {
        self.hosts.entry(due.host.clone()).or_default().delivering += 1;
        self.tenants.entry(due.tenant.clone()).or_default().delivering += 1;
    }

    fn end(&mut self, due: &Due) {
        self.in_hand.remove(&due.id);
        if let Some(host) = self.hosts.get_mut(&due.host) {
            host.delivering = host.delivering.saturating_sub(1);
        }
        if let Some(tenant) = self.tenants.get_mut(&due.tenant) {
            tenant.delivering = tenant.delivering.saturating_sub(1);
        }
    }

    /// Never when the line of the host would be left without a delivery before it.
    fn is_turn_of_tenant(&mut self, done: &Due) -> bool {
        let is_last = self.hosts.get(&done.host).is_none_or(|host| host.delivering == 0);
        let Some(tenant) = self.tenants.get_mut(&done.tenant).filter(|_| !is_last) else { return false };
        tenant.is_next = !tenant.is_next;
        tenant.is_next
    }

    fn next_of_host(&mut self, host: &str) -> Option<Due> {
        let host = self.hosts.get_mut(host)?;
        host.room.notify_one();
        host.line.pop_front()
    }

    /// Those before it whose host has no room any more go to the line there.
    fn next_of_tenant(&mut self, tenant: &str, per_host: usize) -> Option<Due> {
        let tenant = self.tenants.get_mut(tenant)?;
        tenant.room.notify_one();
        while let Some(next) = tenant.line.pop_front() {
            match self.hosts.get_mut(&next.host) {
                Some(host) if host.delivering >= per_host => host.line.push_back(next),
                Some(_) | None => return Some(next),
            }
        }
        None
    }

    /// Nobody would take on a line without a delivery before it: it is left to the next tick. And what is empty is
    /// forgotten.
    fn leave_lines_without_deliveries(&mut self, ended: &Due) {
        if self.hosts.get(&ended.host).is_some_and(|host| host.delivering == 0)
            && let Some(host) = self.hosts.remove(&ended.host)
        {
            self.leave(host.line);
            host.room.notify_waiters();
        }
        if self.tenants.get(&ended.tenant).is_some_and(|tenant| tenant.delivering == 0)
            && let Some(tenant) = self.tenants.remove(&ended.tenant)
        {
            self.leave(tenant.line);
            tenant.room.notify_waiters();
        }
    }

    fn leave(&mut self, line: VecDeque<Due>) {
        for left in line {
            self.in_hand.remove(&left.id);
        }
    }
}

#[cfg(test)]
mod tests;
