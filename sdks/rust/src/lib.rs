//! The Scheduler's client: in N seconds, at this instant or on this calendar, call this URL with this payload.
//! It never makes two jobs of one call, however often an answer is lost. Neighbours: `sdks/conformance` says what every
//! SDK must do, the `scheduler` command is built on this one.
//!
//! ```no_run
//! use std::time::Duration;
//! use scheduler_client::{Client, CreateJob};
//!
//! # async fn remind() -> Result<(), scheduler_client::Error> {
//! let client = Client::new("http://127.0.0.1:8080", "dev")?;
//! let request = CreateJob::new("https://example.org/hook")
//!     .name("remind")
//!     .after(Duration::from_secs(3600))
//!     .payload(serde_json::json!({ "orderId": 17 }));
//! let job = client.create(&request).await?;
//! println!("{} at {}", job.id, job.fire_at_utc);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod client;
mod dead_letters;
mod error;
mod job;
mod list;
mod preview;
mod request;
mod signature;
mod stats;
mod token;
mod transport;

pub use client::Client;
pub use dead_letters::{DeadLetterFilter, RetriedDeadLetters, RetriedPage};
pub use error::{Error, Problem, WrongField};
pub use job::{Attempt, Job, JobStatus};
pub use list::{JobFilter, JobPage, Order};
pub use preview::{Note, NoteKind, Occurrence, Preview};
pub use request::CreateJob;
pub use signature::{SIGNATURE_TOLERANCE, verify_signature, verify_signature_at};
pub use stats::{Bucket, FailingHost, Hour, JobCounts, Stats, UpcomingHour, UpcomingJobs};
pub use token::TokenOwner;
pub use transport::ClientBuilder;

/// What every call answers.
pub type Result<T> = std::result::Result<T, Error>;
