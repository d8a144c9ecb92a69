//! How long to wait after a failed attempt (CONTRACT §5).
//! Pure. Neighbour: `lifecycle` applies it.

use std::time::Duration;

use chrono::TimeDelta;

const LONGEST: TimeDelta = TimeDelta::minutes(60);

/// After failed attempt `n` (from 1): `2^(n-1)` minutes, at most 60; a receiver that asked
/// for longer by `Retry-After` gets it, up to the same 60 minutes.
#[must_use]
pub fn delay_after(attempt: u32, retry_after: Option<Duration>) -> TimeDelta {
    let doublings = attempt.saturating_sub(1).min(6);
    let ours = TimeDelta::minutes(1 << doublings).min(LONGEST);
    let asked = retry_after.map_or(TimeDelta::zero(), |wait| TimeDelta::from_std(wait).unwrap_or(LONGEST));
    ours.max(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_from_one_minute_to_sixty() {
        let minutes: Vec<i64> = (1..=9).map(|n| delay_after(n, None).num_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delay_after(100, None), LONGEST);
        assert_eq!(delay_after(u32::MAX, None), LONGEST);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_but_not_for_shorter_nor_for_days() {
        let asked = |n, secs| delay_after(n, Some(Duration::from_secs(secs))).num_seconds();
        assert_eq!(asked(1, 90), 90);
        assert_eq!(asked(3, 90), 240);
        assert_eq!(asked(1, 86_400), 3_600);
        assert_eq!(asked(1, u64::MAX), 3_600);
    }
}
