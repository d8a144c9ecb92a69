//! The time that a tick has: until when it takes jobs, how long an attempt may take, and when it must be over.
//! It never looks at a job or at the time of day. Neighbours: `tick` and `fire` ask it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::clock::Stopwatch;

/// The longest that an attempt may take (`timeoutSeconds`).
const LONGEST_ATTEMPT: Duration = Duration::from_secs(60);
/// At the end of an invocation: time to record the outcomes of the attempts that ended last.
const TO_RECORD: Duration = Duration::from_secs(8);
/// At the very end: time to say what was done.
const TO_REPORT: Duration = Duration::from_secs(1);

/// How long an invocation should be: every attempt has all of its own timeout, and jobs are taken for a minute.
pub const COMFORTABLE: Duration = Duration::from_secs(130);

/// The time in which new jobs may be taken, and what is in flight when it closes is finished.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Window {
    watch: Stopwatch,
    /// How long the whole invocation may take; `None` without an end.
    length: Option<Duration>,
    closed: Arc<AtomicBool>,
}

impl Window {
    /// Open until [`Window::close`].
    #[must_use]
    pub fn open() -> Self {
        Self { watch: Stopwatch::start(), length: None, closed: Arc::default() }
    }

    /// For an invocation that will be killed in `length` from now.
    #[must_use]
    pub fn of_invocation(length: Duration) -> Self {
        Self { length: Some(length), ..Self::open() }
    }

    /// Takes effect on all clones.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether a job may be taken now: while there is time left for the longest attempt, and in any case
    /// in the first half of the time for attempts, or a short invocation would never do anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let in_time = |length| {
            let attempts = for_attempts(length);
            self.watch.elapsed() < attempts.saturating_sub(LONGEST_ATTEMPT).max(attempts / 2)
        };
        !self.closed.load(Ordering::SeqCst) && self.length.is_none_or(in_time)
    }

    /// How long an attempt that begins now may take at most, whatever its own timeout; `None` without a bound.
    #[must_use]
    pub(crate) fn longest_attempt(&self) -> Option<Duration> {
        self.length.map(|length| for_attempts(length).saturating_sub(self.watch.elapsed()))
    }

    /// The time until what still runs must be left alone; `None` without an end.
    #[must_use]
    pub(crate) fn rest(&self) -> Option<Duration> {
        let end = |length: Duration| length.saturating_sub(TO_REPORT.min(length / 20));
        self.length.map(|length| end(length).saturating_sub(self.watch.elapsed()))
    }

    /// How much of its own timeout any attempt has at least, when that is not all of it.
    #[must_use]
    pub fn shortens_attempts_to(&self) -> Option<Duration> {
        self.length.map(|length| for_attempts(length) / 2).filter(|half| *half < LONGEST_ATTEMPT)
    }
}

/// The part of an invocation in which attempts may run.
fn for_attempts(length: Duration) -> Duration {
    length.saturating_sub(TO_RECORD.min(length / 4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When a window of an invocation this long, in seconds, stops taking.
    fn closes_after(length: u64) -> f64 {
        let attempts = for_attempts(Duration::from_secs(length));
        attempts.saturating_sub(LONGEST_ATTEMPT).max(attempts / 2).as_secs_f64()
    }

    #[test]
    fn it_closes_when_the_longest_attempt_would_not_fit_or_at_half_time() {
        for (length, expected) in [(900, 832.0), (130, 62.0), (100, 46.0), (60, 26.0), (20, 7.5), (4, 1.5), (0, 0.0)] {
            assert!((closes_after(length) - expected).abs() < 1e-9, "{length}: {}", closes_after(length));
        }
    }

    #[test]
    fn without_an_end_it_is_open_until_it_is_closed_for_all() {
        let window = Window::open();
        let clone = window.clone();
        assert!(clone.is_open() && clone.longest_attempt().is_none() && clone.rest().is_none());
        window.close();
        assert!(!clone.is_open());
    }

    #[test]
    fn an_invocation_that_is_over_takes_nothing() {
        let window = Window::of_invocation(Duration::ZERO);
        assert!(!window.is_open());
        assert_eq!((window.longest_attempt(), window.rest()), (Some(Duration::ZERO), Some(Duration::ZERO)));
    }

    #[test]
    fn a_comfortable_invocation_shortens_no_attempt() {
        let on_its_way = Duration::from_secs(1);
        assert_eq!(Window::of_invocation(COMFORTABLE - on_its_way).shortens_attempts_to(), None);
        let short = Window::of_invocation(Duration::from_secs(60)).shortens_attempts_to();
        assert_eq!(short, Some(Duration::from_secs(26)));
    }

    proptest! {
        #[test]
        fn what_is_taken_last_ends_before_the_invocation_does(length in 0u64..=900_000) {
            let length = Duration::from_millis(length);
            let window = Window::of_invocation(length);
            let (attempt, rest) = (window.longest_attempt().unwrap(), window.rest().unwrap());
            prop_assert!(attempt <= rest && rest <= length);
            prop_assert!(length.is_zero() || length < Duration::from_millis(20) || rest < length);
        }
    }
}
