//! What this process has seen used, added up and told to the `usage` table at most every ten seconds, beside the
//! store's own work for a request: under Lambda nothing runs between requests. What cannot be told is lost, without harm.
//! It never decides who may; `auth` does. Neighbours: `limits` counts a tenant's creations, `store::usage` keeps the sums.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use shared::clock::{Clock, Timestamp};
use shared::ids::TenantId;
use shared::store::StoreError;
use shared::store::usage::{Minute, Usage};

use crate::limits::Limits;
use crate::problem::Problem;

const INTERVAL: TimeDelta = TimeDelta::seconds(10);
/// An answer never waits longer than this for the usage table.
const PATIENCE: Duration = Duration::from_secs(1);
const WRITES_AT_ONCE: usize = 16;

/// One a process.
#[derive(Debug)]
pub(crate) struct Meter {
    usage: Usage,
    limits: Limits,
    clock: Clock,
    tally: Mutex<Tally>,
}

/// What is not told yet.
#[derive(Debug, Default)]
struct Tally {
    last_told: Option<Timestamp>,
    /// By the public prefix of the token.
    last_uses: HashMap<String, Timestamp>,
    creations: HashMap<(TenantId, Minute), i64>,
}

/// Leave to create one job; given back unless it is used.
#[derive(Debug)]
pub(crate) struct Leave<'a> {
    meter: &'a Meter,
    tenant: &'a TenantId,
    minute: Minute,
    used: bool,
}

impl Meter {
    pub(crate) fn new(usage: Usage, per_minute: u32, clock: Clock) -> Self {
        Self { usage, limits: Limits::new(per_minute), clock, tally: Mutex::default() }
    }

    /// A token was admitted.
    pub(crate) fn token_used(&self, prefix: &str) {
        let now = self.clock.now();
        let mut tally = self.tally();
        match tally.last_uses.get_mut(prefix) {
            Some(last_use) => *last_use = now,
            None => drop(tally.last_uses.insert(prefix.to_owned(), now)),
        }
    }

    /// Leave for the tenant to create one job, or how long to wait for it.
    pub(crate) fn leave_to_create<'a>(&'a self, tenant: &'a TenantId) -> Result<Leave<'a>, Problem> {
        let now = self.clock.now();
        self.limits.take(tenant, now).map_err(Problem::too_many_creations)?;
        let minute = Minute::of(now);
        self.count(tenant, minute, 1);
        Ok(Leave { meter: self, tenant, minute, used: false })
    }

    /// Does the store's work for a request, and beside it tells what is due to be told.
    pub(crate) async fn tell_beside<T>(&self, work: impl Future<Output = T>) -> T {
        let (done, ()) = tokio::join!(work, self.tell());
        done
    }

    async fn tell(&self) {
        let now = self.clock.now();
        let Some((last_uses, creations)) = self.take_what_is_due(now) else { return };
        let tenants: HashSet<TenantId> = creations.keys().map(|(tenant, _)| tenant.clone()).collect();
        let telling = async {
            let uses = last_uses.into_iter().map(|(prefix, at)| Told::Use(prefix, at));
            let counts = creations.into_iter().map(|((tenant, minute), count)| Told::Creations(tenant, minute, count));
            self.all(uses.chain(counts)).await;
            if self.limits.are_set() {
                self.all(tenants.into_iter().map(Told::Heard)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, telling).await.is_err() {
            tracing::warn!("the usage table did not answer in time: some of the usage is lost");
        }
        self.limits.forget_the_past(now);
    }

    async fn all(&self, work: impl Iterator<Item = Told>) {
        stream::iter(work).for_each_concurrent(WRITES_AT_ONCE, |one| self.one(one)).await;
    }

    async fn one(&self, what: Told) {
        if let Err(error) = self.try_one(what).await {
            tracing::warn!(%error, "some of the usage is lost: {error}");
        }
    }

    async fn try_one(&self, what: Told) -> Result<(), StoreError> {
        match what {
            Told::Use(prefix, at) => self.usage.note_last_use(&prefix, at).await?,
            Told::Creations(tenant, minute, count) => {
                self.usage.add_creations(&tenant, minute, count).await?;
                self.limits.told(&tenant, minute, count);
            }
            Told::Heard(tenant) => {
                let now = self.clock.now();
                for (minute, total) in self.usage.creations(&tenant, Minute::of(now).before()).await? {
                    self.limits.heard(&tenant, minute, total, now);
                }
            }
        }
        Ok(())
    }

    fn take_what_is_due(&self, now: Timestamp) -> Option<(HashMap<String, Timestamp>, Creations)> {
        let mut tally = self.tally();
        // A clock that was set back must not silence it for long.
        let waits = tally.last_told.is_some_and(|last| (TimeDelta::zero()..INTERVAL).contains(&(now - last)));
        tally.creations.retain(|_, count| *count != 0);
        if waits || (tally.last_uses.is_empty() && tally.creations.is_empty()) {
            return None;
        }
        tally.last_told = Some(now);
        Some((std::mem::take(&mut tally.last_uses), std::mem::take(&mut tally.creations)))
    }

    fn count(&self, tenant: &TenantId, minute: Minute, count: i64) {
        *self.tally().creations.entry((tenant.clone(), minute)).or_default() += count;
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Creations = HashMap<(TenantId, Minute), i64>;

/// One exchange with the usage table.
enum Told {
    Use(String, Timestamp),
    Creations(TenantId, Minute, i64),
    Heard(TenantId),
}

impl Leave<'_> {
    /// A job was created. One that only may have been, because the store's answer was lost, does not count: an outage must
    /// not use up what a tenant may do after it.
    pub(crate) fn used(mut self) {
        self.used = true;
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.meter.limits.give_back(self.tenant);
            self.meter.count(self.tenant, self.minute, -1);
        }
    }
}
