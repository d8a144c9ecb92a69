//! The poller as a Lambda function: reads the environment and hands each event to the library.
//! It decides nothing about jobs. Neighbours: `poller::Event` is what it may be asked, `invoke` calls more of itself.

mod invoke;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use mimalloc::MiMalloc;
use poller::{Event, FanOut, Poller, Summary, Window, metrics};
use serde_json::Value;
use shared::clock::Clock;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use shared::telemetry::{self, Format};

use invoke::Workers;

/// The function, built once a process.
struct Function {
    poller: Arc<Poller>,
    workers: Workers,
    fan_out: FanOut,
    shards: u32,
    metrics_service: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where hundreds of calls come and go, the system's own takes longer and holds on to more (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = Settings::read_deployed(variable)?;
    telemetry::start(Format::Json, &variable("LOG_LEVEL").unwrap_or_else(|| "info".to_owned()))?;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = shared::store::client(&aws);
    let tenants = Tenants::new(client.clone(), &settings.tables);
    let store = Store::new(client, settings.tables.clone(), settings.shards);
    let function = Function {
        workers: Workers::new(aws, variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()),
        fan_out: FanOut::of(&settings),
        shards: settings.shards,
        metrics_service: settings.metrics_service.clone(),
        poller: Poller::lazy(settings, store, tenants, Clock::System),
    };
    // The runtime makes a span around each, which names the request.
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| function.handle(event))).await
}

impl Function {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Summary, Error> {
        let event_kind = Event::parse(&event.payload, self.shards).inspect_err(|error| tracing::error!("{error}"))?;
        let left = event.context.deadline().duration_since(Clock::System.now().into()).unwrap_or_default();
        let window = Window::of_invocation(left);
        warn_if_short(&window, left);
        let summary = match event_kind {
            Event::Tick => {
                let invoke = async |shards: &[u32]| self.workers.invoke(shards).await;
                self.poller.coordinate(&window, self.fan_out, invoke).await
            }
            Event::Shards(shards) => self.poller.tick_over(&window, stream::iter(shards)).await,
        };
        if let Some(service) = &self.metrics_service {
            publish(&metrics::document(&summary, service, Clock::System.now()));
        }
        Ok(summary)
    }
}

fn warn_if_short(window: &Window, left: Duration) {
    if let Some(at_least) = window.shortens_attempts_to() {
        tracing::warn!(
            "this invocation may take {} s only: attempts may be cut short after {} s; the function's timeout should \
             be {} s or more",
            left.as_secs(),
            at_least.as_secs(),
            poller::COMFORTABLE.as_secs()
        );
    }
}

/// One line on standard output, which CloudWatch Logs reads metrics from.
fn publish(document: &Value) {
    let written = std::io::stdout().lock().write_all(format!("{document}\n").as_bytes());
    if let Err(error) = written {
        tracing::error!("the metrics could not be written: {error}");
    }
}
