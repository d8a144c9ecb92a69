//! What a run of the laboratory did, and what does not hold after it: the checker's rules and some of the laboratory's own.
//! It never excuses anything. Neighbours: `support::invariants` has the rules of every test, `storm` the run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use serde_json::json;

use crate::invariants_work::{call, daily, ended, healthy, open};
use crate::support::invariants::Evidence;
use crate::support::receiver::Call;
use crate::support::rows::Row;

/// Between two attempts of one job.
const SOONEST_AGAIN: TimeDelta = TimeDelta::seconds(15);

/// The client was told that this job is cancelled.
#[derive(Clone, Debug)]
pub(super) struct Cancellation {
    pub(super) job_id: String,
    pub(super) heard_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) seed: u64,
    /// By what killed.
    pub(super) kills: BTreeMap<String, u64>,
    /// By what struck.
    pub(super) faults: BTreeMap<String, u64>,
    pub(super) acknowledged: usize,
    pub(super) series: usize,
    pub(super) occurrences: usize,
    pub(super) statuses: BTreeMap<String, usize>,
    pub(super) interrupted: usize,
    pub(super) calls: usize,
    pub(super) duplicates: usize,
    pub(super) cancellations: usize,
    pub(super) violations: Vec<String>,
}

impl Report {
    pub(super) fn read(&mut self, evidence: &Evidence, cancellations: &[Cancellation]) {
        let rows = &evidence.rows;
        self.acknowledged = evidence.created.len();
        self.series = rows.iter().filter_map(|row| row.series_id.as_deref()).collect::<BTreeSet<_>>().len();
        self.occurrences = rows.len();
        for row in rows {
            *self.statuses.entry(row.status.clone()).or_default() += 1;
        }
        self.calls = evidence.calls.len();
        let mut served: HashSet<&str> = HashSet::new();
        for call in &evidence.calls {
            let id = job_id(call);
            self.duplicates += usize::from(served.contains(id));
            if call.answered.is_some_and(|status| (200..300).contains(&status)) {
                served.insert(id);
            }
        }
        let mut calls: HashMap<&str, usize> = HashMap::new();
        evidence.calls.iter().for_each(|call| *calls.entry(job_id(call)).or_default() += 1);
        self.interrupted =
            rows.iter().filter(|row| row.attempts as usize > calls.get(row.id.as_str()).copied().unwrap_or(0)).count();
        self.cancellations = cancellations.len();
        self.violations = evidence.violations();
        self.violations.extend(made_twice(rows));
        self.violations.extend(not_ended(rows));
        self.violations.extend(spoilt(&evidence.calls));
        self.violations.extend(called_although_cancelled(evidence, cancellations));
        self.violations.extend(gone_on(evidence, cancellations));
        self.violations.extend(taken_too_soon(&evidence.calls));
    }

    pub(super) fn kill_count(&self) -> u64 {
        self.kills.values().sum()
    }
}

fn job_id(call: &Call) -> &str {
    call.header("contit-job-id").unwrap_or_default()
}

/// A creation that was repeated because its answer was lost made one job.
fn made_twice(rows: &[Row]) -> Vec<String> {
    let mut first: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.occurrence_number.is_none_or(|number| number == 1)) {
        first.entry(row.name.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let twice = first.into_iter().filter(|(_, rows)| rows.len() > 1);
    twice.map(|(name, rows)| format!("13. {name:?} was made {} times: {}", rows.len(), rows[0])).collect()
}

fn not_ended(rows: &[Row]) -> Vec<String> {
    let open = rows.iter().filter(|row| ["Pending", "Firing"].contains(&row.status.as_str()));
    open.map(|row| format!("14. days later it has not ended: {row}")).collect()
}

/// Its path tells which job a call is for.
fn spoilt(calls: &[Call]) -> Vec<String> {
    let right = |call: &&Call| {
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
        call.path() == format!("/{}", body["job"])
    };
    calls
        .iter()
        .filter(|call| !right(call))
        .map(|call| format!("15. a call with another's payload: {call:?}"))
        .collect()
}

/// By one clock, the test's, and so without regard to how far those of the programs are apart.
fn called_although_cancelled(evidence: &Evidence, cancellations: &[Cancellation]) -> Vec<String> {
    let heard: HashMap<&str, DateTime<Utc>> =
        cancellations.iter().map(|cancelled| (cancelled.job_id.as_str(), cancelled.heard_at)).collect();
    let late = |call: &&Call| heard.get(job_id(call)).is_some_and(|heard_at| call.received_at > *heard_at);
    let late = evidence.calls.iter().filter(late);
    late.map(|call| format!("16. it was called after its cancellation was answered: {call:?}")).collect()
}

/// An occurrence made after the answer, by whatever clock.
fn gone_on(evidence: &Evidence, cancellations: &[Cancellation]) -> Vec<String> {
    let table: HashMap<&str, &Row> = evidence.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut found = Vec::new();
    for Cancellation { job_id, heard_at } in cancellations {
        let Some(cancelled) = table.get(job_id.as_str()).filter(|row| row.series_id.is_some()) else { continue };
        let goes_on = |row: &&Row| {
            row.series_id == cancelled.series_id
                && row.occurrence_number > cancelled.occurrence_number
                && row.created_at > *heard_at + evidence.clocks_apart
                && row.status != "Cancelled"
        };
        let later = evidence.rows.iter().filter(goes_on);
        found.extend(later.map(|row| format!("17. a cancelled series goes on: after {cancelled} comes {row}")));
    }
    found
}

/// Two attempts, by the clocks of their programs. A failure waits for a minute at least; an attempt that its poller
/// leaves is taken over when its lease is over, 30 s after its timeout, of which the claim's answer and
/// the way to the call may have taken 15.
fn taken_too_soon(calls: &[Call]) -> Vec<String> {
    let mut attempts: BTreeMap<(&str, u32), DateTime<Utc>> = BTreeMap::new();
    for call in calls {
        let (Some(at), Some(number)) = (call.at, call.header("contit-attempt").and_then(|n| n.parse().ok())) else {
            continue;
        };
        let first = attempts.entry((job_id(call), number)).or_insert(at);
        *first = at.min(*first);
    }
    let mut found = Vec::new();
    for ((one, at), (next, again)) in attempts.iter().zip(attempts.iter().skip(1)) {
        if one.0 == next.0 && *again - *at < SOONEST_AGAIN {
            found.push(format!("18. job {}: attempt {} at {at}, attempt {} at {again}", one.0, one.1, next.1));
        }
    }
    found
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let list = |f: &mut fmt::Formatter<'_>, counts: &BTreeMap<String, u64>| {
            counts.iter().try_for_each(|(what, count)| writeln!(f, "    {count:>6} {what}"))
        };
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "kills {}", self.kill_count())?;
        list(f, &self.kills)?;
        writeln!(f, "faults of the store's network {}", total(&self.faults))?;
        list(f, &self.faults)?;
        writeln!(f, "jobs {}, of them series {}; occurrences {}", self.acknowledged, self.series, self.occurrences)?;
        writeln!(f, "    as they ended: {:?}", self.statuses)?;
        writeln!(f, "cancellations {}", self.cancellations)?;
        writeln!(f, "calls {}, duplicates after a success {}", self.calls, self.duplicates)?;
        writeln!(f, "jobs with an attempt that made no call {}", self.interrupted)?;
        writeln!(f, "violations {}", self.violations.len())?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "    {violation}"))
    }
}

#[test]
fn each_way_to_break_a_rule_of_the_laboratory_is_found() {
    type Spoil = fn(&mut Evidence);
    let table: &[(&str, &str, Spoil)] = &[
        ("13", "a job is made twice", |e| {
            let twice = ended("again", "Done", json!({ "attempts": 2, "name": "job done" }));
            e.rows.push(twice);
            e.calls.push(Call {
                path_and_query: "/1".to_owned(),
                body: r#"{"job":1}"#.into(),
                ..call("again", 1, 200)
            });
        }),
        ("14", "a job never ends", |e| e.rows.push(open("waiting", "Pending", json!({})))),
        ("15", "a call has another's payload", |e| e.calls[0].body = r#"{"job":2}"#.into()),
        ("16", "a call comes after the answer to its cancellation", |e| {
            e.calls.push(Call { path_and_query: "/1".to_owned(), body: r#"{"job":1}"#.into(), ..call("s1", 1, 500) });
            e.rows[3].attempts = 2;
        }),
        ("17", "a cancelled series goes on", |e| {
            e.rows[4] = ended("s2", "DeadLetter", daily(2, "2026-03-29T01:30:00.000Z"));
            e.rows[4].created_at = e.rows[3].created_at + TimeDelta::hours(3);
        }),
        ("18", "a lease is not waited for", |e| e.calls[1].at = e.calls[0].at.map(|at| at + TimeDelta::seconds(14))),
    ];
    let good = || {
        let mut evidence = healthy();
        evidence.rows.truncate(5);
        evidence.rows[4] = ended("s2", "Cancelled", daily(2, "2026-03-29T01:30:00.000Z"));
        evidence.created.truncate(4);
        for (number, row) in evidence.rows.iter_mut().enumerate() {
            row.name = Some(format!("job {number}"));
        }
        evidence.rows[0].name = Some("job done".to_owned());
        evidence.calls[1].at = evidence.calls[0].at.map(|at| at + TimeDelta::minutes(1));
        for call in &mut evidence.calls {
            call.path_and_query = "/1".to_owned();
            call.body = r#"{"job":1}"#.into();
        }
        evidence
    };
    let judged = |evidence: &Evidence| {
        let heard_at = evidence.rows[3].created_at + TimeDelta::minutes(150);
        let cancelled = Cancellation { job_id: "s1".to_owned(), heard_at };
        let mut late = evidence.clone();
        // Those of the healthy history came before it was heard.
        late.calls.iter_mut().take(4).for_each(|call| call.received_at -= TimeDelta::hours(1));
        late.calls.iter_mut().skip(4).for_each(|call| call.received_at += TimeDelta::hours(1));
        let mut report = Report::default();
        report.read(&late, &[cancelled]);
        report.violations
    };
    assert_eq!(judged(&good()), [""; 0]);
    for (rule, what, spoil) in table {
        let mut evidence = good();
        spoil(&mut evidence);
        let violations = judged(&evidence);
        assert!(violations.iter().any(|line| line.starts_with(&format!("{rule}. "))), "{what}: {violations:#?}");
    }
}
