//! How many jobs a tenant has, by list and planned instant: counted in the list index, never read.
//! It never counts on without end: a count stops at its bound. Neighbour: `list` shows the same jobs.

use aws_sdk_dynamodb::types::Select;

use super::item::tenant_status;
use super::{Store, StoreError, unavailable};
use crate::clock::{Timestamp, format_instant};
use crate::ids::TenantId;
use crate::job::Status;

/// Where a count stops: some 1.4 MB of keys, or 180 read units.
pub const LARGEST_COUNT: u32 = 10_000;

/// So many jobs; or at least so many, when there were too many to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub jobs: u32,
    pub is_exact: bool,
}

impl Store {
    /// The tenant's jobs in the list that this status belongs to (`Pending` and `Firing` share one), planned from
    /// `from` (inclusive) to `to` (exclusive). Jobs that have expired count until the store removes them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count(
        &self,
        tenant: &TenantId,
        status: Status,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Count, StoreError> {
        let low = from.map_or_else(|| "!".to_owned(), format_instant);
        let high = to.map_or_else(|| "~".to_owned(), format_instant);
        let (mut jobs, mut start) = (0, None);
        if low > high {
            return Ok(Count { jobs, is_exact: true });
        }
        loop {
            // One more than the bound: whether there are more is known, not guessed.
            let answer = self
                .list_keys(&tenant_status(tenant, status), &low, &high)
                .select(Select::Count)
                .limit(i32::try_from(LARGEST_COUNT + 1 - jobs).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| unavailable("counting jobs", e))?;
            jobs += u32::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if jobs > LARGEST_COUNT {
                return Ok(Count { jobs: LARGEST_COUNT, is_exact: false });
            }
            if start.is_none() {
                return Ok(Count { jobs, is_exact: true });
            }
        }
    }
}
