//! The alarms and the dashboard of `infra/monitoring.yaml` look at metrics that exist, in this stack.
//! It never calls AWS. Neighbours: `poller` writes the metrics, `docs/operations.md` says what to do about an alarm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::store::StoreError;

use crate::support::cloudformation::{Deployment, Template, text, walk};

/// What the poller writes, and what the alarms and the dashboard may therefore look at.
const METRICS: [&str; 9] = [
    "ClaimsLost",
    "DeadLettered",
    "Delivered",
    "DeliverySeconds",
    "DueSeen",
    "Failed",
    "LatenessSeconds",
    "OldestDueSeconds",
    "StoreFailures",
];

/// Alarm; metric and statistic; when.
const ALARMS: [(&str, &str, &str); 7] = [
    ("api-5xx", "AWS/ApiGateway 5xx Sum, AWS/ApiGateway Count Sum", "> 1 in 1 x 300 s, missing notBreaching"),
    ("dead-letter", "Scheduler DeadLettered Sum", "> 0 in 1 x 60 s, missing notBreaching"),
    ("no-poll", "AWS/Lambda Invocations Sum", "< 1 in 3 x 60 s, missing breaching"),
    ("oldest-due", "Scheduler OldestDueSeconds Maximum", "> 300 in 1 x 60 s, missing notBreaching"),
    ("poller-errors", "AWS/Lambda Errors Sum", "> 0 in 1 x 60 s, missing notBreaching"),
    ("store-failures", "Scheduler StoreFailures Sum", "> 0 in 3 x 60 s, missing notBreaching"),
    (
        "throttled-writes",
        "AWS/DynamoDB WriteThrottleEvents Sum, AWS/DynamoDB WriteThrottleEvents Sum, \
         AWS/DynamoDB WriteThrottleEvents Sum, AWS/DynamoDB WriteThrottleEvents Sum",
        "> 0 in 1 x 60 s, missing notBreaching",
    ),
];

#[test]
fn there_is_an_alarm_for_each_thing_that_must_not_go_unseen() {
    let (template, stack) = deployed();
    let alarms: Vec<(String, String, String)> =
        alarms(&template, &stack).values().map(|alarm| (name(alarm), looks_at(alarm), when(alarm))).collect();
    let expected: BTreeSet<_> = ALARMS
        .iter()
        .map(|(name, metric, when)| (format!("scheduler-{name}"), (*metric).into(), (*when).into()))
        .collect();
    assert_eq!(alarms.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_operators_guide_says_what_to_do_about_every_alarm() {
    let guide = include_str!("../../docs/operations.md");
    let rows: BTreeSet<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `-")?.split('`').next()).collect();
    assert_eq!(rows, ALARMS.iter().map(|(name, _, _)| *name).collect());
}

#[test]
fn the_log_has_the_words_that_the_operators_guide_says_to_look_for() {
    let guide = include_str!("../../docs/operations.md");
    let row = guide.lines().find(|line| line.starts_with("| `-store-failures`")).unwrap();
    assert!(row.contains("`the store failed while`"), "{row}");
    let error = StoreError::Unavailable { doing: "looking".to_owned(), cause: "refused".to_owned() }.to_string();
    assert!(error.starts_with("the store failed while "), "{error}");
}

#[test]
fn every_alarm_is_sent_and_its_end_too() {
    let (template, stack) = deployed();
    for alarm in alarms(&template, &stack).values() {
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&json!(["Alarms"]), &json!(["Alarms"])));
        assert!(alarm["AlarmDescription"].as_str().is_some_and(|text| text.ends_with('.')));
    }
}

#[test]
fn an_alarm_on_dynamodb_ends_although_there_is_no_data() {
    let (template, stack) = deployed();
    let mut filled = 0;
    for alarm in alarms(&template, &stack).values() {
        assert_ne!(alarm["Namespace"], "AWS/DynamoDB", "{alarm}");
        let metrics = || alarm["Metrics"].as_array().into_iter().flatten();
        let expressions: Vec<String> = metrics().filter_map(|metric| metric.get("Expression").map(text)).collect();
        for metric in metrics().filter(|metric| metric["MetricStat"]["Metric"]["Namespace"] == "AWS/DynamoDB") {
            let fill = format!("FILL({}, 0)", text(&metric["Id"]));
            assert!(expressions.iter().any(|expression| expression.contains(&fill)), "{fill} in {expressions:?}");
            filled += 1;
        }
    }
    assert!(filled > 0);
}

#[test]
fn an_alarm_looks_at_this_stack_alone() {
    let (template, stack) = deployed();
    let own =
        ["scheduler", "scheduler-poller", "scheduler-jobs", "an-api", "status-fireAt", "tenant-plannedAt", "series"];
    for alarm in alarms(&template, &stack).values() {
        let mut dimensions = 0;
        walk(alarm, &mut |value| {
            for dimension in value.get("Dimensions").and_then(Value::as_array).into_iter().flatten() {
                assert!(own.contains(&dimension["Value"].as_str().unwrap()), "{dimension}");
                dimensions += 1;
            }
        });
        assert!(dimensions > 0, "{alarm}");
    }
}

#[test]
fn the_stack_hands_over_everything_that_monitoring_asks_for() {
    let monitoring = Template::read("infra/monitoring.yaml");
    let given = Template::read("template.yaml").deploy("scheduler", &[]).properties("Monitoring")["Parameters"].clone();
    let given: BTreeMap<String, Value> = serde_json::from_value(given).unwrap();
    assert_eq!(given.keys().collect::<Vec<_>>(), monitoring.parameters().keys().collect::<Vec<_>>());
    let expected = json!(["scheduler", "scheduler-api", 512, "scheduler-poller", 1024, "scheduler-jobs"]);
    let names = ["Service", "ApiFunction", "ApiMemory", "PollerFunction", "PollerMemory", "JobsTable"];
    assert_eq!(names.iter().map(|name| given[*name].clone()).collect::<Value>(), expected);
}

#[test]
fn the_dashboard_shows_every_alarm_and_every_metric_of_the_poller() {
    let (template, stack) = deployed();
    let dashboard = dashboard(&stack);
    let widgets = dashboard["widgets"].as_array().unwrap();
    let shown: BTreeSet<String> = widgets
        .iter()
        .filter(|widget| widget["type"] == "alarm")
        .flat_map(|widget| widget["properties"]["alarms"].as_array().unwrap())
        .map(text)
        .collect();
    assert_eq!(shown, alarms(&template, &stack).into_keys().map(|alarm| format!("{alarm}.Arn")).collect());

    let metrics: BTreeSet<String> = widgets
        .iter()
        .flat_map(metrics)
        .filter(|metric| metric[0] == "Scheduler")
        .map(|metric| {
            assert_eq!((&metric[2], &metric[3]), (&json!("Service"), &json!("scheduler")));
            text(&metric[1])
        })
        .collect();
    assert_eq!(metrics, METRICS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_dashboard_asks_for_what_it_calculates_with() {
    let (_, stack) = deployed();
    let dashboard = dashboard(&stack);
    for widget in dashboard["widgets"].as_array().unwrap() {
        let mut known = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let options = metric.as_array().unwrap().last().unwrap();
            known.extend(options.get("id").map(text));
            let expression = options.get("expression").map(text).unwrap_or_default();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric());
            let ids = words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
            asked.extend(ids.map(ToOwned::to_owned));
        }
        assert_eq!(
            asked.difference(&known).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{}",
            widget["properties"]["title"]
        );
    }
}

#[test]
fn the_poller_writes_the_metrics_that_are_looked_at() {
    let document = poller::metrics::document(&poller::Summary::default(), "scheduler", Clock::System.now());
    let directive = &document["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Scheduler"), &json!([["Service"]])));
    // These two have no values in a tick that did nothing.
    let mut written = BTreeSet::from(["DeliverySeconds", "LatenessSeconds"].map(ToOwned::to_owned));
    let source = include_str!("../../functions/poller/src/metrics.rs");
    assert!(written.iter().all(|name| source.contains(&format!("(\"{name}\", &summary."))), "{written:?}");
    written.extend(directive["Metrics"].as_array().unwrap().iter().map(|metric| text(&metric["Name"])));
    assert_eq!(written, METRICS.iter().map(|name| (*name).to_owned()).collect());
}

fn deployed() -> (Template, Deployment) {
    let template = Template::read("infra/monitoring.yaml");
    let stack = template.deploy(
        "scheduler-Monitoring",
        &[
            ("Service", "scheduler"),
            ("AlarmEmail", "ops@example.com"),
            ("ApiId", "an-api"),
            ("ApiFunction", "scheduler-api"),
            ("ApiMemory", "512"),
            ("PollerFunction", "scheduler-poller"),
            ("PollerMemory", "1024"),
            ("JobsTable", "scheduler-jobs"),
        ],
    );
    (template, stack)
}

fn alarms(template: &Template, stack: &Deployment) -> BTreeMap<String, Value> {
    let alarms = template.resources().iter().filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms.map(|(name, _)| (name.clone(), stack.properties(name))).collect()
}

fn dashboard(stack: &Deployment) -> Value {
    serde_json::from_str(stack.properties("Dashboard")["DashboardBody"].as_str().unwrap()).unwrap()
}

/// A widget's metrics with CloudWatch's abbreviations written out: "." repeats the word above, "..." all but the last.
fn metrics(widget: &Value) -> Vec<Vec<Value>> {
    let mut written_out: Vec<Vec<Value>> = Vec::new();
    for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        let words: Vec<Value> = metric.as_array().unwrap().iter().filter(|word| word.is_string()).cloned().collect();
        let above = written_out.last().cloned().unwrap_or_default();
        let whole = match words.split_first() {
            None => continue,
            Some((first, rest)) if first == "..." => {
                let kept = above.len() - rest.len();
                above.into_iter().take(kept).chain(rest.iter().cloned()).collect()
            }
            Some(_) => {
                let same = |(i, word): (usize, &Value)| if word == "." { above[i].clone() } else { word.clone() };
                words.iter().enumerate().map(same).collect()
            }
        };
        written_out.push(whole);
    }
    written_out
}

fn name(alarm: &Value) -> String {
    text(&alarm["AlarmName"])
}

fn looks_at(alarm: &Value) -> String {
    let one = |metric: &Value, statistic: &Value| {
        format!("{} {} {}", text(&metric["Namespace"]), text(&metric["MetricName"]), text(statistic))
    };
    match alarm["Metrics"].as_array() {
        None => one(alarm, &alarm["Statistic"]),
        Some(queries) => {
            let stats = queries.iter().filter_map(|query| query.get("MetricStat"));
            stats.map(|stat| one(&stat["Metric"], &stat["Stat"])).collect::<Vec<_>>().join(", ")
        }
    }
}

fn when(alarm: &Value) -> String {
    let sign = match alarm["ComparisonOperator"].as_str() {
        Some("GreaterThanThreshold") => ">",
        Some("LessThanThreshold") => "<",
        other => panic!("{other:?}"),
    };
    let mut periods = BTreeSet::new();
    walk(alarm, &mut |value| periods.extend(value.get("Period").map(text)));
    let periods: Vec<String> = periods.into_iter().collect();
    format!(
        "{sign} {} in {} x {} s, missing {}",
        alarm["Threshold"],
        alarm["EvaluationPeriods"],
        periods.join("/"),
        text(&alarm["TreatMissingData"])
    )
}
