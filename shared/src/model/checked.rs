//! The verdict: every rule holds of the protocol as it is, and each rule of it, broken, is found out.
//! Neighbour: `rules`.

use std::thread::available_parallelism;

use stateright::{Checker, HasDiscoveries, Model as _};

use super::rules::{self, all};
use super::{Broken, Protocol};

fn visit(protocol: Protocol) -> impl Checker<Protocol> {
    let threads = available_parallelism().map_or(2, usize::from);
    protocol.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

fn holds(protocol: Protocol) {
    let (pollers, occurrences) = (protocol.pollers, protocol.occurrences);
    let checked = visit(protocol);
    println!(
        "{pollers} pollers, {occurrences} occurrences: {} states, {} of them different, {} steps deep",
        checked.state_count(),
        checked.unique_state_count(),
        checked.max_depth()
    );
    checked.assert_properties();
}

#[test]
fn with_three_pollers_and_two_occurrences_every_rule_holds_in_every_state() {
    holds(Protocol::new(Broken::Nothing));
}

#[test]
fn with_two_pollers_and_three_occurrences_every_rule_holds_in_every_state() {
    holds(Protocol::of(Broken::Nothing, 2, 3, 1));
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    for (broken, expected) in [
        (Broken::LeaseNotLookedAt, rules::DUPLICATE),
        (Broken::IndexBelieved, rules::EARLY),
        (Broken::SettledWithoutLease, rules::AFTER_CANCEL),
        (Broken::SettledBeforeSuccessor, rules::ENDED),
        (Broken::SuccessorUnderAnyId, rules::FORK),
        (Broken::AttemptsNotCounted, rules::ATTEMPTS),
        (Broken::SeriesNotEnded, rules::PROMISE),
        (Broken::SeriesNotEndedLater, rules::PROMISE),
        (Broken::CancelledIsTheEnd, rules::PROMISE),
        (Broken::FailureTakenForSuccess, rules::DONE),
        (Broken::LeaseWithoutEnd, rules::STUCK),
    ] {
        // Only a third occurrence tells.
        let cancelled = broken == Broken::CancelledIsTheEnd;
        let protocol = if cancelled { Protocol::of(broken, 2, 3, 1) } else { Protocol::new(broken) };
        let found = visit(protocol).discoveries();
        let always = all().into_iter().filter(|rule| matches!(rule.expectation, stateright::Expectation::Always));
        let failed: Vec<_> = always.map(|rule| rule.name).filter(|name| found.contains_key(name)).collect();
        println!("{broken:?}: {failed:?}");
        assert!(failed.contains(&expected), "{broken:?} breaks {expected:?}, not {failed:?}");
    }
}
