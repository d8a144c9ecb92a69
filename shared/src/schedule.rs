//! When a recurring job fires: by interval, or by wall-clock calendar with daylight saving right (CONTRACT §6).
//! Pure: it never asks for the time.
//! Neighbours: `request` parses schedules, `lifecycle` asks for the next occurrence.

mod calendar;
mod notes;
#[cfg(test)]
mod properties;

use chrono::{DateTime, Datelike, Weekday};

pub use self::calendar::Calendar;
pub use self::notes::{Note, NoteKind};
use crate::clock::Timestamp;

/// A recurrence with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub recurrence: Recurrence,
    /// No occurrence after it; one exactly at it still fires.
    pub end_at: Option<Timestamp>,
    pub max_occurrences: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Recurrence {
    /// `planned + k × every_seconds`; at least 60.
    Interval {
        every_seconds: u32,
    },
    Calendar(Calendar),
}

impl Schedule {
    /// The planned instant of occurrence 1. `None`: the schedule never fires.
    ///
    /// An interval begins where it is told to, or now. A calendar has instants of its own, so there `start` only means
    /// "not before":
    ///
    /// ```
    /// # use shared::{clock::parse_instant, schedule::{Calendar, Recurrence, Schedule}};
    /// # use chrono::NaiveTime;
    /// # let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
    /// let calendar = Calendar { times: vec![nine], days: vec![], zone: chrono_tz::Europe::Rome };
    /// let daily_at_nine =
    ///     Schedule { recurrence: Recurrence::Calendar(calendar), end_at: None, max_occurrences: None };
    /// let now = parse_instant("2026-07-01T09:00:00+02:00").unwrap();
    ///
    /// // Nine o'clock is now: whoever names no start asks for the next time, strictly after now.
    /// assert_eq!(daily_at_nine.first(None, now), parse_instant("2026-07-02T09:00:00+02:00"));
    /// // Whoever names this very instant means it.
    /// assert_eq!(daily_at_nine.first(Some(now), now), Some(now));
    /// // A start in the past is not corrected: that occurrence is overdue, and a poller fires it at once.
    /// let last_week = parse_instant("2026-06-24T10:00:00+02:00");
    /// assert_eq!(daily_at_nine.first(last_week, now), parse_instant("2026-06-25T09:00:00+02:00"));
    ///
    /// let hourly =
    ///     Schedule { recurrence: Recurrence::Interval { every_seconds: 3600 }, end_at: None, max_occurrences: None };
    /// assert_eq!(hourly.first(None, now), Some(now));
    /// assert_eq!(hourly.first(last_week, now), last_week);
    /// ```
    #[must_use]
    pub fn first(&self, start: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let at = match (&self.recurrence, start) {
            (Recurrence::Interval { .. }, start) => start.unwrap_or(now),
            (Recurrence::Calendar(calendar), Some(start)) => calendar.at_or_after(start)?,
            (Recurrence::Calendar(calendar), None) => calendar.after(now)?,
        };
        self.admits(1, at).then_some(at)
    }

    /// The planned instant of the occurrence after `number`, which was planned for `planned`. `None`: the series ends.
    ///
    /// It is counted from the *planned* instant, so retries and late pollers never make a series drift. It also lies
    /// after `now`, so after an outage the missed ones are skipped, not fired in a burst. They are not counted either:
    /// `max_occurrences` bounds what fires.
    ///
    /// ```
    /// # use shared::{clock::parse_instant, schedule::{Recurrence, Schedule}};
    /// let schedule = Schedule {
    ///     recurrence: Recurrence::Interval { every_seconds: 600 },
    ///     end_at: parse_instant("2026-01-01T13:00:00Z"),
    ///     max_occurrences: Some(3),
    /// };
    /// let noon = parse_instant("2026-01-01T12:00:00Z").unwrap();
    /// let next = |number, now| schedule.next(noon, number, parse_instant(now).unwrap());
    ///
    /// // Delivered three minutes late: the grid stays where it was.
    /// assert_eq!(next(1, "2026-01-01T12:03:00Z"), parse_instant("2026-01-01T12:10:00Z"));
    /// // Half an hour of outage: 12:10 and 12:20 are gone, and 12:30 too, for it is not after now.
    /// assert_eq!(next(1, "2026-01-01T12:30:00Z"), parse_instant("2026-01-01T12:40:00Z"));
    /// // One exactly at the end still fires; there is none after it.
    /// assert_eq!(next(1, "2026-01-01T12:55:00Z"), parse_instant("2026-01-01T13:00:00Z"));
    /// assert_eq!(next(1, "2026-01-01T13:00:00Z"), None);
    /// // The third was the last.
    /// assert_eq!(next(3, "2026-01-01T12:03:00Z"), None);
    /// ```
    #[must_use]
    pub fn next(&self, planned: Timestamp, number: u32, now: Timestamp) -> Option<Timestamp> {
        let at = match &self.recurrence {
            Recurrence::Interval { every_seconds } => next_on_grid(planned, *every_seconds, now)?,
            Recurrence::Calendar(calendar) => calendar.after(planned.max(now))?,
        };
        self.admits(number.checked_add(1)?, at).then_some(at)
    }

    /// The series as it goes when nothing is ever late: `first` and all that follow it.
    pub fn occurrences(&self, first: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.plan(first, first).map(|(_, planned)| planned)
    }

    /// The numbers and planned instants of a series that begins with `first` and is asked for at `now`, when nothing is
    /// late from then on: a first that lies in the past fires at once, and what lies between it and now is skipped.
    pub fn plan(&self, first: Timestamp, now: Timestamp) -> impl Iterator<Item = (u32, Timestamp)> {
        std::iter::successors(Some((1, first)), move |&(number, planned)| {
            Some((number + 1, self.next(planned, number, now)?))
        })
    }

    /// Instants are written with four digits for the year, hence the last bound.
    fn admits(&self, number: u32, at: Timestamp) -> bool {
        self.max_occurrences.is_none_or(|max| number <= max)
            && self.end_at.is_none_or(|end| at <= end)
            && at.year() <= 9999
    }
}

/// The smallest `anchor + k × every_seconds`, k ≥ 1, after `now`. `None` when that cannot be computed.
fn next_on_grid(anchor: Timestamp, every_seconds: u32, now: Timestamp) -> Option<Timestamp> {
    let every = i64::from(every_seconds) * 1000;
    let anchor_millis = anchor.timestamp_millis();
    let elapsed = now.max(anchor).timestamp_millis() - anchor_millis;
    let steps = elapsed.checked_div(every)? + 1;
    DateTime::from_timestamp_millis(anchor_millis.checked_add(steps.checked_mul(every)?)?)
}

/// The day that `scheduleDaysOfWeek` means: 0 is Sunday, 6 is Saturday (CONTRACT §4). `None` for any other number.
///
/// ```
/// # use shared::schedule::weekday_from_number;
/// # use chrono::Weekday;
/// assert_eq!(weekday_from_number(0), Some(Weekday::Sun));
/// assert_eq!(weekday_from_number(7), None);
/// ```
#[must_use]
pub fn weekday_from_number(number: u8) -> Option<Weekday> {
    const WEEK: [Weekday; 7] =
        [Weekday::Sun, Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat];
    WEEK.get(usize::from(number)).copied()
}

/// The inverse of [`weekday_from_number`].
#[must_use]
pub fn number_from_weekday(day: Weekday) -> u8 {
    // `Weekday as u8` counts from Monday.
    (day as u8 + 1) % 7
}

#[cfg(test)]
mod tests {
    use chrono::Weekday::{Fri, Mon, Sat, Sun};
    use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, Tz};

    use super::*;

    /// `2026-03-29 03:30 +02:00`: expectations are written as the wall clock shows them.
    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_str(text, "%F %H:%M %:z").unwrap().to_utc()
    }

    fn every(every_seconds: u32) -> Schedule {
        Schedule { recurrence: Recurrence::Interval { every_seconds }, end_at: None, max_occurrences: None }
    }

    fn on(zone: Tz, times: &[&str], days: &[Weekday]) -> Schedule {
        let times = times.iter().map(|time| chrono::NaiveTime::parse_from_str(time, "%H:%M").unwrap()).collect();
        let calendar = Calendar { times, days: days.to_vec(), zone };
        Schedule { recurrence: Recurrence::Calendar(calendar), end_at: None, max_occurrences: None }
    }

    fn walk(schedule: &Schedule, start: &str, steps: usize) -> Vec<Timestamp> {
        let first = schedule.first(Some(at(start)), at("2000-01-01 00:00 +00:00"));
        first.into_iter().flat_map(|first| schedule.occurrences(first)).take(steps).collect()
    }

    /// The first occurrences at or after `start` are these.
    #[track_caller]
    fn check_sequence<const N: usize>(schedule: &Schedule, start: &str, expected: [&str; N]) {
        assert_eq!(walk(schedule, start, N), expected.map(at), "{schedule:?}");
    }

    /// The occurrences at or after `start` are these and no more.
    #[track_caller]
    fn check_whole_sequence<const N: usize>(schedule: &Schedule, start: &str, expected: [&str; N]) {
        assert_eq!(walk(schedule, start, N + 1), expected.map(at), "{schedule:?}");
    }

    #[test]
    fn intervals_know_no_wall_clock() {
        let expected = ["2026-03-28 02:30 +01:00", "2026-03-29 03:30 +02:00", "2026-03-30 03:30 +02:00"];
        check_sequence(&every(86_400), "2026-03-28 02:30 +01:00", expected);
    }

    #[test]
    fn an_interval_begins_at_its_start_even_in_the_past_or_else_now() {
        let (start, now) = (at("2026-03-01 12:00 +00:00"), at("2026-03-05 00:00 +00:00"));
        assert_eq!(every(3600).first(Some(start), now), Some(start));
        assert_eq!(every(3600).first(Some(now), start), Some(now));
        assert_eq!(every(3600).first(None, now), Some(now));
    }

    #[test]
    fn calendar_days_are_those_of_the_zone() {
        let monday = on(Asia::Kathmandu, &["00:10", "23:50"], &[Mon]);
        let expected = ["2026-03-02 00:10 +05:45", "2026-03-02 23:50 +05:45", "2026-03-09 00:10 +05:45"];
        check_sequence(&monday, "2026-03-01 00:00 +05:45", expected);

        let weekend = on(Pacific::Apia, &["12:00"], &[Sun, Sat]);
        let expected = ["2026-03-07 12:00 +13:00", "2026-03-08 12:00 +13:00", "2026-03-14 12:00 +13:00"];
        check_sequence(&weekend, "2026-03-02 00:00 +13:00", expected);
    }

    #[test]
    fn times_are_taken_in_order_and_once_however_they_are_listed() {
        let expected = ["2026-03-02 08:00 +01:00", "2026-03-02 20:00 +01:00", "2026-03-03 08:00 +01:00"];
        let schedule = on(Europe::Rome, &["20:00", "08:00", "20:00"], &[]);
        check_sequence(&schedule, "2026-03-02 00:00 +01:00", expected);
    }

    #[test]
    fn a_time_that_does_not_exist_moves_forward_by_the_gap() {
        let expected = ["2026-03-28 02:30 +01:00", "2026-03-29 03:30 +02:00", "2026-03-30 02:30 +02:00"];
        check_sequence(&on(Europe::Rome, &["02:30"], &[]), "2026-03-28 00:00 +01:00", expected);

        // Half an hour: 02:00 to 02:30 is missing.
        let expected = ["2026-10-03 02:15 +10:30", "2026-10-04 02:45 +11:00", "2026-10-05 02:15 +11:00"];
        check_sequence(&on(Australia::Lord_Howe, &["02:15"], &[]), "2026-10-03 00:00 +10:30", expected);

        // At a minute past midnight: 00:01 to 01:01 is missing, 00:00 is not.
        let expected = ["2011-03-13 00:00 -03:30", "2011-03-13 01:01 -02:30", "2011-03-14 00:00 -02:30"];
        check_sequence(&on(America::St_Johns, &["00:00", "00:01"], &[]), "2011-03-13 00:00 -03:30", expected);

        // Ramadan 2025 ends: 02:00 to 03:00 is missing.
        let expected = ["2025-04-05 02:30 +00:00", "2025-04-06 03:30 +01:00", "2025-04-07 02:30 +01:00"];
        check_sequence(&on(Africa::Casablanca, &["02:30"], &[]), "2025-04-05 00:00 +00:00", expected);

        // The gap at midnight moves a Wednesday's time, and only by a quarter of an hour (the year 1986 began so).
        let expected = ["1986-01-01 00:20 +05:45", "1986-01-08 00:05 +05:45"];
        check_sequence(&on(Asia::Kathmandu, &["00:05"], &[Weekday::Wed]), "1985-12-30 00:00 +05:30", expected);
    }

    #[test]
    fn two_times_that_land_on_one_instant_fire_once() {
        let expected = ["2026-03-28 03:30 +01:00", "2026-03-29 03:30 +02:00", "2026-03-30 02:30 +02:00"];
        check_sequence(&on(Europe::Rome, &["02:30", "03:30"], &[]), "2026-03-28 03:00 +01:00", expected);
    }

    #[test]
    fn a_time_moved_by_a_gap_may_be_overtaken_by_a_later_one() {
        // 02:50 lands on 03:50, after 03:10, which comes later on the list of the day.
        let expected = ["2026-03-29 03:10 +02:00", "2026-03-29 03:50 +02:00", "2026-03-30 02:50 +02:00"];
        check_sequence(&on(Europe::Rome, &["02:50", "03:10"], &[]), "2026-03-29 00:00 +01:00", expected);
    }

    #[test]
    fn a_time_that_exists_twice_fires_at_the_first() {
        let expected = ["2026-10-24 02:30 +02:00", "2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"];
        check_sequence(&on(Europe::Rome, &["02:30"], &[]), "2026-10-24 00:00 +02:00", expected);

        let expected = ["2026-04-05 01:45 +11:00", "2026-04-06 01:45 +10:30"];
        check_sequence(&on(Australia::Lord_Howe, &["01:45"], &[]), "2026-04-05 00:00 +11:00", expected);

        // Starting between the two: the first one of that day has passed.
        let expected = ["2026-10-26 02:30 +01:00"];
        check_sequence(&on(Europe::Rome, &["02:30"], &[]), "2026-10-25 02:15 +01:00", expected);

        // At a minute past midnight the clock goes back to 23:01 of the day before: Saturday ends twice.
        let saturday = on(America::St_Johns, &["23:30"], &[Sat]);
        let expected = ["2010-11-06 23:30 -02:30", "2010-11-13 23:30 -03:30"];
        check_sequence(&saturday, "2010-11-06 00:00 -02:30", expected);
        let sunday = on(America::St_Johns, &["00:00", "23:30"], &[Sun]);
        let expected = ["2010-11-07 00:00 -02:30", "2010-11-07 23:30 -03:30", "2010-11-14 00:00 -03:30"];
        check_sequence(&sunday, "2010-11-06 23:30 -02:30", expected);
    }

    #[test]
    fn a_day_that_does_not_exist_moves_forward_by_a_day() {
        // Samoa went from Thursday, 29 December 2011, to Saturday, the 31st.
        let friday = on(Pacific::Apia, &["10:00"], &[Fri]);
        let expected = ["2011-12-23 10:00 -10:00", "2011-12-31 10:00 +14:00", "2012-01-06 10:00 +14:00"];
        check_sequence(&friday, "2011-12-23 00:00 -10:00", expected);

        let daily = on(Pacific::Apia, &["10:00"], &[]);
        let expected = ["2011-12-29 10:00 -10:00", "2011-12-31 10:00 +14:00", "2012-01-01 10:00 +14:00"];
        check_sequence(&daily, "2011-12-29 00:00 -10:00", expected);
    }

    #[test]
    fn a_series_ends_at_its_end_or_when_its_number_is_reached() {
        let noon = on(Europe::Rome, &["12:00"], &[]);
        let start = "2026-03-28 12:00 +01:00";
        let ends_at = |end| Schedule { end_at: Some(at(end)), ..noon.clone() };
        let of_at_most = |max| Schedule { max_occurrences: Some(max), ..noon.clone() };
        let two = ["2026-03-28 12:00 +01:00", "2026-03-29 12:00 +02:00"];
        check_whole_sequence(&ends_at("2026-03-29 12:00 +02:00"), start, two);
        check_whole_sequence(&of_at_most(2), start, two);
        check_whole_sequence(&ends_at("2026-03-29 11:59 +02:00"), start, ["2026-03-28 12:00 +01:00"]);
        check_whole_sequence(&of_at_most(1), start, ["2026-03-28 12:00 +01:00"]);
        check_whole_sequence(&ends_at("2026-03-28 11:59 +01:00"), start, []);
        let day = Schedule { end_at: Some(at("2026-03-29 12:00 +01:00")), ..every(86_400) };
        check_whole_sequence(&day, start, ["2026-03-28 12:00 +01:00", "2026-03-29 12:00 +01:00"]);
    }

    #[test]
    fn nothing_is_planned_past_the_year_9999_or_the_last_number() {
        check_whole_sequence(&every(3600), "9999-12-31 23:00 +00:00", ["9999-12-31 23:00 +00:00"]);
        let utc = on(Tz::UTC, &["23:00"], &[]);
        check_whole_sequence(&utc, "9999-12-31 22:00 +00:00", ["9999-12-31 23:00 +00:00"]);
        let start = at("2026-01-01 00:00 +00:00");
        assert_eq!(utc.next(start, u32::MAX, start), None);
        for schedule in [utc, every(60), every(0)] {
            assert_eq!(schedule.next(Timestamp::MIN_UTC, 1, Timestamp::MAX_UTC), None);
            assert_eq!(schedule.next(Timestamp::MAX_UTC, 1, Timestamp::MIN_UTC), None);
        }
        assert_eq!(on(Tz::UTC, &[], &[]).first(None, start), None);
    }

    #[test]
    fn weekdays_and_their_numbers_are_inverse() {
        for number in 0..=u8::MAX {
            assert_eq!(weekday_from_number(number).map(number_from_weekday), (number < 7).then_some(number));
        }
    }
}
