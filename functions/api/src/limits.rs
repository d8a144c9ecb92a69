//! How many jobs a tenant may create in a minute: a token bucket for each, in this process, that also pays for what
//! other processes have created as far as they have told. Approximate by design, and never a write per job.
//! It never speaks to the store. Neighbour: `meter` does, and tells it what others did.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::clock::Timestamp;
use shared::ids::TenantId;
use shared::store::usage::Minute;

const MINUTE_MILLIS: f64 = 60_000.0;

/// The buckets of all tenants that were seen lately.
#[derive(Debug)]
pub(crate) struct Limits {
    /// What a bucket holds, and what runs into it in a minute; 0 is no limit.
    per_minute: u32,
    buckets: Mutex<HashMap<TenantId, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    /// Below zero when others have created more than there was.
    tokens: f64,
    refilled_at: Timestamp,
    minutes: HashMap<Minute, Told>,
}

/// What was told of one minute.
#[derive(Debug, Default)]
struct Told {
    /// By this process.
    own: i64,
    /// By others, as far as it was paid for.
    others: i64,
}

impl Limits {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    pub(crate) fn are_set(&self) -> bool {
        self.per_minute > 0
    }

    /// Takes the place of one creation; else says how long to wait for it.
    pub(crate) fn take(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Duration> {
        if !self.are_set() {
            return Ok(());
        }
        let capacity = f64::from(self.per_minute);
        let mut buckets = self.buckets();
        let bucket = buckets.entry(tenant.clone()).or_insert_with(|| Bucket::full(capacity, now));
        bucket.refill(capacity, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let millis = (1.0 - bucket.tokens) * MINUTE_MILLIS / capacity;
        Err(Duration::from_secs_f64(millis / 1000.0))
    }

    /// Takes a [`Self::take`] back: nothing was created after all.
    pub(crate) fn give_back(&self, tenant: &TenantId) {
        if let Some(bucket) = self.buckets().get_mut(tenant) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.per_minute));
        }
    }

    /// This process has told others that it created so many.
    pub(crate) fn told(&self, tenant: &TenantId, minute: Minute, count: i64) {
        if let Some(bucket) = self.buckets().get_mut(tenant) {
            bucket.minutes.entry(minute).or_default().own += count;
        }
    }

    /// All processes together have told that they created `total` in this minute or the one before.
    pub(crate) fn heard(&self, tenant: &TenantId, minute: Minute, total: i64, now: Timestamp) {
        let mut buckets = self.buckets();
        let Some(bucket) = buckets.get_mut(tenant) else { return };
        let capacity = f64::from(self.per_minute);
        bucket.refill(capacity, now);
        let told = bucket.minutes.entry(minute).or_default();
        let news = (total - told.own - told.others).max(0);
        told.others += news;
        // What lies further back than a minute has run in again since.
        let weight = share_of_last_minute(minute, now);
        let cost = news as f64 * weight;
        bucket.tokens = (bucket.tokens - cost).max(-capacity);
    }

    /// Forgets buckets that are as good as new, and minutes that no longer count.
    pub(crate) fn forget_the_past(&self, now: Timestamp) {
        let oldest = Minute::of(now).before();
        let capacity = f64::from(self.per_minute);
        self.buckets().retain(|_, bucket| {
            bucket.refill(capacity, now);
            bucket.minutes.retain(|minute, _| *minute >= oldest);
            bucket.tokens < capacity || !bucket.minutes.is_empty()
        });
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<TenantId, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn full(capacity: f64, now: Timestamp) -> Self {
        Self { tokens: capacity, refilled_at: now, minutes: HashMap::new() }
    }

    fn refill(&mut self, capacity: f64, now: Timestamp) {
        // A clock that was set back gives nothing and takes nothing.
        let elapsed = (now - self.refilled_at).to_std().unwrap_or_default();
        self.tokens = (self.tokens + elapsed.as_secs_f64() * 1000.0 * capacity / MINUTE_MILLIS).min(capacity);
        self.refilled_at = now;
    }
}

/// How much of `minute` lies within the sixty seconds before `now`, if it is this minute or the one before.
fn share_of_last_minute(minute: Minute, now: Timestamp) -> f64 {
    let current = Minute::of(now);
    if minute >= current {
        return 1.0;
    }
    let into = (now - current.start()).to_std().unwrap_or_default();
    (1.0 - into.as_secs_f64() / 60.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use shared::clock::parse_instant;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn noon() -> Timestamp {
        parse_instant("2026-01-01T12:00:00Z").unwrap()
    }

    fn taken(limits: &Limits, name: &str, tries: u32, now: Timestamp) -> u32 {
        let tenant = tenant(name);
        (0..tries).filter(|_| limits.take(&tenant, now).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn a_bucket_holds_one_minutes_worth_and_fills_steadily() {
        let limits = Limits::new(60);
        assert_eq!(taken(&limits, "a", 100, noon()), 60);
        assert_eq!(limits.take(&tenant("a"), noon()), Err(Duration::from_secs(1)));
        assert_eq!(taken(&limits, "a", 100, noon() + TimeDelta::milliseconds(1500)), 1);
        assert_eq!(taken(&limits, "a", 100, noon() + TimeDelta::milliseconds(2000)), 1);
        assert_eq!(taken(&limits, "a", 100, noon() + TimeDelta::hours(1)), 60);
    }

    #[test]
    fn one_tenant_at_its_limit_takes_nothing_from_another() {
        let limits = Limits::new(3);
        assert_eq!(taken(&limits, "a", 1_000, noon()), 3);
        assert_eq!(taken(&limits, "b", 1_000, noon()), 3);
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(taken(&Limits::new(0), "a", 10_000, noon()), 10_000);
    }

    #[test]
    fn what_was_not_created_is_given_back_and_never_more_than_the_bucket_holds() {
        let limits = Limits::new(2);
        assert_eq!(taken(&limits, "a", 9, noon()), 2);
        limits.give_back(&tenant("a"));
        assert_eq!(taken(&limits, "a", 9, noon()), 1);
        (0..9).for_each(|_| limits.give_back(&tenant("a")));
        assert_eq!(taken(&limits, "a", 9, noon()), 2);
    }

    #[test]
    fn what_others_created_counts_once_and_ones_own_not_again() {
        let (limits, minute) = (Limits::new(100), Minute::of(noon()));
        assert_eq!(taken(&limits, "a", 10, noon()), 10);
        limits.told(&tenant("a"), minute, 10);
        for _ in 0..3 {
            limits.heard(&tenant("a"), minute, 10 + 70, noon());
        }
        assert_eq!(taken(&limits, "a", 100, noon()), 20);
    }

    #[test]
    fn a_process_that_begins_late_pays_for_the_part_of_the_minute_before_that_still_counts() {
        let limits = Limits::new(100);
        let now = noon() + TimeDelta::seconds(15);
        assert_eq!(taken(&limits, "a", 1, now), 1);
        limits.heard(&tenant("a"), Minute::of(now).before(), 80, now);
        assert_eq!(taken(&limits, "a", 100, now), 100 - 1 - 60);
    }

    #[test]
    fn others_who_overdid_it_are_waited_for_two_minutes_at_most() {
        let limits = Limits::new(60);
        assert_eq!(taken(&limits, "a", 1, noon()), 1);
        limits.heard(&tenant("a"), Minute::of(noon()), 1_000_000, noon());
        assert_eq!(limits.take(&tenant("a"), noon()), Err(Duration::from_secs(61)));
        assert_eq!(taken(&limits, "a", 9, noon() + TimeDelta::seconds(61)), 1);
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let limits = Limits::new(60);
        assert_eq!(taken(&limits, "a", 60, noon()), 60);
        limits.forget_the_past(noon() + TimeDelta::seconds(59));
        assert_eq!(limits.buckets().len(), 1);
        limits.forget_the_past(noon() + TimeDelta::seconds(60));
        assert_eq!(limits.buckets().len(), 0);
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_a_full_bucket_and_what_ran_in(
            limit in 1_u32..50, gaps in prop::collection::vec(0_i64..5_000, 1..300),
        ) {
            let limits = Limits::new(limit);
            let mut now = noon();
            let mut created = Vec::new();
            for gap in gaps {
                now += TimeDelta::milliseconds(gap);
                if limits.take(&tenant("a"), now).is_ok() {
                    created.push(now);
                }
            }
            for (i, start) in created.iter().enumerate() {
                let within = created[i..].iter().filter(|at| **at - *start < TimeDelta::minutes(1)).count();
                prop_assert!(within <= 2 * limit as usize, "{within} of {limit}");
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_admitted(limit in 1_u32..10_000, taken_before in 0_u32..20_000) {
            let limits = Limits::new(limit);
            for _ in 0..taken_before.min(limit) {
                prop_assert!(limits.take(&tenant("a"), noon()).is_ok());
            }
            if let Err(wait) = limits.take(&tenant("a"), noon()) {
                let seconds = i64::try_from(wait.as_secs()).unwrap() + 1;
                prop_assert!(limits.take(&tenant("a"), noon() + TimeDelta::seconds(seconds)).is_ok());
            }
        }
    }
}
