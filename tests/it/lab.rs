//! The crash laboratory: a seeded storm of kills, faults, wrong clocks and bad receivers over thousands of jobs and
//! series, then the checker. `make crash` runs it with 1,000 kills; here it is short, and always the same plan.
//! It never looks inside the program. Neighbours: `crash` kills once at each step and looks closely.

mod plan;
mod report;
mod storm;

pub(crate) use self::plan::FAILPOINTS;
use self::storm::{Size, run};
use crate::support::stores::{Store, StoreKind};

/// From the environment, as `make crash` gives it.
fn setting(name: &str, default: u64) -> u64 {
    let Some(text) = std::env::var_os(name) else { return default };
    text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is a number, not {text:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_storm_everything_that_must_hold_holds() {
    let (seed, kills) = (setting("CRASH_SEED", 1), setting("CRASH_KILLS", 40));
    let size = Size { kills, jobs: setting("CRASH_JOBS", kills * 4) };
    println!("CRASH_SEED={seed}: {kills} kills over {} jobs", size.jobs);
    let report = run(seed, size, Store::start(StoreKind::Embedded).await).await;
    println!("{report}");
    assert!(report.violations.is_empty(), "the storm of CRASH_SEED={seed} left violations:\n{report}");
    assert!(report.kill_count() >= kills && report.faults.len() >= 5, "that was no storm:\n{report}");
}
