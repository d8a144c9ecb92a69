//! What a change of the clocks does to an occurrence, in words for whoever builds a schedule.
//! It never moves anything: `calendar` decides what an occurrence is, and this says why it is not what the list says.

use chrono::{Datelike, Days, MappedLocalTime, NaiveDateTime, TimeZone};

use super::Calendar;
use crate::clock::Timestamp;

/// Why an occurrence is worth a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The listed time does not exist that day: it is moved forward.
    Gap,
    /// The listed time exists twice that day: the first counts.
    Overlap,
    /// Two listed times have become one instant.
    Merged,
}

/// A remark on one occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub kind: NoteKind,
    pub detail: String,
}

impl Calendar {
    /// The remark on the occurrence at this instant; `None` for an ordinary one.
    ///
    /// ```
    /// # use shared::{clock::parse_instant, schedule::{Calendar, NoteKind}};
    /// # use chrono::NaiveTime;
    /// let times = vec![NaiveTime::from_hms_opt(2, 30, 0).unwrap()];
    /// let at_half_past_two = Calendar { times, days: vec![], zone: chrono_tz::Europe::Rome };
    /// let note = |text| at_half_past_two.note(parse_instant(text).unwrap());
    ///
    /// assert_eq!(note("2027-03-28T03:30:00+02:00").unwrap().kind, NoteKind::Gap);
    /// assert_eq!(note("2027-10-31T02:30:00+02:00").unwrap().kind, NoteKind::Overlap);
    /// assert_eq!(note("2027-10-30T02:30:00+02:00"), None);
    /// ```
    #[must_use]
    pub fn note(&self, at: Timestamp) -> Option<Note> {
        let shown = at.with_timezone(&self.zone).naive_local();
        let listed = self.listed_as(at, shown);
        let moved = listed.iter().find(|local| self.is_in_gap(local));
        let zone = self.zone.name();
        let (kind, detail) = match (moved, listed.as_slice()) {
            (Some(moved), [_, _, ..]) => {
                let other = listed.iter().find(|local| *local != moved)?;
                let (moved, date, other) = (moved.format("%H:%M"), moved.date(), in_words(*other, moved.date()));
                let why = format!("{moved} does not exist on {date} in {zone}: the clocks go forward, and it meets");
                (NoteKind::Merged, format!("{why} {other}. The two are one occurrence."))
            }
            (Some(moved), _) => {
                let (time, date, fires) = (moved.format("%H:%M"), moved.date(), in_words(shown, moved.date()));
                let why = format!("{time} does not exist on {date} in {zone}: the clocks go forward");
                (NoteKind::Gap, format!("{why}, it fires at {fires}."))
            }
            (None, [only]) if self.comes_twice(only) => {
                let (time, date) = (only.format("%H:%M"), only.date());
                let why = format!("{time} comes twice on {date} in {zone}: the clocks go back");
                (NoteKind::Overlap, format!("{why}, it fires at the first."))
            }
            (None, _) => return None,
        };
        Some(Note { kind, detail })
    }

    /// The listed times, with their dates, that this instant stands for; each once.
    fn listed_as(&self, at: Timestamp, shown: NaiveDateTime) -> Vec<NaiveDateTime> {
        // No gap is longer than a day.
        let first = shown.date().checked_sub_days(Days::new(2)).unwrap_or(shown.date());
        let dates = first.iter_days().take(4);
        let dates = dates.filter(|date| self.days.is_empty() || self.days.contains(&date.weekday()));
        let mut listed: Vec<_> = dates
            .flat_map(|date| self.times.iter().map(move |time| date.and_time(*time)))
            .filter(|local| self.instant(*local) == Some(at))
            .collect();
        listed.sort_unstable();
        listed.dedup();
        listed
    }

    fn is_in_gap(&self, local: &NaiveDateTime) -> bool {
        matches!(self.zone.offset_from_local_datetime(local), MappedLocalTime::None)
    }

    fn comes_twice(&self, local: &NaiveDateTime) -> bool {
        matches!(self.zone.offset_from_local_datetime(local), MappedLocalTime::Ambiguous(..))
    }
}

/// `03:30`, and the date where it is another one than the reader thinks of.
fn in_words(local: NaiveDateTime, on: chrono::NaiveDate) -> String {
    let time = local.format("%H:%M");
    if local.date() == on { time.to_string() } else { format!("{time} on {}", local.date()) }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;
    use chrono_tz::{Europe, Pacific, Tz};

    use super::*;
    use crate::clock::parse_instant;

    fn check(zone: Tz, times: &[&str], at: &str, expected: Option<(NoteKind, &str)>) {
        let times = times.iter().map(|time| NaiveTime::parse_from_str(time, "%H:%M").unwrap()).collect();
        let note = Calendar { times, days: vec![], zone }.note(parse_instant(at).unwrap());
        let note = note.as_ref().map(|note| (note.kind, note.detail.as_str()));
        assert_eq!(note, expected, "{at}");
    }

    #[test]
    fn a_change_of_the_clocks_is_told_in_words() {
        let gap = "02:30 does not exist on 2027-03-28 in Europe/Rome: the clocks go forward, it fires at 03:30.";
        check(Europe::Rome, &["02:30"], "2027-03-28T01:30:00Z", Some((NoteKind::Gap, gap)));
        let overlap = "02:30 comes twice on 2027-10-31 in Europe/Rome: the clocks go back, it fires at the first.";
        check(Europe::Rome, &["02:30"], "2027-10-31T00:30:00Z", Some((NoteKind::Overlap, overlap)));
        let merged = "02:30 does not exist on 2027-03-28 in Europe/Rome: the clocks go forward, and it meets 03:30. The two \
                      are one occurrence.";
        check(Europe::Rome, &["03:30", "02:30"], "2027-03-28T01:30:00Z", Some((NoteKind::Merged, merged)));
        let lost_day = "10:00 does not exist on 2011-12-30 in Pacific/Apia: the clocks go forward, and it meets 10:00 on \
                        2011-12-31. The two are one occurrence.";
        check(Pacific::Apia, &["10:00"], "2011-12-30T20:00:00Z", Some((NoteKind::Merged, lost_day)));
    }

    #[test]
    fn an_ordinary_occurrence_needs_no_words() {
        for at in ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z", "2027-10-30T00:30:00Z", "2027-11-01T01:30:00Z"] {
            check(Europe::Rome, &["02:30", "02:30"], at, None);
        }
        check(Europe::Rome, &["03:30"], "2027-03-28T01:30:00Z", None);
        check(Europe::Rome, &["02:30", "03:30"], "2027-03-29T01:30:00Z", None);
        check(Europe::Rome, &["02:30"], "2027-10-31T01:30:00Z", None);
    }
}
