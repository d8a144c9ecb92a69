//! How a command ends: the words on standard error and the exit code, which `docs/cli.md` lists.
//! It never prints a token. Neighbours: `job::flags` has the flags that JSON pointers are turned into.

use std::io;
use std::process::ExitCode;

use scheduler_client::{Error, Problem};

use crate::job::flags::flag_of;
use crate::one_line;

pub(crate) const FAILED: u8 = 1;
/// As clap's own for flags that it refuses.
pub(crate) const USAGE: u8 = 2;
pub(crate) const NOT_FOUND: u8 = 3;
pub(crate) const NOT_ALLOWED: u8 = 4;
pub(crate) const CONFLICT: u8 = 5;
pub(crate) const UNAVAILABLE: u8 = 6;

/// What the user asked for makes no sense; nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Told before, one for each of several jobs.
#[derive(Debug, thiserror::Error)]
#[error("told before")]
pub(crate) struct Told(pub(crate) u8);

/// The words, and the code of the process.
pub(crate) fn tell(error: &anyhow::Error) -> ExitCode {
    if let Some(Told(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    let reader_left = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(reader_left) {
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<Error>() {
        Some(error) => eprintln!("scheduler: {}", words_of(error)),
        None => eprintln!("scheduler: {}", one_line(&format!("{error:#}"))),
    }
    ExitCode::from(code_of(error))
}

pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return USAGE;
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Argument(_)) => USAGE,
        Some(Error::Connection { .. }) => UNAVAILABLE,
        Some(Error::Problem(problem)) => match problem.status {
            400 | 413 | 415 | 422 => USAGE,
            401 | 403 => NOT_ALLOWED,
            404 => NOT_FOUND,
            409 => CONFLICT,
            429 | 502..=504 => UNAVAILABLE,
            _ => FAILED,
        },
        Some(_) | None => FAILED,
    }
}

/// One line, and one more for each field that is wrong, under the name of the flag that it came from.
pub(crate) fn words_of(error: &Error) -> String {
    let Some(problem) = error.problem() else { return one_line(&error.to_string()) };
    let title = problem.detail.as_deref().or(problem.title.as_deref());
    let title = title.unwrap_or("the answer is not one of the Scheduler's: is the URL right?");
    let fields = problem.errors.iter().map(|field| format!("\n  {}: {}", flag_of(&field.pointer), field.detail));
    let fields: String = fields.collect();
    format!("{} ({}){fields}{}", printable(title), problem.status, advice(problem))
}

/// A change that failed may have been made all the same: whoever asked for it is told.
pub(crate) fn doubt(error: Error) -> Error {
    let never_arrived = matches!(&error, Error::Connection { source: Some(source), .. } if source.is_connect());
    if error.may_have_been_done() && !never_arrived {
        eprintln!("scheduler: no answer came back from at least one attempt: it may have been done all the same");
    }
    error
}

fn advice(problem: &Problem) -> String {
    let instance = problem.instance.as_deref().filter(|_| problem.status >= 500);
    match (problem.status, instance) {
        (401, _) => "\n  The token comes from --token, SCHEDULER_TOKEN or a profile.".to_owned(),
        (_, Some(instance)) => format!("\n  The operator finds it under the request {}.", printable(instance)),
        (_, None) => String::new(),
    }
}

/// Text of others, without what would command a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
