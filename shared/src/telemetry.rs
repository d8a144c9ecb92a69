//! Logging: one line an event, JSON in Lambda, readable on a laptop. `LOG_LEVEL` sets how much.
//! Secrets, tokens, header values and payloads are never given to it.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

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
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        // Colours are for a screen; in a file they would tear the fields apart that people search for.
        Format::Text => builder.with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false).try_init(),
    };
    drop(started);
    Ok(())
}
