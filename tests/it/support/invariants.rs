//! What must always hold, whatever crashed or raced: checked on the whole jobs table and the receiver's log.
//! It never stops at the first violation: all of them are listed at once, each with the number of its rule.
//! Neighbours: `rows` reads the table, `calendar_oracle` knows schedules, `app` is where the evidence comes from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use shared::clock::{format_instant, parse_instant};

use super::app::App;
use super::calendar_oracle::Timetable;
use super::conversation::{Created, id};
use super::receiver::Call;
use super::rows::{Row, read_table};

/// Terminal jobs live this long (CONTRACT §5), so a younger one must be there.
const RETENTION: TimeDelta = TimeDelta::days(30);
/// How many jobs of others each token is tried on.
const FOREIGN_JOBS_TRIED: usize = 5;

/// All that the rules are checked on.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The promises: every `201`.
    pub created: Vec<Created>,
    /// The jobs table, whole.
    pub rows: Vec<Row>,
    pub calls: Vec<Call>,
    /// What the names of the callback headers begin with.
    pub header_prefix: String,
    pub sightings: Vec<Sighting>,
    pub now: DateTime<Utc>,
    pub poll_interval: TimeDelta,
    /// The most by which the clocks of its machines differ.
    pub clocks_apart: TimeDelta,
}

/// A token got to see a job.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub token: Option<String>,
    pub job_id: String,
}

impl App {
    /// Fails with every rule that does not hold. The program must be up, its pollers idle.
    pub async fn check(&self) {
        let evidence = Evidence::gather(self).await;
        let violations = evidence.violations();
        assert!(violations.is_empty(), "what must always hold does not:\n  {}", violations.join("\n  "));
    }
}

impl Evidence {
    pub async fn gather(app: &App) -> Self {
        let rows = read_table(&app.dynamodb(), app.jobs_table()).await;
        let created = app.created();
        Self {
            sightings: look_around(app, &created).await,
            created,
            rows,
            calls: app.receiver.all_calls(),
            header_prefix: app.header_prefix(),
            now: app.now().await,
            poll_interval: TimeDelta::from_std(app.poll_interval()).unwrap(),
            clocks_apart: TimeDelta::zero(),
        }
    }

    /// One line for each violation; none when all is well.
    pub fn violations(&self) -> Vec<String> {
        let table: HashMap<&str, &Row> = self.rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let mut found = Vec::new();
        found.extend(self.promises_are_kept(&table));
        let mut calls: HashMap<&str, Vec<&Call>> = HashMap::new();
        for call in &self.calls {
            calls.entry(self.job_id(call).unwrap_or_default()).or_default().push(call);
        }
        for row in &self.rows {
            let calls = calls.remove(row.id.as_str()).unwrap_or_default();
            found.extend(self.delivery(row, &calls).into_iter().map(|problem| format!("{problem}: {row}")));
            found.extend(self.shape(row).into_iter().map(|problem| format!("{problem}: {row}")));
        }
        for series in self.series().values() {
            found.extend(self.continuity(series).into_iter().map(|problem| format!("{problem}: {}", listed(series))));
        }
        found.extend(self.calls_of_nobody(&table));
        found.extend(self.tenants_are_apart(&table));
        found
    }

    /// Rule 1.
    fn promises_are_kept(&self, table: &HashMap<&str, &Row>) -> Vec<String> {
        let missing = |created: &&Created| !table.contains_key(id(&created.job)) && !self.may_have_expired(created);
        let missing = self.created.iter().filter(missing);
        missing.map(|created| format!("1. a 201 is not in the table: {}", created.job)).collect()
    }

    fn may_have_expired(&self, created: &Created) -> bool {
        let at = created.job["createdAtUtc"].as_str().and_then(parse_instant);
        at.is_none_or(|at| at + RETENTION <= self.now)
    }

    /// Rules 2 to 6, for one job and the calls that were for it.
    fn delivery(&self, row: &Row, calls: &[&Call]) -> Vec<String> {
        let mut found = Vec::new();
        let succeeded = |call: &&&Call| call.answered.is_some_and(|status| (200..300).contains(&status));
        if row.status == "Done" && calls.iter().filter(succeeded).count() == 0 {
            let answers: Vec<_> = calls.iter().map(|call| call.answered).collect();
            found.push(format!("2. Done without a 2xx, after the answers {answers:?}"));
        }
        // Somebody may have asked for it before its time.
        let earliest = row.run_now_at.map_or(row.planned_at, |asked_at| asked_at.min(row.planned_at));
        for at in calls.iter().filter_map(|call| call.at) {
            if at < earliest {
                found.push(format!("3. it was called early, at {}", format_instant(at)));
            }
            if row.status == "Cancelled"
                && row.completed_at.is_some_and(|cancelled_at| at > cancelled_at + self.clocks_apart)
            {
                found.push(format!("4. it was called after it was cancelled, at {}", format_instant(at)));
            }
        }
        let highest = calls.iter().filter_map(|call| self.header(call, "Attempt")?.parse().ok()).max().unwrap_or(0);
        if row.attempts.max(highest) > row.max_retries {
            found.push(format!("5. {} attempts and a call of number {highest}", row.attempts));
        }
        // Each retry out of the dead letter comes after all the attempts that were allowed.
        if calls.len() > (row.redrives * row.max_retries + row.attempts) as usize {
            found.push(format!("5. {} calls, more than its attempts", calls.len()));
        }
        let keys: BTreeSet<Option<&str>> = calls.iter().map(|call| self.header(call, "Idempotency-Key")).collect();
        let expected = row.key_of_occurrence();
        if keys.iter().any(|key| *key != Some(&expected)) {
            found.push(format!("6. it was called with the keys {keys:?}, not {expected:?}"));
        }
        found
    }

    /// Rules 10 and 11.
    fn shape(&self, row: &Row) -> Vec<String> {
        let mut found = Vec::new();
        let ended = ["Done", "Cancelled", "DeadLetter"].contains(&row.status.as_str());
        let lease_until = row.lease_until.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        match (row.status.as_str(), lease_until) {
            ("Firing", None) => found.push("10. Firing without a lease".to_owned()),
            ("Firing", Some(until)) if until + self.poll_interval < self.now => {
                let now = format_instant(self.now);
                found.push(format!("10. at {now} still Firing, past its lease and one poll"));
            }
            _ => {}
        }
        if row.expires_at.is_some() != ended || row.status_shard.is_some() == ended {
            found.push("11. an ended job has expiresAt and no statusShard, every other the other way round".to_owned());
        }
        if row.fire_at.is_some() == ended || row.completed_at.is_some() != ended {
            found.push("11. an ended job has completedAt and no fireAt, every other the other way round".to_owned());
        }
        let list = if ended { row.status.as_str() } else { "Open" };
        if row.tenant_status != format!("{}#{list}", row.tenant) {
            found.push("11. it is in the wrong list".to_owned());
        }
        found
    }

    fn series(&self) -> BTreeMap<&str, Vec<&Row>> {
        let mut series: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(id) = &row.series_id {
                series.entry(id).or_default().push(row);
            }
        }
        for occurrences in series.values_mut() {
            occurrences.sort_by_key(|row| row.occurrence_number);
        }
        series
    }

    /// Rules 7, 8 and 9. The oldest occurrences may have expired.
    fn continuity(&self, series: &[&Row]) -> Vec<String> {
        let mut found = Vec::new();
        let (outlived, series) = series.split_at(self.outlived(series));
        if series.is_empty() {
            return found;
        }
        let numbers: Vec<u32> = series.iter().map(|row| row.occurrence_number.unwrap_or(0)).collect();
        let (first, last) = (series[0], series[series.len() - 1]);
        let beginning_expired = !outlived.is_empty() || first.created_at + RETENTION <= self.now;
        if numbers.windows(2).any(|pair| pair[0] + 1 != pair[1]) || (numbers[0] != 1 && !beginning_expired) {
            found.push(format!("7. a series has a gap or a repeat: {numbers:?}"));
        }
        if let Some(timetable) = Timetable::of(last) {
            let ends_by_itself = ["Done", "DeadLetter"].contains(&last.status.as_str());
            let next = last.completed_at.and_then(|completed_at| timetable.next(last, completed_at));
            if let (true, Some(next)) = (ends_by_itself, next) {
                found.push(format!("7. a series ended, though it has {} before it", format_instant(next)));
            }
        }
        // Who died between the put of the next occurrence and the settle leaves both; when the repeated delivery
        // then fails, the earlier one waits for its next attempt beside its successor.
        // One that was retried out of the dead letter waits beside its series.
        let waits = |row: &&&Row| row.status == "Pending" && row.redrives == 0;
        let waits_alone = |row: &&&Row| waits(row) && (row.attempts == 0 || row.id == last.id);
        if series.iter().filter(waits_alone).count() > 1 || series.iter().filter(waits).count() > 2 {
            found.push("8. more than one occurrence of a series waits".to_owned());
        }
        for row in series {
            if Timetable::of(row).is_none_or(|timetable| !timetable.has(row.planned_at)) {
                found.push(format!("9. {} is not on its schedule", format_instant(row.planned_at)));
            }
        }
        for pair in series.windows(2) {
            if pair[0].status == "Cancelled"
                && pair[0].completed_at.is_some_and(|at| pair[1].created_at > at + self.clocks_apart)
            {
                found.push(format!("4. after the cancelled {} comes {}", pair[0], pair[1]));
            }
            let expected = Timetable::of(pair[0]).and_then(|timetable| timetable.next(pair[0], pair[1].created_at));
            if expected != Some(pair[1].planned_at) {
                let (number, expected) = (numbers[0], expected.map(format_instant));
                found.push(format!(
                    "9. after {}, in a series from {number}, comes {expected:?}, not {}",
                    pair[0], pair[1]
                ));
            }
        }
        found
    }

    /// A retry gives an occurrence a second life, in which those after it may expire: so many at the beginning say
    /// nothing of the others.
    fn outlived(&self, series: &[&Row]) -> usize {
        let may_have_outlived_the_next = |row: &&&Row| row.redrives > 0 && row.created_at + RETENTION <= self.now;
        series.iter().take_while(may_have_outlived_the_next).count()
    }

    /// A call for a job that was never promised, or has none of its own: part of rule 6.
    fn calls_of_nobody(&self, table: &HashMap<&str, &Row>) -> Vec<String> {
        let known: BTreeSet<&str> = self.created.iter().map(|created| id(&created.job)).collect();
        let strange = |call: &&Call| match (self.job_id(call), call.at) {
            (Some(id), Some(at)) => !table.contains_key(id) && !known.contains(id) && self.now < at + RETENTION,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let strange = self.calls.iter().filter(strange);
        strange.map(|call| format!("6. a call for no known job: {call:?}")).collect()
    }

    fn header<'a>(&self, call: &'a Call, name: &str) -> Option<&'a str> {
        call.header(&format!("{}{name}", self.header_prefix))
    }

    fn job_id<'a>(&self, call: &'a Call) -> Option<&'a str> {
        self.header(call, "Job-Id")
    }

    /// Rule 12. Whose a token is shows in the jobs that it created.
    fn tenants_are_apart(&self, table: &HashMap<&str, &Row>) -> Vec<String> {
        let tenant_of = |job_id: &str| table.get(job_id).map(|row| row.tenant.as_str());
        let mut owners: BTreeMap<&Option<String>, BTreeSet<&str>> = BTreeMap::new();
        for created in &self.created {
            owners.entry(&created.token).or_default().extend(tenant_of(id(&created.job)));
        }
        let mut found = Vec::new();
        for (token, tenants) in owners.iter().filter(|(_, tenants)| tenants.len() > 1) {
            found.push(format!("12. the token {token:?} created jobs of several tenants: {tenants:?}"));
        }
        for Sighting { token, job_id } in &self.sightings {
            let Some(own) = owners.get(token).filter(|own| !own.is_empty()) else { continue };
            let foreign = tenant_of(job_id).filter(|tenant| !own.contains(tenant));
            found.extend(foreign.map(|tenant| format!("12. the token {token:?} sees {job_id} of {tenant}")));
        }
        found
    }
}

/// What every token that created something gets to see: by listing all, and by asking for jobs of others.
async fn look_around(app: &App, created: &[Created]) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let tokens: BTreeSet<&Option<String>> = created.iter().map(|created| &created.token).collect();
    for token in &tokens {
        let client = app.with_token(token.as_deref().unwrap_or_default());
        // A token may have no right to read, or none any more: then it sees nothing.
        if client.get("/scheduled-jobs?limit=1").await.status != 200 {
            continue;
        }
        let listed = client.all_pages("limit=200").await;
        let seen = |job_id: &str| Sighting { token: (*token).clone(), job_id: job_id.to_owned() };
        sightings.extend(listed.iter().map(|job| seen(id(job))));
        let foreign = created.iter().filter(|created| created.token != **token).take(FOREIGN_JOBS_TRIED);
        for job_id in foreign.map(|created| id(&created.job)) {
            if client.get(&format!("/scheduled-jobs/{job_id}")).await.status != 404 {
                sightings.push(seen(job_id));
            }
        }
    }
    sightings
}

fn listed(series: &[&Row]) -> String {
    series.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
