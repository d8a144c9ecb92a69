//! The metrics of one tick as a document in CloudWatch's Embedded Metric Format: a line on standard output that
//! CloudWatch Logs makes metrics of. It never keeps a value, only counts in buckets, so that a tick over a million
//! jobs takes no more memory than one over ten. Neighbour: `tally` collects.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::clock::Timestamp;

use crate::tally::Summary;

const NAMESPACE: &str = "Scheduler";
const DIMENSION: &str = "Service";

/// The format takes up to 100 values of a metric in a document, so a histogram has no more buckets than that.
const BUCKETS: usize = 100;
/// The upper end of the first bucket.
const FIRST_BUCKET_SECONDS: f64 = 0.001;
/// From one bucket to the next: 100 of them reach from a millisecond to 19 hours.
const GROWTH: f64 = 1.2;

/// How often durations fell into each bucket. A duration counts as the upper end of its bucket: at most a fifth too
/// much, never too little. Those of more than 19 hours are in the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = upper_ends().position(|end| seconds <= end).unwrap_or(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Each bucket that holds something: its upper end in seconds, and how often.
    fn filled(&self) -> impl Iterator<Item = (f64, u64)> {
        upper_ends().zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

fn upper_ends() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(FIRST_BUCKET_SECONDS), |end| Some(end * GROWTH)).take(BUCKETS)
}

/// The document that says what a tick did, for the dimension `Service` = `service`.
#[must_use]
pub fn document(summary: &Summary, service: &str, now: Timestamp) -> Value {
    let mut metrics = Vec::new();
    let mut members = Map::new();
    let mut add = |name: &str, unit: &str, value: Value| {
        metrics.push(json!({ "Name": name, "Unit": unit }));
        members.insert(name.to_owned(), value);
    };
    add("DueSeen", "Count", summary.due_seen.into());
    add("Delivered", "Count", summary.delivered.into());
    add("Failed", "Count", (summary.retried + summary.dead_lettered).into());
    add("DeadLettered", "Count", summary.dead_lettered.into());
    add("ClaimsLost", "Count", summary.claims_lost.into());
    add("StoreFailures", "Count", summary.store_failures.into());
    add("OldestDueSeconds", "Seconds", seconds_of(summary.oldest_due_ms).into());
    for (name, histogram) in [("LatenessSeconds", &summary.lateness), ("DeliverySeconds", &summary.attempts)] {
        let (values, counts): (Vec<f64>, Vec<u64>) = histogram.filled().map(|(end, n)| (microseconds(end), n)).unzip();
        if !values.is_empty() {
            add(name, "Seconds", json!({ "Values": values, "Counts": counts }));
        }
    }
    members.insert(DIMENSION.to_owned(), service.into());
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics });
    members.insert("_aws".to_owned(), json!({ "Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive] }));
    Value::Object(members)
}

fn seconds_of(milliseconds: i64) -> f64 {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()).as_secs_f64()
}

/// Without the noise of binary fractions.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::clock::parse_instant;

    use super::*;

    fn of(durations: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|seconds| histogram.record(Duration::from_secs_f64(*seconds)));
        histogram
    }

    fn document_of(summary: &Summary) -> Value {
        document(summary, "prod", parse_instant("2026-06-01T12:00:00Z").unwrap())
    }

    /// The rules of the format's specification that our documents could break. A metric's value is a number or,
    /// as CloudWatch takes it from AWS's own libraries, equally many values and counts, 100 at most.
    fn violations(document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let root = document.as_object().unwrap();
        if !root["_aws"]["Timestamp"].is_u64() {
            found.push("Timestamp".to_owned());
        }
        for directive in root["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            let keys: Vec<_> = directive.as_object().unwrap().keys().map(String::as_str).collect();
            if keys != ["Dimensions", "Metrics", "Namespace"] || !directive["Namespace"].is_string() {
                found.push(format!("directive {keys:?}"));
            }
            for set in directive["Dimensions"].as_array().unwrap() {
                let names = set.as_array().unwrap();
                if names.len() > 30 || !names.iter().all(|name| root[name.as_str().unwrap()].is_string()) {
                    found.push(format!("dimensions {set}"));
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            if metrics.is_empty() || metrics.len() > 100 {
                found.push(format!("{} metrics", metrics.len()));
            }
            for metric in metrics {
                let value = root.get(metric["Name"].as_str().unwrap()).unwrap_or(&Value::Null);
                let length = |name: &str| {
                    let numbers = value[name].as_array().filter(|all| all.iter().all(Value::is_number));
                    numbers.map(Vec::len).filter(|length| (1..=100).contains(length))
                };
                let is_histogram = length("Values").is_some() && length("Values") == length("Counts");
                if !["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap())
                    || !(value.is_number() || is_histogram)
                {
                    found.push(format!("{metric}: {value}"));
                }
            }
        }
        found
    }

    #[test]
    fn a_tick_is_one_document() {
        let summary = Summary {
            due_seen: 9,
            delivered: 4,
            retried: 2,
            dead_lettered: 1,
            claims_lost: 3,
            store_failures: 16,
            oldest_due_ms: 61_250,
            lateness: of(&[0.0005, 0.0011, 0.0012]),
            attempts: of(&[1.0]),
            ..Summary::default()
        };
        let document = document_of(&summary);
        assert_eq!(violations(&document), Vec::<String>::new(), "{document}");
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Scheduler"), &json!([["Service"]])));
        assert_eq!(document["_aws"]["Timestamp"], 1_780_315_200_000u64);
        let mut members = document.clone();
        members.as_object_mut().unwrap().remove("_aws");
        assert_eq!(
            members,
            json!({
                "Service": "prod", "DueSeen": 9, "Delivered": 4, "Failed": 3, "DeadLettered": 1, "ClaimsLost": 3,
                "StoreFailures": 16, "OldestDueSeconds": 61.25,
                "LatenessSeconds": { "Values": [0.001, 0.0012], "Counts": [1, 2] },
                "DeliverySeconds": { "Values": [1.020_675], "Counts": [1] },
            })
        );
    }

    #[test]
    fn a_tick_with_nothing_to_do_says_so() {
        let document = document_of(&Summary::default());
        assert_eq!(violations(&document), Vec::<String>::new());
        assert_eq!((&document["DueSeen"], &document["OldestDueSeconds"]), (&json!(0), &json!(0.0)));
        assert_eq!(document["StoreFailures"], json!(0));
        assert_eq!(document.get("LatenessSeconds"), None);
    }

    #[test]
    fn any_number_of_values_fits_into_one_document() {
        let every_bucket: Vec<f64> = upper_ends().map(|end| end * 0.99).chain([1e9]).collect();
        let document = document_of(&Summary { lateness: of(&every_bucket), ..Summary::default() });
        assert_eq!(violations(&document), Vec::<String>::new());
        let lateness = &document["LatenessSeconds"];
        assert_eq!(lateness["Values"].as_array().unwrap().len(), BUCKETS);
        assert_eq!(lateness["Counts"][BUCKETS - 1], 2);
        assert!(document.to_string().len() < 4_000);
    }

    proptest! {
        #[test]
        fn a_value_is_published_at_most_a_fifth_too_high(millis in 1u64..60_000_000) {
            let filled: Vec<_> = of(&[seconds_of(millis.try_into().unwrap())]).filled().collect();
            let seconds = Duration::from_millis(millis).as_secs_f64();
            prop_assert_eq!(filled.len(), 1);
            prop_assert!(filled[0].0 >= seconds - 1e-9 && filled[0].0 <= seconds * GROWTH + 1e-9, "{:?}", filled);
        }
    }
}
