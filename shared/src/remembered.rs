//! What was read from the store and may be a little out of date: remembered for a while, by the Scheduler's clock.
//! It never remembers a failure. Neighbours: the API remembers tokens with it, the poller signing secrets.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use moka::future::Cache;

use crate::clock::{Clock, Timestamp};

/// More than this is forgotten, what was used least first.
const MOST: u64 = 10_000;

/// Values by their keys, each good for the same length of time after it was read.
///
/// The clock is the injected one, so that a virtual one decides too: walking it past the length makes what was
/// changed meanwhile (a token revoked, a secret rotated) take effect. The system's time bounds it as well: on a
/// virtual clock that stands still nothing is remembered for ever.
pub struct Remembered<K, V> {
    entries: Cache<K, (Timestamp, V)>,
    length: TimeDelta,
    clock: Clock,
}

impl<K, V> Remembered<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Remembers each value for `length` after it was read.
    #[must_use]
    pub fn lasting(length: Duration, clock: Clock) -> Self {
        let entries = Cache::builder().max_capacity(MOST).time_to_live(length).build();
        Self { entries, length: TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX), clock }
    }

    /// The remembered value, or what `read` returns. Callers that ask for one key at the same time share one read.
    ///
    /// # Errors
    /// That of `read`, which is not remembered.
    pub async fn get_or_read<Q, E>(&self, key: &Q, read: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
        E: Send + Sync + 'static,
    {
        let now = self.clock.now();
        if let Some((read_at, value)) = self.entries.get(key).await {
            if (TimeDelta::zero()..self.length).contains(&(now - read_at)) {
                return Ok(value);
            }
            self.entries.invalidate(key).await;
        }
        // In a box: a call of the store is large, and most callers never make it.
        let read = Box::pin(async { read().await.map(|value| (now, value)) });
        self.entries.try_get_with_by_ref(key, read).await.map(|(_, value)| value)
    }
}

/// Nothing of what is remembered: there are secrets among it.
impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_instant;

    async fn get(remembered: &Remembered<String, u32>, value: Result<u32, &'static str>) -> Option<u32> {
        remembered.get_or_read("key", async || value).await.ok()
    }

    #[tokio::test]
    async fn a_value_is_read_again_when_its_time_is_over() {
        let start = parse_instant("2026-01-01T00:00:00Z").unwrap();
        let clock = Clock::virtual_at(start);
        let Clock::Virtual(hands) = clock.clone() else { unreachable!() };
        let remembered = Remembered::lasting(Duration::from_secs(30), clock);
        assert_eq!(get(&remembered, Err("the store is away")).await, None, "a failure is told");
        assert_eq!(get(&remembered, Ok(1)).await, Some(1), "and not remembered");
        hands.set(start + TimeDelta::milliseconds(29_999));
        assert_eq!(get(&remembered, Ok(2)).await, Some(1));
        hands.set(start + TimeDelta::seconds(30));
        assert_eq!(get(&remembered, Ok(3)).await, Some(3));
        hands.set(start + TimeDelta::seconds(59));
        assert_eq!(get(&remembered, Ok(4)).await, Some(3), "from when it was read, not from when it was first asked");
        hands.set(start);
        assert_eq!(get(&remembered, Ok(5)).await, Some(5), "a clock that was put back counts for nothing");
    }
}
