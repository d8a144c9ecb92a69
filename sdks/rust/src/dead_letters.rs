//! Giving many dead letters their attempts again. Neighbour: `client` has the same for a single job.
//! It never retries one twice by itself: a call whose answer is lost is told, not repeated.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which dead letters; the default is all of them.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct DeadLetterFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What one call did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RetriedPage {
    /// Dead letters that the filter fits, as far as this call looked.
    pub matched: u64,
    /// Those that have their attempts again; 0 in a dry run.
    pub retried: u64,
    /// For [`DeadLetterFilter::cursor`]; `None` when there are no more.
    pub next_cursor: Option<String>,
}

/// The sums of all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetriedDeadLetters {
    /// Dead letters that the filter fits.
    pub matched: u64,
    /// Those that have their attempts again; 0 in a dry run.
    pub retried: u64,
}

impl DeadLetterFilter {
    /// All dead letters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those planned at this instant or later.
    pub fn from(mut self, instant: DateTime<Utc>) -> Self {
        self.from = Some(instant);
        self
    }

    /// Those planned before this instant.
    pub fn to(mut self, instant: DateTime<Utc>) -> Self {
        self.to = Some(instant);
        self
    }

    /// Only count them.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = Some(true);
        self
    }

    /// From where another call with the same filter ended.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}
