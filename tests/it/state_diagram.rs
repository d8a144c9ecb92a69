//! The diagram of a job's life in ARCHITECTURE.md, compared arrow by arrow with what the store really does.
//! The conditions are those that went over the wire. Neighbour: `store` tests each transition for itself.

use std::collections::BTreeSet;

use shared::clock::Timestamp;
use shared::ids::{JobId, SeriesId};
use shared::job::Status;
use shared::lifecycle::Lost;
use shared::store::{Changed, Claimed, Settled, Store as Jobs};

use crate::on_both_stores;
use crate::store::{HOURLY, ONE_SHOT, after, claimed, ended, jobs, noon, now_stored, status, stored, tenant, write};
use crate::support::chaos_proxy::ChaosProxy;

const ARCHITECTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
/// Before the first and after the last status, as Mermaid writes it.
const NOTHING: &str = "[*]";

/// `from --> to: event [condition, condition]`, the conditions sorted.
type Arrows = BTreeSet<String>;

fn arrow(from: &str, to: &str, event: &str, mut conditions: Vec<&str>) -> String {
    conditions.sort_unstable();
    let conditions = conditions.join(", ");
    if conditions.is_empty() {
        format!("{from} --> {to}: {event}")
    } else {
        format!("{from} --> {to}: {event} [{conditions}]")
    }
}

/// The arrows of the document.
fn drawn() -> Arrows {
    let text = std::fs::read_to_string(ARCHITECTURE).unwrap();
    let diagram = text.split("stateDiagram-v2").nth(1).expect("a state diagram").split("```").next().unwrap();
    let lines = diagram.lines().map(str::trim).filter(|line| line.contains("-->"));
    lines
        .map(|line| {
            let (states, label) = line.split_once(": ").unwrap_or_else(|| panic!("no label: {line}"));
            let (from, to) = states.split_once(" --> ").unwrap();
            match label.strip_suffix(']').and_then(|label| label.split_once(" [")) {
                Some((event, conditions)) => arrow(from, to, event, conditions.split(", ").collect()),
                None => arrow(from, to, label, Vec::new()),
            }
        })
        .collect()
}

/// Drives jobs through the real store and notes each arrow that it finds, with the condition of its write.
struct Explorer {
    jobs: Jobs,
    wire: ChaosProxy,
    arrows: Arrows,
}

impl Explorer {
    /// A write has just taken a job from one status to another.
    fn note(&mut self, from: &str, to: &str, event: &str) {
        let seen = self.wire.seen();
        let last =
            seen.iter().rev().find_map(|seen| seen.body["ConditionExpression"].as_str()).expect("a conditional write");
        let words = [
            ("#status", "status"),
            (":pending", "Pending"),
            (":firing", "Firing"),
            (":dead", "DeadLetter"),
            (":nowSeconds", "now"),
            (":now", "now"),
            (":lease", "lease"),
            (":tenant", "mine"),
        ];
        let condition = words.iter().fold(last.to_owned(), |text, (name, word)| text.replace(name, word));
        self.arrows.insert(arrow(from, to, event, conjuncts(&condition, from)));
    }

    /// A job that has come to this status on the usual way. What is `Firing` is so until a minute after noon.
    async fn job_in(&self, status: Status) -> JobId {
        let id = stored(&self.jobs, ONE_SHOT).await.id;
        match status {
            Status::Pending => {}
            Status::Firing => drop(claimed(&self.jobs, id, noon()).await),
            Status::Done => self.settle(id, 200).await,
            Status::Cancelled => {
                assert!(matches!(self.jobs.cancel(&tenant(), id, noon()).await.unwrap(), Changed::Changed(_)));
            }
            Status::DeadLetter => {
                self.settle(id, 500).await;
                let last = claimed(&self.jobs, id, after(60)).await.settle(ended(500), after(60));
                assert_eq!(write(&self.jobs, &last).await, Settled::Recorded);
            }
        }
        id
    }

    async fn settle(&self, id: JobId, status_code: u16) {
        let settlement = claimed(&self.jobs, id, noon()).await.settle(ended(status_code), noon());
        assert_eq!(write(&self.jobs, &settlement).await, Settled::Recorded);
    }

    async fn creation(&mut self) {
        let first = stored(&self.jobs, HOURLY).await;
        self.note(NOTHING, "Pending", "POST");
        let settlement = claimed(&self.jobs, first.id, noon()).await.settle(ended(200), noon());
        let successor = settlement.successor.unwrap();
        self.jobs.put_successor(&successor).await.unwrap();
        assert_eq!(status(&self.jobs, successor.id).await, Status::Pending);
        self.note(NOTHING, "Pending", "next occurrence");

        // A poller died over it, so the place of the next occurrence is taken when it is cancelled.
        let left_open = stored(&self.jobs, HOURLY).await;
        drop(claimed(&self.jobs, left_open.id, noon()).await);
        let failed = claimed(&self.jobs, left_open.id, after(60)).await.settle(ended(500), after(60));
        assert_eq!(write(&self.jobs, &failed).await, Settled::Recorded);
        assert!(matches!(self.jobs.cancel(&tenant(), left_open.id, after(60)).await.unwrap(), Changed::Changed(_)));
        let next = SeriesId(left_open.id.0).occurrence(2);
        self.note(NOTHING, status(&self.jobs, next).await.as_str(), "end of a cancelled series");
    }

    /// A claim at `now` of a job that has come to this status.
    async fn claim(&mut self, from: Status, id: JobId, now: Timestamp) {
        let before = now_stored(&self.jobs, id).await;
        match self.jobs.claim(id, now).await.unwrap() {
            Claimed::Claimed(_) => self.note(from.as_str(), status(&self.jobs, id).await.as_str(), "claim"),
            Claimed::Exhausted(last) => {
                assert_eq!(write(&self.jobs, &last.bury(now)).await, Settled::Recorded);
                self.note(from.as_str(), status(&self.jobs, id).await.as_str(), "last attempt interrupted");
            }
            Claimed::Lost(Lost::Leased | Lost::NotDue | Lost::Ended | Lost::Gone) => {
                assert_eq!(now_stored(&self.jobs, id).await, before);
            }
        }
    }

    async fn cancellation(&mut self, from: Status) {
        let id = self.job_in(from).await;
        let before = now_stored(&self.jobs, id).await;
        match self.jobs.cancel(&tenant(), id, after(60)).await.unwrap() {
            Changed::Changed(job) => self.note(from.as_str(), job.state.status().as_str(), "DELETE"),
            Changed::Not(_) | Changed::NotFound => assert_eq!(now_stored(&self.jobs, id).await, before),
        }
    }

    async fn wish(&mut self, from: Status, event: &str) {
        let id = self.job_in(from).await;
        let before = now_stored(&self.jobs, id).await;
        let changed = match event {
            "retry" => self.jobs.retry(&tenant(), id, after(60)).await,
            _ => self.jobs.run_now(&tenant(), id, after(60)).await,
        };
        match changed.unwrap() {
            Changed::Changed(job) => self.note(from.as_str(), job.state.status().as_str(), event),
            Changed::Not(_) | Changed::NotFound => assert_eq!(now_stored(&self.jobs, id).await, before),
        }
    }

    /// The outcomes of an attempt; without a claim there are none, which is for the compiler to see.
    async fn outcomes(&mut self) {
        let id = self.job_in(Status::Pending).await;
        let given_back = claimed(&self.jobs, id, after(60)).await.give_back(after(60));
        assert_eq!(write(&self.jobs, &given_back).await, Settled::Recorded);
        self.note("Firing", status(&self.jobs, id).await.as_str(), "not sent");
        for (attempts_before, status_code, event) in
            [(0, 200, "2xx"), (1, 200, "2xx"), (0, 500, "failed, attempts left"), (1, 500, "last attempt failed")]
        {
            let id = self.job_in(Status::Pending).await;
            if attempts_before == 1 {
                self.settle(id, 500).await;
            }
            let settlement = claimed(&self.jobs, id, after(60)).await.settle(ended(status_code), after(60));
            assert_eq!(write(&self.jobs, &settlement).await, Settled::Recorded);
            self.note("Firing", status(&self.jobs, id).await.as_str(), event);
        }
    }

    async fn expiry(&mut self, from: Status) {
        let id = self.job_in(from).await;
        if self.jobs.get(&tenant(), id, after(31 * 86_400)).await.unwrap().is_none() {
            self.arrows.insert(arrow(from.as_str(), NOTHING, "30 days later", Vec::new()));
        }
    }
}

/// What must hold for a job that is `from`: of alternatives in brackets only the one that names this status.
fn conjuncts<'a>(condition: &'a str, from: &str) -> Vec<&'a str> {
    let Some((common, alternatives)) = condition.split_once(" AND ((") else {
        return condition.split(" AND ").collect();
    };
    let named = format!("status = {from}");
    let mut alternatives = alternatives.trim_end_matches(')').split(") OR (");
    let own = alternatives.find(|alternative| alternative.contains(&named));
    let own = own.unwrap_or_else(|| panic!("{condition} has nothing for {from}"));
    common.split(" AND ").chain(own.split(" AND ")).collect()
}

on_both_stores! {
    async fn the_diagram_of_a_jobs_life_shows_what_the_store_does_and_nothing_else(store: Store) {
        let wire = ChaosProxy::before(store.endpoint()).await;
        let jobs = jobs(&store, &wire.url()).await;
        let mut explorer = Explorer { jobs, wire, arrows: Arrows::new() };
        explorer.creation().await;
        for from in Status::ALL {
            for now in [after(-1), noon(), after(10), after(61), after(3_600)] {
                let id = explorer.job_in(from).await;
                explorer.claim(from, id, now).await;
            }
            explorer.cancellation(from).await;
            explorer.wish(from, "retry").await;
            explorer.wish(from, "run now").await;
            explorer.expiry(from).await;
        }
        let exhausted = explorer.job_in(Status::Firing).await;
        drop(claimed(&explorer.jobs, exhausted, after(60)).await);
        explorer.claim(Status::Firing, exhausted, after(120)).await;
        explorer.outcomes().await;

        let (drawn, found) = (drawn(), explorer.arrows);
        let missing: Vec<_> = found.difference(&drawn).collect();
        let invented: Vec<_> = drawn.difference(&found).collect();
        assert!(missing.is_empty() && invented.is_empty(), "the diagram lacks {missing:#?}\nand invents {invented:#?}");
    }
}
