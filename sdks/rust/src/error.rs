//! What can go wrong with a call. It never holds the token.
//! Neighbour: `transport` makes these of answers, and of answers that do not come.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::JobStatus;

/// Why a call did not answer what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused here, before anything was sent.
    #[error("{0}")]
    Argument(String),
    /// The answer is not the one asked for: the Scheduler refused the request, or something between answered.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The Scheduler could not be reached, or its answer did not arrive, in any of the attempts.
    #[error("{message}")]
    Connection {
        /// Which request to whom, and why there is no answer.
        message: String,
        /// Of the last attempt.
        #[source]
        source: Option<reqwest::Error>,
        /// Whether what was asked may have been done all the same.
        may_have_been_done: bool,
    },
}

/// A problem document (RFC 9457). Members that were absent, or of the wrong kind, are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The status of the answer, whatever the document says.
    pub status: u16,
    /// `about:blank`, unless there is a page about this kind of problem.
    pub problem_type: Option<String>,
    /// The status in words.
    pub title: Option<String>,
    /// What is wrong, and what to do.
    pub detail: Option<String>,
    /// The id of the request, to be quoted to the operator.
    pub instance: Option<String>,
    /// All the fields that are wrong.
    pub errors: Vec<WrongField>,
    /// With a 409: the status of the job that keeps it from being changed.
    pub job_status: Option<JobStatus>,
    /// How long the Scheduler asked to wait.
    pub retry_after: Option<Duration>,
    /// Whether what was asked may have been done all the same: the answer to an attempt was lost.
    pub may_have_been_done: bool,
}

/// A field of the request, or one of its parameters, that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongField {
    /// A JSON pointer such as `/scheduleTimes/1`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Error {
    /// The problem, if it is one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Argument(_) | Self::Connection { .. } => None,
        }
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }

    /// Whether what was asked may have been done all the same.
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match self {
            Self::Argument(_) => false,
            Self::Problem(problem) => problem.may_have_been_done,
            Self::Connection { may_have_been_done, .. } => *may_have_been_done,
        }
    }
}

impl Problem {
    pub(crate) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let errors = document.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Self {
            status,
            problem_type: text("type"),
            title: text("title"),
            detail: text("detail"),
            instance: text("instance"),
            errors: errors.iter().filter_map(WrongField::read).collect(),
            job_status: document.get("jobStatus").and_then(|status| serde_json::from_value(status.clone()).ok()),
            retry_after,
            may_have_been_done: false,
        }
    }
}

impl WrongField {
    fn read(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        Some(Self { pointer: text("pointer")?, detail: text("detail")? })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.detail.as_deref().or(self.title.as_deref());
        write!(f, "{}: {}", self.status, words.unwrap_or("the answer is not one of the Scheduler's"))?;
        for (number, WrongField { pointer, detail }) in self.errors.iter().enumerate() {
            write!(f, "{} {pointer} {detail}", if number == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}
