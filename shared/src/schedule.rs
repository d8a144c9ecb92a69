//! When a recurring job fires: by interval, or by wall-clock calendar with daylight saving right (CONTRACT §6).
//! Pure: it never asks for the time. Neighbours: `request` parses schedules, `lifecycle` asks for the next occurrence.

use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;

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

/// Wall-clock times on certain days of the week in one time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// 1 to 96 times of whole minutes, as they were given.
    pub times: Vec<NaiveTime>,
    /// As given, without repeats; empty means every day.
    pub days: Vec<Weekday>,
    pub zone: Tz,
}
