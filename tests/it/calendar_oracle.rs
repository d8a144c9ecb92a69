//! The schedules against an independent implementation: `tests/oracle/calendar_vectors.py` on Python's `zoneinfo`.
//! It starts no Scheduler: `shared` alone is asked. Neighbour: the tables of single cases in `shared::schedule`.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, NaiveTime};
use serde::Deserialize;
use shared::clock::{Timestamp, format_instant};
use shared::schedule::{Calendar, Recurrence, Schedule, weekday_from_number};

/// The first line of the file.
#[derive(Deserialize)]
struct Origin {
    tzdb: String,
}

/// Instants are milliseconds since 1970.
#[derive(Deserialize)]
struct Case {
    zone: String,
    times: Vec<String>,
    days: Vec<u8>,
    end: Option<i64>,
    max: Option<u32>,
    #[serde(flatten)]
    question: Question,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Question {
    First { start: Option<i64>, now: i64, want: Option<i64> },
    Next { planned: i64, number: u32, now: i64, want: Option<i64> },
    Walk { start: i64, want: Vec<i64> },
}

#[test]
fn schedules_agree_with_a_clock_watched_minute_by_minute() {
    let vectors = generate_vectors();
    let mut lines = vectors.lines();
    let origin: Origin = serde_json::from_str(lines.next().unwrap()).unwrap();
    let cases: Vec<&str> = lines.collect();
    assert!(cases.len() >= 2_000, "only {} cases", cases.len());

    let disagreements: Vec<String> = cases.iter().filter_map(|line| disagreement(line)).collect();
    assert!(
        disagreements.is_empty(),
        "{} of {} cases disagree (time zones: {} here, {} in Python{}):\n{}",
        disagreements.len(),
        cases.len(),
        chrono_tz::IANA_TZDB_VERSION,
        origin.tzdb,
        if origin.tzdb == chrono_tz::IANA_TZDB_VERSION { "" } else { ": see tests/oracle/requirements.txt" },
        disagreements.join("\n")
    );
}

fn disagreement(line: &str) -> Option<String> {
    let case: Case = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let schedule = case.schedule();
    let (want, got): (Vec<_>, Vec<_>) = match case.question {
        Question::First { start, now, want } => {
            (want.into_iter().collect(), schedule.first(start.map(instant), instant(now)).into_iter().collect())
        }
        Question::Next { planned, number, now, want } => {
            (want.into_iter().collect(), schedule.next(instant(planned), number, instant(now)).into_iter().collect())
        }
        Question::Walk { start, want } => {
            let first = schedule.first(Some(instant(start)), instant(start));
            let got = first.into_iter().flat_map(|first| schedule.occurrences(first)).take(want.len()).collect();
            (want, got)
        }
    };
    let want: Vec<_> = want.into_iter().map(instant).collect();
    let written = |instants: &[Timestamp]| instants.iter().copied().map(format_instant).collect::<Vec<_>>().join(" ");
    (want != got).then(|| format!("want [{}], got [{}]: {line}", written(&want), written(&got)))
}

impl Case {
    fn schedule(&self) -> Schedule {
        let calendar = Calendar {
            times: self.times.iter().map(|time| NaiveTime::parse_from_str(time, "%H:%M").unwrap()).collect(),
            days: self.days.iter().map(|day| weekday_from_number(*day).unwrap()).collect(),
            zone: self.zone.parse().unwrap(),
        };
        Schedule {
            recurrence: Recurrence::Calendar(calendar),
            end_at: self.end.map(instant),
            max_occurrences: self.max,
        }
    }
}

fn instant(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap()
}

fn generate_vectors() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own_python = root.join(".tools/venv/bin/python");
    let python = if own_python.exists() { own_python } else { PathBuf::from("python3") };
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(&python)
        .arg(root.join("tests/oracle/calendar_vectors.py"))
        .arg(file.path())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}; the oracle needs Python 3.9", python.display()));
    assert!(output.status.success(), "the oracle failed: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(file.path()).unwrap()
}
