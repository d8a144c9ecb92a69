//! Many items by their ids, in as few calls as DynamoDB allows.
//! It never says what an item is. Neighbours: `list` reads jobs with it, `payload` what is kept apart from them.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::item::{Attributes, text};
use super::table::attribute;
use super::{Store, StoreError, give_time, unavailable};

/// DynamoDB's limit on one `BatchGetItem`.
pub(super) const BATCH: usize = 100;
/// How long the rest of an answer is left alone; twice as long after each that brought nothing at all.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// After so many of those in a row, some three seconds, the store counts as unavailable.
const MOST_IN_VAIN: u32 = 6;

impl Store {
    /// Those of the items that there are, as they are this moment, in no order. No id may come twice.
    pub(super) async fn read_items<I: ToString>(&self, ids: &[I], doing: &str) -> Result<Vec<Attributes>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let key = |id: &I| HashMap::from([(attribute::ID.to_owned(), text(id.to_string()))]);
            let mut keys: Vec<Attributes> = batch.iter().map(key).collect();
            let mut in_vain = 0;
            // An answer has 16 MB at most, and what the table's throughput allows: it names the keys that are left.
            while !keys.is_empty() {
                let asked = keys.len();
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build()
                    .map_err(|e| unavailable(doing, e))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.tables.jobs, request)
                    .send()
                    .await
                    .map_err(|e| unavailable(doing, e))?;
                found.extend(answer.responses.unwrap_or_default().into_values().flatten());
                let left = answer.unprocessed_keys.and_then(|mut left| left.remove(&self.tables.jobs));
                keys = left.map(|left| left.keys).unwrap_or_default();
                if keys.is_empty() {
                    break;
                }
                in_vain = if keys.len() < asked { 0 } else { in_vain + 1 };
                if in_vain == MOST_IN_VAIN {
                    let cause = format!("{MOST_IN_VAIN} answers in a row had none of the {asked} items asked for");
                    return Err(StoreError::Unavailable { doing: doing.to_owned(), cause });
                }
                give_time(FIRST_PAUSE * 2_u32.pow(in_vain)).await;
            }
        }
        Ok(found)
    }
}
