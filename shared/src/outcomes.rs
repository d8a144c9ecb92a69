//! What became of a tenant's attempts in an hour: counts and two histograms that add up. Data only, of a fixed size.
//! It never knows a job. Neighbours: the poller's `told` adds up, `store::outcomes` keeps the sums.

use std::time::Duration;

use chrono::{DurationRound, TimeDelta};

use crate::clock::Timestamp;

/// The upper ends, in seconds, of the buckets for how late a claim came; one more holds what is above.
pub const LATENESS_SECONDS: [f64; BUCKETS - 1] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
/// The same for how long receivers took to answer.
pub const ANSWER_SECONDS: [f64; BUCKETS - 1] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
pub const BUCKETS: usize = 10;

/// Sums of one tenant and hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Attempts that a receiver answered with a 2xx.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs that were given up.
    pub dead_lettered: u64,
    pub lateness: [u64; BUCKETS],
    pub answers: [u64; BUCKETS],
}

/// An hour of the clock, named by its first instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(Timestamp);

impl Hour {
    /// The hour that `at` lies in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at))
    }

    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The hour after; at the end of all time the same.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_signed(TimeDelta::hours(1)).unwrap_or(self.0))
    }
}

impl Outcomes {
    /// An attempt ended.
    pub fn count_attempt(&mut self, succeeded: bool, lateness: Duration, answer: Duration) {
        *(if succeeded { &mut self.delivered } else { &mut self.failed }) += 1;
        count_in(&mut self.lateness, &LATENESS_SECONDS, lateness);
        count_in(&mut self.answers, &ANSWER_SECONDS, answer);
    }

    /// Adds what another process, or another hour, has counted.
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead_lettered += other.dead_lettered;
        self.lateness.iter_mut().zip(other.lateness).for_each(|(sum, count)| *sum += count);
        self.answers.iter_mut().zip(other.answers).for_each(|(sum, count)| *sum += count);
    }
}

fn count_in(counts: &mut [u64; BUCKETS], ends: &[f64; BUCKETS - 1], duration: Duration) {
    let bucket = ends.iter().position(|end| duration.as_secs_f64() <= *end).unwrap_or(BUCKETS - 1);
    if let Some(count) = counts.get_mut(bucket) {
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_instant;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_reaches_so_far() {
        let mut outcomes = Outcomes::default();
        for (lateness, answer) in [(0, 100), (1_000, 101), (1_001, 60_000), (3_600_001, 60_001)] {
            outcomes.count_attempt(answer < 60_000, Duration::from_millis(lateness), Duration::from_millis(answer));
        }
        assert_eq!((outcomes.delivered, outcomes.failed), (2, 2));
        assert_eq!(outcomes.lateness, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(outcomes.answers, [1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        let mut sum = outcomes;
        sum.add(&outcomes);
        assert_eq!((sum.delivered, sum.lateness[0], sum.answers[9]), (4, 4, 2));
    }

    #[test]
    fn an_hour_begins_at_its_zeroth_minute() {
        let at = |text| parse_instant(text).unwrap();
        let hour = Hour::of(at("2026-01-01T00:59:59.999Z"));
        assert_eq!(hour.start(), at("2026-01-01T00:00:00Z"));
        assert_eq!(Hour::of(at("2026-01-01T01:00:00Z")), hour.next());
    }
}
