//! The runs that the page is made of, and how much of each is simulated. Two at a time, a thread each.
//! It judges nothing. Neighbours: `scenario` runs one, `page` shows them.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use shared::clock::Stopwatch;

use super::scenario::{DEFAULT_QUOTA, Outcome, Scenario, Shape, Table};

/// Where a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Even,
    Spike,
    /// Lateness over shards.
    Shards,
    /// Lateness over workers.
    Workers,
    /// A new table over time.
    Ramp,
    Tenants,
    /// One tenant's jobs at one instant.
    OneTenant,
    /// Other limits, one at a time.
    Others,
}

#[derive(Clone, Debug)]
pub(super) struct Experiment {
    pub(super) part: Part,
    pub(super) label: &'static str,
    pub(super) scenario: Scenario,
}

impl Experiment {
    /// What `--only` looks for.
    pub(super) fn name(&self) -> String {
        let Scenario { jobs, shards, workers, tenants, .. } = self.scenario;
        format!("{:?}, {jobs:e} jobs, {shards} shards, {workers} workers, {tenants} tenants", self.part)
    }
}

pub(super) struct Run {
    pub(super) experiment: Experiment,
    pub(super) outcome: Outcome,
}

const MILLION: f64 = 1e6;

/// All of them. `minutes` of the hour are simulated of each size; the curves have one, the new table as many as it needs.
pub(super) fn all(seed: u64, minutes: u32) -> Vec<Experiment> {
    let base = Scenario { minutes, seed, ..Scenario::default() };
    let even = |millions: f64, shards: u32, workers: u32, of: u32| Scenario {
        jobs: millions * MILLION,
        shards,
        workers,
        of,
        ..base.clone()
    };
    let spike = |millions, shards, workers, of| Scenario {
        shape: Shape::Spike,
        minutes: 1,
        ..even(millions, shards, workers, of)
    };
    let mut found = Vec::new();
    let mut add = |part, label, scenario| found.push(Experiment { part, label, scenario });
    add(Part::Even, "the stack's defaults", even(1.0, 16, 8, 4));
    add(Part::Even, "the fewest", even(1.0, 2, 1, 1));
    add(Part::Even, "the stack's defaults", even(10.0, 16, 8, 4));
    add(Part::Even, "the fewest", Scenario { minutes: 1, ..even(10.0, 6, 3, 3) });
    add(Part::Even, "the fewest", Scenario { minutes: 1, ..even(100.0, 48, 24, 24) });
    add(Part::Even, "with room", even(100.0, 96, 48, 48));
    add(Part::Spike, "the stack's defaults", spike(1.0, 16, 8, 8));
    add(Part::Spike, "two shards a worker", spike(1.0, 100, 50, 50));
    add(Part::Spike, "as many as there may be", spike(10.0, 100, 100, 100));
    for shards in [24, 28, 32, 48, 96] {
        add(Part::Shards, "", Scenario { minutes: 1, ..even(100.0, shards, shards, shards) });
    }
    for workers in [16, 24, 32, 48, 96] {
        add(Part::Workers, "", Scenario { minutes: 1, ..even(100.0, 96, workers, workers) });
    }
    add(Part::Ramp, "new", Scenario { table: Table::New, minutes: 45, ..even(10.0, 100, 100, 100) });
    for tenants in [1, 2, 3, 5] {
        add(Part::Tenants, "", Scenario { tenants, minutes: 1, ..even(10.0, 16, 16, 16) });
    }
    for jobs in [2_000.0, 10_000.0, 50_000.0] {
        add(Part::OneTenant, "", Scenario { jobs, tenants: 1, ..spike(1.0, 16, 8, 1) });
    }
    let hundred = Scenario { minutes: 1, ..even(100.0, 96, 48, 48) };
    add(
        Part::Others,
        "the default quota of 40,000 units a second",
        Scenario { quota: DEFAULT_QUOTA, ..hundred.clone() },
    );
    for (label, shards) in [("as many created in the same hour", 48), ("as many created in the same hour", 96)] {
        add(Part::Others, label, Scenario { created_meanwhile: true, minutes: 1, ..even(100.0, shards, 48, 48) });
    }
    add(
        Part::Others,
        "workers of 1,769 MB, a whole processor each",
        Scenario { memory_mb: 1_769.0, minutes: 1, ..even(100.0, 96, 24, 24) },
    );
    found
}

/// Runs them all; the order of what comes back is theirs.
///
/// # Errors
/// The first of a run that could not be made.
pub(super) fn run(experiments: Vec<Experiment>, threads: usize) -> anyhow::Result<Vec<Run>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // What is shown twice is run once.
    let mut different: Vec<&Experiment> = Vec::new();
    for experiment in &experiments {
        if !different.iter().any(|other| other.scenario == experiment.scenario) {
            different.push(experiment);
        }
    }
    // The long ones first, or one of them is alone in the end.
    different.sort_by_key(|experiment| Reverse(experiment.scenario.minutes));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(experiment) = different.get(place) else { break };
                    let watch = Stopwatch::start();
                    let outcome = experiment.scenario.run();
                    say(place, different.len(), experiment, &outcome, &watch);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut found = Vec::new();
    for (place, outcome) in results {
        let Some(first) = different.get(place) else { continue };
        found.push((
            first.scenario.clone(),
            outcome.with_context(|| format!("{:?} cannot be simulated", first.scenario))?,
        ));
    }
    let outcome_of =
        |scenario: &Scenario| found.iter().find(|(other, _)| other == scenario).map(|(_, outcome)| outcome);
    Ok(experiments
        .into_iter()
        .filter_map(|experiment| {
            let outcome = outcome_of(&experiment.scenario)?.clone();
            Some(Run { experiment, outcome })
        })
        .collect())
}

fn say(place: usize, all: usize, experiment: &Experiment, outcome: &anyhow::Result<Outcome>, watch: &Stopwatch) {
    let (what, seconds) = (format!("{} of {all}: {}", place + 1, experiment.name()), watch.elapsed().as_secs_f64());
    match outcome {
        Ok(outcome) => eprintln!(
            "simulate: {what}: {} simulated, lateness {:.1} s at most, in {seconds:.0} s",
            outcome.simulated, outcome.max
        ),
        Err(error) => eprintln!("simulate: {what}: {error:#}"),
    }
}
