//! What became of each job beside what had to: pure, and in words for people.
//! It asks nobody. Neighbours: `plan` says what has to be, `ledger` what came, `load` fetches what is stored.

use std::collections::BTreeSet;

use super::ledger::{Cancel, Entry};
use super::plan::{End, Kind, OCCURRENCES, Planned};

/// A job as the list shows it in the end.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) status: String,
    pub(crate) attempts: u32,
    /// 1 for a one-shot.
    pub(crate) occurrence: u32,
}

/// What is wrong with what became of a job, if anything. `stored`: it and its later occurrences.
pub(crate) fn problem(planned: &Planned, entry: &Entry, stored: &[Stored]) -> Option<String> {
    let what = match (planned.kind, entry.cancel) {
        (Kind::Once, _) => one(entry, stored, "Done", 1),
        (Kind::Retried, _) => one(entry, stored, "Done", 2),
        (Kind::Dead { attempts }, _) => one(entry, stored, "DeadLetter", attempts),
        (Kind::Cancelled, Some(Cancel::Done)) => one(entry, stored, "Cancelled", 0),
        (Kind::Cancelled, Some(Cancel::TooLate)) => one(entry, stored, "Done", 1),
        (Kind::Cancelled, None) | (Kind::Series { end: End::Cancel, .. }, None | Some(Cancel::TooLate)) => {
            Some("was not cancelled".to_owned())
        }
        (Kind::Series { end: End::Count, .. }, _) => series(entry, stored, false),
        (Kind::Series { end: End::Cancel, .. }, Some(Cancel::Done)) => series(entry, stored, true),
    };
    what.map(|what| format!("job {} ({:?}) {what}", planned.number, planned.kind))
}

/// One job in this status after so many attempts, of each of which the receiver knows.
fn one(entry: &Entry, stored: &[Stored], status: &str, attempts: u32) -> Option<String> {
    let [job] = stored else { return Some(format!("is stored {} times", stored.len())) };
    ended(job, entry, status, attempts)
}

/// Occurrences without a gap, all delivered but for the one that was cancelled.
fn series(entry: &Entry, stored: &[Stored], is_cancelled: bool) -> Option<String> {
    let mut stored: Vec<&Stored> = stored.iter().collect();
    stored.sort_by_key(|job| job.occurrence);
    if !stored.iter().map(|job| job.occurrence).eq(1..=u32::try_from(stored.len()).unwrap_or_default()) {
        return Some(format!("has the occurrences {:?}", stored.iter().map(|job| job.occurrence).collect::<Vec<_>>()));
    }
    if is_cancelled && let Some(what) = stored.pop().and_then(|job| ended(job, entry, "Cancelled", 0)) {
        return Some(what);
    }
    let delivered = u32::try_from(stored.len()).unwrap_or_default();
    // A cancellation may lose against the poller and be repeated.
    if delivered < OCCURRENCES || (!is_cancelled && delivered > OCCURRENCES) {
        return Some(format!("has {delivered} occurrences that ended"));
    }
    stored.into_iter().find_map(|job| ended(job, entry, "Done", 1))
}

fn ended(job: &Stored, entry: &Entry, status: &str, attempts: u32) -> Option<String> {
    let calls = entry.calls.iter().filter(|call| call.occurrence == job.occurrence);
    let called: BTreeSet<u32> = calls.map(|call| call.attempt).collect();
    if job.status != status || job.attempts != attempts {
        let Stored { status: found, attempts: made, occurrence } = job;
        return Some(format!(
            "is {found} after {made} attempts in occurrence {occurrence}, not {status} after {attempts}"
        ));
    }
    if !called.iter().copied().eq(1..=attempts) {
        return Some(format!("is {status} after {attempts} attempts, and the receiver knows of {called:?}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::ledger::Call;

    fn planned(kind: Kind) -> Planned {
        Planned { kind, ..Planned::new(1, 1) }
    }

    /// Calls as pairs of occurrence and attempt.
    fn entry(cancel: Option<Cancel>, calls: &[(u32, u32)]) -> Entry {
        let calls =
            calls.iter().map(|(occurrence, attempt)| Call { occurrence: *occurrence, attempt: *attempt }).collect();
        Entry { is_created: true, cancel, calls, ..Entry::default() }
    }

    fn stored(jobs: &[(&str, u32, u32)]) -> Vec<Stored> {
        let stored = |(status, attempts, occurrence): &(&str, u32, u32)| Stored {
            status: (*status).to_owned(),
            attempts: *attempts,
            occurrence: *occurrence,
        };
        jobs.iter().map(stored).collect()
    }

    #[test]
    fn each_kind_has_an_end_that_is_right_and_ends_that_are_not() {
        const DONE: (&str, u32, u32) = ("Done", 1, 1);
        let counted = Kind::Series { is_calendar: false, end: End::Count };
        let cancelled = Kind::Series { is_calendar: true, end: End::Cancel };
        let three = [(1, 1), (2, 1), (3, 1)];
        let three_done = [DONE, ("Done", 1, 2), ("Done", 1, 3)];
        let and_cancelled = [DONE, ("Done", 1, 2), ("Done", 1, 3), ("Cancelled", 0, 4)];
        let too_late = Some(Cancel::TooLate);
        for (is_right, kind, cancel, calls, jobs) in [
            (true, Kind::Once, None, &[(1, 1)][..], &[DONE][..]),
            // Delivered twice is allowed, never and lost are not.
            (true, Kind::Once, None, &[(1, 1), (1, 1)], &[DONE]),
            (false, Kind::Once, None, &[], &[DONE]),
            (false, Kind::Once, None, &[(1, 1)], &[]),
            (false, Kind::Once, None, &[(1, 1)], &[DONE, DONE]),
            (false, Kind::Once, None, &[(1, 1)], &[("Firing", 1, 1)]),
            (true, Kind::Retried, None, &[(1, 1), (1, 2)], &[("Done", 2, 1)]),
            (false, Kind::Retried, None, &[(1, 1)], &[DONE]),
            (false, Kind::Retried, None, &[(1, 1)], &[("Pending", 1, 1)]),
            (true, Kind::Dead { attempts: 2 }, None, &[(1, 1), (1, 2)], &[("DeadLetter", 2, 1)]),
            (false, Kind::Dead { attempts: 2 }, None, &[(1, 1), (1, 2)], &[("Done", 2, 1)]),
            (true, Kind::Cancelled, Some(Cancel::Done), &[], &[("Cancelled", 0, 1)]),
            (false, Kind::Cancelled, Some(Cancel::Done), &[(1, 1)], &[("Cancelled", 0, 1)]),
            (true, Kind::Cancelled, too_late, &[(1, 1)], &[DONE]),
            (false, Kind::Cancelled, None, &[], &[("Pending", 0, 1)]),
            (true, counted, None, &three, &three_done),
            (false, counted, None, &three, &and_cancelled),
            (false, counted, None, &three, &[DONE, ("Done", 1, 2)]),
            (false, counted, None, &three, &[DONE, ("Done", 1, 3), ("Done", 1, 3)]),
            (false, counted, None, &[(1, 1), (3, 1)], &three_done),
            (true, cancelled, Some(Cancel::Done), &three, &and_cancelled),
            (false, cancelled, Some(Cancel::Done), &three, &three_done),
            (false, cancelled, None, &three, &and_cancelled),
        ] {
            let found = problem(&planned(kind), &entry(cancel, calls), &stored(jobs));
            assert_eq!(found.is_none(), is_right, "{kind:?} {cancel:?} {calls:?} {jobs:?}: {found:?}");
        }
    }
}
