//! Wall-clock times on days of the week, as instants: what a calendar schedule means when the clocks change.
//! It never bounds or counts a series; that is `schedule`.
//! Neighbours: `schedule` asks for the next instant; the rules of all zones come from `chrono_tz`.

use chrono::{Datelike, Days, MappedLocalTime, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Weekday};
use chrono_tz::{GapInfo, Tz};

use crate::clock::Timestamp;

/// Wall-clock times on certain days of the week in one time zone.
///
/// A wall-clock time is not an instant: twice a year, in most of Europe, one of them does not exist and one exists
/// twice. Each listed time on each allowed day of the local calendar stands for exactly one instant all the same, so
/// that a daily job runs daily.
///
/// # A time that does not exist fires as if the clock had not been put forward yet
///
/// The offset before the gap decides, so the wall clock, by then put forward, shows the time plus the length of the gap.
/// The distance to a time before the gap stays what the list says: half an hour from 02:00 to 02:30.
///
/// ```
/// # use shared::{clock::parse_instant, schedule::Calendar};
/// # use chrono::{NaiveTime, Weekday};
/// # use chrono_tz::Tz;
/// # fn calendar(zone: Tz, times: &[(u32, u32)], days: &[Weekday]) -> Calendar {
/// #     let times = times.iter().map(|&(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0).unwrap()).collect();
/// #     Calendar { times, days: days.to_vec(), zone }
/// # }
/// // Rome went from 01:59 to 03:00 that night.
/// let at_half_past_two = calendar(chrono_tz::Europe::Rome, &[(2, 30)], &[]);
/// let midnight = parse_instant("2026-03-29T00:00:00+01:00").unwrap();
/// assert_eq!(at_half_past_two.at_or_after(midnight), parse_instant("2026-03-29T03:30:00+02:00"));
///
/// // Lord Howe Island moves its clocks by half an hour: from 01:59 to 02:30.
/// let at_quarter_past_two = calendar(chrono_tz::Australia::Lord_Howe, &[(2, 15)], &[]);
/// let midnight = parse_instant("2026-10-04T00:00:00+10:30").unwrap();
/// assert_eq!(at_quarter_past_two.at_or_after(midnight), parse_instant("2026-10-04T02:45:00+11:00"));
///
/// // Samoa skipped a whole Friday to change sides of the date line. A Friday's job of that week ran on Saturday.
/// let fridays_at_ten = calendar(chrono_tz::Pacific::Apia, &[(10, 0)], &[Weekday::Fri]);
/// let thursday = parse_instant("2011-12-29T12:00:00-10:00").unwrap();
/// assert_eq!(fridays_at_ten.at_or_after(thursday), parse_instant("2011-12-31T10:00:00+14:00"));
/// ```
///
/// # A time that exists twice fires at the first
///
/// ```
/// # use shared::{clock::parse_instant, schedule::Calendar};
/// # use chrono::NaiveTime;
/// # let times = vec![NaiveTime::from_hms_opt(2, 30, 0).unwrap()];
/// // Rome went from 02:59 back to 02:00 that night.
/// let at_half_past_two = Calendar { times, days: vec![], zone: chrono_tz::Europe::Rome };
/// let midnight = parse_instant("2026-10-25T00:00:00+02:00").unwrap();
/// assert_eq!(at_half_past_two.at_or_after(midnight), parse_instant("2026-10-25T02:30:00+02:00"));
/// // The second 02:30 of the night is none: next comes tomorrow's.
/// let second = parse_instant("2026-10-25T02:30:00+01:00").unwrap();
/// assert_eq!(at_half_past_two.at_or_after(second), parse_instant("2026-10-26T02:30:00+01:00"));
/// ```
///
/// # Two times that land on the same instant are one
///
/// A moved time may meet another of the list. Occurrences are instants, and there is one.
///
/// ```
/// # use shared::{clock::parse_instant, schedule::Calendar};
/// # use chrono::{NaiveTime, TimeDelta};
/// # let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
/// let calendar =
///     Calendar { times: vec![time(2, 30), time(3, 30)], days: vec![], zone: chrono_tz::Europe::Rome };
/// let midnight = parse_instant("2026-03-29T00:00:00+01:00").unwrap();
/// let both = calendar.at_or_after(midnight).unwrap();
/// assert_eq!(Some(both), parse_instant("2026-03-29T03:30:00+02:00"));
/// assert_eq!(calendar.at_or_after(both + TimeDelta::milliseconds(1)), parse_instant("2026-03-30T02:30:00+02:00"));
/// ```
///
/// # From 2100 on the clocks stand still
///
/// `chrono_tz` lists clock changes up to 2099 and knows no rule beyond: what comes later has the last offset, winter's
/// in Rome.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// 1 to 96 times of whole minutes, as they were given.
    pub times: Vec<NaiveTime>,
    /// As given, without repeats; empty means every day.
    pub days: Vec<Weekday>,
    pub zone: Tz,
}

impl Calendar {
    /// The smallest instant of the calendar at or after `from`. `None` only without any time, or at the end of all dates.
    #[must_use]
    pub fn at_or_after(&self, from: Timestamp) -> Option<Timestamp> {
        // Instants need not come in the order of their local dates and times: a gap moves 02:50 behind 03:10, and
        // Samoa's lost Friday onto Saturday. So this takes the least of a window of local dates, wide enough because
        // an offset is less than a day (`chrono` has no other): the instant of a local time, read as if that were UTC,
        // lies within a day of it. With U for the date of `from` in UTC,
        // - whatever is at or after `from` has a local time later than `from` less a day: a date of U-1 or later;
        // - each time on U+2 to U+8 lies after `from`, and those are seven days, so one at least is allowed: the
        //   instant sought lies before U+10 (the end of U+8 and a day), its local time before U+11.
        const DATES: usize = 12; // U-1 to U+10
        let dates = from.date_naive().checked_sub_days(Days::new(1))?.iter_days().take(DATES);
        dates
            .filter(|date| self.days.is_empty() || self.days.contains(&date.weekday()))
            .flat_map(|date| self.times.iter().filter_map(move |time| self.instant(date.and_time(*time))))
            .filter(|at| *at >= from)
            .min()
    }

    /// The smallest instant of the calendar strictly after `after`.
    pub(super) fn after(&self, after: Timestamp) -> Option<Timestamp> {
        self.at_or_after(after.checked_add_signed(TimeDelta::nanoseconds(1))?)
    }

    /// The one instant that a wall-clock time stands for.
    pub(super) fn instant(&self, local: NaiveDateTime) -> Option<Timestamp> {
        let offset = match self.zone.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => offset,
            MappedLocalTime::None => GapInfo::new(&local, &self.zone)?.begin?.1,
        };
        Some(local.checked_sub_offset(offset.fix())?.and_utc())
    }
}
