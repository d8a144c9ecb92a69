//! What `template.yaml` tells the functions: every setting that the code reads, under its name and with its default,
//! and no value that the code would refuse. Also what it promises to whoever deploys it.
//! It never calls AWS. Neighbours: `shared::config` reads the settings, README's table lists them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::config::Settings;
use shared::store::TableNames;
use shared::store::table::create_missing;
use tokio::process::Command;

use crate::support::app::built_program;
use crate::support::cloudformation::{Template, text};
use crate::support::stores::{Store, StoreKind};

const FUNCTIONS: [&str; 2] = ["ApiFunction", "PollerFunction"];

#[test]
fn each_function_is_given_the_settings_that_the_code_reads() {
    let template = Template::read("template.yaml");
    for (function, main) in FUNCTIONS.iter().zip(MAINS) {
        assert_eq!(template.environment_names(function), settings_of(main), "{function}");
    }
}

#[test]
fn the_readme_lists_the_settings_that_the_code_reads() {
    let readme = include_str!("../../README.md");
    let table = readme.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let listed: BTreeSet<String> =
        names.flat_map(|cell| cell.split('`')).filter(|name| is_setting(name)).map(ToOwned::to_owned).collect();
    assert_eq!(listed, MAINS.iter().flat_map(|main| settings_of(main)).collect());
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_code() {
    let environment = Template::read("template.yaml").deploy("scheduler", &[]).environment("PollerFunction");
    // These have no default of the code's own: they depend on what it runs in.
    let without = ["METRICS_SERVICE", "ALLOWED_CALLBACK_NETWORKS", "CREATIONS_PER_MINUTE"];
    let settings = Settings::read(|name| environment.get(name).filter(|_| !without.contains(&name)).cloned()).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    assert_eq!(environment["METRICS_SERVICE"], "scheduler");
    assert_eq!(environment["CREATIONS_PER_MINUTE"], "6000");
    assert_eq!(Settings::read(|name| environment.get(name).cloned()).unwrap().allowed_networks, Some(vec![]));
}

/// A value that deploys and then stops the functions at their start would be found out too late.
#[test]
fn the_code_takes_what_the_template_takes() {
    let template = Template::read("template.yaml");
    let mut tried = 0;
    for (name, parameter) in template.parameters() {
        let bounds = ["MinValue", "MaxValue"].iter().filter_map(|bound| parameter.get(*bound)).map(text);
        let choices = parameter.get("AllowedValues").and_then(Value::as_array).into_iter().flatten().map(text);
        for value in bounds.chain(choices) {
            let stack = template.deploy("scheduler", &[(name, &value)]);
            for function in FUNCTIONS {
                let environment = stack.environment(function);
                let read = Settings::read(|name| environment.get(name).cloned());
                assert!(read.is_ok(), "{name} = {value}: {}", read.unwrap_err());
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn every_parameter_says_what_it_is_and_what_it_may_be() {
    for (name, parameter) in Template::read("template.yaml").parameters() {
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        assert!(!parameter["Default"].is_null(), "{name}: a stack deploys without an answer to anything");
        let says = |key| !parameter[key].is_null();
        let is_bounded = says("AllowedValues")
            || says("AllowedPattern") && says("ConstraintDescription")
            || says("MinValue") && says("MaxValue");
        assert!(is_bounded, "{name}");
    }
}

#[test]
fn the_functions_are_built_by_cargo_lambda_for_the_chosen_architecture() {
    let template = Template::read("template.yaml");
    for (chosen, architecture) in [(&[][..], "arm64"), (&[("Architecture", "x86_64")], "x86_64")] {
        let globals = template.deploy("scheduler", chosen).resolve(&template.0["Globals"]["Function"]);
        assert_eq!(globals["Architectures"], json!([architecture]));
        assert_eq!((&globals["Runtime"], &globals["Handler"]), (&json!("provided.al2023"), &json!("bootstrap")));
    }
    for (function, binary) in FUNCTIONS.iter().zip(["api", "poller"]) {
        let resource = &template.resources()[*function];
        assert_eq!(
            resource["Metadata"],
            json!({ "BuildMethod": "rust-cargolambda", "BuildProperties": { "Binary": binary } })
        );
        // The whole workspace: from the function's own folder, Cargo would build the AWS SDK anew for each.
        assert_eq!(resource["Properties"]["CodeUri"], ".");
    }
}

#[test]
fn a_poll_comes_each_minute_and_is_never_repeated() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[]);
    let poller = stack.properties("PollerFunction");
    let schedule = &poller["Events"]["EachMinute"];
    assert_eq!(schedule["Type"], "ScheduleV2");
    assert_eq!(schedule["Properties"]["ScheduleExpression"], "rate(1 minute)");
    assert_eq!(schedule["Properties"]["State"], "ENABLED");
    // The schedule hands the event over, Lambda runs it: either would repeat it by itself.
    assert_eq!(schedule["Properties"]["RetryPolicy"], json!({ "MaximumRetryAttempts": 0 }));
    assert_eq!(poller["EventInvokeConfig"], json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 }));
    assert_eq!(poller["Timeout"], poller::COMFORTABLE.as_secs());
}

#[test]
fn everything_that_is_asked_comes_to_the_api_in_the_newer_format() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[]);
    let event = stack.properties("ApiFunction")["Events"]["Everything"].clone();
    // Neither path nor method: all of them.
    assert_eq!(
        event,
        json!({ "Type": "HttpApi", "Properties": { "ApiId": "HttpApi", "PayloadFormatVersion": "2.0" } })
    );
    let api = stack.properties("HttpApi");
    assert_eq!(api["DefaultRouteSettings"], json!({ "ThrottlingRateLimit": 500, "ThrottlingBurstLimit": 1000 }));
    let format = api["AccessLogSettings"]["Format"].as_str().unwrap();
    let fields: BTreeMap<String, String> = serde_json::from_str(format).unwrap();
    assert!(fields.values().all(|field| field.starts_with("$context.")), "{fields:?}");
}

#[tokio::test]
async fn the_command_in_the_outputs_makes_a_token_that_is_then_in_the_table() {
    let store = Store::start(StoreKind::Embedded).await;
    let stack = Template::read("template.yaml").deploy("scheduler-dev", &[]);
    create_missing(&store.client(), &TableNames::with_prefix("scheduler-dev-")).await.unwrap();

    let command = stack.outputs()["FirstTokenCommand"].clone();
    let (_, arguments) = command.split_once("cargo run --release --locked --package scheduler -- ").unwrap();
    let run = async |arguments: &str| {
        let program = Command::new(built_program())
            .args(arguments.split(' '))
            .envs(command.split(' ').map_while(|word| word.split_once('=')))
            .env("AWS_ENDPOINT_URL_DYNAMODB", store.endpoint())
            .output();
        let output = program.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let token = run(arguments).await;
    assert!(token.starts_with("sch_"), "{token}");
    let list = run("token list --tenant acme").await;
    assert!(list.contains("acme") && list.contains("read") && list.contains("write"), "{list}");
}

const MAINS: [&str; 2] =
    [include_str!("../../functions/api/src/main.rs"), include_str!("../../functions/poller/src/main.rs")];

/// What `Settings::read` asks for, and what this `main` looks up beside it.
fn settings_of(main: &str) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    Settings::read(|name| {
        names.borrow_mut().insert(name.to_owned());
        None
    })
    .unwrap();
    let looked_up = main.split("variable(\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.borrow_mut().extend(looked_up.map(ToOwned::to_owned));
    // What Lambda itself sets is no setting of ours.
    names.into_inner().into_iter().filter(|name| !name.starts_with("AWS_")).collect()
}

fn is_setting(word: &str) -> bool {
    word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}
