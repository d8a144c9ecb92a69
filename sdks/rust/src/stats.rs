//! Figures: what happened, what there is, what comes. They are sums, not promises.
//! It never counts by itself. Neighbour: `client` asks for them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What happened in a range; approximate, and by attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stats {
    /// The range, widened to whole hours.
    pub from_utc: DateTime<Utc>,
    /// Its end.
    pub to_utc: DateTime<Utc>,
    /// Every hour of the range.
    pub hours: Vec<Hour>,
    /// How late calls were.
    pub lateness_seconds: Vec<Bucket>,
    /// How long receivers took to answer.
    pub answer_seconds: Vec<Bucket>,
    /// At most ten, most failures first.
    pub failing_hosts: Vec<FailingHost>,
}

/// An hour's sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Hour {
    /// When it began.
    pub hour_utc: DateTime<Utc>,
    /// Jobs.
    pub created: u64,
    /// Attempts that succeeded.
    pub delivered: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// Jobs whose last attempt failed.
    pub dead_lettered: u64,
}

/// A column of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Bucket {
    /// Its upper bound; `None` is above the one before.
    pub up_to: Option<f64>,
    /// How many.
    pub count: u64,
}

/// A receiver with failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailingHost {
    /// `example.org:443`.
    pub host: String,
    /// Attempts that failed.
    pub failed: u64,
}

/// How many jobs there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobCounts {
    /// `Pending` and `Firing`.
    pub open: u64,
    /// Delivered.
    pub done: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Given up.
    pub dead_letter: u64,
    /// Whether no count stopped at its bound.
    pub exact: bool,
}

/// What comes within 24 hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpcomingJobs {
    /// From the present hour on.
    pub hours: Vec<UpcomingHour>,
    /// Whether no count stopped at its bound.
    pub exact: bool,
}

/// An hour to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpcomingHour {
    /// When it begins.
    pub hour_utc: DateTime<Utc>,
    /// Jobs planned in it.
    pub count: u64,
}
