//! When a job would fire. Neighbour: `request` is what is previewed. It never creates anything.

use chrono::{DateTime, FixedOffset, Utc};
use serde::{Deserialize, Serialize};

/// The next occurrences of a job that is not created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Preview {
    /// The zone of a calendar schedule; `None` for one-shot and interval jobs.
    pub time_zone: Option<String>,
    /// The next ones, oldest first.
    pub occurrences: Vec<Occurrence>,
    /// Whether there is none after the last one listed.
    pub complete: bool,
}

/// One time at which the job would fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Occurrence {
    /// From 1.
    pub occurrence_number: u32,
    /// When.
    pub fire_at_utc: DateTime<Utc>,
    /// The same instant on the clocks of the zone.
    pub fire_at_local: Option<DateTime<FixedOffset>>,
    /// What a change of the clocks does to it.
    pub note: Option<Note>,
}

/// What is unusual about an occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// Which of the kinds.
    pub kind: NoteKind,
    /// In words.
    pub detail: String,
}

/// What a change of the clocks can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NoteKind {
    /// The time does not exist that day, and is moved forward.
    Gap,
    /// The time exists twice that day, and fires at the first.
    Overlap,
    /// Two listed times land on one instant.
    Merged,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}
