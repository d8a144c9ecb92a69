//! The only place that asks for the time, and the two text forms of an instant.
//! It never sleeps and never decides what is due: callers pass `now` on to pure functions.
//! Neighbours: `schedule` computes with instants, `wire` and `store::item` write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

/// An instant in UTC, of whole milliseconds everywhere in the Scheduler (CONTRACT: "milliseconds at most").
pub type Timestamp = DateTime<Utc>;

/// Where `now` comes from: the system, or a virtual clock that stands still until it is told.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// The system's, so much ahead: a machine whose clock is wrong.
    Wrong(TimeDelta),
    Virtual(VirtualClock),
}

/// A clock that only moves when somebody sets it. Clones share the same hands.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicI64>);

impl Clock {
    #[must_use]
    pub fn virtual_at(start: Timestamp) -> Self {
        Self::Virtual(VirtualClock(Arc::new(AtomicI64::new(start.timestamp_millis()))))
    }

    /// The present instant, cut to the millisecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
            Self::System => whole_millis(Utc::now()),
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
            Self::Wrong(ahead) => whole_millis(Utc::now() + *ahead),
            Self::Virtual(clock) => clock.now(),
        }
    }
}

impl VirtualClock {
    #[must_use]
    pub fn now(&self) -> Timestamp {
        from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn set(&self, to: Timestamp) {
        self.0.store(to.timestamp_millis(), Ordering::SeqCst);
    }
}

/// The monotonic clock: tokio's, which is the system's but where the simulation has paused it for all that waits.
/// Without a store nothing waits, and there is no tokio.
#[cfg(feature = "store")]
type Monotonic = tokio::time::Instant;
#[cfg(not(feature = "store"))]
type Monotonic = std::time::Instant;

/// Measures how long something takes; unrelated to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Monotonic);

impl Stopwatch {
    #[must_use]
    #[cfg_attr(
        not(feature = "store"),
        expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")
    )]
    pub fn start() -> Self {
        Self(Monotonic::now())
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Cuts an instant to whole milliseconds. A leap second becomes the second after it.
#[must_use]
pub fn whole_millis(at: Timestamp) -> Timestamp {
    from_millis(at.timestamp_millis())
}

fn from_millis(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC)
}

/// `2026-03-28T12:00:00.000Z`: fixed width, so that text order is time order (years 0000 to 9999).
#[must_use]
pub fn format_instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads RFC 3339; an offset is converted to UTC, none means UTC (CONTRACT §4, `fireAtUtc`).
/// `None` for anything else and for instants outside the years 0000 to 9999 in UTC.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let at = match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.with_timezone(&Utc),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc(),
    };
    let at = whole_millis(at);
    in_range(at).then_some(at)
}

/// `start` plus a number of seconds, rounded up to the millisecond so that nothing comes early.
/// `None` when the result lies outside what [`format_instant`] can write.
#[must_use]
pub fn after_seconds(start: Timestamp, seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1000.0).ceil();
    if !(0.0..=1e15).contains(&millis) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    let at = start.checked_add_signed(TimeDelta::try_milliseconds(millis as i64)?)?;
    in_range(at).then_some(at)
}

fn in_range(at: Timestamp) -> bool {
    use chrono::Datelike;
    (0..=9999).contains(&at.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_any_offset_or_none_and_written_in_utc() {
        for (text, expected) in [
            ("2026-12-24T18:00:00Z", Some("2026-12-24T18:00:00.000Z")),
            ("2026-12-24T18:00:00+01:00", Some("2026-12-24T17:00:00.000Z")),
            ("2026-12-24T18:00:00", Some("2026-12-24T18:00:00.000Z")),
            ("2026-12-24T18:00:00.1239", Some("2026-12-24T18:00:00.123Z")),
            ("2026-12-24t18:00:00.1239999z", Some("2026-12-24T18:00:00.123Z")),
            ("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00.000Z")),
            ("0000-01-01T00:00:00+01:00", None),
            ("9999-12-31T23:59:59-01:00", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-12-24", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(parse_instant(text).map(format_instant).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_delay_is_rounded_up_and_bounded() {
        let start = parse_instant("2026-01-01T00:00:00Z").unwrap();
        let after = |seconds| after_seconds(start, seconds).map(format_instant);
        assert_eq!(after(0.0001).as_deref(), Some("2026-01-01T00:00:00.001Z"));
        assert_eq!(after(1.5).as_deref(), Some("2026-01-01T00:00:01.500Z"));
        assert_eq!(after(1e300), None);
        assert_eq!(after(f64::NAN), None);
        assert_eq!(after(3e11), None);
    }

    #[test]
    fn a_virtual_clock_moves_only_when_set() {
        let start = parse_instant("2026-01-01T00:00:00Z").unwrap();
        let clock = Clock::virtual_at(start);
        let Clock::Virtual(hands) = &clock else { unreachable!() };
        assert_eq!(clock.now(), start);
        hands.set(start + TimeDelta::hours(1));
        assert_eq!(clock.now(), start + TimeDelta::hours(1));
    }
}
