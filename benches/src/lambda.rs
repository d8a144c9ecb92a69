//! The two Lambda functions as they are deployed: the size of their files, and under AWS's runtime emulator the time
//! from the start of the process to its first answer, and the poller's memory at 256 deliveries in flight.
//! Neighbour: `make package` builds the files and fetches the emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use shared::clock::Stopwatch;
use tokio::process::{Child, Command};

use crate::ROOT;
use crate::drain::RECEIVERS;
use crate::jobs::{self, TOKEN};
use crate::process::{Server, answers, cpu_seconds_of_family, free_port, peak_kib, whole};
use crate::report::{Finding, Series, Target, mebibytes};
use crate::roles::Place;

const STARTS: usize = 25;
/// What the poller has in flight unless it is told otherwise, and a multiple of it.
const IN_FLIGHT: &str = "256";
const JOBS_IN_FLIGHT: u64 = 8 * 256;
/// Due jobs whose delivery is timed.
const BACKLOG: usize = 2_000;

pub(crate) async fn measure() -> anyhow::Result<Vec<Finding>> {
    let (api, poller) = (bootstrap("api")?, bootstrap("poller")?);
    let store = Server::embedded().await?;
    let place = Place::new(&store.ready, "lambda-");
    jobs::seed(&place, "http://127.0.0.1:9", 0).await?;
    jobs::let_in(&place).await?;

    let mut findings = vec![size("API", &api)?, size("poller", &poller)?];
    let cold = |starts| Series::new("ms", starts);
    // The poller first, while nothing is due.
    let starts = cold(cold_starts(&poller, &place, &tick(), |answer| answer["dueSeen"] == 0).await?);
    let of_the_api =
        cold_starts(&api, &place, &post(&jobs::body("http://127.0.0.1:9")), |answer| answer["statusCode"] == 201)
            .await?;
    findings.push(
        Finding::new("cold start of the API to the answer of a `POST /scheduled-jobs`", cold(of_the_api))
            .with_target(Target::AtMost(60.0)),
    );
    findings.push(
        Finding::new("cold start of the poller to its summary, nothing due", starts).with_target(Target::AtMost(60.0)),
    );
    findings.push(in_flight(&poller, &store).await?);
    Ok(findings)
}

fn size(name: &str, bootstrap: &Path) -> anyhow::Result<Finding> {
    let size = mebibytes(fs::metadata(bootstrap)?.len()) / 1024.0 * 1.048_576;
    Ok(Finding::new(format!("size of the {name}'s `bootstrap`"), Series::new("MB", [size]))
        .with_target(Target::AtMost(10.0)))
}

async fn cold_starts(
    bootstrap: &Path,
    place: &Place,
    event: &Value,
    is_right: impl Fn(&Value) -> bool,
) -> anyhow::Result<Vec<f64>> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let emulator = Emulator::start(bootstrap, place).await?;
        let watch = Stopwatch::start();
        let answer = emulator.invoke(event).await?;
        starts.push(1e3 * watch.elapsed().as_secs_f64());
        if !is_right(&answer) {
            bail!("{} answered {answer}", bootstrap.display());
        }
    }
    eprintln!("bench: {} {starts:.1?}", bootstrap.display());
    Ok(starts)
}

/// Every receiver answers only when 256 calls wait, so that so many are in flight.
async fn in_flight(poller: &Path, store: &Server) -> anyhow::Result<Finding> {
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS, "--hold", IN_FLIGHT]).await?;
    let mut peaks = Vec::new();
    for run in 0..5 {
        let place = Place::new(&store.ready, &format!("flight{run}-"));
        jobs::seed(&place, &receiver.ready, usize::try_from(JOBS_IN_FLIGHT)?).await?;
        let emulator = Emulator::start(poller, &place).await?;
        let summary = emulator.invoke(&all_shards(&place)?).await?;
        if summary.get("delivered").and_then(Value::as_u64) != Some(JOBS_IN_FLIGHT) {
            bail!("the poller answered {summary}");
        }
        peaks.push(mebibytes(emulator.peak_kib_of_the_function()?));
        jobs::clear(&place).await?;
    }
    Ok(Finding::new("peak memory of the poller with 256 deliveries in flight", Series::new("MiB", peaks))
        .with_target(Target::AtMost(96.0)))
}

/// What a callback takes of the functions, in milliseconds: by the clock, and of processors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) api_ms: f64,
    pub(crate) api_cpu_ms: f64,
    pub(crate) poller_ms: f64,
    pub(crate) poller_cpu_ms: f64,
    /// Of a whole tick with nothing due.
    pub(crate) idle_ms: f64,
    pub(crate) idle_cpu_ms: f64,
}

/// Both functions warm, with payloads of so many bytes and receivers that answer after 50 ms.
pub(crate) async fn times(store: &Server, payload: usize) -> anyhow::Result<Time> {
    const WARM_UP: u32 = 50;
    const CALLS: u32 = 200;
    let place = Place::new(&store.ready, &format!("times{payload}-"));
    jobs::create(&place, std::iter::empty()).await?;
    jobs::let_in(&place).await?;
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS, "--delay-ms", "50"]).await?;
    let to = receiver.ready.split(' ').next().unwrap_or_default();
    let api = Emulator::start(&bootstrap("api")?, &place).await?;
    let event = post(&jobs::body_with(&format!("{to}/hook"), payload, ""));
    api.calls(&event, WARM_UP).await?;
    let (api_ms, api_cpu_ms) = api.calls(&event, CALLS).await?;
    jobs::clear(&place).await?;

    let poller = Emulator::start(&bootstrap("poller")?, &place).await?;
    let body = |to: &str| jobs::body_with(&format!("{to}/hook"), payload, "");
    let mut taken = (0.0, 0.0);
    // The first backlog warms it up.
    for _ in 0..2 {
        jobs::create(&place, receiver.ready.split(' ').cycle().take(BACKLOG).map(body)).await?;
        taken = poller.calls(&all_shards(&place)?, 1).await?;
    }
    let (idle_ms, idle_cpu_ms) = poller.calls(&tick(), 20).await?;
    jobs::clear(&place).await?;
    let each = |ms: f64| ms / whole(u64::try_from(BACKLOG).unwrap_or(u64::MAX));
    Ok(Time { api_ms, api_cpu_ms, poller_ms: each(taken.0), poller_cpu_ms: each(taken.1), idle_ms, idle_cpu_ms })
}

/// AWS's runtime emulator, which starts the function's process at the first call. It ends when dropped.
struct Emulator {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Emulator {
    async fn start(bootstrap: &Path, place: &Place) -> anyhow::Result<Self> {
        let (port, api_port) = (free_port()?, free_port()?);
        let names = place.settings()?.tables;
        let child = Command::new(emulator()?)
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
            .args(["--runtime-api-address", &format!("127.0.0.1:{api_port}")])
            .arg(bootstrap)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &place.endpoint)
            .envs([("AWS_REGION", "eu-south-1"), ("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")])
            .envs([("JOBS_TABLE", names.jobs), ("TENANTS_TABLE", names.tenants), ("USAGE_TABLE", names.usage)])
            .env("ALLOWED_CALLBACK_NETWORKS", "127.0.0.0/8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        answers(port).await?;
        let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
        Ok(Self { child, url, http: reqwest::Client::builder().no_proxy().build()? })
    }

    async fn invoke(&self, event: &Value) -> anyhow::Result<Value> {
        let answer = self.http.post(&self.url).body(event.to_string()).send().await?.text().await?;
        serde_json::from_str(&answer).with_context(|| answer)
    }

    /// Milliseconds a call, by the clock and of processors, those of the emulator included.
    async fn calls(&self, event: &Value, count: u32) -> anyhow::Result<(f64, f64)> {
        let pid = self.child.id().context("the emulator runs")?;
        let (watch, cpu) = (Stopwatch::start(), cpu_seconds_of_family(pid)?);
        for _ in 0..count {
            let answer = self.invoke(event).await?;
            if answer.get("errorType").is_some() || answer.get("statusCode").is_some_and(|status| *status != 201) {
                bail!("the function answered {answer}");
            }
        }
        let each = |seconds: f64| 1e3 * seconds / f64::from(count);
        Ok((each(watch.elapsed().as_secs_f64()), each(cpu_seconds_of_family(pid)? - cpu)))
    }

    fn peak_kib_of_the_function(&self) -> anyhow::Result<u64> {
        let emulator = self.child.id().context("the emulator runs")?;
        let mut functions = Vec::new();
        for thread in fs::read_dir(format!("/proc/{emulator}/task"))? {
            let children = fs::read_to_string(thread?.path().join("children"))?;
            functions.extend(children.split_whitespace().map(str::to_owned));
        }
        let peaks = functions.iter().map(|pid| peak_kib(pid)).collect::<anyhow::Result<Vec<_>>>()?;
        peaks.into_iter().max().context("the emulator has no child")
    }
}

/// The file that `make package` builds for a function, by a word of the function's name.
fn bootstrap(word: &str) -> anyhow::Result<PathBuf> {
    let build = Path::new(ROOT).join(".aws-sam/build");
    let missing = || format!("no bootstrap of the {word} in {}: make package builds it", build.display());
    for entry in fs::read_dir(&build).with_context(missing)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().to_lowercase().contains(word) {
            let bootstrap = entry.path().join("bootstrap");
            return bootstrap.exists().then_some(bootstrap).with_context(missing);
        }
    }
    bail!(missing())
}

/// The emulator is in the package of aws-sam-cli.
fn emulator() -> anyhow::Result<PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let lib = Path::new(ROOT).join(".tools/aws-venv/lib");
    let missing = || format!("no runtime emulator in {}: make package installs it", lib.display());
    for python in fs::read_dir(&lib).with_context(missing)? {
        let rapid = python?.path().join("site-packages/samcli/local/rapid");
        let emulator = rapid.join(format!("aws-lambda-rie-{arch}"));
        if emulator.exists() {
            return Ok(emulator);
        }
    }
    bail!(missing())
}

/// What the schedule may send in short.
fn tick() -> Value {
    json!({})
}

/// What a coordinator sends: it is never shared out again, so that one process has everything in flight.
fn all_shards(place: &Place) -> anyhow::Result<Value> {
    let shards: Vec<u32> = (0..place.settings()?.shards).collect();
    Ok(poller::Event::for_shards(&shards))
}

/// What API Gateway sends, payload format 2.0.
fn post(body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /scheduled-jobs",
        "rawPath": "/scheduled-jobs",
        "rawQueryString": "",
        "headers": { "authorization": format!("Bearer {TOKEN}"), "content-type": "application/json", "host": "api.example.com" },
        "requestContext": {
            "accountId": "123456789012", "apiId": "bench", "domainName": "api.example.com", "domainPrefix": "api",
            "http": { "method": "POST", "path": "/scheduled-jobs", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                      "userAgent": "bench" },
            "requestId": "bench", "routeKey": "POST /scheduled-jobs", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64
        },
        "body": body,
        "isBase64Encoded": false
    })
}
