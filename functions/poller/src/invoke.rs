//! More pollers: this function invoked asynchronously by itself, over Lambda's API.
//! It never waits for one to end, and asks for nothing back. Neighbour: `poller::Event` is what they are sent.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use poller::Event;

/// Only a tick that is shared out needs a client, so it is made then.
pub(crate) struct Workers {
    aws: SdkConfig,
    function: String,
    client: OnceLock<Client>,
}

impl Workers {
    pub(crate) fn new(aws: SdkConfig, function: String) -> Self {
        Self { aws, function, client: OnceLock::new() }
    }

    /// Has Lambda queue an invocation for these shards. A call that was repeated after a lost answer may queue two:
    /// claims make that harmless.
    pub(crate) async fn invoke(&self, shards: &[u32]) -> Result<(), String> {
        let event = Event::for_shards(shards).to_string();
        let answer = self
            .client()
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event))
            .send()
            .await;
        match answer {
            Ok(accepted) if accepted.status_code() == 202 => Ok(()),
            Ok(odd) => Err(format!("Lambda answered {} to an asynchronous invocation", odd.status_code())),
            Err(error) => Err(DisplayErrorContext(error).to_string()),
        }
    }

    /// Little patience: the shards wait meanwhile, and this poller can take them.
    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(3))
                .operation_timeout(Duration::from_secs(8))
                .build();
            let config = aws_sdk_lambda::config::Builder::from(&self.aws)
                .retry_config(RetryConfig::standard().with_max_attempts(3))
                .timeout_config(timeouts)
                .build();
            Client::from_conf(config)
        })
    }
}
