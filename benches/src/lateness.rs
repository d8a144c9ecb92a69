//! How late 6,000 jobs are that are spread over ten minutes, with a poll each minute, as the schedule on AWS has it.
//! It takes those ten minutes of the system's clock and next to nothing of the machine, so it runs beside the others, and
//! before them: a poller on AWS does not share its processor.
//! Neighbours: `receiver` notes when calls come, `roles` the poller.

use chrono::TimeDelta;
use shared::clock::{Clock, format_instant};

use crate::drain::RECEIVERS;
use crate::jobs;
use crate::plot;
use crate::process::{self, Server};
use crate::report::{Finding, Found, Series, Target, percentile};
use crate::roles::Place;

const JOBS: u32 = 6_000;
const MINUTES: i64 = 10;
/// Until the first job is due, all of them are created.
const HEAD_START: TimeDelta = TimeDelta::seconds(10);

pub(crate) async fn measure() -> anyhow::Result<Found> {
    let store = Server::start_first(&["store"]).await?;
    let receiver = Server::start_first(&["receiver", "--ports", RECEIVERS, "--lateness"]).await?;
    let place = Place::new(&store.ready, "lateness-");
    let start = Clock::System.now() + HEAD_START;
    let apart_ms = MINUTES * 60_000 / i64::from(JOBS);
    let bodies = receiver.ready.split(' ').cycle().zip(0..i64::from(JOBS)).map(|(receiver, number)| {
        let due = start + TimeDelta::milliseconds(number * apart_ms);
        let url = format!("{receiver}/{}", due.timestamp_millis());
        jobs::body_with(&url, 200, &format!(r#""fireAtUtc":"{}","#, format_instant(due)))
    });
    jobs::create(&place, bodies).await?;
    let count = JOBS.to_string();
    let mut role = vec!["poller-each-minute", "--jobs", &count];
    role.extend(place.flags());
    let delivered: u64 = process::word_of(&mut process::this_program_first(&role)?).await?;
    let late_ms: Vec<f64> = receiver.last_word().await?;
    eprintln!("bench: lateness of {delivered} jobs is known");
    let seconds = |percent| percentile(&late_ms, percent) / 1e3;
    let finding = |what: &str, percent| {
        let what = format!("lateness of 6,000 jobs over ten minutes, polled each minute, {what}");
        Finding::new(what, Series::new("s", [seconds(percent)]))
    };
    let curve = (1..=100_u8).map(|percent| (f64::from(percent), seconds(usize::from(percent))));
    let lines = [("a poll each minute".to_owned(), curve.collect())];
    let axes = ["percent of the jobs", "no later than, s"];
    let plot = plot::lines("lateness", "Lateness of 6,000 jobs spread over ten minutes", axes, false, &lines);
    let findings = vec![
        finding("the earliest", 0).with_target(Target::AtLeast(0.0)),
        finding("p50", 50),
        finding("p99", 99),
        finding("the latest", 100).with_target(Target::AtMost(62.0)),
    ];
    Ok(Found { findings, plots: vec![plot], ..Found::default() })
}
