//! `make simulate`: the real poller on a clock that jumps, against a model of DynamoDB's and Lambda's documented limits, for
//! more jobs than this machine could deliver. It writes docs/scaling.md and its plots.
//! Neighbours: `scenario` is one run, `experiments` which there are; `wire`, `lambda`, `dynamodb` and what they use the model.

mod dynamodb;
mod experiments;
mod jobs;
mod lambda;
mod page;
mod request;
mod scenario;
#[cfg(test)]
mod tests;
mod throughput;
mod wire;

use std::fs;
use std::path::Path;

use anyhow::bail;
use shared::clock::Stopwatch;

use crate::{ROOT, machine};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Of the random numbers: the same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of the hour that are simulated where jobs are spread evenly.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
    /// Runs at a time.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only those in whose names this stands, such as "Even, 1e7"; may be given several times. Nothing is written then.
    #[arg(long)]
    only: Vec<String>,
}

/// Runs everything and writes the page.
///
/// # Errors
/// When a run means nothing, or the page cannot be written.
pub(crate) fn simulate(options: &Options) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let mut experiments = experiments::all(options.seed, options.minutes);
    if !options.only.is_empty() {
        experiments.retain(|experiment| options.only.iter().any(|only| experiment.name().contains(only)));
    }
    let runs = experiments::run(experiments, options.threads)?;
    if runs.is_empty() {
        bail!("there is no such run");
    }
    let how = format!(
        "{}; seed {}, {} runs in {:.0} s, {} at a time.",
        machine::when()?,
        options.seed,
        runs.len(),
        watch.elapsed().as_secs_f64(),
        options.threads,
    );
    let page = page::page(&runs, &how)?;
    if !options.only.is_empty() {
        return crate::process::say(&page);
    }
    fs::write(Path::new(ROOT).join("docs/scaling.md"), page)?;
    let plots = Path::new(ROOT).join("docs/plots");
    fs::create_dir_all(&plots)?;
    for plot in page::plots(&runs) {
        fs::write(plots.join(format!("{}.svg", plot.name)), plot.svg)?;
    }
    Ok(())
}
