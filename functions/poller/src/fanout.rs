//! Sharing a large tick out: the coordinator counts what is due and hands slices of the shards to more of itself.
//! It never hands out a worker's slice again, and never waits for a worker: what is not taken stays in the queue.
//! Neighbours: `event` is what a worker is sent, `tick` what each of them does.

use std::cmp::Reverse;
use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::config::Settings;
use shared::store::StoreError;
use tokio::sync::mpsc;

use crate::Poller;
use crate::tally::Summary;
use crate::window::Window;

/// Shards that are counted at a time.
const COUNTS_AT_ONCE: usize = 16;

/// When to share out, and among how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// Due jobs that one poller takes by itself.
    pub threshold: u32,
    /// Pollers in all, the coordinator included.
    pub max: u32,
}

impl FanOut {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self { threshold: settings.fan_out_threshold, max: settings.fan_out_max }
    }

    /// Slices of the shards `0..counts.len()`, each shard in exactly one, balanced by count, the lightest first.
    /// As many as it takes for each to stay within the threshold, if there may be so many; one when nothing is
    /// to be shared out.
    #[must_use]
    pub fn slices(self, counts: &[u64]) -> Vec<Vec<u32>> {
        let total: u64 = counts.iter().sum();
        let wanted = total.div_ceil(u64::from(self.threshold.max(1)));
        let busy = counts.iter().filter(|count| **count > 0).count();
        let pollers = usize::try_from(wanted.min(u64::from(self.max))).unwrap_or(usize::MAX).min(busy).max(1);
        let mut shards: Vec<(u32, u64)> = (0..).zip(counts.iter().copied()).collect();
        shards.sort_by_key(|(_, count)| Reverse(*count));
        // The largest shard left goes to the lightest slice: never worse than a third above the best there is.
        let mut slices = vec![(0u64, Vec::new()); pollers];
        for (shard, count) in shards {
            if let Some((load, slice)) = slices.iter_mut().min_by_key(|(load, slice)| (*load, slice.len())) {
                *load += count;
                slice.push(shard);
            }
        }
        slices.sort_by_key(|(load, _)| *load);
        let sorted = |(_, mut slice): (u64, Vec<u32>)| {
            slice.sort_unstable();
            slice
        };
        slices.into_iter().map(sorted).collect()
    }
}

impl Poller {
    /// A tick over everything. When more is due than one poller should take, `invoke` is given slices of the shards
    /// for others and this one keeps the lightest. A slice that could not be handed over is taken here.
    pub async fn coordinate<E: Display>(
        self: &Arc<Self>,
        window: &Window,
        fan_out: FanOut,
        invoke: impl AsyncFn(&[u32]) -> Result<(), E>,
    ) -> Summary {
        let mut slices = match self.count(fan_out.threshold).await {
            Ok(counts) => fan_out.slices(&counts).into_iter(),
            Err(error) => {
                tracing::error!(%error, "{error}; this poller takes all shards");
                vec![(0..self.store.shards()).collect()].into_iter()
            }
        };
        let own = slices.next().unwrap_or_default();
        let (keep, mut kept) = mpsc::unbounded_channel();
        let invoke = &invoke;
        let handing_over = async move {
            let handed_over = join_all(slices.map(|slice| hand_over(slice, invoke, keep.clone()))).await;
            // The last sender: those shards that come to this poller have come.
            drop(keep);
            handed_over.into_iter().map(u64::from).sum()
        };
        let shards = stream::iter(own).chain(stream::poll_fn(move |context| kept.poll_recv(context)));
        let (summary, workers) = tokio::join!(self.tick_over(window, shards), handing_over);
        Summary { workers, ..summary }
    }

    async fn count(&self, cap: u32) -> Result<Vec<u64>, StoreError> {
        let now = self.clock.now();
        stream::iter(0..self.store.shards())
            .map(|shard| self.store.count_due(shard, now, cap))
            .buffered(COUNTS_AT_ONCE)
            .try_collect()
            .await
    }
}

/// Whether another poller was invoked for `slice`; otherwise its shards go to `keep`.
async fn hand_over<E: Display>(
    slice: Vec<u32>,
    invoke: &impl AsyncFn(&[u32]) -> Result<(), E>,
    keep: mpsc::UnboundedSender<u32>,
) -> bool {
    let count = slice.len();
    match invoke(&slice).await {
        Ok(()) => {
            tracing::info!(shards = ?slice, "{count} shards are handed to another poller");
            true
        }
        Err(error) => {
            tracing::error!(shards = ?slice, %error, "no other poller could be invoked for {count} shards: this one takes them");
            // Nobody listens once the tick has ended: then the next one takes them.
            let _nobody_listens = slice.into_iter().try_for_each(|shard| keep.send(shard)).is_err();
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slices(threshold: u32, max: u32, counts: &[u64]) -> Vec<Vec<u32>> {
        FanOut { threshold, max }.slices(counts)
    }

    #[test]
    fn it_takes_more_than_one_poller_should_take_to_share_out() {
        assert_eq!(slices(100, 8, &[50, 50]), [[0, 1]]);
        assert_eq!(slices(100, 8, &[50, 51]), [[0], [1]]);
        assert_eq!(slices(100, 1, &[5_000, 5_000]), [[0, 1]]);
        assert_eq!(slices(100, 8, &[0, 0, 0]), [[0, 1, 2]]);
        assert_eq!(slices(100, 8, &[0, 900, 0]), [[0, 1, 2]], "one shard is not cut");
    }

    #[test]
    fn there_are_as_many_slices_as_the_work_asks_for() {
        let even = [1_250; 16];
        assert_eq!(slices(5_000, 8, &even).len(), 4);
        assert_eq!(slices(2_500, 8, &even).len(), 8);
        assert_eq!(slices(100, 8, &even).len(), 8);
        assert_eq!(slices(100, 100, &even).len(), 16);
    }

    #[test]
    fn a_heavy_shard_stands_alone_and_the_coordinator_keeps_the_lightest_slice() {
        assert_eq!(slices(100, 2, &[900, 10, 20, 30]), [vec![1, 2, 3], vec![0]]);
    }

    proptest! {
        #[test]
        fn each_shard_is_in_one_slice_and_the_slices_are_balanced(
            counts in prop::collection::vec(0u64..6_000, 1..100),
            threshold in 1u32..10_000,
            max in 1u32..20,
        ) {
            let slices = slices(threshold, max, &counts);
            prop_assert!(!slices.is_empty() && slices.len() <= max as usize);
            prop_assert!(slices.iter().all(|slice| !slice.is_empty()));
            let mut shards: Vec<u32> = slices.concat();
            shards.sort_unstable();
            prop_assert_eq!(shards, (0..).take(counts.len()).collect::<Vec<u32>>());
            let load = |slice: &Vec<u32>| slice.iter().map(|shard| counts[*shard as usize]).sum::<u64>();
            let loads: Vec<u64> = slices.iter().map(load).collect();
            prop_assert!(loads.is_sorted());
            prop_assert!(loads[loads.len() - 1] - loads[0] <= *counts.iter().max().unwrap());
        }
    }
}
