//! Times and days as people write them: `1h30m`, `2026-12-24 18:00 Europe/Rome`, `mon-fri`.
//! It never guesses a date. Neighbour: `flags` says which flag takes which.

use std::time::Duration;

use chrono::{
    DateTime, Local, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

/// An instant, or so long before or after now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    At(DateTime<Utc>),
    FromNow(TimeDelta),
}

impl When {
    pub(crate) fn resolve(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(instant) => instant,
            Self::FromNow(delta) => now.checked_add_signed(delta).unwrap_or(now),
        }
    }
}

pub(crate) fn read_when(text: &str) -> Result<When, String> {
    let text = text.trim();
    let from_now = |text: &str| read_duration(text).and_then(|d| TimeDelta::from_std(d).map_err(|e| e.to_string()));
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(after), _) => return from_now(after).map(When::FromNow),
        (_, Some(before)) => return from_now(before).map(|delta| When::FromNow(-delta)),
        (None, None) => {}
    }
    if text == "now" {
        return Ok(When::FromNow(TimeDelta::zero()));
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(instant.to_utc()));
    }
    let (clocks, zone) = match text.rsplit_once(' ') {
        Some((clocks, zone)) if zone.starts_with(|c: char| c.is_ascii_alphabetic()) => (clocks.trim(), Some(zone)),
        Some(_) | None => (text, None),
    };
    let clocks = read_clocks(clocks).ok_or_else(|| {
        format!("{text:?} is no time such as \"2026-12-24 18:00 Europe/Rome\", 2026-12-24T17:00:00Z or +2h")
    })?;
    let at = match zone {
        Some(zone) => instant_in(clocks, &read_zone(zone)?, zone)?,
        None => instant_in(clocks, &Local, "the zone of this machine")?,
    };
    Ok(When::At(at))
}

/// `2026-12-24 18:00`, with or without seconds, with a space or a T; a date alone is its midnight.
fn read_clocks(text: &str) -> Option<NaiveDateTime> {
    // chrono takes 26 for a year of the first century, and a job of that time would fire at once.
    text.split_once('-').filter(|(year, _)| year.len() == 4)?;
    let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let with_time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    with_time.or_else(|| Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)))
}

fn read_zone(text: &str) -> Result<Tz, String> {
    text.parse::<Tz>().map_err(|_| format!("{text:?} is no time zone such as Europe/Rome or UTC"))
}

/// The first, where the clocks show it twice; an error where they never do, since nobody can mean that.
fn instant_in<Z: TimeZone>(clocks: NaiveDateTime, zone: &Z, name: &str) -> Result<DateTime<Utc>, String> {
    match zone.from_local_datetime(&clocks) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Ok(at.to_utc()),
        LocalResult::None => Err(format!("{clocks} does not exist in {name}: the clocks go forward")),
    }
}

pub(crate) fn read_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is no duration such as 90s, 15m, 1h30m or 2days"))
}

pub(crate) fn read_whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = read_duration(text)?;
    if duration.subsec_nanos() == 0 { Ok(duration) } else { Err("it must be whole seconds".to_owned()) }
}

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// `mon,tue`, `mon-fri`, `weekdays`, `weekends`; 0 is Sunday.
pub(crate) fn read_days(text: &str) -> Result<Vec<u8>, String> {
    let mut days = Vec::new();
    for part in text.split(',').map(|part| part.trim().to_lowercase()) {
        match (part.as_str(), part.split_once('-')) {
            ("weekdays", _) => days.extend(1..=5),
            ("weekends", _) => days.extend([0, 6]),
            (_, Some((first, last))) => {
                let (first, last) = (read_day(first)?, read_day(last)?);
                // Friday to Monday goes over the end of the week.
                let last = if last < first { last + 7 } else { last };
                days.extend((first..=last).map(|day| day % 7));
            }
            (day, None) => days.push(read_day(day)?),
        }
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

fn read_day(text: &str) -> Result<u8, String> {
    let is_it = |day: &str| text.len() >= 3 && day.starts_with(text);
    let number = (0_u8..).zip(DAYS).find_map(|(number, day)| is_it(day).then_some(number));
    number.ok_or_else(|| format!("{text:?} is no day such as mon, tue or mon-fri"))
}

/// As tables show it: to the second, unless there is more.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        match read_when(text) {
            Ok(When::At(instant)) => shown(instant),
            Ok(When::FromNow(delta)) => format!("now {delta}"),
            Err(words) => words,
        }
    }

    #[test]
    fn instants_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2026-12-24 18:00 Europe/Rome", "2026-12-24 17:00:00Z"),
            ("2026-12-24T18:00:30 Europe/Rome", "2026-12-24 17:00:30Z"),
            ("2026-12-24 18:00 UTC", "2026-12-24 18:00:00Z"),
            ("2026-07-01 Europe/Rome", "2026-06-30 22:00:00Z"),
            ("2026-7-1 9:00 Europe/Rome", "2026-07-01 07:00:00Z"),
            ("2026-12-24T18:00:00+01:00", "2026-12-24 17:00:00Z"),
            ("2026-10-25 02:30 Europe/Rome", "2026-10-25 00:30:00Z"),
            ("now", "now P0D"),
            ("+2h", "now PT7200S"),
            ("-15m", "now -PT900S"),
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_can_mean_is_refused_by_name() {
        for (text, expected) in [
            ("2026-03-29 02:30 Europe/Rome", "does not exist in Europe/Rome"),
            ("2026-12-24 18:00 Europe/Roma", "is no time zone"),
            ("18:00", "is no time"),
            ("tomorrow", "is no time"),
            ("+soon", "is no duration"),
            ("26-12-24 18:00 UTC", "is no time"),
            ("202-12-24 UTC", "is no time"),
            ("", "is no time"),
        ] {
            assert!(at(text).contains(expected), "{text}: {}", at(text));
        }
    }

    #[test]
    fn days_are_lists_and_ranges() {
        for (text, expected) in [
            ("mon,tue", &[1, 2][..]),
            ("Mon - Fri", &[1, 2, 3, 4, 5]),
            ("fri-mon", &[0, 1, 5, 6]),
            ("weekdays, saturday", &[1, 2, 3, 4, 5, 6]),
            ("weekends,sun", &[0, 6]),
        ] {
            assert_eq!(read_days(&text.replace(" - ", "-")).unwrap(), expected, "{text}");
        }
        for text in ["", "mo", "monx", "mon-", "1"] {
            assert!(read_days(text).is_err(), "{text}");
        }
    }
}
