//! The API as a Lambda function: reads the environment and hands the router to the Lambda runtime.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use shared::clock::Clock;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use shared::telemetry::{self, Format};

#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where hundreds of calls come and go, the system's own takes longer and holds on to more (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), lambda_http::Error> {
    let settings = Settings::read_deployed(variable)?;
    telemetry::start(Format::Json, &variable("LOG_LEVEL").unwrap_or_else(|| "info".to_owned()))?;
    let client = shared::store::client(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    let tenants = Tenants::new(client.clone(), &settings.tables);
    let store = Store::new(client, settings.tables.clone(), settings.shards);
    lambda_http::run(api::router(&settings, store, tenants, Clock::System)).await
}
