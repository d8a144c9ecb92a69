//! Whose a token is. It never holds the token itself. Neighbour: `client` asks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Whose a token is and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenOwner {
    /// The tenant whose jobs it sees.
    pub tenant: String,
    /// `read`, `write` or both.
    pub scopes: Vec<String>,
    /// What time it is at the Scheduler, by which everything is due.
    pub now_utc: DateTime<Utc>,
}
