//! What an invocation was asked to do: the event of the schedule, or a share of the shards from another poller.
//! It never acts, and takes nothing that it does not know: a stray event must not send callbacks.
//! Neighbour: `fanout` writes the events that are read here.

use serde_json::{Value, json};

/// The two things that a poller may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tick over everything: share it out when it is much.
    Tick,
    /// A tick over these shards. Never shared out again: the depth is one.
    Shards(Vec<u32>),
}

/// An event that is neither. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is not for this function, and nothing was done: {0}")]
pub struct UnknownEvent(String);

/// The member that makes an event one for a worker.
const SHARDS: &str = "shards";

impl Event {
    /// Reads `{}`, the notification of EventBridge Scheduler or of an EventBridge rule on a schedule, and
    /// `{"shards": [0, 5]}` with at least one shard, each below `shard_count`, none twice.
    ///
    /// # Errors
    /// For anything else, saying what is wrong with it.
    pub fn parse(event: &Value, shard_count: u32) -> Result<Self, UnknownEvent> {
        let Value::Object(members) = event else {
            return Err(UnknownEvent("it is not a JSON object".to_owned()));
        };
        if members.is_empty() {
            return Ok(Self::Tick);
        }
        if let Some(shards) = members.get(SHARDS) {
            return match members.keys().find(|name| *name != SHARDS) {
                Some(other) => Err(UnknownEvent(format!("beside shards it has the member {other:?}"))),
                None => read_shards(shards, shard_count).map(Self::Shards).map_err(UnknownEvent),
            };
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        match (text("source"), text("detail-type")) {
            ("aws.scheduler" | "aws.events", "Scheduled Event") => Ok(Self::Tick),
            (source, kind) => Err(UnknownEvent(format!(
                "its source is {source:?} and its detail-type {kind:?}, which is no schedule of EventBridge"
            ))),
        }
    }

    /// The event that hands `shards` to another poller.
    #[must_use]
    pub fn for_shards(shards: &[u32]) -> Value {
        json!({ SHARDS: shards })
    }
}

fn read_shards(shards: &Value, shard_count: u32) -> Result<Vec<u32>, String> {
    let Value::Array(numbers) = shards else { return Err("shards is not an array".to_owned()) };
    if numbers.is_empty() {
        return Err("shards is empty".to_owned());
    }
    let mut read = Vec::with_capacity(numbers.len().min(shard_count as usize));
    for number in numbers {
        let shard = number.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n < shard_count);
        let Some(shard) = shard else {
            return Err(format!("{number} is not a shard: those are 0 to {}", shard_count.saturating_sub(1)));
        };
        if read.contains(&shard) {
            return Err(format!("the shard {shard} comes twice"));
        }
        read.push(shard);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(event: &Value) -> String {
        Event::parse(event, 16).unwrap_err().to_string()
    }

    #[test]
    fn a_schedule_asks_for_a_tick_in_three_forms() {
        let notification = |source: &str| {
            json!({
                "version": "0", "id": "d32c5kddcf5bb8c3", "detail-type": "Scheduled Event", "source": source,
                "account": "123456789012", "time": "2026-06-01T12:00:00Z", "region": "eu-south-1",
                "resources": ["arn:aws:scheduler:eu-south-1:123456789012:schedule/default/poll"], "detail": "{}"
            })
        };
        for event in [json!({}), notification("aws.scheduler"), notification("aws.events")] {
            assert_eq!(Event::parse(&event, 16), Ok(Event::Tick), "{event}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_event_is_said() {
        for (event, expected) in [
            (json!(null), "it is not a JSON object"),
            (json!([]), "it is not a JSON object"),
            (json!("shards"), "it is not a JSON object"),
            (json!({ "Records": [] }), "its source is \"\" and its detail-type \"\", which is no schedule"),
            (json!({ "source": "aws.events" }), "its detail-type \"\""),
            (json!({ "source": "aws.s3", "detail-type": "Scheduled Event" }), "its source is \"aws.s3\""),
            (json!({ "source": 1, "detail-type": "Scheduled Event" }), "its source is \"\""),
            (json!({ "shards": 3 }), "shards is not an array"),
            (json!({ "shards": [] }), "shards is empty"),
            (json!({ "shards": [16] }), "16 is not a shard: those are 0 to 15"),
            (json!({ "shards": [-1] }), "-1 is not a shard"),
            (json!({ "shards": [1.5] }), "1.5 is not a shard"),
            (json!({ "shards": ["1"] }), "\"1\" is not a shard"),
            (json!({ "shards": [4294967296u64] }), "4294967296 is not a shard"),
            (json!({ "shards": [3, 1, 3] }), "the shard 3 comes twice"),
            (json!({ "shards": [1], "source": "aws.events" }), "beside shards it has the member \"source\""),
        ] {
            let problem = problem(&event);
            assert!(problem.contains(expected) && problem.contains("nothing was done"), "{event}: {problem}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(shards|source|aws.events|[ -~]{0,8})".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            let name = "(shards|source|detail-type|[a-z]{0,4})";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn shards_come_back_as_they_were_handed_over(
            shards in Just((0u32..16).collect::<Vec<_>>()).prop_shuffle(),
            count in 1usize..=16,
        ) {
            let shards = &shards[..count];
            prop_assert_eq!(Event::parse(&Event::for_shards(shards), 16), Ok(Event::Shards(shards.to_vec())));
        }

        #[test]
        fn no_event_ever_makes_shards_that_are_not_there(event in any_json(), shard_count in 1u32..=100) {
            if let Ok(Event::Shards(shards)) = Event::parse(&event, shard_count) {
                prop_assert!(!shards.is_empty());
                prop_assert!(shards.iter().all(|shard| *shard < shard_count));
                let distinct: std::collections::HashSet<_> = shards.iter().collect();
                prop_assert_eq!(distinct.len(), shards.len());
            }
        }
    }
}
