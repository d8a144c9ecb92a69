//! The only place that asks for the time, and the two text forms of an instant.
//! It never sleeps and never decides what is due: callers pass `now` on to pure functions.
//! Neighbours: `schedule` computes with instants, `wire` and `store::item` write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

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

/// Reads RFC 3339; an offset is converted to UTC, none means UTC (CONTRACT §4, `fireAtUtc`). `t` and `z` are as good
/// as `T` and `Z`, and a leap second is the second after it.
/// `None` for anything else and for instants outside the years 0000 to 9999 in UTC.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let at = match offset_of(text)? {
        "" => DateTime::parse_from_rfc3339(&format!("{text}Z")),
        _ => DateTime::parse_from_rfc3339(text),
    };
    let at = whole_millis(at.ok()?.with_timezone(&Utc));
    in_range(at).then_some(at)
}

/// What follows the seconds, if all of the text has the form of RFC 3339 §5.6, but that the offset may be missing.
/// chrono alone is more generous: it takes blanks for a `T`, and a minus sign that is not ASCII.
fn offset_of(text: &str) -> Option<&str> {
    let (seconds, rest) = text.split_at_checked("2026-12-24T18:00:00".len())?;
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => fraction
            .strip_prefix(|digit: char| digit.is_ascii_digit())?
            .trim_start_matches(|digit: char| digit.is_ascii_digit()),
    };
    let is_offset = matches!(offset, "" | "Z" | "z") || has_form(offset, "+00:00");
    (has_form(seconds, "0000-00-00T00:00:00") && is_offset).then_some(offset)
}

/// In `form`, 0 stands for any digit, + for either sign, and a letter for itself in either case.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'+' => matches!(byte, b'+' | b'-'),
        _ => byte.eq_ignore_ascii_case(&form),
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_are_read_with_any_offset_or_none_and_written_in_utc() {
        for (text, expected) in [
            ("2026-12-24T18:00:00Z", Some("2026-12-24T18:00:00.000Z")),
            ("2026-12-24T18:00:00+01:00", Some("2026-12-24T17:00:00.000Z")),
            ("2026-12-24T18:00:00", Some("2026-12-24T18:00:00.000Z")),
            ("2026-12-24T18:00:00.1239", Some("2026-12-24T18:00:00.123Z")),
            ("2026-12-24t18:00:00.1239999z", Some("2026-12-24T18:00:00.123Z")),
            ("2026-12-24t18:00:00", Some("2026-12-24T18:00:00.000Z")),
            ("2026-12-24T18:00:00.5-00:00", Some("2026-12-24T18:00:00.500Z")),
            ("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00.000Z")),
            ("2016-12-31T23:59:60", Some("2017-01-01T00:00:00.000Z")),
            ("0026-12-24T18:00:00", Some("0026-12-24T18:00:00.000Z")),
            ("26-12-24T18:00:00", None),
            ("202-12-24T18:00:00", None),
            ("12026-12-24T18:00:00", None),
            ("+2026-12-24T18:00:00", None),
            ("2026-1-2T3:4:5", None),
            (" 2026- 1- 2T 3: 4: 5", None),
            ("2026-12-24 18:00:00", None),
            ("2026-12-24 18:00:00Z", None),
            ("2026-12-24T18:00:00 Z", None),
            ("2026-12-24T18:00:00.", None),
            ("2026-12-24T18:00:00.Z", None),
            ("2026-12-24T18:00:00,5Z", None),
            ("2026-12-24T18:00Z", None),
            ("2026-12-24T18:00:00+01", None),
            ("2026-12-24T18:00:00+0100", None),
            ("2026-12-24T18:00:00\u{2212}01:00", None),
            ("2026-12-24T24:00:00Z", None),
            ("2026-12-24T18:00:61Z", None),
            ("2026-12-24T18:00:00+24:00", None),
            ("2026-12-24T18:00:00+00:60", None),
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

    /// The forms of RFC 3339, with 0 for every digit and one for all of a fraction, and those without an offset.
    const FORMS: [&str; 8] = [
        "0000-00-00T00:00:00",
        "0000-00-00T00:00:00Z",
        "0000-00-00T00:00:00+00:00",
        "0000-00-00T00:00:00-00:00",
        "0000-00-00T00:00:00.0",
        "0000-00-00T00:00:00.0Z",
        "0000-00-00T00:00:00.0+00:00",
        "0000-00-00T00:00:00.0-00:00",
    ];

    fn form(text: &str) -> String {
        let digits_as_0 = |c: char| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() };
        let mut form: String = text.chars().map(digits_as_0).collect();
        while form.contains(".00") {
            form = form.replace(".00", ".0");
        }
        form
    }

    proptest! {
        #[test]
        fn what_is_read_as_an_instant_has_a_form_of_rfc_3339(
            text in "(26|202|2026|02026|\\+2026|-2026)-(1|01|12| 1)-(2|02|24| 2)[Tt _](3|03|23| 3):(4|04|59):(5|05|60)(\\.|\\.[0-9]{1,12}|,5)?(Z|z| |\u{2212}01:00|[+-](01:00|1:00|0100|01|23:59|00:00))?",
        ) {
            prop_assert!(parse_instant(&text).is_none() || FORMS.contains(&form(&text).as_str()), "{text:?}");
        }

        #[test]
        fn an_instant_with_one_character_changed_is_refused_or_still_has_its_form(
            whole in prop::sample::select(&["2026-12-24T18:00:00", "2026-12-24T18:00:00.5Z", "2026-12-24T18:00:00-01:00"][..]),
            at in 0_usize..25, removed in 0_usize..3, put in "[-0-9TtZz+:., _\u{2212}]{0,2}",
        ) {
            let mut text: Vec<char> = whole.chars().collect();
            let start = at.min(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, put.chars());
            let text: String = text.into_iter().collect();
            prop_assert!(parse_instant(&text).is_none() || FORMS.contains(&form(&text).as_str()), "{text:?}");
        }

        #[test]
        fn every_form_of_rfc_3339_is_read(
            form in prop::sample::select(&FORMS[..]), millis in 0_i64..200_000_000_000_000, lower_case in any::<bool>(),
        ) {
            let at = from_millis(millis);
            let digits = at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
            let (stamp, fraction) = digits.split_at(19);
            let offset = form.get(19..).unwrap_or_default();
            let text = match offset.strip_prefix(".0") {
                Some(offset) => format!("{stamp}{fraction}{offset}"),
                None => format!("{stamp}{offset}"),
            };
            let text = if lower_case { text.to_lowercase() } else { text };
            let expected = if offset.starts_with('.') { millis } else { millis - millis % 1000 };
            prop_assert_eq!(parse_instant(&text), Some(from_millis(expected)), "{}", text);
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
