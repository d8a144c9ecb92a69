//! A CloudFormation template as JSON, and what its functions (`!Ref`, `!Sub`, `!If`, …) become in a deployment.
//! It knows what this project's templates use, and fails on anything else rather than guess. It never calls AWS.
//! Neighbours: `template` and `monitoring` are the tests that read through it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where every deployment of these tests is.
pub const REGION: &str = "eu-south-1";
pub const ACCOUNT: &str = "123456789012";

/// A template, every function in its long form: `!Ref X` is `{"Ref": "X"}`.
#[derive(Clone, Debug)]
pub struct Template(pub Value);

/// A template with its parameters, as a stack of this name.
#[derive(Clone, Debug)]
pub struct Deployment {
    template: Value,
    stack: String,
    parameters: BTreeMap<String, Value>,
}

impl Template {
    /// Reads a template of the project, named from its root.
    pub fn read(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).expect(path);
        let documents = Yaml::load_from_str(&text).expect(path);
        assert_eq!(documents.len(), 1, "{path} is one document");
        Self(json_of(&documents[0]))
    }

    pub fn resources(&self) -> &Map<String, Value> {
        self.0["Resources"].as_object().expect("a template has resources")
    }

    pub fn parameters(&self) -> &Map<String, Value> {
        self.0["Parameters"].as_object().expect("a template has parameters")
    }

    /// The names of all that a function's environment may hold, whatever the parameters.
    pub fn environment_names(&self, function: &str) -> BTreeSet<String> {
        let of_all = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        let own = &self.resources()[function]["Properties"]["Environment"]["Variables"];
        [of_all, own].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys().cloned()).collect()
    }

    /// The stack that these parameters make, all others at their defaults.
    pub fn deploy(&self, stack: &str, chosen: &[(&str, &str)]) -> Deployment {
        let mut parameters = BTreeMap::new();
        for (name, parameter) in self.parameters() {
            parameters.insert(name.clone(), parameter["Default"].clone());
        }
        for (name, value) in chosen {
            assert!(parameters.insert((*name).to_owned(), json!(value)).is_some(), "there is no parameter {name}");
        }
        Deployment { template: self.0.clone(), stack: stack.to_owned(), parameters }
    }
}

impl Deployment {
    /// A resource's properties as CloudFormation would see them.
    pub fn properties(&self, resource: &str) -> Value {
        let properties = &self.template["Resources"][resource]["Properties"];
        assert!(properties.is_object(), "there is no resource {resource}");
        self.resolve(properties)
    }

    /// What a function's environment holds: what all are given, and its own.
    pub fn environment(&self, function: &str) -> BTreeMap<String, String> {
        let of_all = self.resolve(&self.template["Globals"]["Function"]["Environment"]["Variables"]);
        let own = self.properties(function)["Environment"]["Variables"].clone();
        [of_all, own].iter().filter_map(Value::as_object).flatten().map(|(n, v)| (n.clone(), text(v))).collect()
    }

    pub fn outputs(&self) -> BTreeMap<String, String> {
        let outputs = self.template["Outputs"].as_object().expect("outputs");
        let made = outputs.iter().filter(|(_, output)| output.get("Condition").is_none_or(|c| self.holds(c)));
        made.map(|(name, output)| (name.clone(), text(&self.resolve(&output["Value"])))).collect()
    }

    /// A value with its functions carried out. What they leave out (`AWS::NoValue`) is gone.
    pub fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).filter(|v| !v.is_null()).collect(),
            Value::Object(map) => match single(map) {
                Some((name, argument)) if name == "Ref" || name.starts_with("Fn::") => self.call(name, argument),
                _ => {
                    let resolved = map.iter().map(|(k, v)| (k.clone(), self.resolve(v)));
                    Value::Object(resolved.filter(|(_, v)| !v.is_null()).collect())
                }
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Value {
        match (name, argument) {
            ("Ref", Value::String(of)) => self.reference(of),
            ("Fn::GetAtt", Value::String(of)) => json!(self.attribute(of)),
            ("Fn::Sub", Value::String(text)) => json!(self.substitute(text, &Map::new())),
            ("Fn::Sub", Value::Array(parts)) => {
                let values = self.resolve(&parts[1]);
                json!(self.substitute(parts[0].as_str().expect("text"), values.as_object().expect("values")))
            }
            ("Fn::If", Value::Array(parts)) => self.resolve(&parts[if self.holds(&parts[0]) { 1 } else { 2 }]),
            ("Fn::FindInMap", Value::Array(path)) => {
                let path: Vec<String> = path.iter().map(|step| text(&self.resolve(step))).collect();
                let found = self.template["Mappings"][&path[0]][&path[1]][&path[2]].clone();
                assert!(!found.is_null(), "nothing is mapped under {path:?}");
                found
            }
            _ => panic!("{name} of {argument} is not known here"),
        }
    }

    /// Whether a condition, by name or written out, is true.
    fn holds(&self, condition: &Value) -> bool {
        if let Some(name) = condition.as_str() {
            let written = &self.template["Conditions"][name];
            assert!(written.is_object(), "there is no condition {name}");
            return self.holds(written);
        }
        match condition.as_object().and_then(single) {
            Some(("Fn::Not", Value::Array(one))) => !self.holds(&one[0]),
            // CloudFormation compares as text.
            Some(("Fn::Equals", Value::Array(two))) => text(&self.resolve(&two[0])) == text(&self.resolve(&two[1])),
            _ => panic!("the condition {condition} is not known here"),
        }
    }

    fn reference(&self, of: &str) -> Value {
        if let Some(value) = self.parameters.get(of) {
            return value.clone();
        }
        match of {
            "AWS::NoValue" => Value::Null,
            "AWS::StackName" => json!(self.stack),
            "AWS::Region" => json!(REGION),
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Partition" => json!("aws"),
            resource => json!(self.name_of(resource)),
        }
    }

    /// What `!Ref` gives for a resource: the name it was given, or else its name in the template.
    fn name_of(&self, resource: &str) -> String {
        let found = &self.template["Resources"][resource];
        assert!(found.is_object(), "there is no resource {resource}");
        let named = ["TableName", "FunctionName", "LogGroupName"].iter().find_map(|key| found["Properties"].get(*key));
        named.map_or_else(|| resource.to_owned(), |name| text(&self.resolve(name)))
    }

    fn attribute(&self, of: &str) -> String {
        let (resource, attribute) = of.split_once('.').expect("Resource.Attribute");
        let name = self.name_of(resource);
        match (self.template["Resources"][resource]["Type"].as_str(), attribute) {
            (Some("AWS::DynamoDB::Table"), "Arn") => format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"),
            (Some("AWS::Serverless::Function"), "Arn") => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"),
            // So says CloudFormation: with the star that stands for the group's streams.
            (Some("AWS::Logs::LogGroup"), "Arn") => format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"),
            _ => format!("{resource}.{attribute}"),
        }
    }

    fn substitute(&self, pattern: &str, values: &Map<String, Value>) -> String {
        let mut pieces = pattern.split("${");
        let mut whole = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').expect("a closing brace");
            let value = match values.get(name) {
                Some(value) => value.clone(),
                None if name.contains('.') => json!(self.attribute(name)),
                None => self.reference(name),
            };
            whole += &text(&value);
            whole += rest;
        }
        whole
    }
}

/// A value as CloudFormation writes it where it wants text.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Every value inside one, itself included.
pub fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(map) => map.values().for_each(|item| walk(item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    map.iter().next().filter(|_| map.len() == 1).map(|(name, argument)| (name.as_str(), argument))
}

fn json_of(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::FloatingPoint(number)) => json!(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(map) => map.iter().map(|(k, v)| (text(&json_of(k)), json_of(v))).collect::<Map<_, _>>().into(),
        Yaml::Tagged(tag, inner) => {
            let name = if tag.suffix == "Ref" { "Ref".to_owned() } else { format!("Fn::{}", tag.suffix) };
            json!({ name: json_of(inner) })
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("{node:?} is not known here"),
    }
}
