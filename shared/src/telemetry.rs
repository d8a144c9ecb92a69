//! Logging: one line an event, JSON in Lambda, readable on a laptop. `LOG_LEVEL` sets how much.
//! Secrets, tokens, header values and payloads are never given to it. What other crates say below INFO is dropped,
//! whatever `LOG_LEVEL` asks for: the AWS SDK and HTTP clients write down whole requests there.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates of this project, as the targets of their log lines begin.
const OURS: [&str; 4] = ["api", "poller", "scheduler", "shared"];

/// Where lambda_runtime makes the span that names the request. It is kept whatever `LOG_LEVEL` leaves out, so that an
/// error names its request.
const REQUEST_SPAN: &str = "lambda_runtime::layers::trace=info";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, on standard output, where CloudWatch takes it.
    Json,
    /// For people, on standard error.
    Text,
}

/// Starts logging. `level` is a filter such as `info` or `warn,poller=debug`; a second start changes nothing.
///
/// # Errors
/// When the filter makes no sense.
pub fn start(format: Format, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|e| format!("the setting LOG_LEVEL is wrong: {e}"))?;
    let filter = filter.add_directive(REQUEST_SPAN.parse().map_err(|e| format!("{REQUEST_SPAN} is wrong: {e}"))?);
    let discreet = filter_fn(|line| *line.level() <= LevelFilter::INFO || is_ours(line.target()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).finish().with(discreet).try_init(),
        // Colours are for a screen; in a file they would tear the fields apart that people search for.
        Format::Text => builder
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .finish()
            .with(discreet)
            .try_init(),
    };
    drop(started);
    Ok(())
}

fn is_ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_our_own_crates_are_trusted_with_details() {
        for (target, expected) in [
            ("api", true),
            ("shared::store::write", true),
            ("apitest", false),
            ("aws_smithy_runtime::client::orchestrator", false),
            ("hyper::api", false),
            ("", false),
        ] {
            assert_eq!(is_ours(target), expected, "{target}");
        }
    }
}
