//! The poller as a Lambda function: one invocation is one tick.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poller::{Poller, Window};
use serde_json::Value;
use shared::clock::Clock;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use shared::telemetry::{self, Format};

/// The longest attempt, and time to record its outcome: with less than this left, nothing new is taken.
const LAST_CALL: Duration = Duration::from_secs(60 + 10);

#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let settings = Settings::read(variable)?;
    telemetry::start(Format::Json, &variable("LOG_LEVEL").unwrap_or_else(|| "info".to_owned()))?;
    let client = shared::store::client(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    let tenants = Tenants::new(client.clone(), &settings.tables);
    let store = Store::new(client, settings.tables.clone(), settings.shards);
    let poller = Poller::new(&settings, store, tenants, Clock::System)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let poller = poller.clone();
        async move {
            if !event.payload.is_object() {
                return Err(Error::from("the event is not a JSON object; nothing was done"));
            }
            let left = event.context.deadline().duration_since(Clock::System.now().into()).unwrap_or_default();
            let window = Window::lasting(left.saturating_sub(LAST_CALL));
            Ok(serde_json::to_value(poller.tick(&window).await)?)
        }
    }))
    .await
}
