//! Properties of schedules that hold in every zone, around clock changes above all.
//! It never states what a certain time should be: the tables in `schedule` and the oracle in `tests/` do.
//! Neighbour: `schedule`.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{Calendar, Recurrence, Schedule, weekday_from_number};
use crate::clock::Timestamp;

/// Zones and instants of their clock changes: whole hours, half an hour, a quarter, a day, at midnight and past it.
const CHANGES: [(Tz, &str); 14] = [
    (Tz::Europe__Rome, "2026-03-29T01:00:00Z"),
    (Tz::Europe__Rome, "2026-10-25T01:00:00Z"),
    (Tz::America__New_York, "2026-03-08T07:00:00Z"),
    (Tz::America__New_York, "2026-11-01T06:00:00Z"),
    (Tz::America__St_Johns, "2011-03-13T03:31:00Z"),
    (Tz::America__St_Johns, "2010-11-07T02:31:00Z"),
    (Tz::Australia__Lord_Howe, "2026-10-03T15:30:00Z"),
    (Tz::Australia__Lord_Howe, "2026-04-04T15:00:00Z"),
    (Tz::Africa__Casablanca, "2025-02-23T02:00:00Z"),
    (Tz::Africa__Casablanca, "2025-04-06T02:00:00Z"),
    (Tz::Asia__Kathmandu, "1985-12-31T18:30:00Z"),
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z"),
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
];

const DAY_MILLIS: i64 = 86_400_000;

fn instant(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap()
}

/// A zone and an instant there: half of them within four days of a clock change.
fn place() -> impl Strategy<Value = (Tz, Timestamp)> {
    let near_change =
        (select(CHANGES.to_vec()), -4 * DAY_MILLIS..4 * DAY_MILLIS).prop_map(|((zone, change), shift)| {
            (zone, change.parse::<Timestamp>().unwrap() + TimeDelta::milliseconds(shift))
        });
    // 1900 to 2099.
    let anywhere = (select(TZ_VARIANTS.to_vec()), -25_567 * DAY_MILLIS..47_481 * DAY_MILLIS)
        .prop_map(|(zone, millis)| (zone, instant(millis)));
    prop_oneof![near_change, anywhere]
}

fn times() -> impl Strategy<Value = Vec<NaiveTime>> {
    // Most clock changes happen in the first hours of a day.
    let minute = prop_oneof![0..240_u32, 0..1440_u32];
    vec(minute.prop_map(|minute| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap()), 1..6)
}

fn days() -> impl Strategy<Value = Vec<Weekday>> {
    let week: Vec<_> = (0..7).filter_map(weekday_from_number).collect();
    prop_oneof![Just(Vec::new()), subsequence(week, 1..=7)]
}

fn unbounded(recurrence: Recurrence) -> Schedule {
    Schedule { recurrence, end_at: None, max_occurrences: None }
}

prop_compose! {
    fn calendars()((zone, from) in place(), times in times(), days in days()) -> (Calendar, Timestamp) {
        (Calendar { times, days, zone }, from)
    }
}

prop_compose! {
    fn schedules()((calendar, from) in calendars(), every_seconds in 60..2_000_000_u32, interval: bool)
        -> (Schedule, Timestamp)
    {
        let recurrence = if interval { Recurrence::Interval { every_seconds } } else { Recurrence::Calendar(calendar) };
        (unbounded(recurrence), from)
    }
}

/// What is listed for the days around a window, by the local calendar.
fn listed(calendar: &Calendar, from: Timestamp, to: Timestamp) -> Vec<NaiveDateTime> {
    let margin = TimeDelta::days(3);
    let dates = (from - margin).date_naive().iter_days().take_while(|date| *date <= (to + margin).date_naive());
    let allowed = dates.filter(|date| calendar.days.is_empty() || calendar.days.contains(&date.weekday()));
    allowed.flat_map(|date| calendar.times.iter().map(move |time| date.and_time(*time))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn the_next_occurrence_lies_after_the_planned_one_and_after_now(
        (schedule, planned) in schedules(), late in -40 * DAY_MILLIS..4000 * DAY_MILLIS,
    ) {
        let now = planned + TimeDelta::milliseconds(late);
        let next = schedule.next(planned, 1, now).unwrap();
        prop_assert!(next > planned && next > now);
    }

    #[test]
    fn an_interval_stays_on_its_grid_and_takes_its_first_free_point(
        every_seconds in 60..=u32::MAX, planned in 0..4_000_000_000_000_i64, late in 0..4_000_000_000_000_i64,
    ) {
        let schedule = unbounded(Recurrence::Interval { every_seconds });
        let next = schedule.next(instant(planned), 1, instant(planned + late)).unwrap().timestamp_millis();
        let every = i64::from(every_seconds) * 1000;
        prop_assert_eq!((next - planned) % every, 0);
        prop_assert!(next - every <= planned + late);
    }

    #[test]
    fn the_first_occurrence_is_never_early((schedule, start) in schedules(), ahead in -400 * DAY_MILLIS..400 * DAY_MILLIS) {
        let now = start - TimeDelta::milliseconds(ahead);
        let first = schedule.first(Some(start), now).unwrap();
        prop_assert!(first >= start);
        prop_assert_eq!(schedule.first(Some(first), now), Some(first), "an occurrence is its own start");
        prop_assert!(schedule.first(None, start).unwrap() >= start);
        if matches!(schedule.recurrence, Recurrence::Calendar(_)) {
            prop_assert_eq!(schedule.first(None, first), schedule.next(first, 1, first), "strictly after now");
        }
    }

    #[test]
    fn a_calendar_fires_once_for_each_listed_time_and_day_and_never_else((calendar, from) in calendars()) {
        let to = from + TimeDelta::days(16);
        let schedule = unbounded(Recurrence::Calendar(calendar.clone()));
        let first = schedule.first(Some(from), from).unwrap();
        let walked: Vec<_> = schedule.occurrences(first).take_while(|at| *at < to).collect();
        prop_assert!(walked.is_sorted_by(|one, other| one < other), "{walked:?}");

        let (mut in_gaps, mut expected) = (Vec::new(), BTreeSet::new());
        for local in listed(&calendar, from, to) {
            match calendar.zone.from_local_datetime(&local) {
                MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => { expected.insert(at.to_utc()); }
                MappedLocalTime::None => in_gaps.push(local),
            }
        }
        expected.retain(|at| (from..to).contains(at));
        let walked: BTreeSet<_> = walked.into_iter().collect();
        prop_assert!(walked.is_superset(&expected), "missed: {:?}", expected.difference(&walked));
        for moved in walked.difference(&expected) {
            let shown = moved.with_timezone(&calendar.zone).naive_local();
            let is_its_time = |local: &NaiveDateTime| (1..=1440).any(|gap| *local + TimeDelta::minutes(gap) == shown)
                || (1..=86_400).any(|gap| *local + TimeDelta::seconds(gap) == shown);
            prop_assert!(in_gaps.iter().any(is_its_time), "{shown} is neither listed nor moved out of {in_gaps:?}");
        }
    }

    #[test]
    fn being_late_skips_occurrences_and_moves_none(
        (schedule, start) in schedules(), steps in 1..40_usize, late in 0..30 * DAY_MILLIS,
    ) {
        let first = schedule.first(Some(start), start).unwrap();
        let planned = schedule.occurrences(first).nth(steps).unwrap();
        let now = planned + TimeDelta::milliseconds(late);
        let on_time = schedule.occurrences(planned).find(|at| *at > planned && *at > now);
        prop_assert_eq!(schedule.next(planned, 1, now), on_time);
        // An early clock changes nothing.
        prop_assert_eq!(schedule.next(planned, 1, start), schedule.next(planned, 1, planned));
    }

    #[test]
    fn bounds_only_cut_a_series((schedule, start) in schedules(), whole in 1..20_usize, early in 0..DAY_MILLIS) {
        let first = schedule.first(Some(start), start).unwrap();
        let unbounded: Vec<_> = schedule.occurrences(first).take(20).collect();
        let max = u32::try_from(whole).unwrap();
        let counted = Schedule { max_occurrences: Some(max), ..schedule.clone() };
        prop_assert_eq!(&counted.occurrences(first).collect::<Vec<_>>(), &unbounded[..whole]);

        let end = unbounded[whole] - TimeDelta::milliseconds(early);
        let ended = Schedule { end_at: Some(end), ..schedule.clone() };
        let kept: Vec<_> = unbounded.iter().copied().filter(|at| *at <= end).collect();
        let walk = ended.first(Some(start), start).into_iter().flat_map(|first| ended.occurrences(first));
        prop_assert_eq!(walk.collect::<Vec<_>>(), kept);
    }
}
