//! What the functions of `template.yaml` may do: exactly this, for anything more or less fails here.
//! It reads the template as CloudFormation would, and never calls AWS.
//! Neighbours: `template_settings` compares it with the code's settings, `template_tables` with its tables.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::cloudformation::{ACCOUNT, Deployment, REGION, Template, text, walk};

const API_MAY: &str = "
    dynamodb:BatchGetItem table/scheduler-jobs
    dynamodb:GetItem table/scheduler-jobs
    dynamodb:PutItem table/scheduler-jobs
    dynamodb:UpdateItem table/scheduler-jobs
    dynamodb:Query table/scheduler-jobs/index/tenant-plannedAt
    dynamodb:Query table/scheduler-jobs/index/series
    dynamodb:GetItem table/scheduler-tenants
    dynamodb:Query table/scheduler-usage
    dynamodb:UpdateItem table/scheduler-usage
    logs:CreateLogStream log-group:/aws/lambda/scheduler-api:*
    logs:PutLogEvents log-group:/aws/lambda/scheduler-api:*
";

const POLLER_MAY: &str = "
    dynamodb:Query table/scheduler-jobs/index/status-fireAt
    dynamodb:GetItem table/scheduler-jobs
    dynamodb:PutItem table/scheduler-jobs
    dynamodb:UpdateItem table/scheduler-jobs
    dynamodb:GetItem table/scheduler-tenants
    dynamodb:UpdateItem table/scheduler-usage
    lambda:InvokeFunction function:scheduler-poller
    logs:CreateLogStream log-group:/aws/lambda/scheduler-poller:*
    logs:PutLogEvents log-group:/aws/lambda/scheduler-poller:*
";

const SCHEDULE_MAY: &str = "
    lambda:InvokeFunction function:scheduler-poller
";

/// With X-Ray on, and only then; it knows no resources.
const TRACED_MAY: &str = "
    xray:PutTelemetryRecords *
    xray:PutTraceSegments *
";

const ROLES: [(&str, &str, &str); 3] = [
    ("ApiRole", "lambda.amazonaws.com", API_MAY),
    ("PollerRole", "lambda.amazonaws.com", POLLER_MAY),
    ("ScheduleRole", "scheduler.amazonaws.com", SCHEDULE_MAY),
];

#[test]
fn the_functions_and_the_schedule_may_do_this_and_nothing_else() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[]);
    for (role, _, may) in ROLES {
        assert_eq!(rights(&stack, role), lines(may), "{role}");
    }
}

#[test]
fn tracing_adds_its_two_actions_to_the_functions_alone() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[("Tracing", "Active")]);
    for (role, _, may) in ROLES {
        let traced = if role == "ScheduleRole" { "" } else { TRACED_MAY };
        assert_eq!(rights(&stack, role), lines(&format!("{may}{traced}")), "{role}");
    }
}

#[test]
fn a_restored_table_takes_the_place_of_the_stacks_own_everywhere() {
    let template = Template::read("template.yaml");
    let stack = template.deploy("scheduler", &[("RestoredJobsTable", "scheduler-jobs-restored")]);
    for (role, _, may) in ROLES {
        assert_eq!(rights(&stack, role), lines(&may.replace("scheduler-jobs", "scheduler-jobs-restored")), "{role}");
    }
    for function in ["ApiFunction", "PollerFunction"] {
        assert_eq!(stack.environment(function)["JOBS_TABLE"], "scheduler-jobs-restored");
    }
    assert_eq!(stack.properties("Monitoring")["Parameters"]["JobsTable"], "scheduler-jobs-restored");
    assert_eq!(stack.outputs()["JobsTableName"], "scheduler-jobs-restored");
}

#[test]
fn only_these_services_may_take_up_a_role() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[]);
    for (role, service, _) in ROLES {
        let trust = stack.properties(role)["AssumeRolePolicyDocument"].clone();
        let mut statement = json!({
            "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole",
        });
        if service.starts_with("scheduler") {
            statement["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": ACCOUNT } });
        }
        assert_eq!(trust, json!({ "Version": "2012-10-17", "Statement": [statement] }), "{role}");
    }
}

/// Rights come in many ways; these are all the resources there are, and the functions ask for no other way.
#[test]
fn nothing_else_in_the_stack_grants_a_right() {
    let template = Template::read("template.yaml");
    let roles = names_of(&template, "AWS::IAM::Role");
    assert_eq!(roles, ROLES.iter().map(|(role, _, _)| (*role).to_owned()).collect());
    assert_eq!(names_of(&template, "AWS::Serverless::Function"), set(&["ApiFunction", "PollerFunction"]));

    let types = |template: &Template| -> BTreeSet<String> {
        template.resources().values().map(|resource| text(&resource["Type"])).collect()
    };
    assert_eq!(
        types(&template),
        set(&[
            "AWS::ApiGatewayV2::ApiMapping",
            "AWS::ApiGatewayV2::DomainName",
            "AWS::CloudFormation::Stack",
            "AWS::DynamoDB::Table",
            "AWS::IAM::Role",
            "AWS::Logs::LogGroup",
            "AWS::Serverless::Function",
            "AWS::Serverless::HttpApi",
        ])
    );
    assert_eq!(
        types(&Template::read("infra/monitoring.yaml")),
        set(&["AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Subscription", "AWS::SNS::Topic"])
    );

    let ways = ["Policies", "ManagedPolicyArns", "PolicyDocument", "ResourcePolicy", "Connectors", "FunctionUrlConfig"];
    for (name, resource) in template.resources().iter().filter(|(name, _)| !roles.contains(*name)) {
        walk(resource, &mut |value| {
            let way = ways.iter().find(|way| value.get(**way).is_some());
            assert_eq!(way, None, "{name} grants rights that no test looks at");
        });
    }
    assert_eq!(
        template.0["Globals"]["Function"].as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["Architectures", "Environment", "Handler", "Runtime", "Tracing"])
    );
}

#[test]
fn no_right_is_written_with_a_star_but_those_of_tracing() {
    let template = Template::read("template.yaml");
    for (role, _, _) in ROLES {
        walk(&template.resources()[role], &mut |value| {
            if value.get("Sid").is_some_and(|sid| sid != "Traces") {
                walk(value, &mut |inside| {
                    assert!(!inside.as_str().is_some_and(|text| text.contains('*')), "{role}: {inside}");
                });
            }
        });
    }
}

#[test]
fn each_function_has_its_role_and_no_other() {
    let stack = Template::read("template.yaml").deploy("scheduler", &[]);
    for (function, role) in [("ApiFunction", "ApiRole"), ("PollerFunction", "PollerRole")] {
        assert_eq!(stack.properties(function)["Role"], format!("{role}.Arn"));
    }
    let schedule = &stack.properties("PollerFunction")["Events"]["EachMinute"]["Properties"];
    assert_eq!(schedule["RoleArn"], "ScheduleRole.Arn");
}

/// `action resource` for each that the role's policies allow, resources without what all of this account begin with.
fn rights(stack: &Deployment, role: &str) -> BTreeSet<String> {
    let properties = stack.properties(role);
    assert_eq!(keys(&properties), ["AssumeRolePolicyDocument", "Policies"], "{role}");
    let mut rights = BTreeSet::new();
    for policy in list(&properties["Policies"]) {
        assert_eq!(keys(&policy), ["PolicyDocument", "PolicyName"], "{role}");
        assert_eq!(keys(&policy["PolicyDocument"]), ["Statement", "Version"], "{role}");
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(keys(&statement), ["Action", "Effect", "Resource", "Sid"], "{role}: {statement}");
            assert_eq!(statement["Effect"], "Allow", "{role}");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    let (action, resource) = (text(&action), text(&resource));
                    let service = action.split(':').next().unwrap_or_default();
                    let here = format!("arn:aws:{service}:{REGION}:{ACCOUNT}:");
                    rights.insert(format!("{action} {}", resource.strip_prefix(&here).unwrap_or(&resource)));
                }
            }
        }
    }
    rights
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// IAM takes one for a list of one.
fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}

fn names_of(template: &Template, kind: &str) -> BTreeSet<String> {
    template.resources().iter().filter(|(_, resource)| resource["Type"] == kind).map(|(name, _)| name.clone()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
