//! When a recurring job should fire, worked out a second time and naively: it writes down every candidate and picks.
//! It never calls `shared::schedule`, which it is there to check. Neighbour: `invariants` asks it.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::rows::Row;

/// The schedule of a row.
pub struct Timetable {
    kind: Kind,
    end_at: Option<DateTime<Utc>>,
    max_occurrences: Option<u32>,
}

enum Kind {
    Interval(TimeDelta),
    Calendar { times: Vec<NaiveTime>, days: Vec<u32>, zone: Tz },
}

impl Timetable {
    /// `None` for a row that has no schedule, or none that makes sense.
    pub fn of(row: &Row) -> Option<Self> {
        let kind = match (row.recurrence_seconds, &row.schedule_times) {
            (Some(seconds), None) => Kind::Interval(TimeDelta::try_seconds(seconds)?),
            (None, Some(times)) => Kind::Calendar {
                times: times.iter().map(|time| NaiveTime::parse_from_str(time, "%H:%M").ok()).collect::<Option<_>>()?,
                days: row.schedule_days_of_week.clone(),
                zone: row.time_zone.as_ref()?.parse().ok()?,
            },
            _ => return None,
        };
        Some(Self { kind, end_at: row.end_at, max_occurrences: row.max_occurrences })
    }

    /// Whether an occurrence may be planned for this instant. Any instant may begin an interval.
    pub fn has(&self, planned_at: DateTime<Utc>) -> bool {
        let on_calendar = match &self.kind {
            Kind::Interval(_) => true,
            Kind::Calendar { .. } => self.candidates(planned_at, 2).contains(&planned_at),
        };
        on_calendar && self.end_at.is_none_or(|end_at| planned_at <= end_at)
    }

    /// The occurrence to come after this row when that is settled at `now`; `None` when the series is over.
    pub fn next(&self, row: &Row, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let number = row.occurrence_number? + 1;
        let earliest = row.planned_at.max(now);
        let next = match &self.kind {
            Kind::Interval(every) => {
                let steps = (earliest - row.planned_at).num_milliseconds() / every.num_milliseconds() + 1;
                row.planned_at + TimeDelta::milliseconds(steps * every.num_milliseconds())
            }
            Kind::Calendar { .. } => self.candidates(earliest, 10).into_iter().filter(|at| *at > earliest).min()?,
        };
        let within = self.max_occurrences.is_none_or(|max| number <= max);
        (within && self.end_at.is_none_or(|end_at| next <= end_at)).then_some(next)
    }

    /// Every instant of the calendar on so many local days, from two days before that of `around`.
    fn candidates(&self, around: DateTime<Utc>, days_ahead: u64) -> Vec<DateTime<Utc>> {
        let Kind::Calendar { times, days, zone } = &self.kind else { return Vec::new() };
        let first = around.with_timezone(zone).date_naive() - Days::new(2);
        let dates = (0..days_ahead + 3).map(|ahead| first + Days::new(ahead));
        let dates = dates.filter(|date| days.is_empty() || days.contains(&date.weekday().num_days_from_sunday()));
        dates.flat_map(|date| times.iter().map(move |time| instant_of(date, *time, *zone))).collect()
    }
}

/// The first of two, and in a gap what the clock would show had it not been put forward.
fn instant_of(date: NaiveDate, time: NaiveTime, zone: Tz) -> DateTime<Utc> {
    let local = date.and_time(time);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
        LocalResult::None => {
            let before_the_gap = zone.offset_from_utc_datetime(&(local - TimeDelta::days(1))).fix();
            (local - before_the_gap).and_utc()
        }
    }
}
