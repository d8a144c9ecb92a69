//! What became of each tenant's attempts, added up in this process and told to the `usage` table at the end of a tick:
//! at most [`MOST_WRITES`] of each kind, never one a job. What cannot be told is lost, without harm.
//! It never decides anything. Neighbours: `fire` counts, `tick` has it told, `store::outcomes` keeps the sums.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared::clock::Timestamp;
use shared::ids::TenantId;
use shared::outcomes::{Hour, Outcomes};
use shared::store::StoreError;
use shared::store::usage::Usage;
use tokio::time::timeout;

/// Of sums, and of hosts, at the end of a tick; the largest first, and the rest waits for the next tick of this process.
const MOST_WRITES: usize = 100;
/// Of sums, and of hosts, that are kept; one more is not counted.
const MOST_KEPT: usize = 2_000;
const WRITES_AT_ONCE: usize = 16;
/// A tick never waits longer than this for the usage table.
const PATIENCE: Duration = Duration::from_secs(1);

/// One a process.
#[derive(Debug)]
pub(crate) struct Told {
    usage: Usage,
    untold: Mutex<Untold>,
}

#[derive(Debug, Default)]
struct Untold {
    outcomes: HashMap<(TenantId, Hour), Outcomes>,
    failures: HashMap<(TenantId, Hour, String), u64>,
}

/// One write.
enum Sum {
    Outcomes((TenantId, Hour), Outcomes),
    Failures((TenantId, Hour, String), u64),
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) tenant: &'a TenantId,
    /// `host:port` of the callback.
    pub(crate) host: &'a str,
    pub(crate) succeeded: bool,
    pub(crate) lateness: Duration,
    pub(crate) answer: Duration,
}

impl Told {
    pub(crate) fn new(usage: Usage) -> Self {
        Self { usage, untold: Mutex::default() }
    }

    pub(crate) fn note_attempt(&self, attempt: Ended<'_>, now: Timestamp) {
        let (hour, mut untold) = (Hour::of(now), self.untold());
        if let Some(outcomes) = sum_of(&mut untold.outcomes, (attempt.tenant.clone(), hour)) {
            outcomes.count_attempt(attempt.succeeded, attempt.lateness, attempt.answer);
        }
        if !attempt.succeeded
            && let Some(failed) = sum_of(&mut untold.failures, (attempt.tenant.clone(), hour, attempt.host.to_owned()))
        {
            *failed += 1;
        }
    }

    pub(crate) fn note_dead_letter(&self, tenant: &TenantId, now: Timestamp) {
        if let Some(outcomes) = sum_of(&mut self.untold().outcomes, (tenant.clone(), Hour::of(now))) {
            outcomes.dead_lettered += 1;
        }
    }

    /// Tells what there is, in the time there is. Nothing is told twice: a sum whose write fails is lost.
    pub(crate) async fn tell(&self, time: Option<Duration>) {
        let sums = self.take();
        if sums.is_empty() {
            return;
        }
        let telling = stream::iter(sums).for_each_concurrent(WRITES_AT_ONCE, |sum| async {
            if let Err(error) = self.write(sum).await {
                tracing::warn!(%error, "some of the statistics is lost: {error}");
            }
        });
        if timeout(time.unwrap_or(PATIENCE).min(PATIENCE), telling).await.is_err() {
            tracing::warn!("the usage table did not answer in time: some of the statistics is lost");
        }
    }

    async fn write(&self, sum: Sum) -> Result<(), StoreError> {
        match sum {
            Sum::Outcomes((tenant, hour), outcomes) => self.usage.add_outcomes(&tenant, hour, &outcomes).await,
            Sum::Failures((tenant, hour, host), failed) => self.usage.add_failures(&tenant, hour, &host, failed).await,
        }
    }

    fn take(&self) -> Vec<Sum> {
        let mut untold = self.untold();
        let weight = |outcomes: &Outcomes| outcomes.delivered + outcomes.failed + outcomes.dead_lettered;
        let outcomes = take_largest(&mut untold.outcomes, weight);
        let failures = take_largest(&mut untold.failures, |failed| *failed);
        let outcomes = outcomes.into_iter().map(|(key, sum)| Sum::Outcomes(key, sum));
        outcomes.chain(failures.into_iter().map(|(key, sum)| Sum::Failures(key, sum))).collect()
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sum under this key; `None` when there is none and no more may be kept.
fn sum_of<K: Eq + Hash, V: Default>(sums: &mut HashMap<K, V>, key: K) -> Option<&mut V> {
    if sums.len() >= MOST_KEPT && !sums.contains_key(&key) {
        return None;
    }
    Some(sums.entry(key).or_default())
}

/// Takes as many as may be written at once, the largest first.
fn take_largest<K: Eq + Hash, V>(sums: &mut HashMap<K, V>, weight: impl Fn(&V) -> u64) -> Vec<(K, V)> {
    let mut taken: Vec<(K, V)> = sums.drain().collect();
    taken.sort_unstable_by_key(|(_, sum)| std::cmp::Reverse(weight(sum)));
    sums.extend(taken.split_off(taken.len().min(MOST_WRITES)));
    taken
}

#[cfg(test)]
mod tests {
    use shared::clock::parse_instant;
    use shared::store::TableNames;

    use super::*;

    fn told() -> Told {
        let client = shared::store::local_client("http://127.0.0.1:1");
        Told::new(Usage::new(client, &TableNames::default()))
    }

    fn attempt<'a>(tenant: &'a TenantId, host: &'a str, succeeded: bool) -> Ended<'a> {
        Ended { tenant, host, succeeded, lateness: Duration::from_secs(7), answer: Duration::from_millis(20) }
    }

    #[test]
    fn any_number_of_attempts_is_one_write_for_each_tenant_and_failing_host() {
        let (told, tenant) = (told(), TenantId::parse("acme").unwrap());
        let now = parse_instant("2026-06-01T12:34:56Z").unwrap();
        for n in 0..1_000 {
            told.note_attempt(attempt(&tenant, "a:443", n % 4 > 0), now);
        }
        told.note_dead_letter(&tenant, now);
        let sums = told.take();
        let [Sum::Outcomes(_, outcomes), Sum::Failures((_, hour, host), failed)] = &sums[..] else {
            panic!("{} writes", sums.len())
        };
        assert_eq!((outcomes.delivered, outcomes.failed, outcomes.dead_lettered), (750, 250, 1));
        assert_eq!((outcomes.lateness[2], outcomes.answers[0]), (1_000, 1_000));
        assert_eq!((*hour, host.as_str(), *failed), (Hour::of(now), "a:443", 250));
        assert!(told.take().is_empty(), "nothing is told twice");
    }

    #[test]
    fn however_many_hosts_fail_the_writes_and_the_memory_are_bounded() {
        let (told, tenant) = (told(), TenantId::parse("acme").unwrap());
        let now = parse_instant("2026-06-01T12:34:56Z").unwrap();
        for n in 0..MOST_KEPT + 500 {
            told.note_attempt(attempt(&tenant, &format!("{n}:80"), false), now);
        }
        told.note_attempt(attempt(&tenant, "7:80", false), now);
        assert_eq!(told.untold().failures.len(), MOST_KEPT);
        let sums = told.take();
        assert_eq!(sums.len(), 1 + MOST_WRITES);
        let Sum::Failures((_, _, largest), 2) = &sums[1] else { panic!("the largest comes first") };
        assert_eq!(largest, "7:80");
        assert_eq!(told.untold().failures.len(), MOST_KEPT - MOST_WRITES, "the rest waits");
    }
}
