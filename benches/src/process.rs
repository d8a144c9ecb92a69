//! The processes of a measurement: this program in another role, DynamoDB Local, and what /proc says of one.
//! None outlives the measurement. Neighbour: `roles` is what they do.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use shared::clock::Stopwatch;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::ROOT;

const START_PATIENCE: Duration = Duration::from_secs(30);
/// Clock ticks a second in /proc, which Linux has fixed for programs.
const TICKS: f64 = 100.0;

/// What one drain took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Drain {
    pub(crate) jobs: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_kib: u64,
    pub(crate) write_units: u64,
}

/// A process that serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it said when it was ready: an address, or several with spaces between.
    pub(crate) ready: String,
    _child: Child,
}

impl Server {
    /// This program in a role that serves.
    pub(crate) async fn start(role: &[&str]) -> anyhow::Result<Self> {
        let mut child = this_program(role)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("standard output is piped")?;
        let ready = BufReader::new(out).lines().next_line().await?;
        Ok(Self { ready: ready.with_context(|| format!("{role:?} did not start"))?, _child: child })
    }

    /// The embedded store, in memory and behind HTTP, as `scheduler dev --in-memory` has it.
    pub(crate) async fn embedded() -> anyhow::Result<Self> {
        Self::start(&["store"]).await
    }

    pub(crate) async fn dynamodb_local() -> anyhow::Result<Self> {
        let jars = Path::new(ROOT).join(".tools/dynamodb-local");
        if !jars.exists() {
            bail!("{} is missing: scripts/fetch-dynamodb-local fetches it", jars.display());
        }
        let port = free_port()?;
        let child = Command::new("java")
            .arg("-Xmx1g")
            .arg(format!("-Djava.library.path={}", jars.display()))
            .args(["-cp", &format!("{}/*", jars.display())])
            .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
            .args(["-port", &port.to_string(), "-inMemory", "-disableTelemetry"])
            .env("DDB_LOCAL_TELEMETRY", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("java")?;
        answers(port).await.context("DynamoDB Local")?;
        Ok(Self { ready: format!("http://127.0.0.1:{port}"), _child: child })
    }
}

/// This program in a role that ends by itself and says what it took.
pub(crate) async fn drain(role: &[&str]) -> anyhow::Result<Drain> {
    let output = this_program(role)?.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        bail!("{role:?} ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {role:?} said"))
}

fn this_program(role: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(role).kill_on_drop(true);
    Ok(command)
}

/// Waits until something listens on the port.
pub(crate) async fn answers(port: u16) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if watch.elapsed() > START_PATIENCE {
            bail!("nothing listens on port {port} after {} s", START_PATIENCE.as_secs());
        }
        pause.tick().await;
    }
    Ok(())
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The most memory that a process has had resident so far; `self` or its id.
pub(crate) fn peak_kib(pid: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
    peak.with_context(|| format!("/proc/{pid}/status has no VmHWM"))
}

/// The processor time of this process so far, all threads.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat")?;
    // utime and stime, fields 14 and 15 of proc(5), of which the first two stand before the bracket.
    Ok(fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS)
}

/// Lines on standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
