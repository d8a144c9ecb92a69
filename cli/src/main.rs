//! `scheduler`: everything on one machine, the administration of tokens, signing secrets and webhook headers, and jobs
//! from the command line. It decides nothing about jobs: it starts what the two functions are made of, or asks a running
//! one. Neighbours: `api`, `poller`, `shared`; `scheduler-client` for jobs.

mod completions;
mod connection;
mod dev;
mod embedded_dynamodb;
mod exit;
mod job;
mod receive;
mod secrets;
mod tables;
mod time_travel;
mod tokens;
mod webhooks;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use shared::clock::{Timestamp, parse_instant};
use shared::config::Settings;
use shared::failpoint;
use shared::ids::TenantId;
use shared::store::tenants::Tenants;
use shared::store::usage::Usage;
use shared::store::{Client, StoreError, client, local_client};
use shared::telemetry;

#[derive(Debug, Parser)]
#[command(name = "scheduler", version, about = "Calls your HTTP endpoints at the times you ask for")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the API, the poller and a store on this machine.
    Dev(dev::Options),
    /// Create jobs, look at them and change them.
    Job(job::Options),
    /// A receiver on this machine that prints each callback and verifies its signature.
    Receive(receive::Options),
    /// Completions for a shell; see docs/cli.md.
    Completions(completions::Options),
    /// API tokens.
    #[command(subcommand)]
    Token(tokens::Command),
    /// Secrets that callbacks are signed with.
    #[command(subcommand)]
    Secret(secrets::Command),
    /// Headers of the Standard Webhooks specification.
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// The tables of a store on this machine.
    #[command(subcommand)]
    Tables(tables::Command),
    /// Print the API's OpenAPI document.
    Openapi,
}

/// Where hundreds of calls come and go, the system's own takes longer and holds on to more (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let _armed = failpoint::arm();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::tell(&error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let level = variable("LOG_LEVEL").unwrap_or_else(|| "warn,scheduler=info,dynoxide=error".to_owned());
    telemetry::start(telemetry::Format::Text, &level).map_err(anyhow::Error::msg)?;
    if failpoint::ARE_BUILT_IN && variable("FAILPOINTS").is_some() {
        tracing::warn!("failpoints are built in, and FAILPOINTS says what happens there");
    }
    let settings = || Settings::read(variable);
    match arguments.command {
        Command::Dev(options) => Box::pin(dev::run(options, settings()?)).await,
        Command::Job(options) => Box::pin(job::run(options)).await,
        Command::Receive(options) => receive::run(options).await,
        Command::Completions(options) => completions::run(&options),
        Command::Token(command) => {
            let (client, tables) = (deployed().await, settings()?.tables);
            let usage = Usage::new(client.clone(), &tables);
            tokens::run(command, &Tenants::new(client, &tables), &usage).await
        }
        Command::Secret(command) => secrets::run(command, &Tenants::new(deployed().await, &settings()?.tables)).await,
        Command::Webhooks(command) => {
            webhooks::run(command, &Tenants::new(deployed().await, &settings()?.tables)).await
        }
        Command::Tables(command) => tables::run(&command, &settings()?).await,
        Command::Openapi => Ok(say(&format!("{:#}", api::openapi_document()))?),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The store that the environment points at: one on this machine, which takes any credentials, or AWS.
async fn deployed() -> Client {
    let endpoint = variable("AWS_ENDPOINT_URL_DYNAMODB").filter(|url| is_on_this_machine(url));
    match endpoint {
        Some(endpoint) if variable("AWS_ACCESS_KEY_ID").is_none() => local_client(&endpoint),
        _ => client(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await),
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let uri: Option<axum::http::Uri> = url.parse().ok();
    uri.is_some_and(|uri| uri.scheme().is_some() && matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")))
}

/// One line on standard output.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// What went wrong, without the SDK's dump of its own structures, which it puts in brackets behind the words.
fn one_line(error: &str) -> String {
    let dumps = ["DispatchFailure(", "ServiceError(", "TimeoutError(", "ResponseError(", "ConstructionFailure("];
    let end = dumps.iter().filter_map(|dump| error.find(&format!(" ({dump}"))).min();
    let words = end.and_then(|end| error.get(..end)).unwrap_or(error);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a store's failure, fit for an answer.
fn in_words(error: &StoreError) -> String {
    one_line(&error.to_string())
}

fn read_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text)
}

fn read_instant(text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| format!("{text:?} is not an instant such as 2026-03-28T12:00:00Z"))
}

fn read_nonempty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn read_interval(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let interval = humantime::parse_duration(text).map_err(|e| e.to_string())?;
    if (Duration::from_millis(100)..=YEAR).contains(&interval) {
        Ok(interval)
    } else {
        Err("an interval is 100 ms to a year".to_owned())
    }
}
