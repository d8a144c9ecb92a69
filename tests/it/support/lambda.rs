//! A stand-in for AWS Lambda that runs the real function, unchanged, in a process of its own for each invocation:
//! the Invoke API that a coordinator calls, and the Runtime API that the function's process asks for its events.
//! It never looks at jobs, and retries nothing. Neighbours: `process` starts the programs, `stores` what they work on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::pending;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use shared::clock::{Clock, Stopwatch};
use tokio::process::Command;
use tokio::sync::watch;

use super::http_server::{Body, Cut, HttpServer, body};
use super::process::Process;
use super::waiting::until_within;

/// How long the tests wait for invocations: some have twenty thousand jobs to deliver.
const PATIENCE: Duration = Duration::from_secs(600);
const FUNCTION: &str = "tested";

/// One function with its environment. Clones are the same.
#[derive(Clone)]
pub struct Lambda {
    state: Arc<State>,
    /// The Invoke API, as long as somebody holds it.
    _server: Arc<HttpServer>,
}

struct State {
    program: PathBuf,
    environment: Mutex<Vec<(String, String)>>,
    /// How long an invocation may take, as the function is told.
    timeout: Duration,
    invocations: watch::Sender<Vec<Invocation>>,
    refuses: AtomicBool,
}

/// What a process was asked and what became of it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The events, one after the other; more than one only when the test asks for it.
    pub events: Vec<Value>,
    /// Whether it came through the Invoke API, and so from the function itself.
    pub by_function: bool,
    /// One for each event in the end, unless the process died.
    pub outcomes: Vec<Outcome>,
    pub has_ended: bool,
    /// From the start of the process to its end.
    pub took: Duration,
    /// What it has printed on standard output, line by line.
    pub stdout: Vec<String>,
    kill: Arc<watch::Sender<bool>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Answered(Value),
    Failed(Value),
    /// The process ended before it answered.
    Died,
}

impl Lambda {
    /// The function of this name, as it was built beside the tests.
    pub async fn start(function: &str, timeout: Duration, environment: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let state = Arc::new(State {
            program: built_function(function),
            environment: Mutex::new(environment.iter().map(owned).collect()),
            timeout,
            invocations: watch::Sender::new(Vec::new()),
            refuses: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| {
            let answer = invoke_api(&shared, &request);
            async move { Ok(answer) }
        })
        .await;
        let place = ("AWS_ENDPOINT_URL_LAMBDA".to_owned(), server.url());
        state.environment.lock().unwrap().push(place);
        Self { state, _server: Arc::new(server) }
    }

    /// Has the Invoke API refuse from now on, as a missing permission would.
    pub fn refuse(&self) {
        self.state.refuses.store(true, Ordering::SeqCst);
    }

    /// Invokes the function as a schedule does; its number among the invocations.
    pub fn invoke(&self, event: Value) -> usize {
        self.invoke_in_one_process(vec![event])
    }

    /// Gives one process these events, each when it has answered the one before.
    pub fn invoke_in_one_process(&self, events: Vec<Value>) -> usize {
        begin(&self.state, events, false)
    }

    /// Ends the process of an invocation as a power cut would, and waits until it has.
    pub async fn kill9(&self, number: usize) {
        self.state.invocations.borrow()[number].kill.send_replace(true);
        let has_ended = |all: &Vec<Invocation>| all[number].has_ended;
        until_within(PATIENCE, "the end of a killed process", &self.state.invocations, has_ended).await;
    }

    pub fn invocations(&self) -> Vec<Invocation> {
        self.state.invocations.borrow().clone()
    }

    /// Waits until every invocation has ended. A coordinator answers after those that it invokes have begun.
    pub async fn wait_until_idle(&self) -> Vec<Invocation> {
        let idle = |all: &Vec<Invocation>| all.iter().all(|invocation| invocation.has_ended);
        until_within(PATIENCE, "the end of all invocations", &self.state.invocations, idle).await;
        self.invocations()
    }
}

impl Invocation {
    /// What the function answered to its one event.
    pub fn answer(&self) -> &Value {
        match self.outcomes.as_slice() {
            [Outcome::Answered(answer)] => answer,
            others => panic!("{others:?} to {:?}; it printed {:#?}", self.events, self.stdout),
        }
    }

    /// The shards that it was told to work on, if any.
    pub fn shards(&self) -> Option<Vec<u64>> {
        let shards = self.events.first()?.get("shards")?.as_array()?;
        Some(shards.iter().map(|shard| shard.as_u64().expect("a number")).collect())
    }

    /// The lines that it has printed which are JSON objects with this member.
    pub fn printed_with(&self, member: &str) -> Vec<Value> {
        let lines = self.stdout.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get(member).is_some()).collect()
    }
}

/// A built program beside this test binary, or where `NAME_BIN` says.
pub fn built_function(name: &str) -> PathBuf {
    let program = std::env::var_os(format!("{}_BIN", name.to_uppercase())).map_or_else(
        || {
            let tests = std::env::current_exe().expect("the path of the test binary");
            tests.parent().and_then(Path::parent).expect("it lies in target/debug/deps").join(name)
        },
        PathBuf::from,
    );
    assert!(program.is_file(), "{} is not built: `cargo build -p {name}`, or use `make test`", program.display());
    program
}

/// A function's process with what Lambda itself sets, and nothing of the caller's environment.
pub fn function_command(program: &Path, runtime_api: &str) -> Command {
    let mut command = Command::new(program);
    let inherited = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"];
    let inherited = inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.env_clear().envs(inherited).stdin(Stdio::null());
    command.envs([
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_REGION", "eu-south-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, asynchronous.
fn invoke_api(state: &Arc<State>, request: &Request<Bytes>) -> Response<Body> {
    let kind = request.headers().get("x-amz-invocation-type").and_then(|value| value.to_str().ok());
    let place = format!("/2015-03-31/functions/{FUNCTION}/invocations");
    let signed = request.headers().contains_key("authorization");
    let event = serde_json::from_slice(request.body());
    match (request.method(), request.uri().path() == place, kind, signed, event) {
        _ if state.refuses.load(Ordering::SeqCst) => error_response(403, "AccessDeniedException"),
        (&Method::POST, true, Some("Event"), true, Ok(event)) => {
            begin(state, vec![event], true);
            Response::builder().status(202).body(body("")).expect("a valid answer")
        }
        other => panic!("not an asynchronous invocation of the function itself: {other:?} {}", request.uri()),
    }
}

fn error_response(status: u16, kind: &str) -> Response<Body> {
    let text = json!({ "Message": "the test wants this refused", "Type": "User" }).to_string();
    Response::builder().status(status).header("x-amzn-errortype", kind).body(body(text)).expect("a valid answer")
}

fn begin(state: &Arc<State>, events: Vec<Value>, by_function: bool) -> usize {
    let mut number = 0;
    let kill = Arc::new(watch::Sender::new(false));
    let invocation = Invocation {
        events,
        by_function,
        outcomes: Vec::new(),
        has_ended: false,
        took: Duration::ZERO,
        stdout: Vec::new(),
        kill,
    };
    state.invocations.send_modify(|all| {
        number = all.len();
        all.push(invocation.clone());
    });
    tokio::spawn(run(Arc::clone(state), number, invocation));
    number
}

/// One process from its start until it has answered all its events, has died or is killed.
async fn run(state: Arc<State>, number: usize, invocation: Invocation) {
    let watch = Stopwatch::start();
    let count = invocation.events.len();
    let (next, shared) = (Arc::new(Mutex::new(0)), Arc::clone(&state));
    let events = Arc::new(invocation.events);
    let runtime_api = HttpServer::start(move |request| {
        runtime_api(Arc::clone(&shared), number, Arc::clone(&events), Arc::clone(&next), request)
    })
    .await;
    let address = runtime_api.url();
    let mut command = function_command(&state.program, address.trim_start_matches("http://"));
    command.envs(state.environment.lock().unwrap().clone());
    let mut process = Process::spawn(command);
    let mut outcomes = state.invocations.subscribe();
    let mut kill = invocation.kill.subscribe();
    tokio::select! {
        _ = outcomes.wait_for(|all| all[number].outcomes.len() == count) => {}
        _ = kill.wait_for(|kill| *kill) => {}
        () = process.ended() => {}
    }
    process.kill9().await;
    process.ended().await;
    state.invocations.send_modify(|all| {
        all[number].outcomes.resize(count, Outcome::Died);
        all[number].stdout = process.stdout();
        all[number].took = watch.elapsed();
        all[number].has_ended = true;
    });
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
async fn runtime_api(
    state: Arc<State>,
    number: usize,
    events: Arc<Vec<Value>>,
    next: Arc<Mutex<usize>>,
    request: Request<Bytes>,
) -> Result<Response<Body>, Cut> {
    let path = request.uri().path().trim_start_matches("/2018-06-01/runtime/").to_owned();
    let said = || serde_json::from_slice(request.body()).unwrap_or_default();
    if path == "invocation/next" {
        let index = {
            let mut next = next.lock().unwrap();
            *next += 1;
            *next - 1
        };
        let Some(event) = events.get(index) else { return pending().await };
        let deadline = Clock::System.now() + state.timeout;
        let answer = Response::builder()
            .header("Lambda-Runtime-Aws-Request-Id", request_id(number, index))
            .header("Lambda-Runtime-Deadline-Ms", deadline.timestamp_millis())
            .header("Lambda-Runtime-Invoked-Function-Arn", format!("arn:aws:lambda:eu-south-1:1:function:{FUNCTION}"))
            .header("Content-Type", "application/json");
        return Ok(answer.body(body(event.to_string())).expect("a valid answer"));
    }
    let outcome = match path.rsplit('/').next() {
        Some("response") => Outcome::Answered(said()),
        Some("error") => Outcome::Failed(said()),
        _ => panic!("{} is no call of the Runtime API", request.uri()),
    };
    state.invocations.send_modify(|all| all[number].outcomes.push(outcome));
    Ok(Response::builder().status(202).body(body("")).expect("a valid answer"))
}

pub fn request_id(number: usize, index: usize) -> String {
    format!("{number:08}-0000-4000-8000-{index:012}")
}
