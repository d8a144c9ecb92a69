//! The processes of a measurement: this program in another role, DynamoDB Local, and what /proc says of one.
//! None outlives the measurement. Neighbours: `roles` is what they do, `stores` are the peers' own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::clock::Stopwatch;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

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
}

impl Drain {
    pub(crate) fn per_second(&self) -> f64 {
        whole(self.jobs) / self.seconds
    }

    /// Milliseconds of processor time for 1,000 jobs.
    pub(crate) fn cpu_ms_per_1000(&self) -> f64 {
        1e6 * self.cpu_seconds / whole(self.jobs)
    }
}

/// A process that serves until it is dropped, and its data with it.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it said when it was ready: an address, or several with spaces between.
    pub(crate) ready: String,
    child: Child,
    /// What else it says, when it is this program.
    says: Option<BufReader<ChildStdout>>,
    _data: Option<TempDir>,
}

impl Server {
    /// This program in a role that serves.
    pub(crate) async fn start(role: &[&str]) -> anyhow::Result<Self> {
        Self::serve(this_program(role)?).await
    }

    /// The same, before others: see [`this_program_first`].
    pub(crate) async fn start_first(role: &[&str]) -> anyhow::Result<Self> {
        Self::serve(this_program_first(role)?).await
    }

    async fn serve(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut says = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let mut ready = String::new();
        if says.read_line(&mut ready).await? == 0 {
            bail!("{:?} did not start", command.as_std());
        }
        Ok(Self { ready: ready.trim_end().to_owned(), child, says: Some(says), _data: None })
    }

    /// Another program, ready when something listens on the port. It ends by being killed, or by `data`'s owner.
    pub(crate) async fn start_other(command: &mut Command, port: u16, data: Option<TempDir>) -> anyhow::Result<Self> {
        let said = format!("{:?}", command.as_std().get_program());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().with_context(|| said.clone())?;
        let server = Self { ready: port.to_string(), child, says: None, _data: data };
        answers(port).await.context(said)?;
        Ok(server)
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
        let mut java = Command::new("java");
        java.arg("-Xmx1g")
            .arg(format!("-Djava.library.path={}", jars.display()))
            .args(["-cp", &format!("{}/*", jars.display())])
            .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
            .args(["-port", &port.to_string(), "-inMemory", "-disableTelemetry"])
            .env("DDB_LOCAL_TELEMETRY", "0");
        let server = Self::start_other(&mut java, port, None).await.context("DynamoDB Local")?;
        Ok(Self { ready: format!("http://127.0.0.1:{port}"), ..server })
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// Tells it to end, and takes its last word.
    pub(crate) async fn last_word<T: DeserializeOwned>(mut self) -> anyhow::Result<T> {
        drop(self.child.stdin.take());
        let mut word = String::new();
        self.says.as_mut().context("only this program speaks")?.read_line(&mut word).await?;
        Ok(serde_json::from_str(&word)?)
    }
}

/// This program in a role that ends by itself and says what it took.
pub(crate) async fn drain(role: &[&str]) -> anyhow::Result<Drain> {
    word_of(&mut this_program(role)?).await
}

/// What a program says that ends by itself.
pub(crate) async fn word_of<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await;
    let said = format!("{:?}", command.as_std());
    let output = output.with_context(|| said.clone())?;
    if !output.status.success() {
        bail!("{said} ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {said} said"))
}

pub(crate) fn this_program(role: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(role).kill_on_drop(true);
    Ok(command)
}

/// The same before all others that want to run, where this machine lets it: for what must not wait for them.
pub(crate) fn this_program_first(role: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new("nice");
    command.args(["-n", "-10"]).arg(std::env::current_exe()?).args(role).kill_on_drop(true);
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
    Ok(stat("self")?.own)
}

/// The processor time of a process and of all that came of it so far, those that have ended included.
pub(crate) fn cpu_seconds_of_family(pid: u32) -> anyhow::Result<f64> {
    let Stat { own, ended } = stat(&pid.to_string())?;
    let mut seconds = own + ended;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = fs::read_to_string(thread?.path().join("children"))?;
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            // One that ends meanwhile is told of by its parent the next time.
            seconds += cpu_seconds_of_family(child).unwrap_or_default();
        }
    }
    Ok(seconds)
}

/// Seconds of processor time.
struct Stat {
    own: f64,
    /// Of children that have ended.
    ended: f64,
}

fn stat(pid: &str) -> anyhow::Result<Stat> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file)?;
    let (_, fields) = text.rsplit_once(')').context(file)?;
    // utime, stime, cutime and cstime, fields 14 to 17 of proc(5), of which the first two stand before the bracket.
    let mut ticks = fields.split_whitespace().skip(11).map_while(|ticks| ticks.parse::<f64>().ok());
    let mut two = || (ticks.next().unwrap_or_default() + ticks.next().unwrap_or_default()) / TICKS;
    Ok(Stat { own: two(), ended: two() })
}

/// Lines on standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of jobs, units and bytes are far below 2^53")]
pub(crate) fn whole(count: u64) -> f64 {
    count as f64
}
