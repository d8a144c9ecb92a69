//! Whole runs, small ones: what must hold of each, and what a limit does to it.
//! Neighbours: each file of the model tests its own rules.

use super::scenario::{Outcome, Scenario, Shape, Table};

/// 600 jobs in two minutes.
fn small() -> Scenario {
    Scenario { jobs: 18_000.0, shards: 4, workers: 2, ..Scenario::default() }
}

fn run(scenario: Scenario) -> Outcome {
    scenario.run().unwrap()
}

#[test]
fn each_job_is_delivered_once_within_a_poll_interval_and_two_seconds() {
    let outcome = run(Scenario { jobs: 60_000.0, ..small() });
    assert_eq!((outcome.simulated, outcome.left, outcome.repeated), (2_000, 0, 0));
    assert!(outcome.max < 62.0 && (20.0..40.0).contains(&outcome.p50), "{outcome:?}");
    assert_eq!((outcome.throttled_by_table, outcome.throttled), (0, [0, 0, 0]));
    // Claim 1; settle 1 in the table, 1 in the queue, 2 in the lists. And sums of usage, 100 a tick at most.
    let each = outcome.writes / 60_000.0;
    assert!((5.0..5.2).contains(&each), "{each} write units a job");
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_does_not() {
    let failing = Scenario { one_fails_in: 10, partition_writes: 5.0, ..small() };
    let first = run(failing.clone());
    assert!(first.repeated > 20 && first.throttled[1] > 20, "{first:?}");
    assert_eq!(run(failing.clone()), first);
    assert_ne!(run(Scenario { seed: 2, ..failing }), first);
}

#[test]
fn a_shard_with_more_to_do_than_its_partition_takes_is_throttled_and_more_shards_help() {
    let spike = Scenario { jobs: 600.0, shape: Shape::Spike, minutes: 1, partition_writes: 10.0, ..small() };
    let (few, many) = (run(Scenario { shards: 1, ..spike.clone() }), run(Scenario { shards: 32, ..spike }));
    // What is refused are the outcomes: the calls are made, and made again when a poller has tried for long enough.
    assert!(few.throttled[1] > 500 && few.repeated > 50, "{few:?}");
    assert!(many.throttled[1] < few.throttled[1] / 2 && many.left + many.repeated == 0, "{many:?}");
}

#[test]
fn outcomes_that_are_refused_for_some_seconds_are_recorded_without_a_second_call() {
    let spike = Scenario { jobs: 200.0, shape: Shape::Spike, minutes: 1, partition_writes: 10.0, shards: 1, ..small() };
    let outcome = run(spike);
    assert!(outcome.throttled[1] > 200, "{outcome:?}");
    assert_eq!((outcome.left, outcome.repeated), (0, 0), "{outcome:?}");
}

#[test]
fn one_tenant_has_one_partition_of_each_list_and_several_have_more() {
    let even = Scenario { jobs: 10e6, shards: 100, workers: 100, of: 100, minutes: 1, ..small() };
    let (one, many) = (run(Scenario { tenants: 1, ..even.clone() }), run(even));
    assert!(one.throttled[2] > 100 && one.left + one.repeated > 500, "{one:?}");
    assert_eq!((many.throttled[2], many.left, many.repeated), (0, 0, 0));
}

#[test]
fn a_new_table_is_slower_than_a_warm_one() {
    let even = Scenario { jobs: 20e6, shards: 400, workers: 400, of: 400, minutes: 1, ..small() };
    let (new, warm) = (run(Scenario { table: Table::New, ..even.clone() }), run(even));
    assert!(new.throttled_by_table > 100 && warm.throttled_by_table == 0, "{new:?}");
    assert!(new.max > warm.max + 5.0, "{} and {}", new.max, warm.max);
}

#[test]
fn a_worker_is_no_faster_than_its_share_of_a_processor() {
    let even = Scenario { minutes: 1, shards: 1, workers: 1, ..small() };
    let (large, small) = (run(even.clone()), run(Scenario { memory_mb: 8.0, ..even }));
    assert!(small.max > large.max + 20.0, "{} and {}", small.max, large.max);
    assert!(small.bill.seconds > large.bill.seconds + 20.0, "{} and {}", small.bill.seconds, large.bill.seconds);
}
