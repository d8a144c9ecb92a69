//! Lists of jobs: what may be asked for, and what a page is. Neighbour: `client` walks the pages.
//! It never keeps a page: whoever walks holds one at a time.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::{Job, JobStatus};

/// Which jobs, and how many in a page. The default is all of them, newest planned instant first.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct JobFilter {
    status: Option<JobStatus>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    series_id: Option<String>,
    limit: Option<u32>,
    order: Option<Order>,
    cursor: Option<String>,
}

/// By planned instant; within a series, by occurrence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// Some of the jobs, and where the next ones begin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobPage {
    /// Possibly none, even when there is a next page.
    pub items: Vec<Job>,
    /// For [`JobFilter::cursor`]; `None` on the last page.
    pub next_cursor: Option<String>,
}

impl JobFilter {
    /// All jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those with this status.
    pub fn status(mut self, status: JobStatus) -> Self {
        self.status = Some(status);
        self
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

    /// The occurrences of one series.
    pub fn series(mut self, id: impl Into<String>) -> Self {
        self.series_id = Some(id.into());
        self
    }

    /// How many in a page, 1 to 200; 50 unless given.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Newest first unless given.
    pub fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// From where another page of the same filter ended.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    pub(crate) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        let order = self.order.map(|order| match order {
            Order::Ascending => "asc".to_owned(),
            Order::Descending => "desc".to_owned(),
        });
        vec![
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("from", self.from.map(instant)),
            ("to", self.to.map(instant)),
            ("seriesId", self.series_id.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("order", order),
            ("cursor", self.cursor.clone()),
        ]
    }
}

pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
