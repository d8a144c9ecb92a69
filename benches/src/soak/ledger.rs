//! What was asked and what came: every job's creation, cancellation and calls, and how long answers and calls took.
//! It judges only what can be judged at once. Neighbours: `load` and `receivers` write it, `check` judges the rest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use shared::clock::Timestamp;

use super::plan::APART;
use crate::process::whole;

/// So many wrongs are told in words; all are counted.
const MOST_WORDS: usize = 20;

#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// Answered 201.
    pub(crate) is_created: bool,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) calls: Vec<Call>,
    pub(crate) due: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// Answered 200.
    Done,
    /// Answered 409.
    TooLate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) occurrence: u32,
    pub(crate) attempt: u32,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Answers 201.
    pub(crate) created: u64,
    pub(crate) repeated: u64,
    pub(crate) read: u64,
    pub(crate) listed: u64,
    pub(crate) cancelled: u64,
    pub(crate) calls: u64,
    /// Calls of an attempt that had come before.
    pub(crate) duplicates: u64,
    /// Answers and calls that must not be.
    pub(crate) wrong: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) entries: HashMap<u64, Entry>,
    pub(crate) counts: Counts,
    /// The first of them, in words.
    pub(crate) wrongs: Vec<String>,
    /// From the planned instant to the arrival of each first attempt, in seconds.
    pub(crate) late: Vec<f64>,
    /// From the instant that a creation was planned for to its answer, in milliseconds.
    pub(crate) answers: Vec<f64>,
    /// How long after that instant the request was sent, in milliseconds.
    pub(crate) lags: Vec<f64>,
}

impl Ledger {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the request is sent: its callback may be quicker than its answer.
    pub(crate) fn begin(&self, number: u64, due: Timestamp, lag_ms: f64) {
        let mut pages = self.pages();
        pages.lags.push(lag_ms);
        pages.entries.insert(number, Entry { due, ..Entry::default() });
    }

    pub(crate) fn note_created(&self, number: u64, answer_ms: f64) {
        let mut pages = self.pages();
        pages.counts.created += 1;
        pages.answers.push(answer_ms);
        if let Some(entry) = pages.entries.get_mut(&number) {
            entry.is_created = true;
        }
    }

    pub(crate) fn note_cancel(&self, number: u64, cancel: Cancel) {
        let mut pages = self.pages();
        pages.counts.cancelled += u64::from(cancel == Cancel::Done);
        if let Some(entry) = pages.entries.get_mut(&number) {
            entry.cancel = Some(cancel);
        }
    }

    pub(crate) fn note_call(&self, number: u64, call: Call, now: Timestamp) {
        let mut pages = self.pages();
        pages.counts.calls += 1;
        let Some(entry) = pages.entries.get_mut(&number) else {
            return pages.note_wrong(format!("a call for job {number}, which was never asked for"));
        };
        let came_before = entry.calls.contains(&call);
        entry.calls.push(call);
        let planned = entry.due + APART * i32::try_from(call.occurrence.saturating_sub(1)).unwrap_or(i32::MAX);
        let late = now - planned;
        if came_before {
            pages.counts.duplicates += 1;
        } else if call.attempt == 1 {
            pages.late.push(seconds(late));
        }
        if late < TimeDelta::zero() {
            pages.note_wrong(format!("job {number} was called {} s before it was due", -seconds(late)));
        }
    }

    pub(crate) fn note_wrong(&self, what: String) {
        self.pages().note_wrong(what);
    }

    pub(crate) fn has_call(&self, number: u64, occurrence: u32) -> bool {
        let pages = self.pages();
        pages.entries.get(&number).is_some_and(|entry| entry.calls.iter().any(|call| call.occurrence == occurrence))
    }
}

impl Pages {
    pub(crate) fn note_wrong(&mut self, what: String) {
        self.counts.wrong += 1;
        if self.wrongs.len() < MOST_WORDS {
            eprintln!("soak: {what}");
            self.wrongs.push(what);
        }
    }
}

fn seconds(delta: TimeDelta) -> f64 {
    let millis = whole(delta.num_milliseconds().unsigned_abs()) / 1e3;
    if delta < TimeDelta::zero() { -millis } else { millis }
}

#[cfg(test)]
mod tests {
    use shared::clock::parse_instant;

    use super::*;

    fn at(second: u32) -> Timestamp {
        parse_instant(&format!("2026-11-25T12:00:{second:02}.000Z")).unwrap()
    }

    #[test]
    fn only_the_first_call_of_a_first_attempt_has_a_lateness() {
        let ledger = Ledger::default();
        ledger.begin(1, at(10), 0.0);
        let call = |occurrence, attempt| Call { occurrence, attempt };
        ledger.note_call(1, call(1, 1), at(12));
        ledger.note_call(1, call(1, 1), at(20));
        ledger.note_call(1, call(1, 2), at(30));
        ledger.note_call(1, call(2, 1), at(11) + APART);
        let pages = ledger.pages();
        assert_eq!(pages.late, [2.0, 1.0]);
        assert_eq!((pages.counts.calls, pages.counts.duplicates, pages.counts.wrong), (4, 1, 0));
    }

    #[test]
    fn a_call_before_its_time_or_of_an_unknown_job_is_wrong() {
        let ledger = Ledger::default();
        ledger.begin(1, at(10), 0.0);
        ledger.note_call(1, Call { occurrence: 1, attempt: 1 }, at(9));
        ledger.note_call(2, Call { occurrence: 1, attempt: 1 }, at(9));
        assert_eq!(ledger.pages().counts.wrong, 2);
    }
}
